/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "cba_escape.h"
#include "cba_limits.h"
#include "exact.h"

/* Into a block of exactly this size. */
static void assert_log(struct cba_span text, size_t size, const char *expected)
{
    char *out = malloc(size);

    assert_non_null(out);
    assert_ptr_equal(cba_escape_log(text, out, size), out);
    assert_string_equal(out, expected);
    free(out);
}

static void log_leaves_text_alone(void **state)
{
    (void)state;
    assert_log(exact(""), 8, "");
    assert_log(cba_span_of(NULL, 0), 8, "");
    assert_log(exact("CN=Alice, O=\xc3\xa9 'x' %s"), 100, "CN=Alice, O=\xc3\xa9 'x' %s");
}

static void log_escapes(void **state)
{
    (void)state;
    assert_log(EXACT("a\0b\r\n\x1b[2J\x7f"), 100, "a\\x00b\\x0d\\x0a\\x1b[2J\\x7f");
    assert_log(exact("\"\\"), 100, "\\x22\\x5c");
    assert_log(exact("\xc2\x9b"
                     "2J"),
               100, "\\xc2\\x9b2J"); /* the one-character CSI */
    assert_log(exact("\xc3(\xff\xe2\x82"), 100, "\\xc3(\\xff\\xe2\\x82");
    assert_log(exact("\xc0\xaf"), 100, "\\xc0\\xaf"); /* overlong '/' */
}

static void log_fits_exactly(void **state)
{
    (void)state;
    assert_log(exact("1234567"), 8, "1234567");
    assert_log(exact("12345678"), 9, "12345678");
    assert_log(exact("123\n"), 8, "123\\x0a");
}

static void log_cut(void **state)
{
    (void)state;
    assert_log(exact("12345678"), 8, "1234...");
    assert_log(exact("1234\n"), 8, "1234...");
    assert_log(exact("123\n4"), 8, "123..."); /* an escape is not cut in two */
    assert_log(exact("12\xe2\x82\xac"
                     "345"),
               8, "12..."); /* nor a character */
    assert_log(exact("1\xe2\x82\xac"
                     "3456"),
               8, "1\xe2\x82\xac...");
    assert_log(exact("\xc2\x9b"), 8, "...");
    assert_log(exact("\n\n"), 8, "\\x0a...");
}

/* Whatever the text and the size: terminated, bounded, and free of what is escaped. */
static void log_any_size(void **state)
{
    static const char text[] = "a\"\\\n\x7f\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xc2\x85\xff\xfe";

    (void)state;
    for (size_t size = 8; size < 80; size++) {
        for (size_t len = 0; len < sizeof(text); len++) {
            char *out = malloc(size);

            assert_non_null(out);
            cba_escape_log(exact_bytes(text, len), out, size);
            assert_true(strlen(out) < size);
            assert_true(cba_span_is_text(cba_span_str(out)));
            assert_null(strchr(out, '"'));
            free(out);
        }
    }
}

static void filter_appends(void **state)
{
    char out[64] = "(cn=";
    size_t at = 4;

    (void)state;
    assert_true(cba_escape_filter(exact("Az09"), out, sizeof(out), &at));
    assert_true(cba_escape_filter(EXACT("*()\\\0"), out, sizeof(out), &at));
    assert_true(cba_escape_filter(exact(""), out, sizeof(out), &at));
    assert_true(cba_escape_filter(exact(" @.\xc3\xa9"), out, sizeof(out), &at));
    assert_string_equal(out, "(cn=Az09\\2a\\28\\29\\5c\\00\\20\\40\\2e\\c3\\a9");
    assert_int_equal(at, strlen(out));
}

/* The objectSid of S-1-5-21-2076040321-3326545908-468068287-1157. */
static void filter_sid(void **state)
{
    static const unsigned char sid[] = {0x01, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x15, 0x00,
                                        0x00, 0x00, 0x81, 0xdc, 0xbd, 0x7b, 0xf4, 0x0f, 0x47, 0xc6,
                                        0xbf, 0x27, 0xe6, 0x1b, 0x85, 0x04, 0x00, 0x00};
    char out[128];
    size_t at = 0;

    (void)state;
    assert_true(cba_escape_filter(exact_bytes(sid, sizeof(sid)), out, sizeof(out), &at));
    /* Letters and digits stand for themselves: 0x7b is '{', 0x47 is 'G'. */
    assert_string_equal(out,
                        "\\01\\05\\00\\00\\00\\00\\00\\05\\15\\00\\00\\00\\81\\dc\\bd\\7b\\f4\\0f"
                        "G\\c6\\bf\\27\\e6\\1b\\85\\04\\00\\00");
}

static void filter_does_not_cut(void **state)
{
    char out[8] = "(";
    size_t at = 1;

    (void)state;
    assert_false(cba_escape_filter(exact("*b*"), out, sizeof(out), &at));
    assert_int_equal(at, 1);
    assert_string_equal(out, "(");
    assert_true(cba_escape_filter(exact("**"), out, sizeof(out), &at));
    assert_int_equal(at, 7);
    assert_false(cba_escape_filter(exact("a"), out, sizeof(out), &at));
    assert_true(cba_escape_filter(exact(""), out, sizeof(out), &at));
    at = 8; /* somebody counted wrong */
    assert_false(cba_escape_filter(exact(""), out, sizeof(out), &at));
}

static void filter_every_byte(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        unsigned char byte = (unsigned char)c;
        char out[8], expected[8];
        size_t at = 0;
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

        (void)snprintf(expected, sizeof(expected), plain ? "%c" : "\\%02x", c);
        assert_true(cba_escape_filter(exact_bytes(&byte, 1), out, sizeof(out), &at));
        assert_string_equal(out, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_leaves_text_alone),
        cmocka_unit_test(log_escapes),
        cmocka_unit_test(log_fits_exactly),
        cmocka_unit_test(log_cut),
        cmocka_unit_test(log_any_size),
        cmocka_unit_test(filter_appends),
        cmocka_unit_test(filter_sid),
        cmocka_unit_test(filter_does_not_cut),
        cmocka_unit_test(filter_every_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
