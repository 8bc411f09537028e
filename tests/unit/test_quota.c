/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "cba_quota.h"

#define SLOTS  64
#define LIMIT  3
#define HERE   100
#define BESIDE 200

/* A table in which every place is near every other: what a real one is only where it is full. */
static struct cba_quota_slot table[SLOTS];
static const struct cba_quota quota = {table, SLOTS};

static int empty_table(void **state)
{
    (void)state;
    memset(table, 0, sizeof(table));
    return 0;
}

static struct cba_sid account(unsigned number)
{
    char text[64];
    struct cba_sid sid;

    snprintf(text, sizeof(text), "S-1-5-21-1-2-3-%u", number);
    assert_true(cba_sid_parse_text(cba_span_str(text), &sid));
    return sid;
}

static enum cba_reason enter(int64_t process, unsigned number, struct cba_quota_slot **slot)
{
    const struct cba_sid sid = account(number);

    *slot = NULL;
    return cba_quota_enter(&quota, process, &sid, LIMIT, slot);
}

static struct cba_quota_slot *entered(int64_t process, unsigned number)
{
    struct cba_quota_slot *slot;

    assert_int_equal(enter(process, number, &slot), CBA_R_OK);
    assert_non_null(slot);
    return slot;
}

static void refused(int64_t process, unsigned number, enum cba_reason expected)
{
    struct cba_quota_slot *slot;

    assert_int_equal(enter(process, number, &slot), expected);
    assert_null(slot);
}

static int busy(void)
{
    int count = 0;

    for (size_t i = 0; i < SLOTS; i++) {
        count += atomic_load(&table[i].process) != 0;
    }
    return count;
}

static void limit_of_requests(void **state)
{
    struct cba_quota_slot *slot;

    (void)state;
    slot = entered(HERE, 1);
    assert_ptr_equal(entered(HERE, 1), slot);
    entered(HERE, 1);
    refused(HERE, 1, CBA_R_REQ_ACCOUNT_REQUESTS);
    refused(HERE, 1, CBA_R_REQ_ACCOUNT_REQUESTS); /* a refusal itself is not counted */
    cba_quota_leave(slot, 0);
    entered(HERE, 1);
    refused(HERE, 1, CBA_R_REQ_ACCOUNT_REQUESTS);
}

static void limit_is_that_of_all_processes(void **state)
{
    struct cba_quota_slot *here, *beside;

    (void)state;
    here = entered(HERE, 1);
    beside = entered(BESIDE, 1);
    assert_ptr_not_equal(here, beside);
    entered(BESIDE, 1);
    refused(HERE, 1, CBA_R_REQ_ACCOUNT_REQUESTS);
    refused(BESIDE, 1, CBA_R_REQ_ACCOUNT_REQUESTS);
    refused(300, 1, CBA_R_REQ_ACCOUNT_REQUESTS);
    assert_int_equal(busy(), 2); /* a refusal leaves no slot behind */
}

static void nobody_pays_for_another(void **state)
{
    (void)state;
    for (int i = 0; i < LIMIT; i++) {
        entered(HERE, 1);
    }
    refused(HERE, 1, CBA_R_REQ_ACCOUNT_REQUESTS);
    for (unsigned number = 2; number < 50; number++) {
        entered(HERE, number);
    }
}

static void nothing_stays_behind(void **state)
{
    struct cba_quota_slot *slots[LIMIT];

    (void)state;
    for (int i = 0; i < LIMIT; i++) {
        slots[i] = entered(HERE, 1);
    }
    assert_int_equal(busy(), 1);
    for (int i = 0; i < LIMIT; i++) {
        cba_quota_leave(slots[i], 0);
    }
    assert_int_equal(busy(), 0);
}

/* EAS0213: in the gateway this takes tens of thousands of accounts at once. */
static void full_table_is_a_different_answer(void **state)
{
    struct cba_quota_slot *last = NULL;

    (void)state;
    for (unsigned number = 0; number < SLOTS; number++) {
        last = entered(HERE, number);
    }
    refused(HERE, SLOTS, CBA_R_REQ_ACCOUNT_UNCOUNTED);
    refused(BESIDE, 0, CBA_R_REQ_ACCOUNT_UNCOUNTED);
    entered(HERE, 0); /* who is in is counted on */
    cba_quota_leave(last, 0);
    entered(HERE, SLOTS);
}

