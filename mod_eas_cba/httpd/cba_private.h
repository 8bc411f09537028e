/* SPDX-License-Identifier: Apache-2.0
 *
 * Private back-end connections. IIS authenticates the TCP connection (Exchange ships with
 * authPersistNonNTLM=true), so a connection of mod_proxy's shared pool could carry one user's
 * identity into another's request. Here a client connection has back-end connections of its own: a
 * copy of mod_proxy's worker with a connection pool of one, kept as long as the client connection,
 * used by one request at a time, dropped when the identity on the client connection changes or
 * anything went wrong. A stream of HTTP/2 gets one for itself. Used by the thread that runs the
 * client connection's request.
 */
#ifndef CBA_PRIVATE_H
#define CBA_PRIVATE_H

#include <stdbool.h>
#include <mod_proxy.h>

#include "cba_module.h"
#include "cba_account.h"

struct cba_private;

/* The connection for this request's client connection, account, worker, SPN and virtual host; made
 * if there is none. NULL: out of memory. */
struct cba_private *cba_private_take(request_rec *r, const struct cba_account *account,
                                     proxy_worker *worker, const char *spn);

/* The worker to hand to mod_proxy_http in place of the one it was copied from. */
proxy_worker *cba_private_worker(struct cba_private *connection);

/* After the request: keep it for the client connection's next one, or close it now. */
void cba_private_give_back(struct cba_private *connection, bool keep);

#endif
