/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "cba_limits.h"
#include "cba_request.h"
#include "exact.h"

#define TARGET "/Microsoft-Server-ActiveSync?Cmd=Sync&User=alice&DeviceId=X&DeviceType=iPhone"

static enum cba_reason check(const char *method, const char *target, bool upgrade,
                             enum cba_protocol protocol)
{
    struct cba_request request = {
        .method = exact(method), .target = exact(target), .upgrade = upgrade};

    return cba_request_check(&request, protocol);
}

static void methods_of_activesync(void **state)
{
    static const char *const bad[] = {"GET",  "HEAD",    "PUT",   "DELETE", "TRACE", "CONNECT",
                                      "post", "Options", "POST ", "POS",    "",      "PROPFIND"};

    (void)state;
    assert_int_equal(check("POST", TARGET, false, CBA_PROTOCOL_ACTIVESYNC), CBA_R_OK);
    assert_int_equal(check("OPTIONS", TARGET, false, CBA_PROTOCOL_ACTIVESYNC), CBA_R_OK);
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(check(bad[i], TARGET, false, CBA_PROTOCOL_ACTIVESYNC), CBA_R_REQ_METHOD);
    }
}

static void methods_of_any(void **state)
{
    static const char *const good[] = {"GET",     "POST",   "PROPFIND", "RPC_IN_DATA",
                                       "X-A.b!~", "tracer", "AZaz09"};
    static const char *const bad[] = {"TRACE", "trace", "CONNECT",    "Connect", "",
                                      "GE T",  "GET\t", "G\xc3\x89T", "GET/",    "\"GET\""};

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(check(good[i], TARGET, false, CBA_PROTOCOL_ANY), CBA_R_OK);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(check(bad[i], TARGET, false, CBA_PROTOCOL_ANY), CBA_R_REQ_METHOD);
    }
}

static void method_with_nul(void **state)
{
    struct cba_request request = {.method = EXACT("POST\0"), .target = exact(TARGET)};

    (void)state;
    assert_int_equal(cba_request_check(&request, CBA_PROTOCOL_ACTIVESYNC), CBA_R_REQ_METHOD);
    assert_int_equal(cba_request_check(&request, CBA_PROTOCOL_ANY), CBA_R_REQ_METHOD);
}

static void zeroed_protocol_allows_nothing(void **state)
{
    (void)state;
    assert_int_equal(check("POST", TARGET, false, (enum cba_protocol)0), CBA_R_REQ_METHOD);
}

static void upgrade(void **state)
{
    (void)state;
    assert_int_equal(check("POST", TARGET, true, CBA_PROTOCOL_ACTIVESYNC), CBA_R_REQ_UPGRADE);
    assert_int_equal(check("GET", TARGET, true, CBA_PROTOCOL_ANY), CBA_R_REQ_UPGRADE);
}

static void path_is_checked_with_the_request(void **state)
{
    (void)state;
    assert_int_equal(check("POST", "/a/../b", false, CBA_PROTOCOL_ACTIVESYNC), CBA_R_REQ_PATH);
    assert_int_equal(check("GET", "*", false, CBA_PROTOCOL_ANY), CBA_R_REQ_PATH);
}

static void paths(void **state)
{
    static const char *const good[] = {
        "/",
        TARGET,
        "/Microsoft-Server-ActiveSync?jAkHBASnbGlzZQ==",
        "/microsoft-server-activesync/",
        "//Microsoft-Server-ActiveSync",
        "/a/.b/..c/d./e../...f",
        "/a.b/%2e%2ea",
        "/owa/%C3%A9/%e2%82%ac/%F0%9F%98%80",
        "/owa/\xc3\xa9",
        "/owa/a%20b",
        "/ews/~%7e!$&'()*+,=:@",
        "/x?a;b\\c%2f%5c%25%3b/../%zz%00%ff",
        "/x?\xff",
        "/x??",
        "http://mail.contoso.com/Microsoft-Server-ActiveSync?Cmd=Sync",
        "HTTPS://mail.contoso.com:443/x",
        "https://mail.contoso.com",
        "https://mail.contoso.com?x",
        "https://AZaz09-._/x",
        "https://[2001:db8::1]:443/x",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        if (cba_path_check(exact(good[i])) != CBA_R_OK) {
            fail_msg("%s", good[i]);
        }
    }
}

