/* SPDX-License-Identifier: Apache-2.0
 *
 * Private back-end connections. IIS authenticates the TCP connection (Exchange ships with
 * authPersistNonNTLM=true), so a connection of mod_proxy's shared pool could carry one user's
 * identity into another's request. Here a back-end connection belongs to one account for all its
 * life: a copy of mod_proxy's worker with a connection pool of one, used by one request at a time,
 * kept by the phone's connection, and between two of them parked for some seconds; closed when
 * anything went wrong. Each request has a token of its own all the same. Used by the thread that
 * runs the client connection's request.
 */
#ifndef CBA_PRIVATE_H
#define CBA_PRIVATE_H

#include <stdbool.h>
#include <mod_proxy.h>

#include "cba_module.h"
#include "cba_account.h"

struct cba_private;

/* child_init */
void cba_private_child_init(apr_pool_t *pchild);

/* A connection for this account, worker, SPN and virtual host: that of the request's client
 * connection, a parked one, or a new one. fresh: a new one in any case, because one that served
 * before has failed. NULL: out of memory. */
struct cba_private *cba_private_take(request_rec *r, const struct cba_account *account,
                                     proxy_worker *worker, const char *spn, bool fresh);

/* The worker to hand to mod_proxy_http in place of the one it was copied from. */
proxy_worker *cba_private_worker(struct cba_private *connection);

/* After the request: keep it for the account's next one, or close it now. */
void cba_private_give_back(struct cba_private *connection, bool keep);

#endif
