/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_flight.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* With less than this left, somebody else's failure is as good as an own one. */
#define OWN_TRY_MS 250

/* One key's work under way. */
struct job {
    struct job *next;
    unsigned char key[CBA_CACHE_KEY];
    pthread_cond_t ended;
    unsigned holders; /* threads that look at it; the last one frees it */
    bool over;
    bool out_of_time; /* it failed, and the worker's deadline was over */
    enum cba_reason reason;
    struct cba_result result;
    void *value;
};

struct cba_flight {
    struct cba_flight_conf conf;
    pthread_condattr_t monotonic;

    pthread_mutex_t lock; /* for all below; never held during work */
    pthread_cond_t freed; /* a place */
    unsigned running;
    struct job *jobs; /* that are not over: no more than there are threads */
};

static apr_status_t flight_end(void *data)
{
    struct cba_flight *flight = data;

    pthread_cond_destroy(&flight->freed);
    pthread_mutex_destroy(&flight->lock);
    pthread_condattr_destroy(&flight->monotonic);
    return APR_SUCCESS;
}

struct cba_flight *cba_flight_create(apr_pool_t *pool, const struct cba_flight_conf *conf)
{
    struct cba_flight *flight = apr_pcalloc(pool, sizeof *flight);

    flight->conf = *conf;
    if (pthread_condattr_init(&flight->monotonic)) {
        return NULL;
    }
    if (pthread_condattr_setclock(&flight->monotonic, CLOCK_MONOTONIC) ||
        pthread_mutex_init(&flight->lock, NULL) ||
        pthread_cond_init(&flight->freed, &flight->monotonic)) {
        return NULL;
    }
    apr_pool_cleanup_register(pool, flight, flight_end, apr_pool_cleanup_null);
    return flight;
}

/* The lock is held before and after. False: the deadline came first. */
static bool wait_for(struct cba_flight *flight, pthread_cond_t *change,
                     struct cba_deadline deadline)
{
    struct timespec at = {(time_t)(deadline.at_ms / 1000), (long)(deadline.at_ms % 1000) * 1000000};

    return pthread_cond_timedwait(change, &flight->lock, &at) != ETIMEDOUT;
}

/* The lock is held, as in all that follows but where it says otherwise. */
static struct job *find(struct cba_flight *flight, const unsigned char *key)
{
    struct job *job = flight->jobs;

    while (job && memcmp(job->key, key, CBA_CACHE_KEY)) {
        job = job->next;
    }
    return job;
}

static struct job *begin(struct cba_flight *flight, const unsigned char *key)
{
    struct job *job = calloc(1, sizeof *job);

    if (!job || pthread_cond_init(&job->ended, &flight->monotonic)) {
        free(job);
        return NULL;
    }
    memcpy(job->key, key, CBA_CACHE_KEY);
    job->holders = 1;
    job->next = flight->jobs;
    flight->jobs = job;
    return job;
}

/* Everybody may know; who comes from now on begins anew. */
static void end(struct cba_flight *flight, struct job *job)
{
    struct job **at = &flight->jobs;

    while (*at != job) {
        at = &(*at)->next;
    }
    *at = job->next;
    job->over = true;
    pthread_cond_broadcast(&job->ended);
}

/* Without the lock. */
static void let_go(struct cba_flight *flight, struct job *job)
{
    bool last;

    pthread_mutex_lock(&flight->lock);
    last = --job->holders == 0;
    pthread_mutex_unlock(&flight->lock);
    if (last) {
        if (job->value) {
            flight->conf.discard(job->value);
        }
        pthread_cond_destroy(&job->ended);
        free(job);
    }
}

static bool take_place(struct cba_flight *flight, struct cba_deadline deadline)
{
    while (flight->running >= flight->conf.most) {
        if (!wait_for(flight, &flight->freed, deadline)) {
            break;
        }
    }
    if (cba_deadline_left_ms(deadline) == 0) {
        /* What became free in the last moment is for somebody who can still use it. */
        pthread_cond_signal(&flight->freed);
        return false;
    }
    flight->running++;
    return true;
}

/* The lock is held before and after, but not during the work. */
static void work(struct cba_flight *flight, struct job *job, const struct cba_flight_wish *wish)
{
    enum cba_reason reason = flight->conf.busy;
    struct cba_result result = {""};
    void *value = NULL;
    bool placed = take_place(flight, wish->deadline);

    if (placed) {
        pthread_mutex_unlock(&flight->lock);
        reason = wish->work(wish->ctx, wish->deadline, &value, &result);
        pthread_mutex_lock(&flight->lock);
        flight->running--;
        pthread_cond_signal(&flight->freed);
    } else {
        cba_result_set(&result, "%u at a time", flight->conf.most);
    }
    job->reason = reason;
    job->result = result;
    job->value = value;
    job->out_of_time = reason != CBA_R_OK && cba_deadline_left_ms(wish->deadline) == 0;
    end(flight, job);
}

/* Is it somebody else's lack of time alone, and is there enough of one's own? */
static bool own_try(const struct job *job, struct cba_deadline deadline)
{
    return job->over && job->out_of_time && cba_deadline_left_ms(deadline) >= OWN_TRY_MS;
}

/* Joins the work that is under way, or does it. True: *job is over. False: the deadline is. */
static bool join(struct cba_flight *flight, const unsigned char *key,
                 const struct cba_flight_wish *wish, struct job **out)
{
    struct job *job;
    bool over = true;

    pthread_mutex_lock(&flight->lock);
    job = find(flight, key);
    if (job) {
        job->holders++;
        while (!job->over && wait_for(flight, &job->ended, wish->deadline)) {
            ;
        }
        over = job->over;
    } else {
        job = begin(flight, key);
        if (job) {
            work(flight, job, wish);
        }
    }
    pthread_mutex_unlock(&flight->lock);
    *out = job;
    return over;
}

enum cba_reason cba_flight_run(struct cba_flight *flight, const unsigned char key[CBA_CACHE_KEY],
                               const struct cba_flight_wish *wish, struct cba_result *result)
{
    enum cba_reason reason;
    struct job *job;
    bool over;

    while ((over = join(flight, key, wish, &job)) && job && own_try(job, wish->deadline)) {
        let_go(flight, job);
    }
    if (!job) {
        return CBA_R_LIFE_MEMORY;
    }
    if (over) {
        reason = job->reason;
        *result = job->result;
    } else {
        reason = flight->conf.late;
        cba_result_set(result, "another request was asking the same");
    }
    if (reason == CBA_R_OK) {
        wish->take(job->value, wish->ctx);
    }
    let_go(flight, job);
    return reason;
}
