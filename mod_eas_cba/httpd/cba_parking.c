/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_parking.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "cba_deadline.h"

#define PLACES      256   /* of a process */
#define OF_ONE      2     /* of one berth: a phone needs one, and another beside a held Ping */
#define PARKED_MS   10000 /* shorter than a server keeps an idle connection (IIS: 120 s) */
#define PATIENCE_MS 1000  /* a back end with room for a connection shakes hands sooner */
#define ENDING_S    1     /* for a lock that who was interrupted by the end may hold */

struct place {
    struct cba_berth berth;
    void *connection; /* NULL: free */
    int64_t until_ms;
};

struct parking {
    pthread_mutex_t lock; /* never held while a connection is made or ended */
    pthread_cond_t sooner;
    pthread_t thread;
    bool ending;
    int64_t look_ms; /* when the thread looks next */
    void (*end)(void *connection);
    struct place places[PLACES];
    struct cba_parking_wait *waits;
};

/* What is taken out of its places, to be ended without the lock. */
struct ended {
    void *connections[PLACES + 1];
    size_t count;
};

static struct parking *parking; /* of this process; NULL: nothing is parked */

/* The thread shall look by then; the lock is held. */
static void look_by(struct parking *of, int64_t at_ms)
{
    if (at_ms < of->look_ms) {
        of->look_ms = at_ms;
        pthread_cond_signal(&of->sooner);
    }
}

static void take_out(struct place *place, struct ended *ended)
{
    ended->connections[ended->count++] = place->connection;
    place->connection = NULL;
}

static void end_all(struct parking *of, struct ended *ended)
{
    while (ended->count > 0) {
        of->end(ended->connections[--ended->count]);
    }
}

/* Does somebody wait in vain for this worker's back end? */
static bool gives_way(const struct parking *of, const proxy_worker *worker, int64_t now)
{
    const struct cba_parking_wait *wait;

    for (wait = of->waits; wait; wait = wait->next) {
        if (wait->worker == worker && wait->patience_ms <= now) {
            return true;
        }
    }
    return false;
}

/* Takes out what has waited long enough, or too long for others. Returns when to look again. */
static int64_t clear(struct parking *of, int64_t now, struct ended *ended)
{
    const struct cba_parking_wait *wait;
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < PLACES; i++) {
        struct place *place = &of->places[i];

        if (!place->connection) {
            continue;
        }
        if (place->until_ms <= now || gives_way(of, place->berth.worker, now)) {
            take_out(place, ended);
        } else if (place->until_ms < next) {
            next = place->until_ms;
        }
    }
    for (wait = of->waits; wait; wait = wait->next) {
        /* What others park meanwhile gives way a moment later. */
        int64_t at = wait->patience_ms > now ? wait->patience_ms : now + PATIENCE_MS;

        next = at < next ? at : next;
    }
    return next;
}

static void *keep_order(void *data)
{
    struct parking *of = data;

    pthread_mutex_lock(&of->lock);
    while (!of->ending) {
        struct ended ended = {.count = 0};

        of->look_ms = clear(of, cba_deadline_clock_ms(), &ended);
        if (ended.count > 0) {
            pthread_mutex_unlock(&of->lock);
            end_all(of, &ended);
            pthread_mutex_lock(&of->lock);
        } else if (of->look_ms == INT64_MAX) {
            pthread_cond_wait(&of->sooner, &of->lock);
        } else {
            const struct timespec at = {(time_t)(of->look_ms / 1000),
                                        (long)(of->look_ms % 1000) * 1000000};

            pthread_cond_timedwait(&of->sooner, &of->lock, &at);
        }
    }
    pthread_mutex_unlock(&of->lock);
    return NULL;
}

/* With MPM prefork the end comes as a signal, in the middle of whatever was being done: if that was
 * parking, the process ends without an end of what is parked. The memory is left to the end of the
 * process: threads of HTTP/2 may still come to look. */
static apr_status_t end_parking(void *data)
{
    struct parking *ending = data;
    struct timespec at;

    parking = NULL;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += ENDING_S;
    if (pthread_mutex_timedlock(&ending->lock, &at)) {
        return APR_SUCCESS;
    }
    ending->ending = true;
    pthread_cond_signal(&ending->sooner);
    pthread_mutex_unlock(&ending->lock);
    pthread_join(ending->thread, NULL);
    for (size_t i = 0; i < PLACES; i++) {
        if (ending->places[i].connection) {
            ending->end(ending->places[i].connection);
        }
    }
    return APR_SUCCESS;
}

