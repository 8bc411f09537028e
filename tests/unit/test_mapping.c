/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdbool.h>

#include "cba_mapping.h"
#include "exact.h"

#define ALICE "S-1-5-21-2076040321-3326545908-468068287-1157"
#define BOB   "S-1-5-21-2076040321-3326545908-468068287-1158"
#define ALL                                                                                        \
    ((unsigned)CBA_METHOD_SID | CBA_METHOD_SIDURL | CBA_METHOD_UPN | CBA_METHOD_ALTSEC |           \
     CBA_METHOD_RFC822 | CBA_METHOD_SUBJECT)

static struct cba_sid sid_of(const char *text)
{
    struct cba_sid sid = {0};

    if (text != NULL) {
        assert_true(cba_sid_parse_text(exact(text), &sid));
    }
    return sid;
}

static void copy_text(char *out, size_t size, const char *text)
{
    int n = snprintf(out, size, "%s", text);

    assert_true(n >= 0 && (size_t)n < size);
}

/* A certificate of 2024-02-29. NULL: it says nothing. */
static struct cba_cert cert_of(const char *sid, const char *url, const char *upn)
{
    struct cba_cert cert = {.not_before = 1709208000, .not_after = 2524607999};

    cert.sid = sid_of(sid);
    cert.sid_url = sid_of(url);
    copy_text(cert.upn, sizeof(cert.upn), upn != NULL ? upn : "");
    return cert;
}

/* A certificate that names nobody but in its subject. */
static struct cba_cert subject_of(const char *first, const char *second)
{
    struct cba_cert cert = cert_of(NULL, NULL, NULL);

    copy_text(cert.subject_upn[cert.subject_upn_count++], sizeof(cert.subject_upn[0]), first);
    if (second != NULL) {
        copy_text(cert.subject_upn[cert.subject_upn_count++], sizeof(cert.subject_upn[0]), second);
    }
    return cert;
}

/* An account of the day before. */
static struct cba_account account_of(const char *sid, const char *sam, const char *upn)
{
    struct cba_account account = {.created = 1709121600};

    account.sid = sid_of(sid);
    copy_text(account.sam, sizeof(account.sam), sam);
    copy_text(account.upn, sizeof(account.upn), upn);
    copy_text(account.domain, sizeof(account.domain), "contoso.com");
    return account;
}

static struct cba_answer one(struct cba_account account)
{
    struct cba_answer answer = {.count = 1};

    answer.account[0] = account;
    return answer;
}

static struct cba_answer two(struct cba_account first, struct cba_account second)
{
    struct cba_answer answer = {.count = 2};

    answer.account[0] = first;
    answer.account[1] = second;
    return answer;
}

/* Resolves and checks everything that comes out; who: index of the account, -1: none. */
static void assert_resolved(struct cba_cert cert, struct cba_answer answer, unsigned allowed,
                            bool strong, enum cba_reason expected, int who, enum cba_method how)
{
    const struct cba_account *account = &answer.account[1];
    enum cba_method method = (enum cba_method)77;
    uint32_t forms = 77;
    enum cba_reason reason =
        cba_mapping_resolve(&cert, &answer, allowed, strong, &account, &method, &forms);

    assert_string_equal(cba_reason_info(reason)->symbol, cba_reason_info(expected)->symbol);
    assert_ptr_equal(account, who < 0 ? NULL : &answer.account[who]);
    assert_int_equal(method, how);
    if (method == CBA_METHOD_ALTSEC || method == CBA_METHOD_RFC822) {
        assert_int_not_equal(forms, 0);
        assert_int_equal(forms & ~(answer.altsec[0] | answer.altsec[1]), 0);
    } else {
        assert_int_equal(forms, 0);
    }
}

/* --- words ---- */

static void method_words(void **state)
{
    (void)state;
    assert_string_equal(cba_method_name(CBA_METHOD_SID), "SID");
    assert_string_equal(cba_method_name(CBA_METHOD_SIDURL), "SIDURL");
    assert_string_equal(cba_method_name(CBA_METHOD_UPN), "UPN");
    assert_string_equal(cba_method_name(CBA_METHOD_NONE), "-");
    assert_string_equal(cba_method_name((enum cba_method)ALL), "-");
    assert_int_equal(cba_method_parse(exact("sid")), CBA_METHOD_SID);
    assert_int_equal(cba_method_parse(exact("SidUrl")), CBA_METHOD_SIDURL);
    assert_int_equal(cba_method_parse(exact("UPN")), CBA_METHOD_UPN);
    assert_int_equal(cba_method_parse(exact("")), CBA_METHOD_NONE);
    assert_int_equal(cba_method_parse(exact("-")), CBA_METHOD_NONE);
    assert_int_equal(cba_method_parse(exact("SIDs")), CBA_METHOD_NONE);
    assert_int_equal(cba_method_parse(EXACT("SID\0")), CBA_METHOD_NONE);
    assert_string_equal(cba_method_name(CBA_METHOD_ALTSEC), "AltSecurityIdentities");
    assert_string_equal(cba_method_name(CBA_METHOD_RFC822), "RFC822");
    assert_string_equal(cba_method_name(CBA_METHOD_SUBJECT), "Subject");
    assert_int_equal(cba_method_parse(exact("altsecurityidentities")), CBA_METHOD_ALTSEC);
    assert_int_equal(cba_method_parse(exact("rfc822")), CBA_METHOD_RFC822);
    assert_int_equal(cba_method_parse(exact("SUBJECT")), CBA_METHOD_SUBJECT);
}

