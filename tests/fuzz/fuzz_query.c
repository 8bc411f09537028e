/* SPDX-License-Identifier: Apache-2.0
 *
 * An ActiveSync query, in either form; the same bytes as the two header fields. What could be the
 * binary form is encoded as base64 as well, so that the fuzzer need not learn it.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "cba_query.h"

static void check(int promise)
{
    if (!promise) {
        abort();
    }
}

static void check_text(const char *text, size_t size)
{
    const char *end = memchr(text, '\0', size);

    check(end != NULL);
    check(cba_span_is_text(cba_span_of(text, (size_t)(end - text))));
}

static void check_facts(const struct cba_query *query)
{
    check_text(query->device_id, sizeof(query->device_id));
    check_text(query->device_type, sizeof(query->device_type));
    check_text(query->user, sizeof(query->user));
    for (const char *c = query->device_id; *c != '\0'; c++) {
        check(strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-", *c) !=
              NULL);
    }
    check((unsigned)query->command < CBA_COMMAND_COUNT);
}

static void feed(struct cba_span text)
{
    struct cba_query query, other;
    struct cba_result result = {""};
    enum cba_reason reason = cba_query_parse(text, &query, &result);
    bool plain = text.len > 0 && memchr(text.ptr, '&', text.len) != NULL;

    check_facts(&query);
    check(cba_query_parse(text, &other, NULL) == reason);
    if (reason == CBA_R_OK) {
        check(result.detail[0] == '\0' && text.len <= CBA_QUERY_MAX);
        check(query.form == (plain ? CBA_QUERY_PLAIN : CBA_QUERY_BASE64));
        check(query.command != CBA_COMMAND_NONE && query.device_id[0] && query.device_type[0]);
        check(plain ? query.user[0] && query.version == 0 && !query.has_policy_key
                    : query.version >= 121 && query.version <= 161);
    } else {
        check(reason == CBA_R_REQ_QUERY && result.detail[0] != '\0');
    }
    cba_query_add_headers(&query, text, text);
    check_facts(&query);
    check(query.version <= 999);
}

static void feed_encoded(const uint8_t *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc((size + 2) / 3 * 4 + 1);
    size_t len = 0;

    check(text != NULL);
    for (size_t i = 0; i < size; i += 3) {
        uint32_t bits = (uint32_t)data[i] << 16;

        bits |= i + 1 < size ? (uint32_t)data[i + 1] << 8 : 0;
        bits |= i + 2 < size ? data[i + 2] : 0;
        text[len++] = digits[bits >> 18];
        text[len++] = digits[bits >> 12 & 63];
        text[len++] = i + 1 < size ? digits[bits >> 6 & 63] : '=';
        text[len++] = i + 2 < size ? digits[bits & 63] : '=';
    }
    feed(cba_span_of(text, len));
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && (data[0] == 121 || data[0] >= 140)) { /* versions of the binary form */
        feed_encoded(data, size);
    }
    feed(cba_span_of(data, size));
    return 0;
}
