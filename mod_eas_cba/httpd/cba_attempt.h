/* SPDX-License-Identifier: Apache-2.0
 *
 * One attempt at one back end: mod_proxy_http runs on a private connection, and when this one is
 * there, its chain verified and its certificate known, a token bound to that certificate is made and
 * written into the request. Then what came of it is judged. On the stack of whoever makes it; the
 * thread that runs the request.
 */
#ifndef CBA_ATTEMPT_H
#define CBA_ATTEMPT_H

#include "cba_gate.h"
#include "cba_mod_proxy.h"
#include "cba_ticket.h"

/* What mod_proxy told scheme_handler, and whose ticket it takes. */
struct cba_target {
    proxy_worker *worker;
    proxy_server_conf *conf;
    char *url;
    const char *proxyname;
    apr_port_t proxyport;
    const char *host; /* the back end's name, of the URL */
    const char *spn;
};

enum cba_outcome {
    CBA_OUTCOME_ANSWERED, /* the answer is on its way to the phone, or status says why there is none */
    CBA_OUTCOME_REFUSED, /* reason says why the phone is refused */
    CBA_OUTCOME_CHALLENGED, /* 401 with Negotiate: refused with this reason, unless a fresh ticket helps */
    CBA_OUTCOME_UNSENT, /* broken off before the request's last byte left: nobody can have acted on it
                           (RFC 9110 9.2.2, RFC 9112 8) */
};

struct cba_attempt {
    enum cba_outcome outcome;
    enum cba_reason reason; /* of REFUSED and CHALLENGED; else CBA_R_OK */
    struct cba_result result;
    int status; /* of ANSWERED: for mod_proxy */
    bool kept;  /* the request went over a connection that had served another before */
};

/* Makes the attempt. bind: with the channel binding of the back end's certificate; fresh: on a new
 * connection. Nothing of an attempt that was not ANSWERED stays in r. */
void cba_attempt_make(request_rec *r, struct cba_pass *pass, const struct cba_target *target,
                      struct cba_ticket *ticket, bool bind, bool fresh,
                      struct cba_attempt *attempt);

/* register_hooks: the filter, and the hooks on the way of a connection to a back end. */
void cba_attempt_register(void);

#endif
