/* SPDX-License-Identifier: Apache-2.0
 *
 * The certificates are those of tests/vectors/cert, made by the openssl command; what each may be
 * called in altSecurityIdentities is in tests/vectors/altsec, written by tests/vectors/make.py.
 */
#include "unit.h"

#include "cba_altsec.h"
#include "exact.h"

#define LINES 64
#define SID   "S-1-5-21-2076040321-3326545908-468068287-1157"

static const char *const vectors[] = {
    "altsec-apostrophe",
    "altsec-backslash",
    "altsec-bare",
    "altsec-bmp",
    "altsec-c1",
    "altsec-kb",
    "altsec-keys",
    "altsec-mail-254",
    "altsec-mail-twice",
    "altsec-mails-8",
    "altsec-multi",
    "altsec-multi-issuer",
    "altsec-name-1024",
    "altsec-no-string",
    "altsec-nul",
    "altsec-no-subject",
    "altsec-printable-8bit",
    "altsec-serial-high",
    "altsec-ski-1",
    "altsec-ski-64",
    "altsec-ski-empty",
    "altsec-special",
    "altsec-t61",
    "altsec-url",
    "altsec-utf8",
};

/* A certificate and the lines "form value" of its list. */
struct vector {
    struct cba_cert cert;
    char *text;
    size_t count;
    struct {
        const char *form;
        struct cba_span value;
    } line[LINES];
};

static struct vector all[COUNT(vectors)];

static struct cba_cert read_cert(const char *name)
{
    struct cba_result result = {{0}};
    struct cba_cert cert;
    char path[256];
    size_t len;
    unsigned char *der;

    (void)snprintf(path, sizeof(path), "vectors/cert/%s.der", name);
    der = unit_file_read(path, &len);
    if (cba_cert_parse(cba_span_of(der, len), &cert, &result) != CBA_R_OK) {
        free(der);
        fail_msg("%s: %s", name, result.detail);
    }
    free(der);
    return cert;
}

static void read_list(const char *name, struct vector *vector)
{
    char path[256], *at, *end;
    size_t len;
    unsigned char *bytes;

    (void)snprintf(path, sizeof(path), "vectors/altsec/%s.txt", name);
    bytes = unit_file_read(path, &len);
    vector->text = calloc(1, len + 1);
    assert_non_null(vector->text);
    memcpy(vector->text, bytes, len);
    free(bytes);
    for (at = vector->text; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        char *space = strchr(at, ' ');

        assert_true(space != NULL && space < end && vector->count < LINES);
        *space = *end = '\0';
        vector->line[vector->count].form = at;
        vector->line[vector->count++].value = cba_span_str(space + 1);
    }
    assert_true(vector->count > 0);
}

static int read_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        all[i].cert = read_cert(vectors[i]);
        read_list(vectors[i], &all[i]);
    }
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        free(all[i].text);
    }
    return 0;
}

/* Index of the value in the list, -1: it is not there. */
static int find(const struct vector *vector, struct cba_span value)
{
    for (size_t i = 0; i < vector->count; i++) {
        if (cba_span_equal_nocase(vector->line[i].value, value)) {
            return (int)i;
        }
    }
    return -1;
}

/* What is asked for is the list, no more and no less, each value once. */
static void values_asked_for(void **state)
{
    char value[CBA_ALTSEC_VALUE_MAX + 1];

    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        bool seen[LINES] = {false};
        size_t count = 0;

        for (size_t n = 0; n < CBA_ALTSEC_VALUES; n++) {
            if (cba_altsec_value(&all[i].cert, n, value)) {
                int at = find(&all[i], cba_span_str(value));

                if (at < 0 || seen[at]) {
                    fail_msg("%s: %s", vectors[i], value);
                }
                assert_memory_equal(all[i].line[at].value.ptr, value, strlen(value));
                seen[at] = true;
                count++;
            }
        }
        assert_int_equal(count, all[i].count);
    }
    assert_false(cba_altsec_value(&all[0].cert, CBA_ALTSEC_VALUES, value));
}

/* A certificate is named by what is in its list, and by nothing in another's. */
static void values_that_match(void **state)
{
    size_t matches = 0, others = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        for (size_t j = 0; j < COUNT(vectors); j++) {
            for (size_t k = 0; k < all[j].count; k++) {
                uint32_t form = cba_altsec_match(&all[i].cert, all[j].line[k].value);

                if (find(&all[i], all[j].line[k].value) < 0) {
                    assert_int_equal(form, 0);
                    others++;
                } else {
                    assert_string_equal(cba_altsec_name(form), all[j].line[k].form);
                    matches++;
                }
            }
        }
    }
    assert_true(matches > 100 && others > 1000);
}