static void strong_methods(void **state)
{
    static const struct {
        enum cba_method method;
        uint32_t forms;
        bool strong;
    } methods[] = {
        {CBA_METHOD_SID, 0, true},
        {CBA_METHOD_SIDURL, 0, true},
        {CBA_METHOD_UPN, 0, false},
        {CBA_METHOD_SUBJECT, 0, false},
        {CBA_METHOD_NONE, 0, false},
        {CBA_METHOD_RFC822, CBA_ALTSEC_RFC822_FIRST, false},
        {CBA_METHOD_ALTSEC, 0, false},
        {CBA_METHOD_ALTSEC, CBA_ALTSEC_ISSUER_SERIAL, true},
        {CBA_METHOD_ALTSEC, CBA_ALTSEC_SKI, true},
        {CBA_METHOD_ALTSEC, CBA_ALTSEC_THUMBPRINT, true},
        {CBA_METHOD_ALTSEC, CBA_ALTSEC_ISSUER_SID, true},
        {CBA_METHOD_ALTSEC, CBA_ALTSEC_ISSUER_SUBJECT, false},
        {CBA_METHOD_ALTSEC, CBA_ALTSEC_SUBJECT, false},
        {CBA_METHOD_ALTSEC, CBA_ALTSEC_RFC822, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(methods); i++) {
        assert_int_equal(cba_method_is_strong(methods[i].method, methods[i].forms),
                         methods[i].strong);
    }
}

/* --- the filter ---- */

#define ALICE_ESCAPED                                                                              \
    "\\01\\05\\00\\00\\00\\00\\00\\05\\15\\00\\00\\00\\81\\dc\\bd\\7b\\f4\\0fG\\c6\\bf\\27\\e6\\1" \
    "b\\85\\04\\00\\00"

static void assert_filter(struct cba_cert cert, const char *domain, const char *expected)
{
    char *filter = malloc(CBA_FILTER_MAX + 1);

    assert_non_null(filter);
    assert_int_equal(cba_mapping_filter(&cert, domain, filter), CBA_R_OK);
    assert_string_equal(filter, expected);
    free(filter);
}

static void filter_of_each_identity(void **state)
{
    (void)state;
    assert_filter(cert_of(ALICE, NULL, NULL), "contoso.com",
                  "(&(objectClass=user)(|(objectSid=" ALICE_ESCAPED ")))");
    assert_filter(cert_of(NULL, ALICE, NULL), "contoso.com",
                  "(&(objectClass=user)(|(objectSid=" ALICE_ESCAPED ")))");
    assert_filter(cert_of(NULL, NULL, "alice@phones.test"), "contoso.com",
                  "(&(objectClass=user)(|(userPrincipalName=alice\\40phones\\2etest)))");
    assert_filter(cert_of(NULL, NULL, "alice@CONTOSO.com"), "contoso.COM",
                  "(&(objectClass=user)(|(userPrincipalName=alice\\40CONTOSO\\2ecom)"
                  "(sAMAccountName=alice)))");
}

static void filter_of_all_identities(void **state)
{
    (void)state;
    assert_filter(cert_of(ALICE, ALICE, "a.b@contoso.com"), "contoso.com",
                  "(&(objectClass=user)(|(objectSid=" ALICE_ESCAPED ")"
                  "(userPrincipalName=a\\2eb\\40contoso\\2ecom)(sAMAccountName=a\\2eb)))");
}

/* cba_cert_parse refuses such a certificate; asked all the same, the filter hides none of them. */
static void filter_of_two_sids(void **state)
{
    struct cba_cert cert = cert_of(ALICE, BOB, NULL);
    char filter[CBA_FILTER_MAX + 1];

    (void)state;
    assert_int_equal(cba_mapping_filter(&cert, "contoso.com", filter), CBA_R_OK);
    assert_non_null(strstr(filter, "\\85\\04\\00\\00)(objectSid=\\01\\05"));
}

static void filter_escapes(void **state)
{
    (void)state;
    assert_filter(
        cert_of(NULL, NULL, "*)(cn=\xc3\xa9@contoso.com"), "contoso.com",
        "(&(objectClass=user)(|(userPrincipalName=\\2a\\29\\28cn\\3d\\c3\\a9\\40contoso\\2ecom)"
        "(sAMAccountName=\\2a\\29\\28cn\\3d\\c3\\a9)))");
}

/* The implicit UPN: only of this domain, and never of a computer. */
static void filter_without_implicit_name(void **state)
{
    static const char *const upns[] = {
        "dc1$@contoso.com", "a@corp.contoso.com", "a@contoso.co", "a@contoso.com.", "a@com",
        "@contoso.com",     "contoso.com"};

    (void)state;
    for (size_t i = 0; i < COUNT(upns); i++) {
        struct cba_cert cert = cert_of(NULL, NULL, upns[i]);
        char filter[CBA_FILTER_MAX + 1];

        assert_int_equal(cba_mapping_filter(&cert, "contoso.com", filter), CBA_R_OK);
        assert_null(strstr(filter, "sAMAccountName"));
        assert_non_null(strstr(filter, "userPrincipalName"));
    }
}

static void filter_of_nobody(void **state)
{
    struct cba_cert cert = cert_of(NULL, NULL, NULL);
    char filter[CBA_FILTER_MAX + 1] = "x";

    (void)state;
    assert_int_equal(cba_mapping_filter(&cert, "contoso.com", filter), CBA_R_MAP_NO_IDENTITY);
    assert_string_equal(filter, "");
}

/* The longest identities, every byte of them escaped: a name as long as sAMAccountName can be is
 * asked for, one that is longer is no name of an account. */
static void filter_lengths(void **state)
{
    char sid[CBA_SID_TEXT_MAX + 1], upn[CBA_UPN_MAX + 1], filter[CBA_FILTER_MAX + 1];
    struct cba_cert cert;

    (void)state;
    copy_text(sid, sizeof(sid),
              "S-1-5-4294967295-4294967295-4294967295-4294967295-4294967295-4294967295-4294967295"
              "-4294967295-4294967295-4294967295-4294967295-4294967295-4294967295-4294967295-1");
    memset(upn, '.', CBA_UPN_MAX);
    upn[CBA_UPN_MAX] = '\0';
    upn[CBA_SAM_MAX] = '@';
    cert = cert_of(sid, NULL, upn);
    assert_int_equal(cba_mapping_filter(&cert, upn + CBA_SAM_MAX + 1, filter), CBA_R_OK);
    assert_non_null(strstr(filter, "sAMAccountName"));
    assert_int_equal(strlen(filter),
                     22 + 11 + 3 * 68 + 1 + 19 + 3 * 1024 + 1 + 16 + 3 * 256 + 1 + 2);
    upn[CBA_SAM_MAX] = '.';
    upn[CBA_SAM_MAX + 1] = '@';
    cert = cert_of(sid, NULL, upn);
    assert_int_equal(cba_mapping_filter(&cert, upn + CBA_SAM_MAX + 2, filter), CBA_R_OK);
    assert_null(strstr(filter, "sAMAccountName"));
}

/* Each value of altSecurityIdentities, each name in the subject; what the UPN asks for once. */
static void filter_of_the_rest(void **state)
{
    struct cba_cert cert = subject_of("ALICE@contoso.com", "al@phones.test");

    (void)state;
    copy_text(cert.upn, sizeof(cert.upn), "alice@contoso.com");
    copy_text(cert.issuer_name, sizeof(cert.issuer_name), "CN=CA");
    copy_text(cert.subject_name, sizeof(cert.subject_name), "CN=\"a, b\"");
    copy_text(cert.serial, sizeof(cert.serial), "1001");
    copy_text(cert.ski, sizeof(cert.ski), "AB");
    copy_text(cert.thumbprint, sizeof(cert.thumbprint), "CD");
    copy_text(cert.mail[cert.mail_count++], sizeof(cert.mail[0]), "a*b");
#define ALT       "(altSecurityIdentities=X509\\3a\\3c"
#define ISSUER    ALT "I\\3eCN\\3dCA\\3c"
#define SUBJECT   "S\\3eCN\\3d\\22a\\2c\\20b\\22)"
#define BACKSLASH "S\\3eCN\\3da\\5c\\2c\\20b)"
    assert_filter(cert, "contoso.com",
                  "(&(objectClass=user)(|(userPrincipalName=alice\\40contoso\\2ecom)"
                  "(sAMAccountName=alice)(userPrincipalName=al\\40phones\\2etest)" ISSUER
                  "SR\\3e0110)" ISSUER SUBJECT ISSUER BACKSLASH ALT SUBJECT ALT BACKSLASH ALT
                  "SKI\\3eAB)" ALT "SHA1\\2dPUKEY\\3eCD)" ALT "RFC822\\3ea\\2ab)))");
}

/* Nobody's certificate is so long; if one is, it is not asked in part. */
static void filter_too_long(void **state)
{
    struct cba_cert cert = cert_of(NULL, NULL, NULL);
    char filter[CBA_FILTER_MAX + 1] = "x";

    (void)state;
    for (size_t i = 0; i < CBA_SUBJECT_UPNS; i++) {
        memset(cert.subject_upn[i], '.', CBA_UPN_MAX);
    }
    cert.subject_upn_count = CBA_SUBJECT_UPNS;
    memcpy(cert.subject_name, "CN=", 3);
    memset(cert.subject_name + 3, '\'', CBA_NAME_MAX - 3);
    copy_text(cert.issuer_name, sizeof(cert.issuer_name), cert.subject_name);
    copy_text(cert.serial, sizeof(cert.serial), "01");
    assert_int_equal(cba_mapping_filter(&cert, "contoso.com", filter), CBA_R_CERT_LIMIT);
    assert_string_equal(filter, "");
}

/* --- what the directory answers ---- */

static void forms_are_kept(void **state)
{
    static const char dn[] = "CN=Alice,DC=contoso,DC=com";
    static const unsigned char sid[] = {1, 1, 0, 0, 0, 0, 0, 5, 1, 0, 0, 0};
    struct cba_span values[] = {exact("alice"),
                                exact("512"),
                                exact("0"),
                                exact("20240229120000.0Z"),
                                exact("user"),
                                exact("Kerberos:alice@CONTOSO.COM"),
                                exact("X509:<SKI>ab"),
                                exact("X509:<SKI>AC"),
                                exact("X509:<RFC822>b"),
                                exact("X509:<SHA1-PUKEY>"),
                                exact_bytes(sid, sizeof(sid))};
    struct cba_attribute attributes[] = {
        {"objectSid", &values[10], 1},
        {"sAMAccountName", &values[0], 1},
        {"userAccountControl", &values[1], 1},
        {"accountExpires", &values[2], 1},
        {"whenCreated", &values[3], 1},
        {"objectClass", &values[4], 1},
        {"ALTsecurityIdentities", &values[5], 5},
    };
    struct cba_cert cert = cert_of(NULL, NULL, NULL);
    struct cba_answer answer = {0};
    struct cba_result result = {{0}};

    (void)state;
    copy_text(cert.ski, sizeof(cert.ski), "AB");
    copy_text(cert.mail[cert.mail_count++], sizeof(cert.mail[0]), "a");
    copy_text(cert.mail[cert.mail_count++], sizeof(cert.mail[0]), "b");
    assert_int_equal(
        cba_mapping_add(&cert, exact(dn), attributes, COUNT(attributes), &answer, &result),
        CBA_R_OK);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.altsec[0], CBA_ALTSEC_SKI | (CBA_ALTSEC_RFC822_FIRST << 1));
    attributes[6].count = 0;
    assert_int_equal(
        cba_mapping_add(&cert, exact(dn), attributes, COUNT(attributes), &answer, &result),
        CBA_R_OK);
    assert_int_equal(answer.count, 2);
    assert_int_equal(answer.altsec[1], 0);
    assert_false(answer.more);
    assert_int_equal(
        cba_mapping_add(&cert, exact(dn), attributes, COUNT(attributes), &answer, &result),
        CBA_R_OK);
    assert_int_equal(answer.count, 2);
    assert_true(answer.more);
    answer = (struct cba_answer){0};
    assert_int_equal(cba_mapping_add(&cert, exact(dn), attributes, 3, &answer, &result),
                     CBA_R_ACC_INCOMPLETE);
    assert_int_equal(answer.count, 0);
    attributes[5] = attributes[6];
    assert_int_equal(
        cba_mapping_add(&cert, exact(dn), attributes, COUNT(attributes), &answer, &result),
        CBA_R_ACC_INCOMPLETE);
}

