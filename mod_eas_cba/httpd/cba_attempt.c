/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_attempt.h"

#include <stdlib.h>
#include <apr_buckets.h>
#include <http_connection.h>
#include <mod_ssl_openssl.h>
#include <util_filter.h>

#include "cba_answer.h"
#include "cba_back_cert.h"
#include "cba_binding.h"
#include "cba_parking.h"
#include "cba_private.h"
#include "cba_spool.h"

#define HANDSHAKE_S 30   /* where the worker has no connectiontimeout= */
#define HEAD_MAX    8192 /* of an answer that came before the request had left */
#define READS_MAX   16

/* An attempt while mod_proxy_http runs. */
struct run {
    request_rec *r;
    const proxy_worker *worker; /* the original */
    const char *host;
    struct cba_ticket *ticket;
    bool bind;
    SSL *handshake;            /* a TLS handshake with the back end began; holds a reference */
    bool verified;             /* ... and ended with a verified chain and name */
    struct cba_back_cert seen; /* what the back end said of certificates */
    bool began;                /* the head of the request was handed on, with a token */
    bool bound;                /* ... and the token with a channel binding */
    bool broken;               /* what was handed on could not be written */
    bool challenged;           /* ... and the back end had said 401 before it broke off */
    enum cba_reason reason;    /* CBA_R_OK, or why there is no token */
    struct cba_result *result;
};

/* What is known of a connection to a back end whose chain and name were verified: kept with it. */
struct backend {
    struct cba_binding binding;
};

/* The hooks below are told the connection, not the request that it is made for. All of them run
 * inside of mod_proxy_http, in the thread that called it. */
static _Thread_local struct run *running;

static ap_filter_rec_t *token_filter;

/* The run whose connection is being made: once its request has begun to leave, whoever connects in
 * this thread is another (a subrequest of a filter that sees the answer). */
static struct run *connecting(void)
{
    return running && !running->began ? running : NULL;
}

/* The connection */

static int connection_begins(conn_rec *c, void *socket)
{
    (void)socket;
    if (connecting() && c->outgoing) {
        ap_add_output_filter_handle(token_filter, NULL, NULL, c);
    }
    return OK;
}

static int handshake_begins(conn_rec *c, SSL *ssl, int is_proxy)
{
    struct run *run = connecting();

    (void)c;
    if (!run || !is_proxy) {
        return DECLINED;
    }
    cba_back_cert_unwatch(run->handshake);
    SSL_free(run->handshake);
    SSL_up_ref(ssl);
    run->handshake = ssl;
    cba_back_cert_watch(ssl, &run->seen);
    return OK;
}

/* mod_ssl's hook, after its own checks and before the first byte of the request leaves. */
static int handshake_ends(conn_rec *c, SSL *ssl)
{
    struct run *run = connecting();
    struct backend *backend;
    X509 *certificate;

    if (!run) {
        return DECLINED;
    }
    certificate = SSL_get1_peer_certificate(ssl);
    /* With SSLProxyVerify none mod_ssl lets the handshake succeed whatever the verification said.
     */
    run->verified = certificate && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE &&
                    SSL_get_verify_result(ssl) == X509_V_OK &&
                    cba_back_cert_is_for(certificate, run->host);
    if (run->verified) {
        backend = apr_pcalloc(c->pool, sizeof *backend);
        run->reason = cba_binding_make(certificate, &backend->binding);
        ap_set_module_config(c->conn_config, &eas_cba_module, backend);
    }
    X509_free(certificate);
    return run->verified && run->reason == CBA_R_OK ? OK : HTTP_BAD_GATEWAY;
}

/* The token */

static void wipe(void *text)
{
    OPENSSL_cleanse(text, strlen(text));
    free(text);
}

