/* SPDX-License-Identifier: Apache-2.0
 *
 * The certificates are those of tests/vectors/cert, made by tests/vectors/make.py with the openssl
 * command.
 */
#include "unit.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "cba_cert.h"
#include "exact.h"

#define SID "S-1-5-21-2076040321-3326545908-468068287-1157"

static struct cba_cert cert;
static struct cba_result result;

static unsigned char *read_cert(const char *name, size_t *len)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "vectors/cert/%s.der", name);
    return unit_file_read(path, len);
}

static enum cba_reason parse(const char *name)
{
    size_t len;
    unsigned char *der = read_cert(name, &len);
    enum cba_reason reason;

    memset(&cert, 0xff, sizeof(cert));
    result.detail[0] = '\0';
    reason = cba_cert_parse(cba_span_of(der, len), &cert, &result);
    free(der);
    /* OpenSSL's queue of errors is mod_ssl's as well. */
    assert_int_equal(ERR_peek_error(), 0);
    return reason;
}

static void assert_reason(const char *name, enum cba_reason expected)
{
    enum cba_reason reason = parse(name);

    if (reason != expected) {
        fail_msg("%s: %s (%s), not %s", name, cba_reason_info(reason)->symbol, result.detail,
                 cba_reason_info(expected)->symbol);
    }
}

static void assert_sid(const struct cba_sid *sid, const char *expected)
{
    char text[CBA_SID_TEXT_MAX + 1];

    cba_sid_format(sid, text);
    assert_string_equal(text, expected);
}

static void a_phone(void **state)
{
    unsigned char digest[32];
    size_t len;
    unsigned char *der = read_cert("alice", &len);

    (void)state;
    assert_reason("alice", CBA_R_OK);
    assert_sid(&cert.sid, SID);
    assert_int_equal(cert.sid_url.len, 0);
    assert_string_equal(cert.upn, "alice@contoso.com");
    assert_int_equal(cert.eku_count, 2);
    assert_string_equal(cert.eku[0], "1.3.6.1.5.5.7.3.2");
    assert_string_equal(cert.eku[1], "1.3.6.1.5.5.7.3.4");
    assert_string_equal(cert.issuer, "CN=CONTOSO-DC-CA,DC=contoso,DC=com");
    assert_string_equal(cert.serial, "2B0000000011AC0000000012");
    assert_int_equal(cert.not_before, 1709208000); /* 2024-02-29 12:00:00 */
    assert_int_equal(cert.not_after, 2524607999);  /* 2049-12-31 23:59:59 */
    assert_int_equal(EVP_Digest(der, len, digest, NULL, EVP_sha256(), NULL), 1);
    assert_memory_equal(cert.digest, digest, sizeof(digest));
    free(der);
}

static unsigned char *find(unsigned char *in, size_t len, const void *what, size_t what_len)
{
    for (size_t i = 0; i + what_len <= len; i++) {
        if (memcmp(in + i, what, what_len) == 0) {
            return in + i;
        }
    }
    fail_msg("not in the certificate");
    return NULL;
}

/* The encodings that Microsoft's documents and others' tests publish are in that certificate. */
static void published_encodings(void **state)
{
    static const unsigned char sid[] = {
        0x30, 0x3f, 0xa0, 0x3d, 0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37,
        0x19, 0x02, 0x01, 0xa0, 0x2f, 0x04, 0x2d, 0x53, 0x2d, 0x31, 0x2d, 0x35, 0x2d,
        0x32, 0x31, 0x2d, 0x32, 0x30, 0x37, 0x36, 0x30, 0x34, 0x30, 0x33, 0x32, 0x31,
        0x2d, 0x33, 0x33, 0x32, 0x36, 0x35, 0x34, 0x35, 0x39, 0x30, 0x38, 0x2d, 0x34,
        0x36, 0x38, 0x30, 0x36, 0x38, 0x32, 0x38, 0x37, 0x2d, 0x31, 0x31, 0x35, 0x37};
    static const unsigned char upn[] = {0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82,
                                        0x37, 0x14, 0x02, 0x03, 0xa0, 0x13, 0x0c, 0x11};
    size_t len;
    unsigned char *der = read_cert("alice", &len);

    (void)state;
    assert_non_null(find(der, len, sid, sizeof(sid)));
    assert_non_null(find(der, len, upn, sizeof(upn)));
    free(der);
}

