/* SPDX-License-Identifier: Apache-2.0
 *
 * Where requests are proxied to, read from the configuration as written: ProxyPass and its like,
 * the members of balancers, and the parameters of workers wherever they may stand. Made in the
 * given pool; configuration time only, one thread.
 */
#ifndef CBA_CONF_WORKER_H
#define CBA_CONF_WORKER_H

#include "cba_conf_path.h"

/* A directive that sends requests somewhere. */
struct cba_mapping {
    const struct cba_directive *from;
    const char *path; /* what is sent; NULL: what the section has */
    bool is_pattern;  /* path is a regular expression */
    const char *url;  /* where to, as written; NULL: nowhere (ProxyPass /x !) */
    int shown;        /* words of the directive up to the URL */
};

/* One back end. */
struct cba_worker {
    const struct cba_directive *from; /* the ProxyPass, BalancerMember, ... that names it */
    const char *url;                  /* as written */
    int shown;                        /* words of the directive up to the URL */
};

/* What stands in the section itself and is in force: ProxyPass or ProxyPassMatch, SetHandler
 * "proxy:", RewriteRule with [P]. struct cba_mapping. */
apr_array_header_t *cba_mappings_in(apr_pool_t *pool, const struct cba_scope *section);

/* The server's own ProxyPass and ProxyPassMatch and those that it takes over from the main server,
 * in the order in which mod_proxy tries them. struct cba_mapping. */
apr_array_header_t *cba_mappings_of(apr_pool_t *pool, const struct cba_scope *server);

/* The mappings with a URL that requests of this protected section of the server may take.
 * struct cba_mapping. */
apr_array_header_t *cba_mappings_serving(apr_pool_t *pool, const struct cba_scope *server,
                                         const struct cba_scope *section);

/* Where a mapping with a URL sends the requests of a section, or all of its own if section is NULL:
 * the URL with what mod_proxy appends to it. Good for comparing. */
const char *cba_mapping_target(apr_pool_t *pool, const struct cba_mapping *mapping,
                               const struct cba_scope *section);

/* May a mapping whose URL has a "$n" reach this target of another one, as far as the n-th
 * parenthesis of its expression tells? Yes, if there is none, or if it is anything but words to
 * choose from. */
bool cba_mapping_may_reach(apr_pool_t *pool, const struct cba_mapping *mapping, const char *target);

/* The back ends behind a mapping with a URL: one, or the members of a balancer that the server
 * knows (none if it has none). struct cba_worker. */
apr_array_header_t *cba_workers_behind(apr_pool_t *pool, const struct cba_scope *server,
                                       const struct cba_mapping *mapping);

/* The value of a worker's parameter, from its own directive, else from ProxySet or <Proxy URL
 * key=value> of the server or the main server. NULL: not given. */
const char *cba_worker_param(apr_pool_t *pool, const struct cba_scope *server,
                             const struct cba_worker *worker, const char *key);

/* May the server's RewriteRules proxy, so that the rest of the configuration does not tell all? */
bool cba_server_rewrites_to_proxy(apr_pool_t *pool, const struct cba_scope *server);

/* For a directive of the server, the main server and their sections alike: every Location (or every
 * Proxy) section that concerns the server, in the order in which httpd merges them.
 * struct cba_scope *. */
apr_array_header_t *cba_sections_of(apr_pool_t *pool, const struct cba_scope *server,
                                    enum cba_scope_kind kind);

/* Is EASCertAuth On the last word of the section itself? */
bool cba_section_is_protected(apr_pool_t *pool, const struct cba_scope *section);

#endif
