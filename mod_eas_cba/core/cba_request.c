/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_request.h"

#include "cba_limits.h"

static bool equal(struct cba_span a, const char *b)
{
    return a.len == strlen(b) && memcmp(a.ptr, b, a.len) == 0;
}

/* RFC 9110 5.6.2 */
static bool is_token(struct cba_span s)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = cba_ascii_lower(s.ptr[i]);

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              (c != '\0' && strchr(marks, c) != NULL))) {
            return false;
        }
    }
    return s.len > 0;
}

static bool is_method_of(struct cba_span method, enum cba_protocol protocol)
{
    switch (protocol) {
    case CBA_PROTOCOL_ACTIVESYNC:
        return equal(method, "POST") || equal(method, "OPTIONS");
    case CBA_PROTOCOL_AUTODISCOVER:
        return equal(method, "POST");
    case CBA_PROTOCOL_ANY:
        /* Some back ends read methods without case. */
        return is_token(method) && !cba_span_equal_nocase(method, cba_span_str("TRACE")) &&
               !cba_span_equal_nocase(method, cba_span_str("CONNECT"));
    }
    return false;
}

/* Takes scheme and authority of an absolute-form off the target (RFC 9112 3.2.2). What is left
 * begins with '/', '?', or is empty. */
static bool take_authority(struct cba_span *target)
{
    static const char *const schemes[] = {"http://", "https://"};
    size_t start = 0, at;

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        struct cba_span scheme = cba_span_str(schemes[i]);

        if (target->len > scheme.len &&
            cba_span_equal_nocase(cba_span_of(target->ptr, scheme.len), scheme)) {
            start = scheme.len;
        }
    }
    if (start == 0) {
        return false;
    }
    for (at = start; at < target->len && target->ptr[at] != '/' && target->ptr[at] != '?'; at++) {
        unsigned char c = cba_ascii_lower(target->ptr[at]);

        /* No user name, no escape: only what host names, addresses and ports are made of. */
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              (c != '\0' && strchr("-._:[]", c) != NULL))) {
            return false;
        }
    }
    *target = cba_span_of(target->ptr + at, target->len - at);
    return at > start;
}

/* One byte of the path, decoded once. -1: a malformed escape, or what servers disagree on. */
static int take_byte(struct cba_span *path)
{
    static const char encoded[] = "/\\%;"; /* decoded before or after the path is taken apart? */
    bool escaped = path->ptr[0] == '%';
    int c = cba_span_take_escaped(path);

    if (escaped ? c <= 0 || strchr(encoded, c) != NULL : c == '\\' || c == ';') {
        return -1;
    }
    return c;
}

/* The path as it is after decoding, byte for byte: its UTF-8 and its segments. */
struct reader {
    unsigned char character[4]; /* the UTF-8 character begun */
    size_t begun;
    bool dots; /* the segment has nothing but dots and blanks so far, and a dot */
    bool other;
};

/* Windows drops trailing dots and blanks of a name, so "... " is as much a dot segment as "..". */
static bool ends_segment(struct reader *reader)
{
    bool dot_segment = reader->dots && !reader->other;

    reader->dots = reader->other = false;
    return !dot_segment;
}

/* False: no UTF-8 begins like this. */
static bool add_byte(struct reader *reader, int c)
{
    size_t len;

    reader->character[reader->begun++] = (unsigned char)c;
    len = cba_span_character(cba_span_of(reader->character, reader->begun));
    if (len > 0) {
        struct cba_span character = cba_span_of(reader->character, len);

        reader->begun = 0;
        return !cba_span_is_control(character);
    }
    return reader->begun < sizeof(reader->character);
}

static bool is_clear_path(struct cba_span path)
{
    struct reader reader = {0};

    while (path.len > 0) {
        int c = path.ptr[0] == '/' ? '/' : 0;

        if (c == '/') {
            path = cba_span_of(path.ptr + 1, path.len - 1);
        } else {
            c = take_byte(&path);
        }
        if (c < 0 || !add_byte(&reader, c)) {
            return false;
        }
        if (c == '/') {
            if (!ends_segment(&reader)) {
                return false;
            }
        } else if (c == '.') {
            reader.dots = true;
        } else if (c != ' ') {
            reader.other = true;
        }
    }
    return reader.begun == 0 && ends_segment(&reader);
}

/* Target without its query. */
static struct cba_span before_query(struct cba_span target)
{
    const unsigned char *query = target.len > 0 ? memchr(target.ptr, '?', target.len) : NULL;

