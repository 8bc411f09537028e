/* SPDX-License-Identifier: Apache-2.0
 *
 * Providers: an instance of a socache provider and all that belongs to it, connections to cache
 * servers above all. Counted, so that a new one can take its place while calls of the old one are
 * still under way. Any thread.
 */
#ifndef CBA_PROVIDER_H
#define CBA_PROVIDER_H

#include <ap_socache.h>

#include "cba_module.h"

#define CBA_PROVIDER_NAME "eas-cba" /* of records; providers stand 15 characters */

struct cba_provider {
    const ap_socache_provider_t *functions;
    ap_socache_instance_t *instance;
};

/* A new instance of these functions with these arguments, held once; it talks to nobody yet. parent:
 * of the pool it lives in, at the latest until that one ends; NULL: the process. s: the main server.
 * APR_SUCCESS with *out; else *wrong, which lives as long as parent, says why where it is not NULL. */
apr_status_t cba_provider_create(const ap_socache_provider_t *functions, const char *args,
                                 server_rec *s, apr_pool_t *parent, struct cba_provider **out,
                                 const char **wrong);

struct cba_provider *cba_provider_ref(struct cba_provider *provider);

/* The last one to let go ends it, without waiting for anybody. s: a server of the configuration that
 * is in force. */
void cba_provider_unref(struct cba_provider *provider, server_rec *s);

#endif
