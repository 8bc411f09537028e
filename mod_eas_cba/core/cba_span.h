/* SPDX-License-Identifier: Apache-2.0
 *
 * A borrowed piece of memory: bytes of somebody else, not terminated, valid as long as their owner keeps them. Any thread.
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

/* Equal but for the case of ASCII letters. Bytes beyond ASCII must be the same. */
bool cba_span_equal_nocase(struct cba_span a, struct cba_span b);

/* Well-formed UTF-8 (RFC 3629: no overlong form, no surrogate, nothing beyond U+10FFFF) without NUL, C0 controls and DEL. */
bool cba_span_is_text(struct cba_span s);

#endif
