/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_escape.h"

static const char digits[] = "0123456789abcdef";

/* Writes the first character of text, escaped if need be, and what it took of text to *taken.
 * Returns how much was written: at most 8 bytes (a C1 control, both bytes escaped). */
static size_t escape_character(struct cba_span text, char out[8], size_t *taken)
{
    size_t len = cba_span_character(text), n = 0;

    *taken = len > 0 ? len : 1;
    if (len > 0 && !cba_span_is_control(cba_span_of(text.ptr, len)) && text.ptr[0] != '"' &&
        text.ptr[0] != '\\') {
        memcpy(out, text.ptr, len);
        return len;
    }
    for (size_t i = 0; i < *taken; i++) {
        out[n++] = '\\';
        out[n++] = 'x';
        out[n++] = digits[text.ptr[i] >> 4];
        out[n++] = digits[text.ptr[i] & 15];
    }
    return n;
}

const char *cba_escape_log(struct cba_span text, char *out, size_t size)
{
    static const char more[] = "...";
    size_t at = 0, room = 0; /* room: the last place from which "..." still fits */
    size_t taken, n;
    char piece[8];

    while (text.len > 0) {
        n = escape_character(text, piece, &taken);
        if (at + sizeof(more) <= size) {
            room = at;
        }
        if (n >= size - at) {
            memcpy(out + room, more, sizeof(more));
            return out;
        }
        memcpy(out + at, piece, n);
        at += n;
        text = cba_span_of(text.ptr + taken, text.len - taken);
    }
    out[at] = '\0';
    return out;
}

static bool is_plain(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool cba_escape_filter(struct cba_span text, char *out, size_t size, size_t *at)
{
    size_t need = 0;
    char *p = out + *at;

    for (size_t i = 0; i < text.len; i++) {
        need += is_plain(text.ptr[i]) ? 1 : 3;
    }
    if (*at >= size || need >= size - *at) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = text.ptr[i];

        if (is_plain(c)) {
            *p++ = (char)c;
        } else {
            *p++ = '\\';
            *p++ = digits[c >> 4];
            *p++ = digits[c & 15];
        }
    }
    *p = '\0';
    *at += need;
    return true;
}
