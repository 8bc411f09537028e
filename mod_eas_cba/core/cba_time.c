/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_time.h"

#define SECONDS_A_DAY  INT64_C(86400)
#define TICKS_A_SECOND INT64_C(10000000)
#define FILETIME_1970  INT64_C(11644473600) /* seconds from 1601 to 1970 */

static bool take_digits(struct cba_span *s, size_t count, int *out)
{
    int value = 0;

    for (size_t i = 0; i < count; i++) {
        if (s->ptr[i] < '0' || s->ptr[i] > '9') {
            return false;
        }
        value = value * 10 + (s->ptr[i] - '0');
    }
    *s = cba_span_of(s->ptr + count, s->len - count);
    *out = value;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* Days from 1970-01-01 in the Gregorian calendar. Counted from March on, so that the leap day is
 * the last of its year, and with years from 0 on, so that no division sees a negative number. */
static int64_t days_since_1970(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t m = month > 2 ? month - 3 : month + 9;

    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

bool cba_time_parse(struct cba_span digits, int64_t *out)
{
    int year, month, day, hour, minute, second;

    if (digits.len != 14 || !take_digits(&digits, 4, &year) || !take_digits(&digits, 2, &month) ||
        !take_digits(&digits, 2, &day) || !take_digits(&digits, 2, &hour) ||
        !take_digits(&digits, 2, &minute) || !take_digits(&digits, 2, &second)) {
        return false;
    }
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) ||
        hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    *out = days_since_1970(year, month, day) * SECONDS_A_DAY + hour * 3600 + minute * 60 + second;
    return true;
}

int64_t cba_time_of_filetime(int64_t ticks)
{
    return ticks / TICKS_A_SECOND - FILETIME_1970;
}
