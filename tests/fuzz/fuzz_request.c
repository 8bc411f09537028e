/* SPDX-License-Identifier: Apache-2.0
 *
 * A request target, checked against what a back end would make of it; the same bytes as the name of
 * a header field.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "cba_request.h"

static void check(int promise)
{
    if (!promise) {
        abort();
    }
}

static int hex(int c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* Decodes the path twice, which some back ends do, and looks for what must not be in it then. */
static void check_path(const uint8_t *path, size_t len)
{
    uint8_t *decoded = malloc(len + 2);
    size_t n = 0;

    check(decoded != NULL);
    for (size_t i = 0; i < len; i++) {
        if (path[i] == '%') {
            check(i + 2 < len);
            decoded[n] = (uint8_t)(hex(path[i + 1]) * 16 + hex(path[i + 2]));
            check(decoded[n] != '/' && decoded[n] != '%');
            i += 2;
        } else {
            decoded[n] = path[i];
        }
        check(decoded[n] >= 0x20 && decoded[n] != 0x7f);
        check(decoded[n] != '\\' && decoded[n] != ';');
        n++;
    }
    check(cba_span_is_text(cba_span_of(decoded, n)));
    decoded[n] = '/';
    decoded[n + 1] = '\0';
    check(strstr((char *)decoded, "/./") == NULL && strstr((char *)decoded, "/../") == NULL);
    free(decoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cba_span target = cba_span_of(data, size);
    struct cba_request request = {.method = cba_span_str("POST"), .target = target};
    enum cba_reason reason = cba_path_check(target);

    check(reason == CBA_R_OK || reason == CBA_R_REQ_PATH);
    if (reason == CBA_R_OK && cba_path_is_server(target)) {
        reason = CBA_R_REQ_SERVER_PATH;
    }
    check(cba_request_check(&request, CBA_PROTOCOL_ACTIVESYNC) == reason);
    if (reason == CBA_R_OK) {
        check(cba_request_check(&request, CBA_PROTOCOL_AUTODISCOVER) ==
              (cba_path_is_autodiscover(target) ? CBA_R_OK : CBA_R_REQ_AUTODISCOVER_PATH));
    }
    (void)cba_request_is_xml(target);
    check(cba_request_query(&request).len <= size);
    if (reason == CBA_R_OK) {
        const uint8_t *query = memchr(data, '?', size);
        size_t end = query != NULL ? (size_t)(query - data) : size, start = 0;

        if (data[0] != '/') { /* http://host/path */
            const uint8_t *host = memchr(data, '/', size);
            const uint8_t *path;

            check(host != NULL && (size_t)(host - data) + 2 < end);
            start = (size_t)(host - data) + 2;
            path = memchr(data + start, '/', end - start);
            start = path != NULL ? (size_t)(path - data) : end;
        }
        check_path(data + start, end - start);
    }

    request = (struct cba_request){.method = target, .target = cba_span_str("/")};
    (void)cba_request_check(&request, CBA_PROTOCOL_ANY);
    check(!(cba_header_is_claim(target) && cba_header_is_challenge(target)));
    check(!cba_challenge_offers(target, "Negotiate") || target.len >= strlen("Negotiate"));
    if (cba_head_challenges(target, "Negotiate")) {
        check(size > strlen("HTTP/1.1 401\r\nWWW-Authenticate:Negotiate\r\n\r\n") - 1);
        check(memcmp(data, "HTTP/1.", 7) == 0);
    }
    return 0;
}
