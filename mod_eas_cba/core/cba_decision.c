/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_decision.h"

static bool equal(struct cba_span a, const char *b)
{
    return a.len == strlen(b) && (a.len == 0 || memcmp(a.ptr, b, a.len) == 0);
}

/* The query of an ActiveSync request. OPTIONS needs none and commands nothing: what it says is for
 * the log (MS-ASHTTP 2.2.3). */
static enum cba_reason check_query(const struct cba_request *request, const struct cba_rules *rules,
                                   bool *malformed, struct cba_decision *out)
{
    struct cba_span query = cba_request_query(request);
    struct cba_result result = {""};
    enum cba_reason reason = cba_query_parse(query, &out->query, &result);

    cba_query_add_headers(&out->query, request->version, request->policy_key);
    if (equal(request->method, "OPTIONS")) {
        return CBA_R_OK;
    }
    *malformed = reason != CBA_R_OK;
    if (*malformed && rules->enforce) {
        out->result = result;
        return reason;
    }
    if (*malformed) {
        out->remark = CBA_R_REQ_QUERY_LOGGED;
        out->remark_result = result;
    }
    if (rules->commands == CBA_COMMANDS_ALL) {
        return CBA_R_OK;
    }
    /* Of a malformed query nobody knows which command the back end reads in it. */
    if (*malformed || !cba_command_in(out->query.command, rules->commands)) {
        cba_result_set(&out->result, "%s",
                       *malformed ? result.detail : cba_command_name(out->query.command));
        return CBA_R_REQ_COMMAND;
    }
    return CBA_R_OK;
}

/* Autodiscover's body is not looked at: without an XML parser a look at it proves nothing, and
 * whose settings are told is decided by the token. */
static enum cba_reason check_autodiscover(const struct cba_request *request,
                                          const struct cba_rules *rules, struct cba_decision *out)
{
    struct cba_span type = request->content_type;
    struct cba_result *result = rules->enforce ? &out->result : &out->remark_result;

    if (cba_request_is_xml(type)) {
        return CBA_R_OK;
    }
    if (type.len == 0) {
        cba_result_set(result, "there is no Content-Type");
    } else {
        cba_result_set(result, "Content-Type is %.*s",
                       type.len < CBA_DETAIL_MAX ? (int)type.len : CBA_DETAIL_MAX,
                       (const char *)type.ptr);
    }
    if (rules->enforce) {
        return CBA_R_REQ_AUTODISCOVER_TYPE;
    }
    out->remark = CBA_R_REQ_AUTODISCOVER_LOGGED;
    return CBA_R_OK;
}

static enum cba_reason check_request(const struct cba_request *request,
                                     const struct cba_rules *rules, bool *malformed,
                                     struct cba_decision *out)
{
    enum cba_reason reason = cba_request_check(request, rules->protocol);

    if (reason != CBA_R_OK) {
        return reason;
    }
    switch (rules->protocol) {
    case CBA_PROTOCOL_ACTIVESYNC:
        return check_query(request, rules, malformed, out);
    case CBA_PROTOCOL_AUTODISCOVER:
        return check_autodiscover(request, rules, out);
    case CBA_PROTOCOL_ANY:
        return CBA_R_OK;
    }
    return CBA_R_UNDECIDED;
}

/* Only what mod_ssl itself calls SUCCESS is verified: with "optional_no_ca" it also lets in what it
 * calls GENEROUS or FAILED. */
static enum cba_reason check_peer(const struct cba_peer *peer, struct cba_result *result)
{
    if (!peer->tls) {
        return CBA_R_TLS_ABSENT;
    }
    /* Whoever vouched for the certificate there may be nobody here (RFC 9110 7.4). */
    if (peer->astray) {
        return CBA_R_REQ_ASTRAY;
    }
    if (peer->der.len == 0 && (equal(peer->verify, "NONE") || equal(peer->verify, ""))) {
        return CBA_R_TLS_NO_CERTIFICATE;
    }
    if (!equal(peer->verify, "SUCCESS")) {
        cba_result_set(result, "SSL_CLIENT_VERIFY is %.*s",
                       peer->verify.len < CBA_DETAIL_MAX ? (int)peer->verify.len : CBA_DETAIL_MAX,
                       peer->verify.len > 0 ? (const char *)peer->verify.ptr : "");
        return CBA_R_TLS_UNVERIFIED;
    }
    /* mod_ssl says SUCCESS of what it holds, and had no memory to show it. */
    if (peer->der.len == 0) {
        cba_result_set(result, "for the certificate that mod_ssl verified");
        return CBA_R_LIFE_MEMORY;
    }
    return CBA_R_OK;
}

/* The decision outlives the certificate's facts, as long as a Ping is held: it keeps what names the
 * certificate. */
static enum cba_reason parse(const struct cba_peer *peer, const struct cba_ports *ports,
                             struct cba_cert *cert, struct cba_decision *out)
{
    enum cba_reason reason;

    cert->issuer[0] = cert->serial[0] = '\0'; /* of a port that refuses */
    reason = ports->parse ? ports->parse(ports->ctx, peer->der, cert, &out->result)
                          : cba_cert_parse(peer->der, cert, &out->result);
    memcpy(out->issuer, cert->issuer, sizeof out->issuer);
    memcpy(out->serial, cert->serial, sizeof out->serial);
    return reason;
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

/* Before any account is looked for: who may not vouch for accounts cannot make the gateway ask about
 * one either. */
static enum cba_reason check_issuer(const struct cba_peer *peer, const struct cba_cert *cert,
                                    const struct cba_rules *rules, const struct cba_ports *ports,
                                    struct cba_decision *out)
{
    struct cba_ntauth_facts facts = {0};
    enum cba_reason reason;

