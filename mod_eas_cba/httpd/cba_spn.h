/* SPDX-License-Identifier: Apache-2.0
 *
 * The service principal name for one attempt at one back end: what EASCertAuthSPN says in <Proxy>
 * sections and in Locations, else HTTP/HOST.
 *
 * httpd merges a <Proxy> section into a request by the URL that ProxyPass made, before a balancer
 * has chosen a member, and puts Locations over it. Both are wrong for a name that belongs to one
 * back end. So what stands in <Proxy> is kept with the server, and looked up by the member's own
 * URL. From the strongest: the sections that name the member's URL, the other ones (balancer,
 * patterns), the Location. In each of them the closest rule counts (host and port, host, all), of
 * equal ones the last.
 *
 * Rules are made while the configuration is read, in its pool, and read-only from then on.
 */
#ifndef CBA_SPN_H
#define CBA_SPN_H

#include "cba_module.h"
#include "cba_spn_rule.h"

/* A <Proxy> section. */
struct cba_spn_section {
    const char *name;        /* URL or pattern, as written */
    bool is_wild;            /* it has *, ? or [] */
    bool is_expression;      /* it is a regular expression */
    const ap_regex_t *regex; /* compiled; NULL if it is none */
};

/* One EASCertAuthSPN. */
struct cba_spn_entry {
    struct cba_spn_rule rule;
    struct cba_spn_section section; /* of a <Proxy>; name is NULL in a Location */
    const void *owner;              /* the same for all entries of one section */
};

/* For a directive that is being read: the <Proxy> or <ProxyMatch> that it stands in. name is NULL:
 * in none. */
struct cba_spn_section cba_spn_section_of(const cmd_parms *cmd);

/* How closely a section is meant for this back end: 0 not at all, 1 by a pattern or by its balancer
 * (NULL: it has none), 2 by its own URL. */
int cba_spn_section_fit(apr_pool_t *pool, const struct cba_spn_section *section, const char *url,
                        const char *balancer);

/* The name for an attempt of a request in a protected Location at this URL, whose host is a checked
 * host. In r->pool or the configuration's. */
const char *cba_spn_for(request_rec *r, const char *url, const char *host);

#endif
