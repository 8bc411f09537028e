/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_reason.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct cba_reason_info table[CBA_R_COUNT] = {
    [CBA_R_OK] = {"OK", "-", 200, CBA_LEVEL_INFO, "let in", "nothing"},
#define CBA_REASON(symbol, number, status, level, meaning, remedy) \
    [CBA_R_##symbol] = {#symbol, "EAS" #number, status, CBA_LEVEL_##level, meaning, remedy},
#include "cba_reason.def"
#undef CBA_REASON
};

const struct cba_reason_info *cba_reason_info(enum cba_reason reason)
{
    if (reason <= CBA_R_UNDECIDED || reason >= CBA_R_COUNT)
        return &table[CBA_R_REQ_UNDECIDED];
    return &table[reason];
}

bool cba_reason_is_outage(enum cba_reason reason)
{
    switch (reason) {
    case CBA_R_DIR_UNREACHABLE:
    case CBA_R_DIR_TIMEOUT:
    case CBA_R_DIR_BUSY:
    case CBA_R_DIR_OUTAGE:
    case CBA_R_KRB_UNREACHABLE:
    case CBA_R_KRB_TIMEOUT:
    case CBA_R_KRB_BUSY:
    case CBA_R_KRB_OUTAGE:
        return true;
    default:
        return false;
    }
}

void cba_result_set(struct cba_result *result, const char *format, ...)
{
    static const char more[] = "...";
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(result->detail, sizeof result->detail, format, args);
    va_end(args);
    if (len < 0)
        result->detail[0] = '\0';
    else if ((size_t)len >= sizeof result->detail)
        memcpy(result->detail + sizeof result->detail - sizeof more, more, sizeof more);
}
