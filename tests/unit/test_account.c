/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "cba_account.h"
#include "exact.h"

static const unsigned char sid[] = {0x01, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x15, 0x00,
                                    0x00, 0x00, 0x81, 0xdc, 0xbd, 0x7b, 0xf4, 0x0f, 0x47, 0xc6,
                                    0xbf, 0x27, 0xe6, 0x1b, 0x85, 0x04, 0x00, 0x00};

#define DN         "CN=Alice Liddell,OU=Phones,DC=contoso,DC=com"
#define DOMAIN_SID "S-1-5-21-2076040321-3326545908-468068287"
#define ATTRIBUTES 10

/* A group as a server answers that was asked for extended names. */
#define GROUP(rid, name)                                                                           \
    "<GUID=2f4a0a1c-8f0e-4d0b-9d57-0e2b7f3c1a55>;<SID=" DOMAIN_SID rid ">;CN=" name                \
    ",OU=Phones,DC=contoso,DC=com"

/* An entry as Active Directory answers; the tests change it. */
struct entry {
    struct cba_span dn;
    struct cba_span values[ATTRIBUTES + 1][4];
    struct cba_attribute attributes[ATTRIBUTES + 1];
    size_t count;
};

static struct cba_account account;
static struct cba_result result;

static void add(struct entry *entry, const char *name, struct cba_span value)
{
    struct cba_attribute *attribute = &entry->attributes[entry->count];

    entry->values[entry->count][0] = value;
    attribute->name = name;
    attribute->values = entry->values[entry->count];
    attribute->count = 1;
    entry->count++;
}

static struct cba_attribute *attribute_of(struct entry *entry, const char *name)
{
    for (size_t i = 0; i < entry->count; i++) {
        if (strcmp(entry->attributes[i].name, name) == 0) {
            return &entry->attributes[i];
        }
    }
    fail_msg("%s is not in the entry", name);
    return NULL;
}

static void set(struct entry *entry, const char *name, struct cba_span value)
{
    struct cba_attribute *attribute = attribute_of(entry, name);

    entry->values[attribute - entry->attributes][0] = value;
}

static void add_value(struct entry *entry, const char *name, struct cba_span value)
{
    struct cba_attribute *attribute = attribute_of(entry, name);

    entry->values[attribute - entry->attributes][attribute->count++] = value;
}

static void fill(struct entry *entry)
{
    memset(entry, 0, sizeof(*entry));
    entry->dn = cba_span_str(DN);
    add(entry, "objectClass", cba_span_str("top"));
    add_value(entry, "objectClass", cba_span_str("person"));
    add_value(entry, "objectClass", cba_span_str("user"));
    add(entry, "whenCreated", cba_span_str("20240229120000.0Z"));
    add(entry, "userAccountControl", cba_span_str("512"));
    add(entry, "objectSid", cba_span_of(sid, sizeof(sid)));
    add(entry, "accountExpires", cba_span_str("9223372036854775807"));
    add(entry, "sAMAccountName", cba_span_str("alice"));
    add(entry, "userPrincipalName", cba_span_str("Alice@contoso.com"));
    add(entry, "altSecurityIdentities", cba_span_str("Kerberos:alice@EXAMPLE.COM"));
    add_value(entry, "altSecurityIdentities", EXACT("X509:<S>\0\xff"));
    add(entry, "memberOf", cba_span_str(GROUP("-1160", "Phones")));
    add_value(entry, "memberOf", cba_span_str(GROUP("-1161", "Mail")));
    add(entry, "primaryGroupID", cba_span_str("513"));
}

static enum cba_reason parse(const struct entry *entry)
{
    memset(&account, 0xff, sizeof(account));
    return cba_account_parse(entry->dn, entry->attributes, entry->count, &account, &result);
}

static void assert_refused(const struct entry *entry, enum cba_reason reason, const char *name)
{
    static const struct cba_account zero;
    char expected[CBA_DETAIL_MAX + 1];

    assert_int_equal(parse(entry), reason);
    (void)snprintf(expected, sizeof(expected), "%s of %.*s", name, (int)entry->dn.len,
                   (const char *)entry->dn.ptr);
    assert_string_equal(result.detail, expected);
    assert_memory_equal(&account, &zero, sizeof(zero));
}