/* --- altSecurityIdentities and subject ---- */

static struct cba_answer stored(uint32_t forms)
{
    struct cba_answer answer = one(account_of(ALICE, "alice", "alice@contoso.com"));

    answer.altsec[0] = forms;
    return answer;
}

static void each_form(void **state)
{
    static const struct {
        uint32_t form;
        bool strong;
    } forms[] = {
        {CBA_ALTSEC_ISSUER_SERIAL, true}, {CBA_ALTSEC_SKI, true},
        {CBA_ALTSEC_THUMBPRINT, true},    {CBA_ALTSEC_ISSUER_SUBJECT, false},
        {CBA_ALTSEC_SUBJECT, false},      {CBA_ALTSEC_RFC822_FIRST, false},
    };
    const unsigned others = ALL & ~((unsigned)CBA_METHOD_ALTSEC | CBA_METHOD_RFC822);

    (void)state;
    for (size_t i = 0; i < COUNT(forms); i++) {
        struct cba_answer answer = stored(forms[i].form);
        struct cba_cert cert = cert_of(NULL, NULL, NULL);

        assert_resolved(cert, answer, ALL, true, forms[i].strong ? CBA_R_OK : CBA_R_MAP_WEAK, 0,
                        CBA_METHOD_ALTSEC);
        assert_resolved(cert, answer, CBA_METHOD_ALTSEC, false, CBA_R_OK, 0, CBA_METHOD_ALTSEC);
        assert_resolved(cert, answer, others, false, CBA_R_MAP_NOT_LISTED, 0, CBA_METHOD_ALTSEC);
        cert.not_before = answer.account[0].created - 1;
        assert_resolved(cert, answer, ALL, false, forms[i].strong ? CBA_R_OK : CBA_R_MAP_OLDER, 0,
                        CBA_METHOD_ALTSEC);
    }
}

