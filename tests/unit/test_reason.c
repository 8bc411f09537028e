/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "cba_reason.h"

/* What a phone may be answered: never 401, which would ask for a password, never 500. */
static void answers(void **state)
{
    static const int statuses[] = {0, 400, 403, 408, 413, 421, 501, 502, 503, 504};

    (void)state;
    for (int r = CBA_R_OK + 1; r < CBA_R_COUNT; r++) {
        const struct cba_reason_info *info = cba_reason_info((enum cba_reason)r);
        size_t i = 0;

        while (i < sizeof(statuses) / sizeof(statuses[0]) && statuses[i] != info->status) {
            i++;
        }
        assert_true(i < sizeof(statuses) / sizeof(statuses[0]));
    }
}

static void texts(void **state)
{
    (void)state;
    for (int r = CBA_R_OK + 1; r < CBA_R_COUNT; r++) {
        const struct cba_reason_info *info = cba_reason_info((enum cba_reason)r);

        assert_int_equal(strlen(info->tag), 7);
        assert_memory_equal(info->tag, "EAS", 3);
        assert_int_equal(strspn(info->tag + 3, "0123456789"), 4);
        assert_true(info->symbol[0] != '\0' && info->meaning[0] != '\0' && info->remedy[0] != '\0');
    }
}

/* Refusals whose numbers are promised outside of the table. */
static void known_rows(void **state)
{
    static const struct {
        enum cba_reason reason;
        const char *tag, *symbol;
        int status;
        enum cba_level level;
    } rows[] = {
        {CBA_R_TLS_NO_CERTIFICATE, "EAS0102", "TLS_NO_CERTIFICATE", 403, CBA_LEVEL_WARN},
        {CBA_R_REQ_PATH, "EAS0201", "REQ_PATH", 400, CBA_LEVEL_WARN},
        {CBA_R_REQ_METHOD, "EAS0202", "REQ_METHOD", 501, CBA_LEVEL_WARN},
        {CBA_R_MAP_WEAK, "EAS0306", "MAP_WEAK", 403, CBA_LEVEL_WARN},
        {CBA_R_DIR_TIMEOUT, "EAS0402", "DIR_TIMEOUT", 503, CBA_LEVEL_ERR},
        {CBA_R_KRB_PAC_SID, "EAS0614", "KRB_PAC_SID", 403, CBA_LEVEL_ERR},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct cba_reason_info *info = cba_reason_info(rows[i].reason);

        assert_string_equal(info->tag, rows[i].tag);
        assert_string_equal(info->symbol, rows[i].symbol);
        assert_int_equal(info->status, rows[i].status);
        assert_int_equal(info->level, rows[i].level);
    }
}

static void undecided_and_unknown_are_refusals(void **state)
{
    const struct cba_reason_info *undecided = cba_reason_info(CBA_R_REQ_UNDECIDED);

    (void)state;
    assert_int_equal(CBA_R_UNDECIDED, 0);
    assert_int_not_equal(CBA_R_OK, 0);
    assert_int_equal(undecided->status, 403);
    assert_ptr_equal(cba_reason_info(CBA_R_UNDECIDED), undecided);
    assert_ptr_equal(cba_reason_info(CBA_R_COUNT), undecided);
    assert_ptr_equal(cba_reason_info((enum cba_reason)INT16_MAX), undecided);
    assert_int_equal(cba_reason_info(CBA_R_OK)->status, 200);
    assert_string_equal(cba_reason_info(CBA_R_OK)->tag, "-");
}

static void outages(void **state)
{
    unsigned count = 0;

    (void)state;
    for (int reason = 0; reason < CBA_R_COUNT; reason++) {
        if (cba_reason_is_outage((enum cba_reason)reason)) {
            assert_int_equal(cba_reason_info((enum cba_reason)reason)->status, 503);
            count++;
        }
    }
    assert_int_equal(count, 8);
    assert_true(cba_reason_is_outage(CBA_R_DIR_UNREACHABLE));
    assert_true(cba_reason_is_outage(CBA_R_KRB_TIMEOUT));
    /* The gateway's own keys, and what somebody answered. */
    assert_false(cba_reason_is_outage(CBA_R_KRB_LOGIN));
    assert_false(cba_reason_is_outage(CBA_R_KRB_KEYTAB));
    assert_false(cba_reason_is_outage(CBA_R_KRB_SPN_UNKNOWN));
    assert_false(cba_reason_is_outage(CBA_R_DIR_SEARCH));
    assert_false(cba_reason_is_outage(CBA_R_LIFE_MEMORY));
}

static void detail(void **state)
{
    struct cba_result result;
    char text[400];

    (void)state;
    memset(&result, 0xff, sizeof(result));
    cba_result_set(&result, "%s %d", "attribute", 7);
    assert_string_equal(result.detail, "attribute 7");

    memset(text, 'a', sizeof(text));
    text[CBA_DETAIL_MAX] = '\0';
    cba_result_set(&result, "%s", text);
    assert_string_equal(result.detail, text);

    text[CBA_DETAIL_MAX] = 'a';
    text[CBA_DETAIL_MAX + 1] = '\0';
    cba_result_set(&result, "%s", text);
    assert_int_equal(strlen(result.detail), CBA_DETAIL_MAX);
    assert_string_equal(result.detail + CBA_DETAIL_MAX - 4, "a...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),    cmocka_unit_test(texts),
        cmocka_unit_test(known_rows), cmocka_unit_test(undecided_and_unknown_are_refusals),
        cmocka_unit_test(outages),    cmocka_unit_test(detail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
