/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_dn.h"

/* Takes "<KEY=value>;" from the front of *left, which begins with '<'. */
static bool take_component(struct cba_span *left, struct cba_span *key, struct cba_span *value)
{
    const unsigned char *end = memchr(left->ptr, '>', left->len);
    const unsigned char *equals = memchr(left->ptr, '=', left->len);
    size_t len;

    if (end == NULL || equals == NULL || equals > end) {
        return false;
    }
    len = (size_t)(end - left->ptr) + 1;
    if (len == left->len || end[1] != ';') {
        return false;
    }
    *key = cba_span_of(left->ptr + 1, (size_t)(equals - left->ptr) - 1);
    *value = cba_span_of(equals + 1, (size_t)(end - equals) - 1);
    *left = cba_span_of(left->ptr + len + 1, left->len - len - 1);
    return true;
}

static bool parse(struct cba_span value, struct cba_dn *out)
{
    struct cba_span key, content;

    while (value.len > 0 && value.ptr[0] == '<') {
        if (!take_component(&value, &key, &content)) {
            return false;
        }
        if (cba_span_equal_nocase(key, cba_span_str("SID")) &&
            (out->sid.len > 0 || !cba_sid_parse_text(content, &out->sid))) {
            return false;
        }
    }
    out->text = value;
    return true;
}

bool cba_dn_parse(struct cba_span value, struct cba_dn *out)
{
    *out = (struct cba_dn){0};
    if (!parse(value, out)) {
        *out = (struct cba_dn){0};
        return false;
    }
    return true;
}