static void paths_read_differently(void **state)
{
    static const char *const bad[] = {
        "",
        "*",
        "x",
        "?x",
        "mail.contoso.com:443",
        /* separators, raw and encoded */
        "/a\\b",
        "\\a",
        "/a%5cb",
        "/a%5Cb",
        "/a%2fb",
        "/a%2Fb",
        "/a%252fb",
        "/%25",
        "/a;b",
        "/;",
        "/a%3bb",
        "/a%3Bb",
        "/a#b",
        "/a?b#c",
        "#",
        /* dot segments */
        "/.",
        "/..",
        "/./",
        "/../",
        "/a/.",
        "/a/..",
        "/a/./b",
        "/a/../b",
        "/a/%2e",
        "/a/%2E%2e/b",
        "/a/.%2e",
        "/a/...",
        "/a/..%20",
        "/a/%20./b",
        "/..?x",
        "http://h/..",
        /* controls */
        "/a%00",
        "/a%0a",
        "/a%0D",
        "/a%1f",
        "/a%7f",
        "/a%C2%85",
        "/a\x7f",
        "/a\x01",
        "/a\tb",
        "/a?b\n",
        "/a?b\x7f",
        "/a b",
        "/a?b c",
        " /a",
        "/a ",
        /* escapes */
        "/%",
        "/%4",
        "/a%",
        "/a%4",
        "/%zz",
        "/%4g",
        "/%g4",
        "/%u0041",
        "/% 41",
        "/%+1",
        "/%2?f",
        /* not UTF-8 */
        "/\xff",
        "/%ff",
        "/%c0%af",
        "/%c0%2e",
        "/%e0%80%af",
        "/%c3",
        "/%c3/x",
        "/%c3%28",
        "/\xc3%28",
        "/%ed%a0%80",
        "/%f4%90%80%80",
        "/%f0%9f%98",
        "/%f0%80%80%80%80%80",
        "/%ff%ff%ff%ff%ff%ff",
        "/%e2%82x",
        /* absolute-form */
        "ftp://h/x",
        "http:/h/x",
        "http://",
        "http:///x",
        "http://?x",
        "http://user@h/x",
        "http://h%2fx/",
        "http://h\\x/",
        "http://\xc3\xa9/",
        "httpss://h/",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (cba_path_check(exact(bad[i])) != CBA_R_REQ_PATH) {
            fail_msg("%s", bad[i]);
        }
    }
    assert_int_equal(cba_path_check(EXACT("/a\0b")), CBA_R_REQ_PATH);
    assert_int_equal(cba_path_check(EXACT("/a?\0b")), CBA_R_REQ_PATH);
    assert_int_equal(cba_path_check(EXACT("http://h\0/")), CBA_R_REQ_PATH);
}

/* Each byte, raw and encoded, in the middle of a name. */
static void every_byte(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        unsigned char raw[] = {'/', 'a', (unsigned char)c, 'b'};
        char encoded[16];
        bool control = c < 0x20 || c == 0x7f, high = c >= 0x80;

        (void)snprintf(encoded, sizeof(encoded), "/a%%%02Xb", c);
        assert_int_equal(cba_path_check(exact_bytes(raw, sizeof(raw))) == CBA_R_OK,
                         !control && !high && c != ' ' && c != '#' && c != '%' && c != ';' &&
                             c != '\\');
        assert_int_equal(cba_path_check(exact(encoded)) == CBA_R_OK,
                         !control && !high && c != '/' && c != '%' && c != ';' && c != '\\');
    }
}

static void target_length(void **state)
{
    unsigned char *target = malloc(CBA_TARGET_MAX + 1);

    (void)state;
    assert_non_null(target);
    memset(target, 'a', CBA_TARGET_MAX + 1);
    target[0] = '/';
    assert_int_equal(cba_path_check(cba_span_of(target, CBA_TARGET_MAX)), CBA_R_OK);
    assert_int_equal(cba_path_check(cba_span_of(target, CBA_TARGET_MAX + 1)), CBA_R_REQ_PATH);
    free(target);
}

