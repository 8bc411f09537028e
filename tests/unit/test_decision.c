/* SPDX-License-Identifier: Apache-2.0
 *
 * The decision over fakes of directory and KDC: every reason that it can give, and in which order.
 */
#include "unit.h"

#include "cba_decision.h"
#include "exact.h"

#define ALICE "S-1-5-21-2076040321-3326545908-468068287-1157"
#define BOB   "S-1-5-21-2076040321-3326545908-468068287-1158"

#define EAS    "/Microsoft-Server-ActiveSync"
#define PHONE  "&DeviceId=X1&DeviceType=iPhone"
#define TARGET EAS "?Cmd=Sync&User=alice" PHONE

/* After the certificates of tests/vectors began, before they end, in seconds since 1970. */
#define NOT_BEFORE 1709208000
#define NOT_AFTER  INT64_C(2524607999)
#define NOW        (NOT_BEFORE + 1000)

static const char *const client_auth[] = {"1.3.6.1.5.5.7.3.2"};
static const char *const server_auth[] = {"1.3.6.1.5.5.7.3.1"};

/* What is asked, and what the fakes answer. */
struct scene {
    struct cba_request request;
    struct cba_peer peer;
    struct cba_rules rules;
    int64_t now;
    unsigned char *der;
    enum cba_reason find;
    struct cba_answer answer;
    enum cba_reason ntauth;
    struct cba_ntauth_facts issuer;
    enum cba_reason evidence;
    struct cba_evidence_facts facts;
    enum cba_reason ticket;
    /* what came to pass */
    unsigned found, issuers, evidences, tickets;
    char spn[CBA_SPN_MAX + 1];
    struct cba_decision decision;
    struct cba_result result;
};

static enum cba_reason fake_find(void *ctx, const struct cba_cert *cert, struct cba_answer *answer,
                                 struct cba_result *result)
{
    struct scene *scene = ctx;

    assert_non_null(cert);
    assert_non_null(result);
    scene->found++;
    *answer = scene->answer;
    cba_result_set(result, "asked");
    return scene->find;
}

static enum cba_reason fake_evidence(void *ctx, const struct cba_account *account,
                                     struct cba_evidence_facts *facts, struct cba_result *result)
{
    struct scene *scene = ctx;

    assert_non_null(account);
    assert_non_null(result);
    scene->evidences++;
    *facts = scene->facts;
    return scene->evidence;
}

static enum cba_reason fake_ticket(void *ctx, const char *spn, struct cba_result *result)
{
    struct scene *scene = ctx;

    assert_non_null(result);
    scene->tickets++;
    (void)snprintf(scene->spn, sizeof(scene->spn), "%s", spn);
    return scene->ticket;
}

static enum cba_reason fake_ntauth(void *ctx, struct cba_span der, const struct cba_cert *cert,
                                   struct cba_ntauth_facts *facts, struct cba_result *result)
{
    struct scene *scene = ctx;

    assert_ptr_equal(der.ptr, scene->peer.der.ptr);
    assert_int_equal(der.len, scene->peer.der.len);
    assert_string_not_equal(cert->serial, ""); /* parsed */
    assert_non_null(result);
    assert_int_equal(scene->found, 0); /* nobody was asked about an account yet */
    scene->issuers++;
    *facts = scene->issuer;
    return scene->ntauth;
}

static struct cba_ports ports_of(struct scene *scene)
{
    return (struct cba_ports){.ctx = scene,
                              .find = fake_find,
                              .evidence = fake_evidence,
                              .ticket = fake_ticket,
                              .ntauth = fake_ntauth};
}

static struct cba_sid sid_of(const char *text)
{
    struct cba_sid sid;

    assert_true(cba_sid_parse_text(cba_span_str(text), &sid));
    return sid;
}

static void show(struct scene *scene, const char *name)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "vectors/cert/%s.der", name);
    free(scene->der);
    scene->der = unit_file_read(path, &scene->peer.der.len);
    scene->peer.der.ptr = scene->der;
}

/* A phone for which everything is right: Alice's, by its SID. */
static int begin(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));

    assert_non_null(scene);
    scene->request.method = cba_span_str("POST");
    scene->request.target = cba_span_str(TARGET);
    scene->peer.tls = true;
    scene->peer.verify = cba_span_str("SUCCESS");
    show(scene, "alice");
    scene->rules = (struct cba_rules){.protocol = CBA_PROTOCOL_ACTIVESYNC,
                                      .enforce = true,
                                      .commands = CBA_COMMANDS_ALL,
                                      .methods = (unsigned)CBA_METHOD_SID | CBA_METHOD_UPN,
                                      .strong = true,
                                      .usages = client_auth,
                                      .usage_count = 1,
                                      .ntauth = true};
    scene->now = NOW;
    scene->find = scene->ntauth = scene->evidence = scene->ticket = CBA_R_OK;
    scene->issuer = (struct cba_ntauth_facts){true, true};
    scene->answer.count = 1;
    scene->answer.account[0] = (struct cba_account){.sid = sid_of(ALICE),
                                                    .sam = "alice",
                                                    .upn = "alice@contoso.com",
                                                    .domain = "contoso.com",
                                                    .control = CBA_UAC_NORMAL_ACCOUNT,
                                                    .expires = INT64_MAX,
                                                    .created = NOT_BEFORE - 86400};
    scene->facts = (struct cba_evidence_facts){
        .client = "alice", .realm = "CONTOSO.COM", .sid = sid_of(ALICE), .groups_known = true};
    *state = scene;
    return 0;
}