/* Microsoft's published examples, in Microsoft's letters (KB5014754, MS-PKCA 3.1.5.2.1.3). */
static void published(void **state)
{
    struct cba_cert cert = read_cert("altsec-kb");

    (void)state;
    assert_int_equal(
        cba_altsec_match(
            &cert, exact("X509:<I>DC=com,DC=contoso,CN=CONTOSO-DC-CA<SR>1200000000AC11000000002B")),
        CBA_ALTSEC_ISSUER_SERIAL);
    assert_int_equal(cba_altsec_match(&cert, exact("X509:<I>DC=com,DC=contoso,CN=CONTOSO-DC-CA<S>"
                                                   "DC=com,DC=contoso,OU=UserAccounts,"
                                                   "CN=Contoso User")),
                     CBA_ALTSEC_ISSUER_SUBJECT);
}

/* What matches is not to depend on case, and on nothing else. */
static void every_byte_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        for (size_t k = 0; k < all[i].count && strlen(vectors[i]) < 14; k++) {
            struct cba_span line = all[i].line[k].value;
            unsigned char *copy = malloc(line.len + 1);

            assert_non_null(copy);
            for (size_t at = 0; at < line.len; at++) {
                static const unsigned char others[] = {0, ' ', '"', ',', '<', '\\', 'x', 0x80};

                assert_int_equal(cba_altsec_match(&all[i].cert, exact_bytes(line.ptr, at)), 0);
                for (size_t o = 0; o < COUNT(others); o++) {
                    memcpy(copy, line.ptr, line.len);
                    copy[at] = others[o];
                    if (cba_ascii_lower(others[o]) != cba_ascii_lower(line.ptr[at]) &&
                        cba_altsec_match(&all[i].cert, exact_bytes(copy, line.len)) != 0) {
                        fail_msg("%s: %.*s", vectors[i], (int)line.len, (char *)copy);
                    }
                }
                memcpy(copy, line.ptr, line.len);
                copy[at] = cba_ascii_upper(copy[at]);
                if (strncmp(all[i].line[k].form, "X509IssuerSID", 13) != 0) {
                    assert_int_not_equal(
                        cba_altsec_match(&all[i].cert, exact_bytes(copy, line.len)), 0);
                }
            }
            memcpy(copy, line.ptr, line.len);
            copy[line.len] = ' ';
            assert_int_equal(cba_altsec_match(&all[i].cert, exact_bytes(copy, line.len + 1)), 0);
            free(copy);
        }
    }
}

static void malformed(void **state)
{
    static const char *const values[] = {
        "",
        "X509:",
        "X509: ",
        "X509:<",
        "X509:<I>",
        "X509:<S>",
        "X509:<SKI>",
        "X509:<SHA1-PUKEY>",
        "X509:<RFC822>",
        "X509:<I><S>",
        "X509:<I><SR>0110",
        "X509:<I>O=Contoso,CN=Contoso CA",
        "X509:<I>O=Contoso,CN=Contoso CA<S>",
        "X509:<I>O=Contoso,CN=Contoso CA<SR>",
        "X509:<I>O=Contoso,CN=Contoso CA<SID>",
        "X509:<I>O=Contoso,CN=Contoso CA<SKI>0110",
        "X509:<I>O=Contoso,CN=Contoso CA<SR>1001",   /* not reversed */
        "X509:<I>O=Contoso,CN=Contoso CA<SR>011000", /* a zero of the sign */
        "X509:<I>O=Contoso,CN=Contoso CA<SR>01 10",  /* blanks between bytes */
        "X509:<I>O=Contoso,CN=Contoso CA<SR>0110<S>CN=phone",
        "X509:<I>O=Contoso,CN=Contoso CA<S>CN=phone<SR>0110",
        "X509:<I>CN=Contoso CA,O=Contoso<SR>0110",  /* reversed */
        "X509:<I>O=Contoso, CN=Contoso CA<SR>0110", /* blank behind the comma */
        "X509:<I>O=Contoso<SR>0110",                /* a part of it */
        "X509:<I>CN=Contoso CA<SR>0110",
        "X509:<I>O=Contoso,CN=Contoso CA,CN=x<SR>0110",
        "X509:<I>O=Contoso,CN=*<SR>0110",
        "X509:<S>CN=phone,CN=phone",
        "X509:<S>2.5.4.3=phone",
        "X509:<S>OID.2.5.4.3=phone",
        "X509:<S>CN=phone,",
        "X509:<S>,CN=phone",
        "X509:<S>CN",
        "X509:<S>=phone",
        "X509:<S>CN=phone<S>CN=phone",
        "X509:<SR>0110",
        "X509:  <S>CN=phone",
        " X509:<S>CN=phone",
        "X508:<S>CN=phone",
        "Kerberos:phone@CONTOSO.COM",
        "<S>CN=phone",
    };
    struct cba_cert cert = read_cert("altsec-bare");

    (void)state;
    assert_int_equal(cba_altsec_match(&cert, exact("X509:<S>CN=phone")), CBA_ALTSEC_SUBJECT);
    assert_int_equal(cba_altsec_match(&cert, exact("x509: <s>cn=\"PHONE\"")), CBA_ALTSEC_SUBJECT);
    for (size_t i = 0; i < COUNT(values); i++) {
        if (cba_altsec_match(&cert, exact(values[i])) != 0) {
            fail_msg("%s", values[i]);
        }
    }
    assert_int_equal(cba_altsec_match(&cert, EXACT("X509:<S>CN=phone\0")), 0);
    assert_int_equal(cba_altsec_match(&cert, EXACT("X509:<S>CN=ph\0ne")), 0);
}

