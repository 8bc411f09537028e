/* SPDX-License-Identifier: Apache-2.0
 *
 * The back end's answer on its way to the phone: streamed, without challenges. A 401 or 407 never
 * passes: it means that our Kerberos failed, and a phone would ask its user for a password.
 */
#ifndef CBA_ANSWER_H
#define CBA_ANSWER_H

#include <stdbool.h>

#include "cba_module.h"
#include "cba_reason.h"

void cba_answer_register(void); /* register_hooks: the filter */

/* Watches the answers of one request, in front of every other filter. */
struct cba_answer_watch {
    bool seen;              /* the first part of an answer has come */
    enum cba_reason reason; /* CBA_R_OK, or why this answer is withheld */
    bool filtering;         /* the filter is in the chain */
};

/* Before an attempt: start anew. watch lives in r->pool. */
void cba_answer_watch(request_rec *r, struct cba_answer_watch *watch);

/* After an attempt whose answer was withheld: nothing of it stays in r. */
void cba_answer_forget(request_rec *r, const struct cba_answer_watch *watch);

#endif
