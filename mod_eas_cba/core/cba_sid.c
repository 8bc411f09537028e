/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_sid.h"

#include <stdio.h>

#define REVISION           1
#define SUBAUTHORITIES_MAX 15
#define HEADER             8 /* revision, count, authority */

/* Takes a decimal number below 2^32 without leading zeros from the front of *text. */
static bool take_number(struct cba_span *text, uint32_t *out)
{
    uint64_t value = 0;
    size_t n = 0;

    while (n < text->len && text->ptr[n] >= '0' && text->ptr[n] <= '9') {
        value = value * 10 + (uint64_t)(text->ptr[n] - '0');
        n++;
        if (value > UINT32_MAX || (n > 1 && text->ptr[0] == '0')) {
            return false;
        }
    }
    if (n == 0) {
        return false;
    }
    *out = (uint32_t)value;
    text->ptr += n;
    text->len -= n;
    return true;
}

static bool take_dash(struct cba_span *text)
{
    if (text->len == 0 || text->ptr[0] != '-') {
        return false;
    }
    text->ptr++;
    text->len--;
    return true;
}

/* The grammar of MS-DTYP 2.4.2.1. */
static bool parse_text(struct cba_span text, struct cba_sid *out)
{
    uint32_t number;
    size_t count = 0;

    if (text.len > CBA_SID_TEXT_MAX || text.len < 4 || memcmp(text.ptr, "S-1-", 4) != 0) {
        return false;
    }
    text = cba_span_of(text.ptr + 4, text.len - 4);
    if (!take_number(&text, &number)) {
        return false;
    }
    out->binary[0] = REVISION;
    for (unsigned i = 0; i < 4; i++) { /* the authority is big-endian, its two upper bytes stay 0 */
        out->binary[4 + i] = (unsigned char)(number >> (24 - 8 * i));
    }
    while (text.len > 0) {
        if (count == SUBAUTHORITIES_MAX || !take_dash(&text) || !take_number(&text, &number)) {
            return false;
        }
        for (unsigned i = 0; i < 4; i++) { /* a sub-authority is little-endian (MS-DTYP 2.4.2.2) */
            out->binary[HEADER + 4 * count + i] = (unsigned char)(number >> (8 * i));
        }
        count++;
    }
    out->binary[1] = (unsigned char)count;
    out->len = HEADER + 4 * count;
    return count > 0;
}

bool cba_sid_parse_text(struct cba_span text, struct cba_sid *out)
{
    *out = (struct cba_sid){0};
    if (!parse_text(text, out)) {
        *out = (struct cba_sid){0};
        return false;
    }
    return true;
}

bool cba_sid_parse_binary(struct cba_span binary, struct cba_sid *out)
{
    *out = (struct cba_sid){0};
    if (binary.len < HEADER || binary.ptr[0] != REVISION || binary.ptr[1] == 0 ||
        binary.ptr[1] > SUBAUTHORITIES_MAX || binary.len != HEADER + 4u * binary.ptr[1]) {
        return false;
    }
    out->len = binary.len;
    memcpy(out->binary, binary.ptr, binary.len);
    return true;
}

void cba_sid_format(const struct cba_sid *sid, char text[CBA_SID_TEXT_MAX + 1])
{
    const unsigned char *p = sid->binary + 2;
    const size_t size = CBA_SID_TEXT_MAX + 1;
    uint64_t authority = 0;
    int n;

    text[0] = '\0';
    if (sid->len == 0) {
        return;
    }
    for (; p < sid->binary + HEADER; p++) {
        authority = authority << 8 | *p;
    }
    /* MS-DTYP 2.4.2.1: hexadecimal, always 12 digits, from 2^32 on */
    n = snprintf(text, size, authority > UINT32_MAX ? "S-1-0x%012llX" : "S-1-%llu",
                 (unsigned long long)authority);
    for (; p < sid->binary + sid->len; p += 4) {
        uint32_t number =
            (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;

        n += snprintf(text + n, size - (size_t)n, "-%lu", (unsigned long)number);
    }
}

bool cba_sid_in_domain_of(const struct cba_sid *account, uint32_t rid, struct cba_sid *out)
{
    if (account->len < HEADER + 4) {
        *out = (struct cba_sid){0};
        return false;
    }
    *out = *account;
    for (unsigned i = 0; i < 4; i++) {
        out->binary[out->len - 4 + i] = (unsigned char)(rid >> (8 * i));
    }
    return true;
}

bool cba_sid_equal(const struct cba_sid *a, const struct cba_sid *b)
{
    return a->len > 0 && a->len == b->len && memcmp(a->binary, b->binary, a->len) == 0;
}
