/* SPDX-License-Identifier: Apache-2.0
 *
 * S4U: protocol transition and constrained delegation (MS-SFU). S4U2Self yields the evidence
 * ticket, whose PAC is decrypted with the gateway's own key, verified, and read for the account's
 * SID and groups; S4U2Proxy turns it into a ticket for the account to the back end. Objects belong to one
 * thread at a time; the service may be shared.
 */
#ifndef CBA_S4U_H
#define CBA_S4U_H

#include "cba_decision.h"
#include "cba_service.h"
#include "cba_ticket.h"

struct cba_evidence;

/* S4U2Self for sam@REALM (NT-PRINCIPAL; MS-SFU 3.1.5.1.1). Fills *facts from the decrypted,
 * verified ticket. CBA_R_OK with *out owned by the caller, or KRB_*, LIFE_MEMORY. */
enum cba_reason cba_s4u_self(struct cba_service *service, const char *sam, const char *realm,
                             struct cba_deadline deadline, struct cba_evidence **out,
                             struct cba_evidence_facts *facts, struct cba_result *result);

/* S4U2Proxy to the SPN in the gateway's realm (MS-SFU 3.1.5.2.1). The ticket must be AES, and for
 * the evidence's client. CBA_R_OK with *out owned by the caller (one reference), or KRB_*,
 * LIFE_MEMORY. */
enum cba_reason cba_s4u_proxy(struct cba_service *service, const struct cba_evidence *evidence,
                              const char *spn, struct cba_deadline deadline,
                              struct cba_ticket **out, struct cba_result *result);

void cba_evidence_free(struct cba_evidence *evidence); /* NULL is allowed */

#endif
