/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_proxy.h"

#include <apr_strings.h>
#include <apr_uri.h>

#include "cba_attempt.h"
#include "cba_conf.h"
#include "cba_gate.h"
#include "cba_gateway.h"
#include "cba_hold.h"
#include "cba_report.h"
#include "cba_spn.h"
#include "cba_spool.h"

/* handler */

static bool is_proxied(const request_rec *r)
{
    return r->proxyreq || (r->handler && (!strncmp(r->handler, "proxy:", 6) ||
                                          !strcmp(r->handler, "proxy-server")));
}

int cba_proxy_handler(request_rec *r)
{
    const struct cba_dir_conf *dir = cba_conf_dir(r);
    const struct cba_srv_conf *srv = cba_conf_srv(r->server);
    struct cba_spool_rule rule = {
        .limit = cba_dir_read_limit(dir),
        .memory = cba_dir_read_memory(dir),
        .total = cba_srv_spool_total(srv),
        .dir = cba_conf_spool_path(r->pool, srv),
    };
    bool small =
        cba_dir_protocol(dir) == CBA_PROTOCOL_AUTODISCOVER && rule.limit > CBA_DISCOVERY_MAX;
    struct cba_result result = {""};
    struct cba_pass *pass;
    enum cba_reason reason;
    apr_table_t *own;

    if (!cba_gate_protects(r) || !is_proxied(r)) {
        return DECLINED;
    }
    pass = cba_gate_admitted(r);
    if (!pass) {
        return cba_report_refusal(r, NULL, CBA_R_REQ_UNDECIDED, NULL);
    }
    reason = cba_hold_take(r, &pass->decision.account.sid, cba_dir_account_requests(dir),
                           cba_dir_account_spool(dir), &rule.hold);
    if (reason == CBA_R_REQ_ACCOUNT_UNCOUNTED) {
        cba_report_passed(r, pass, reason);
    } else if (reason != CBA_R_OK) {
        return cba_report_refusal(r, pass, reason, NULL);
    }
    /* What is there again by now is the administrator's (RequestHeader) and stays; what reading the
     * body adds comes from the phone's trailers (MergeTrailers). */
    own = cba_gate_take_claims(r);
    rule.limit = small ? CBA_DISCOVERY_MAX : rule.limit;
    reason = cba_spool_read(r, &rule, &pass->spool, &result);
    if (small && (reason == CBA_R_REQ_ANNOUNCED || reason == CBA_R_REQ_GREW)) {
        reason = CBA_R_REQ_AUTODISCOVER_SIZE;
    }
    if (reason != CBA_R_OK) {
        return cba_report_refusal(r, pass, reason, &result);
    }
    cba_gate_take_claims(r);
    apr_table_overlap(r->headers_in, own, APR_OVERLAP_TABLES_SET);
    return DECLINED;
}

/* scheme_handler */

/* A refusal that mod_proxy does not mistake for a failure of its member: it would mark the member
 * and try the next. */
static int refuse(request_rec *r, struct cba_pass *pass, enum cba_reason reason,
                  const struct cba_result *result)
{
    apr_table_setn(r->notes, "proxy-error-override", "1");
    return cba_report_refusal(r, pass, reason, result);
}

/* The back end that mod_proxy will connect to must be the one whose name we get a ticket for, over
 * TLS. mod_proxy's default worker, which serves URLs that no worker was made for, has no name of
 * its own: there the URL's counts, and the KDC's delegation list and the back end's certificate are
 * what limits it. */
static enum cba_reason check_worker(request_rec *r, const proxy_worker *worker, const char *url,
                                    const char **host)
{
    bool is_default = (worker->s->status & PROXY_WORKER_GENERIC) != 0;
    apr_uri_t uri;

    if (ap_cstr_casecmpn(url, "https://", 8) || *worker->s->uds_path) {
        return CBA_R_BACK_SCHEME;
    }
    if (apr_uri_parse(r->pool, url, &uri) != APR_SUCCESS || !uri.hostname || !*uri.hostname ||
        strpbrk(uri.hostname, "$*/@:[]")) {
        return CBA_R_BACK_HOST;
    }
    if (!is_default && ap_cstr_casecmp(uri.hostname, worker->s->hostname_ex)) {
        return CBA_R_BACK_HOST;
    }
    if (!cba_mod_proxy_is_ours() && !worker->s->disablereuse && worker->s->is_address_reusable) {
        return CBA_R_BACK_FORBIDS_PRIVATE;
    }
    /* The request's own path was looked at by the decision; ProxyPass and rewriting may have made
     * another of it. */
    if (uri.path && cba_path_is_server(cba_span_str(uri.path))) {
        return CBA_R_REQ_SERVER_ROUTE;
    }
    *host = uri.hostname;
    return CBA_R_OK;
}

/* Sends the request until it is answered, and again for two causes only, each of them once: the
 * back end refused the token, and the key of the service may have changed since its ticket was
 * made; or it closed a kept connection before the last byte of the request had left. CBA_R_OK with
 * mod_proxy's status, or why the phone is refused. */
