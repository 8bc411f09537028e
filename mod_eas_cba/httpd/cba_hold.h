/* SPDX-License-Identifier: Apache-2.0
 *
 * What one request holds of what its account may hold at once (EASCertAuthAccountLimit): itself,
 * and the bytes of its body. Lives in r->pool and ends with it, which is after the last byte of the
 * answer, or the phone's end. Counted in shared memory over all processes of a generation of httpd;
 * the parent takes back what a process held that has died.
 */
#ifndef CBA_HOLD_H
#define CBA_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "cba_module.h"
#include "cba_reason.h"
#include "cba_sid.h"

struct cba_hold;

void cba_hold_register(void); /* register_hooks: the parent's ear for children that end */

apr_status_t cba_hold_post_config(apr_pool_t *pconf); /* the shared count */

/* One more request of the account; once for a request and what it is redirected to. CBA_R_OK with
 * *out; REQ_ACCOUNT_REQUESTS, to be refused; REQ_ACCOUNT_UNCOUNTED with *out, to be logged: the
 * table is full, and rather than refuse an account for what others hold, this one is let in without
 * being counted. */
enum cba_reason cba_hold_take(request_rec *r, const struct cba_sid *sid, int64_t requests,
                              int64_t bytes, struct cba_hold **out);

/* So many more bytes of its body. False: the account would hold too many. */
bool cba_hold_add(struct cba_hold *hold, int64_t bytes);

#endif