static void claims(void **state)
{
    static const char *const claims[] = {
        "Authorization", "AUTHORIZATION",      "Proxy-Authorization", "proxy_authorization",
        "Forwarded",     "X-Forwarded-For",    "x_forwarded_for",     "X-Forwarded-Proto",
        "X-FORWARDED-",  "X-Remote-User",      "X_Remote_User",       "X-CommonAccessToken",
        "X-IsFromCafe",  "X-SourceCafeServer",
    };
    static const char *const others[] = {
        "",
        "Authorizatio",
        "Authorization2",
        "X-Authorization",
        "X-Forwarded",
        "X-Forward",
        "Via",
        "Host",
        "User-Agent",
        "MS-ASProtocolVersion",
        "X-MS-PolicyKey",
        "Content-Type",
        "X-Remote-Users",
        "WWW-Authenticate",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(claims); i++) {
        assert_true(cba_header_is_claim(exact(claims[i])));
    }
    for (size_t i = 0; i < COUNT(others); i++) {
        assert_false(cba_header_is_claim(exact(others[i])));
    }
}

static void challenges(void **state)
{
    static const char *const challenges[] = {
        "WWW-Authenticate", "www_authenticate",    "Proxy-Authenticate",
        "Persistent-Auth",  "Authentication-Info", "Proxy-Authentication-Info",
    };
    static const char *const others[] = {"",
                                         "WWW-Authenticat",
                                         "WWW-Authenticates",
                                         "Authorization",
                                         "Authentication",
                                         "X-MS-Server",
                                         "Set-Cookie"};

    (void)state;
    for (size_t i = 0; i < COUNT(challenges); i++) {
        assert_true(cba_header_is_challenge(exact(challenges[i])));
    }
    for (size_t i = 0; i < COUNT(others); i++) {
        assert_false(cba_header_is_challenge(exact(others[i])));
    }
}

static void offers(void **state)
{
    static const char *const good[] = {
        "Negotiate",
        "negotiate",
        "NTLM, Negotiate",
        "Negotiate, NTLM",
        "Negotiate oYG2MIGzoAMKAQI=",
        " \tNegotiate\t",
        ",,Negotiate,",
        "Basic realm=\"a, b\", Negotiate",
        "Basic realm=\"a \\\" b\",NEGOTIATE",
        "Basic realm=x, charset=y, Negotiate",
    };
    static const char *const bad[] = {
        "",
        " ",
        ",",
        "NTLM",
        "Basic realm=\"Negotiate\"",
        "Basic realm=\", Negotiate\"",
        "Basic realm=\"x\\\", Negotiate\"",
        "Negotiated",
        "Negotiat",
        "Basic Negotiate",
        "Basic realm=x, Negotiate=y",
        "Basic realm=x, Negotiate = y",
        "x\"Negotiate, Negotiate",
        "Basic realm=\"\\",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(cba_challenge_offers(exact(good[i]), "Negotiate"));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(cba_challenge_offers(exact(bad[i]), "Negotiate"));
    }
    assert_false(cba_challenge_offers(EXACT("Negotiate\0"), "Negotiate"));
}

#define HEAD(lines) "HTTP/1.1 401 Unauthorized\r\n" lines "\r\n"