/* With this value in place of the good one. */
static enum cba_reason parse_with(const char *name, struct cba_span value)
{
    struct entry entry;

    fill(&entry);
    set(&entry, name, value);
    return parse(&entry);
}

static void assert_malformed(const char *name, struct cba_span value)
{
    struct entry entry;

    fill(&entry);
    set(&entry, name, value);
    assert_refused(&entry, CBA_R_ACC_MALFORMED, name);
}

static void a_user(void **state)
{
    struct entry entry;

    (void)state;
    fill(&entry);
    assert_int_equal(parse(&entry), CBA_R_OK);
    assert_int_equal(account.sid.len, sizeof(sid));
    assert_memory_equal(account.sid.binary, sid, sizeof(sid));
    assert_string_equal(account.sam, "alice");
    assert_string_equal(account.upn, "Alice@contoso.com");
    assert_string_equal(account.domain, "contoso.com");
    assert_int_equal(account.control, CBA_UAC_NORMAL_ACCOUNT);
    assert_true(account.expires == INT64_MAX);
    assert_int_equal(account.created, 1709208000);
    assert_false(account.computer);
}

static void what_is_asked_for_is_what_is_parsed(void **state)
{
    struct entry entry;
    size_t n;

    (void)state;
    fill(&entry);
    for (n = 0; cba_account_attributes[n] != NULL; n++) {
        assert_non_null(attribute_of(&entry, cba_account_attributes[n]));
    }
    assert_int_equal(n, entry.count);
}

static void names_compare_without_case(void **state)
{
    struct entry entry;

    (void)state;
    fill(&entry);
    attribute_of(&entry, "sAMAccountName")->name = "SAMACCOUNTNAME";
    attribute_of(&entry, "objectSid")->name = "objectsid";
    assert_int_equal(parse(&entry), CBA_R_OK);
}

static void others_are_ignored(void **state)
{
    struct entry entry;

    (void)state;
    fill(&entry);
    add(&entry, "description", EXACT("\0\xff"));
    assert_int_equal(parse(&entry), CBA_R_OK);
}

static void upn_is_optional(void **state)
{
    struct entry entry;

    (void)state;
    fill(&entry);
    attribute_of(&entry, "userPrincipalName")->name = "unknown";
    assert_int_equal(parse(&entry), CBA_R_OK);
    assert_string_equal(account.upn, "");
    fill(&entry);
    attribute_of(&entry, "userPrincipalName")->count = 0;
    assert_int_equal(parse(&entry), CBA_R_OK);
    assert_string_equal(account.upn, "");
}

