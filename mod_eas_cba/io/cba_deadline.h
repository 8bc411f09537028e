/* SPDX-License-Identifier: Apache-2.0
 *
 * Deadlines: one point in time by which a request's whole directory or KDC work must be over, all
 * attempts together. Monotonic clock, so a stepping wall clock neither ends nor prolongs a wait.
 * Plain value; any thread.
 */
#ifndef CBA_DEADLINE_H
#define CBA_DEADLINE_H

#include <stdint.h>
#include <time.h>

struct cba_deadline {
    int64_t at_ms; /* CLOCK_MONOTONIC, milliseconds */
};

static inline int64_t cba_deadline_clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline struct cba_deadline cba_deadline_in_ms(int64_t ms)
{
    return (struct cba_deadline){cba_deadline_clock_ms() + ms};
}

/* What is left in milliseconds, never negative; 0: it is over. */
static inline int cba_deadline_left_ms(struct cba_deadline deadline)
{
    int64_t left = deadline.at_ms - cba_deadline_clock_ms();

    return left <= 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

/* The earlier of the deadline and ms from now. */
static inline struct cba_deadline cba_deadline_within(struct cba_deadline deadline, int64_t ms)
{
    struct cba_deadline other = cba_deadline_in_ms(ms);

    return other.at_ms < deadline.at_ms ? other : deadline;
}

#endif