static int end(void **state)
{
    struct scene *scene = *state;

    free(scene->der);
    free(scene);
    return 0;
}

/* Decides; found: how often the directory may be asked. */
static void assert_access(struct scene *scene, enum cba_reason expected, unsigned found)
{
    struct cba_ports ports = ports_of(scene);
    enum cba_reason reason;

    memset(&scene->decision, 0xff, sizeof(scene->decision));
    scene->found = scene->issuers = 0;
    reason = cba_decision_access(&scene->request, &scene->peer, &scene->rules, scene->now, &ports,
                                 &scene->decision);
    assert_string_equal(cba_reason_info(reason)->symbol, cba_reason_info(expected)->symbol);
    assert_int_equal(scene->decision.reason, expected);
    assert_int_equal(scene->found, found);
    assert_int_equal(scene->evidences, 0);
    assert_int_equal(scene->tickets, 0);
}

/* --- access ---- */

/* Remembers what the certificate says, or refuses. */
static enum cba_reason remembered(void *ctx, struct cba_span der, struct cba_cert *cert,
                                  struct cba_result *result)
{
    const struct cba_cert *before = ctx;

    assert_non_null(result);
    if (before == NULL || der.len == 0) {
        return CBA_R_LIFE_GATEWAY;
    }
    *cert = *before;
    return CBA_R_OK;
}

/* What the port gives is what is judged, at this time and under these rules. */
static void certificate_may_be_remembered(void **state)
{
    struct scene *scene = *state;
    struct cba_cert cert;
    struct cba_ports ports = {.ctx = &cert, .parse = remembered};
    struct cba_decision decision;

    assert_int_equal(cba_cert_parse(scene->peer.der, &cert, NULL), CBA_R_OK);
    assert_int_equal(cba_decision_access(&scene->request, &scene->peer, &scene->rules,
                                         cert.not_after + 1, &ports, &decision),
                     CBA_R_CERT_EXPIRED);
    assert_string_equal(decision.issuer, cert.issuer);
    assert_string_equal(decision.serial, cert.serial);
    cert.eku_count = 0;
    assert_int_equal(cba_decision_access(&scene->request, &scene->peer, &scene->rules, scene->now,
                                         &ports, &decision),
                     CBA_R_CERT_EKU);
    ports.ctx = NULL;
    assert_int_equal(cba_decision_access(&scene->request, &scene->peer, &scene->rules, scene->now,
                                         &ports, &decision),
                     CBA_R_LIFE_GATEWAY);
    assert_string_equal(decision.issuer, "");
    assert_string_equal(decision.serial, "");
}

static void let_in(void **state)
{
    struct scene *scene = *state;

    assert_access(scene, CBA_R_OK, 1);
    assert_int_equal(scene->decision.method, CBA_METHOD_SID);
    assert_true(scene->decision.has_account);
    assert_memory_equal(&scene->decision.account, &scene->answer.account[0],
                        sizeof(struct cba_account));
    assert_string_equal(scene->decision.serial, "2B0000000011AC0000000012");
}

static void issuer(void **state)
{
    struct scene *scene = *state;

    assert_access(scene, CBA_R_OK, 1);
    assert_int_equal(scene->issuers, 1);
    scene->issuer = (struct cba_ntauth_facts){true, false};
    assert_access(scene, CBA_R_CERT_NTAUTH, 0);
    assert_int_equal(scene->issuers, 1);
    assert_false(scene->decision.has_account);
    scene->issuer = (struct cba_ntauth_facts){false, false};
    assert_access(scene, CBA_R_CERT_NTAUTH_EMPTY, 0);
    scene->issuer = (struct cba_ntauth_facts){false, true}; /* contradicts itself */
    assert_access(scene, CBA_R_CERT_NTAUTH_EMPTY, 0);
}

/* What is not known lets nobody in, whatever the facts say beside it. */
static void issuer_is_not_known(void **state)
{
    static const enum cba_reason reasons[] = {CBA_R_DIR_NTAUTH, CBA_R_DIR_NTAUTH_OLD,
                                              CBA_R_DIR_UNREACHABLE, CBA_R_LIFE_GATEWAY,
                                              CBA_R_UNDECIDED};
    struct scene *scene = *state;

    for (size_t i = 0; i < COUNT(reasons); i++) {
        scene->ntauth = reasons[i];
        assert_access(scene, reasons[i], 0);
    }
}

static void issuer_does_not_matter(void **state)
{
    struct scene *scene = *state;

    scene->rules.ntauth = false;
    scene->issuer = (struct cba_ntauth_facts){false, false};
    scene->ntauth = CBA_R_DIR_NTAUTH;
    assert_access(scene, CBA_R_OK, 1);
    assert_int_equal(scene->issuers, 0);
}

/* Of a certificate that is refused anyway nobody asks who issued it. */
static void issuer_comes_after_the_certificate(void **state)
{
    struct scene *scene = *state;

    scene->issuer = (struct cba_ntauth_facts){true, false};
    scene->rules.usages = server_auth;
    assert_access(scene, CBA_R_CERT_EKU, 0);
    assert_int_equal(scene->issuers, 0);
    scene->now = NOT_AFTER + 1;
    assert_access(scene, CBA_R_CERT_EXPIRED, 0);
    assert_int_equal(scene->issuers, 0);
}

static void zeroed_is_a_refusal(void **state)
{
    const struct cba_decision zero = {0};

    (void)state;
    assert_int_equal(zero.reason, CBA_R_UNDECIDED);
    assert_int_not_equal(zero.reason, CBA_R_OK);
    assert_int_equal(cba_reason_info(zero.reason)->status, 403);
}