static void nothing_but_a_usage(void **state)
{
    (void)state;
    assert_reason("anonymous", CBA_R_OK);
    assert_int_equal(cert.sid.len, 0);
    assert_int_equal(cert.sid_url.len, 0);
    assert_string_equal(cert.upn, "");
    assert_int_equal(cert.eku_count, 1);
}

/* RFC 5280 4.1.2.5.1: 50 is 1950; 4.1.2.5: from 2050 on GeneralizedTime. */
static void centuries(void **state)
{
    (void)state;
    assert_reason("centuries", CBA_R_OK);
    assert_int_equal(cert.not_before, -631152000);
    assert_int_equal(cert.not_after, 253402300799);
}

static void result_may_be_absent(void **state)
{
    size_t len;
    unsigned char *der = read_cert("upn-two", &len);

    (void)state;
    assert_int_equal(cba_cert_parse(cba_span_of(der, len), &cert, NULL), CBA_R_CERT_UPN_CONFLICT);
    assert_int_equal(cba_cert_parse(cba_span_of(NULL, 0), &cert, NULL), CBA_R_CERT_MALFORMED);
    free(der);
}

static void not_der(void **state)
{
    static const struct cba_cert zero;

    (void)state;
    memset(&cert, 0xff, sizeof(cert));
    assert_int_equal(cba_cert_parse(cba_span_of(NULL, 0), &cert, &result), CBA_R_CERT_MALFORMED);
    assert_memory_equal(&cert, &zero, sizeof(cert));
    assert_int_equal(cba_cert_parse(exact("-----BEGIN CERTIFICATE-----"), &cert, &result),
                     CBA_R_CERT_MALFORMED);
    assert_int_equal(cba_cert_parse(exact_bytes("0", 1), &cert, &result), CBA_R_CERT_MALFORMED);
    assert_int_equal(cba_cert_parse(exact_bytes("0\0", 2), &cert, &result), CBA_R_CERT_MALFORMED);
    assert_int_equal(ERR_peek_error(), 0);
}

static void every_truncation(void **state)
{
    size_t len;
    unsigned char *der = read_cert("alice", &len);

    (void)state;
    for (size_t n = 0; n < len; n++) {
        assert_int_equal(cba_cert_parse(exact_bytes(der, n), &cert, &result), CBA_R_CERT_MALFORMED);
    }
    assert_int_equal(cba_cert_parse(exact_bytes(der, len), &cert, &result), CBA_R_OK);
    free(der);
}

static void trailing_bytes(void **state)
{
    size_t len;
    unsigned char *der = read_cert("alice", &len), *more = malloc(len + 1);

    (void)state;
    assert_non_null(more);
    memcpy(more, der, len);
    more[len] = 0;
    assert_int_equal(cba_cert_parse(cba_span_of(more, len + 1), &cert, &result),
                     CBA_R_CERT_MALFORMED);
    free(more);
    free(der);
}

static void certificate_length(void **state)
{
    unsigned char *zeros = calloc(1, CBA_CERT_DER_MAX + 1);

    (void)state;
    assert_non_null(zeros);
    assert_int_equal(cba_cert_parse(cba_span_of(zeros, CBA_CERT_DER_MAX), &cert, &result),
                     CBA_R_CERT_MALFORMED);
    assert_int_equal(cba_cert_parse(cba_span_of(zeros, CBA_CERT_DER_MAX + 1), &cert, &result),
                     CBA_R_CERT_LIMIT);
    free(zeros);
}

/* What was on OpenSSL's queue before stays there. */
static void errors_of_others_stay(void **state)
{
    (void)state;
    ERR_raise(ERR_LIB_USER, 42);
    assert_int_equal(cba_cert_parse(exact("x"), &cert, &result), CBA_R_CERT_MALFORMED);
    assert_int_equal(ERR_GET_REASON(ERR_get_error()), 42);
    assert_int_equal(ERR_get_error(), 0);
}

/* The same certificate with a few bytes changed: those found after "from" become "to". */
static enum cba_reason parse_changed(const char *name, const void *from, const void *to, size_t len)
{
    size_t der_len;
    unsigned char *der = read_cert(name, &der_len);
    enum cba_reason reason;

    memcpy(find(der, der_len, from, len), to, len);
    reason = cba_cert_parse(cba_span_of(der, der_len), &cert, &result);
    free(der);
    return reason;
}

