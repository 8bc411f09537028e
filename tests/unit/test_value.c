/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "cba_limits.h"
#include "cba_value.h"
#include "exact.h"

static void bytes(void **state)
{
    static const struct {
        const char *word;
        int64_t expected;
    } good[] = {
        {"1", 1},
        {"65536", 65536},
        {"007", 7},
        {"64K", 65536},
        {"64k", 65536},
        {"10M", 10485760},
        {"10m", 10485760},
        {"1G", 1073741824},
        {"2g", INT64_C(2147483648)},
        {"9223372036854775807", INT64_MAX},
        {"9007199254740991K", INT64_C(9223372036854774784)},
        {"8589934591G", INT64_C(9223372035781033984)},
    };
    int64_t value;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(cba_value_bytes(exact(good[i].word), &value));
        assert_int_equal(value, good[i].expected);
    }
}

static void not_bytes(void **state)
{
    static const char *const bad[] = {
        "",
        "0",
        "0K",
        "00",
        "K",
        "M",
        "-1",
        "+1",
        "1.5M",
        "1T",
        "1KB",
        "1KK",
        "K1",
        "1 K",
        " 1",
        "1 ",
        "0x10",
        "1e3",
        "ten",
        "9223372036854775808",
        "99999999999999999999",
        "9007199254740992K",
        "8796093022208M",
        "8589934592G",
    };
    int64_t value = 4711;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (cba_value_bytes(exact(bad[i]), &value)) {
            fail_msg("%s", bad[i]);
        }
    }
    assert_false(cba_value_bytes(EXACT("1\0"), &value));
    assert_int_equal(value, 4711);
}

static void seconds(void **state)
{
    int64_t value = 4711;

    (void)state;
    assert_false(cba_value_seconds(exact("4"), 5, 60, &value));
    assert_false(cba_value_seconds(exact("61"), 5, 60, &value));
    assert_false(cba_value_seconds(exact(""), 0, 60, &value));
    assert_false(cba_value_seconds(exact("5s"), 0, 60, &value));
    assert_false(cba_value_seconds(exact("-5"), -10, 60, &value));
    assert_false(cba_value_seconds(exact("5K"), 0, 60000, &value));
    assert_int_equal(value, 4711);
    assert_true(cba_value_seconds(exact("5"), 5, 60, &value));
    assert_int_equal(value, 5);
    assert_true(cba_value_seconds(exact("60"), 5, 60, &value));
    assert_int_equal(value, 60);
    assert_true(cba_value_seconds(exact("0"), 0, 60, &value));
    assert_int_equal(value, 0);
}

static void oid(void **state)
{
    static const char *const good[] = {
        "1.3.6.1.5.5.7.3.2", "0.0",   "0.39", "1.39.0",
        "2.5.29.37.0",       "2.999", "2.40", "1.3.340282366920938463463374607431768211456",
    };
    static const char *const bad[] = {
        "",      "1",          "1.",   ".1",    "1..2", "1.2.", "3.1",    "10.1",
        "0.40",  "1.40",       "1.99", "1.100", "01.2", "1.02", "1.2.00", "1.2.-3",
        "1.2.a", "clientAuth", "1 .2", "1,2",   " 1.2", "1.2 ", "1.2.+3",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        if (!cba_value_oid(exact(good[i]))) {
            fail_msg("%s", good[i]);
        }
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (cba_value_oid(exact(bad[i]))) {
            fail_msg("%s", bad[i]);
        }
    }
    assert_false(cba_value_oid(cba_span_of(NULL, 0)));
}

static void oid_length(void **state)
{
    unsigned char word[CBA_OID_MAX + 1];

    (void)state;
    memset(word, '1', sizeof(word));
    memcpy(word, "1.3.", 4);
    assert_true(cba_value_oid(exact_bytes(word, CBA_OID_MAX)));
    assert_false(cba_value_oid(exact_bytes(word, CBA_OID_MAX + 1)));
}

static void pair(void **state)
{
    struct cba_span name, value;

    (void)state;
    assert_true(cba_value_pair(exact("directory=5"), &name, &value));
    assert_int_equal(name.len, 9);
    assert_memory_equal(name.ptr, "directory", 9);
    assert_int_equal(value.len, 1);
    assert_memory_equal(value.ptr, "5", 1);
    assert_true(cba_value_pair(exact("a=b=c"), &name, &value));
    assert_int_equal(name.len, 1);
    assert_int_equal(value.len, 3);
    assert_memory_equal(value.ptr, "b=c", 3);
    assert_true(cba_value_pair(exact("a=="), &name, &value));
    assert_memory_equal(value.ptr, "=", 1);
    assert_false(cba_value_pair(exact(""), &name, &value));
    assert_false(cba_value_pair(cba_span_of(NULL, 0), &name, &value));
    assert_false(cba_value_pair(exact("a"), &name, &value));
    assert_false(cba_value_pair(exact("a="), &name, &value));
    assert_false(cba_value_pair(exact("=b"), &name, &value));
    assert_false(cba_value_pair(exact("="), &name, &value));
}

