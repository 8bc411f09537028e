/* SPDX-License-Identifier: Apache-2.0
 *
 * A SID, the same bytes as text and as binary form.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "cba_sid.h"

static void check(int promise)
{
    if (!promise) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[CBA_SID_TEXT_MAX + 1];
    struct cba_sid sid, again;

    if (cba_sid_parse_text(cba_span_of(data, size), &sid)) {
        /* one text for each SID, one SID for each text */
        cba_sid_format(&sid, text);
        check(strlen(text) == size && memcmp(text, data, size) == 0);
        check(cba_sid_parse_binary(cba_span_of(sid.binary, sid.len), &again));
        check(cba_sid_equal(&sid, &again));
    } else {
        check(sid.len == 0);
    }
    if (cba_sid_parse_binary(cba_span_of(data, size), &sid)) {
        check(sid.len == size && memcmp(sid.binary, data, size) == 0);
        cba_sid_format(&sid, text);
        check(memchr(text, '\0', sizeof(text)) != NULL);
        if (data[2] == 0 && data[3] == 0) { /* an authority below 2^32 */
            check(cba_sid_parse_text(cba_span_str(text), &again));
            check(cba_sid_equal(&sid, &again));
        }
    } else {
        check(sid.len == 0);
    }
    return 0;
}
