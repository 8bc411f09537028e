/* SPDX-License-Identifier: Apache-2.0
 *
 * The back end's answer on its way to the phone: streamed, without challenges. A 401 or 407 never
 * passes: it means that our Kerberos failed, and a phone would ask its user for a password. Nor does
 * what mod_proxy makes of a back end that broke off before it answered: it would close the phone's
 * connection, and phones take that for leave to send the same mail once more. The thread that runs
 * the request.
 */
#ifndef CBA_ANSWER_H
#define CBA_ANSWER_H

#include <stdbool.h>

#include "cba_module.h"
#include "cba_reason.h"

void cba_answer_register(void); /* register_hooks: the filter */

/* Watches the answers of one request, in front of every other filter. Lives in r->pool. */
struct cba_answer_watch {
    bool seen; /* the first part of an answer has come */
    /* Once seen: CBA_R_OK, it is on its way to the phone; or why nothing of it is. BACK_CHALLENGE
     * (a 401 that offers Negotiate), BACK_NO_NEGOTIATE, BACK_PROXY_CHALLENGE, BACK_FAILED. */
    enum cba_reason reason;
    bool mute;      /* with BACK_FAILED: not a byte of an answer had come */
    bool filtering; /* the filter is in the chain */
    apr_table_t *headers, *err_headers, *trailers; /* r's before the first attempt */
};

/* Before an attempt: start anew. */
void cba_answer_watch(request_rec *r, struct cba_answer_watch *watch);

/* After an attempt: where mod_proxy_http returned 401 or 407 itself (ProxyErrorOverride), this is
 * how it would have been withheld. */
enum cba_reason cba_answer_judge(const request_rec *r, int status);

/* Is this, what came of an answer as it came, a whole head of a 401 that offers Negotiate? Ends with
 * NUL. */
bool cba_answer_is_challenge(const char *head);

/* After an attempt of which nothing is on its way to the phone: nothing of it stays in r. */
void cba_answer_forget(request_rec *r, struct cba_answer_watch *watch);

#endif