static void head_that_challenges(void **state)
{
    static const char *const good[] = {
        HEAD("WWW-Authenticate: Negotiate\r\n"),
        HEAD("www-authenticate:negotiate\r\n"),
        HEAD("Server: IIS\r\nWWW-Authenticate: NTLM\r\nWWW-Authenticate: Negotiate\r\nX: y\r\n"),
        HEAD("WWW-Authenticate: NTLM, Negotiate\r\n") "body\r\n",
        "HTTP/1.0 401\r\nWWW-Authenticate: Negotiate\r\n\r\n",
        "HTTP/1.1 401 \r\nWWW-Authenticate: Negotiate\r\n\r\n",
    };
    static const char *const bad[] = {
        "",
        "\r\n",
        "\n",
        "HTTP/1.1 401 Unauthorized\r\n",
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\n",   /* not to its end */
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\n\n", /* no CR */
        "HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Negotiate\r\n\r\n", /* likewise */
        "HTTP/1.1 4011 Unauthorized\r\nWWW-Authenticate: Negotiate\r\n\r\n",
        "HTTP/1.1 200 OK\r\nWWW-Authenticate: Negotiate\r\n\r\n",
        "HTTP/2.0 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\n\r\n",
        "HTTP/1.1  401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\n\r\n",
        " " HEAD("WWW-Authenticate: Negotiate\r\n"),
        HEAD(""),
        HEAD("WWW-Authenticate: NTLM\r\n"),
        HEAD("WWW-Authenticate : Negotiate\r\n"),
        HEAD("X-WWW-Authenticate: Negotiate\r\n"),
        HEAD("Proxy-Authenticate: Negotiate\r\n"),
        HEAD("") "WWW-Authenticate: Negotiate\r\n\r\n", /* in the body */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(cba_head_challenges(exact(good[i]), "Negotiate"));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(cba_head_challenges(exact(bad[i]), "Negotiate"));
    }
}

/* Where Exchange servers speak to each other. */
static void server_path(void **state)
{
    static const char *const bad[] = {
        "/Microsoft-Server-ActiveSync/Proxy",
        "/microsoft-server-activesync/PROXY",
        "/Microsoft-Server-ActiveSync/Proxy/",
        "/Microsoft-Server-ActiveSync/Proxy/x",
        "/Microsoft-Server-ActiveSync//Proxy",
        "/Microsoft-Server-ActiveSync/Proxy?Cmd=Sync",
        "/Microsoft-Server-ActiveSync/%50rox%79",
        "/%4dicrosoft-Server-ActiveSync/Proxy",
        "/Microsoft-Server-ActiveSync/Proxy.",
        "/Microsoft-Server-ActiveSync/Proxy%20",
        "/Microsoft-Server-ActiveSync./Proxy",
        "/x/Microsoft-Server-ActiveSync/Proxy",
        "https://h/Microsoft-Server-ActiveSync/Proxy",
        "/Microsoft-Server-ActiveSync/Microsoft-Server-ActiveSync/Proxy",
    };
    static const char *const good[] = {
        "/Microsoft-Server-ActiveSync",
        "/Microsoft-Server-ActiveSync/",
        "/Microsoft-Server-ActiveSync/default.eas",
        "/Microsoft-Server-ActiveSync/Proxy1",
        "/Microsoft-Server-ActiveSync/Prox",
        "/Microsoft-Server-ActiveSync/x/Proxy",
        "/Microsoft-Server-ActiveSync?/Proxy",
        "/Microsoft-Server-ActiveSyncProxy",
        "/Proxy",
        "/Proxy/Microsoft-Server-ActiveSync",
        "/x",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (!cba_path_is_server(exact(bad[i])) ||
            check("POST", bad[i], false, CBA_PROTOCOL_ACTIVESYNC) != CBA_R_REQ_SERVER_PATH ||
            check("GET", bad[i], false, CBA_PROTOCOL_ANY) != CBA_R_REQ_SERVER_PATH) {
            fail_msg("%s", bad[i]);
        }
    }
    for (size_t i = 0; i < COUNT(good); i++) {
        if (cba_path_is_server(exact(good[i])) ||
            check("POST", good[i], false, CBA_PROTOCOL_ACTIVESYNC) != CBA_R_OK) {
            fail_msg("%s", good[i]);
        }
    }
    /* As a back end's URL it may be anything. */
    assert_false(cba_path_is_server(exact("")));
    assert_false(cba_path_is_server(cba_span_of(NULL, 0)));
    assert_false(cba_path_is_server(exact("/Microsoft-Server-ActiveSync/Prox%7")));
    assert_false(cba_path_is_server(exact("/Microsoft-Server-ActiveSync/%")));
    assert_true(cba_path_is_server(EXACT("\0/Microsoft-Server-ActiveSync/Proxy/\xff")));
}

