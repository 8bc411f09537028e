/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_spn_rule.h"

#include "cba_limits.h"
#include "cba_value.h"

static struct cba_span after(struct cba_span text, size_t len)
{
    return cba_span_of(text.ptr + len, text.len - len);
}

static size_t index_of(struct cba_span text, unsigned char c)
{
    const unsigned char *found = text.len > 0 ? memchr(text.ptr, c, text.len) : NULL;

    return found ? (size_t)(found - text.ptr) : text.len;
}

bool cba_spn_rule_read(struct cba_span word, struct cba_spn_rule *rule)
{
    size_t len = index_of(word, ':');

    rule->host = cba_span_of(word.ptr, len);
    rule->port = 0;
    return cba_value_host(rule->host) &&
           (len == word.len || cba_value_port(after(word, len + 1), &rule->port));
}

bool cba_spn_is_http(struct cba_span word)
{
    static const char service[] = "http/";
    struct cba_span begin = cba_span_str(service);
    struct cba_spn_rule name;

    return word.len > begin.len && word.len <= CBA_SPN_MAX &&
           cba_span_equal_nocase(cba_span_of(word.ptr, begin.len), begin) &&
           cba_spn_rule_read(after(word, begin.len), &name);
}

bool cba_spn_rule_same(const struct cba_spn_rule *a, const struct cba_spn_rule *b)
{
    return a->port == b->port && cba_span_equal_nocase(a->host, b->host);
}

int cba_spn_rule_fit(const struct cba_spn_rule *rule, struct cba_span host, int port)
{
    if (rule->host.len == 0) {
        return 1;
    }
    if (!cba_span_equal_nocase(rule->host, host)) {
        return 0;
    }
    return rule->port == 0 ? 2 : rule->port == port ? 3 : 0;
}

/* Cuts "scheme://authority" off *url, without the port of https. */
static bool take_origin(struct cba_span *url, struct cba_span *scheme, struct cba_span *host,
                        int *port)
{
    struct cba_span rest;
    size_t len = index_of(*url, ':');

    if (url->len - len < 3 || memcmp(url->ptr + len, "://", 3) != 0) {
        return false;
    }
    *scheme = cba_span_of(url->ptr, len);
    rest = after(*url, len + 3);
    len = index_of(rest, '/');
    if (index_of(rest, '?') < len) {
        len = index_of(rest, '?');
    }
    *url = after(rest, len);
    rest.len = len;
    len = index_of(rest, ':');
    *host = cba_span_of(rest.ptr, len);
    *port = cba_span_equal_nocase(*scheme, cba_span_str("https")) ? CBA_HTTPS_PORT : 0;
    return host->len > 0 && (len == rest.len || cba_value_port(after(rest, len + 1), port));
}

bool cba_spn_url_host(struct cba_span url, struct cba_span *host, int *port)
{
    struct cba_span scheme;

    return take_origin(&url, &scheme, host, port) &&
           cba_span_equal_nocase(scheme, cba_span_str("https"));
}

bool cba_spn_url_begins(struct cba_span url, struct cba_span name)
{
    struct cba_span scheme[2], host[2];
    int port[2];

    if (!take_origin(&url, &scheme[0], &host[0], &port[0]) ||
        !take_origin(&name, &scheme[1], &host[1], &port[1]) || port[0] != port[1] ||
        !cba_span_equal_nocase(scheme[0], scheme[1]) || !cba_span_equal_nocase(host[0], host[1])) {
        return false;
    }
    while (name.len > 0 && name.ptr[name.len - 1] == '/') {
        name.len--;
    }
    return name.len <= url.len && cba_span_equal_nocase(cba_span_of(url.ptr, name.len), name) &&
           (name.len == url.len || url.ptr[name.len] == '/' || url.ptr[name.len] == '?');
}
