/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "cba_dn.h"
#include "exact.h"

#define SID "S-1-5-21-2076040321-3326545908-468068287-525"
#define DN  "CN=Gesch\xc3\xbctzte Benutzer,CN=Users,DC=contoso,DC=com"

/* sid NULL: none is said. */
static void assert_dn(struct cba_span value, const char *text, const char *sid)
{
    char written[CBA_SID_TEXT_MAX + 1];
    struct cba_dn dn;

    memset(&dn, 0xff, sizeof(dn));
    assert_true(cba_dn_parse(value, &dn));
    assert_int_equal(dn.text.len, strlen(text));
    if (dn.text.len > 0) {
        assert_memory_equal(dn.text.ptr, text, dn.text.len);
    }
    cba_sid_format(&dn.sid, written);
    assert_string_equal(written, sid != NULL ? sid : "");
}

static void assert_refused(struct cba_span value)
{
    static const struct cba_dn zero;
    struct cba_dn dn;

    memset(&dn, 0xff, sizeof(dn));
    assert_false(cba_dn_parse(value, &dn));
    assert_memory_equal(&dn, &zero, sizeof(zero));
}

static void plain(void **state)
{
    (void)state;
    assert_dn(exact(DN), DN, NULL);
    assert_dn(exact(""), "", NULL);
    assert_dn(cba_span_of(NULL, 0), "", NULL);
    assert_dn(exact("CN=\\<SID=" SID "\\>;,DC=com"), "CN=\\<SID=" SID "\\>;,DC=com", NULL);
    assert_dn(exact(" <SID=" SID ">;" DN), " <SID=" SID ">;" DN, NULL);
}

static void extended(void **state)
{
    (void)state;
    assert_dn(exact("<GUID=2f4a0a1c-8f0e-4d0b-9d57-0e2b7f3c1a55>;<SID=" SID ">;" DN), DN, SID);
    assert_dn(exact("<SID=" SID ">;<GUID=2f4a0a1c>;" DN), DN, SID);
    assert_dn(exact("<sid=" SID ">;" DN), DN, SID);
    assert_dn(exact("<GUID=2f4a0a1c>;" DN), DN, NULL); /* what has no SID */
    assert_dn(exact("<OTHER=x=y;z>;<=>;<SID=" SID ">;"), "", SID);
    assert_dn(exact("<SID=S-1-5-18>;CN=a>;<SID=" SID ">;"), "CN=a>;<SID=" SID ">;", "S-1-5-18");
}

static void refused(void **state)
{
    static const char *const bad[] = {
        "<",
        "<>",
        "<>;",
        "<SID",
        "<SID=",
        "<SID=" SID,
        "<SID=" SID ">",
        "<SID=" SID ">,CN=x",
        "<SID=" SID "> ;CN=x",
        "<SID>;CN=x",
        "<SID>;CN=x=<y>;",
        "<SID=>;CN=x",
        "<SID=s-1-5-18>;CN=x",
        "<SID=S-1-5-18 >;CN=x",
        "<SID=<S-1-5-18>;CN=x",
        "<SID=0101000000000005120000>;CN=x", /* Flag 0 */
        "<SID=S-1-5-18>;<SID=S-1-5-18>;CN=x",
        "<SID=S-1-5-18>;<sid=S-1-5-19>;CN=x",
        "<GUID=x>;<SID=S-1-5-18>CN=x",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_refused(exact(bad[i]));
    }
    assert_refused(EXACT("<SID=S-1-5-18\0>;CN=x"));
    assert_refused(EXACT("<SI\0D=S-1-5-18"));
}

/* Cut anywhere: what is left of a component is no name. */
static void truncated(void **state)
{
    static const char whole[] = "<GUID=2f4a>;<SID=S-1-5-18>;CN=x";

    (void)state;
    for (size_t len = 1; len < sizeof(whole) - 5; len++) {
        if (len == 12) {
            assert_dn(exact_bytes(whole, len), "", NULL);
        } else {
            assert_refused(exact_bytes(whole, len));
        }
    }
    assert_dn(exact_bytes(whole, sizeof(whole) - 5), "", "S-1-5-18");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),
        cmocka_unit_test(extended),
        cmocka_unit_test(refused),
        cmocka_unit_test(truncated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
