/* SPDX-License-Identifier: Apache-2.0
 *
 * The two buffers of a PAC that tell whose it is.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "cba_pac.h"

static void check(int promise)
{
    if (!promise) {
        abort();
    }
}

static void check_sid(bool good, const struct cba_sid *sid)
{
    struct cba_sid again;

    check(good == (sid->len > 0));
    if (good) {
        check(cba_sid_parse_binary(cba_span_of(sid->binary, sid->len), &again));
        check(cba_sid_equal(sid, &again));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cba_span buffer = cba_span_of(data, size);
    struct cba_pac_logon logon;
    struct cba_sid sid;
    bool extended, good;

    good = cba_pac_upn_sid(buffer, &sid, &extended);
    check_sid(good, &sid);
    check(extended || !good);
    good = cba_pac_logon_parse(buffer, &logon);
    check_sid(good, &logon.sid);
    check(good || !logon.protected_user);
    return 0;
}
