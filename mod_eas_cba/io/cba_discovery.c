/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_discovery.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define FRESH_MS      300000 /* SRV records are asked for again after this time */
#define AGAIN_MS      30000  /* and after this one, where that failed and servers are known */
#define NONE_MS       5000   /* and where none are */
#define BACKGROUND_MS 2000   /* what the thread may take */

struct cba_discovery {
    const char *service;
    char domain[CBA_DOMAIN_MAX + 1];

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t ended; /* somebody has asked */
    bool asking;
    bool started; /* thread is to be joined; it touches nothing when asking is over */
    pthread_t thread;
    int64_t next_ms;        /* when to ask again */
    enum cba_reason reason; /* how the last asking ended */
    struct cba_result result;
    size_t count;
    struct cba_srv servers[CBA_SRV_MAX]; /* the last good answer */
};

struct cba_discovery *cba_discovery_create(const char *service, const char *realm)
{
    struct cba_discovery *discovery = calloc(1, sizeof *discovery);
    pthread_condattr_t attr;

    if (!discovery || strlen(realm) > CBA_DOMAIN_MAX || pthread_condattr_init(&attr)) {
        free(discovery);
        return NULL;
    }
    discovery->service = service;
    for (size_t i = 0; realm[i]; i++) {
        discovery->domain[i] = (char)cba_ascii_lower((unsigned char)realm[i]);
    }
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&discovery->lock, NULL);
    pthread_cond_init(&discovery->ended, &attr);
    pthread_condattr_destroy(&attr);
    return discovery;
}

void cba_discovery_destroy(struct cba_discovery *discovery)
{
    if (!discovery) {
        return;
    }
    if (discovery->started) {
        pthread_join(discovery->thread, NULL);
    }
    pthread_cond_destroy(&discovery->ended);
    pthread_mutex_destroy(&discovery->lock);
    free(discovery);
}

/* Asks DNS, being the only one; the lock is held before and after, but not while asking. */
static void ask(struct cba_discovery *discovery, struct cba_deadline deadline)
{
    struct cba_srv found[CBA_SRV_MAX];
    struct cba_result result = {""};
    size_t count = 0;
    enum cba_reason reason;

    pthread_mutex_unlock(&discovery->lock);
    reason = cba_srv_find(discovery->service, discovery->domain, deadline, found, &count, &result);
    pthread_mutex_lock(&discovery->lock);
    if (reason == CBA_R_OK) {
        memcpy(discovery->servers, found, count * sizeof found[0]);
        discovery->count = count;
    }
    discovery->reason = reason;
    discovery->result = result;
    discovery->next_ms = cba_deadline_clock_ms() + (reason == CBA_R_OK     ? FRESH_MS
                                                    : discovery->count > 0 ? AGAIN_MS
                                                                           : NONE_MS);
    discovery->asking = false;
    pthread_cond_broadcast(&discovery->ended);
}

static void *ask_in_background(void *data)
{
    struct cba_discovery *discovery = data;

    pthread_mutex_lock(&discovery->lock);
    ask(discovery, cba_deadline_in_ms(BACKGROUND_MS));
    pthread_mutex_unlock(&discovery->lock);
    return NULL;
}

/* Lets a thread ask; the lock is held. Signals are for the threads that were there before. */
static void start(struct cba_discovery *discovery)
{
    sigset_t all, before;

    if (discovery->started) {
        pthread_join(discovery->thread, NULL); /* it has nothing more to do than to end */
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    discovery->started =
        pthread_create(&discovery->thread, NULL, ask_in_background, discovery) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    discovery->asking = discovery->started;
    if (!discovery->started) {
        discovery->next_ms = cba_deadline_clock_ms() + AGAIN_MS;
    }
}

/* Somebody else is asking, and nothing is known yet; the lock is held before and after. */
static void wait_for_first(struct cba_discovery *discovery, struct cba_deadline deadline)
{
    struct timespec at = {(time_t)(deadline.at_ms / 1000), (long)(deadline.at_ms % 1000) * 1000000};

    while (discovery->asking &&
           pthread_cond_timedwait(&discovery->ended, &discovery->lock, &at) != ETIMEDOUT) {
        ;
    }
}

enum cba_reason cba_discovery_get(struct cba_discovery *discovery, struct cba_deadline deadline,
                                  struct cba_srv servers[CBA_SRV_MAX], size_t *count,
                                  struct cba_result *result)
{
    enum cba_reason reason = CBA_R_OK;

    pthread_mutex_lock(&discovery->lock);
    if (discovery->count == 0 && discovery->asking) {
        wait_for_first(discovery, deadline);
    }
    if (!discovery->asking && cba_deadline_clock_ms() >= discovery->next_ms) {
        if (discovery->count > 0) {
            start(discovery);
        } else {
            discovery->asking = true;
            ask(discovery, deadline);
        }
    }
    *count = discovery->count;
    memcpy(servers, discovery->servers, discovery->count * sizeof servers[0]);
    if (discovery->count == 0 && discovery->asking) {
        cba_result_set(result, "SRV records of %s: DNS did not answer in time", discovery->domain);
        reason = CBA_R_DIR_TIMEOUT;
    } else if (discovery->count == 0) {
        *result = discovery->result;
        reason = discovery->reason;
    }
    pthread_mutex_unlock(&discovery->lock);
    return reason;
}