static bool is_optional(const char *name)
{
    static const char *const optional[] = {"userPrincipalName", "altSecurityIdentities", "memberOf",
                                           "primaryGroupID"};

    for (size_t i = 0; i < COUNT(optional); i++) {
        if (strcmp(name, optional[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void missing(void **state)
{
    (void)state;
    for (size_t i = 0; cba_account_attributes[i] != NULL; i++) {
        const char *name = cba_account_attributes[i];
        struct entry entry;

        if (is_optional(name)) {
            continue;
        }
        fill(&entry);
        attribute_of(&entry, name)->name = "unknown";
        assert_refused(&entry, CBA_R_ACC_INCOMPLETE, name);
        fill(&entry);
        attribute_of(&entry, name)->count = 0;
        assert_refused(&entry, CBA_R_ACC_INCOMPLETE, name);
    }
    assert_int_equal(cba_account_parse(cba_span_str(DN), NULL, 0, &account, NULL),
                     CBA_R_ACC_INCOMPLETE);
}

static void twice(void **state)
{
    (void)state;
    for (size_t i = 0; cba_account_attributes[i] != NULL; i++) {
        const char *name = cba_account_attributes[i];
        struct entry entry;
        const struct cba_attribute *first;

        fill(&entry);
        first = attribute_of(&entry, name);
        add(&entry, name, first->values[0]);
        assert_refused(&entry, CBA_R_ACC_MALFORMED, name);
        if (strcmp(name, "objectClass") != 0 && strcmp(name, "altSecurityIdentities") != 0 &&
            strcmp(name, "memberOf") != 0) {
            fill(&entry);
            first = attribute_of(&entry, name);
            add_value(&entry, name, first->values[0]);
            assert_refused(&entry, CBA_R_ACC_MALFORMED, name);
        }
    }
}

static void object_sid(void **state)
{
    (void)state;
    assert_malformed("objectSid", exact(""));
    assert_malformed("objectSid", exact("S-1-5-21-2076040321-3326545908-468068287-1157"));
    assert_malformed("objectSid", exact_bytes(sid, sizeof(sid) - 1));
}

static void account_names(void **state)
{
    (void)state;
    assert_malformed("sAMAccountName", exact(""));
    assert_malformed("sAMAccountName", EXACT("alice\0x"));
    assert_malformed("sAMAccountName", exact("ali\nce"));
    assert_malformed("sAMAccountName", exact("jos\xe9"));
    assert_int_equal(parse_with("sAMAccountName", exact_fill('a', CBA_SAM_MAX)), CBA_R_OK);
    assert_int_equal(strlen(account.sam), CBA_SAM_MAX);
    assert_malformed("sAMAccountName", exact_fill('a', CBA_SAM_MAX + 1));
    assert_int_equal(parse_with("sAMAccountName", exact("jos\xc3\xa9")), CBA_R_OK);
    assert_malformed("userPrincipalName", exact(""));
    assert_malformed("userPrincipalName", EXACT("a@b\0"));
    assert_int_equal(parse_with("userPrincipalName", exact_fill('a', CBA_UPN_MAX)), CBA_R_OK);
    assert_malformed("userPrincipalName", exact_fill('a', CBA_UPN_MAX + 1));
}

static void control(void **state)
{
    static const struct {
        const char *text;
        uint32_t expected;
    } good[] = {{"0", 0},
                {"512", 0x200},
                {"1114624", 0x110200},
                {"2147483647", 0x7fffffff},
                {"-2147483648", 0x80000000},
                {"-2147483136", 0x80000200},
                {"-1", 0xffffffff}};
    static const char *const bad[] = {"",
                                      "-",
                                      "+512",
                                      " 512",
                                      "512 ",
                                      "0x200",
                                      "0512",
                                      "-0",
                                      "--1",
                                      "2147483648",
                                      "-2147483649",
                                      "51a",
                                      "00",
                                      "1e3",
                                      "5-1",
                                      "4294967296",
                                      "99999999999999999999"};

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(parse_with("userAccountControl", exact(good[i].text)), CBA_R_OK);
        assert_int_equal(account.control, good[i].expected);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_malformed("userAccountControl", exact(bad[i]));
    }
}

static void expires(void **state)
{
    (void)state;
    assert_int_equal(parse_with("accountExpires", exact("0")), CBA_R_OK);
    assert_true(account.expires == INT64_MAX);
    assert_int_equal(parse_with("accountExpires", exact("9223372036854775806")), CBA_R_OK);
    assert_int_equal(account.expires, 910692730085);
    assert_int_equal(parse_with("accountExpires", exact("1")), CBA_R_OK);
    assert_int_equal(account.expires, -11644473600);
    assert_int_equal(parse_with("accountExpires", exact("133536816000000000")), CBA_R_OK);
    assert_int_equal(account.expires, 1709208000);
    assert_malformed("accountExpires", exact("-1"));
    assert_malformed("accountExpires", exact("9223372036854775808"));
    assert_malformed("accountExpires", exact("18446744073709551617"));
    assert_malformed("accountExpires", exact("never"));
    assert_malformed("accountExpires", exact(""));
}

static void created(void **state)
{
    static const char *const bad[] = {"",
                                      "20240229120000",
                                      "20240229120000Z",
                                      "20240229120000.0",
                                      "20240229120000.00Z",
                                      "20240229120000.1Z",
                                      "20240229120000,0Z",
                                      "20240229120000+00",
                                      "202402291200.0Z",
                                      "20240230120000.0Z",
                                      "20230229120000.0Z",
                                      "20240229120000.0z"};

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_malformed("whenCreated", exact(bad[i]));
    }
}

static void classes(void **state)
{
    struct entry entry;

    (void)state;
    fill(&entry);
    add_value(&entry, "objectClass", cba_span_str("Computer"));
    assert_int_equal(parse(&entry), CBA_R_OK);
    assert_true(account.computer);
    assert_int_equal(parse_with("objectClass", exact("computers")), CBA_R_OK);
    assert_false(account.computer);
    assert_malformed("objectClass", exact(""));
    assert_malformed("objectClass", EXACT("computer\0"));
}

static void assert_domain(struct cba_span dn, const char *expected)
{
    char domain[CBA_DOMAIN_MAX + 1];

    memset(domain, 'x', sizeof(domain));
    assert_int_equal(cba_account_domain(dn, domain), expected != NULL);
    assert_string_equal(domain, expected != NULL ? expected : "");
}

static void domains(void **state)
{
    (void)state;
    assert_domain(exact("DC=com"), "com");
    assert_domain(exact("DC=AZaz09-_"), "azaz09-_");
    assert_domain(exact("dc=Contoso,Dc=COM"), "contoso.com");
    assert_domain(exact("CN=x,DC=corp-1,DC=my_contoso,DC=com"), "corp-1.my_contoso.com");
    assert_domain(exact("CN=a\\,DC=evil,DC=contoso,DC=com"), "contoso.com");
    assert_domain(exact("CN=a\\2CDC=evil,DC=contoso,DC=com"), "contoso.com");
    assert_domain(exact("CN=a\\\\,DC=contoso,DC=com"), "contoso.com");
    assert_domain(exact("CN=a\\\"b\\;c\\<d\\>,DC=contoso,DC=com"), "contoso.com");
    assert_domain(exact("CN=a=b,DC=contoso,DC=com"), "contoso.com");
    assert_domain(exact("CN=Jos\xc3\xa9+SN=x,DC=contoso,DC=com"), "contoso.com");
    assert_domain(exact("CN=,DC=contoso,DC=com"), "contoso.com");
    /* only the components at the end */
    assert_domain(exact("DC=evil,DC=test,OU=x,DC=contoso,DC=com"), "contoso.com");
    assert_domain(exact("DC=@,CN=x,DC=contoso,DC=com"), "contoso.com");
}

static void no_domains(void **state)
{
    static const char *const bad[] = {
        "",
        "CN=x",
        "DC=contoso,DC=com,CN=x",
        "DC=",
        "DC",
        "=x",
        "=x,DC=com",
        "CN,DC=com",
        "DC=contoso,DC=",
        "DC=contoso,",
        ",DC=com",
        "CN=x,,DC=com",
        "CN=x,DC=con\\2etoso,DC=com",
        "CN=x,DC=con.toso,DC=com",
        "CN=x,DC=contoso, DC=com",
        "CN=x,DC= contoso,DC=com",
        "CN=x,DC=contoso ,DC=com",
        "CN=x,DC=a+CN=b,DC=com",
        "CN=x,DC=\\,DC=com",
        "CN=x,DC=com\\",
        "CN=\"x,DC=evil\",DC=com",
        "CN=x;DC=com",
        "CN=x,DC=contoso,D",
        "CN=x,DC=contoso,DC",
        "=",
        "CN=<x>,DC=com",
        "CN=x>,DC=com",
        "CN=x,DC=\xc3\xa9,DC=com",
        "CN=\xff,DC=com",
        "CN=\n,DC=com",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        char domain[CBA_DOMAIN_MAX + 1];

        if (cba_account_domain(exact(bad[i]), domain)) {
            fail_msg("%s: %s", bad[i], domain);
        }
        assert_string_equal(domain, "");
    }
    assert_domain(EXACT("CN=x\0,DC=com"), NULL);
    assert_domain(cba_span_of(NULL, 0), NULL);
}

static void domain_lengths(void **state)
{
    char dn[CBA_DN_MAX + 2], domain[CBA_DOMAIN_MAX + 1];
    size_t at = 0;

    (void)state;
    /* labels: 63, 64 */
    memset(dn, 'a', sizeof(dn));
    memcpy(dn, "DC=", 3);
    assert_true(cba_account_domain(exact_bytes(dn, 3 + 63), domain));
    assert_int_equal(strlen(domain), 63);
    assert_false(cba_account_domain(exact_bytes(dn, 3 + 64), domain));
    /* domain: four labels of 63 and their dots are 255, one more letter would be a fifth */
    for (int i = 0; i < 4; i++, at += 67) {
        memcpy(dn + at, "DC=", 3);
        dn[at + 66] = ',';
    }
    assert_true(cba_account_domain(exact_bytes(dn, at - 1), domain));
    assert_int_equal(strlen(domain), CBA_DOMAIN_MAX);
    memcpy(dn + at, "DC=a", 4);
    assert_false(cba_account_domain(exact_bytes(dn, at + 4), domain));
    /* the DN: 2048, 2049 */
    memset(dn, 'a', sizeof(dn));
    memcpy(dn, "CN=", 3);
    memcpy(dn + CBA_DN_MAX - 7, ",DC=com", 7);
    assert_true(cba_account_domain(exact_bytes(dn, CBA_DN_MAX), domain));
    memcpy(dn + CBA_DN_MAX - 6, ",DC=com", 7);
    dn[CBA_DN_MAX - 7] = 'a';
    assert_false(cba_account_domain(exact_bytes(dn, CBA_DN_MAX + 1), domain));
}

static void dn_without_domain(void **state)
{
    struct entry entry;

    (void)state;
    fill(&entry);
    entry.dn = cba_span_str("CN=Alice,O=Contoso");
    assert_refused(&entry, CBA_R_ACC_MALFORMED, "distinguishedName");
}

/* The line in the log tells which account it is, however long its name is. */
static void whose_attribute(void **state)
{
    struct entry entry;
    char dn[CBA_DN_MAX + 1];

    (void)state;
    fill(&entry);
    attribute_of(&entry, "objectSid")->count = 0;
    entry.dn = cba_span_str("<GUID=x>;<SID=" DOMAIN_SID "-1157>;" DN);
    assert_int_equal(parse(&entry), CBA_R_ACC_INCOMPLETE);
    assert_string_equal(result.detail, "objectSid of " DN);
    memset(dn, 'a', sizeof(dn));
    memcpy(dn, "CN=", 3);
    memcpy(dn + CBA_DN_MAX - 7, ",DC=com", 7);
    entry.dn = exact_bytes(dn, CBA_DN_MAX);
    assert_int_equal(parse(&entry), CBA_R_ACC_INCOMPLETE);
    assert_int_equal(strlen(result.detail), CBA_DETAIL_MAX);
    assert_memory_equal(result.detail, "objectSid of CN=aaa", 19);
    assert_string_equal(result.detail + CBA_DETAIL_MAX - 3, "...");
    entry.dn = cba_span_of(NULL, 0);
    assert_int_equal(parse(&entry), CBA_R_ACC_MALFORMED);
    assert_string_equal(result.detail, "distinguishedName of ");
}

static void extended_dn(void **state)
{
    struct entry entry;

    (void)state;
    fill(&entry);
    entry.dn = cba_span_str("<GUID=x>;<SID=" DOMAIN_SID "-1157>;" DN);
    assert_int_equal(parse(&entry), CBA_R_OK);
    assert_string_equal(account.domain, "contoso.com");
    entry.dn = cba_span_str("<SID=S-1-5>;" DN);
    assert_refused(&entry, CBA_R_ACC_MALFORMED, "distinguishedName");
    entry.dn = cba_span_str("<GUID=x>;");
    assert_refused(&entry, CBA_R_ACC_MALFORMED, "distinguishedName");
}

static void assert_member(const char *value, bool expected)
{
    struct entry entry;

    fill(&entry);
    add_value(&entry, "memberOf", exact(value));
    assert_int_equal(parse(&entry), CBA_R_OK);
    assert_int_equal(account.protected_user, expected);
}

static void protected_users(void **state)
{
    static const char *const bad[] = {"<", "<SID=", "<SID=" DOMAIN_SID "-525", "<SID=x>;CN=g",
                                      "<SID=" DOMAIN_SID "-525>CN=g"};
    struct entry entry;

    (void)state;
    fill(&entry);
    assert_int_equal(parse(&entry), CBA_R_OK);
    assert_false(account.protected_user);
    assert_member(GROUP("-525", "Protected Users"), true);
    assert_member(GROUP("-525", "Gesch\xc3\xbctzte Benutzer"), true);
    assert_member("<sid=" DOMAIN_SID "-525>;CN=x", true);
    assert_member("<SID=S-1-5-21-2076040321-3326545908-468068288-525>;CN=Protected Users", false);
    assert_member("<SID=S-1-5-32-525>;CN=x", false);
    assert_member(GROUP("-5250", "Protected Users"), false);
    assert_member(GROUP("-526", "Protected Users"), false);
    assert_member("<SID=" DOMAIN_SID ">;CN=x", false);
    assert_member("<GUID=x>;CN=Protected Users,CN=Users,DC=contoso,DC=com", false);
    /* a server that ignored the control: the evidence ticket tells */
    assert_member("CN=Protected Users,CN=Users,DC=contoso,DC=com", false);
    for (size_t i = 0; i < COUNT(bad); i++) {
        fill(&entry);
        add_value(&entry, "memberOf", exact(bad[i]));
        assert_refused(&entry, CBA_R_ACC_MALFORMED, "memberOf");
    }
}

/* MS-ADTS 3.1.1.3.1.3.3: more values than the server gives at once. */
static void part_of_the_groups(void **state)
{
    struct entry entry;

    (void)state;
    fill(&entry);
    attribute_of(&entry, "memberOf")->count = 0;
    add(&entry, "memberOf;range=0-1499", exact(GROUP("-525", "x")));
    assert_int_equal(parse(&entry), CBA_R_OK);
    assert_true(account.protected_user);
    fill(&entry);
    attribute_of(&entry, "memberOf")->name = "MEMBEROF;Range=0-1499";
    add_value(&entry, "MEMBEROF;Range=0-1499", exact(GROUP("-525", "x")));
    assert_int_equal(parse(&entry), CBA_R_OK);
    assert_true(account.protected_user);
    /* both with values, or another option */
    fill(&entry);
    add(&entry, "memberOf;range=0-1499", exact(GROUP("-525", "x")));
    assert_refused(&entry, CBA_R_ACC_MALFORMED, "memberOf");
    fill(&entry);
    add(&entry, "memberOf;rang", exact(GROUP("-525", "x")));
    assert_int_equal(parse(&entry), CBA_R_OK);
    assert_false(account.protected_user);
}

static void primary_group(void **state)
{
    static const char *const bad[] = {"", "525 ", "0525", "4294967821", "x"};

    (void)state;
    assert_int_equal(parse_with("primaryGroupID", exact("525")), CBA_R_OK);
    assert_true(account.protected_user);
    assert_int_equal(parse_with("primaryGroupID", exact("-525")), CBA_R_OK);
    assert_false(account.protected_user);
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_malformed("primaryGroupID", exact(bad[i]));
    }
}

static enum cba_reason policy_of(uint32_t bits, bool computer, int64_t expires_at, int64_t now)
{
    struct cba_account one = {.control = bits, .computer = computer, .expires = expires_at};

    return cba_account_policy(&one, now);
}

static void policy(void **state)
{
    const uint32_t normal = CBA_UAC_NORMAL_ACCOUNT;

    (void)state;
    assert_int_equal(policy_of(normal, false, INT64_MAX, 1), CBA_R_OK);
    /* password never expires, smart card required, trusted for delegation, no preauth */
    assert_int_equal(
        policy_of(normal | 0x10000 | 0x40000 | 0x80000 | 0x400000, false, INT64_MAX, 1), CBA_R_OK);
    /* locked, password expired: left to the KDC */
    assert_int_equal(policy_of(normal | 0x10 | 0x800000, false, INT64_MAX, 1), CBA_R_OK);
    assert_int_equal(policy_of(normal, true, INT64_MAX, 1), CBA_R_ACC_COMPUTER);
    assert_int_equal(policy_of(CBA_UAC_WORKSTATION_TRUST, false, INT64_MAX, 1), CBA_R_ACC_COMPUTER);
    assert_int_equal(policy_of(CBA_UAC_SERVER_TRUST, false, INT64_MAX, 1), CBA_R_ACC_COMPUTER);
    assert_int_equal(policy_of(CBA_UAC_INTERDOMAIN_TRUST, false, INT64_MAX, 1), CBA_R_ACC_COMPUTER);
    assert_int_equal(policy_of(normal | CBA_UAC_PARTIAL_SECRETS, false, INT64_MAX, 1),
                     CBA_R_ACC_PARTIAL_SECRETS);
    assert_int_equal(policy_of(CBA_UAC_WORKSTATION_TRUST | CBA_UAC_PARTIAL_SECRETS, true, 1, 1),
                     CBA_R_ACC_PARTIAL_SECRETS);
    assert_int_equal(policy_of(0, false, INT64_MAX, 1), CBA_R_ACC_NOT_USER);
    assert_int_equal(policy_of(0x100, false, INT64_MAX, 1), CBA_R_ACC_NOT_USER);
    assert_int_equal(policy_of(normal | CBA_UAC_ACCOUNTDISABLE, false, INT64_MAX, 1),
                     CBA_R_ACC_DISABLED);
    assert_int_equal(policy_of(normal | CBA_UAC_NOT_DELEGATED, false, INT64_MAX, 1),
                     CBA_R_ACC_SENSITIVE);
}

static void expiry(void **state)
{
    (void)state;
    assert_int_equal(policy_of(CBA_UAC_NORMAL_ACCOUNT, false, 1000, 999), CBA_R_OK);
    assert_int_equal(policy_of(CBA_UAC_NORMAL_ACCOUNT, false, 1000, 1000), CBA_R_ACC_EXPIRED);
    assert_int_equal(policy_of(CBA_UAC_NORMAL_ACCOUNT, false, 1000, 1001), CBA_R_ACC_EXPIRED);
    assert_int_equal(policy_of(CBA_UAC_NORMAL_ACCOUNT, false, -11644473600, 0), CBA_R_ACC_EXPIRED);
}

/* With several things wrong the log names the one that has to be mended first. */
static void policy_order(void **state)
{
    const uint32_t normal = CBA_UAC_NORMAL_ACCOUNT;
    const uint32_t all = CBA_UAC_ACCOUNTDISABLE | CBA_UAC_NOT_DELEGATED;

    (void)state;
    assert_int_equal(policy_of(all, true, 1, 1), CBA_R_ACC_COMPUTER);
    assert_int_equal(policy_of(all, false, 1, 1), CBA_R_ACC_NOT_USER);
    assert_int_equal(policy_of(all | CBA_UAC_NORMAL_ACCOUNT, false, 1, 1), CBA_R_ACC_DISABLED);
    assert_int_equal(policy_of(CBA_UAC_NOT_DELEGATED | CBA_UAC_NORMAL_ACCOUNT, false, 1, 1),
                     CBA_R_ACC_EXPIRED);

    struct cba_account one = {
        .control = normal | CBA_UAC_NOT_DELEGATED, .expires = 2, .protected_user = true};

    assert_int_equal(cba_account_policy(&one, 1), CBA_R_ACC_SENSITIVE);
    one.control = normal;
    assert_int_equal(cba_account_policy(&one, 1), CBA_R_ACC_PROTECTED);
    assert_int_equal(cba_account_policy(&one, 2), CBA_R_ACC_EXPIRED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user),
        cmocka_unit_test(what_is_asked_for_is_what_is_parsed),
        cmocka_unit_test(names_compare_without_case),
        cmocka_unit_test(others_are_ignored),
        cmocka_unit_test(upn_is_optional),
        cmocka_unit_test(missing),
        cmocka_unit_test(twice),
        cmocka_unit_test(object_sid),
        cmocka_unit_test(account_names),
        cmocka_unit_test(control),
        cmocka_unit_test(expires),
        cmocka_unit_test(created),
        cmocka_unit_test(classes),
        cmocka_unit_test(domains),
        cmocka_unit_test(no_domains),
        cmocka_unit_test(domain_lengths),
        cmocka_unit_test(dn_without_domain),
        cmocka_unit_test(whose_attribute),
        cmocka_unit_test(extended_dn),
        cmocka_unit_test(protected_users),
        cmocka_unit_test(part_of_the_groups),
        cmocka_unit_test(primary_group),
        cmocka_unit_test(policy),
        cmocka_unit_test(expiry),
        cmocka_unit_test(policy_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
