/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "cba_command.h"
#include "exact.h"

/* MS-ASHTTP 2.2.1.1.1.1.2; NULL: codes that no published list names. */
static const char *const codes[] = {
    "Sync",
    "SendMail",
    "SmartForward",
    "SmartReply",
    "GetAttachment",
    NULL,
    NULL,
    NULL,
    NULL,
    "FolderSync",
    "FolderCreate",
    "FolderDelete",
    "FolderUpdate",
    "MoveItems",
    "GetItemEstimate",
    "MeetingResponse",
    "Search",
    "Settings",
    "Ping",
    "ItemOperations",
    "Provision",
    "ResolveRecipients",
    "ValidateCert",
    "Find",
};

/* Those of 2.5, which have no code of their own. */
static const char *const legacy[] = {"GetHierarchy", "CreateCollection", "DeleteCollection",
                                     "MoveCollection", "Notify"};

static void by_code(void **state)
{
    (void)state;
    for (unsigned code = 0; code < COUNT(codes); code++) {
        assert_string_equal(cba_command_name(cba_command_of_code(code)),
                            codes[code] != NULL ? codes[code] : "Legacy");
    }
    for (unsigned code = COUNT(codes); code <= 256; code++) {
        assert_int_equal(cba_command_of_code(code), CBA_COMMAND_NONE);
    }
    assert_int_equal(cba_command_of_code(UINT32_MAX), CBA_COMMAND_NONE);
}

static void assert_named(const char *name)
{
    char other[32];
    size_t i;

    assert_string_equal(cba_command_name(cba_command_parse(exact(name))), name);
    for (i = 0; name[i] != '\0'; i++) {
        other[i] = (char)(name[i] ^ 0x20);
    }
    other[i] = '\0';
    assert_string_equal(cba_command_name(cba_command_parse(exact(other))), name);
    assert_int_equal(cba_command_parse(exact_bytes(name, i - 1)), CBA_COMMAND_NONE);
    other[i] = 'x';
    assert_int_equal(cba_command_parse(exact_bytes(other, i + 1)), CBA_COMMAND_NONE);
}

static void by_name(void **state)
{
    static const char *const none[] = {"", "-", "Legacy", "legacy", "Syn", "Sync ", "0"};

    (void)state;
    for (size_t i = 0; i < COUNT(codes); i++) {
        if (codes[i] != NULL) {
            assert_named(codes[i]);
            assert_int_equal(cba_command_parse(exact(codes[i])), cba_command_of_code((unsigned)i));
        }
    }
    for (size_t i = 0; i < COUNT(legacy); i++) {
        assert_named(legacy[i]);
    }
    for (size_t i = 0; i < COUNT(none); i++) {
        assert_int_equal(cba_command_parse(exact(none[i])), CBA_COMMAND_NONE);
    }
    assert_int_equal(cba_command_parse(EXACT("Sync\0")), CBA_COMMAND_NONE);
}

static void names_of_what_is_none(void **state)
{
    (void)state;
    assert_string_equal(cba_command_name(CBA_COMMAND_NONE), "-");
    assert_string_equal(cba_command_name(CBA_COMMAND_COUNT), "-");
    assert_string_equal(cba_command_name((enum cba_command)200), "-");
}

static void sets(void **state)
{
    (void)state;
    for (unsigned i = CBA_COMMAND_NONE + 1; i < CBA_COMMAND_LEGACY; i++) {
        enum cba_command command = (enum cba_command)i;

        assert_true(cba_command_in(command, CBA_COMMANDS_ALL));
        assert_true(cba_command_in(command, UINT32_C(1) << i));
        assert_false(cba_command_in(command, CBA_COMMANDS_ALL ^ UINT32_C(1) << i));
        assert_false(cba_command_in(command, 0));
    }
    assert_false(cba_command_in(CBA_COMMAND_NONE, CBA_COMMANDS_ALL));
    assert_false(cba_command_in(CBA_COMMAND_COUNT, CBA_COMMANDS_ALL));
    assert_false(cba_command_in((enum cba_command)(32 + CBA_COMMAND_SYNC), CBA_COMMANDS_ALL));
}

/* A code of 5 to 8 may be any of the four. */
static void legacy_needs_all_four(void **state)
{
    uint32_t four = 0;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        four |= UINT32_C(1) << cba_command_parse(exact(legacy[i]));
    }
    assert_true(cba_command_in(CBA_COMMAND_LEGACY, four));
    assert_true(cba_command_in(CBA_COMMAND_LEGACY, CBA_COMMANDS_ALL));
    for (size_t i = 0; i < 4; i++) {
        uint32_t three = four ^ UINT32_C(1) << cba_command_parse(exact(legacy[i]));

        assert_false(cba_command_in(CBA_COMMAND_LEGACY, three));
    }
    assert_false(cba_command_in(CBA_COMMAND_LEGACY, UINT32_C(1) << CBA_COMMAND_LEGACY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_code),
        cmocka_unit_test(by_name),
        cmocka_unit_test(names_of_what_is_none),
        cmocka_unit_test(sets),
        cmocka_unit_test(legacy_needs_all_four),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