    return query != NULL ? cba_span_of(target.ptr, (size_t)(query - target.ptr)) : target;
}

enum cba_reason cba_path_check(struct cba_span target)
{
    if (target.len == 0 || target.len > CBA_TARGET_MAX) {
        return CBA_R_REQ_PATH;
    }
    /* In the query as well: a request line is split at blanks, and no fragment is ever sent. */
    for (size_t i = 0; i < target.len; i++) {
        if (target.ptr[i] <= 0x20 || target.ptr[i] == 0x7f || target.ptr[i] == '#') {
            return CBA_R_REQ_PATH;
        }
    }
    if (target.ptr[0] != '/' && !take_authority(&target)) {
        return CBA_R_REQ_PATH;
    }
    return is_clear_path(before_query(target)) ? CBA_R_OK : CBA_R_REQ_PATH;
}

/* Cuts the next segment that is not empty off a path. False: there is none. */
static bool take_segment(struct cba_span *path, struct cba_span *segment)
{
    size_t start = 0, end;

    while (start < path->len && path->ptr[start] == '/') {
        start++;
    }
    for (end = start; end < path->len && path->ptr[end] != '/'; end++) {
    }
    *segment = cba_span_of(path->ptr + start, end - start);
    *path = cba_span_of(path->ptr + end, path->len - end);
    return segment->len > 0;
}

/* Is this segment, decoded and without case, that name? Dots and blanks at its end, which Windows
 * drops, count only where exact. */
static bool is_segment(struct cba_span segment, const char *lower, bool exact)
{
    size_t len = strlen(lower), at = 0;

    while (segment.len > 0) {
        int c = cba_span_take_escaped(&segment);

        if (at < len ? c < 0 || cba_ascii_lower((unsigned char)c) != (unsigned char)lower[at]
                     : exact || (c != '.' && c != ' ')) {
            return false;
        }
        at++;
    }
    return at >= len;
}

bool cba_path_is_server(struct cba_span target)
{
    struct cba_span path = before_query(target), segment;
    bool inside = false;

    while (take_segment(&path, &segment)) {
        if (inside && is_segment(segment, "proxy", false)) {
            return true;
        }
        inside = is_segment(segment, "microsoft-server-activesync", false);
    }
    return false;
}

bool cba_path_is_autodiscover(struct cba_span target)
{
    struct cba_span path, segment;

    if (target.len == 0 || (target.ptr[0] != '/' && !take_authority(&target))) {
        return false;
    }
    path = before_query(target);
    return take_segment(&path, &segment) && is_segment(segment, "autodiscover", true) &&
           take_segment(&path, &segment) && is_segment(segment, "autodiscover.xml", true) &&
           path.len == 0;
}

struct cba_span cba_request_query(const struct cba_request *request)
{
    size_t len = before_query(request->target).len;

    return len < request->target.len
               ? cba_span_of(request->target.ptr + len + 1, request->target.len - len - 1)
               : cba_span_of(request->target.ptr + len, 0);
}

enum cba_reason cba_request_check(const struct cba_request *request, enum cba_protocol protocol)
{
    enum cba_reason reason;

    if (request->upgrade) {
        return CBA_R_REQ_UPGRADE;
    }
    if (!is_method_of(request->method, protocol)) {
        return CBA_R_REQ_METHOD;
    }
    if ((reason = cba_path_check(request->target)) != CBA_R_OK) {
        return reason;
    }
    if (cba_path_is_server(request->target)) {
        return CBA_R_REQ_SERVER_PATH;
    }
    if (protocol == CBA_PROTOCOL_AUTODISCOVER && !cba_path_is_autodiscover(request->target)) {
        return CBA_R_REQ_AUTODISCOVER_PATH;
    }
    return CBA_R_OK;
}

bool cba_request_is_xml(struct cba_span content_type)
{
    static const char type[] = "text/xml";
    size_t len = sizeof(type) - 1;

    if (content_type.len < len ||
        !cba_span_equal_nocase(cba_span_of(content_type.ptr, len), cba_span_str(type))) {
        return false;
    }
    while (len < content_type.len &&
           (content_type.ptr[len] == ' ' || content_type.ptr[len] == '\t')) {
        len++;
    }
    return len == content_type.len || content_type.ptr[len] == ';';
}

/* A header field's name, or the beginning of it, without case and with '_' for '-': CGI and some
 * back ends cannot tell the two apart. */