static void request_rules(void **state)
{
    struct scene *scene = *state;

    scene->request.target = cba_span_str("/Microsoft-Server-ActiveSync/%2e%2e/owa");
    assert_access(scene, CBA_R_REQ_PATH, 0);
    assert_string_equal(scene->decision.serial, ""); /* not even looked at */
    assert_false(scene->decision.has_account);
    scene->request.method = cba_span_str("GET");
    assert_access(scene, CBA_R_REQ_METHOD, 0);
    scene->request.upgrade = true;
    assert_access(scene, CBA_R_REQ_UPGRADE, 0);
}

static void protocol_is_the_locations(void **state)
{
    struct scene *scene = *state;

    scene->request.method = cba_span_str("GET");
    scene->rules.protocol = CBA_PROTOCOL_ANY;
    assert_access(scene, CBA_R_OK, 1);
}

/* A Location cannot have such a protocol; were it so, nobody would be let in. */
static void unknown_protocol(void **state)
{
    struct scene *scene = *state;

    scene->rules.protocol = (enum cba_protocol)77;
    assert_access(scene, CBA_R_REQ_METHOD, 0);
}

static void no_tls(void **state)
{
    struct scene *scene = *state;

    scene->peer.astray = true;
    assert_access(scene, CBA_R_REQ_ASTRAY, 0);
    scene->peer.tls = false;
    assert_access(scene, CBA_R_TLS_ABSENT, 0);
}

static void no_certificate(void **state)
{
    static const char *const verify[] = {"NONE", ""};
    struct scene *scene = *state;

    scene->peer.der = cba_span_of(NULL, 0);
    for (size_t i = 0; i < COUNT(verify); i++) {
        scene->peer.verify = cba_span_str(verify[i]);
        assert_access(scene, CBA_R_TLS_NO_CERTIFICATE, 0);
    }
    scene->peer.verify = cba_span_of(NULL, 0);
    assert_access(scene, CBA_R_TLS_NO_CERTIFICATE, 0);
    /* There is one, and mod_ssl could not show it: that is no refusal. */
    scene->peer.verify = cba_span_str("SUCCESS");
    assert_access(scene, CBA_R_LIFE_MEMORY, 0);
}

static void not_verified(void **state)
{
    static const char *const verify[] = {"NONE",     "GENEROUS",   "FAILED:self signed",
                                         "FAILED",   "success",    "SUCCES",
                                         "SUCCESS ", "SUCCESSFUL", ""};
    struct scene *scene = *state;

    for (size_t i = 0; i < COUNT(verify); i++) {
        scene->peer.verify = cba_span_str(verify[i]);
        assert_access(scene, CBA_R_TLS_UNVERIFIED, 0);
        assert_non_null(strstr(scene->decision.result.detail, verify[i]));
        assert_string_equal(scene->decision.serial, "");
    }
    scene->peer.verify = EXACT("SUCCESS\0");
    assert_access(scene, CBA_R_TLS_UNVERIFIED, 0);
    scene->peer.verify = exact_fill('x', 1000);
    assert_access(scene, CBA_R_TLS_UNVERIFIED, 0);
    assert_int_equal(strlen(scene->decision.result.detail), CBA_DETAIL_MAX);
    scene->peer.der = cba_span_of(NULL, 0);
    scene->peer.verify = cba_span_str("FAILED:x");
    assert_access(scene, CBA_R_TLS_UNVERIFIED, 0);
}

static void certificates_refused(void **state)
{
    static const struct {
        const char *name;
        enum cba_reason reason;
    } certs[] = {
        {"eku-empty", CBA_R_CERT_MALFORMED},  {"sid-empty", CBA_R_CERT_SID},
        {"url-two", CBA_R_CERT_SID_CONFLICT}, {"upn-nul", CBA_R_CERT_UPN},
        {"upn-two", CBA_R_CERT_UPN_CONFLICT}, {"sid-twice", CBA_R_CERT_DUPLICATE},
        {"upn-1025", CBA_R_CERT_LIMIT},
    };
    struct scene *scene = *state;

    for (size_t i = 0; i < COUNT(certs); i++) {
        show(scene, certs[i].name);
        assert_access(scene, certs[i].reason, 0);
        assert_string_equal(scene->decision.serial, "1001"); /* for the log */
        assert_true(scene->decision.result.detail[0] != '\0');
    }
}

static void dates(void **state)
{
    struct scene *scene = *state;

    scene->now = NOT_BEFORE - 1;
    assert_access(scene, CBA_R_CERT_NOT_YET, 0);
    scene->now = NOT_BEFORE;
    assert_access(scene, CBA_R_OK, 1);
    scene->now = NOT_AFTER;
    assert_access(scene, CBA_R_OK, 1);
    scene->now = NOT_AFTER + 1;
    assert_access(scene, CBA_R_CERT_EXPIRED, 0);
}

static void usage(void **state)
{
    struct scene *scene = *state;

    scene->rules.usages = server_auth;
    assert_access(scene, CBA_R_CERT_EKU, 0);
    scene->rules.usages = client_auth;
    scene->rules.usage_count = 0;
    assert_access(scene, CBA_R_CERT_EKU, 0);
    scene->rules.usage_count = 1;
    show(scene, "no-usage");
    assert_access(scene, CBA_R_CERT_EKU, 0);
}