static enum cba_reason deliver(request_rec *r, struct cba_pass *pass,
                               const struct cba_target *target, int *status,
                               struct cba_result *result)
{
    struct cba_gateway *gateway = cba_conf_srv(r->server)->gateway;
    const struct cba_account *account = &pass->decision.account;
    bool bind = cba_dir_channel_binding(cba_conf_dir(r)) != 0;
    bool renewed = false, resent = false, again = true;
    enum cba_reason reason = CBA_R_OK;

    while (again) {
        struct cba_attempt attempt;
        struct cba_ticket *ticket;
        const char *source;

        again = false;
        pass->attempts++;
        apr_table_setn(r->subprocess_env, CBA_ENV_ATTEMPTS, apr_itoa(r->pool, (int)pass->attempts));
        reason = cba_gateway_ticket(gateway, account, target->spn, &ticket, &source, result);
        if (reason != CBA_R_OK) {
            break;
        }
        apr_table_setn(r->subprocess_env, CBA_ENV_TICKET, source);
        cba_attempt_make(r, pass, target, ticket, bind, renewed || resent, &attempt);
        reason = attempt.reason;
        *result = attempt.result;
        *status = attempt.status;
        switch (attempt.outcome) {
        case CBA_OUTCOME_ANSWERED:
        case CBA_OUTCOME_REFUSED:
            break;
        case CBA_OUTCOME_CHALLENGED:
            if (renewed) {
                cba_gateway_refused(gateway, account, target->spn);
            } else if (!cba_gateway_renew(gateway, account, target->spn, ticket)) {
                reason = CBA_R_BACK_STILL_REFUSES;
            } else {
                renewed = again = true;
            }
            break;
        case CBA_OUTCOME_UNSENT:
            if (attempt.kept && !resent) {
                resent = again = true;
            } else { /* the next member may */
                pass->halfway = true;
                *status = HTTP_SERVICE_UNAVAILABLE;
            }
            break;
        }
        cba_ticket_unref(ticket);
        if (again && r->connection->aborted) { /* nobody waits for an answer any more */
            *status = DONE;
            return CBA_R_OK;
        }
    }
    return reason;
}

int cba_proxy_scheme_handler(request_rec *r, proxy_worker *worker, proxy_server_conf *conf,
                             char *url, const char *proxyname, apr_port_t proxyport)
{
    struct cba_target target = {
        .worker = worker, .conf = conf, .url = url, .proxyname = proxyname, .proxyport = proxyport};
    struct cba_result result = {""};
    struct cba_pass *pass;
    enum cba_reason reason;
    int status = HTTP_BAD_GATEWAY;

    if (!cba_gate_protects(r)) {
        return DECLINED;
    }
    pass = cba_gate_admitted(r);
    if (!pass || !pass->spool) {
        return refuse(r, pass, CBA_R_REQ_UNDECIDED, NULL);
    }
    if (pass->attempting) { /* our own call below: mod_proxy_http's turn */
        return DECLINED;
    }

    reason = check_worker(r, worker, url, &target.host);
    if (reason != CBA_R_OK) {
        return refuse(r, pass, reason, NULL);
    }
    target.spn = cba_spn_for(r, url, target.host);
    apr_table_setn(r->subprocess_env, CBA_ENV_SPN, target.spn);
    /* A phone waits for an answer, and for no other word of the back end ("103 Early Hints"). */
    apr_table_setn(r->subprocess_env, "proxy-interim-response", "Suppress");
    pass->halfway = false;
    reason = deliver(r, pass, &target, &status, &result);
    return reason == CBA_R_OK ? status : refuse(r, pass, reason, &result);
}

/* mod_proxy's hooks */

int cba_proxy_fixups(request_rec *r)
{
    /* r->headers_in is mod_proxy's copy here. The token is written below all of httpd's tables, by
     * the attempt: nothing that logs or changes headers sees it. Nobody else's leaves. */
    if (!cba_gate_protects(r)) {
        return DECLINED;
    }
    apr_table_unset(r->headers_in, "Authorization");
    return OK;
}

int cba_proxy_request_status(int *status, request_rec *r)
{
    struct cba_pass *pass;
    enum cba_reason reason;

    if (!cba_gate_protects(r)) {
        return DECLINED;
    }
    pass = cba_gate_admitted(r);
    if (!pass || pass->refused) {
        return DECLINED;
    }
    switch (*status) {
    case HTTP_SERVICE_UNAVAILABLE:
        reason = pass->halfway ? CBA_R_BACK_HALFWAY : CBA_R_BACK_UNREACHABLE;
        break;
    case HTTP_GATEWAY_TIME_OUT:
        reason = CBA_R_BACK_TIMEOUT;
        break;
    case HTTP_BAD_GATEWAY:
    case HTTP_INTERNAL_SERVER_ERROR:
        reason = CBA_R_BACK_FAILED;
        break;
    default:
        return DECLINED;
    }
    *status = cba_report_refusal(r, pass, reason, NULL);
    return OK;
}

void cba_proxy_register(void)
{
    APR_OPTIONAL_HOOK(proxy, fixups, cba_proxy_fixups, NULL, NULL, APR_HOOK_REALLY_LAST);
    APR_OPTIONAL_HOOK(proxy, request_status, cba_proxy_request_status, NULL, NULL,
                      APR_HOOK_REALLY_FIRST);
}