/* RFC822 lists one form alone. */
static void rfc822_alone(void **state)
{
    struct cba_cert cert = cert_of(NULL, NULL, NULL);

    (void)state;
    assert_resolved(cert, stored(CBA_ALTSEC_RFC822_FIRST << 7), CBA_METHOD_RFC822, false, CBA_R_OK,
                    0, CBA_METHOD_RFC822);
    assert_resolved(cert, stored(CBA_ALTSEC_RFC822_FIRST), CBA_METHOD_RFC822, true, CBA_R_MAP_WEAK,
                    0, CBA_METHOD_RFC822);
    assert_resolved(cert, stored(CBA_ALTSEC_SKI | CBA_ALTSEC_SUBJECT), CBA_METHOD_RFC822, false,
                    CBA_R_MAP_NOT_LISTED, 0, CBA_METHOD_ALTSEC);
}

/* The certificate's SID is the account's in any case; whoever may choose a SAN may write a URL. */
static void issuer_and_sid(void **state)
{
    struct cba_answer answer = stored(CBA_ALTSEC_ISSUER_SID);

    (void)state;
    assert_resolved(cert_of(ALICE, NULL, NULL), answer, CBA_METHOD_ALTSEC, true, CBA_R_OK, 0,
                    CBA_METHOD_ALTSEC);
    assert_resolved(cert_of(NULL, ALICE, NULL), answer, CBA_METHOD_ALTSEC | CBA_METHOD_SID, false,
                    CBA_R_MAP_NOT_LISTED, 0, CBA_METHOD_ALTSEC);
    assert_resolved(cert_of(NULL, ALICE, NULL), answer, CBA_METHOD_ALTSEC | CBA_METHOD_SIDURL, true,
                    CBA_R_OK, 0, CBA_METHOD_ALTSEC);
    assert_resolved(cert_of(BOB, NULL, NULL), answer, ALL, false, CBA_R_MAP_SID, 0, CBA_METHOD_SID);
    assert_resolved(cert_of(NULL, BOB, NULL), answer, ALL, false, CBA_R_MAP_SID, 0,
                    CBA_METHOD_SIDURL);
}