/* Whatever the directory says goes out as it is, with its detail. */
static void directory_fails(void **state)
{
    static const enum cba_reason reasons[] = {
        CBA_R_DIR_UNREACHABLE, CBA_R_DIR_TIMEOUT,   CBA_R_DIR_BIND,        CBA_R_DIR_TLS,
        CBA_R_DIR_SEARCH,      CBA_R_DIR_NO_SERVER, CBA_R_DIR_ANSWER,      CBA_R_DIR_PASSWORD,
        CBA_R_ACC_INCOMPLETE,  CBA_R_ACC_MALFORMED, CBA_R_MAP_NO_IDENTITY, CBA_R_LIFE_MEMORY,
        CBA_R_LIFE_GATEWAY,    CBA_R_KRB_KEYTAB,    CBA_R_UNDECIDED,
    };
    struct scene *scene = *state;

    for (size_t i = 0; i < COUNT(reasons); i++) {
        scene->find = reasons[i];
        assert_access(scene, reasons[i], 1);
        assert_false(scene->decision.has_account);
        assert_string_equal(scene->decision.result.detail, "asked");
    }
}

/* The ports are believed in every number of the table: none of them lets anybody in. */
static void no_reason_of_a_port_lets_in(void **state)
{
    struct scene *scene = *state;

    for (int r = 0; r < CBA_R_COUNT; r++) {
        enum cba_reason reason = (enum cba_reason)r;

        if (reason == CBA_R_OK) {
            continue;
        }
        scene->find = reason;
        assert_access(scene, reason, 1);
        scene->ntauth = reason;
        assert_access(scene, reason, 0);
        scene->find = scene->ntauth = CBA_R_OK;
    }
}

static void mapping_refuses(void **state)
{
    struct scene *scene = *state;
    struct cba_account alice = scene->answer.account[0], bob = alice;

    bob.sid = sid_of(BOB);
    (void)snprintf(bob.sam, sizeof(bob.sam), "bob");
    (void)snprintf(bob.upn, sizeof(bob.upn), "bob@contoso.com");

    scene->answer.count = 0;
    assert_access(scene, CBA_R_MAP_NOT_FOUND, 1);
    assert_false(scene->decision.has_account);

    scene->answer.count = 2;
    scene->answer.account[1] = alice;
    assert_access(scene, CBA_R_MAP_AMBIGUOUS, 1);
    assert_false(scene->decision.has_account);

    scene->answer.account[1] = bob; /* nothing in the certificate is Bob's */
    assert_access(scene, CBA_R_MAP_INEXACT, 1);

    (void)snprintf(scene->answer.account[0].upn, sizeof(alice.upn), "other@contoso.com");
    (void)snprintf(scene->answer.account[0].sam, sizeof(alice.sam), "other");
    (void)snprintf(scene->answer.account[1].upn, sizeof(bob.upn), "alice@contoso.com");
    assert_access(scene, CBA_R_MAP_CONTRADICTION, 1);

    scene->answer.count = 1;
    scene->answer.account[0] = alice;
    scene->answer.account[0].sid = sid_of(BOB);
    assert_access(scene, CBA_R_MAP_SID, 1);
    assert_true(scene->decision.has_account); /* the one concerned, for the log */
    assert_int_equal(scene->decision.method, CBA_METHOD_SID);

    scene->answer.account[0] = alice;
    scene->rules.methods = CBA_METHOD_SIDURL;
    assert_access(scene, CBA_R_MAP_NOT_LISTED, 1);
    assert_int_equal(scene->decision.method, CBA_METHOD_SID);

    scene->rules.methods = CBA_METHOD_UPN;
    assert_access(scene, CBA_R_MAP_WEAK, 1);
    assert_int_equal(scene->decision.method, CBA_METHOD_UPN);

    scene->rules.strong = false;
    scene->answer.account[0].created = NOT_BEFORE + 1;
    assert_access(scene, CBA_R_MAP_OLDER, 1);

    scene->answer.account[0].created = NOT_BEFORE;
    assert_access(scene, CBA_R_OK, 1);
    assert_int_equal(scene->decision.method, CBA_METHOD_UPN);
}

static void no_identity(void **state)
{
    struct scene *scene = *state;

    show(scene, "anonymous");
    scene->answer.count = 0;
    assert_access(scene, CBA_R_MAP_NO_IDENTITY, 1);
    assert_false(scene->decision.has_account);
}

/* altSecurityIdentities: what the account stores decides, and the log names its form. */
static void stored_mapping(void **state)
{
    struct scene *scene = *state;

    show(scene, "anonymous");
    scene->rules.methods = CBA_METHOD_ALTSEC;
    scene->answer.altsec[0] = CBA_ALTSEC_ISSUER_SERIAL | CBA_ALTSEC_SUBJECT;
    assert_access(scene, CBA_R_OK, 1);
    assert_int_equal(scene->decision.method, CBA_METHOD_ALTSEC);
    scene->answer.altsec[0] = CBA_ALTSEC_ISSUER_SUBJECT;
    assert_access(scene, CBA_R_MAP_WEAK, 1);
    assert_string_equal(scene->decision.result.detail, "altSecurityIdentities, X509IssuerSubject");
    scene->rules.strong = false;
    assert_access(scene, CBA_R_OK, 1);
    assert_true(scene->decision.weak);
    assert_string_equal(scene->decision.result.detail, "altSecurityIdentities, X509IssuerSubject");
    scene->rules.methods = CBA_METHOD_SID;
    assert_access(scene, CBA_R_MAP_NOT_LISTED, 1);
    assert_string_equal(scene->decision.result.detail, "altSecurityIdentities, X509IssuerSubject");
}