/* "Authorization: Negotiate ...", a line of the head. */
static apr_bucket *make_authorization(const struct backend *backend, apr_bucket_alloc_t *alloc)
{
    static const char name[] = "Authorization: Negotiate ", end[] = "\r\n";
    struct cba_span binding =
        cba_span_of(backend->binding.data, running->bind ? backend->binding.len : 0);
    char *token = NULL, *line;
    size_t len;

    running->bound = binding.len > 0;
    running->reason = cba_ticket_token(running->ticket, binding, &token, running->result);
    if (running->reason != CBA_R_OK) {
        return NULL;
    }
    len = strlen(token);
    line = malloc(sizeof name - 1 + len + sizeof end);
    if (line) {
        memcpy(line, name, sizeof name - 1);
        memcpy(line + sizeof name - 1, token, len);
        memcpy(line + sizeof name - 1 + len, end, sizeof end);
    } else {
        running->reason = CBA_R_LIFE_MEMORY;
    }
    cba_token_free(token);
    return line ? apr_bucket_heap_create(line, strlen(line), wipe, alloc) : NULL;
}

/* mod_ssl shakes hands before it looks at what it shall write. The worker's timeout= is made for a
 * held Ping; a back end that takes up no connection is to be known earlier, while the next one can
 * still be asked. */
static apr_status_t shake_hands(ap_filter_t *f)
{
    apr_bucket_brigade *nothing = apr_brigade_create(running->r->pool, f->c->bucket_alloc);
    apr_socket_t *socket = ap_get_conn_socket(f->c);
    const proxy_worker_shared *shared = running->worker->s;
    apr_interval_time_t limit =
        shared->conn_timeout_set ? shared->conn_timeout : apr_time_from_sec(HANDSHAKE_S);
    apr_interval_time_t timeout = -1;
    struct cba_parking_wait wait;
    apr_status_t rv;

    apr_socket_timeout_get(socket, &timeout);
    if (timeout < 0 || timeout > limit) {
        apr_socket_timeout_set(socket, limit);
    }
    APR_BRIGADE_INSERT_TAIL(nothing, apr_bucket_flush_create(f->c->bucket_alloc));
    cba_parking_wait_begin(&wait, running->worker);
    rv = ap_pass_brigade(f->next, nothing);
    cba_parking_wait_end(&wait);
    apr_brigade_destroy(nothing);
    apr_socket_timeout_set(socket, timeout);
    return rv;
}

/* The head of a request is about to leave: first the handshake, if there was none, then the token
 * for the certificate that the back end showed in it, behind the request line. */
static apr_status_t write_head(ap_filter_t *f, apr_bucket_brigade *bb)
{
    const struct backend *backend = ap_get_module_config(f->c->conn_config, &eas_cba_module);
    apr_bucket_brigade *line = apr_brigade_create(running->r->pool, f->c->bucket_alloc);
    apr_bucket *authorization = NULL;
    apr_status_t rv = APR_SUCCESS;

    if (!backend) {
        rv = shake_hands(f);
        backend = ap_get_module_config(f->c->conn_config, &eas_cba_module);
    }
    if (rv == APR_SUCCESS) { /* without a verified back end there is no token */
        authorization = backend ? make_authorization(backend, f->c->bucket_alloc) : NULL;
        rv = authorization ? apr_brigade_split_line(line, bb, APR_BLOCK_READ, INT64_MAX)
                           : APR_EGENERAL;
    }
    if (rv == APR_SUCCESS) {
        APR_BRIGADE_INSERT_TAIL(line, authorization);
        APR_BRIGADE_PREPEND(bb, line);
        running->began = true;
    } else if (authorization) {
        apr_bucket_destroy(authorization);
    }
    apr_brigade_destroy(line);
    return rv;
}

/* A back end may answer before it has the whole body and then close the connection, with what was
 * on its way unread: the kernel tells the writer so, and keeps what had come for who reads. mod_proxy
 * does not read then. Nothing is waited for here: what has not come is lost. */
