/* SPDX-License-Identifier: Apache-2.0
 *
 * What accounts hold at once, counted over all processes: a table in shared memory, which the
 * caller makes of zeroes before it forks. A slot belongs to one account in one process, and an
 * account's slots stand near a place that its SID decides; the sum over them is what it holds. A
 * slot is written by its process only, under a lock of the caller's within that process, and read
 * by all without one. So a process that dies harms nobody: its slots are given back with
 * cba_quota_forget(), by who learns of its death.
 */
#ifndef CBA_QUOTA_H
#define CBA_QUOTA_H

#include <stdatomic.h>
#include <stdint.h>

#include "cba_reason.h"
#include "cba_sid.h"

#define CBA_QUOTA_WORDS ((CBA_SID_BINARY_MAX + 7) / 8)
#define CBA_QUOTA_NEAR  64 /* slots that are looked at for one account */

struct cba_quota_slot {
    _Atomic int64_t process; /* 0: free; negative: being taken; else whose it is */
    _Atomic int64_t requests, bytes;
    _Atomic uint64_t sid[CBA_QUOTA_WORDS]; /* the binary form, which tells its own length */
};

/* slots is at least CBA_QUOTA_NEAR. */
struct cba_quota {
    struct cba_quota_slot *table;
    size_t slots;
};

/* One more request of the account in this process (its id, positive). CBA_R_OK with its slot;
 * REQ_ACCOUNT_REQUESTS: it has as many as the limit already, nothing was counted;
 * REQ_ACCOUNT_UNCOUNTED: there is no room near its place, nothing was counted. Two processes that
 * race for the last may both be told no, never both yes. Under the process's lock. */
enum cba_reason cba_quota_enter(const struct cba_quota *quota, int64_t process,
                                const struct cba_sid *sid, int64_t limit,
                                struct cba_quota_slot **slot);

/* So many more bytes for a request that holds `held` of them already. False: the account would hold
 * more than the limit, nothing was counted. What one request holds alone is never too much: else
 * it would be told to come again for ever. Any thread of a process whose request has the slot. */
bool cba_quota_add(const struct cba_quota *quota, struct cba_quota_slot *slot, int64_t held,
                   int64_t bytes, int64_t limit);

/* The request that entered ends, and gives back its bytes. Under the process's lock. */
void cba_quota_leave(struct cba_quota_slot *slot, int64_t bytes);

/* That process is gone: nothing it held counts any more. */
void cba_quota_forget(const struct cba_quota *quota, int64_t process);

#endif
