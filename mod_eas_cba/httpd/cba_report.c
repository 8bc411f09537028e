/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_report.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <apr_strings.h>
#include <http_log.h>
#include <http_protocol.h>

#include "cba_conf.h"
#include "cba_escape.h"

#define FIELD_MAX 512
#define MORE_MAX  48                                 /* more_text() */
#define PHONE_MAX (FIELD_MAX + CBA_DEVICE_MAX + 128) /* phone_text(): nothing of it is cut */

static int httpd_level(enum cba_level level)
{
    return level == CBA_LEVEL_ERR    ? APLOG_ERR
           : level == CBA_LEVEL_WARN ? APLOG_WARNING
                                     : APLOG_INFO;
}

static bool comes_in_thousands(enum cba_reason reason)
{
    return cba_reason_info(reason)->status == HTTP_SERVICE_UNAVAILABLE ||
           reason == CBA_R_REQ_ACCOUNT_UNCOUNTED;
}

/* Outages come in thousands: one line, then silence with a count. */
static bool outage_is_due(enum cba_reason reason, unsigned *suppressed)
{
    static _Atomic int64_t last[CBA_R_COUNT];
    static atomic_uint count[CBA_R_COUNT];
    int64_t now = apr_time_sec(apr_time_now());
    int64_t before = atomic_load(&last[reason]);

    *suppressed = 0;
    if (before && now >= before && now - before < CBA_REPORT_INTERVAL) {
        atomic_fetch_add(&count[reason], 1);
        return false;
    }
    if (!atomic_compare_exchange_strong(&last[reason], &before, now)) {
        atomic_fetch_add(&count[reason], 1);
        return false;
    }
    *suppressed = atomic_exchange(&count[reason], 0);
    return true;
}

/* "14.1", or "-" where nobody said. */
static const char *version_text(const struct cba_query *query, char out[16])
{
    snprintf(out, 16, query->version ? "%u.%u" : "-", query->version / 10, query->version % 10);
    return out;
}

static const char *policy_key_text(const struct cba_query *query, char out[16])
{
    snprintf(out, 16, query->has_policy_key ? "%" PRIu32 : "-", query->policy_key);
    return out;
}

/* The fields of a line that tell which phone it was: command, device, type, protocol, policy. */
static const char *phone_text(const struct cba_query *query, char *out, size_t size)
{
    char type[FIELD_MAX] = "-", version[16], key[16];

    if (query->device_type[0]) {
        cba_escape_log(cba_span_str(query->device_type), type, sizeof type);
    }
    snprintf(out, size, "command=%s device=%s type=\"%s\" protocol=%s policy=%s",
             cba_command_name(query->command), query->device_id[0] ? query->device_id : "-", type,
             version_text(query, version), policy_key_text(query, key));
    return out;
}

/* "; 3 more like it were not logged", or nothing. */
static const char *more_text(unsigned suppressed, char out[MORE_MAX])
{
    out[0] = '\0';
    if (suppressed) {
        snprintf(out, MORE_MAX, "; %u more like it were not logged", suppressed);
    }
    return out;
}

/* Reason, account, certificate and phone in one line. */
static void log_pass(request_rec *r, const struct cba_pass *pass, enum cba_reason reason,
                     const struct cba_result *result)
{
    const struct cba_reason_info *info = cba_reason_info(reason);
    const struct cba_decision *decision = pass ? &pass->decision : NULL;
    char detail[CBA_DETAIL_MAX + 1] = "", account[FIELD_MAX] = "-", issuer[FIELD_MAX] = "-";
    static const struct cba_query nothing;
    char more[MORE_MAX] = "", phone[PHONE_MAX];
    unsigned suppressed = 0;

    if (!APLOG_R_IS_LEVEL(r, httpd_level(info->level))) {
        return;
    }
    if (comes_in_thousands(reason)) {
        if (!outage_is_due(reason, &suppressed)) {
            return;
        }
        more_text(suppressed, more);
    }
    if (result && result->detail[0]) {
        cba_escape_log(cba_span_str(result->detail), detail, sizeof detail);
    }
    if (decision && decision->has_account) {
        cba_escape_log(cba_span_str(decision->account.sam), account, sizeof account);
    }
    if (decision && decision->issuer[0]) {
        cba_escape_log(cba_span_str(decision->issuer), issuer, sizeof issuer);
    }
    ap_log_rerror(APLOG_MARK, httpd_level(info->level), 0, r,
                  "%s: %s%s%s%s; account=\"%s%s%s\" certificate=\"%s\" serial=%s %s%s; to do: %s",
                  info->tag, info->meaning, detail[0] ? " (" : "", detail, detail[0] ? ")" : "",
                  account, decision && decision->has_account ? "@" : "",
                  decision && decision->has_account ? decision->account.domain : "", issuer,
                  decision && decision->serial[0] ? decision->serial : "-",
                  phone_text(decision ? &decision->query : &nothing, phone, sizeof phone), more,
                  info->remedy);
}