static bool is_challenged(ap_filter_t *f)
{
    apr_bucket_brigade *said = apr_brigade_create(running->r->pool, f->c->bucket_alloc);
    unsigned aborted = f->c->aborted;
    apr_status_t rv = APR_SUCCESS;
    char head[HEAD_MAX + 1] = "";
    apr_size_t have = 0;
    int i;

    f->c->aborted = 0; /* mod_ssl would not read */
    /* TLS 1.3's session tickets may stand before the answer, and are "nothing yet" each. */
    for (i = 0; i < READS_MAX && have < HEAD_MAX && !strstr(head, "\r\n\r\n") &&
                (rv == APR_SUCCESS || APR_STATUS_IS_EAGAIN(rv));
         i++) {
        apr_size_t len = HEAD_MAX - have;

        rv = ap_get_brigade(f->c->input_filters, said, AP_MODE_READBYTES, APR_NONBLOCK_READ,
                            (apr_off_t)len);
        if (rv == APR_SUCCESS) {
            rv = apr_brigade_flatten(said, head + have, &len);
            have += rv == APR_SUCCESS ? len : 0;
            head[have] = 0;
        }
        apr_brigade_cleanup(said);
    }
    apr_brigade_destroy(said);
    f->c->aborted = aborted;
    return cba_answer_is_challenge(head);
}

/* Above mod_ssl's filters, on connections to back ends. */
static apr_status_t write_request(ap_filter_t *f, apr_bucket_brigade *bb)
{
    apr_status_t rv = APR_SUCCESS;

    /* Metadata alone is no part of a request: a connection is being closed. */
    if (!running || APR_BRIGADE_EMPTY(bb) || APR_BUCKET_IS_METADATA(APR_BRIGADE_FIRST(bb))) {
        return ap_pass_brigade(f->next, bb);
    }
    if (!running->began) {
        rv = write_head(f, bb);
    }
    if (rv == APR_SUCCESS) {
        rv = ap_pass_brigade(f->next, bb);
        if (rv != APR_SUCCESS) {
            running->broken = true;
            running->challenged = is_challenged(f);
        }
    }
    return rv;
}

/* The verdict */

/* Did TLS fail because of who the back end is? Otherwise it broke off, spoke something else or
 * hung. */
static bool is_stranger(const struct run *run)
{
    return run->handshake && !run->verified &&
           (SSL_is_init_finished(run->handshake) ||
            SSL_get_verify_result(run->handshake) != X509_V_OK);
}

/* Has it ended a connection that was just made for want of a certificate of ours? */
static bool is_wanting(const struct run *run, int status)
{
    return status >= HTTP_BAD_REQUEST && status != HTTP_GATEWAY_TIME_OUT &&
           cba_back_cert_is_wanted(run->handshake, &run->seen, run->result);
}

static void refuse(struct cba_attempt *attempt, enum cba_reason reason)
{
    attempt->outcome = CBA_OUTCOME_REFUSED;
    attempt->reason = reason;
}

/* Nothing of the request left. */
static void judge_unbegun(const struct run *run, int status, struct cba_attempt *attempt)
{
    if (status == DECLINED) { /* nobody speaks https: mod_proxy_http is not there */
        refuse(attempt, CBA_R_BACK_SCHEME);
    } else if (status != OK && status != DONE && is_stranger(run)) {
        refuse(attempt, cba_back_cert_fault(run->handshake, run->host, run->result));
    } else if (is_wanting(run, status)) {
        refuse(attempt, CBA_R_BACK_CLIENT_CERTIFICATE);
    } else if (status == HTTP_INTERNAL_SERVER_ERROR) {
        /* A name that does not resolve, or a handshake that was not finished: as good as a back end
         * that does not answer, and the next member may. */
        attempt->status = HTTP_SERVICE_UNAVAILABLE;
    }
}

/* The request, or some of it, left, and no answer came. */
static void judge_unanswered(const struct run *run, const struct cba_pass *pass, int status,
                             struct cba_attempt *attempt)
{
    if (is_wanting(run, status)) {
        refuse(attempt, CBA_R_BACK_CLIENT_CERTIFICATE);
    } else if (run->broken && status != HTTP_GATEWAY_TIME_OUT && !cba_spool_is_given(pass->spool)) {
        attempt->outcome = CBA_OUTCOME_UNSENT;
    } else if (attempt->kept && (run->broken || pass->answer.mute)) {
        refuse(attempt, CBA_R_BACK_EDGE);
    } else if (pass->answer.reason != CBA_R_OK) {
        refuse(attempt, pass->answer.reason);
    } else if (status >= HTTP_BAD_REQUEST && status != HTTP_GATEWAY_TIME_OUT) {
        /* After 500 and 503 mod_proxy would send it to the next member: nothing is sent twice. */
        refuse(attempt, CBA_R_BACK_FAILED);
    }
}

