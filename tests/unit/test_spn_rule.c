/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "cba_limits.h"
#include "cba_spn_rule.h"
#include "exact.h"

static void names(void **state)
{
    static const char *const good[] = {
        "HTTP/cas1.contoso.com",     "http/cas1.contoso.com", "Http/CAS1",
        "HTTP/cas1.contoso.com:444", "http/10.77.0.11",       "HTTP/a_b.contoso.com:65535",
    };
    static const char *const bad[] = {
        "",
        "HTTP",
        "HTTP/",
        "http:",
        "/cas1.contoso.com",
        "cas1.contoso.com",
        "host/cas1.contoso.com",
        "HTTPS/cas1.contoso.com",
        "cifs/cas1.contoso.com",
        "HTTP/cas1/contoso.com",
        "HTTP/cas1.contoso.com/",
        "HTTP/cas1.contoso.com.",
        "HTTP/cas1.contoso.com:",
        "HTTP/cas1.contoso.com:0",
        "HTTP/cas1.contoso.com:65536",
        "HTTP/cas1.contoso.com:0443",
        "HTTP/cas1.contoso.com:443:443",
        "HTTP/:443",
        "HTTP/cas1.contoso.com@CONTOSO.COM",
        "HTTP/cas 1",
        " HTTP/cas1",
        "HTTP/cas1 ",
        "HTTP/cas1\t",
        "HTTP/cas1\n",
        "HTTP/cas\x01",
        "HTTP/c\xc3\xa4s1",
        "HTTP/cas1\\.com",
        "HTTP/*",
        "HTTP/$1",
        "HTTP/[::1]",
        "HTTP/-cas1",
        "HTTP/10.77.0.256",
        "https://cas1.contoso.com",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(cba_spn_is_http(exact(good[i])));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (cba_spn_is_http(exact(bad[i]))) {
            fail_msg("%s is no name", bad[i]);
        }
    }
    assert_false(cba_spn_is_http(EXACT("HTTP/cas1\0.evil.test")));
    assert_false(cba_spn_is_http(exact_fill('h', CBA_SPN_MAX + 1)));
}

static void rules(void **state)
{
    static const char *const bad[] = {
        "",       ":",          ":443",      "cas1:",        "cas1:x",
        "cas1:0", "cas1:99999", "HTTP/cas1", "https://cas1", "cas1/owa",
        "cas1 ",  "*",          "[::1]:443", "cas1:443:443",
    };
    struct cba_spn_rule rule;

    (void)state;
    assert_true(cba_spn_rule_read(cba_span_str("Cas1.contoso.com"), &rule));
    assert_int_equal(rule.host.len, 16);
    assert_int_equal(rule.port, 0);
    assert_true(cba_spn_rule_read(cba_span_str("cas1:8443"), &rule));
    assert_int_equal(rule.host.len, 4);
    assert_int_equal(rule.port, 8443);
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (cba_spn_rule_read(exact(bad[i]), &rule)) {
            fail_msg("%s is no host", bad[i]);
        }
    }
}

static struct cba_spn_rule rule_of(const char *text)
{
    struct cba_spn_rule rule = {{NULL, 0}, 0, "HTTP/x"};

    assert_true(!*text || cba_spn_rule_read(cba_span_str(text), &rule));
    return rule;
}

static void sameness(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } pairs[] = {
        {"", "", true},
        {"cas1", "CAS1", true},
        {"cas1:443", "Cas1:443", true},
        {"cas1", "cas1:443", false},
        {"cas1", "", false},
        {"cas1", "cas11", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct cba_spn_rule a = rule_of(pairs[i].a), b = rule_of(pairs[i].b);

        assert_int_equal(cba_spn_rule_same(&a, &b), pairs[i].same);
        assert_int_equal(cba_spn_rule_same(&b, &a), pairs[i].same);
    }
}

