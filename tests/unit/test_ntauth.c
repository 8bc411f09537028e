/* SPDX-License-Identifier: Apache-2.0
 *
 * The certificates are those of tests/vectors/ntauth, made by tests/vectors/make.py with the openssl
 * command: "leaf" was issued by "ca", and the other authorities differ from that one in one thing
 * each, which their names say.
 */
#include "unit.h"

#include <openssl/err.h>

#include "cba_ntauth.h"
#include "exact.h"

#define NOW   INT64_C(1800000000) /* 2027 */
#define BEGIN INT64_C(1577836800) /* 2020-01-01 00:00:00, of "ca" and of most others */
#define END   INT64_C(2208988799) /* 2039-12-31 23:59:59; then begins "ca-later" */

static struct cba_ntauth_ca authorities[8];
static int64_t until;

/* Lives until 16 others were read. */
static struct cba_span read_der(const char *name)
{
    char path[256];
    size_t len;
    unsigned char *der;
    struct cba_span span;

    (void)snprintf(path, sizeof(path), "vectors/ntauth/%s.der", name);
    der = unit_file_read(path, &len);
    span = exact_bytes(der, len);
    free(der);
    return span;
}

static bool parse(struct cba_span der)
{
    bool good;

    memset(&authorities[0], 0xff, sizeof(authorities[0]));
    good = cba_ntauth_parse(der, &authorities[0]);
    /* OpenSSL's queue of errors is mod_ssl's as well. */
    assert_int_equal(ERR_peek_error(), 0);
    return good;
}

/* Do these authorities, words of a list, vouch for the certificate? */
static bool issued(const char *leaf, const char *list, int64_t now)
{
    size_t count = 0;
    bool yes;

    for (size_t len; *list != '\0'; list += len + strspn(list + len, " ")) {
        char word[64];

        len = strcspn(list, " ");
        assert_true(count < COUNT(authorities) && len < sizeof(word));
        memcpy(word, list, len);
        word[len] = '\0';
        assert_true(cba_ntauth_parse(read_der(word), &authorities[count]));
        count++;
    }
    until = -1;
    yes = cba_ntauth_issued(read_der(leaf), authorities, count, now, &until);
    assert_int_equal(ERR_peek_error(), 0);
    return yes;
}

/* --- authorities ---- */

static void an_authority(void **state)
{
    struct cba_span der = read_der("ca");

    (void)state;
    assert_true(parse(der));
    assert_ptr_equal(authorities[0].der.ptr, der.ptr);
    assert_int_equal(authorities[0].der.len, der.len);
    assert_int_equal(authorities[0].not_before, BEGIN);
    assert_int_equal(authorities[0].not_after, END);
}

static void other_authorities(void **state)
{
    (void)state;
    assert_true(parse(read_der("root")));
    assert_true(parse(read_der("ca-rsa")));
    assert_true(parse(read_der("ca-no-usage"))); /* RFC 5280 4.2.1.3: any usage then */
    assert_true(parse(read_der("ca-past")));     /* the time is judged with each certificate */
}

static void not_authorities(void **state)
{
    static const char *const names[] = {"leaf",          "ca-false", "ca-unsaid",
                                        "ca-no-signing", "ca-bare",  "ca-bad-constraints"};
    static const struct cba_ntauth_ca zero;

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        if (parse(read_der(names[i]))) {
            fail_msg("%s is taken for an authority", names[i]);
        }
        assert_memory_equal(&authorities[0], &zero, sizeof(zero));
    }
}

static void not_certificates(void **state)
{
    struct cba_span der = read_der("ca");
    unsigned char *more = malloc(der.len + 1);

    (void)state;
    assert_non_null(more);
    assert_false(parse(cba_span_of(NULL, 0)));
    assert_false(parse(exact_bytes("\0", 1))); /* what certutil writes into an empty object */
    assert_false(parse(exact("-----BEGIN CERTIFICATE-----")));
    memcpy(more, der.ptr, der.len);
    more[der.len] = 0;
    assert_false(parse(cba_span_of(more, der.len + 1)));
    for (size_t n = 0; n < der.len; n++) {
        assert_false(parse(exact_bytes(more, n)));
    }
    assert_true(parse(exact_bytes(more, der.len)));
    free(more);
}