int cba_report_refusal(request_rec *r, struct cba_pass *pass, enum cba_reason reason,
                       const struct cba_result *result)
{
    const struct cba_reason_info *info = cba_reason_info(reason);

    log_pass(r, pass, reason, result);
    if (pass) {
        pass->refused = true;
    }
    apr_table_setn(r->subprocess_env, CBA_ENV_REASON, info->tag);
    if (info->status == HTTP_SERVICE_UNAVAILABLE) {
        apr_table_setn(r->err_headers_out, "Retry-After",
                       apr_psprintf(r->pool, "%" APR_INT64_T_FMT,
                                    (apr_int64_t)cba_srv_retry_after(cba_conf_srv(r->server))));
    }
    /* A body that nobody has read would have to be swallowed before the next request: close
     * instead. ap_discard_request_body() does nothing on such a connection, and HTTP/2 resets the
     * stream. */
    if (!pass || !pass->spool) {
        if (apr_table_get(r->headers_in, "Transfer-Encoding") ||
            (apr_table_get(r->headers_in, "Content-Length") &&
             strcmp(apr_table_get(r->headers_in, "Content-Length"), "0"))) {
            r->connection->keepalive = AP_CONN_CLOSE;
        }
    }
    return info->status;
}

void cba_report_passed(request_rec *r, const struct cba_pass *pass, enum cba_reason reason)
{
    log_pass(r, pass, reason, NULL);
}

static void log_remark(request_rec *r, const struct cba_decision *decision)
{
    const struct cba_reason_info *info = cba_reason_info(decision->remark);
    char detail[FIELD_MAX], phone[PHONE_MAX];

    if (APLOG_R_IS_LEVEL(r, httpd_level(info->level))) {
        cba_escape_log(cba_span_str(decision->remark_result.detail), detail, sizeof detail);
        ap_log_rerror(APLOG_MARK, httpd_level(info->level), 0, r, "%s: %s (%s); %s; to do: %s",
                      info->tag, info->meaning, detail,
                      phone_text(&decision->query, phone, sizeof phone), info->remedy);
    }
}

void cba_report_request(request_rec *r, const struct cba_pass *pass)
{
    const struct cba_query *query = &pass->decision.query;
    char text[16];

    if (query->command != CBA_COMMAND_NONE) {
        apr_table_setn(r->subprocess_env, CBA_ENV_COMMAND, cba_command_name(query->command));
    }
    if (query->device_id[0]) {
        apr_table_setn(r->subprocess_env, CBA_ENV_DEVICE_ID, query->device_id);
    }
    if (query->device_type[0]) {
        apr_table_setn(r->subprocess_env, CBA_ENV_TYPE, query->device_type);
    }
    if (query->version) {
        apr_table_set(r->subprocess_env, CBA_ENV_VERSION, version_text(query, text));
    }
    if (query->has_policy_key) {
        apr_table_set(r->subprocess_env, CBA_ENV_POLICY, policy_key_text(query, text));
    }
    if (pass->decision.remark != CBA_R_UNDECIDED) {
        log_remark(r, &pass->decision);
    }
}

void cba_report_admitted(request_rec *r, struct cba_pass *pass)
{
    const struct cba_account *account = &pass->decision.account;

    r->user = apr_pstrdup(r->pool, pass->user);
    r->ap_auth_type = apr_pstrdup(r->pool, "EASCertAuth");
    apr_table_setn(r->subprocess_env, CBA_ENV_REASON, cba_reason_info(CBA_R_OK)->tag);
    apr_table_setn(r->subprocess_env, CBA_ENV_ACCOUNT, pass->user);
    if (account->upn[0]) {
        apr_table_setn(r->subprocess_env, CBA_ENV_UPN, account->upn);
    }
    apr_table_setn(r->subprocess_env, CBA_ENV_MAPPED_BY, cba_method_name(pass->decision.method));
}

void cba_report_weak(request_rec *r, const struct cba_pass *pass)
{
    const struct cba_decision *decision = &pass->decision;
    struct cba_result by = {""};

    cba_result_set(&by, "%s",
                   decision->result.detail[0] ? decision->result.detail
                                              : cba_method_name(decision->method));
    log_pass(r, pass, CBA_R_MAP_WEAK_USED, &by);
}

static void log_server(const server_rec *s, enum cba_reason reason, const struct cba_result *result,
                       const char *more)
{
    const struct cba_reason_info *info = cba_reason_info(reason);
    char detail[CBA_DETAIL_MAX + 1] = "";

    if (result && result->detail[0]) {
        cba_escape_log(cba_span_str(result->detail), detail, sizeof detail);
    }
    ap_log_error(APLOG_MARK, httpd_level(info->level), 0, s, "%s: %s%s%s%s%s; to do: %s", info->tag,
                 info->meaning, detail[0] ? " (" : "", detail, detail[0] ? ")" : "", more,
                 info->remedy);
}

void cba_report_server(const server_rec *s, enum cba_reason reason, const struct cba_result *result)
{
    log_server(s, reason, result, "");
}

void cba_report_often(const server_rec *s, enum cba_reason reason, const struct cba_result *result)
{
    char more[MORE_MAX];
    unsigned suppressed;

    if (outage_is_due(reason, &suppressed)) {
        log_server(s, reason, result, more_text(suppressed, more));
    }
}
