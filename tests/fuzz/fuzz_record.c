/* SPDX-License-Identifier: Apache-2.0
 *
 * A record of the shared cache, opened: its head, and an answer as its content. What is understood
 * is written out again to the same bytes.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "cba_record.h"

#define NOW 1700000000

static void check(int promise)
{
    if (!promise) {
        abort();
    }
}

static void check_account(const struct cba_account *account)
{
    struct cba_sid sid;

    check(cba_sid_parse_binary(cba_span_of(account->sid.binary, account->sid.len), &sid));
    check(memchr(account->sam, '\0', sizeof account->sam) && account->sam[0]);
    check(memchr(account->upn, '\0', sizeof account->upn) != NULL);
    check(memchr(account->domain, '\0', sizeof account->domain) && account->domain[0]);
    check(cba_span_is_text(cba_span_str(account->sam)));
    check(cba_span_is_text(cba_span_str(account->upn)));
    check(cba_span_is_text(cba_span_str(account->domain)));
}

static void check_answer(struct cba_span content)
{
    static struct cba_answer answer;
    static const struct cba_answer zero;
    unsigned char again[CBA_RECORD_ANSWER_MAX];
    size_t len;

    if (!cba_record_take_answer(content, &answer)) {
        check(memcmp(&answer, &zero, sizeof zero) == 0);
        return;
    }
    check(answer.count <= 2 && (!answer.more || answer.count == 2));
    for (unsigned i = 0; i < answer.count; i++) {
        check_account(&answer.account[i]);
    }
    cba_record_put_answer(&answer, again, &len);
    check(len == content.len && memcmp(again, content.ptr, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cba_span record = cba_span_of(data, size);
    unsigned char head[CBA_RECORD_HEAD];
    struct cba_record_times times;
    int64_t until;

    check_answer(record);
    if (cba_record_take_head(&record, CBA_RECORD_ANSWER, &times)) {
        check(record.len == size - CBA_RECORD_HEAD);
        cba_record_put_head(CBA_RECORD_ANSWER, &times, head);
        check(memcmp(head, data, sizeof head) == 0);
        if (cba_record_judge(&times, NOW, 300, NOW - 100, &until) == CBA_RECORD_SERVES) {
            check(until > NOW && until <= NOW + 300 + CBA_RECORD_SKEW);
        }
        check_answer(record);
    }
    return 0;
}
