/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_span.h"

static int hex_value(unsigned char c)
{
    c = cba_ascii_lower(c);
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int cba_span_take_escaped(struct cba_span *text)
{
    int c = text->ptr[0];
    size_t len = 1;

    if (c == '%') {
        int high = text->len >= 3 ? hex_value(text->ptr[1]) : -1;
        int low = text->len >= 3 ? hex_value(text->ptr[2]) : -1;

        if (high < 0 || low < 0) {
            return -1;
        }
        c = high * 16 + low;
        len = 3;
    }
    *text = cba_span_of(text->ptr + len, text->len - len);
    return c;
}

bool cba_span_equal_nocase(struct cba_span a, struct cba_span b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (cba_ascii_lower(a.ptr[i]) != cba_ascii_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

size_t cba_span_character(struct cba_span s)
{
    unsigned char low = 0x80, high = 0xbf; /* bounds of the second byte (RFC 3629 4) */
    unsigned char first;
    size_t len;

    if (s.len == 0) {
        return 0;
    }
    first = s.ptr[0];
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xc2 && first <= 0xdf) {
        len = 2;
    } else if (first >= 0xe0 && first <= 0xef) {
        len = 3;
        low = first == 0xe0 ? 0xa0 : low;   /* overlong */
        high = first == 0xed ? 0x9f : high; /* surrogates */
    } else if (first >= 0xf0 && first <= 0xf4) {
        len = 4;
        low = first == 0xf0 ? 0x90 : low;   /* overlong */
        high = first == 0xf4 ? 0x8f : high; /* beyond U+10FFFF */
    } else {
        return 0;
    }
    if (s.len < len || s.ptr[1] < low || s.ptr[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if (s.ptr[i] < 0x80 || s.ptr[i] > 0xbf) {
            return 0;
        }
    }
    return len;
}

bool cba_span_is_control(struct cba_span character)
{
    unsigned char first = character.ptr[0];

    return first < 0x20 || first == 0x7f ||
           (character.len == 2 && first == 0xc2 && character.ptr[1] < 0xa0);
}

bool cba_span_is_text(struct cba_span s)
{
    size_t len;

    for (; s.len > 0; s.ptr += len, s.len -= len) {
        len = cba_span_character(s);
        if (len == 0 || cba_span_is_control(cba_span_of(s.ptr, len))) {
            return false;
        }
    }
    return true;
}