/* A foreign SID denies whatever is stored. */
static void foreign_sid_beside_a_value(void **state)
{
    (void)state;
    assert_resolved(cert_of(BOB, NULL, NULL), stored(CBA_ALTSEC_ALL), ALL, false, CBA_R_MAP_SID, 0,
                    CBA_METHOD_SID);
}

static void subject_names(void **state)
{
    struct cba_answer alice = one(account_of(ALICE, "alice", "alice.liddell@phones.test"));
    struct cba_cert cert = subject_of("Alice Liddell@nowhere", "ALICE@contoso.com");

    (void)state;
    assert_resolved(cert, alice, CBA_METHOD_SUBJECT, false, CBA_R_OK, 0, CBA_METHOD_SUBJECT);
    assert_resolved(cert, alice, ALL, true, CBA_R_MAP_WEAK, 0, CBA_METHOD_SUBJECT);
    assert_resolved(cert, alice, ALL & ~(unsigned)CBA_METHOD_SUBJECT, false, CBA_R_MAP_NOT_LISTED,
                    0, CBA_METHOD_SUBJECT);
    cert.not_before = alice.account[0].created - 1;
    assert_resolved(cert, alice, ALL, false, CBA_R_MAP_OLDER, 0, CBA_METHOD_SUBJECT);
    assert_resolved(subject_of("alice.liddell@PHONES.test", NULL), alice, ALL, false, CBA_R_OK, 0,
                    CBA_METHOD_SUBJECT);
    assert_resolved(subject_of("dc1$@contoso.com", NULL), one(account_of(ALICE, "dc1$", "")), ALL,
                    false, CBA_R_MAP_INEXACT, 0, CBA_METHOD_NONE);
}

static void order_of_methods(void **state)
{
    struct cba_cert cert = subject_of("alice@contoso.com", NULL);
    struct cba_answer answer = stored(CBA_ALTSEC_ALL);
    static const enum cba_method best[] = {CBA_METHOD_SID, CBA_METHOD_ALTSEC, CBA_METHOD_SIDURL,
                                           CBA_METHOD_UPN, CBA_METHOD_RFC822, CBA_METHOD_SUBJECT};
    unsigned allowed = ALL;

    (void)state;
    cert.sid = cert.sid_url = sid_of(ALICE);
    copy_text(cert.upn, sizeof(cert.upn), "alice@contoso.com");
    for (size_t i = 0; i < COUNT(best); i++) {
        assert_resolved(cert, answer, allowed, false, CBA_R_OK, 0, best[i]);
        allowed &= ~(unsigned)best[i];
    }
    /* a weak form comes behind the UPN */
    answer.altsec[0] = CBA_ALTSEC_SUBJECT;
    allowed = (unsigned)CBA_METHOD_UPN | CBA_METHOD_ALTSEC | CBA_METHOD_SUBJECT;
    assert_resolved(cert, answer, allowed, false, CBA_R_OK, 0, CBA_METHOD_UPN);
    allowed = (unsigned)CBA_METHOD_ALTSEC | CBA_METHOD_SUBJECT;
    assert_resolved(cert, answer, allowed, false, CBA_R_OK, 0, CBA_METHOD_ALTSEC);
}

/* A certificate that two accounts claim opens neither, whatever is listed. */
static void claimed_by_two(void **state)
{
    struct cba_answer answer =
        two(account_of(ALICE, "alice", "alice@contoso.com"), account_of(BOB, "bob", ""));
    static const unsigned lists[] = {ALL, CBA_METHOD_SID, CBA_METHOD_UPN};

    (void)state;
    for (size_t i = 0; i < COUNT(lists); i++) {
        answer.altsec[0] = answer.altsec[1] = CBA_ALTSEC_SKI;
        assert_resolved(cert_of(NULL, NULL, NULL), answer, lists[i], false, CBA_R_MAP_AMBIGUOUS, -1,
                        CBA_METHOD_ALTSEC);
        answer.altsec[1] = CBA_ALTSEC_SUBJECT;
        assert_resolved(cert_of(NULL, NULL, NULL), answer, lists[i], false, CBA_R_MAP_CONTRADICTION,
                        -1, CBA_METHOD_NONE);
        answer.altsec[0] = 0;
        assert_resolved(cert_of(ALICE, NULL, NULL), answer, lists[i], false,
                        CBA_R_MAP_CONTRADICTION, -1, CBA_METHOD_NONE);
        assert_resolved(cert_of(NULL, NULL, "alice@contoso.com"), answer, lists[i], false,
                        CBA_R_MAP_CONTRADICTION, -1, CBA_METHOD_NONE);
        assert_resolved(subject_of("alice@contoso.com", NULL), answer, lists[i], false,
                        CBA_R_MAP_CONTRADICTION, -1, CBA_METHOD_NONE);
        /* two addresses, two names in the subject: each is one's */
        answer.altsec[0] = CBA_ALTSEC_RFC822_FIRST;
        answer.altsec[1] = CBA_ALTSEC_RFC822_FIRST << 1;
        assert_resolved(cert_of(NULL, NULL, NULL), answer, lists[i], false, CBA_R_MAP_CONTRADICTION,
                        -1, CBA_METHOD_NONE);
        answer.altsec[0] = answer.altsec[1] = 0;
        assert_resolved(subject_of("alice@contoso.com", "bob@contoso.com"), answer, lists[i], false,
                        CBA_R_MAP_CONTRADICTION, -1, CBA_METHOD_NONE);
        /* one of them is not named by anything */
        answer.altsec[0] = CBA_ALTSEC_SKI;
        assert_resolved(cert_of(NULL, NULL, NULL), answer, lists[i], false, CBA_R_MAP_INEXACT, -1,
                        CBA_METHOD_NONE);
    }
}

