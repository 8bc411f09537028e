/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the decision and mod_proxy_http: reads the body ahead, gets the ticket for the member
 * that mod_proxy elected, makes attempts at it (cba_attempt), and says what comes of them. Hooks; the
 * thread that runs the request.
 */
#ifndef CBA_PROXY_H
#define CBA_PROXY_H

#include "cba_mod_proxy.h"

int cba_proxy_handler(request_rec *r); /* handler, before mod_proxy's */
int cba_proxy_scheme_handler(request_rec *r, proxy_worker *worker, proxy_server_conf *conf,
                             char *url, const char *proxyname,
                             apr_port_t proxyport); /* scheme_handler, before mod_proxy_http's */
int cba_proxy_fixups(
    request_rec *r); /* mod_proxy's optional hook "fixups": on its copy of the headers */
int cba_proxy_request_status(
    int *status, request_rec *r); /* mod_proxy's optional hook: the end of all attempts */
void cba_proxy_register(void);    /* register_hooks: mod_proxy's optional hooks */

#endif
