/* SPDX-License-Identifier: Apache-2.0
 *
 * A borrowed piece of memory: bytes of somebody else, not terminated, valid as long as their owner
 * keeps them. Any thread.
 */
#ifndef CBA_SPAN_H
#define CBA_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct cba_span {
    const unsigned char *ptr;
    size_t len;
};

static inline struct cba_span cba_span_of(const void *ptr, size_t len)
{
    return (struct cba_span){ptr, len};
}

static inline struct cba_span cba_span_str(const char *text)
{
    return (struct cba_span){(const unsigned char *)text, strlen(text)};
}

/* ASCII lower case of one byte; every other byte unchanged, whatever the locale. */
static inline unsigned char cba_ascii_lower(unsigned char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static inline unsigned char cba_ascii_upper(unsigned char c)
{
    return (unsigned char)(c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c);
}

/* Takes the first byte off *text (not empty): itself, or what "%hh" stands for (RFC 3986 2.1).
 * -1: a '%' without two hex digits; *text is unchanged. */
int cba_span_take_escaped(struct cba_span *text);

/* Equal but for the case of ASCII letters. Bytes beyond ASCII must be the same. */
bool cba_span_equal_nocase(struct cba_span a, struct cba_span b);

/* Length of the UTF-8 character that s begins with (RFC 3629: no overlong form, no surrogate,
 * nothing beyond U+10FFFF). 0: s is empty, or does not begin with a well-formed character. */
size_t cba_span_character(struct cba_span s);

/* Is this one character (not empty) a control: NUL, C0, DEL or C1 (U+0080 to U+009F)? */
bool cba_span_is_control(struct cba_span character);

/* Well-formed UTF-8 without controls. The empty span is text. */
bool cba_span_is_text(struct cba_span s);

#endif