/* --- one account ---- */

static void each_method_grants(void **state)
{
    struct cba_answer alice = one(account_of(ALICE, "alice", "Alice.Liddell@phones.test"));

    (void)state;
    assert_resolved(cert_of(ALICE, NULL, NULL), alice, ALL, true, CBA_R_OK, 0, CBA_METHOD_SID);
    assert_resolved(cert_of(NULL, ALICE, NULL), alice, ALL, true, CBA_R_OK, 0, CBA_METHOD_SIDURL);
    assert_resolved(cert_of(NULL, NULL, "alice.liddell@PHONES.test"), alice, ALL, false, CBA_R_OK,
                    0, CBA_METHOD_UPN);
    assert_resolved(cert_of(NULL, NULL, "ALICE@Contoso.com"), alice, ALL, false, CBA_R_OK, 0,
                    CBA_METHOD_UPN);
}

static void the_best_method_grants(void **state)
{
    struct cba_answer alice = one(account_of(ALICE, "alice", "alice@contoso.com"));
    struct cba_cert cert = cert_of(ALICE, ALICE, "alice@contoso.com");

    (void)state;
    assert_resolved(cert, alice, ALL, true, CBA_R_OK, 0, CBA_METHOD_SID);
    assert_resolved(cert, alice, CBA_METHOD_SIDURL | CBA_METHOD_UPN, true, CBA_R_OK, 0,
                    CBA_METHOD_SIDURL);
    assert_resolved(cert, alice, CBA_METHOD_UPN, false, CBA_R_OK, 0, CBA_METHOD_UPN);
}

/* A certificate that outlived a change of the UPN: the SID still names the account. */
static void upn_that_resolves_to_nobody(void **state)
{
    (void)state;
    assert_resolved(cert_of(ALICE, NULL, "alice@contoso.com"),
                    one(account_of(ALICE, "alice.new", "alice.new@contoso.com")), ALL, true,
                    CBA_R_OK, 0, CBA_METHOD_SID);
}

static void nobody(void **state)
{
    const struct cba_answer none = {0};

    (void)state;
    assert_resolved(cert_of(ALICE, NULL, NULL), none, ALL, true, CBA_R_MAP_NOT_FOUND, -1,
                    CBA_METHOD_NONE);
    assert_resolved(cert_of(NULL, NULL, NULL), none, ALL, true, CBA_R_MAP_NO_IDENTITY, -1,
                    CBA_METHOD_NONE);
    assert_resolved(cert_of(NULL, NULL, NULL), one(account_of(ALICE, "alice", "")), ALL, false,
                    CBA_R_MAP_INEXACT, 0, CBA_METHOD_NONE);
    assert_resolved(cert_of(NULL, ALICE, NULL), none, ALL, true, CBA_R_MAP_NOT_FOUND, -1,
                    CBA_METHOD_NONE);
    assert_resolved(cert_of(NULL, NULL, "a@b"), none, ALL, true, CBA_R_MAP_NOT_FOUND, -1,
                    CBA_METHOD_NONE);
    assert_resolved(subject_of("alice@contoso.com", NULL), none, ALL, true, CBA_R_MAP_NOT_FOUND, -1,
                    CBA_METHOD_NONE);
}

/* The account was recreated, or the certificate is another's. Whether the SID is listed does not
 * matter, nor whether weak mappings are let in. */
static void foreign_sid(void **state)
{
    struct cba_answer alice = one(account_of(ALICE, "alice", "alice@contoso.com"));

    (void)state;
    assert_resolved(cert_of(BOB, NULL, "alice@contoso.com"), alice, ALL, true, CBA_R_MAP_SID, 0,
                    CBA_METHOD_SID);
    assert_resolved(cert_of(NULL, BOB, "alice@contoso.com"), alice, ALL, true, CBA_R_MAP_SID, 0,
                    CBA_METHOD_SIDURL);
    assert_resolved(cert_of(BOB, NULL, "alice@contoso.com"), alice, CBA_METHOD_UPN, false,
                    CBA_R_MAP_SID, 0, CBA_METHOD_SID);
    assert_resolved(cert_of(NULL, BOB, "alice@contoso.com"), alice, CBA_METHOD_UPN, false,
                    CBA_R_MAP_SID, 0, CBA_METHOD_SIDURL);
    assert_resolved(cert_of(ALICE, BOB, NULL), alice, ALL, true, CBA_R_MAP_SID, 0,
                    CBA_METHOD_SIDURL);
    assert_resolved(cert_of(BOB, ALICE, NULL), alice, ALL, true, CBA_R_MAP_SID, 0, CBA_METHOD_SID);
}

static void weak(void **state)
{
    struct cba_answer alice = one(account_of(ALICE, "alice", "alice@contoso.com"));

    (void)state;
    assert_resolved(cert_of(NULL, NULL, "alice@contoso.com"), alice, ALL, true, CBA_R_MAP_WEAK, 0,
                    CBA_METHOD_UPN);
    /* a SID that is not listed does not make a UPN strong */
    assert_resolved(cert_of(ALICE, NULL, "alice@contoso.com"), alice, CBA_METHOD_UPN, true,
                    CBA_R_MAP_WEAK, 0, CBA_METHOD_UPN);
}