/* OpenSSL reads a length in more bytes than needed, and an indefinite one. */
static void not_der(void **state)
{
    struct cba_span der = read_der("ca");
    unsigned char *ber = malloc(der.len + 2);

    (void)state;
    assert_non_null(ber);
    assert_int_equal(der.ptr[1], 0x82);
    memcpy(ber, "\x30\x83\x00", 3);
    memcpy(ber + 3, der.ptr + 2, der.len - 2);
    assert_false(parse(exact_bytes(ber, der.len + 1)));
    memcpy(ber, "\x30\x80", 2);
    memcpy(ber + 2, der.ptr + 4, der.len - 4);
    memcpy(ber + der.len - 2, "\0\0", 2);
    assert_false(parse(exact_bytes(ber, der.len)));
    free(ber);
}

/* The same certificate with these bytes in the place of those that are there once. */
static struct cba_span changed(struct cba_span der, const void *from, const void *to, size_t len)
{
    unsigned char *copy = malloc(der.len);
    struct cba_span out;
    size_t found = 0;

    assert_non_null(copy);
    memcpy(copy, der.ptr, der.len);
    for (size_t i = 0; i + len <= der.len; i++) {
        if (memcmp(copy + i, from, len) == 0) {
            memcpy(copy + i, to, len);
            found++;
        }
    }
    assert_int_equal(found, 1);
    out = exact_bytes(copy, der.len);
    free(copy);
    return out;
}

/* What nobody could compare with a date, and nothing could be signed with. */
static void parts_that_are_not_understood(void **state)
{
    struct cba_span der = read_der("ca");

    (void)state;
    assert_true(parse(changed(der, "200101000000Z", "200102000000Z", 13)));
    assert_false(parse(changed(der, "200101000000Z", "201301000000Z", 13)));
    assert_false(parse(changed(der, "391231235959Z", "391331235959Z", 13)));
    assert_true(parse(changed(der, "200101000000Z", "391231235959Z", 13)));
    assert_false(parse(changed(der, "200101000000Z", "400101000000Z", 13))); /* never valid */
    /* 1.2.840.10045.2.1, id-ecPublicKey */
    assert_false(
        parse(changed(der, "\x2a\x86\x48\xce\x3d\x02\x01", "\x2a\x86\x48\xce\x3d\x02\x7f", 7)));
}

static void length(void **state)
{
    unsigned char *zeros = calloc(1, CBA_CERT_DER_MAX + 1);

    (void)state;
    assert_non_null(zeros);
    /* one SEQUENCE of just the largest size, and of one byte more than that */
    memcpy(zeros, "\x30\x82\xff\xfc", 4);
    assert_false(parse(cba_span_of(zeros, CBA_CERT_DER_MAX)));
    assert_false(parse(cba_span_of(zeros, CBA_CERT_DER_MAX + 1)));
    free(zeros);
}

/* --- who issued it ---- */

static void by_name_and_key(void **state)
{
    (void)state;
    assert_true(issued("leaf", "ca", NOW));
    assert_int_equal(until, END);
    assert_true(issued("leaf-rsa", "ca-rsa", NOW));
    assert_true(issued("leaf-root", "root", NOW));
    assert_true(issued("leaf", "root ca-other-key ca-rsa ca", NOW));
    assert_true(issued("leaf", "ca-by-itself", NOW)); /* who signed the authority is not asked */
    assert_true(issued("leaf", "ca-no-usage", NOW));
}

static void by_nobody(void **state)
{
    static const char *const lists[] = {"ca-other-key",  "ca-other-name",
                                        "ca-other-case", "root",
                                        "ca-rsa",        "root ca-rsa ca-other-key ca-other-name"};

    (void)state;
    for (size_t i = 0; i < COUNT(lists); i++) {
        if (issued("leaf", lists[i], NOW)) {
            fail_msg("%s vouch for it", lists[i]);
        }
        assert_int_equal(until, INT64_MAX);
    }
    assert_false(issued("leaf-rsa", "ca", NOW));
    assert_false(issued("leaf-root", "ca", NOW));
    /* an authority is no leaf, but has an issuer too */
    assert_false(issued("ca", "ca", NOW));
    assert_true(issued("ca", "root", NOW));
}