static void dates(void **state)
{
    static const char *const bad[] = {"240230120000Z", "240229250000Z", "2402291200000",
                                      "24022912000 Z", "24022912+000Z", "xx0229120000Z",
                                      "240229120060Z"};

    (void)state;
    assert_int_equal(parse_changed("alice", "240229120000Z", "240301120000Z", 13), CBA_R_OK);
    assert_int_equal(cert.not_before, 1709294400);
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(parse_changed("alice", "240229120000Z", bad[i], 13), CBA_R_CERT_MALFORMED);
        assert_string_equal(result.detail, "notBefore");
        assert_string_equal(cert.serial, "2B0000000011AC0000000012");
        assert_int_equal(cert.not_before, 0);
        assert_int_equal(cert.sid.len, 0);
    }
    assert_int_equal(parse_changed("alice", "491231235959Z", "491331235959Z", 13),
                     CBA_R_CERT_MALFORMED);
    assert_string_equal(result.detail, "notAfter");
    assert_int_equal(cert.not_before, 1709208000);
    /* of the other type: neither length fits its type */
    assert_int_equal(parse_changed("alice",
                                   "\x17\x0d"
                                   "240229120000Z",
                                   "\x18\x0d"
                                   "240229120000Z",
                                   15),
                     CBA_R_CERT_MALFORMED);
    assert_int_equal(parse_changed("centuries", "\x18\x0f", "\x17\x0f", 2), CBA_R_CERT_MALFORMED);
}

/* Versions 1 and 2 have no extensions (RFC 5280 4.1.2.9). */
static void version(void **state)
{
    (void)state;
    assert_int_equal(parse_changed("alice", "\xa0\x03\x02\x01\x02", "\xa0\x03\x02\x01\x01", 5),
                     CBA_R_CERT_MALFORMED);
    assert_int_equal(parse_changed("alice", "\xa0\x03\x02\x01\x02", "\xa0\x03\x02\x01\x03", 5),
                     CBA_R_CERT_MALFORMED);
    assert_reason("version-1", CBA_R_OK);
    assert_int_equal(cert.eku_count, 0);
}

static void serial_numbers(void **state)
{
    (void)state;
    assert_reason("serial-0", CBA_R_OK);
    assert_string_equal(cert.serial, "00");
    assert_reason("serial-20", CBA_R_OK);
    assert_int_equal(strlen(cert.serial), 40);
    assert_memory_equal(cert.serial, "ABABAB", 6);
    assert_reason("serial-negative", CBA_R_CERT_MALFORMED);
    assert_string_equal(cert.issuer, "CN=phone,O=Contoso");
    assert_string_equal(cert.serial, "");
    assert_reason("serial-21", CBA_R_CERT_LIMIT);
    assert_string_equal(cert.serial, "");
}

static void issuers(void **state)
{
    (void)state;
    assert_reason("issuer-special", CBA_R_OK);
    assert_string_equal(cert.issuer, "CN=CA \\+ \xe2\x82\xac,O=Contoso\\, \\\"Ltd\\\"\\0A");
    assert_reason("issuer-512", CBA_R_OK);
    assert_int_equal(strlen(cert.issuer), 512);
    assert_int_equal(cert.issuer[511], 'o');
    assert_reason("issuer-513", CBA_R_OK);
    assert_int_equal(strlen(cert.issuer), 512);
    assert_string_equal(cert.issuer + 508, "o...");
    assert_reason("issuer-empty", CBA_R_OK);
    assert_string_equal(cert.issuer, "");
    assert_string_equal(cert.issuer_name, "");
    assert_reason("issuer-utf8", CBA_R_OK); /* not cut inside of a character */
    assert_in_range(strlen(cert.issuer), 509, 512);
    assert_true(cba_span_is_text(cba_span_str(cert.issuer)));
    assert_string_equal(cert.issuer + strlen(cert.issuer) - 3, "...");
}

static void usages(void **state)
{
    static const char *const client[] = {"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"};
    static const char *const other[] = {"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3",
                                        "1.3.6.1.5.5.7.3.20"};

    (void)state;
    assert_reason("alice", CBA_R_OK);
    assert_true(cba_cert_has_usage(&cert, client, COUNT(client)));
    assert_true(cba_cert_has_usage(&cert, client + 1, 1));
    assert_false(cba_cert_has_usage(&cert, other, COUNT(other)));
    assert_false(cba_cert_has_usage(&cert, client, 0));
    assert_reason("no-usage", CBA_R_OK);
    assert_int_equal(cert.eku_count, 0);
    assert_false(cba_cert_has_usage(&cert, client, COUNT(client)));
    assert_reason("eku-16", CBA_R_OK);
    assert_int_equal(cert.eku_count, 16);
    assert_string_equal(cert.eku[15], "1.2.3.15");
    assert_reason("eku-oid-127", CBA_R_OK);
    assert_int_equal(strlen(cert.eku[0]), CBA_OID_MAX);
}