    if (!rules->ntauth) {
        return CBA_R_OK;
    }
    reason = ports->ntauth(ports->ctx, peer->der, cert, &facts, &out->result);
    if (reason != CBA_R_OK) {
        return reason;
    }
    if (!facts.any) {
        return CBA_R_CERT_NTAUTH_EMPTY;
    }
    return facts.issued ? CBA_R_OK : CBA_R_CERT_NTAUTH;
}

static enum cba_reason resolve(const struct cba_cert *cert, const struct cba_answer *answer,
                               const struct cba_rules *rules, struct cba_decision *out)
{
    const struct cba_account *account;
    uint32_t forms;
    enum cba_reason reason = cba_mapping_resolve(cert, answer, rules->methods, rules->strong,
                                                 &account, &out->method, &forms);

    if (account != NULL) {
        out->account = *account;
        out->has_account = true;
    }
    out->weak = reason == CBA_R_OK && !cba_method_is_strong(out->method, forms);
    if ((reason != CBA_R_OK || out->weak) && forms != 0) {
        cba_result_set(&out->result, "altSecurityIdentities, %s", cba_altsec_name(forms));
    }
    return reason;
}

/* Is this one of the account's names: sAMAccountName, DOMAIN\sAMAccountName, userPrincipalName or
 * the implicit UPN? Of DOMAIN only a DNS name can be compared: the directory facts do not have the
 * NetBIOS name. */
static bool is_called(const struct cba_account *account, const char *user)
{
    const char *backslash = strchr(user, '\\');
    struct cba_span name = cba_span_str(backslash != NULL ? backslash + 1 : user);
    struct cba_span domain = cba_span_of(user, backslash != NULL ? (size_t)(backslash - user) : 0);
    size_t sam = strlen(account->sam);

    if (backslash != NULL) {
        return cba_span_equal_nocase(name, cba_span_str(account->sam)) && domain.len > 0 &&
               (memchr(domain.ptr, '.', domain.len) == NULL ||
                cba_span_equal_nocase(domain, cba_span_str(account->domain)));
    }
    return cba_span_equal_nocase(name, cba_span_str(account->sam)) ||
           (account->upn[0] && cba_span_equal_nocase(name, cba_span_str(account->upn))) ||
           (name.len > sam && name.ptr[sam] == '@' &&
            cba_span_equal_nocase(cba_span_of(name.ptr, sam), cba_span_str(account->sam)) &&
            cba_span_equal_nocase(cba_span_of(name.ptr + sam + 1, name.len - sam - 1),
                                  cba_span_str(account->domain)));
}

/* A base64 query need not name a user. What a malformed one says is not known. */
static enum cba_reason check_user(const struct cba_request *request, const struct cba_rules *rules,
                                  bool malformed, struct cba_decision *out)
{
    const char *user = out->query.user;

    if (!rules->user_match || rules->protocol != CBA_PROTOCOL_ACTIVESYNC ||
        equal(request->method, "OPTIONS")) {
        return CBA_R_OK;
    }
    if (malformed) {
        cba_result_set(&out->result, "%s", out->remark_result.detail);
        return CBA_R_REQ_USER;
    }
    if (user[0] && !is_called(&out->account, user)) {
        cba_result_set(&out->result, "it names %s", user);
        return CBA_R_REQ_USER;
    }
    return CBA_R_OK;
}

static enum cba_reason decide(const struct cba_request *request, const struct cba_peer *peer,
                              const struct cba_rules *rules, int64_t now,
                              const struct cba_ports *ports, struct cba_decision *out)
{
    struct cba_answer answer = {0};
    struct cba_cert cert;
    enum cba_reason reason;
    bool malformed = false;

    if ((reason = check_request(request, rules, &malformed, out)) != CBA_R_OK ||
        (reason = check_peer(peer, &out->result)) != CBA_R_OK ||
        (reason = parse(peer, ports, &cert, out)) != CBA_R_OK ||
        (reason = check_dates(&cert, now)) != CBA_R_OK ||
        (reason = check_usage(&cert, rules)) != CBA_R_OK ||
        (reason = check_issuer(peer, &cert, rules, ports, out)) != CBA_R_OK ||
        (reason = ports->find(ports->ctx, &cert, &answer, &out->result)) != CBA_R_OK ||
        (reason = resolve(&cert, &answer, rules, out)) != CBA_R_OK ||
        /* Whose account it is comes before what is wrong with it. */
        (reason = cba_account_policy(&out->account, now)) != CBA_R_OK) {
        return reason;
    }
    return check_user(request, rules, malformed, out);
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
    if (facts->sid.len == 0 || !facts->groups_known) {
        cba_result_set(result, "the PAC has no %s", facts->sid.len == 0 ? "SID" : "groups");
        return CBA_R_KRB_PAC_MISSING;
    }
    if (!cba_sid_equal(&facts->sid, &account->sid)) {
        cba_sid_format(&facts->sid, theirs);
        cba_sid_format(&account->sid, ours);
        cba_result_set(result, "the account is %s, the ticket is for %s", ours, theirs);
        return CBA_R_KRB_PAC_SID;
    }
    /* The KDC of Active Directory would refuse to delegate it and not say why; others delegate it. */
    return facts->protected_user ? CBA_R_KRB_PROTECTED : CBA_R_OK;
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