static void empty_set(void **state)
{
    (void)state;
    until = -1;
    assert_false(cba_ntauth_issued(read_der("leaf"), NULL, 0, NOW, &until));
    assert_int_equal(until, INT64_MAX);
}

static void dates(void **state)
{
    (void)state;
    assert_true(issued("leaf", "ca", BEGIN));
    assert_true(issued("leaf", "ca", END));
    assert_int_equal(until, END);
    assert_false(issued("leaf", "ca", END + 1));
    assert_int_equal(until, INT64_MAX);
    assert_false(issued("leaf", "ca", BEGIN - 1));
    assert_int_equal(until, BEGIN - 1);
}

/* Renewed with the same key: one that is valid suffices, in any order. */
static void renewed(void **state)
{
    (void)state;
    assert_false(issued("leaf", "ca-past", NOW));
    assert_int_equal(until, INT64_MAX);
    assert_true(issued("leaf", "ca-past ca", NOW));
    assert_int_equal(until, END);
    assert_true(issued("leaf", "ca ca-past ca-later", NOW));
    assert_int_equal(until, END);
    assert_true(issued("leaf", "ca-longer ca", NOW));
    assert_int_equal(until, INT64_C(2366841599)); /* 2044-12-31 23:59:59 */
    assert_true(issued("leaf", "ca ca-longer", NOW));
    assert_int_equal(until, INT64_C(2366841599));
    assert_false(issued("leaf", "ca-later ca-other-key", NOW));
    assert_int_equal(until, END);
    assert_true(issued("leaf", "ca ca-later", END + 1));
    assert_false(issued("leaf", "ca-later ca-longer", BEGIN));
    assert_int_equal(until, INT64_C(1735689599)); /* "ca-longer" begins first */
    assert_false(issued("leaf", "ca-longer ca-later", BEGIN));
    assert_int_equal(until, INT64_C(1735689599));
}

static void spoiled_leaves(void **state)
{
    struct cba_span der = read_der("leaf");
    unsigned char *bytes = malloc(der.len + 1);

    (void)state;
    assert_non_null(bytes);
    assert_true(cba_ntauth_parse(read_der("ca"), &authorities[0]));
    memcpy(bytes, der.ptr, der.len);
    bytes[der.len] = 0;
    assert_true(cba_ntauth_issued(cba_span_of(bytes, der.len), authorities, 1, NOW, &until));
    assert_false(cba_ntauth_issued(cba_span_of(bytes, der.len + 1), authorities, 1, NOW, &until));
    for (size_t n = 0; n < der.len; n++) {
        assert_false(cba_ntauth_issued(exact_bytes(bytes, n), authorities, 1, NOW, &until));
        /* every bit of a byte counts: what is signed, how, and the signature */
        bytes[n] ^= 1;
        if (cba_ntauth_issued(exact_bytes(bytes, der.len), authorities, 1, NOW, &until)) {
            fail_msg("byte %zu does not count", n);
        }
        bytes[n] ^= 1;
    }
    assert_int_equal(ERR_peek_error(), 0);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest ntauth[] = {
        cmocka_unit_test(an_authority),    cmocka_unit_test(other_authorities),
        cmocka_unit_test(not_authorities), cmocka_unit_test(not_certificates),
        cmocka_unit_test(not_der),         cmocka_unit_test(parts_that_are_not_understood),
        cmocka_unit_test(length),          cmocka_unit_test(by_name_and_key),
        cmocka_unit_test(by_nobody),       cmocka_unit_test(empty_set),
        cmocka_unit_test(dates),           cmocka_unit_test(renewed),
        cmocka_unit_test(spoiled_leaves),
    };

    return cmocka_run_group_tests(ntauth, NULL, NULL);
}
