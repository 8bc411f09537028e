/* SPDX-License-Identifier: Apache-2.0
 *
 * Stores: what a socache provider keeps for us under 32-byte keys, in memory that all processes of
 * this httpd share (shmcb) or in a server that several gateways share (redis, memcache). Knows
 * nothing of what it stores. Opened in post_config, used by all threads; every call ends within half
 * a second, and servers that failed are left alone for some seconds. Then they are tried over new
 * connections.
 */
#ifndef CBA_STORE_H
#define CBA_STORE_H

#include <stdbool.h>

#include "cba_module.h"

#define CBA_STORE_KEY 32

/* EASCertAuthCache, understood. */
enum cba_store_kind { CBA_STORE_NONE, CBA_STORE_SHMCB, CBA_STORE_REDIS, CBA_STORE_MEMCACHE };

struct cba_store;

/* Is this a value of EASCertAuthCache (NULL: the default, shmcb)? *args, from pool: what the
 * provider is to be told. */
bool cba_store_parse(apr_pool_t *pool, const char *value, enum cba_store_kind *kind,
                     const char **args);

/* Is the provider's module loaded? */
bool cba_store_available(enum cba_store_kind kind);

/* pre_config: names the mutex for httpd's Mutex directive. */
void cba_store_pre_config(apr_pool_t *pconf);

/* post_config, as root. s: the main server. *out is the one store of that kind and args, NULL for
 * CBA_STORE_NONE and where the provider is not loaded. Shared memory outlives a reload. Anything
 * but APR_SUCCESS was logged. When all stores are open, _settle ends the memory that the
 * configuration before had and this one has not. */
apr_status_t cba_store_open(enum cba_store_kind kind, const char *args, server_rec *s,
                            apr_pool_t *pconf, struct cba_store **out);
void cba_store_settle(server_rec *s, apr_pool_t *ptemp);

/* child_init; several virtual hosts may have the same store. */
apr_status_t cba_store_child_init(struct cba_store *store, apr_pool_t *pchild);

/* APR_SUCCESS with *len (on entry: the room in out); APR_NOTFOUND: not there, or the store is
 * resting or busy; else it has just failed and rests from now on. s: for the provider's log. */
apr_status_t cba_store_get(struct cba_store *store, server_rec *s, const unsigned char *key,
                           unsigned char *out, unsigned *len);

/* until: seconds since 1970. APR_SUCCESS, also when it was left undone because the store is resting
 * or busy; APR_ENOSPC: no room for it; else as above. */
apr_status_t cba_store_put(struct cba_store *store, server_rec *s, const unsigned char *key,
                           int64_t until, unsigned char *bytes, unsigned len);

/* APR_SUCCESS, also when there was nothing or the store is resting or busy; else as above. */
apr_status_t cba_store_remove(struct cba_store *store, server_rec *s, const unsigned char *key);

#endif
