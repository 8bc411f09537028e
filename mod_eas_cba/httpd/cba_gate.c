/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_gate.h"

#include <apr_strings.h>
#include <http_log.h>
#include <http_request.h>

#include "cba_conf.h"
#include "cba_gateway.h"
#include "cba_peer.h"
#include "cba_report.h"

bool cba_gate_protects(const request_rec *r)
{
    return cba_dir_on(cba_conf_dir(r)) != 0;
}

static struct cba_pass *pass_of(const request_rec *r)
{
    struct cba_pass *pass = ap_get_module_config(r->request_config, &eas_cba_module);

    return pass && pass->request == r && pass->per_dir_config == r->per_dir_config ? pass : NULL;
}

struct cba_pass *cba_gate_admitted(const request_rec *r)
{
    struct cba_pass *pass = pass_of(r);

    return pass && pass->decision.reason == CBA_R_OK ? pass : NULL;
}

static int add_claim(void *claims, const char *name, const char *value)
{
    if (cba_header_is_claim(cba_span_str(name))) {
        apr_table_addn(claims, name, value);
    }
    return 1;
}

static int unset(void *headers, const char *name, const char *value)
{
    (void)value;
    apr_table_unset(headers, name);
    return 1;
}

apr_table_t *cba_gate_take_claims(request_rec *r)
{
    apr_table_t *claims = apr_table_make(r->pool, 4);

    apr_table_do(add_claim, claims, r->headers_in, NULL);
    apr_table_do(unset, r->headers_in, claims, NULL);
    return claims;
}

/* One request's directory work. */
struct inquiry {
    struct cba_gateway *gateway;
    struct cba_deadline deadline;
    const unsigned char *certificate; /* its key */
};

static enum cba_reason parse_certificate(void *ctx, struct cba_span der, struct cba_cert *cert,
                                         struct cba_result *result)
{
    const struct inquiry *inquiry = ctx;

    return cba_gateway_parse(inquiry->gateway, der, inquiry->certificate, cert, result);
}

static enum cba_reason find_account(void *ctx, const struct cba_cert *cert,
                                    struct cba_answer *answer, struct cba_result *result)
{
    const struct inquiry *inquiry = ctx;

    return cba_gateway_find(inquiry->gateway, cert, inquiry->deadline, answer, result);
}

static enum cba_reason find_issuer(void *ctx, struct cba_span der, const struct cba_cert *cert,
                                   struct cba_ntauth_facts *facts, struct cba_result *result)
{
    const struct inquiry *inquiry = ctx;

    return cba_gateway_ntauth(inquiry->gateway, der, cert, inquiry->deadline, facts, result);
}

static void set_user(struct cba_pass *pass)
{
    const struct cba_account *account = &pass->decision.account;
    char realm[CBA_DOMAIN_MAX + 1];

    cba_account_realm(account, realm);
    /* Both parts have their limits and user[] holds both: nothing can be cut here. */
    apr_snprintf(pass->user, sizeof pass->user, "%s@%s", account->sam, realm);
}

static struct cba_span field_of(const request_rec *r, const char *name)
{
    const char *value = apr_table_get(r->headers_in, name);

    return cba_span_str(value ? value : "");
}

static enum cba_reason decide(request_rec *r, struct cba_pass *pass)
{
    struct cba_rules rules = cba_conf_rules(cba_conf_dir(r));
    struct cba_request request = {
        .method = cba_span_str(r->method),
        .target = cba_span_str(r->unparsed_uri ? r->unparsed_uri : ""),
        .upgrade = apr_table_get(r->headers_in, "Upgrade") != NULL,
        .content_type = field_of(r, "Content-Type"),
        .version = field_of(r, "MS-ASProtocolVersion"),
        .policy_key = field_of(r, "X-MS-PolicyKey"),
    };
    struct inquiry inquiry = {.gateway = cba_gateway_of(r->server), .deadline = pass->deadline};
    struct cba_ports ports = {
        .ctx = &inquiry, .parse = parse_certificate, .find = find_account, .ntauth = find_issuer};
    struct cba_peer peer;

    inquiry.certificate = cba_peer_of(r, &peer);
    return cba_decision_access(&request, &peer, &rules, apr_time_sec(r->request_time), &ports,
                               &pass->decision);
}

