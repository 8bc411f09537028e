/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "cba_span.h"
#include "exact.h"

static void equal_but_for_ascii_case(void **state)
{
    (void)state;
    assert_true(cba_span_equal_nocase(exact(""), exact("")));
    assert_true(cba_span_equal_nocase(exact("Alice@Contoso.COM"), exact("aLICE@cONTOSO.com")));
    assert_true(cba_span_equal_nocase(EXACT("a\0B"), EXACT("A\0b")));
    assert_true(cba_span_equal_nocase(exact("\xc3\xa9X"), exact("\xc3\xa9x")));
}

static void not_equal(void **state)
{
    (void)state;
    assert_false(cba_span_equal_nocase(exact("a"), exact("")));
    assert_false(cba_span_equal_nocase(exact("alice"), exact("alic")));
    assert_false(cba_span_equal_nocase(exact("alice"), exact("alicf")));
    assert_false(cba_span_equal_nocase(EXACT("a\0b"), EXACT("a\0c")));
    assert_false(cba_span_equal_nocase(exact("\xc3\xa9"), exact("\xc3\x89"))); /* e, E acute */
    assert_false(cba_span_equal_nocase(exact("["), exact("{")));               /* 0x20 apart */
    assert_false(cba_span_equal_nocase(exact("@"), exact("`")));
    assert_false(cba_span_equal_nocase(exact("k"), exact("\xe2\x84\xaa"))); /* KELVIN SIGN */
}

static void lower_is_ascii_only(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        unsigned expected = c >= 'A' && c <= 'Z' ? c + 32 : c;

        assert_int_equal(cba_ascii_lower((unsigned char)c), expected);
    }
}

static void character_lengths(void **state)
{
    (void)state;
    assert_int_equal(cba_span_character(exact("")), 0);
    assert_int_equal(cba_span_character(EXACT("\0")), 1);
    assert_int_equal(cba_span_character(exact("\x7fz")), 1);
    assert_int_equal(cba_span_character(exact("\xc2\x80z")), 2);
    assert_int_equal(cba_span_character(exact("\xdf\xbf")), 2);
    assert_int_equal(cba_span_character(exact("\xe0\xa0\x80")), 3);
    assert_int_equal(cba_span_character(exact("\xef\xbf\xbf")), 3);
    assert_int_equal(cba_span_character(exact("\xf0\x90\x80\x80z")), 4);
    assert_int_equal(cba_span_character(exact("\xf4\x8f\xbf\xbf")), 4);
}

/* Every code point as Unicode encodes it, and nothing that is not one. */
static void every_code_point(void **state)
{
    (void)state;
    for (unsigned long u = 0x80; u <= 0x110000; u++) {
        unsigned char b[4];
        size_t len;
        bool valid = u < 0x110000 && (u < 0xd800 || u > 0xdfff);

        if (u < 0x800) {
            b[0] = (unsigned char)(0xc0 | u >> 6);
            len = 2;
        } else if (u < 0x10000) {
            b[0] = (unsigned char)(0xe0 | u >> 12);
            b[1] = (unsigned char)(0x80 | (u >> 6 & 63));
            len = 3;
        } else {
            b[0] = (unsigned char)(0xf0 | u >> 18);
            b[1] = (unsigned char)(0x80 | (u >> 12 & 63));
            b[2] = (unsigned char)(0x80 | (u >> 6 & 63));
            len = 4;
        }
        b[len - 1] = (unsigned char)(0x80 | (u & 63));
        if (cba_span_character(cba_span_of(b, len)) != (valid ? len : 0)) {
            fail_msg("U+%04lX", u);
        }
    }
}

static void not_utf8(void **state)
{
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80", /* overlong NUL */
        "\xc1\xbf",
        "\xc2", /* cut */
        "\xc2\x7f",
        "\xc2\xc0",
        "\xe0\x9f\xbf", /* overlong */
        "\xe0\xa0",
        "\xe0\xa0\x7f",
        "\xe0\xa0\xc0",
        "\xed\xa0\x80", /* surrogate */
        "\xef\xbf",
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xf0\x90\x80",
        "\xf0\x90\x80\x7f",
        "\xf0\x90\xc0\x80",
        "\xf4\x90\x80\x80", /* beyond U+10FFFF */
        "\xf5\x80\x80\x80",
        "\xff",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(cba_span_character(exact(bad[i])), 0);
        assert_false(cba_span_is_text(exact(bad[i])));
    }
}

static void text(void **state)
{
    (void)state;
    assert_true(cba_span_is_text(cba_span_of(NULL, 0)));
    assert_true(cba_span_is_text(exact("")));
    assert_true(cba_span_is_text(exact(" ~alice@contoso.com")));
    assert_true(cba_span_is_text(exact("\xc2\xa0\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")));
}

static void text_has_no_controls(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 0x20; c++) {
        unsigned char bytes[] = {'a', (unsigned char)c, 'b'};

        assert_false(cba_span_is_text(exact_bytes(bytes, sizeof(bytes))));
    }
    assert_false(cba_span_is_text(exact("a\x7f")));
    assert_false(cba_span_is_text(exact("\xc2\x80")));
    assert_false(cba_span_is_text(exact("\xc2\x9f")));
    assert_false(cba_span_is_text(exact("ok\xe2\x82")));
}

static void escapes(void **state)
{
    static const char *const bad[] = {"%", "%4", "%zz", "%4g", "%g4", "%%41", "% 4", "%u0041"};

    (void)state;
    for (int c = 0; c < 256; c++) {
        unsigned char raw[] = {(unsigned char)c, 'x'};
        char lower[8], upper[8];
        struct cba_span text = exact_bytes(raw, sizeof(raw));

        if (c != '%') {
            assert_int_equal(cba_span_take_escaped(&text), c);
            assert_int_equal(text.len, 1);
        }
        (void)snprintf(lower, sizeof(lower), "%%%02x", c);
        (void)snprintf(upper, sizeof(upper), "%%%02Xab", c);
        text = exact(lower);
        assert_int_equal(cba_span_take_escaped(&text), c);
        assert_int_equal(text.len, 0);
        text = exact(upper);
        assert_int_equal(cba_span_take_escaped(&text), c);
        assert_int_equal(text.len, 2);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct cba_span text = exact(bad[i]);

        assert_int_equal(cba_span_take_escaped(&text), -1);
        assert_int_equal(text.len, strlen(bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_but_for_ascii_case),
        cmocka_unit_test(not_equal),
        cmocka_unit_test(lower_is_ascii_only),
        cmocka_unit_test(escapes),
        cmocka_unit_test(character_lengths),
        cmocka_unit_test(every_code_point),
        cmocka_unit_test(not_utf8),
        cmocka_unit_test(text),
        cmocka_unit_test(text_has_no_controls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
