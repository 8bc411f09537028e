/* SPDX-License-Identifier: Apache-2.0
 *
 * The shared cache: sealed records in a socache provider, for all processes of this httpd (shmcb) or
 * for several gateways (redis). Set up in post_config, one store for each EASCertAuthCache of the
 * configuration, one handle for each virtual host; used by all threads. Whatever goes wrong with a
 * record or a server is a miss with a number in the log, never an error of a request.
 */
#ifndef CBA_SHARED_H
#define CBA_SHARED_H

#include "cba_module.h"
#include "cba_record.h"

struct cba_seal;
struct cba_shared;

/* Reads a key file (EASCertAuthCacheKey) into the keyring. NULL: it is good. Otherwise what is
 * wrong, for the log, from pool. */
const char *cba_shared_read_key(apr_pool_t *pool, const char *path, struct cba_seal *seal);

/* post_config: the shared cache of every virtual host that protects something, as root. The random
 * key outlives a reload, as shared memory does. Anything but APR_SUCCESS was logged, and httpd must
 * not start. */
apr_status_t cba_shared_post_config(apr_pool_t *pconf, apr_pool_t *ptemp, server_rec *s);

/* child_init: what processes share needs it. */
void cba_shared_child_init(apr_pool_t *pchild, server_rec *s);

/* A record that was found. */
struct cba_shared_record {
    struct cba_span content; /* without its head; lives in memory */
    int64_t issued;
    int64_t until; /* how long it serves here */
    unsigned char *memory;
    size_t size;
};

/* Looks a record up. lifetime, known: as cba_record_judge. shared may be NULL: there is none. True:
 * *record is to be released. False: a miss, logged where it is not an ordinary one. */
bool cba_shared_get(struct cba_shared *shared, const unsigned char key[CBA_RECORD_KEY],
                    enum cba_record_type type, int64_t lifetime, int64_t known,
                    struct cba_shared_record *record);
void cba_shared_release(struct cba_shared_record *record);

/* Stores a record, in place of an older one; or does not, when the store is busy or resting. */
void cba_shared_put(struct cba_shared *shared, const unsigned char key[CBA_RECORD_KEY],
                    enum cba_record_type type, const struct cba_record_times *times,
                    struct cba_span content);

/* Takes a record out, if the store answers. */
void cba_shared_remove(struct cba_shared *shared, const unsigned char key[CBA_RECORD_KEY]);

/* A record that was found is none that its reader can use: logged as such. */
void cba_shared_complain(const struct cba_shared *shared, enum cba_reason reason,
                         const struct cba_result *result);

#endif
