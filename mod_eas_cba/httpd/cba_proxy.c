/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_proxy.h"

#include <apr_strings.h>
#include <apr_uri.h>
#include <mod_ssl_openssl.h>

#include "cba_answer.h"
#include "cba_back_cert.h"
#include "cba_conf.h"
#include "cba_gate.h"
#include "cba_gateway.h"
#include "cba_private.h"
#include "cba_report.h"
#include "cba_spn.h"
#include "cba_spool.h"

/* One try at one back end. On the stack of scheme_handler, known to the request while it lasts. */
struct cba_attempt {
    const char *host;          /* whose certificate it must show; its ticket is the SPN's */
    const char *authorization; /* for mod_proxy's copy of the headers */
    SSL *handshake;            /* a TLS handshake with the back end began; holds a reference */
    bool verified;             /* ... and ended with a verified chain and name */
    struct cba_back_cert seen; /* what it said of certificates */
};

/* mod_ssl's hook is told the connection, not the request it is made for. The handshake runs inside
 * of mod_proxy_http's first write, in the thread that called it. */
static _Thread_local struct cba_attempt *handshaking;

/* handler */

static bool is_proxied(const request_rec *r)
{
    return r->proxyreq || (r->handler && (!strncmp(r->handler, "proxy:", 6) ||
                                          !strcmp(r->handler, "proxy-server")));
}