static void older_than_the_account(void **state)
{
    struct cba_cert cert = cert_of(NULL, NULL, "alice@contoso.com");
    struct cba_answer alice = one(account_of(ALICE, "alice", "alice@contoso.com"));

    (void)state;
    alice.account[0].created = cert.not_before;
    assert_resolved(cert, alice, ALL, false, CBA_R_OK, 0, CBA_METHOD_UPN);
    alice.account[0].created = cert.not_before + 1;
    assert_resolved(cert, alice, ALL, false, CBA_R_MAP_OLDER, 0, CBA_METHOD_UPN);
    assert_resolved(cert, alice, ALL, true, CBA_R_MAP_WEAK, 0, CBA_METHOD_UPN);
    /* a SID is never used again: with it the age does not matter */
    cert = cert_of(ALICE, NULL, "alice@contoso.com");
    assert_resolved(cert, alice, ALL, false, CBA_R_OK, 0, CBA_METHOD_SID);
    assert_resolved(cert_of(NULL, ALICE, NULL), alice, ALL, false, CBA_R_OK, 0, CBA_METHOD_SIDURL);
}

static void not_listed(void **state)
{
    struct cba_answer alice = one(account_of(ALICE, "alice", "alice@contoso.com"));

    (void)state;
    assert_resolved(cert_of(ALICE, NULL, NULL), alice, CBA_METHOD_UPN, false, CBA_R_MAP_NOT_LISTED,
                    0, CBA_METHOD_SID);
    assert_resolved(cert_of(NULL, ALICE, NULL), alice, CBA_METHOD_SID | CBA_METHOD_UPN, false,
                    CBA_R_MAP_NOT_LISTED, 0, CBA_METHOD_SIDURL);
    assert_resolved(cert_of(NULL, NULL, "alice@contoso.com"), alice,
                    CBA_METHOD_SID | CBA_METHOD_SIDURL, false, CBA_R_MAP_NOT_LISTED, 0,
                    CBA_METHOD_UPN);
    assert_resolved(cert_of(ALICE, ALICE, "alice@contoso.com"), alice, 0, false,
                    CBA_R_MAP_NOT_LISTED, 0, CBA_METHOD_SID);
}

