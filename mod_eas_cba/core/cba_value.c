/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_value.h"

#include "cba_limits.h"

#define LABEL_MAX 63  /* a label of a DNS name (RFC 1035 2.3.4) */
#define HOST_MAX  253 /* a DNS name as text */
#define PORT_MAX  65535

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(unsigned char c)
{
    return is_digit(c) || (cba_ascii_lower(c) >= 'a' && cba_ascii_lower(c) <= 'f');
}

/* The whole word in decimal, up to INT64_MAX. */
static bool parse_number(struct cba_span word, int64_t *out)
{
    int64_t value = 0;

    for (size_t i = 0; i < word.len; i++) {
        int digit = word.ptr[i] - '0';

        if (!is_digit(word.ptr[i]) || value > (INT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return word.len > 0;
}

bool cba_value_bytes(struct cba_span word, int64_t *out)
{
    int64_t value;
    int shift = 0;

    if (word.len > 0) {
        switch (cba_ascii_lower(word.ptr[word.len - 1])) {
        case 'k':
            shift = 10;
            break;
        case 'm':
            shift = 20;
            break;
        case 'g':
            shift = 30;
            break;
        default:
            break;
        }
        word.len -= shift > 0 ? 1 : 0;
    }
    if (!parse_number(word, &value) || value == 0 || value > INT64_MAX >> shift) {
        return false;
    }
    *out = value << shift;
    return true;
}

bool cba_value_seconds(struct cba_span word, int64_t least, int64_t most, int64_t *out)
{
    int64_t value;

    if (!parse_number(word, &value) || value < least || value > most) {
        return false;
    }
    *out = value;
    return true;
}

/* Cuts the part before the first separator off *rest, or all of it. False: nothing was left. */
static bool take_part(struct cba_span *rest, unsigned char separator, struct cba_span *part)
{
    const unsigned char *end;

    if (rest->ptr == NULL) {
        return false;
    }
    end = rest->len > 0 ? memchr(rest->ptr, separator, rest->len) : NULL;
    if (end == NULL) {
        *part = *rest;
        *rest = cba_span_of(NULL, 0);
    } else {
        *part = cba_span_of(rest->ptr, (size_t)(end - rest->ptr));
        *rest = cba_span_of(end + 1, rest->len - part->len - 1);
    }
    return true;
}

bool cba_value_oid(struct cba_span word)
{
    struct cba_span arc;
    size_t arcs = 0;
    int first = 0;

    if (word.len > CBA_OID_MAX) {
        return false;
    }
    while (take_part(&word, '.', &arc)) {
        for (size_t i = 0; i < arc.len; i++) {
            if (!is_digit(arc.ptr[i])) {
                return false;
            }
        }
        if (arc.len == 0 || (arc.len > 1 && arc.ptr[0] == '0')) {
            return false;
        }
        /* X.660: three roots, and below the first two no more than 40 arcs */
        if (arcs == 0) {
            first = arc.ptr[0] - '0';
            if (arc.len > 1 || first > 2) {
                return false;
            }
        }
        if (arcs == 1 && first < 2 && (arc.len > 2 || (arc.len == 2 && arc.ptr[0] > '3'))) {
            return false;
        }
        arcs++;
    }
    return arcs >= 2;
}

bool cba_value_pair(struct cba_span word, struct cba_span *name, struct cba_span *value)
{
    struct cba_span rest = word, left;

    if (!take_part(&rest, '=', &left) || left.len == 0 || rest.len == 0) {
        return false;
    }
    *name = left;
    *value = rest;
    return true;
}

/* Four decimal octets without leading zeros. */
static bool is_ipv4(struct cba_span host)
{
    struct cba_span part;
    int64_t octet;
    size_t parts = 0;

    while (take_part(&host, '.', &part)) {
        if (part.len > 3 || (part.len > 1 && part.ptr[0] == '0') || !parse_number(part, &octet) ||
            octet > 255) {
            return false;
        }
        parts++;
    }
    return parts == 4;
}

/* RFC 4291 2.2, without a zone and without the form that ends in an IPv4 address: eight groups, or
 * fewer of them and one "::". */
static bool is_ipv6(struct cba_span host)
{
    size_t groups = 0, i = 0, digits;
    bool gap = host.len >= 2 && host.ptr[0] == ':' && host.ptr[1] == ':';

    if (gap) {
        i = 2;
    }
    while (i < host.len) {
        for (digits = 0; i < host.len && is_hex(host.ptr[i]); i++) {
            digits++;
        }
        if (digits == 0 || digits > 4) {
            return false;
        }
        groups++;
        if (i == host.len) {
            break;
        }
        if (host.ptr[i++] != ':' || i == host.len) {
            return false;
        }
        if (host.ptr[i] == ':') {
            if (gap) {
                return false;
            }
            gap = true;
            i++;
        }
    }
    return gap ? groups <= 7 : groups == 8;
}

/* Labels of letters, digits, '-' and '_' (which AD allows in host names); a last label of digits
 * alone would be an address. */
static bool is_dns_name(struct cba_span host)
{
    struct cba_span label;
    bool numeric = false;

    if (host.len == 0 || host.len > HOST_MAX) {
        return false;
    }
    while (take_part(&host, '.', &label)) {
        if (label.len == 0 || label.len > LABEL_MAX || label.ptr[0] == '-' ||
            label.ptr[label.len - 1] == '-') {
            return false;
        }
        numeric = true;
        for (size_t i = 0; i < label.len; i++) {
            unsigned char c = cba_ascii_lower(label.ptr[i]);

            if (!is_digit(c)) {
                numeric = false;
                if (!((c >= 'a' && c <= 'z') || c == '-' || c == '_')) {
                    return false;
                }
            }
        }
    }
    return !numeric;
}

bool cba_value_port(struct cba_span word, int *out)
{
    int64_t port;

    if (word.len > 5 || word.len == 0 || word.ptr[0] == '0' || !parse_number(word, &port) ||
        port > PORT_MAX) {
        return false;
    }
    *out = (int)port;
    return true;
}

bool cba_value_host(struct cba_span word)
{
    return is_dns_name(word) || is_ipv4(word);
}

static bool is_port(struct cba_span text)
{
    int port;

    return cba_value_port(text, &port);
}

bool cba_value_server(struct cba_span word)
{
    struct cba_span rest = word, host;
    const unsigned char *end;

    if (rest.len == 0) {
        return false;
    }
    if (rest.ptr[0] == '[') {
        end = memchr(rest.ptr, ']', rest.len);
        if (end == NULL || !is_ipv6(cba_span_of(rest.ptr + 1, (size_t)(end - rest.ptr) - 1))) {
            return false;
        }
        rest = cba_span_of(end + 1, rest.len - (size_t)(end - rest.ptr) - 1);
        return rest.len == 0 ||
               (rest.ptr[0] == ':' && is_port(cba_span_of(rest.ptr + 1, rest.len - 1)));
    }
    if (!take_part(&rest, ':', &host) || !cba_value_host(host)) {
        return false;
    }
    return rest.ptr == NULL || is_port(rest);
}

bool cba_value_ldap_uri(struct cba_span word)
{
    static const char *const schemes[] = {"ldap://", "ldaps://"};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        struct cba_span scheme = cba_span_str(schemes[i]);

        if (word.len > scheme.len &&
            cba_span_equal_nocase(cba_span_of(word.ptr, scheme.len), scheme)) {
            return cba_value_server(cba_span_of(word.ptr + scheme.len, word.len - scheme.len));
        }
    }
    return false;
}
