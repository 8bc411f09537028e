/* SPDX-License-Identifier: Apache-2.0
 *
 * The SIDs are written out in bytes (MS-DTYP 2.4.2.2), none is made by the code under test.
 */
#include "unit.h"

#include "cba_groups.h"
#include "exact.h"

/* S-1-5-21-2076040321-3326545908-468068287-1157 */
#define DOMAIN   "\x01\x05\0\0\0\0\0\x05\x15\0\0\0\x81\xdc\xbd\x7b\xf4\x0f\x47\xc6\xbf\x27\xe6\x1b"
#define ALICE    DOMAIN "\x85\x04\0\0"
#define USERS    DOMAIN "\x01\x02\0\0"                          /* ...-513, Domain Users */
#define BUILTIN  "\x01\x02\0\0\0\0\0\x05\x20\0\0\0\x21\x02\0\0" /* S-1-5-32-545 */
#define EVERYONE "\x01\x01\0\0\0\0\0\x01\0\0\0\0"               /* S-1-1-0 */

static struct cba_result result;
static struct cba_groups *groups;
static size_t size;

static struct cba_sid sid_of(struct cba_span binary)
{
    struct cba_sid sid = {.len = binary.len};

    memcpy(sid.binary, binary.ptr, binary.len);
    return sid;
}

static enum cba_reason measure(const char *name, const struct cba_span *values, size_t count)
{
    const struct cba_attribute attribute = {name, values, count};

    result.detail[0] = '\0';
    size = 4711;
    return cba_groups_measure(&attribute, 1, &size, &result);
}

/* Into a block of exactly the size that was measured. */
static void pack(const struct cba_attribute *attributes, size_t count)
{
    assert_int_equal(cba_groups_measure(attributes, count, &size, &result), CBA_R_OK);
    free(groups);
    groups = malloc(size);
    memset(groups, 0xff, size);
    cba_groups_pack(attributes, count, groups);
    assert_int_equal(sizeof *groups + groups->len, size);
}

static bool contains(struct cba_span binary)
{
    struct cba_sid sid = sid_of(binary);

    return cba_groups_contain(groups, &sid);
}

static void refused(enum cba_reason got, enum cba_reason reason, const char *detail)
{
    assert_int_equal(got, reason);
    assert_string_equal(result.detail, detail);
    assert_int_equal(size, 0);
}

static void of_different_lengths(void **state)
{
    const struct cba_span values[] = {EXACT(USERS), EXACT(BUILTIN), EXACT(EVERYONE), EXACT(ALICE)};
    const struct cba_attribute attribute = {"tokenGroups", values, COUNT(values)};

    (void)state;
    pack(&attribute, 1);
    assert_int_equal(groups->count, 4);
    assert_int_equal(groups->len, 28 + 16 + 12 + 28);
    for (size_t i = 0; i < COUNT(values); i++) {
        assert_true(contains(values[i]));
    }
}

static void others_are_not_in_it(void **state)
{
    const struct cba_span values[] = {EXACT(BUILTIN), EXACT(USERS)};
    const struct cba_attribute attribute = {"tokenGroups", values, COUNT(values)};
    const struct cba_sid none = {0};

    (void)state;
    pack(&attribute, 1);
    assert_false(contains(EXACT(DOMAIN "\x02\x02\0\0")));
    assert_false(contains(EXACT(DOMAIN "\x01\x03\0\0")));
    assert_false(contains(EXACT(EVERYONE)));
    /* the domain's own SID is the beginning of its groups' */
    assert_false(contains(EXACT("\x01\x04\0\0\0\0\0\x05\x15\0\0\0\x81\xdc\xbd\x7b\xf4\x0f\x47\xc6"
                                "\xbf\x27\xe6\x1b")));
    assert_false(contains(EXACT("\x01\x02\0\0\0\0\0\x05\x20\0\0\0\x21\x02\0\x01")));
    assert_false(cba_groups_contain(groups, &none));
}

/* What stands inside of one value and on the border of two is no value. */
static void nothing_between_two_values(void **state)
{
    const struct cba_span values[] = {EXACT("\x01\x04\0\0\0\0\0\x05" EVERYONE "\0\0\0\0"),
                                      EXACT("\x01\x02\0\0\0\0\0\x05\x15\0\0\0\x01\x01\0\0"),
                                      EXACT("\x01\x02\0\0\0\0\0\x01\0\0\0\0\x01\0\0\0")};
    const struct cba_attribute attribute = {"tokenGroups", values, COUNT(values)};

    (void)state;
    pack(&attribute, 1);
    assert_false(contains(EXACT(EVERYONE)));
    assert_true(contains(values[0]) && contains(values[1]) && contains(values[2]));
}