static void weak_mapping(void **state)
{
    struct scene *scene = *state;

    show(scene, "weak");
    assert_access(scene, CBA_R_MAP_WEAK, 1);
    assert_false(scene->decision.weak); /* it let nobody in */
    scene->rules.strong = false;
    assert_access(scene, CBA_R_OK, 1);
    assert_int_equal(scene->decision.method, CBA_METHOD_UPN);
    assert_true(scene->decision.weak);
    /* what is strong is so where weak ones are accepted, too */
    show(scene, "alice");
    assert_access(scene, CBA_R_OK, 1);
    assert_int_equal(scene->decision.method, CBA_METHOD_SID);
    assert_false(scene->decision.weak);
}

static void account_refused(void **state)
{
    static const struct {
        uint32_t control;
        enum cba_reason reason;
    } accounts[] = {
        {CBA_UAC_NORMAL_ACCOUNT | CBA_UAC_ACCOUNTDISABLE, CBA_R_ACC_DISABLED},
        {CBA_UAC_NORMAL_ACCOUNT | CBA_UAC_NOT_DELEGATED, CBA_R_ACC_SENSITIVE},
        {CBA_UAC_WORKSTATION_TRUST, CBA_R_ACC_COMPUTER},
        {CBA_UAC_NORMAL_ACCOUNT | CBA_UAC_PARTIAL_SECRETS, CBA_R_ACC_PARTIAL_SECRETS},
        {0, CBA_R_ACC_NOT_USER},
    };
    struct scene *scene = *state;

    for (size_t i = 0; i < COUNT(accounts); i++) {
        scene->answer.account[0].control = accounts[i].control;
        assert_access(scene, accounts[i].reason, 1);
        assert_true(scene->decision.has_account);
        assert_int_equal(scene->decision.method, CBA_METHOD_SID);
    }
    scene->answer.account[0].control = CBA_UAC_NORMAL_ACCOUNT;
    scene->answer.account[0].expires = NOW;
    assert_access(scene, CBA_R_ACC_EXPIRED, 1);
    scene->answer.account[0].expires = NOW + 1;
    assert_access(scene, CBA_R_OK, 1);
    scene->answer.account[0].protected_user = true;
    assert_access(scene, CBA_R_ACC_PROTECTED, 1);
    assert_true(scene->decision.has_account);
}

/* --- what the query says ---- */

static void ask(struct scene *scene, const char *target)
{
    scene->request.target = cba_span_str(target);
}

static void query_facts(void **state)
{
    struct scene *scene = *state;

    assert_access(scene, CBA_R_OK, 1);
    assert_int_equal(scene->decision.query.form, CBA_QUERY_PLAIN);
    assert_int_equal(scene->decision.query.command, CBA_COMMAND_SYNC);
    assert_string_equal(scene->decision.query.device_id, "X1");
    assert_int_equal(scene->decision.query.version, 0);
    assert_int_equal(scene->decision.remark, CBA_R_UNDECIDED);

    scene->request.version = cba_span_str("14.1");
    scene->request.policy_key = cba_span_str("7");
    scene->peer.tls = false;
    assert_access(scene, CBA_R_TLS_ABSENT, 0); /* known of a phone that is refused, too */
    assert_string_equal(scene->decision.query.device_id, "X1");
    assert_int_equal(scene->decision.query.version, 141);
    assert_int_equal(scene->decision.query.policy_key, 7);
}

static void query_malformed(void **state)
{
    static const char *const bad[] = {EAS,
                                      EAS "?",
                                      EAS "?Cmd=Sync",
                                      EAS "?Cmd=Syn&User=a" PHONE,
                                      EAS "?jAAJ",
                                      "https://h" EAS "?x"};
    struct scene *scene = *state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        ask(scene, bad[i]);
        scene->rules.enforce = true;
        assert_access(scene, CBA_R_REQ_QUERY, 0);
        assert_true(scene->decision.result.detail[0] != '\0');
        assert_int_equal(scene->decision.remark, CBA_R_UNDECIDED);

        scene->rules.enforce = false;
        assert_access(scene, CBA_R_OK, 1);
        assert_int_equal(scene->decision.remark, CBA_R_REQ_QUERY_LOGGED);
        assert_true(scene->decision.remark_result.detail[0] != '\0');
    }
    /* Log tolerates what is malformed and nothing else. */
    scene->request.method = cba_span_str("GET");
    assert_access(scene, CBA_R_REQ_METHOD, 0);
    scene->request.method = cba_span_str("POST");
    ask(scene, EAS "/proxy?x");
    assert_access(scene, CBA_R_REQ_SERVER_PATH, 0);
}

static void options_need_no_query(void **state)
{
    static const char *const targets[] = {EAS, EAS "?", EAS "?x", EAS "?Cmd=Ping&User=bob" PHONE};
    struct scene *scene = *state;

    scene->request.method = cba_span_str("OPTIONS");
    scene->rules.commands = UINT32_C(1) << CBA_COMMAND_SYNC;
    scene->rules.user_match = true;
    for (size_t i = 0; i < COUNT(targets); i++) {
        ask(scene, targets[i]);
        assert_access(scene, CBA_R_OK, 1);
        assert_int_equal(scene->decision.remark, CBA_R_UNDECIDED);
    }
    assert_string_equal(scene->decision.query.device_id, "X1"); /* told all the same */
}