static int pass_or_refuse(request_rec *r)
{
    struct cba_pass *pass = apr_pcalloc(r->pool, sizeof *pass);
    enum cba_reason reason;

    pass->request = r;
    pass->per_dir_config = r->per_dir_config;
    pass->deadline = cba_deadline_in_ms(cba_srv_timeout_directory(cba_conf_srv(r->server)) * 1000);
    ap_set_module_config(r->request_config, &eas_cba_module, pass);
    /* mod_cache's word for "keep nothing of it". With CacheQuickHandler Off it answers behind this
     * gate, but the one with what it kept of the other. */
    apr_table_setn(r->subprocess_env, "no-cache", "1");
    cba_gate_take_claims(r);
    reason = decide(r, pass);
    cba_report_request(r, pass);
    if (reason != CBA_R_OK) {
        return cba_report_refusal(r, pass, reason, &pass->decision.result);
    }
    set_user(pass);
    cba_report_admitted(r, pass);
    if (pass->decision.weak &&
        cba_gateway_weak_is_new(cba_conf_srv(r->server)->gateway, &pass->decision.account)) {
        cba_report_weak(r, pass);
    }
    return OK;
}

int cba_gate_access(request_rec *r)
{
    return cba_gate_protects(r) ? pass_or_refuse(r) : DECLINED;
}

/* The request from which this one comes by an internal redirect (ErrorDocument), or of which it is a
 * part, if that was refused: httpd asks no Require about this one where both have the same
 * configuration, and for the certificate alone it might be let in. Else NULL. */
static const request_rec *refused_origin(const request_rec *r)
{
    const request_rec *origin = r->prev ? r->prev : r->main;
    const struct cba_pass *pass = origin ? pass_of(origin) : NULL;

    return pass && pass->refused && origin->per_dir_config == r->per_dir_config ? origin : NULL;
}

static int decide_late(request_rec *r)
{
    const request_rec *origin = refused_origin(r);
    const char *number;

    if (!origin) {
        return pass_or_refuse(r);
    }
    number = apr_table_get(origin->subprocess_env, CBA_ENV_REASON);
    if (number) {
        apr_table_setn(r->subprocess_env, CBA_ENV_REASON, number);
    }
    return HTTP_FORBIDDEN;
}

int cba_gate_fixups(request_rec *r)
{
    struct cba_pass *pass;

    if (!cba_gate_protects(r)) {
        return DECLINED;
    }
    pass = pass_of(r);
    if (!pass) {
        return decide_late(r);
    }
    /* Refused and still here: Satisfy Any, or a module that overrules the access phase. Nothing
     * overrules this one. */
    return pass->decision.reason == CBA_R_OK ? DECLINED
                                             : cba_reason_info(pass->decision.reason)->status;
}

int cba_gate_authn(request_rec *r)
{
    const struct cba_pass *pass = cba_gate_protects(r) ? pass_of(r) : NULL;

    if (!pass) {
        return DECLINED;
    }
    /* Refused and asked again: Satisfy Any. A password or a login page would not help. */
    return pass->decision.reason == CBA_R_OK ? OK : cba_reason_info(pass->decision.reason)->status;
}

/* The other modules' verdict, with our number on a refusal: they answer 401, and a phone asks its
 * user for a password that cannot help. */
static int judge_by_others(request_rec *r, int (*run)(request_rec *r))
{
    struct cba_pass *pass = cba_gate_protects(r) ? cba_gate_admitted(r) : NULL;
    int status;

    if (!pass || pass->with_others) {
        return DECLINED;
    }
    pass->with_others = true;
    pass->groups = (struct cba_group_opinion){0};
    status = run(r);
    pass->with_others = false;
    if (status == OK || status == DECLINED) {
        return status;
    }
    return cba_report_refusal(r, pass, cba_group_refusal(&pass->groups), &pass->groups.result);
}

int cba_gate_access_ex(request_rec *r)
{
    return judge_by_others(r, ap_run_access_checker_ex);
}

int cba_gate_authz(request_rec *r)
{
    return judge_by_others(r, ap_run_auth_checker);
}

#define NOTE_OUTSIDE "eas-refused"

void cba_gate_refuse_outside(request_rec *r, enum cba_reason reason)
{
    cba_report_refusal(r, NULL, reason, NULL);
    apr_table_setn(r->notes, NOTE_OUTSIDE, "");
}

void cba_gate_error(request_rec *r)
{
    static const char *const challenges[] = {"WWW-Authenticate", "Proxy-Authenticate"};

    if (apr_table_get(r->notes, NOTE_OUTSIDE)) {
        r->status = HTTP_FORBIDDEN;
        r->status_line = NULL;
    }
    if (!cba_gate_protects(r)) {
        return;
    }
    for (size_t i = 0; i < sizeof challenges / sizeof *challenges; i++) {
        apr_table_unset(r->err_headers_out, challenges[i]);
        apr_table_unset(r->headers_out, challenges[i]);
    }
    if (r->status == HTTP_UNAUTHORIZED || r->status == HTTP_PROXY_AUTHENTICATION_REQUIRED) {
        r->status = HTTP_FORBIDDEN;
        r->status_line = NULL;
    }
}