static void judge(request_rec *r, const struct run *run, const struct cba_pass *pass, int status,
                  struct cba_attempt *attempt)
{
    enum cba_reason challenge =
        pass->answer.seen ? pass->answer.reason : cba_answer_judge(r, status);

    attempt->outcome = CBA_OUTCOME_ANSWERED;
    attempt->reason = CBA_R_OK;
    attempt->status = status;
    attempt->kept = run->began && !run->handshake;
    if (run->reason != CBA_R_OK) {
        refuse(attempt, run->reason);
    } else if (!run->began) {
        judge_unbegun(run, status, attempt);
    } else if (challenge == CBA_R_BACK_CHALLENGE || (!pass->answer.seen && run->challenged)) {
        refuse(attempt, run->bound ? CBA_R_BACK_CHALLENGE : CBA_R_BACK_UNBOUND);
        attempt->outcome = CBA_OUTCOME_CHALLENGED;
    } else if (challenge == CBA_R_BACK_NO_NEGOTIATE || challenge == CBA_R_BACK_PROXY_CHALLENGE) {
        refuse(attempt, challenge);
    } else if (!pass->answer.seen || challenge != CBA_R_OK) {
        judge_unanswered(run, pass, status, attempt);
    }
}

void cba_attempt_make(request_rec *r, struct cba_pass *pass, const struct cba_target *target,
                      struct cba_ticket *ticket, bool bind, bool fresh, struct cba_attempt *attempt)
{
    struct cba_private *connection = NULL;
    proxy_worker *worker = target->worker;
    struct run *around = running; /* of the request whose subrequest this one is */
    struct run run = {.r = r,
                      .worker = worker,
                      .host = target->host,
                      .ticket = ticket,
                      .bind = bind,
                      .reason = CBA_R_OK,
                      .result = &attempt->result};
    int status;

    memset(attempt, 0, sizeof *attempt);
    if (cba_mod_proxy_is_ours()) {
        connection = cba_private_take(r, &pass->decision.account, worker, target->spn, fresh);
        if (!connection) {
            refuse(attempt, CBA_R_LIFE_MEMORY);
            return;
        }
        worker = cba_private_worker(connection);
    }
    /* mod_proxy_http keeps a body that it began to send for a second try. Ours starts over. */
    apr_pool_userdata_setn(NULL, "proxy-req-input", NULL, r->pool);
    cba_spool_rewind(pass->spool);
    cba_answer_watch(r, &pass->answer);
    pass->attempting = true;
    running = &run;
    status = cba_mod_proxy_run(r, worker, target->conf, target->url, target->proxyname,
                               target->proxyport);
    running = around;
    pass->attempting = false;
    judge(r, &run, pass, status, attempt);
    cba_back_cert_unwatch(run.handshake);
    SSL_free(run.handshake);
    if (connection) {
        cba_private_give_back(connection, attempt->outcome == CBA_OUTCOME_ANSWERED &&
                                              status == OK && !r->connection->aborted);
    }
    if (attempt->outcome != CBA_OUTCOME_ANSWERED) {
        cba_answer_forget(r, &pass->answer);
    }
}

void cba_attempt_register(void)
{
    /* Before mod_ssl's own output filters (AP_FTYPE_CONNECTION + 4 and + 5). */
    token_filter =
        ap_register_output_filter("EAS_CBA_TOKEN", write_request, NULL, AP_FTYPE_CONNECTION + 3);
    ap_hook_pre_connection(connection_begins, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ssl, pre_handshake, handshake_begins, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ssl, proxy_post_handshake, handshake_ends, NULL, NULL, APR_HOOK_MIDDLE);
}