static void fits(void **state)
{
    static const struct {
        const char *rule, *host;
        int port, fit;
    } cases[] = {
        {"", "cas1.contoso.com", 443, 1},
        {"cas1.contoso.com", "cas1.contoso.com", 443, 2},
        {"cas1.contoso.com", "CAS1.Contoso.Com", 8443, 2},
        {"CAS1.contoso.com:8443", "cas1.contoso.com", 8443, 3},
        {"cas1.contoso.com:443", "cas1.contoso.com", 443, 3},
        {"cas1.contoso.com:8443", "cas1.contoso.com", 443, 0},
        {"cas1", "cas1.contoso.com", 443, 0},
        {"cas1.contoso.com", "cas1.contoso.com.evil.test", 443, 0},
        {"cas2.contoso.com", "cas1.contoso.com", 443, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cba_spn_rule rule = rule_of(cases[i].rule);

        assert_int_equal(cba_spn_rule_fit(&rule, exact(cases[i].host), cases[i].port),
                         cases[i].fit);
    }
}

static void urls(void **state)
{
    static const struct {
        const char *url, *name;
        bool begins;
    } cases[] = {
        {"https://cas1.contoso.com/Microsoft-Server-ActiveSync?Cmd=Ping",
         "https://cas1.contoso.com", true},
        {"https://cas1.contoso.com/x", "HTTPS://CAS1.contoso.com:443/", true},
        {"https://cas1.contoso.com:443/x", "https://cas1.contoso.com", true},
        {"https://cas1.contoso.com", "https://cas1.contoso.com/", true},
        {"https://cas1.contoso.com?a/b", "https://cas1.contoso.com", true},
        {"https://cas1.contoso.com/x/y", "https://cas1.contoso.com/X", true},
        {"https://cas1.contoso.com/x?q", "https://cas1.contoso.com/x", true},
        {"balancer://exchange/x", "balancer://Exchange", true},
        {"https://cas1.contoso.com:8443/x", "https://cas1.contoso.com:8443", true},
        {"https://cas1.contoso.com:8443/x", "https://cas1.contoso.com", false},
        {"https://cas1.contoso.com/x", "https://cas1.contoso.com:8443", false},
        /* The text is the same so far, the host is not. */
        {"https://cas10.contoso.com/x", "https://cas1", false},
        {"https://cas1.contoso.com.evil.test/", "https://cas1.contoso.com", false},
        {"https://cas1.contoso.com/xy", "https://cas1.contoso.com/x", false},
        {"https://cas1.contoso.com/", "https://cas1.contoso.com/x", false},
        {"http://cas1.contoso.com/", "https://cas1.contoso.com/", false},
        {"balancer://exchange2/x", "balancer://exchange", false},
        {"https://exchange/x", "balancer://exchange", false},
        {"https://cas1.contoso.com/", "*", false},
        {"https://cas1.contoso.com/", "", false},
        {"https://cas1.contoso.com/", "https://", false},
        {"https://cas1.contoso.com/", "https://cas1.contoso.com:x/", false},
        {"", "https://cas1.contoso.com", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (cba_spn_url_begins(exact(cases[i].url), cba_span_str(cases[i].name)) !=
            cases[i].begins) {
            fail_msg("%s %s", cases[i].url, cases[i].name);
        }
        if (cba_spn_url_begins(cba_span_str(cases[i].url), exact(cases[i].name)) !=
            cases[i].begins) {
            fail_msg("%s %s", cases[i].url, cases[i].name);
        }
    }
}

static void hosts(void **state)
{
    struct cba_span url, host;
    int port;

    (void)state;
    url = exact("https://Cas1:8443/x:y?z");
    assert_true(cba_spn_url_host(url, &host, &port));
    assert_true(cba_span_equal_nocase(host, cba_span_str("cas1")));
    assert_int_equal(port, 8443);
    url = exact("HTTPS://cas1");
    assert_true(cba_spn_url_host(url, &host, &port));
    assert_int_equal(port, CBA_HTTPS_PORT);
    assert_false(cba_spn_url_host(exact("http://cas1/"), &host, &port));
    assert_false(cba_spn_url_host(exact("balancer://cas1/"), &host, &port));
    assert_false(cba_spn_url_host(exact("https:///x"), &host, &port));
    assert_false(cba_spn_url_host(exact("https://cas1:0/"), &host, &port));
    assert_false(cba_spn_url_host(exact("cas1"), &host, &port));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names), cmocka_unit_test(rules), cmocka_unit_test(sameness),
        cmocka_unit_test(fits),  cmocka_unit_test(urls),  cmocka_unit_test(hosts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