static void ldap_uri(void **state)
{
    static const char *const good[] = {
        "ldap://dc1.contoso.com",
        "ldaps://dc1.contoso.com",
        "LDAP://DC1",
        "ldap://AZaz09-_z.Z",
        "ldap://dc_1.contoso.com:389",
        "ldap://1dc.contoso.com:1",
        "ldaps://dc1:65535",
        "ldap://192.0.2.1",
        "ldap://255.255.255.255:3268",
        "ldap://0.0.0.0",
        "ldap://[2001:db8::1]",
        "ldap://[::1]:389",
        "ldap://[::]",
        "ldap://[fe80::]",
        "ldap://[1:2:3:4:5:6:7:8]",
        "ldap://[1:2:3:4:5:6:7::]",
        "ldap://[::2:3:4:5:6:7:8]",
        "ldap://[ABCD:ef01::ffff]",
    };
    static const char *const bad[] = {
        "",
        "dc1.contoso.com",
        "ldap:",
        "ldap:/dc1",
        "ldap://",
        "ldaps://",
        "ldapi:///tmp/ldap",
        "ldapi://dc1",
        "cldap://dc1",
        "http://dc1",
        "ldap://dc1/",
        "ldap://dc1/dc=contoso,dc=com",
        "ldap://dc1?cn",
        "ldap://user@dc1",
        "ldap://dc1#x",
        "ldap://dc%31",
        "ldap://dc1 ldap://dc2",
        "ldap://dc1,dc2",
        "ldap://dc1.contoso.com.",
        "ldap://.contoso.com",
        "ldap://dc1..contoso.com",
        "ldap://-dc1",
        "ldap://dc1-",
        "ldap://dc1-.contoso.com",
        "ldap://d\xc3\xa9",
        "ldap://:389",
        "ldap://dc1:",
        "ldap://dc1:0",
        "ldap://dc1:0389",
        "ldap://dc1:65536",
        "ldap://dc1:100000",
        "ldap://dc1:389:389",
        "ldap://dc1:38a",
        "ldap://192.0.2",
        "ldap://192.0.2.256",
        "ldap://192.0.2.01",
        "ldap://192.0.2.1.5",
        "ldap://1",
        "ldap://contoso.1",
        "ldap://2001:db8::1",
        "ldap://[]",
        "ldap://[:]",
        "ldap://[:::]",
        "ldap://[::1",
        "ldap://::1]",
        "ldap://[::1]389",
        "ldap://[::1]:",
        "ldap://[::1]:0",
        "ldap://[::1]:65536",
        "ldap://[::1]x",
        "ldap://[fe80::1%eth0]",
        "ldap://[::ffff:192.0.2.1]",
        "ldap://[1::2::3]",
        "ldap://[1:2:3:4:5:6:7]",
        "ldap://[1:2:3:4:5:6:7:8:9]",
        "ldap://[1:2:3:4:5:6:7:8::]",
        "ldap://[::1:2:3:4:5:6:7:8]",
        "ldap://[:1:2:3:4:5:6:7]",
        "ldap://[1:2:3:4:5:6:7:]",
        "ldap://[::12345]",
        "ldap://[::g]",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        if (!cba_value_ldap_uri(exact(good[i]))) {
            fail_msg("%s", good[i]);
        }
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (cba_value_ldap_uri(exact(bad[i]))) {
            fail_msg("%s", bad[i]);
        }
    }
    assert_false(cba_value_ldap_uri(EXACT("ldap://dc1\0.evil.test")));
}

static void host(void **state)
{
    static const char *const good[] = {"dc1",           "dc1.contoso.com:88", "192.0.2.1",
                                       "192.0.2.1:750", "[2001:db8::1]",      "[::1]:65535"};
    static const char *const bad[] = {"",           ":88",     "dc1:",       "dc1:0",
                                      "dc1:65536",  "dc1:8a",  "dc1:88:88",  "2001:db8::1",
                                      "[::1",       "[::1]88", "ldap://dc1", "dc1/x",
                                      "192.0.2.01", "-dc1",    "dc1.",       "dc 1"};

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        if (!cba_value_server(exact(good[i]))) {
            fail_msg("%s", good[i]);
        }
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (cba_value_server(exact(bad[i]))) {
            fail_msg("%s", bad[i]);
        }
    }
}

static void ldap_uri_lengths(void **state)
{
    unsigned char word[300];

    (void)state;
    memset(word, 'a', sizeof(word));
    memcpy(word, "ldap://", 7);
    assert_true(cba_value_ldap_uri(exact_bytes(word, 7 + 63)));
    assert_false(cba_value_ldap_uri(exact_bytes(word, 7 + 64)));
    for (size_t i = 7 + 63; i < sizeof(word); i += 64) {
        word[i] = '.';
    }
    assert_true(cba_value_ldap_uri(exact_bytes(word, 7 + 253)));
    assert_false(cba_value_ldap_uri(exact_bytes(word, 7 + 254)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes),    cmocka_unit_test(not_bytes),        cmocka_unit_test(seconds),
        cmocka_unit_test(oid),      cmocka_unit_test(oid_length),       cmocka_unit_test(pair),
        cmocka_unit_test(ldap_uri), cmocka_unit_test(ldap_uri_lengths), cmocka_unit_test(host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
