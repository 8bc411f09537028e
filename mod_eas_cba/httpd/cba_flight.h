/* SPDX-License-Identifier: Apache-2.0
 *
 * Flights: work with directory or KDC that several threads may want at the same time. For each key
 * one thread does it, and the others wait for what it gets, each by its own deadline; and no more
 * than a fixed number of works of one process are under way. No lock is held during the work. Any
 * thread.
 */
#ifndef CBA_FLIGHT_H
#define CBA_FLIGHT_H

#include <apr_pools.h>

#include "cba_cache.h"
#include "cba_deadline.h"
#include "cba_reason.h"

struct cba_flight;

/* What cannot be told by the one who works. */
struct cba_flight_conf {
    unsigned most;        /* works at a time */
    enum cba_reason busy; /* no place became free by the deadline */
    enum cba_reason late; /* the other thread did not end by this one's deadline */
    void (*discard)(void *value);
};

/* One thread's wish. */
struct cba_flight_wish {
    struct cba_deadline deadline;
    /* Does it, by the deadline. CBA_R_OK with *value, which belongs to the flight from then on; or
     * why not. What it found out must be where the next one looks for it before this returns, and
     * it must look there first: between a look and a wish, another thread may have ended. */
    enum cba_reason (*work)(void *ctx, struct cba_deadline deadline, void **value,
                            struct cba_result *result);
    /* Called once after CBA_R_OK, with the value of whoever did it, for copying it or for taking a
     * reference: several threads may do so at a time. */
    void (*take)(void *value, void *ctx);
    void *ctx; /* for both, of this thread */
};

/* Ends with the pool; no call may be under way. NULL: out of memory. */
struct cba_flight *cba_flight_create(apr_pool_t *pool, const struct cba_flight_conf *conf);

/* The reason is that of the work, whoever did it; or busy, late, LIFE_MEMORY. When another thread
 * failed because its own deadline was over, this one tries itself with what it has left. */
enum cba_reason cba_flight_run(struct cba_flight *flight, const unsigned char key[CBA_CACHE_KEY],
                               const struct cba_flight_wish *wish, struct cba_result *result);

#endif