static bool init_locks(struct parking *made)
{
    pthread_condattr_t attr;
    bool ok;

    if (pthread_condattr_init(&attr)) {
        return false;
    }
    ok = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
         pthread_mutex_init(&made->lock, NULL) == 0 && pthread_cond_init(&made->sooner, &attr) == 0;
    pthread_condattr_destroy(&attr);
    return ok;
}

/* Signals are for httpd's own threads. */
static bool start(struct parking *made)
{
    sigset_t all, before;
    bool started;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    started = pthread_create(&made->thread, NULL, keep_order, made) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

void cba_parking_child_init(apr_pool_t *pchild, void (*end)(void *connection))
{
    struct parking *made = calloc(1, sizeof *made);

    if (!made) {
        return; /* connections end with the phones' */
    }
    made->end = end;
    if (!init_locks(made) || !start(made)) {
        free(made);
        return;
    }
    apr_pool_cleanup_register(pchild, made, end_parking, apr_pool_cleanup_null);
    parking = made;
}

static bool is_at(const struct place *place, const struct cba_berth *berth)
{
    return place->connection && place->berth.worker == berth->worker &&
           place->berth.server == berth->server &&
           cba_sid_equal(&place->berth.owner, &berth->owner) &&
           !strcmp(place->berth.spn, berth->spn);
}

/* Where the next one goes: the longest wait of its own berth where that has its share, else a free
 * place, else the longest wait of all. The lock is held. */
static struct place *place_for(struct parking *of, const struct cba_berth *berth)
{
    struct place *best = &of->places[0], *own = NULL;
    size_t count = 0;

    for (size_t i = 0; i < PLACES; i++) {
        struct place *place = &of->places[i];

        if (is_at(place, berth)) {
            count++;
            if (!own || place->until_ms < own->until_ms) {
                own = place;
            }
        }
        if (best->connection && (!place->connection || place->until_ms < best->until_ms)) {
            best = place;
        }
    }
    return count < OF_ONE ? best : own;
}

bool cba_parking_put(const struct cba_berth *berth, void *connection)
{
    struct parking *of = parking;
    int64_t until_ms = cba_deadline_clock_ms() + PARKED_MS;
    struct ended ended = {.count = 0};
    struct place *place;

    if (!of) {
        return false;
    }
    pthread_mutex_lock(&of->lock);
    place = place_for(of, berth);
    if (place->connection) {
        take_out(place, &ended);
    }
    *place = (struct place){*berth, connection, until_ms};
    look_by(of, until_ms);
    pthread_mutex_unlock(&of->lock);
    end_all(of, &ended);
    return true;
}

void *cba_parking_take(const struct cba_berth *berth)
{
    struct parking *of = parking;
    int64_t now = cba_deadline_clock_ms();
    struct place *best = NULL;
    void *connection = NULL;

    if (!of) {
        return NULL;
    }
    pthread_mutex_lock(&of->lock);
    for (size_t i = 0; i < PLACES; i++) {
        struct place *place = &of->places[i];

        if (is_at(place, berth) && place->until_ms > now &&
            (!best || place->until_ms > best->until_ms)) {
            best = place;
        }
    }
    if (best) {
        connection = best->connection;
        best->connection = NULL;
    }
    pthread_mutex_unlock(&of->lock);
    return connection;
}

void cba_parking_wait_begin(struct cba_parking_wait *wait, const proxy_worker *worker)
{
    struct parking *of = parking;

    *wait = (struct cba_parking_wait){.worker = worker,
                                      .patience_ms = cba_deadline_clock_ms() + PATIENCE_MS};
    if (!of) {
        return;
    }
    pthread_mutex_lock(&of->lock);
    wait->next = of->waits;
    if (wait->next) {
        wait->next->previous = wait;
    }
    of->waits = wait;
    look_by(of, wait->patience_ms);
    pthread_mutex_unlock(&of->lock);
}

void cba_parking_wait_end(struct cba_parking_wait *wait)
{
    struct parking *of = parking;

    if (!of) {
        return;
    }
    pthread_mutex_lock(&of->lock);
    if (wait->next) {
        wait->next->previous = wait->previous;
    }
    if (wait->previous) {
        wait->previous->next = wait->next;
    } else if (of->waits == wait) { /* else it was begun when there was no parking */
        of->waits = wait->next;
    }
    pthread_mutex_unlock(&of->lock);
}
