/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_ntauth_keeper.h"

#include <errno.h>
#include <pthread.h>

#include "cba_report.h"

struct cba_ntauth_keeper {
    const server_rec *server;
    struct cba_directory *directory;
    int64_t refresh_ms;

    pthread_mutex_t lock; /* never held across traffic */
    pthread_cond_t ended; /* a reading ended */

    struct cba_ntauth_set *set; /* NULL: never read */
    int64_t read_ms;            /* when it was asked for; monotonic, as all times here */
    int64_t due_ms;             /* when to ask again */
    bool reading;
    unsigned readings;       /* that ended */
    enum cba_reason failure; /* of the last one; OK: it did not fail */
    struct cba_result failure_result;
};

static apr_status_t destroy(void *data)
{
    struct cba_ntauth_keeper *keeper = data;

    cba_ntauth_set_unref(keeper->set);
    pthread_cond_destroy(&keeper->ended);
    pthread_mutex_destroy(&keeper->lock);
    return APR_SUCCESS;
}

static bool init_locks(struct cba_ntauth_keeper *keeper)
{
    pthread_condattr_t attr;
    bool ok;

    if (pthread_condattr_init(&attr)) {
        return false;
    }
    ok = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
         pthread_mutex_init(&keeper->lock, NULL) == 0 &&
         pthread_cond_init(&keeper->ended, &attr) == 0;
    pthread_condattr_destroy(&attr);
    return ok;
}

struct cba_ntauth_keeper *cba_ntauth_keeper_create(apr_pool_t *pchild, const server_rec *server,
                                                   struct cba_directory *directory, int64_t seconds)
{
    struct cba_ntauth_keeper *keeper = apr_pcalloc(pchild, sizeof *keeper);

    if (!init_locks(keeper)) {
        return NULL;
    }
    keeper->server = server;
    keeper->directory = directory;
    keeper->refresh_ms = seconds * 1000;
    apr_pool_cleanup_register(pchild, keeper, destroy, apr_pool_cleanup_null);
    return keeper;
}

static bool serves(const struct cba_ntauth_keeper *keeper, int64_t now)
{
    return keeper->set && now - keeper->read_ms <= keeper->refresh_ms * CBA_NTAUTH_KEEPER_TIMES;
}

/* Up to a tenth earlier than needed, so that processes and gateways that were started together do
 * not ask together for ever. */
static int64_t next_refresh(const struct cba_ntauth_keeper *keeper, int64_t begun)
{
    return begun + keeper->refresh_ms -
           (int64_t)ap_random_pick(0, (apr_uint32_t)(keeper->refresh_ms / 10));
}

/* Reads it; the lock is held before and after, not meanwhile. */
static void read_anew(struct cba_ntauth_keeper *keeper, struct cba_deadline deadline)
{
    int64_t begun = cba_deadline_clock_ms();
    struct cba_ntauth_set *set = NULL, *old = NULL;
    struct cba_result result = {""};
    enum cba_reason reason;
    bool remark = false;

    /* Who has an answer already asks on the time of a request that could do without: what a silent
     * server leaves of it is for the account. */
    if (serves(keeper, begun)) {
        deadline = cba_deadline_within(deadline, cba_deadline_left_ms(deadline) / 2);
    }
    keeper->reading = true;
    pthread_mutex_unlock(&keeper->lock);
    reason = cba_directory_ntauth(keeper->directory, deadline, &set, &result);
    pthread_mutex_lock(&keeper->lock);
    if (reason == CBA_R_OK) {
        old = keeper->set;
        keeper->set = set;
        keeper->read_ms = begun;
        keeper->due_ms = next_refresh(keeper, begun);
    } else {
        keeper->due_ms = cba_deadline_clock_ms() + keeper->refresh_ms / 10;
        remark = keeper->set && keeper->failure == CBA_R_OK; /* once, not each time */
    }
    keeper->failure = reason;
    keeper->failure_result = result;
    keeper->reading = false;
    keeper->readings++;
    pthread_cond_broadcast(&keeper->ended);
    pthread_mutex_unlock(&keeper->lock);
    cba_ntauth_set_unref(old);
    if (remark) {
        cba_report_server(keeper->server, CBA_R_DIR_NTAUTH_KEPT, &result);
    }
    pthread_mutex_lock(&keeper->lock);
}

/* Waits for the end of somebody else's reading; the lock is held before and after. False: the
 * deadline came first. */
static bool await_reading(struct cba_ntauth_keeper *keeper, struct cba_deadline deadline)
{
    struct timespec at = {(time_t)(deadline.at_ms / 1000), (long)(deadline.at_ms % 1000) * 1000000};
    unsigned seen = keeper->readings;

    while (keeper->readings == seen) {
        if (pthread_cond_timedwait(&keeper->ended, &keeper->lock, &at) == ETIMEDOUT) {
            return keeper->readings != seen;
        }
    }
    return true;
}

/* Why there is no answer; the lock is held. */
static enum cba_reason explain(const struct cba_ntauth_keeper *keeper, struct cba_result *result)
{
    if (!keeper->set) {
        *result = keeper->failure_result;
        return keeper->failure;
    }
    cba_result_set(result, "%s %s", cba_reason_info(keeper->failure)->tag,
                   keeper->failure_result.detail);
    return CBA_R_DIR_NTAUTH_OLD;
}

enum cba_reason cba_ntauth_keeper_get(struct cba_ntauth_keeper *keeper,
                                      struct cba_deadline deadline, struct cba_ntauth_set **out,
                                      struct cba_result *result)
{
    int64_t now = cba_deadline_clock_ms();
    enum cba_reason reason = CBA_R_OK;
    bool heard = true;

    *out = NULL;
    pthread_mutex_lock(&keeper->lock);
    if (!keeper->reading && (!serves(keeper, now) || now >= keeper->due_ms)) {
        read_anew(keeper, deadline);
    } else if (keeper->reading && !serves(keeper, now)) {
        heard = await_reading(keeper, deadline);
    }
    if (serves(keeper, cba_deadline_clock_ms())) {
        *out = cba_ntauth_set_ref(keeper->set);
    } else if (heard) {
        reason = explain(keeper, result);
    } else {
        cba_result_set(result, "NTAuthCertificates is still being read");
        reason = CBA_R_DIR_TIMEOUT;
    }
    pthread_mutex_unlock(&keeper->lock);
    return reason;
}
