/* SPDX-License-Identifier: Apache-2.0
 *
 * One word of a directive, read as each kind of value.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "cba_limits.h"
#include "cba_spn_rule.h"
#include "cba_value.h"

static void check(int promise)
{
    if (!promise) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cba_span word = cba_span_of(data, size), name, value;
    struct cba_spn_rule rule;
    int64_t number;
    int port;

    if (cba_value_bytes(word, &number)) {
        check(number >= 1);
    }
    if (cba_value_seconds(word, 5, 3600, &number)) {
        check(number >= 5 && number <= 3600);
    }
    if (cba_value_oid(word)) {
        check(size >= 3 && size <= CBA_OID_MAX && memchr(data, '.', size) != NULL);
    }
    if (cba_value_pair(word, &name, &value)) {
        check(name.len > 0 && value.len > 0 && name.len + 1 + value.len == size);
        check(memchr(name.ptr, '=', name.len) == NULL);
    }
    if (cba_value_ldap_uri(word)) {
        check(size > 7 && cba_span_is_text(word));
        for (size_t i = 0; i < size; i++) {
            check(data[i] > ' ' && strchr("%?#@,\\\"'<>{}", data[i]) == NULL);
        }
    }
    if (cba_spn_is_http(word)) {
        check(size > 5 && size <= CBA_SPN_MAX && cba_span_is_text(word));
        check(cba_spn_rule_read(cba_span_of(data + 5, size - 5), &rule));
        check(cba_spn_rule_fit(&rule, rule.host, rule.port) == (rule.port != 0 ? 3 : 2));
    }
    if (cba_spn_url_host(word, &name, &port)) {
        check(name.len > 0 && port > 0 && port <= 65535);
        check(cba_spn_url_begins(word, word));
    }
    return 0;
}