static void bytes(void **state)
{
    struct cba_quota_slot *here, *beside;

    (void)state;
    here = entered(HERE, 1);
    beside = entered(BESIDE, 1);
    assert_true(cba_quota_add(&quota, here, 0, 600, 1000));
    assert_true(cba_quota_add(&quota, beside, 0, 400, 1000));
    assert_false(cba_quota_add(&quota, beside, 400, 1, 1000));
    assert_false(cba_quota_add(&quota, here, 600, 1, 1000));
    assert_true(cba_quota_add(&quota, entered(HERE, 2), 0, 1000, 1000)); /* another account */
    cba_quota_leave(here, 600);
    assert_true(cba_quota_add(&quota, beside, 400, 600, 1000));
}

static void only_body_is_never_too_large(void **state)
{
    struct cba_quota_slot *one, *two;

    (void)state;
    one = entered(HERE, 1);
    two = entered(HERE, 1);
    assert_true(cba_quota_add(&quota, one, 0, 900, 1000));
    assert_true(cba_quota_add(&quota, one, 900, 9000, 1000));
    assert_false(cba_quota_add(&quota, two, 0, 1, 1000));
    cba_quota_leave(one, 9900);
    assert_true(cba_quota_add(&quota, two, 0, 5000, 1000));
}

static void dead_process_holds_nothing(void **state)
{
    struct cba_quota_slot *slot;

    (void)state;
    for (int i = 0; i < LIMIT; i++) {
        slot = entered(HERE, 1);
        assert_true(cba_quota_add(&quota, slot, 0, 300, 1000));
    }
    refused(BESIDE, 1, CBA_R_REQ_ACCOUNT_REQUESTS);
    slot = entered(BESIDE, 2);
    atomic_store(&table[SLOTS - 1].process, -HERE); /* killed while it took one */
    cba_quota_forget(&quota, HERE);
    assert_int_equal(busy(), 1);
    assert_int_equal(atomic_load(&slot->requests), 1);
    slot = entered(BESIDE, 1);
    assert_int_equal(atomic_load(&slot->bytes), 0);
    entered(BESIDE, 1);
    entered(BESIDE, 1);
    refused(BESIDE, 1, CBA_R_REQ_ACCOUNT_REQUESTS);
}

/* Two SIDs that differ in their last byte, or in their length only, are two accounts. */
static void whole_sid_decides(void **state)
{
    struct cba_sid a, b;
    struct cba_quota_slot *first, *second;

    (void)state;
    assert_true(cba_sid_parse_text(cba_span_str("S-1-5-21-1-2-3-0"), &a));
    assert_true(cba_sid_parse_text(cba_span_str("S-1-5-21-1-2-3"), &b));
    assert_int_equal(cba_quota_enter(&quota, HERE, &a, LIMIT, &first), CBA_R_OK);
    assert_int_equal(cba_quota_enter(&quota, HERE, &b, LIMIT, &second), CBA_R_OK);
    assert_ptr_not_equal(first, second);
    assert_true(
        cba_sid_parse_text(cba_span_str("S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-4294967295"), &a));
    assert_true(
        cba_sid_parse_text(cba_span_str("S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-4278190079"), &b));
    assert_int_equal(a.len, CBA_SID_BINARY_MAX);
    assert_int_equal(cba_quota_enter(&quota, HERE, &a, LIMIT, &first), CBA_R_OK);
    assert_int_equal(cba_quota_enter(&quota, HERE, &b, LIMIT, &second), CBA_R_OK);
    assert_ptr_not_equal(first, second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(limit_of_requests, empty_table),
        cmocka_unit_test_setup(limit_is_that_of_all_processes, empty_table),
        cmocka_unit_test_setup(nobody_pays_for_another, empty_table),
        cmocka_unit_test_setup(nothing_stays_behind, empty_table),
        cmocka_unit_test_setup(full_table_is_a_different_answer, empty_table),
        cmocka_unit_test_setup(bytes, empty_table),
        cmocka_unit_test_setup(only_body_is_never_too_large, empty_table),
        cmocka_unit_test_setup(dead_process_holds_nothing, empty_table),
        cmocka_unit_test_setup(whole_sid_decides, empty_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
