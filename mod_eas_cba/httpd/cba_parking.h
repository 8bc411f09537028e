/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a private back-end connection waits for the next connection of the same phone: phones
 * connect anew for almost every request, and a TLS handshake with the back end costs more than the
 * rest of it. What waits takes room that a back end may not have: it ends on time, and earlier where
 * the back end does not take up new connections. One parking for the process, with a thread that
 * sees to that; made in child_init, ends with its pool; all threads.
 */
#ifndef CBA_PARKING_H
#define CBA_PARKING_H

#include <stdbool.h>
#include <stdint.h>
#include <apr_pools.h>
#include <mod_proxy.h>

#include "cba_sid.h"

/* Whose connection it is and where it leads. It serves nobody and nothing else. */
struct cba_berth {
    struct cba_sid owner; /* objectSid of the account that it was authenticated for */
    const proxy_worker *worker;
    const server_rec *server;
    const char *spn; /* for as long as what is parked there */
};

/* Somebody who waits for a new connection of a worker to be taken up. The caller's, who fills in
 * nothing and keeps it in its place between begin and end. */
struct cba_parking_wait {
    const proxy_worker *worker;
    int64_t patience_ms; /* until when */
    struct cba_parking_wait *previous, *next;
};

/* end ends a connection that nobody took up in time; from any thread. */
void cba_parking_child_init(apr_pool_t *pchild, void (*end)(void *connection));

/* Parks it for some seconds, in place of the one that has waited longest where there is no room; the
 * parking owns it from here on. False: nothing can be parked in this process. */
bool cba_parking_put(const struct cba_berth *berth, void *connection);

/* The connection that was parked there last, now the caller's; NULL: none. */
void *cba_parking_take(const struct cba_berth *berth);

/* Between these two the caller waits for the worker's back end to take up a new connection. Where
 * that takes longer than a moment, what is parked for the same worker gives way. */
void cba_parking_wait_begin(struct cba_parking_wait *wait, const proxy_worker *worker);
void cba_parking_wait_end(struct cba_parking_wait *wait);

#endif
