/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of names; that of certificates' names is compared with vectors in test_altsec.
 */
#include "unit.h"

#include "cba_name.h"
#include "exact.h"

/* Takes the whole text and gives its CBA_NAME_WINDOWS; NULL: it is no name. */
static const char *taken(struct cba_span text)
{
    static char out[CBA_NAME_MAX + 1];

    memset(out, 'x', sizeof(out));
    if (!cba_name_take(&text, out)) {
        assert_string_equal(out, "");
        return NULL;
    }
    assert_int_equal(text.len, 0);
    return out;
}

/* Every way to write a value comes to the same. */
static void styles_are_read(void **state)
{
    static const struct {
        const char *text, *windows;
    } pairs[] = {
        {"CN=Alice", "CN=Alice"},
        {"CN=\"Alice\"", "CN=Alice"},
        {"CN=Al\\69ce", "CN=Alice"},
        {"DC=com,DC=contoso,CN=Alice", "DC=com,DC=contoso,CN=Alice"},
        {"CN=\"Liddell, Alice\"", "CN=\"Liddell, Alice\""},
        {"CN=Liddell\\, Alice", "CN=\"Liddell, Alice\""},
        {"CN=Liddell\\2C Alice", "CN=\"Liddell, Alice\""},
        {"CN=Liddell\\2c\\20Alice", "CN=\"Liddell, Alice\""},
        {"CN=a+b", NULL}, /* two values */
        {"CN=\"a+b\"", "CN=\"a+b\""},
        {"CN=a\\+b", "CN=\"a+b\""},
        {"CN=a=b", "CN=\"a=b\""},
        {"CN=\"a\"\"b\"", "CN=\"a\"\"b\""},
        {"CN=a\\\"b", "CN=\"a\"\"b\""},
        {"CN=\"\"", "CN=\"\""},
        {"CN=", "CN=\"\""},
        {"CN=,O=x", "CN=\"\",O=x"},
        {"CN=\" a \"", "CN=\" a \""},
        {"CN=\\ a\\ ", "CN=\" a \""},
        {"CN=\\20a\\20", "CN=\" a \""},
        {"CN=a  b", "CN=a  b"},
        {"CN=\\#a#", "CN=\"#a#\""},
        {"CN=\"<I>\"", "CN=\"<I>\""},
        {"CN=\\<I\\>", "CN=\"<I>\""},
        {"CN=O'Brien", "CN=O'Brien"},
        {"CN=\"O'Brien\"", "CN=O'Brien"},
        {"CN=Zo\xc3\xab", "CN=Zo\xc3\xab"},
        {"CN=Zo\\C3\\AB", "CN=Zo\xc3\xab"},
        {"OID.1.2.3=x", "OID.1.2.3=x"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        const char *found = taken(exact(pairs[i].text));

        if (pairs[i].windows == NULL) {
            assert_null(found);
        } else {
            assert_non_null(found);
            assert_string_equal(found, pairs[i].windows);
        }
    }
}

static void what_is_no_name(void **state)
{
    static const char *const texts[] = {
        "",          "CN",        "=x",
        "CN =x",     " CN=x",     "CN= x",
        "CN=x ",     "CN=x ,O=y", "CN=x,",
        "CN=x,,O=y", ",CN=x",     "CN=x,O",
        "CN=#0401",  "CN=\"x",    "CN=\"x\"y",
        "CN=\"x\" ", "CN=x\"y\"", "CN=x;O=y",
        "CN=x>",     "CN=x\\",    "CN=x\\4",
        "CN=x\\zz",  "CN=x\\'y",  "CN=a\\\\b",
        "CN=x\\00",  "CN=x\\0Ay", "CN=\"a\\b\"",
        "CN=x\xff",  "CN=x\\FF",  "CN=x\xc2\x85",
        "C-N=x",     "CN=x, O=y", "CN=\"a\\\"b\"",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (taken(exact(texts[i])) != NULL) {
            fail_msg("%s", texts[i]);
        }
    }
    assert_null(taken(EXACT("CN=x\0y")));
    assert_null(taken(EXACT("CN=\"x\0y\"")));
}

/* A name ends at a '<' outside of quotes, which is left for the caller. */
static void ends(void **state)
{
    struct cba_span text = exact("CN=\"a<b\",O=x\\<y<SR>12");
    char out[CBA_NAME_MAX + 1];

    (void)state;
    assert_true(cba_name_take(&text, out));
    assert_string_equal(out, "CN=\"a<b\",O=\"x<y\"");
    assert_int_equal(text.len, 6);
    assert_memory_equal(text.ptr, "<SR>12", 6);
}

static void lengths(void **state)
{
    unsigned char text[CBA_NAME_MAX + 2], longer[2 * CBA_NAME_MAX];

    (void)state;
    memset(longer, 'a', sizeof(longer));
    memcpy(longer, "CN=", 3);
    assert_null(taken(exact_bytes(longer, sizeof(longer))));
    longer[3] = longer[sizeof(longer) - 1] = '"';
    assert_null(taken(exact_bytes(longer, sizeof(longer))));
    memset(text, 'a', sizeof(text));
    memcpy(text, "CN=", 3);
    assert_non_null(taken(exact_bytes(text, CBA_NAME_MAX)));
    assert_null(taken(exact_bytes(text, CBA_NAME_MAX + 1)));
    text[CBA_NAME_MAX - 1] = '#'; /* quotes make it longer */
    assert_null(taken(exact_bytes(text, CBA_NAME_MAX)));
    memset(text, '"', sizeof(text));
    memcpy(text, "CN=", 3);
    assert_null(taken(exact_bytes(text, sizeof(text))));
}

static void styles_are_written(void **state)
{
    static const struct {
        const char *windows, *apostrophe, *rfc;
    } names[] = {
        {"CN=a,O=b", "CN=a,O=b", "CN=a,O=b"},
        {"CN=O'Brien", "CN=\"O'Brien\"", "CN=O'Brien"},
        {"CN=\"a, \"\"b\"\"\",O='", "CN=\"a, \"\"b\"\"\",O=\"'\"", "CN=a\\, \\\"b\\\",O='"},
        {"CN=\"#a #<>+=;\"", "CN=\"#a #<>+=;\"", "CN=\\#a #\\<\\>\\+=\\;"},
        {"CN=\" \"", "CN=\" \"", "CN=\\ "},
        {"CN=\"  \",O=\"\"", "CN=\"  \",O=\"\"", "CN=\\ \\ ,O="},
        {"", "", ""},
    };
    /* What cba_name_of does not write is not written on, either. */
    static const char *const broken[] = {"CN", "=", "CN=\"", "CN=\"a"};
    char out[CBA_NAME_STYLED_MAX + 1];

    (void)state;
    for (size_t i = 0; i < COUNT(broken); i++) {
        cba_name_write(broken[i], CBA_NAME_WINDOWS, out);
        assert_string_equal(out, "");
    }
    for (size_t i = 0; i < COUNT(names); i++) {
        cba_name_write(names[i].windows, CBA_NAME_WINDOWS, out);
        assert_string_equal(out, names[i].windows);
        cba_name_write(names[i].windows, CBA_NAME_APOSTROPHE, out);
        assert_string_equal(out, names[i].apostrophe);
        cba_name_write(names[i].windows, CBA_NAME_RFC, out);
        assert_string_equal(out, names[i].rfc);
        if (out[0] != '\0') {
            assert_string_equal(taken(exact(out)), names[i].windows);
        }
    }
}

/* The longest that a name can become. */
static void styles_fit(void **state)
{
    char name[CBA_NAME_MAX + 1] = "", out[CBA_NAME_STYLED_MAX + 1];
    size_t at;

    (void)state;
    for (at = 0; at + 4 <= CBA_NAME_MAX; at += 4) { /* "C=',C=',..." */
        memcpy(name + at, "C=',", 5);
    }
    name[at - 1] = '\0';
    cba_name_write(name, CBA_NAME_APOSTROPHE, out);
    assert_int_equal(strlen(out), strlen(name) + 2 * (at / 4));
    memcpy(name, "C=\"", 4);
    memset(name + 3, ';', CBA_NAME_MAX - 4);
    memcpy(name + CBA_NAME_MAX - 1, "\"", 2);
    cba_name_write(name, CBA_NAME_RFC, out);
    assert_int_equal(strlen(out), 2 + 2 * (CBA_NAME_MAX - 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(styles_are_read),
        cmocka_unit_test(what_is_no_name),
        cmocka_unit_test(ends),
        cmocka_unit_test(lengths),
        cmocka_unit_test(styles_are_written),
        cmocka_unit_test(styles_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