/* A value may be as long as the directory likes. */
static void lengths(void **state)
{
    struct cba_cert cert = read_cert("altsec-name-1024");
    char value[CBA_ALTSEC_VALUE_MAX + 32];

    (void)state;
    memset(value, ' ', sizeof(value));
    memcpy(value, "X509:<S>", 8);
    assert_int_equal(cba_altsec_match(&cert, exact_bytes(value, sizeof(value))), 0);
    memset(value + 8, 'd', sizeof(value) - 8);
    memcpy(value + 8, "Description=", 12);
    assert_int_equal(cba_altsec_match(&cert, exact_bytes(value, 8 + 1024)), CBA_ALTSEC_SUBJECT);
    assert_int_equal(cba_altsec_match(&cert, exact_bytes(value, 8 + 1025)), 0);
    assert_int_equal(cba_altsec_match(&cert, exact_bytes(value, CBA_ALTSEC_VALUE_MAX)), 0);
}

/* Each address is an identity of its own. */
static void addresses(void **state)
{
    struct cba_cert cert = read_cert("altsec-mails-8");

    (void)state;
    assert_int_equal(cba_altsec_match(&cert, exact("X509:<RFC822>m0@contoso.com")),
                     CBA_ALTSEC_RFC822_FIRST);
    assert_int_equal(cba_altsec_match(&cert, exact("X509: <rfc822>M7@Contoso.com")),
                     CBA_ALTSEC_RFC822_FIRST << 7);
    assert_int_equal(cba_altsec_match(&cert, exact("X509:<RFC822>m8@contoso.com")), 0);
    assert_int_equal(cba_altsec_match(&cert, exact("X509:<RFC822>m0@contoso.com,m1@contoso.com")),
                     0);
}

/* The SID of the extension and that of the URL; never one that the certificate does not carry. */
static void sids(void **state)
{
    static const char with[] = "X509:<I>DC=com,DC=contoso,CN=CONTOSO-DC-CA<SID>" SID;
    static const char without[] = "X509:<I>O=Contoso,CN=Contoso CA<SID>" SID;
    struct cba_cert cert = read_cert("altsec-kb");

    (void)state;
    assert_int_equal(cba_altsec_match(&cert, exact(with)), CBA_ALTSEC_ISSUER_SID);
    cert.sid.len = 0;
    assert_int_equal(cba_altsec_match(&cert, exact(with)), 0);
    cert = read_cert("altsec-url");
    assert_int_equal(cba_altsec_match(&cert, exact(without)), CBA_ALTSEC_ISSUER_SID);
    cert = read_cert("altsec-bare");
    assert_int_equal(cba_altsec_match(&cert, exact(without)), 0);
}

/* Of a certificate that was not parsed to its end nothing is asked and nothing matches. */
static void nothing(void **state)
{
    static const struct cba_cert cert;
    char value[CBA_ALTSEC_VALUE_MAX + 1];

    (void)state;
    for (size_t n = 0; n < CBA_ALTSEC_VALUES; n++) {
        assert_false(cba_altsec_value(&cert, n, value));
    }
    for (size_t i = 0; i < COUNT(vectors); i++) {
        for (size_t k = 0; k < all[i].count; k++) {
            assert_int_equal(cba_altsec_match(&cert, all[i].line[k].value), 0);
        }
    }
    assert_int_equal(cba_altsec_match(&cert, exact("X509:<SKI>")), 0);
    assert_int_equal(cba_altsec_match(&cert, exact("X509:<S>CN=")), 0);
}

static void form_names(void **state)
{
    (void)state;
    assert_string_equal(cba_altsec_name(0), "-");
    assert_string_equal(cba_altsec_name(CBA_ALTSEC_ALL), "X509IssuerSerialNumber");
    assert_string_equal(cba_altsec_name(CBA_ALTSEC_ALL & ~CBA_ALTSEC_STRONG), "X509IssuerSubject");
    assert_string_equal(cba_altsec_name(CBA_ALTSEC_RFC822_FIRST << (CBA_MAILS - 1)), "X509RFC822");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_asked_for), cmocka_unit_test(values_that_match),
        cmocka_unit_test(published),        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(malformed),        cmocka_unit_test(lengths),
        cmocka_unit_test(addresses),        cmocka_unit_test(sids),
        cmocka_unit_test(nothing),          cmocka_unit_test(form_names),
    };

    return cmocka_run_group_tests(tests, read_all, free_all);
}
