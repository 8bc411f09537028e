/* SPDX-License-Identifier: Apache-2.0
 *
 * A record of the shared cache, opened: its head, and as its content an answer, the values of
 * NTAuthCertificates, an account's groups or a group's name. What is understood is written out again
 * to the same bytes.
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

static void check_ntauth(struct cba_span content)
{
    struct cba_span values[CBA_NTAUTH_MAX];
    unsigned char *again;
    size_t count;

    if (!cba_record_take_ntauth(content, values, &count)) {
        check(count == 0);
        return;
    }
    check(count <= CBA_NTAUTH_MAX);
    for (size_t i = 0; i < count; i++) {
        check(values[i].ptr >= content.ptr &&
              values[i].ptr + values[i].len <= content.ptr + content.len);
    }
    again = malloc(content.len);
    check(again != NULL);
    check(cba_record_put_ntauth(values, count, again, content.len) == content.len);
    check(memcmp(again, content.ptr, content.len) == 0);
    check(cba_record_put_ntauth(values, count, again, content.len - 1) == 0);
    free(again);
}

static void check_groups(struct cba_span content)
{
    struct cba_groups *groups = malloc(sizeof *groups + content.len);
    unsigned char *again = malloc(CBA_RECORD_GROUPS_MAX);
    struct cba_sid sid;

    check(groups != NULL && again != NULL);
    if (cba_record_take_groups(content, groups)) {
        check(groups->count > 0 && groups->count <= CBA_GROUPS_MAX && groups->len <= content.len);
        for (size_t at = 0; at < groups->len; at += sid.len) {
            size_t len = cba_groups_length(groups->sids + at);

            check(cba_sid_parse_binary(cba_span_of(groups->sids + at, len), &sid));
            check(cba_groups_contain(groups, &sid));
        }
        check(cba_record_put_groups(groups, again) == content.len);
        check(memcmp(again, content.ptr, content.len) == 0);
    } else {
        check(groups->count == 0 && groups->len == 0);
    }
    free(groups);
    free(again);
}

static void check_group(struct cba_span content)
{
    static const struct cba_group zero;
    static struct cba_group group;
    unsigned char again[CBA_RECORD_GROUP_MAX];

    if (!cba_record_take_group(content, &group)) {
        check(memcmp(&group, &zero, sizeof zero) == 0);
        return;
    }
    check((group.reason == CBA_R_OK) == (group.sid.len > 0));
    check(group.reason == CBA_R_OK || group.reason == CBA_R_DIR_GROUP ||
          group.reason == CBA_R_DIR_GROUP_ELSEWHERE);
    check(memchr(group.result.detail, '\0', sizeof group.result.detail) != NULL);
    check(cba_span_is_text(cba_span_str(group.result.detail)));
    check(cba_record_put_group(&group, again) == content.len);
    check(memcmp(again, content.ptr, content.len) == 0);
}

static void check_contents(struct cba_span content)
{
    check_answer(content);
    check_ntauth(content);
    check_groups(content);
    check_group(content);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cba_span record = cba_span_of(data, size);
    unsigned char head[CBA_RECORD_HEAD];
    struct cba_record_times times;
    int64_t until;

    check_contents(record);
    if (cba_record_take_head(&record, CBA_RECORD_ANSWER, &times)) {
        check(record.len == size - CBA_RECORD_HEAD);
        cba_record_put_head(CBA_RECORD_ANSWER, &times, head);
        check(memcmp(head, data, sizeof head) == 0);
        if (cba_record_judge(&times, NOW, 300, NOW - 100, &until) == CBA_RECORD_SERVES) {
            check(until > NOW && until <= NOW + 300 + CBA_RECORD_SKEW);
        }
        check_contents(record);
    }
    return 0;
}
