/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_hold.h"

#include <pthread.h>
#include <unistd.h>
#include <ap_mpm.h>
#include <apr_shm.h>

#include "cba_quota.h"

#define SLOTS 32768 /* accounts times processes that are busy at a time: 3 MB, used as needed */
#define KEY   "eas_cba_hold"

static struct cba_quota quota;                           /* shared memory, made before the fork */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* within this process */

struct cba_hold {
    struct cba_quota_slot *slot; /* NULL: not counted */
    int64_t bytes, limit;
};

/* The memory goes with the configuration; a child may still end before there is a new one. */
static apr_status_t end_of_table(void *data)
{
    (void)data;
    quota.table = NULL;
    return APR_SUCCESS;
}

apr_status_t cba_hold_post_config(apr_pool_t *pconf)
{
    apr_shm_t *shm;
    apr_status_t rv = apr_shm_create(&shm, SLOTS * sizeof *quota.table, NULL, pconf);

    if (rv == APR_SUCCESS) {
        apr_pool_cleanup_register(pconf, NULL, end_of_table, apr_pool_cleanup_null);
        /* Zeroes as it comes from the kernel; writing them would make all of its pages real. */
        quota = (struct cba_quota){.table = apr_shm_baseaddr_get(shm), .slots = SLOTS};
    }
    return rv;
}

/* In the parent, which learns of every end, also by a signal. */
static void child_status(server_rec *s, pid_t pid, ap_generation_t generation, int slot,
                         mpm_child_status status)
{
    (void)s;
    (void)generation;
    (void)slot;
    if (status == MPM_CHILD_EXITED && quota.table) {
        cba_quota_forget(&quota, pid);
    }
}

void cba_hold_register(void)
{
    ap_hook_child_status(child_status, NULL, NULL, APR_HOOK_MIDDLE);
}

static apr_status_t release(void *data)
{
    struct cba_hold *hold = data;

    pthread_mutex_lock(&lock);
    cba_quota_leave(hold->slot, hold->bytes);
    pthread_mutex_unlock(&lock);
    return APR_SUCCESS;
}

enum cba_reason cba_hold_take(request_rec *r, const struct cba_sid *sid, int64_t requests,
                              int64_t bytes, struct cba_hold **out)
{
    struct cba_hold *hold;
    enum cba_reason reason;
    void *earlier = NULL;

    /* An internal redirect has the pool of the request that it began as, and its account. */
    apr_pool_userdata_get(&earlier, KEY, r->pool);
    if (earlier) {
        *out = earlier;
        return CBA_R_OK;
    }
    hold = apr_pcalloc(r->pool, sizeof *hold);
    hold->limit = bytes;
    pthread_mutex_lock(&lock);
    reason = cba_quota_enter(&quota, getpid(), sid, requests, &hold->slot);
    pthread_mutex_unlock(&lock);
    if (hold->slot) {
        apr_pool_cleanup_register(r->pool, hold, release, apr_pool_cleanup_null);
    }
    if (reason != CBA_R_REQ_ACCOUNT_REQUESTS) {
        apr_pool_userdata_setn(hold, KEY, NULL, r->pool);
        *out = hold;
    }
    return reason;
}

bool cba_hold_add(struct cba_hold *hold, int64_t bytes)
{
    if (!hold->slot) {
        return true;
    }
    if (!cba_quota_add(&quota, hold->slot, hold->bytes, bytes, hold->limit)) {
        return false;
    }
    hold->bytes += bytes;
    return true;
}
