/* SPDX-License-Identifier: Apache-2.0
 *
 * The gate: runs the decision for a request in a protected Location before anything of its body is
 * read, and keeps the outcome with this request_rec and this per-directory configuration. What
 * comes later asks for the outcome here, never for r->user.
 */
#ifndef CBA_GATE_H
#define CBA_GATE_H

#include "cba_answer.h"
#include "cba_deadline.h"
#include "cba_group.h"
#include "cba_module.h"
#include "cba_decision.h"

struct cba_spool;

/* What is known of one request. Lives in r->pool; the thread that runs the request owns it. */
struct cba_pass {
    const request_rec *request;             /* the decision is for this request ... */
    const ap_conf_vector_t *per_dir_config; /* ... under this configuration, and no other */
    struct cba_decision decision;
    struct cba_deadline deadline;    /* of all that is asked of the directory */
    struct cba_group_opinion groups; /* what Require eas-group says, while it is asked */
    /* sAMAccountName@REALM of an admitted account */
    char user[CBA_SAM_MAX + 1 + CBA_DOMAIN_MAX + 1];
    struct cba_spool *spool;        /* the body, once it was read ahead */
    bool attempting;                /* mod_proxy_http runs on our behalf */
    struct cba_answer_watch answer; /* what came of it */
    unsigned attempts;              /* tries at back ends so far */
    bool halfway;                   /* the last one broke off while the body was on its way */
    bool with_others;               /* the other modules' authorization runs */
    bool refused;                   /* a refusal was reported */
};

/* Is this request in a protected Location? */
bool cba_gate_protects(const request_rec *r);

/* The outcome of the gate for exactly this request and configuration, admitted; NULL if there is
 * none: refuse. */
struct cba_pass *cba_gate_admitted(const request_rec *r);

/* Hooks. */

/* access_checker: decides. */
int cba_gate_access(request_rec *r);
/* access_checker_ex and auth_checker: run the others', and refuse with a number what they refuse.
 */
int cba_gate_access_ex(request_rec *r);
int cba_gate_authz(request_rec *r);
/* check_user_id: answers for an admitted request, so that Require finds a user, and refuses what was
 * refused. */
int cba_gate_authn(request_rec *r);
/* fixups: decides where httpd skipped the access phase (internal redirects, subrequests), and
 * upholds a refusal that was overruled there (Satisfy Any). */
int cba_gate_fixups(request_rec *r);
/* insert_error_filter: no 401 and no challenge of the server's own leaves a protected Location. */
void cba_gate_error(request_rec *r);

/* Refuses a request that the gate does not protect: logs the number now, and answers with its status
 * whatever httpd makes of the error that the caller returns. */
void cba_gate_refuse_outside(request_rec *r, enum cba_reason reason);

/* Removes the header fields in which a phone could claim an identity, and returns them. */
apr_table_t *cba_gate_take_claims(request_rec *r);

#endif
