/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "cba_sid.h"
#include "exact.h"

/* A SID of a domain, as text and binary; the latter was read from a Samba directory. */
static const char domain_text[] = "S-1-5-21-2076040321-3326545908-468068287-1157";
static const unsigned char domain_binary[] = {
    0x01, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x15, 0x00, 0x00, 0x00, 0x81, 0xdc,
    0xbd, 0x7b, 0xf4, 0x0f, 0x47, 0xc6, 0xbf, 0x27, 0xe6, 0x1b, 0x85, 0x04, 0x00, 0x00};

static void assert_zeroed(const struct cba_sid *sid)
{
    static const struct cba_sid zero;

    assert_int_equal(sid->len, 0);
    assert_memory_equal(sid->binary, zero.binary, sizeof(zero.binary));
}

static void refuse_text(struct cba_span text)
{
    struct cba_sid sid;

    memset(&sid, 0xff, sizeof(sid));
    if (cba_sid_parse_text(text, &sid)) {
        fail_msg("%.*s", (int)text.len, (const char *)text.ptr);
    }
    assert_zeroed(&sid);
}

static void text_to_binary(void **state)
{
    struct cba_sid sid;

    (void)state;
    assert_true(cba_sid_parse_text(exact(domain_text), &sid));
    assert_int_equal(sid.len, sizeof(domain_binary));
    assert_memory_equal(sid.binary, domain_binary, sizeof(domain_binary));
}

static void binary_to_text(void **state)
{
    char text[CBA_SID_TEXT_MAX + 1];
    struct cba_sid sid;

    (void)state;
    assert_true(cba_sid_parse_binary(exact_bytes(domain_binary, sizeof(domain_binary)), &sid));
    cba_sid_format(&sid, text);
    assert_string_equal(text, domain_text);
}

static void text_both_ways(void **state)
{
    static const char *const good[] = {
        "S-1-0-0",
        "S-1-5-18",
        "S-1-5-32-544",
        "S-1-4294967295-4294967295",
        "S-1-5-0-0",
        "S-1-4294967295-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15",
        "S-1-4294967295-4294967295-4294967295-4294967295-4294967295-4294967295-4294967295-"
        "4294967295"
        "-4294967295-4294967295-4294967295-4294967295-4294967295-4294967295-4294967295-4294967295",
    };
    char text[CBA_SID_TEXT_MAX + 1];
    struct cba_sid sid, again;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(cba_sid_parse_text(exact(good[i]), &sid));
        cba_sid_format(&sid, text);
        assert_string_equal(text, good[i]);
        assert_true(cba_sid_parse_binary(exact_bytes(sid.binary, sid.len), &again));
        assert_true(cba_sid_equal(&sid, &again));
    }
}

static void text_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "S",
        "S-1",
        "S-1-",
        "S-1-5",
        "S-1-5-",
        "S-1--5",
        "S-1-5--5",
        "S-1-5-21-",
        "S-1-5-21-1157 ",
        " S-1-5-21",
        "s-1-5-21",
        "S-2-5-21",
        "S-01-5-21",
        "S-11-5-21",
        "S-1-05-21",
        "S-1-5-021",
        "S-1-5-00",
        "S-1-00-1",
        "S-1-5-+1",
        "S-1-5-1a",
        "S-1-5-0x15",
        "S-1-0x000000000005-21",
        "S-1-4294967296-1",
        "S-1-5-4294967296",
        "S-1-5-18446744073709551616",
        "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16",
        "S-1-5-\xd9\xa1", /* ARABIC-INDIC DIGIT ONE */
        "S:1:5:21",
        "S-1:5-21",
        "S-1-5:21",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        refuse_text(exact(bad[i]));
    }
    refuse_text(EXACT("S-1-5-21\0"));
    refuse_text(EXACT("S-1-5\0-21"));
    refuse_text(exact_fill('1', CBA_SID_TEXT_MAX + 1));
}

