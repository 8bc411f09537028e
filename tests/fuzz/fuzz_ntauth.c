/* SPDX-License-Identifier: Apache-2.0
 *
 * A value of cACertificate and a certificate: two bytes with the length of the first, then both.
 */
#include "fuzz.h"

#include <stdlib.h>

#include <openssl/err.h>

#include "cba_ntauth.h"

static void check(int promise)
{
    if (!promise) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct cba_ntauth_ca zero;
    struct cba_ntauth_ca ca;
    struct cba_span value, leaf;
    int64_t now = 1800000000, until, again;
    size_t len;

    if (size < 2) {
        return 0;
    }
    len = (size_t)data[0] << 8 | data[1];
    len = len < size - 2 ? len : size - 2;
    value = cba_span_of(data + 2, len);
    leaf = cba_span_of(data + 2 + len, size - 2 - len);
    if (!cba_ntauth_parse(value, &ca)) {
        check(memcmp(&ca, &zero, sizeof(ca)) == 0);
        check(!cba_ntauth_issued(leaf, NULL, 0, now, &until) && until == INT64_MAX);
    } else {
        bool issued = cba_ntauth_issued(leaf, &ca, 1, now, &until);

        check(ca.der.ptr == value.ptr && ca.der.len == value.len);
        check(ca.not_before <= ca.not_after);
        check(until >= now);
        check(!issued || (now >= ca.not_before && until == ca.not_after));
        /* the answer holds so long, and no longer */
        check(cba_ntauth_issued(leaf, &ca, 1, until, &again) == issued && again == until);
        check(until == INT64_MAX || cba_ntauth_issued(leaf, &ca, 1, until + 1, &again) != issued);
    }
    check(ERR_peek_error() == 0);
    return 0;
}