static bool is_header(struct cba_span name, const char *lower, bool prefix)
{
    size_t len = strlen(lower);

    if (prefix ? name.len < len : name.len != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = name.ptr[i] == '_' ? '-' : cba_ascii_lower(name.ptr[i]);

        if (c != (unsigned char)lower[i]) {
            return false;
        }
    }
    return true;
}

bool cba_header_is_claim(struct cba_span name)
{
    static const char *const claims[] = {
        "authorization", "proxy-authorization", "forwarded",          "x-remote-user",
        "x-isfromcafe",  "x-commonaccesstoken", "x-sourcecafeserver",
    };

    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        if (is_header(name, claims[i], false)) {
            return true;
        }
    }
    return is_header(name, "x-forwarded-", true);
}

bool cba_header_is_challenge(struct cba_span name)
{
    static const char *const challenges[] = {
        "www-authenticate",    "proxy-authenticate",        "persistent-auth",
        "authentication-info", "proxy-authentication-info",
    };

    for (size_t i = 0; i < sizeof(challenges) / sizeof(challenges[0]); i++) {
        if (is_header(name, challenges[i], false)) {
            return true;
        }
    }
    return false;
}

/* The next element of a list whose commas inside of quoted strings do not count (RFC 9110 5.6.1). */
static struct cba_span take_element(struct cba_span *list)
{
    struct cba_span element = {list->ptr, 0};
    bool quoted = false;

    while (element.len < list->len && (quoted || list->ptr[element.len] != ',')) {
        if (quoted && list->ptr[element.len] == '\\' && element.len + 1 < list->len) {
            element.len++;
        } else if (list->ptr[element.len] == '"') {
            quoted = !quoted;
        }
        element.len++;
    }
    list->ptr += element.len;
    list->len -= element.len;
    if (list->len > 0) { /* the comma */
        list->ptr++;
        list->len--;
    }
    return element;
}

static struct cba_span skip_blanks(struct cba_span text)
{
    while (text.len > 0 && (*text.ptr == ' ' || *text.ptr == '\t')) {
        text.ptr++;
        text.len--;
    }
    return text;
}

bool cba_challenge_offers(struct cba_span value, const char *scheme)
{
    size_t len = strlen(scheme);

    while (value.len > 0) {
        struct cba_span element = skip_blanks(take_element(&value));
        struct cba_span rest;

        if (element.len < len ||
            !cba_span_equal_nocase(cba_span_of(element.ptr, len), cba_span_str(scheme))) {
            continue;
        }
        rest = cba_span_of(element.ptr + len, element.len - len);
        if (rest.len > 0 && *rest.ptr != ' ' && *rest.ptr != '\t') {
            continue; /* a longer word */
        }
        rest = skip_blanks(rest);
        if (rest.len == 0 || *rest.ptr != '=') { /* else a parameter of that name */
            return true;
        }
    }
    return false;
}

/* One line without its end (RFC 9112 2.2). False: there is no whole one. */
static bool take_line(struct cba_span *text, struct cba_span *line)
{
    const unsigned char *end = text->len > 0 ? memchr(text->ptr, '\n', text->len) : NULL;
    size_t len;

    if (end == NULL || end == text->ptr || end[-1] != '\r') {
        return false;
    }
    len = (size_t)(end - text->ptr) + 1;
    *line = cba_span_of(text->ptr, len - 2);
    *text = cba_span_of(text->ptr + len, text->len - len);
    return true;
}

bool cba_head_challenges(struct cba_span head, const char *scheme)
{
    static const char status[] = "HTTP/1.? 401", name[] = "WWW-Authenticate:";
    const size_t version = sizeof "HTTP/1." - 1, name_len = sizeof name - 1;
    bool offers = false;
    struct cba_span line;

    if (!take_line(&head, &line) || line.len < sizeof status - 1 ||
        memcmp(line.ptr, status, version) != 0 ||
        memcmp(line.ptr + version + 1, status + version + 1, sizeof status - 1 - version - 1) !=
            0 ||
        (line.len > sizeof status - 1 && line.ptr[sizeof status - 1] != ' ')) {
        return false;
    }
    while (take_line(&head, &line)) {
        if (line.len == 0) {
            return offers;
        }
        if (line.len >= name_len &&
            cba_span_equal_nocase(cba_span_of(line.ptr, name_len), cba_span_str(name))) {
            offers = offers || cba_challenge_offers(
                                   cba_span_of(line.ptr + name_len, line.len - name_len), scheme);
        }
    }
    return false;
}
