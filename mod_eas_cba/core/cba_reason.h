/* SPDX-License-Identifier: Apache-2.0
 *
 * Reasons: the one vocabulary of verdicts and messages. cba_reason.def is the table; nothing else
 * knows a number, an HTTP status or an operator's text. Constant data; any thread.
 */
#ifndef CBA_REASON_H
#define CBA_REASON_H

#include <stdbool.h>

enum cba_reason {
    CBA_R_UNDECIDED = 0, /* a zeroed decision is a refusal */
    CBA_R_OK,
#define CBA_REASON(symbol, number, status, level, meaning, remedy) CBA_R_##symbol,
#include "cba_reason.def"
#undef CBA_REASON
    CBA_R_COUNT
};

enum cba_level { CBA_LEVEL_ERR, CBA_LEVEL_WARN, CBA_LEVEL_INFO };

struct cba_reason_info {
    const char *symbol; /* as in the table, without CBA_R_ */
    const char *tag;    /* "EAS0101" */
    int status;         /* HTTP status; 0 where no request is answered */
    enum cba_level level;
    const char *meaning; /* what it means, one clause */
    const char *remedy;  /* what to do, one clause */
};

/* Never NULL: an unknown value and CBA_R_UNDECIDED are described as REQ_UNDECIDED, CBA_R_OK has
 * status 200 and the tag "-". */
const struct cba_reason_info *cba_reason_info(enum cba_reason reason);

/* Did nobody answer, or not in time? Not so where somebody answered with a refusal, or where the
 * gateway itself is at fault. */
bool cba_reason_is_outage(enum cba_reason reason);

/* What a function of io/ or core/ says beside its reason. Owned by the caller; zero it before use.
 */
#define CBA_DETAIL_MAX 255
struct cba_result {
    char detail[CBA_DETAIL_MAX + 1]; /* one clause for the log, not escaped; for reading only, so a
                                        longer one ends in "..." */
};

/* Sets the detail, printf-like. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void cba_result_set(struct cba_result *result, const char *format, ...);

#endif
