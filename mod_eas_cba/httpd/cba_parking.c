/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_parking.h"

#include <apr_thread_mutex.h>

#include "cba_deadline.h"

#define PLACES    256   /* of a process */
#define OF_ONE    2     /* of one berth: a phone needs one, and another beside a held Ping */
#define PARKED_MS 10000 /* shorter than a server keeps an idle connection (IIS: 120 s) */

struct place {
    struct cba_berth berth;
    void *connection; /* NULL: free */
    int64_t until_ms;
};

struct parking {
    apr_thread_mutex_t *mutex; /* never held while a connection is made or ended */
    void (*end)(void *connection);
    struct place places[PLACES];
};

static struct parking *parking; /* of this process; NULL: nothing is parked */

static apr_status_t end_all(void *data)
{
    struct parking *ending = data;

    parking = NULL;
    for (size_t i = 0; i < PLACES; i++) {
        if (ending->places[i].connection) {
            ending->end(ending->places[i].connection);
        }
    }
    return APR_SUCCESS;
}

void cba_parking_child_init(apr_pool_t *pchild, void (*end)(void *connection))
{
    struct parking *made = apr_pcalloc(pchild, sizeof *made);

    made->end = end;
    if (apr_thread_mutex_create(&made->mutex, APR_THREAD_MUTEX_DEFAULT, pchild) != APR_SUCCESS) {
        return; /* connections end with the phones' */
    }
    apr_pool_cleanup_register(pchild, made, end_all, apr_pool_cleanup_null);
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
 * place, else the longest wait of all. The mutex is held. */
static struct place *place_for(const struct cba_berth *berth)
{
    struct place *best = &parking->places[0], *own = NULL;
    size_t count = 0;

    for (size_t i = 0; i < PLACES; i++) {
        struct place *place = &parking->places[i];

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
    int64_t now = cba_deadline_clock_ms();
    void *ended[PLACES + 1];
    size_t count = 0;
    struct place *place;

    if (!parking) {
        return false;
    }
    apr_thread_mutex_lock(parking->mutex);
    for (size_t i = 0; i < PLACES; i++) {
        place = &parking->places[i];
        if (place->connection && place->until_ms <= now) {
            ended[count++] = place->connection;
            place->connection = NULL;
        }
    }
    place = place_for(berth);
    if (place->connection) {
        ended[count++] = place->connection;
    }
    *place = (struct place){*berth, connection, now + PARKED_MS};
    apr_thread_mutex_unlock(parking->mutex);
    while (count > 0) {
        parking->end(ended[--count]);
    }
    return true;
}

void *cba_parking_take(const struct cba_berth *berth)
{
    int64_t now = cba_deadline_clock_ms();
    struct place *best = NULL;
    void *connection = NULL;

    if (!parking) {
        return NULL;
    }
    apr_thread_mutex_lock(parking->mutex);
    for (size_t i = 0; i < PLACES; i++) {
        struct place *place = &parking->places[i];

        if (is_at(place, berth) && place->until_ms > now &&
            (!best || place->until_ms > best->until_ms)) {
            best = place;
        }
    }
    if (best) {
        connection = best->connection;
        best->connection = NULL;
    }
    apr_thread_mutex_unlock(parking->mutex);
    return connection;
}