static void autodiscover(void **state)
{
    static const char *const good[] = {
        "/Autodiscover/Autodiscover.xml",   "/autodiscover/autodiscover.xml",
        "/AutoDiscover/AutoDiscover.xml",   "/AUTODISCOVER/AUTODISCOVER.XML",
        "/Autodiscover/Autodiscover.xml?x", "/%41utodiscover/Autodiscover%2exml",
        "//autodiscover//autodiscover.xml", "https://h/autodiscover/autodiscover.xml",
    };
    static const char *const bad[] = {
        "/",
        "/autodiscover",
        "/autodiscover/",
        "/autodiscover.xml",
        "/autodiscover/autodiscover.xml/",
        "/autodiscover/autodiscover.xml/x",
        "/autodiscover/autodiscover.xml.",
        "/autodiscover/autodiscover.xml%20",
        "/autodiscover/autodiscover.xm",
        "/autodiscover/autodiscover.json",
        "/autodiscover/autodiscover.json/v1.0/alice@contoso.com",
        "/autodiscover/autodiscover.svc",
        "/autodiscover/autodiscoverXxml",
        "/x/autodiscover/autodiscover.xml",
        "https://autodiscover/autodiscover.xml",
        "/owa",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        if (check("POST", good[i], false, CBA_PROTOCOL_AUTODISCOVER) != CBA_R_OK) {
            fail_msg("%s", good[i]);
        }
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (check("POST", bad[i], false, CBA_PROTOCOL_AUTODISCOVER) !=
            CBA_R_REQ_AUTODISCOVER_PATH) {
            fail_msg("%s", bad[i]);
        }
    }
    assert_false(cba_path_is_autodiscover(exact("")));
    assert_false(cba_path_is_autodiscover(exact("*")));
}

static void methods_of_autodiscover(void **state)
{
    static const char *const bad[] = {"GET", "HEAD", "OPTIONS", "PUT", "post", "TRACE", ""};

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(
            check(bad[i], "/autodiscover/autodiscover.xml", false, CBA_PROTOCOL_AUTODISCOVER),
            CBA_R_REQ_METHOD);
    }
    assert_int_equal(check("POST", "/autodiscover/../x", false, CBA_PROTOCOL_AUTODISCOVER),
                     CBA_R_REQ_PATH);
}

static void content_types(void **state)
{
    static const char *const good[] = {
        "text/xml",      "TEXT/XML", "text/xml; charset=utf-8", "text/xml;charset=\"utf-8\"",
        "text/xml \t;x", "text/xml "};
    static const char *const bad[] = {"",          "text/xm",    "text/xmlx",
                                      "text/html", " text/xml",  "application/xml",
                                      "text/xml,", "text/xml x", "application/vnd.ms-sync.wbxml",
                                      "text /xml", "text/xml\n;"};

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(cba_request_is_xml(exact(good[i])));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(cba_request_is_xml(exact(bad[i])));
    }
}

static void query_of_a_target(void **state)
{
    static const char *const targets[][2] = {{"/x", ""},    {"/x?", ""}, {"/x?a=b", "a=b"},
                                             {"/x??", "?"}, {"?y", "y"}, {"https://h?z", "z"}};

    (void)state;
    for (size_t i = 0; i < COUNT(targets); i++) {
        struct cba_request request = {.target = exact(targets[i][0])};
        struct cba_span query = cba_request_query(&request);

        assert_int_equal(query.len, strlen(targets[i][1]));
        assert_memory_equal(query.ptr, targets[i][1], query.len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_of_activesync),
        cmocka_unit_test(methods_of_any),
        cmocka_unit_test(method_with_nul),
        cmocka_unit_test(zeroed_protocol_allows_nothing),
        cmocka_unit_test(upgrade),
        cmocka_unit_test(path_is_checked_with_the_request),
        cmocka_unit_test(paths),
        cmocka_unit_test(paths_read_differently),
        cmocka_unit_test(every_byte),
        cmocka_unit_test(target_length),
        cmocka_unit_test(server_path),
        cmocka_unit_test(autodiscover),
        cmocka_unit_test(methods_of_autodiscover),
        cmocka_unit_test(content_types),
        cmocka_unit_test(query_of_a_target),
        cmocka_unit_test(claims),
        cmocka_unit_test(challenges),
        cmocka_unit_test(head_that_challenges),
        cmocka_unit_test(offers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
