/* SPDX-License-Identifier: Apache-2.0
 *
 * Discovery: what DNS says of a domain's servers, remembered. Only who comes before anything is
 * known waits for DNS; later it is asked again by a thread of its own, and the servers that are known
 * serve on. Made after the fork; any thread. No lock is held across traffic. Private to io/.
 */
#ifndef CBA_DISCOVERY_H
#define CBA_DISCOVERY_H

#include "cba_srv.h"

struct cba_discovery;

/* service: "_ldap" or "_kerberos", a constant; realm: a Kerberos realm, which is the domain's name.
 * Asks nobody. NULL: out of memory. */
struct cba_discovery *cba_discovery_create(const char *service, const char *realm);

/* Waits for the thread, if it is asking DNS: at most some seconds. NULL is allowed; no call may be
 * under way. */
void cba_discovery_destroy(struct cba_discovery *discovery);

/* The servers in the order to try them, which is the same until DNS is asked again. CBA_R_OK with
 * *count at least 1, or as cba_srv_find, and DIR_TIMEOUT where another thread was asking. */
enum cba_reason cba_discovery_get(struct cba_discovery *discovery, struct cba_deadline deadline,
                                  struct cba_srv servers[CBA_SRV_MAX], size_t *count,
                                  struct cba_result *result);

#endif
