/* SPDX-License-Identifier: Apache-2.0
 *
 * Which service principal name a back end has: the words of EASCertAuthSPN, and the choice among
 * its rules. Spans and texts stay the caller's. Pure; any thread.
 */
#ifndef CBA_SPN_RULE_H
#define CBA_SPN_RULE_H

#include "cba_span.h"

#define CBA_HTTPS_PORT 443

/* EASCertAuthSPN [HOST[:PORT]] SPN */
struct cba_spn_rule {
    struct cba_span host; /* empty: every host */
    int port;             /* 0: every port */
    const char *spn;
};

/* Is this the name of a web service as the directive takes it: http/HOST or http/HOST:PORT, the
 * class in any case, HOST a DNS name or an IPv4 address, at most CBA_SPN_MAX long? A realm is not
 * taken: constrained delegation ends at the realm's border (MS-SFU 3.2.5.2), so it is the
 * gateway's. */
bool cba_spn_is_http(struct cba_span word);

/* HOST or HOST:PORT into a rule. False: not that. */
bool cba_spn_rule_read(struct cba_span word, struct cba_spn_rule *rule);

/* Are the two about the same hosts and ports? Letters have no case. */
bool cba_spn_rule_same(const struct cba_spn_rule *a, const struct cba_spn_rule *b);

/* How closely the rule fits a back end: 0 not at all, 1 every host, 2 this host, 3 this host and
 * port. */
int cba_spn_rule_fit(const struct cba_spn_rule *rule, struct cba_span host, int port);

/* Does the section <Proxy NAME> stand for the back end, or the balancer, with this URL? It does if
 * scheme, host and port are the same and its path is that of the URL up to the end of a segment.
 * Letters have no case, the port of https may be left out. Patterns are not understood here. */
bool cba_spn_url_begins(struct cba_span url, struct cba_span name);

/* The host and port of an https:// URL. False: it has none, or is of another scheme. */
bool cba_spn_url_host(struct cba_span url, struct cba_span *host, int *port);

#endif