static void commands(void **state)
{
    struct scene *scene = *state;

    scene->rules.commands = UINT32_C(1) << CBA_COMMAND_PING;
    assert_access(scene, CBA_R_REQ_COMMAND, 0);
    assert_string_equal(scene->decision.result.detail, "Sync");
    ask(scene, EAS "?cmd=%50ING&User=alice" PHONE);
    assert_access(scene, CBA_R_OK, 1);
    ask(scene, EAS "?jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l");
    assert_access(scene, CBA_R_REQ_COMMAND, 0);
    /* Whatever is read in it: nobody lists a command that is not known. */
    scene->rules.enforce = false;
    ask(scene, EAS "?Cmd=Ping&User=alice" PHONE "&Cmd=Sync");
    assert_access(scene, CBA_R_REQ_COMMAND, 0);
    assert_string_equal(scene->decision.result.detail, "Cmd is there twice");
    ask(scene, EAS);
    assert_access(scene, CBA_R_REQ_COMMAND, 0);
    scene->rules.commands = CBA_COMMANDS_ALL;
    assert_access(scene, CBA_R_OK, 1);
    /* No list is for other protocols. */
    scene->rules.commands = 0;
    scene->rules.protocol = CBA_PROTOCOL_ANY;
    assert_access(scene, CBA_R_OK, 1);
}

static void user_names(void **state)
{
    static const char *const his[] = {
        "alice",        "ALICE",       "alice%40contoso.com",       "Alice@Contoso.Com",
        "CORP%5calice", "corp\\alice", "alice%40child.contoso.com", "%61lice",
    };
    static const char *const others[] = {
        "bob",
        "alic",
        "alice1",
        "alice_child.contoso.com",
        "alice%20",
        "+alice",
        "alice@",
        "@contoso.com",
        "alice@contoso.co",
        "alice@contoso.com.",
        "bob@child.contoso.com",
        "carol@child.contoso.com",
        "alice@other.com",
        "CORP%5c",
        "CORP%5cbob",
        "%5calice",
        "CORP%5calice@contoso.com",
        "CORP%5cCORP%5calice",
        "other.com%5calice",
        "contoso.com%5calice", /* not the DNS name of this domain */
        "CORP/alice",
        "CORP%255calice",
        "\xd0\xb0lice", /* Cyrillic a */
    };
    struct scene *scene = *state;
    char target[256];

    scene->rules.user_match = true;
    /* The account's UPN has another suffix than its domain. */
    (void)snprintf(scene->answer.account[0].domain, sizeof(scene->answer.account[0].domain),
                   "child.contoso.com");
    for (size_t i = 0; i < COUNT(his) + COUNT(others); i++) {
        bool same = i < COUNT(his);

        (void)snprintf(target, sizeof(target), EAS "?Cmd=Sync&User=%s" PHONE,
                       same ? his[i] : others[i - COUNT(his)]);
        ask(scene, target);
        assert_access(scene, same ? CBA_R_OK : CBA_R_REQ_USER, 1);
        assert_true(scene->decision.has_account);
        scene->rules.user_match = false;
        assert_access(scene, CBA_R_OK, 1);
        scene->rules.user_match = true;
    }
    ask(scene, EAS "?Cmd=Sync&User=child.contoso.com%5CALICE" PHONE);
    assert_access(scene, CBA_R_OK, 1);
    ask(scene, EAS "?Cmd=Sync&User=bob" PHONE);
    assert_access(scene, CBA_R_REQ_USER, 1);
    assert_string_equal(scene->decision.result.detail, "it names bob");
    scene->answer.account[0].upn[0] = '\0';
    ask(scene, EAS "?Cmd=Sync&User=alice%40contoso.com" PHONE);
    assert_access(scene, CBA_R_REQ_USER, 1);
}

static void user_in_base64(void **state)
{
    struct scene *scene = *state;

    scene->rules.user_match = true;
    ask(scene, EAS "?jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l"); /* says nothing */
    assert_access(scene, CBA_R_OK, 1);
    ask(scene, EAS "?jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25lCAVhbGljZQ=="); /* alice */
    assert_access(scene, CBA_R_OK, 1);
    ask(scene, EAS "?jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25lCANib2I="); /* bob */
    assert_access(scene, CBA_R_REQ_USER, 1);
}

/* Log lets it pass, but whom it names is not known. */
static void user_in_malformed(void **state)
{
    struct scene *scene = *state;

    scene->rules.user_match = true;
    scene->rules.enforce = false;
    ask(scene, EAS "?Cmd=Sync&User=alice&User=bob" PHONE);
    assert_access(scene, CBA_R_REQ_USER, 1);
    assert_string_equal(scene->decision.result.detail, "User is there twice");
    ask(scene, EAS);
    assert_access(scene, CBA_R_REQ_USER, 1);
    scene->rules.protocol = CBA_PROTOCOL_ANY;
    assert_access(scene, CBA_R_OK, 1);
}

static void autodiscover(void **state)
{
    struct scene *scene = *state;

    scene->rules.protocol = CBA_PROTOCOL_AUTODISCOVER;
    scene->request.content_type = cba_span_str("text/xml");
    ask(scene, "/autodiscover/AutoDiscover.XML");
    assert_access(scene, CBA_R_OK, 1);
    assert_int_equal(scene->decision.query.form, CBA_QUERY_NONE);
    scene->request.content_type = cba_span_of(NULL, 0);
    assert_access(scene, CBA_R_REQ_AUTODISCOVER_TYPE, 0);
    assert_string_equal(scene->decision.result.detail, "there is no Content-Type");
    scene->request.content_type = exact_fill('x', 1000);
    assert_access(scene, CBA_R_REQ_AUTODISCOVER_TYPE, 0);
    assert_int_equal(strlen(scene->decision.result.detail), CBA_DETAIL_MAX);
    scene->request.content_type = cba_span_str("application/json");
    assert_access(scene, CBA_R_REQ_AUTODISCOVER_TYPE, 0);
    assert_string_equal(scene->decision.result.detail, "Content-Type is application/json");

    scene->rules.enforce = false;
    assert_access(scene, CBA_R_OK, 1);
    assert_int_equal(scene->decision.remark, CBA_R_REQ_AUTODISCOVER_LOGGED);
    assert_string_equal(scene->decision.remark_result.detail, "Content-Type is application/json");
    scene->request.content_type = cba_span_str("text/xml");
    assert_access(scene, CBA_R_OK, 1);
    assert_int_equal(scene->decision.remark, CBA_R_UNDECIDED);

    ask(scene, "/autodiscover/autodiscover.json");
    assert_access(scene, CBA_R_REQ_AUTODISCOVER_PATH, 0);
}