int cba_proxy_handler(request_rec *r)
{
    const struct cba_dir_conf *dir = cba_conf_dir(r);
    int64_t limit = cba_dir_read_limit(dir);
    bool small = cba_dir_protocol(dir) == CBA_PROTOCOL_AUTODISCOVER && limit > CBA_DISCOVERY_MAX;
    const struct cba_srv_conf *srv = cba_conf_srv(r->server);
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
    /* What is there again by now is the administrator's (RequestHeader) and stays; what reading the
     * body adds comes from the phone's trailers (MergeTrailers). */
    own = cba_gate_take_claims(r);
    reason = cba_spool_read(r, small ? CBA_DISCOVERY_MAX : limit, cba_dir_read_memory(dir),
                            cba_conf_spool_path(r->pool, srv), cba_srv_spool_total(srv),
                            &pass->spool, &result);
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

static apr_status_t wipe(void *text)
{
    OPENSSL_cleanse(text, strlen(text));
    return APR_SUCCESS;
}

static enum cba_reason make_authorization(request_rec *r, struct cba_pass *pass, const char *spn,
                                          const char **authorization, struct cba_result *result)
{
    struct cba_ticket *ticket;
    const char *source;
    char *token = NULL, *header;
    enum cba_reason reason;

    reason = cba_gateway_ticket(cba_conf_srv(r->server)->gateway, &pass->decision.account, spn,
                                &ticket, &source, result);
    if (reason != CBA_R_OK) {
        return reason;
    }
    apr_table_setn(r->subprocess_env, CBA_ENV_TICKET, source);
    reason = cba_ticket_token(ticket, cba_span_of("", 0), &token, result);
    cba_ticket_unref(ticket);
    if (reason != CBA_R_OK) {
        return reason;
    }
    header = apr_pstrcat(r->pool, "Negotiate ", token, NULL);
    cba_token_free(token);
    apr_pool_cleanup_register(r->pool, header, wipe, apr_pool_cleanup_null);
    *authorization = header;
    return CBA_R_OK;
}

/* mod_proxy_http, with everything it needs from us. Returns its status; the attempt says the rest.
 */
static int run(request_rec *r, struct cba_pass *pass, struct cba_attempt *attempt,
               proxy_worker *worker, proxy_server_conf *conf, char *url, const char *proxyname,
               apr_port_t proxyport)
{
    int status;

    /* mod_proxy_http keeps a body that it began to send for a second try. Ours starts over. */
    apr_pool_userdata_setn(NULL, "proxy-req-input", NULL, r->pool);
    cba_spool_rewind(pass->spool);
    cba_answer_watch(r, &pass->answer);
    pass->attempt = attempt;
    handshaking = attempt;
    status = cba_mod_proxy_run(r, worker, conf, url, proxyname, proxyport);
    handshaking = NULL;
    pass->attempt = NULL;
    return status;
}

/* Did TLS fail because of who the back end is? Otherwise it broke off, spoke something else or
 * hung. */
static bool is_stranger(const struct cba_attempt *attempt)
{
    return attempt->handshake && !attempt->verified &&
           (SSL_is_init_finished(attempt->handshake) ||
            SSL_get_verify_result(attempt->handshake) != X509_V_OK);
}

/* What came of the attempt: CBA_R_OK leaves mod_proxy's status as it is. */
static enum cba_reason judge(const struct cba_pass *pass, const struct cba_attempt *attempt,
                             int status, struct cba_result *result)
{
    if (pass->answer.reason != CBA_R_OK) {
        return pass->answer.reason;
    }
    switch (status) {
    case DECLINED: /* nobody speaks https: mod_proxy_http is not there */
        return CBA_R_BACK_SCHEME;
    case HTTP_UNAUTHORIZED: /* ProxyErrorOverride */
        return CBA_R_BACK_CHALLENGE;
    case HTTP_PROXY_AUTHENTICATION_REQUIRED:
        return CBA_R_BACK_PROXY_CHALLENGE;
    case OK:
    case DONE:
        return CBA_R_OK;
    default:
        if (is_stranger(attempt)) {
            return cba_back_cert_fault(attempt->handshake, attempt->host, result);
        }
        return status != HTTP_GATEWAY_TIME_OUT &&
                       cba_back_cert_is_wanted(attempt->handshake, &attempt->seen, result)
                   ? CBA_R_BACK_CLIENT_CERTIFICATE
                   : CBA_R_OK;
    }
}

int cba_proxy_scheme_handler(request_rec *r, proxy_worker *worker, proxy_server_conf *conf,
                             char *url, const char *proxyname, apr_port_t proxyport)
{
    struct cba_attempt attempt = {0};
    struct cba_private *connection = NULL;
    struct cba_result result = {""};
    struct cba_pass *pass;
    enum cba_reason reason;
    const char *spn;
    int status;

    if (!cba_gate_protects(r)) {
        return DECLINED;
    }
    pass = cba_gate_admitted(r);
    if (!pass || !pass->spool) {
        return refuse(r, pass, CBA_R_REQ_UNDECIDED, NULL);
    }
    if (pass->attempt) { /* our own call below: mod_proxy_http's turn */
        return DECLINED;
    }

    reason = check_worker(r, worker, url, &attempt.host);
    if (reason != CBA_R_OK) {
        return refuse(r, pass, reason, NULL);
    }
    spn = cba_spn_for(r, url, attempt.host);
    pass->attempts++;
    apr_table_setn(r->subprocess_env, CBA_ENV_SPN, spn);
    apr_table_setn(r->subprocess_env, CBA_ENV_ATTEMPTS, apr_itoa(r->pool, (int)pass->attempts));
    reason = make_authorization(r, pass, spn, &attempt.authorization, &result);
    if (reason != CBA_R_OK) {
        return refuse(r, pass, reason, &result);
    }

    if (cba_mod_proxy_is_ours()) {
        connection = cba_private_take(r, &pass->decision.account, worker, spn);
        if (!connection) {
            return refuse(r, pass, CBA_R_LIFE_MEMORY, NULL);
        }
        worker = cba_private_worker(connection);
    }
    status = run(r, pass, &attempt, worker, conf, url, proxyname, proxyport);
    reason = judge(pass, &attempt, status, &result);
    cba_back_cert_unwatch(attempt.handshake);
    SSL_free(attempt.handshake);
    if (connection) {
        cba_private_give_back(connection,
                              status == OK && reason == CBA_R_OK && !r->connection->aborted);
    }
    if (reason != CBA_R_OK) {
        cba_answer_forget(r, &pass->answer);
        return refuse(r, pass, reason, &result);
    }
    /* What is left of 500 is a name that does not resolve or a handshake that was not finished: as
     * good as a back end that does not answer, and the next member may. */
    return status == HTTP_INTERNAL_SERVER_ERROR ? HTTP_SERVICE_UNAVAILABLE : status;
}

/* mod_proxy's hooks */

int cba_proxy_fixups(request_rec *r)
{
    /* r->headers_in is mod_proxy's copy here: a phone's "Connection: Authorization" has been obeyed
     * already, and nothing that logs or changes headers sees the token. */
    struct cba_pass *pass;

    if (!cba_gate_protects(r)) {
        return DECLINED;
    }
    pass = cba_gate_admitted(r);
    if (pass && pass->attempt) {
        apr_table_setn(r->headers_in, "Authorization", pass->attempt->authorization);
    } else {
        apr_table_unset(r->headers_in, "Authorization");
    }
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
        reason = CBA_R_BACK_UNREACHABLE;
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

static int handshake_begins(conn_rec *c, SSL *ssl, int is_proxy)
{
    (void)c;
    if (!handshaking || !is_proxy) {
        return DECLINED;
    }
    cba_back_cert_unwatch(handshaking->handshake);
    SSL_free(handshaking->handshake); /* mod_proxy_http tries twice with "ping=" */
    SSL_up_ref(ssl);
    handshaking->handshake = ssl;
    cba_back_cert_watch(ssl, &handshaking->seen);
    return OK;
}

/* mod_ssl's hook, after its own checks and before the first byte of the request leaves. */
static int backend_verified(conn_rec *c, SSL *ssl)
{
    X509 *certificate;
    bool good;

    (void)c;
    if (!handshaking) {
        return DECLINED;
    }
    certificate = SSL_get1_peer_certificate(ssl);
    /* With SSLProxyVerify none mod_ssl lets the handshake succeed whatever the verification said.
     */
    good = certificate && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE &&
           SSL_get_verify_result(ssl) == X509_V_OK &&
           cba_back_cert_is_for(certificate, handshaking->host);
    X509_free(certificate);
    handshaking->verified = good;
    return good ? OK : HTTP_BAD_GATEWAY;
}

void cba_proxy_register(void)
{
    APR_OPTIONAL_HOOK(ssl, pre_handshake, handshake_begins, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ssl, proxy_post_handshake, backend_verified, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(proxy, fixups, cba_proxy_fixups, NULL, NULL, APR_HOOK_REALLY_LAST);
    APR_OPTIONAL_HOOK(proxy, request_status, cba_proxy_request_status, NULL, NULL,
                      APR_HOOK_REALLY_FIRST);
}
