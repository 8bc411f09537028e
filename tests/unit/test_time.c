/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "cba_time.h"
#include "exact.h"

static void assert_time(const char *digits, int64_t expected)
{
    int64_t time;

    assert_true(cba_time_parse(exact(digits), &time));
    assert_int_equal(time, expected);
}

/* The numbers are those of date -u -d ... +%s. */
static void known_times(void **state)
{
    (void)state;
    assert_time("19700101000000", 0);
    assert_time("19691231235959", -1);
    assert_time("19700101000001", 1);
    assert_time("20240229120000", 1709208000);
    assert_time("20000229000000", 951782400);
    assert_time("20000301000000", 951868800);
    assert_time("20380119031408", 2147483648);
    assert_time("16010101000000", -11644473600);
    assert_time("19500101000000", -631152000);
    assert_time("99991231235959", 253402300799);
    assert_time("00010101000000", -62135596800);
}

/* One day after the other from 1899 on: no day is missing, none is there twice. */
static void every_day(void **state)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t expected = -2240524800; /* 1899-01-01 */

    (void)state;
    for (int year = 1899; year <= 2101; year++) {
        for (int month = 1; month <= 12; month++) {
            int leap = year % 4 == 0 && year != 1900 && year != 2100;

            for (int day = 1; day <= 31; day++) {
                char digits[64];
                int64_t time = -1;
                bool exists = day <= days[month - 1] + (month == 2 ? leap : 0);

                (void)snprintf(digits, sizeof(digits), "%04d%02d%02d000000", year, month, day);
                assert_int_equal(cba_time_parse(exact(digits), &time), exists);
                if (exists) {
                    assert_int_equal(time, expected);
                    expected += 86400;
                }
            }
        }
    }
}

static void no_time(void **state)
{
    static const char *const bad[] = {
        "",
        "2024022912000",
        "202402291200000",
        "20240229120000Z",
        "00000101000000",
        "20240001000000",
        "20241301000000",
        "20240100000000",
        "20240132000000",
        "20230229000000",
        "19000229000000",
        "20240431000000",
        "20240229240000",
        "20240229126000",
        "20240229120060",
        "2024-2-9120000",
        "+0240229120000",
        " 0240229120000",
        "2024022912000/",
        "2024022912000:",
        "2024022912000a",
        "202a0229120000",
        "20240a29120000",
        "20240229a20000",
        "202402a9120000",
        "2024022912a000",
    };
    int64_t time = 4711;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (cba_time_parse(exact(bad[i]), &time)) {
            fail_msg("%s", bad[i]);
        }
    }
    assert_false(cba_time_parse(EXACT("2024022912\0000"), &time));
    assert_int_equal(time, 4711);
}

static void filetimes(void **state)
{
    (void)state;
    assert_int_equal(cba_time_of_filetime(0), -11644473600);
    assert_int_equal(cba_time_of_filetime(116444736000000000), 0);
    assert_int_equal(cba_time_of_filetime(116444736009999999), 0);
    assert_int_equal(cba_time_of_filetime(116444736010000000), 1);
    assert_int_equal(cba_time_of_filetime(116444735999999999), -1);
    assert_int_equal(cba_time_of_filetime(INT64_MAX), 910692730085);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_times),
        cmocka_unit_test(every_day),
        cmocka_unit_test(no_time),
        cmocka_unit_test(filetimes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