/* The first thing that is wrong is what is said; each is set right in turn. */
static void order(void **state)
{
    struct scene *scene = *state;

    scene->request.target = cba_span_str("/..");
    scene->peer.tls = false;
    scene->peer.verify = cba_span_str("FAILED");
    scene->peer.der = cba_span_of("x", 1);
    scene->now = 0;
    scene->rules.usages = server_auth;
    scene->issuer.issued = false;
    scene->find = CBA_R_DIR_TIMEOUT;
    scene->answer.account[0].sid = sid_of(BOB);
    scene->answer.account[0].control = 0;

    assert_access(scene, CBA_R_REQ_PATH, 0);
    scene->request.target = cba_span_str(EAS "?Cmd=Ping");
    scene->rules.commands = UINT32_C(1) << CBA_COMMAND_SYNC;
    scene->rules.user_match = true;
    assert_access(scene, CBA_R_REQ_QUERY, 0);
    scene->request.target = cba_span_str(EAS "?Cmd=Ping&User=bob" PHONE);
    assert_access(scene, CBA_R_REQ_COMMAND, 0);
    scene->rules.commands |= UINT32_C(1) << CBA_COMMAND_PING;
    assert_access(scene, CBA_R_TLS_ABSENT, 0);
    scene->peer.tls = true;
    assert_access(scene, CBA_R_TLS_UNVERIFIED, 0);
    scene->peer.verify = cba_span_str("SUCCESS");
    assert_access(scene, CBA_R_CERT_MALFORMED, 0);
    show(scene, "alice");
    assert_access(scene, CBA_R_CERT_NOT_YET, 0);
    scene->now = NOW;
    assert_access(scene, CBA_R_CERT_EKU, 0);
    scene->rules.usages = client_auth;
    assert_access(scene, CBA_R_CERT_NTAUTH, 0);
    scene->issuer.issued = true;
    assert_access(scene, CBA_R_DIR_TIMEOUT, 1);
    scene->find = CBA_R_OK;
    assert_access(scene, CBA_R_MAP_SID, 1);
    scene->answer.account[0].sid = sid_of(ALICE);
    assert_access(scene, CBA_R_ACC_NOT_USER, 1);
    scene->answer.account[0].control = CBA_UAC_NORMAL_ACCOUNT;
    assert_access(scene, CBA_R_REQ_USER, 1);
    scene->rules.user_match = false;
    assert_access(scene, CBA_R_OK, 1);
}

/* Facts may be shared between Locations, verdicts are not: one's leniency is not another's. */
static void rules_are_applied_anew(void **state)
{
    struct scene *scene = *state;

    show(scene, "weak");
    scene->rules.strong = false;
    assert_access(scene, CBA_R_OK, 1);
    scene->rules.strong = true;
    assert_access(scene, CBA_R_MAP_WEAK, 1);
    scene->rules.strong = false;
    scene->rules.methods = CBA_METHOD_SID;
    assert_access(scene, CBA_R_MAP_NOT_LISTED, 1);
}

/* --- delegation ---- */

/* tickets: how often a ticket to the back end may be asked for. */
static void assert_delegated(struct scene *scene, enum cba_reason expected, unsigned tickets)
{
    struct cba_ports ports = ports_of(scene);
    enum cba_reason reason;

    scene->evidences = scene->tickets = 0;
    reason = cba_decision_delegate(&scene->answer.account[0], "HTTP/cas1.contoso.com", &ports,
                                   &scene->result);
    assert_string_equal(cba_reason_info(reason)->symbol, cba_reason_info(expected)->symbol);
    assert_int_equal(reason, expected);
    assert_int_equal(scene->evidences, 1);
    assert_int_equal(scene->tickets, tickets);
    assert_int_equal(scene->found, 0);
}

static void delegated(void **state)
{
    struct scene *scene = *state;

    assert_delegated(scene, CBA_R_OK, 1);
    assert_string_equal(scene->spn, "HTTP/cas1.contoso.com");
    (void)snprintf(scene->facts.client, sizeof(scene->facts.client), "ALICE");
    (void)snprintf(scene->facts.realm, sizeof(scene->facts.realm), "contoso.com");
    assert_delegated(scene, CBA_R_OK, 1);
}

static void no_evidence(void **state)
{
    static const enum cba_reason reasons[] = {
        CBA_R_KRB_KEYTAB,         CBA_R_KRB_LOGIN,   CBA_R_KRB_UNREACHABLE,
        CBA_R_KRB_TIMEOUT,        CBA_R_KRB_SKEW,    CBA_R_KRB_CLIENT_UNKNOWN,
        CBA_R_KRB_CLIENT_REVOKED, CBA_R_KRB_POLICY,  CBA_R_KRB_PAC_INVALID,
        CBA_R_KRB_OTHER,          CBA_R_LIFE_MEMORY, CBA_R_UNDECIDED,
    };
    struct scene *scene = *state;

    for (size_t i = 0; i < COUNT(reasons); i++) {
        scene->evidence = reasons[i];
        assert_delegated(scene, reasons[i], 0);
    }
}

