/* SPDX-License-Identifier: Apache-2.0
 *
 * What the gateway says: one line per refusal in the error log, the environment for LogFormat, the
 * status for the phone. Called from the thread that runs the request. Never a ticket, a token or a
 * password.
 */
#ifndef CBA_REPORT_H
#define CBA_REPORT_H

#include "cba_gate.h"

/* Names in the request's environment. */
#define CBA_ENV_REASON    "EAS_REASON"
#define CBA_ENV_ACCOUNT   "EAS_ACCOUNT"
#define CBA_ENV_UPN       "EAS_UPN"
#define CBA_ENV_MAPPED_BY "EAS_MAPPED_BY"
#define CBA_ENV_COMMAND   "EAS_CMD"
#define CBA_ENV_DEVICE_ID "EAS_DEVICE_ID"
#define CBA_ENV_TYPE      "EAS_DEVICE_TYPE"
#define CBA_ENV_VERSION   "EAS_VERSION"
#define CBA_ENV_POLICY    "EAS_POLICY_KEY"
#define CBA_ENV_TICKET    "EAS_TICKET"
#define CBA_ENV_SPN       "EAS_SPN"
#define CBA_ENV_ATTEMPTS  "EAS_ATTEMPTS"

/* Refuse: log the reason with what is known of account, certificate and detail (result may be
 * NULL), put it into the environment, add Retry-After to a 503, and close the connection if a body
 * is still to come. Returns the HTTP status. An outage (a reason that is nobody's fault but ours)
 * is logged at most once in CBA_REPORT_INTERVAL seconds per process, with the count of what was
 * left out. */
#define CBA_REPORT_INTERVAL 10
int cba_report_refusal(request_rec *r, struct cba_pass *pass, enum cba_reason reason,
                       const struct cba_result *result);

/* A request that goes on all the same: logged as an outage is. */
void cba_report_passed(request_rec *r, const struct cba_pass *pass, enum cba_reason reason);

/* What the request says of itself, whatever becomes of it: command, device, protocol version and
 * policy key into the environment, and the decision's remark into the log. */
void cba_report_request(request_rec *r, const struct cba_pass *pass);

/* What an admitted request is known by: environment, r->user, ap_auth_type. */
void cba_report_admitted(request_rec *r, struct cba_pass *pass);

/* A line about a server that may come in thousands: at most one in CBA_REPORT_INTERVAL seconds per
 * process and reason, with the count of what was left out. Any thread. */
void cba_report_often(const server_rec *s, enum cba_reason reason, const struct cba_result *result);

/* Into the log: this account was let in by a weak mapping, and by which. */
void cba_report_weak(request_rec *r, const struct cba_pass *pass);

/* A line of the life cycle, about a server rather than a request. */
void cba_report_server(const server_rec *s, enum cba_reason reason,
                       const struct cba_result *result);

#endif