/* The text is no longer than its bound, whatever the SID. */
static void longest_text(void **state)
{
    unsigned char binary[CBA_SID_BINARY_MAX];
    char text[CBA_SID_TEXT_MAX + 1];
    struct cba_sid sid;

    (void)state;
    memset(binary, 0xff, sizeof(binary));
    binary[0] = 1;
    binary[1] = 15;
    assert_true(cba_sid_parse_binary(exact_bytes(binary, sizeof(binary)), &sid));
    cba_sid_format(&sid, text);
    assert_int_equal(strlen(text), 183);
    /* MS-DTYP 2.4.2.1: such an authority is hexadecimal. It is not read back. */
    assert_memory_equal(text, "S-1-0xFFFFFFFFFFFF-4294967295-", 30);
    refuse_text(exact(text));
}

static void binary_lengths(void **state)
{
    unsigned char binary[CBA_SID_BINARY_MAX + 8] = {1, 0, 0, 0, 0, 0, 0, 5};
    struct cba_sid sid;

    (void)state;
    for (unsigned count = 0; count < 256; count++) {
        binary[1] = (unsigned char)count;
        for (size_t len = 0; len <= sizeof(binary); len++) {
            bool good = count >= 1 && count <= 15 && len == 8 + 4u * count;

            memset(&sid, 0xff, sizeof(sid));
            assert_int_equal(cba_sid_parse_binary(exact_bytes(binary, len), &sid), good);
            if (!good) {
                assert_zeroed(&sid);
            }
        }
    }
}

static void binary_revision(void **state)
{
    unsigned char binary[sizeof(domain_binary)];
    struct cba_sid sid;

    (void)state;
    memcpy(binary, domain_binary, sizeof(binary));
    for (unsigned revision = 0; revision < 256; revision++) {
        binary[0] = (unsigned char)revision;
        assert_int_equal(cba_sid_parse_binary(cba_span_of(binary, sizeof(binary)), &sid),
                         revision == 1);
    }
}

static void equality(void **state)
{
    struct cba_sid a, b, none = {0};

    (void)state;
    assert_true(cba_sid_parse_text(exact(domain_text), &a));
    assert_true(cba_sid_parse_binary(exact_bytes(domain_binary, sizeof(domain_binary)), &b));
    assert_true(cba_sid_equal(&a, &b));
    b.binary[b.len - 1] ^= 1;
    assert_false(cba_sid_equal(&a, &b));
    assert_true(cba_sid_parse_text(exact("S-1-5-21-2076040321-3326545908-468068287"), &b));
    assert_false(cba_sid_equal(&a, &b));
    assert_false(cba_sid_equal(&a, &none));
    assert_false(cba_sid_equal(&none, &a));
    assert_false(cba_sid_equal(&none, &none));
}

static void same_domain(void **state)
{
    struct cba_sid sid, out, expected, none = {0};

    (void)state;
    assert_true(cba_sid_parse_text(exact("S-1-5-21-1-2-3-1157"), &sid));
    assert_true(cba_sid_parse_text(exact("S-1-5-21-1-2-3-525"), &expected));
    assert_true(cba_sid_in_domain_of(&sid, CBA_RID_PROTECTED_USERS, &out));
    assert_true(cba_sid_equal(&out, &expected));
    assert_true(cba_sid_parse_text(exact("S-1-5-21-1-2-3-4027504129"), &expected));
    assert_true(cba_sid_in_domain_of(&sid, 0xf00ed601, &sid));
    assert_true(cba_sid_equal(&sid, &expected));
    memset(&out, 0xff, sizeof(out));
    assert_false(cba_sid_in_domain_of(&none, 525, &out));
    assert_zeroed(&out);
}

static void empty_has_no_text(void **state)
{
    char text[CBA_SID_TEXT_MAX + 1] = "x";
    struct cba_sid none = {0};

    (void)state;
    cba_sid_format(&none, text);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_to_binary),  cmocka_unit_test(binary_to_text),
        cmocka_unit_test(text_both_ways),  cmocka_unit_test(text_refused),
        cmocka_unit_test(longest_text),    cmocka_unit_test(binary_lengths),
        cmocka_unit_test(binary_revision), cmocka_unit_test(equality),
        cmocka_unit_test(same_domain),     cmocka_unit_test(empty_has_no_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
