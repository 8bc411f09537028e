/* SPDX-License-Identifier: Apache-2.0
 *
 * Points in time as certificates and directories write them: seconds since 1970, without the C
 * library's time zones, locale or leap seconds. Pure functions; any thread.
 */
#ifndef CBA_TIME_H
#define CBA_TIME_H

#include <stdint.h>

#include "cba_span.h"

/* YYYYMMDDHHMMSS, UTC: 14 digits and nothing else, a day that exists, seconds up to 59. False: not
 * that; *out is unchanged. */
bool cba_time_parse(struct cba_span digits, int64_t *out);

/* A FILETIME (100 ns since 1601, MS-DTYP 2.3.3, not negative), rounded down. */
int64_t cba_time_of_filetime(int64_t ticks);

#endif
