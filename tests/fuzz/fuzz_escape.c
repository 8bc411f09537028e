/* SPDX-License-Identifier: Apache-2.0
 *
 * Text for a log line and for a filter; the first byte is the room that there is.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "cba_escape.h"

static void check(int promise)
{
    if (!promise) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cba_span text;
    size_t room, at = 0;
    char *out;

    if (size == 0) {
        return 0;
    }
    room = 8 + (size_t)data[0];
    text = cba_span_of(data + 1, size - 1);
    out = malloc(room);
    check(out != NULL);

    check(cba_escape_log(text, out, room) == out);
    check(memchr(out, '\0', room) != NULL);
    check(cba_span_is_text(cba_span_str(out)));
    check(strchr(out, '"') == NULL);

    out[0] = '\0';
    if (cba_escape_filter(text, out, room, &at)) {
        size_t n = 0;

        check(at == strlen(out) && at < room);
        for (size_t i = 0; i < at; i++, n++) { /* and back */
            char digits[3] = {0};

            if (out[i] == '\\') {
                check(i + 2 < at);
                memcpy(digits, out + i + 1, 2);
                check(n < text.len && text.ptr[n] == strtoul(digits, NULL, 16));
                i += 2;
            } else {
                check(n < text.len && text.ptr[n] == (unsigned char)out[i]);
            }
        }
        check(n == text.len);
    } else {
        check(at == 0 && out[0] == '\0');
    }
    free(out);
    return 0;
}
