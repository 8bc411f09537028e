/* SPDX-License-Identifier: Apache-2.0
 *
 * Test inputs in blocks of exactly their size, so that ASan sees the first byte read beyond them,
 * which a string literal's own NUL would hide.
 */
#ifndef CBA_EXACT_H
#define CBA_EXACT_H

#include <stdlib.h>

#include "cba_span.h"

/* The span lives until 16 others were made. */
static inline struct cba_span exact_bytes(const void *bytes, size_t len)
{
    static void *blocks[16];
    static size_t next;
    void **block = &blocks[next++ % 16];

    free(*block);
    *block = malloc(len);
    if (len > 0) {
        memcpy(*block, bytes, len);
    }
    return cba_span_of(*block, len);
}

static inline struct cba_span exact(const char *text)
{
    return exact_bytes(text, strlen(text));
}

/* A literal with NULs in it. */
#define EXACT(literal) exact_bytes(literal, sizeof(literal) - 1)

/* count times the same byte. */
static inline struct cba_span exact_fill(unsigned char byte, size_t count)
{
    unsigned char *bytes = malloc(count + 1);
    struct cba_span span;

    memset(bytes, byte, count);
    span = exact_bytes(bytes, count);
    free(bytes);
    return span;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