static void usages_refused(void **state)
{
    (void)state;
    assert_reason("eku-empty", CBA_R_CERT_MALFORMED);
    assert_reason("eku-trailing", CBA_R_CERT_MALFORMED);
    assert_reason("eku-broken", CBA_R_CERT_MALFORMED);
    assert_reason("eku-17", CBA_R_CERT_LIMIT);
    assert_int_equal(cert.eku_count, 0);
    assert_reason("eku-oid-128", CBA_R_CERT_LIMIT);
    assert_int_equal(cert.eku_count, 0);
    assert_string_equal(cert.eku[0], "");
}

static void duplicates(void **state)
{
    static const char *const names[] = {"eku-twice", "san-twice", "sid-twice", "unknown-twice"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_reason(names[i], CBA_R_CERT_DUPLICATE);
        assert_string_equal(cert.serial, "1001");
        assert_int_equal(cert.sid.len, 0);
        assert_int_equal(cert.eku_count, 0);
    }
}

static void extension_count(void **state)
{
    (void)state;
    assert_reason("extensions-64", CBA_R_OK);
    assert_reason("extensions-65", CBA_R_CERT_LIMIT);
}

static void sid_extension(void **state)
{
    static const char *const beside[] = {"sid-beside", "sid-beside-127", "sid-beside-128",
                                         "sid-beside-300"};

    (void)state;
    for (size_t i = 0; i < COUNT(beside); i++) {
        assert_reason(beside[i], CBA_R_OK);
        assert_sid(&cert.sid, SID);
    }
    assert_reason("sid-184", CBA_R_OK);
    assert_int_equal(cert.sid.len, CBA_SID_BINARY_MAX);
}

static void sid_extension_refused(void **state)
{
    static const char *const names[] = {
        "sid-two-names",   "sid-same-twice", "sid-empty",       "sid-other-type",    "sid-binary",
        "sid-utf8string",  "sid-nul",        "sid-too-long",    "sid-no-wrapper",    "sid-implicit",
        "sid-after-value", "sid-after-name", "sid-after-names", "sid-universal-tag", "sid-tag-9",
        "sid-primitive",   "sid-cut",        "sid-length-81",   "sid-indefinite",    "sid-high-tag",
        "sid-tag-16",      "sid-length-83",  "sid-length-82",   "sid-length-cut",    "sid-one-byte",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_reason(names[i], CBA_R_CERT_SID);
        assert_int_equal(cert.sid.len, 0);
        assert_string_equal(cert.serial, "1001");
    }
}

/* Every byte of the extension's value, changed: refused, unless a digit became another. */
static void sid_extension_every_byte(void **state)
{
    static const unsigned char head[] = {0x30, 0x3f, 0xa0, 0x3d, 0x06, 0x0a, 0x2b};
    size_t len, at;
    unsigned char *der = read_cert("alice", &len);

    (void)state;
    at = (size_t)(find(der, len, head, sizeof(head)) - der);
    for (size_t i = at; i < at + 65; i++) {
        unsigned char saved = der[i];

        for (unsigned change = 1; change < 256; change++) {
            der[i] = (unsigned char)(saved ^ change);
            if (cba_cert_parse(cba_span_of(der, len), &cert, &result) == CBA_R_OK) {
                char text[CBA_SID_TEXT_MAX + 1];

                cba_sid_format(&cert.sid, text);
                assert_int_equal(strlen(text), strlen(SID));
                assert_memory_equal(der + at + 20, text, strlen(text));
            }
        }
        der[i] = saved;
    }
    free(der);
}

