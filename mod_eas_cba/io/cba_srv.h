/* SPDX-License-Identifier: Apache-2.0
 *
 * Discovery of a domain's controllers by DNS SRV records (MS-ADTS 6.3.6.1, RFC 2782). Plain values;
 * any thread. Blocks in DNS, not much longer than the deadline.
 */
#ifndef CBA_SRV_H
#define CBA_SRV_H

#include <stddef.h>
#include <stdint.h>

#include "cba_deadline.h"
#include "cba_limits.h"
#include "cba_reason.h"
#include "cba_span.h"

#define CBA_SRV_MAX 32 /* records that are looked at; a domain with more publishes sites */

struct cba_srv {
    char host[CBA_DOMAIN_MAX + 1];
    uint16_t port;
    uint16_t priority;
    uint16_t weight;
};

/* The servers of that kind ("_ldap", "_kerberos") of the domain in the order to try them: by priority, then by chance and weight.
 * Only hosts inside the domain are believed: DNS is not authenticated, and a name elsewhere could
 * be anybody's. CBA_R_OK with *count at least 1, or DIR_NO_SERVER, DIR_TIMEOUT. */
enum cba_reason cba_srv_find(const char *service, const char *domain, struct cba_deadline deadline,
                             struct cba_srv servers[CBA_SRV_MAX], size_t *count,
                             struct cba_result *result);

/* The servers in a DNS answer, in its order. False: it is malformed. Those outside of the domain
 * are left out. */
bool cba_srv_parse(struct cba_span answer, const char *domain, struct cba_srv servers[CBA_SRV_MAX],
                   size_t *count);

#endif