static void evidence_for_another_name(void **state)
{
    static const char *const names[] = {"bob",         "alic", "alice2", "", "alice@CONTOSO.COM",
                                        "\xc3\xa1lice"};
    struct scene *scene = *state;

    for (size_t i = 0; i < COUNT(names); i++) {
        (void)snprintf(scene->facts.client, sizeof(scene->facts.client), "%s", names[i]);
        assert_delegated(scene, CBA_R_KRB_CLIENT_NAME, 0);
        assert_non_null(strstr(scene->result.detail, "alice@contoso.com"));
        assert_non_null(strstr(scene->result.detail, names[i]));
    }
}

static void evidence_of_another_realm(void **state)
{
    struct scene *scene = *state;

    (void)snprintf(scene->facts.realm, sizeof(scene->facts.realm), "CORP.CONTOSO.COM");
    assert_delegated(scene, CBA_R_KRB_CLIENT_NAME, 0);
    scene->facts.realm[0] = '\0';
    assert_delegated(scene, CBA_R_KRB_CLIENT_NAME, 0);
}

static void evidence_without_sid(void **state)
{
    struct scene *scene = *state;

    memset(&scene->facts.sid, 0, sizeof(scene->facts.sid));
    assert_delegated(scene, CBA_R_KRB_PAC_MISSING, 0);
}

/* What is not known is not taken for "no". */
static void evidence_without_groups(void **state)
{
    struct scene *scene = *state;

    scene->facts.groups_known = false;
    assert_delegated(scene, CBA_R_KRB_PAC_MISSING, 0);
}

/* Through another group, which the search for the account does not see. */
static void evidence_of_a_protected_user(void **state)
{
    struct scene *scene = *state;

    scene->facts.protected_user = true;
    assert_delegated(scene, CBA_R_KRB_PROTECTED, 0);
    scene->facts.sid = sid_of(BOB); /* whose it is comes first */
    assert_delegated(scene, CBA_R_KRB_PAC_SID, 0);
}

/* The account was renamed and its name given to another. */
static void evidence_with_another_sid(void **state)
{
    struct scene *scene = *state;

    scene->facts.sid = sid_of(BOB);
    assert_delegated(scene, CBA_R_KRB_PAC_SID, 0);
    assert_non_null(strstr(scene->result.detail, ALICE));
    assert_non_null(strstr(scene->result.detail, BOB));
    /* an account without SID is nobody's */
    memset(&scene->answer.account[0].sid, 0, sizeof(struct cba_sid));
    assert_delegated(scene, CBA_R_KRB_PAC_SID, 0);
}

static void no_ticket(void **state)
{
    static const enum cba_reason reasons[] = {
        CBA_R_KRB_DELEGATION, CBA_R_KRB_SPN_UNKNOWN, CBA_R_KRB_ENCTYPE, CBA_R_KRB_TOKEN,
        CBA_R_KRB_TIMEOUT,    CBA_R_LIFE_MEMORY,     CBA_R_UNDECIDED,
    };
    struct scene *scene = *state;

    for (size_t i = 0; i < COUNT(reasons); i++) {
        scene->ticket = reasons[i];
        assert_delegated(scene, reasons[i], 1);
    }
}

static void no_reason_of_a_port_delegates(void **state)
{
    struct scene *scene = *state;

    for (int r = 0; r < CBA_R_COUNT; r++) {
        enum cba_reason reason = (enum cba_reason)r;

        if (reason == CBA_R_OK) {
            continue;
        }
        scene->ticket = reason;
        assert_delegated(scene, reason, 1);
        scene->evidence = reason;
        assert_delegated(scene, reason, 0);
        scene->evidence = scene->ticket = CBA_R_OK;
    }
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(let_in),
        cmocka_unit_test(zeroed_is_a_refusal),
        SCENE(certificate_may_be_remembered),
        SCENE(query_facts),
        SCENE(query_malformed),
        SCENE(options_need_no_query),
        SCENE(commands),
        SCENE(user_names),
        SCENE(user_in_base64),
        SCENE(user_in_malformed),
        SCENE(autodiscover),
        SCENE(request_rules),
        SCENE(protocol_is_the_locations),
        SCENE(unknown_protocol),
        SCENE(no_tls),
        SCENE(no_certificate),
        SCENE(not_verified),
        SCENE(certificates_refused),
        SCENE(dates),
        SCENE(usage),
        SCENE(issuer),
        SCENE(issuer_is_not_known),
        SCENE(issuer_does_not_matter),
        SCENE(issuer_comes_after_the_certificate),
        SCENE(directory_fails),
        SCENE(no_reason_of_a_port_lets_in),
        SCENE(mapping_refuses),
        SCENE(no_identity),
        SCENE(stored_mapping),
        SCENE(weak_mapping),
        SCENE(account_refused),
        SCENE(order),
        SCENE(rules_are_applied_anew),
        SCENE(delegated),
        SCENE(no_evidence),
        SCENE(evidence_for_another_name),
        SCENE(evidence_of_another_realm),
        SCENE(evidence_without_sid),
        SCENE(evidence_without_groups),
        SCENE(evidence_of_a_protected_user),
        SCENE(evidence_with_another_sid),
        SCENE(no_ticket),
        SCENE(no_reason_of_a_port_delegates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