static void sid_url(void **state)
{
    (void)state;
    assert_reason("url", CBA_R_OK);
    assert_sid(&cert.sid_url, SID);
    assert_int_equal(cert.sid.len, 0);
    assert_reason("url-same-twice", CBA_R_OK);
    assert_sid(&cert.sid_url, SID);
    assert_reason("url-and-sid", CBA_R_OK);
    assert_true(cba_sid_equal(&cert.sid, &cert.sid_url));
    assert_reason("url-other", CBA_R_OK);
    assert_int_equal(cert.sid_url.len, 0);
    assert_reason("url-malformed", CBA_R_CERT_SID);
    assert_reason("url-empty", CBA_R_CERT_SID);
}

static void sid_conflicts(void **state)
{
    (void)state;
    assert_reason("url-two", CBA_R_CERT_SID_CONFLICT);
    assert_reason("url-not-sid", CBA_R_CERT_SID_CONFLICT);
}

static void upns(void **state)
{
    (void)state;
    assert_reason("upn", CBA_R_OK);
    assert_string_equal(cert.upn, "alice@contoso.com");
    assert_reason("upn-beside", CBA_R_OK);
    assert_string_equal(cert.upn, "alice@contoso.com");
    assert_reason("upn-other-type", CBA_R_OK); /* as long as that of a UPN */
    assert_string_equal(cert.upn, "");
    assert_reason("upn-utf8", CBA_R_OK);
    assert_string_equal(cert.upn, "jos\xc3\xa9@contoso.com");
    assert_reason("upn-ia5", CBA_R_OK);
    assert_string_equal(cert.upn, "alice@contoso.com");
    assert_reason("upn-printable", CBA_R_OK);
    assert_string_equal(cert.upn, "alice@contoso.com");
    assert_reason("upn-same-twice", CBA_R_OK);
    assert_string_equal(cert.upn, "alice@contoso.com");
    assert_reason("upn-1024", CBA_R_OK);
    assert_int_equal(strlen(cert.upn), CBA_UPN_MAX);
}

static void upns_refused(void **state)
{
    static const char *const names[] = {
        "upn-ia5-8bit",  "upn-printable-8bit", "upn-bmp",          "upn-nul",    "upn-control",
        "upn-c1",        "upn-not-utf8",       "upn-no-at",        "upn-two-at", "upn-no-name",
        "upn-no-suffix", "upn-empty",          "upn-first-of-two",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_reason(names[i], CBA_R_CERT_UPN);
        assert_string_equal(cert.upn, "");
    }
    assert_reason("upn-1025", CBA_R_CERT_LIMIT);
    assert_string_equal(cert.upn, "");
    assert_reason("upn-two", CBA_R_CERT_UPN_CONFLICT);
}

static void alternative_names_refused(void **state)
{
    (void)state;
    assert_reason("san-trailing", CBA_R_CERT_MALFORMED);
    assert_reason("san-broken", CBA_R_CERT_MALFORMED);
}

static void assert_limit(const char *name)
{
    assert_reason(name, CBA_R_CERT_LIMIT);
    assert_true(result.detail[0] != '\0');
}

/* What they look like is compared in test_altsec. */
static void names_refused(void **state)
{
    (void)state;
    assert_reason("altsec-name-1024", CBA_R_OK);
    assert_int_equal(strlen(cert.subject_name), CBA_NAME_MAX);
    assert_limit("altsec-name-1025");
    assert_string_equal(cert.subject_name, "");
    assert_limit("altsec-issuer-1025");
    assert_string_equal(cert.issuer_name, "");
    assert_reason("altsec-not-utf8", CBA_R_CERT_MALFORMED); /* OpenSSL says so */
    assert_reason("subject-oid-127", CBA_R_OK);
    assert_memory_equal(cert.subject_name, "OID.1.2.12345678.", 17);
    assert_limit("subject-oid-128");
    assert_string_equal(cert.subject_name, "");
    assert_reason("subject-visible", CBA_R_CERT_MALFORMED); /* and this */
    assert_reason("subject-numeric", CBA_R_OK);
    assert_string_equal(cert.subject_name, "CN=1234567890");
}

/* SHA-1 as "openssl x509 -fingerprint" has it. */
static void thumbprint(void **state)
{
    unsigned char digest[20];
    char text[41];
    size_t len;
    unsigned char *der = read_cert("alice", &len);

    (void)state;
    assert_reason("alice", CBA_R_OK);
    assert_int_equal(EVP_Digest(der, len, digest, NULL, EVP_sha1(), NULL), 1);
    for (size_t i = 0; i < sizeof(digest); i++) {
        (void)snprintf(text + 2 * i, 3, "%02X", digest[i]);
    }
    assert_string_equal(cert.thumbprint, text);
    free(der);
}

