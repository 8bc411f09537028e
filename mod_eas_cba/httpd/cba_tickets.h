/* SPDX-License-Identifier: Apache-2.0
 *
 * Tickets for accounts, remembered or asked for. One for each virtual host and process, made in
 * child_init, ends with the process's pool; all threads.
 */
#ifndef CBA_TICKETS_H
#define CBA_TICKETS_H

#include "cba_module.h"
#include "cba_account.h"
#include "cba_service.h"
#include "cba_ticket.h"

struct cba_tickets;
struct cba_srv_conf;

/* server: for the log; conf is its. They and service outlive the pool. NULL: out of memory. */
struct cba_tickets *cba_tickets_create(apr_pool_t *pchild, const server_rec *server,
                                       const struct cba_srv_conf *conf,
                                       struct cba_service *service);

/* A ticket for the account to the SPN. *source is "kdc" where this request got it there,
 * "shared" where it found it in the shared cache, "process" where it was remembered or another
 * request got it. What the KDC has against account or SPN is
 * remembered, too; a ticket that is to be renewed serves to its end while no KDC answers. CBA_R_OK
 * with a reference in *out, or KRB_*, LIFE_*. */
enum cba_reason cba_tickets_get(struct cba_tickets *tickets, const struct cba_account *account,
                                const char *spn, struct cba_ticket **out, const char **source,
                                struct cba_result *result);

/* A back end answered 401 to a token of this ticket. True: the ticket is forgotten, unless another
 * has taken its place by now, and the next cba_tickets_get() yields a fresh one. False: the back end
 * refused a fresh one not long ago, and the KDC is not to be asked for another. */
bool cba_tickets_renew(struct cba_tickets *tickets, const struct cba_account *account,
                       const char *spn, const struct cba_ticket *refused);
/* It refused the fresh one as well: remembered for EASCertAuthCacheTTL negative=. */
void cba_tickets_refused(struct cba_tickets *tickets, const struct cba_account *account,
                         const char *spn);

#endif
