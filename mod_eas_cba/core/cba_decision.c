/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_decision.h"

static bool equal(struct cba_span a, const char *b)
{
    return a.len == strlen(b) && (a.len == 0 || memcmp(a.ptr, b, a.len) == 0);
}

/* Only what mod_ssl itself calls SUCCESS is verified: with "optional_no_ca" it also lets in what it
 * calls GENEROUS or FAILED. */
static enum cba_reason check_peer(const struct cba_peer *peer, struct cba_result *result)
{
    if (!peer->tls) {
        return CBA_R_TLS_ABSENT;
    }
    if (peer->der.len == 0 && (equal(peer->verify, "SUCCESS") || equal(peer->verify, "NONE") ||
                               equal(peer->verify, ""))) {
        return CBA_R_TLS_NO_CERTIFICATE;
    }
    if (!equal(peer->verify, "SUCCESS")) {
        cba_result_set(result, "SSL_CLIENT_VERIFY is %.*s",
                       peer->verify.len < CBA_DETAIL_MAX ? (int)peer->verify.len : CBA_DETAIL_MAX,
                       peer->verify.len > 0 ? (const char *)peer->verify.ptr : "");
        return CBA_R_TLS_UNVERIFIED;
    }
    return CBA_R_OK;
}

/* On every request, also of a connection that is older than the certificate's end. */
static enum cba_reason check_dates(const struct cba_cert *cert, int64_t now)
{
    if (now < cert->not_before) {
        return CBA_R_CERT_NOT_YET;
    }
    return now > cert->not_after ? CBA_R_CERT_EXPIRED : CBA_R_OK;
}

static enum cba_reason check_usage(const struct cba_cert *cert, const struct cba_rules *rules)
{
    return cba_cert_has_usage(cert, rules->usages, rules->usage_count) ? CBA_R_OK : CBA_R_CERT_EKU;
}

static enum cba_reason resolve(const struct cba_answer *answer, const struct cba_rules *rules,
                               struct cba_decision *out)
{
    const struct cba_account *account;
    uint32_t forms;
    enum cba_reason reason = cba_mapping_resolve(&out->cert, answer, rules->methods, rules->strong,
                                                 &account, &out->method, &forms);

    if (account != NULL) {
        out->account = *account;
        out->has_account = true;
    }
    if (reason != CBA_R_OK && forms != 0) {
        cba_result_set(&out->result, "altSecurityIdentities, %s", cba_altsec_name(forms));
    }
    return reason;
}

static enum cba_reason decide(const struct cba_request *request, const struct cba_peer *peer,
                              const struct cba_rules *rules, int64_t now,
                              const struct cba_ports *ports, struct cba_decision *out)
{
    struct cba_answer answer = {0};
    enum cba_reason reason;

    if ((reason = cba_request_check(request, rules->protocol)) != CBA_R_OK ||
        (reason = check_peer(peer, &out->result)) != CBA_R_OK ||
        (reason = cba_cert_parse(peer->der, &out->cert, &out->result)) != CBA_R_OK ||
        (reason = check_dates(&out->cert, now)) != CBA_R_OK ||
        (reason = check_usage(&out->cert, rules)) != CBA_R_OK ||
        (reason = ports->find(ports->ctx, &out->cert, &answer, &out->result)) != CBA_R_OK ||
        (reason = resolve(&answer, rules, out)) != CBA_R_OK) {
        return reason;
    }
    /* Whose account it is comes before what is wrong with it. */
    return cba_account_policy(&out->account, now);
}

enum cba_reason cba_decision_access(const struct cba_request *request, const struct cba_peer *peer,
                                    const struct cba_rules *rules, int64_t now,
                                    const struct cba_ports *ports, struct cba_decision *out)
{
    *out = (struct cba_decision){0};
    out->reason = decide(request, peer, rules, now, ports, out);
    return out->reason;
}

static bool is_name_of(const struct cba_evidence_facts *facts, const struct cba_account *account)
{
    return cba_span_equal_nocase(cba_span_str(facts->client), cba_span_str(account->sam)) &&
           cba_span_equal_nocase(cba_span_str(facts->realm), cba_span_str(account->domain));
}

/* S4U goes by name, and names are reused: is the ticket for the account that was mapped? */
static enum cba_reason check_evidence(const struct cba_evidence_facts *facts,
                                      const struct cba_account *account, struct cba_result *result)
{
    char theirs[CBA_SID_TEXT_MAX + 1], ours[CBA_SID_TEXT_MAX + 1];

    if (!is_name_of(facts, account)) {
        cba_result_set(result, "asked for %s@%s, got %s@%s", account->sam, account->domain,
                       facts->client, facts->realm);
        return CBA_R_KRB_CLIENT_NAME;
    }
    if (facts->sid.len == 0) {
        return CBA_R_KRB_PAC_MISSING;
    }
    if (!cba_sid_equal(&facts->sid, &account->sid)) {
        cba_sid_format(&facts->sid, theirs);
        cba_sid_format(&account->sid, ours);
        cba_result_set(result, "the account is %s, the ticket is for %s", ours, theirs);
        return CBA_R_KRB_PAC_SID;
    }
    return CBA_R_OK;
}

enum cba_reason cba_decision_delegate(const struct cba_account *account, const char *spn,
                                      const struct cba_ports *ports, struct cba_result *result)
{
    struct cba_evidence_facts facts = {0};
    enum cba_reason reason;

    if ((reason = ports->evidence(ports->ctx, account, &facts, result)) != CBA_R_OK ||
        (reason = check_evidence(&facts, account, result)) != CBA_R_OK) {
        return reason;
    }
    return ports->ticket(ports->ctx, spn, result);
}