static void key_identifiers(void **state)
{
    (void)state;
    assert_reason("altsec-ski-1", CBA_R_OK);
    assert_string_equal(cert.ski, "0A");
    assert_reason("altsec-ski-64", CBA_R_OK);
    assert_int_equal(strlen(cert.ski), 2 * CBA_SKI_MAX);
    assert_reason("altsec-ski-empty", CBA_R_OK);
    assert_string_equal(cert.ski, "");
    assert_limit("altsec-ski-65");
    assert_reason("altsec-ski-trailing", CBA_R_CERT_MALFORMED);
    assert_reason("altsec-ski-broken", CBA_R_CERT_MALFORMED);
}

static void mail_addresses(void **state)
{
    (void)state;
    assert_reason("altsec-kb", CBA_R_OK);
    assert_int_equal(cert.mail_count, 1);
    assert_string_equal(cert.mail[0], "alice@contoso.com");
    assert_reason("altsec-mails-8", CBA_R_OK);
    assert_int_equal(cert.mail_count, 8);
    assert_string_equal(cert.mail[7], "m7@contoso.com");
    assert_reason("altsec-mail-twice", CBA_R_OK);
    assert_int_equal(cert.mail_count, 1);
    assert_reason("altsec-mail-254", CBA_R_OK);
    assert_int_equal(strlen(cert.mail[0]), CBA_MAIL_MAX);
    assert_limit("altsec-mails-9");
    assert_limit("altsec-mail-255");
    assert_reason("altsec-mail-nul", CBA_R_CERT_MALFORMED);
    assert_reason("altsec-mail-control", CBA_R_CERT_MALFORMED);
    assert_reason("altsec-mail-8bit", CBA_R_CERT_MALFORMED);
}

static void subject_upns(void **state)
{
    static const char *const names[] = {"subject-cn", "subject-e", "subject-multi"};
    static const char *const without[] = {"subject-not-upn", "subject-o",         "altsec-nul",
                                          "altsec-c1",       "altsec-no-subject", "alice"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_reason(names[i], CBA_R_OK);
        assert_int_equal(cert.subject_upn_count, 1);
        assert_string_equal(cert.subject_upn[0], "alice@contoso.com");
    }
    for (size_t i = 0; i < COUNT(without); i++) {
        assert_reason(without[i], CBA_R_OK);
        assert_int_equal(cert.subject_upn_count, 0);
    }
    assert_reason("subject-same", CBA_R_OK);
    assert_int_equal(cert.subject_upn_count, 1);
    assert_string_equal(cert.subject_upn[0], "ALICE@contoso.com");
    assert_reason("subject-4", CBA_R_OK);
    assert_int_equal(cert.subject_upn_count, 4);
    assert_string_equal(cert.subject_upn[3], "u3@contoso.com");
    assert_limit("subject-5");
    assert_limit("subject-6");
    assert_reason("subject-1001", CBA_R_OK);
    assert_int_equal(strlen(cert.subject_upn[0]), 1001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_phone),
        cmocka_unit_test(published_encodings),
        cmocka_unit_test(nothing_but_a_usage),
        cmocka_unit_test(centuries),
        cmocka_unit_test(result_may_be_absent),
        cmocka_unit_test(not_der),
        cmocka_unit_test(every_truncation),
        cmocka_unit_test(trailing_bytes),
        cmocka_unit_test(certificate_length),
        cmocka_unit_test(errors_of_others_stay),
        cmocka_unit_test(dates),
        cmocka_unit_test(version),
        cmocka_unit_test(serial_numbers),
        cmocka_unit_test(issuers),
        cmocka_unit_test(usages),
        cmocka_unit_test(usages_refused),
        cmocka_unit_test(duplicates),
        cmocka_unit_test(extension_count),
        cmocka_unit_test(sid_extension),
        cmocka_unit_test(sid_extension_refused),
        cmocka_unit_test(sid_extension_every_byte),
        cmocka_unit_test(sid_url),
        cmocka_unit_test(sid_conflicts),
        cmocka_unit_test(upns),
        cmocka_unit_test(upns_refused),
        cmocka_unit_test(alternative_names_refused),
        cmocka_unit_test(names_refused),
        cmocka_unit_test(thumbprint),
        cmocka_unit_test(key_identifiers),
        cmocka_unit_test(mail_addresses),
        cmocka_unit_test(subject_upns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
