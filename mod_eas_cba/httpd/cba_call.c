/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_call.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cba_deadline.h"

#define ERRANDS_MAX  64 /* threads of a process that may wait for one server */
#define ERRAND_STACK (512 * 1024)

/* A call in a thread of its own, with memory of its own. */
struct errand {
    struct cba_call call; /* bytes stand behind the struct */
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool done, abandoned; /* whoever comes second, thread or caller, frees it */
};

apr_status_t cba_call_make(const struct cba_call *call, unsigned *len)
{
    const ap_socache_provider_t *provider = call->provider->functions;
    ap_socache_instance_t *instance = call->provider->instance;
    apr_status_t status = APR_ENOMEM;
    apr_pool_t *pool; /* providers leave in it what they like */

    if (apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return status;
    }
    switch (call->operation) {
    case CBA_CALL_GET:
        status = provider->retrieve(instance, call->server, call->key, CBA_STORE_KEY, call->bytes,
                                    len, pool);
        break;
    case CBA_CALL_PUT:
        status = provider->store(instance, call->server, call->key, CBA_STORE_KEY,
                                 apr_time_from_sec(call->until), call->bytes, *len, pool);
        break;
    case CBA_CALL_REMOVE:
        status = provider->remove(instance, call->server, call->key, CBA_STORE_KEY, pool);
        break;
    }
    apr_pool_destroy(pool);
    return status;
}

static void free_errand(struct errand *errand)
{
    cba_provider_unref(errand->call.provider, errand->call.server);
    pthread_cond_destroy(&errand->ended);
    pthread_mutex_destroy(&errand->lock);
    free(errand);
}

static void *run_errand(void *arg)
{
    struct errand *errand = arg;
    const struct cba_call call = errand->call;
    unsigned len = errand->call.len;
    apr_status_t status = cba_call_make(&errand->call, &len);
    bool abandoned;

    pthread_mutex_lock(&errand->lock);
    errand->call.status = status;
    errand->call.len = len;
    errand->done = true;
    abandoned = errand->abandoned;
    pthread_cond_signal(&errand->ended);
    pthread_mutex_unlock(&errand->lock);
    if (abandoned) {
        call.late(call.late_ctx, status);
        free_errand(errand);
    }
    atomic_fetch_sub(call.errands, 1);
    return NULL;
}

static struct errand *make_errand(const struct cba_call *call)
{
    struct errand *errand = malloc(sizeof *errand + call->len);
    pthread_condattr_t attr;

    if (!errand) {
        return NULL;
    }
    memset(errand, 0, sizeof *errand);
    errand->call = *call;
    errand->call.bytes = (unsigned char *)(errand + 1);
    if (call->operation == CBA_CALL_PUT) {
        memcpy(errand->call.bytes, call->bytes, call->len);
    }
    if (pthread_condattr_init(&attr)) {
        free(errand);
        return NULL;
    }
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&errand->lock, NULL);
    pthread_cond_init(&errand->ended, &attr);
    pthread_condattr_destroy(&attr);
    cba_provider_ref(call->provider);
    return errand;
}

static bool send_errand(struct errand *errand)
{
    pthread_attr_t attr;
    pthread_t thread;
    bool sent;

    if (pthread_attr_init(&attr)) {
        return false;
    }
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, ERRAND_STACK);
    sent = pthread_create(&thread, &attr, run_errand, errand) == 0;
    pthread_attr_destroy(&attr);
    return sent;
}

void cba_call_send(struct cba_call *call, int ms)
{
    const struct cba_deadline deadline = cba_deadline_in_ms(ms);
    const struct timespec at = {(time_t)(deadline.at_ms / 1000),
                                (long)(deadline.at_ms % 1000) * 1000000};
    struct errand *errand = NULL;
    bool done;

    call->status = APR_NOTFOUND;
    if (atomic_fetch_add(call->errands, 1) < ERRANDS_MAX) {
        errand = make_errand(call);
    }
    if (!errand || !send_errand(errand)) {
        atomic_fetch_sub(call->errands, 1);
        if (errand) {
            free_errand(errand);
        }
        return;
    }
    pthread_mutex_lock(&errand->lock);
    while (!errand->done && pthread_cond_timedwait(&errand->ended, &errand->lock, &at) == 0) {
    }
    done = errand->done;
    errand->abandoned = !done;
    call->status = done ? errand->call.status : APR_TIMEUP;
    if (done && call->operation == CBA_CALL_GET && call->status == APR_SUCCESS) {
        call->len = errand->call.len;
        memcpy(call->bytes, errand->call.bytes, call->len);
    }
    pthread_mutex_unlock(&errand->lock);
    if (done) {
        free_errand(errand);
    }
}