/* What a directory finds although it is not what was asked for. */
static void inexact(void **state)
{
    static const struct {
        const char *upn, *sam, *explicit_upn;
    } pairs[] = {
        {"jose@contoso.com", "jos\xc3\xa9", "jos\xc3\xa9@contoso.com"}, /* accent folded */
        {"JOS\xc3\x89@contoso.com", "jos\xc3\xa9",
         "jos\xc3\xa9@contoso.com"},                                    /* case beyond ASCII */
        {"\xef\xbd\x81lice@contoso.com", "alice", "alice@contoso.com"}, /* full width */
        {"alice @contoso.com", "alice", "alice@contoso.com"},           /* blanks */
        {"alice@contoso.com", "bob", ""},
        {"alice@phones.test", "alice", ""}, /* implicit names of another domain */
        {"alice@corp.contoso.com", "alice", ""},
        {"dc1$@contoso.com", "dc1$", ""}, /* a computer's implicit name */
        {"dc1@contoso.com", "dc1$", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        assert_resolved(cert_of(NULL, NULL, pairs[i].upn),
                        one(account_of(ALICE, pairs[i].sam, pairs[i].explicit_upn)), ALL, false,
                        CBA_R_MAP_INEXACT, 0, CBA_METHOD_NONE);
    }
    assert_resolved(cert_of(BOB, NULL, NULL), one(account_of(ALICE, "alice", "")), ALL, true,
                    CBA_R_MAP_INEXACT, 0, CBA_METHOD_NONE);
    assert_resolved(cert_of(BOB, NULL, "jose@contoso.com"),
                    one(account_of(ALICE, "jos\xc3\xa9", "")), ALL, true, CBA_R_MAP_INEXACT, 0,
                    CBA_METHOD_NONE);
    /* an account without SID is named by no SID */
    assert_resolved(cert_of(ALICE, NULL, NULL), one(account_of(NULL, "alice", "")), ALL, true,
                    CBA_R_MAP_INEXACT, 0, CBA_METHOD_NONE);
}

/* The domain is the account's own, from its DN, not that of the search. */
static void implicit_name_of_its_own_domain(void **state)
{
    struct cba_account child = account_of(ALICE, "alice", "");

    (void)state;
    copy_text(child.domain, sizeof(child.domain), "corp.contoso.com");
    assert_resolved(cert_of(NULL, NULL, "alice@contoso.com"), one(child), ALL, false,
                    CBA_R_MAP_INEXACT, 0, CBA_METHOD_NONE);
    assert_resolved(cert_of(NULL, NULL, "alice@corp.contoso.com"), one(child), ALL, false, CBA_R_OK,
                    0, CBA_METHOD_UPN);
}

/* An account without explicit UPN is not named by a certificate without one. */
static void nothing_names_nothing(void **state)
{
    (void)state;
    assert_resolved(cert_of(BOB, NULL, NULL), one(account_of(ALICE, "", "")), ALL, false,
                    CBA_R_MAP_INEXACT, 0, CBA_METHOD_NONE);
}

/* --- more than one account ---- */

static void ambiguous(void **state)
{
    struct cba_account alice = account_of(ALICE, "alice", "alice@contoso.com");
    struct cba_account twin = account_of(BOB, "twin", "ALICE@contoso.com");
    struct cba_cert cert = cert_of(NULL, NULL, "alice@contoso.com");

    (void)state;
    assert_resolved(cert, two(alice, twin), ALL, false, CBA_R_MAP_AMBIGUOUS, -1, CBA_METHOD_UPN);
    /* the SID names one of them: still two answer to the UPN */
    assert_resolved(cert_of(ALICE, NULL, "alice@contoso.com"), two(alice, twin), ALL, true,
                    CBA_R_MAP_AMBIGUOUS, -1, CBA_METHOD_UPN);
    assert_resolved(cert_of(ALICE, NULL, NULL), two(alice, alice), ALL, true, CBA_R_MAP_AMBIGUOUS,
                    -1, CBA_METHOD_SID);
}

/* Bob's explicit UPN is what Alice's implicit one is: in Windows his would win. */
static void explicit_of_one_is_implicit_of_another(void **state)
{
    (void)state;
    assert_resolved(
        cert_of(NULL, NULL, "alice@contoso.com"),
        two(account_of(ALICE, "alice", ""), account_of(BOB, "bob", "alice@contoso.com")), ALL,
        false, CBA_R_MAP_AMBIGUOUS, -1, CBA_METHOD_UPN);
}

static void contradiction(void **state)
{
    struct cba_account alice = account_of(ALICE, "alice", "alice@contoso.com");
    struct cba_account bob = account_of(BOB, "bob", "bob@contoso.com");

    (void)state;
    assert_resolved(cert_of(ALICE, NULL, "bob@contoso.com"), two(alice, bob), ALL, true,
                    CBA_R_MAP_CONTRADICTION, -1, CBA_METHOD_NONE);
    assert_resolved(cert_of(ALICE, NULL, "bob@contoso.com"), two(bob, alice), ALL, true,
                    CBA_R_MAP_CONTRADICTION, -1, CBA_METHOD_NONE);
    assert_resolved(cert_of(NULL, BOB, "alice@contoso.com"), two(alice, bob), ALL, false,
                    CBA_R_MAP_CONTRADICTION, -1, CBA_METHOD_NONE);
    /* also by an identity that is not listed */
    assert_resolved(cert_of(ALICE, NULL, "bob@contoso.com"), two(alice, bob), CBA_METHOD_SID, true,
                    CBA_R_MAP_CONTRADICTION, -1, CBA_METHOD_NONE);
    assert_resolved(cert_of(ALICE, NULL, "bob@contoso.com"), two(alice, bob), CBA_METHOD_UPN, false,
                    CBA_R_MAP_CONTRADICTION, -1, CBA_METHOD_NONE);
}

static void second_account_inexact(void **state)
{
    struct cba_account jose = account_of(ALICE, "jose", "jose@contoso.com");
    struct cba_account accented = account_of(BOB, "jos\xc3\xa9", "jos\xc3\xa9@contoso.com");
    struct cba_cert cert = cert_of(NULL, NULL, "jose@contoso.com");

    (void)state;
    assert_resolved(cert, two(jose, accented), ALL, false, CBA_R_MAP_INEXACT, -1, CBA_METHOD_NONE);
    assert_resolved(cert, two(accented, jose), ALL, false, CBA_R_MAP_INEXACT, -1, CBA_METHOD_NONE);
    assert_resolved(cert, two(accented, accented), ALL, false, CBA_R_MAP_INEXACT, -1,
                    CBA_METHOD_NONE);
}

static void more_than_two(void **state)
{
    struct cba_answer answer = two(account_of(ALICE, "alice", ""), account_of(BOB, "bob", ""));

    (void)state;
    answer.more = true;
    assert_resolved(cert_of(ALICE, NULL, NULL), answer, ALL, true, CBA_R_MAP_AMBIGUOUS, -1,
                    CBA_METHOD_NONE);
    answer.more = false;
    answer.count = 3; /* a port that does not keep its promise */
    assert_resolved(cert_of(ALICE, NULL, NULL), answer, ALL, true, CBA_R_MAP_AMBIGUOUS, -1,
                    CBA_METHOD_NONE);
    answer.count = 1;
    answer.more = true;
    assert_resolved(cert_of(ALICE, NULL, NULL), answer, ALL, true, CBA_R_MAP_AMBIGUOUS, -1,
                    CBA_METHOD_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(method_words),
        cmocka_unit_test(strong_methods),
        cmocka_unit_test(filter_of_each_identity),
        cmocka_unit_test(filter_of_all_identities),
        cmocka_unit_test(filter_of_two_sids),
        cmocka_unit_test(filter_escapes),
        cmocka_unit_test(filter_without_implicit_name),
        cmocka_unit_test(filter_of_nobody),
        cmocka_unit_test(filter_lengths),
        cmocka_unit_test(filter_of_the_rest),
        cmocka_unit_test(filter_too_long),
        cmocka_unit_test(forms_are_kept),
        cmocka_unit_test(each_form),
        cmocka_unit_test(rfc822_alone),
        cmocka_unit_test(issuer_and_sid),
        cmocka_unit_test(foreign_sid_beside_a_value),
        cmocka_unit_test(subject_names),
        cmocka_unit_test(order_of_methods),
        cmocka_unit_test(claimed_by_two),
        cmocka_unit_test(each_method_grants),
        cmocka_unit_test(the_best_method_grants),
        cmocka_unit_test(upn_that_resolves_to_nobody),
        cmocka_unit_test(nobody),
        cmocka_unit_test(foreign_sid),
        cmocka_unit_test(weak),
        cmocka_unit_test(older_than_the_account),
        cmocka_unit_test(not_listed),
        cmocka_unit_test(inexact),
        cmocka_unit_test(implicit_name_of_its_own_domain),
        cmocka_unit_test(nothing_names_nothing),
        cmocka_unit_test(ambiguous),
        cmocka_unit_test(explicit_of_one_is_implicit_of_another),
        cmocka_unit_test(contradiction),
        cmocka_unit_test(second_account_inexact),
        cmocka_unit_test(more_than_two),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