static void names(void **state)
{
    const struct cba_span value = EXACT(USERS), other = EXACT("no SID");
    const struct cba_attribute attributes[] = {
        {"cn", &other, 1}, {"TOKENGROUPS", &value, 1}, {"tokenGroupsNoGCAcceptable", &other, 1}};

    (void)state;
    pack(attributes, COUNT(attributes));
    assert_int_equal(groups->count, 1);
    assert_true(contains(value));
}

static void missing(void **state)
{
    const struct cba_span value = EXACT(USERS);

    (void)state;
    refused(measure("tokenGroups", NULL, 0), CBA_R_DIR_TOKEN_GROUPS, "there are none");
    refused(measure("tokenGroup", &value, 1), CBA_R_DIR_TOKEN_GROUPS, "there are none");
    refused(measure("tokenGroupsNoGCAcceptable", &value, 1), CBA_R_DIR_TOKEN_GROUPS,
            "there are none");
    size = 4711;
    refused(cba_groups_measure(NULL, 0, &size, &result), CBA_R_DIR_TOKEN_GROUPS, "there are none");
}

static void malformed(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
#define BAD(literal) {literal, sizeof(literal) - 1}
        BAD(""),
        BAD("\x01"),
        BAD("S-1-5-32-545"),
        BAD(BUILTIN "\0"),
        BAD("\x01\x02\0\0\0\0\0\x05\x20\0\0\0\x21\x02\0"),
        BAD("\x02\x02\0\0\0\0\0\x05\x20\0\0\0\x21\x02\0\0"),
        BAD("\x01\0\0\0\0\0\0\x05"),
#undef BAD
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        const struct cba_span values[] = {EXACT(USERS), exact_bytes(bad[i].bytes, bad[i].len)};

        refused(measure("tokenGroups", values, 2), CBA_R_DIR_ANSWER,
                "tokenGroups with a value that is no SID");
    }
}

static void twice(void **state)
{
    const struct cba_span value = EXACT(USERS);
    const struct cba_attribute attributes[] = {{"tokenGroups", &value, 1},
                                               {"tokengroups", &value, 1}};

    (void)state;
    size = 4711;
    refused(cba_groups_measure(attributes, 2, &size, &result), CBA_R_DIR_ANSWER,
            "tokenGroups twice");
}

static void a_part_of_them(void **state)
{
    const struct cba_span value = EXACT(USERS);
    const struct cba_attribute attributes[] = {{"tokenGroups", NULL, 0},
                                               {"TokenGroups;range=0-1499", &value, 1}};

    (void)state;
    refused(measure("tokenGroups;range=0-1499", &value, 1), CBA_R_ACC_GROUPS_MANY,
            "the directory sent a part");
    size = 4711;
    refused(cba_groups_measure(attributes, 2, &size, &result), CBA_R_ACC_GROUPS_MANY,
            "the directory sent a part");
}

static void as_many_as_there_may_be(void **state)
{
    static struct cba_span values[CBA_GROUPS_MAX + 1];
    const struct cba_attribute attribute = {"tokenGroups", values, CBA_GROUPS_MAX};

    (void)state;
    values[0] = EXACT(BUILTIN);
    for (size_t i = 1; i < COUNT(values); i++) {
        values[i] = values[0];
    }
    values[CBA_GROUPS_MAX - 1] = EXACT(ALICE);
    pack(&attribute, 1);
    assert_int_equal(groups->count, CBA_GROUPS_MAX);
    assert_true(contains(EXACT(ALICE)));
    assert_false(contains(EXACT(USERS)));
    refused(measure("tokenGroups", values, CBA_GROUPS_MAX + 1), CBA_R_ACC_GROUPS_MANY,
            "1025, and the limit is 1024");
}

static void asks_for_nothing_else(void **state)
{
    (void)state;
    assert_string_equal(cba_groups_attributes[0], "tokenGroups");
    assert_null(cba_groups_attributes[1]);
}

static int end(void **state)
{
    (void)state;
    free(groups);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_different_lengths),
        cmocka_unit_test(others_are_not_in_it),
        cmocka_unit_test(nothing_between_two_values),
        cmocka_unit_test(names),
        cmocka_unit_test(missing),
        cmocka_unit_test(malformed),
        cmocka_unit_test(twice),
        cmocka_unit_test(a_part_of_them),
        cmocka_unit_test(as_many_as_there_may_be),
        cmocka_unit_test(asks_for_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, end);
}
