/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_ntauth_keeper.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "cba_cache.h"
#include "cba_conf.h"
#include "cba_report.h"
#include "cba_shared.h"

struct cba_ntauth_keeper {
    const server_rec *server;
    struct cba_shared *shared; /* NULL: there is none */
    struct cba_directory *directory;
    int64_t refresh_ms;
    unsigned char key[CBA_RECORD_KEY]; /* of the record */

    pthread_mutex_t lock; /* never held across traffic */
    pthread_cond_t ended; /* a reading ended */

    struct cba_ntauth_set *set; /* NULL: never read */
    int64_t read_ms;            /* when it was asked for; monotonic, as all times with _ms */
    int64_t issued;             /* the same by the clock of who asked, as in the record */
    int64_t due_ms;             /* when to ask again */
    int64_t look_ms;            /* when to look again what others know */
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
                                                   const struct cba_srv_conf *conf,
                                                   struct cba_directory *directory,
                                                   const char *scope)
{
    struct cba_ntauth_keeper *keeper = apr_pcalloc(pchild, sizeof *keeper);
    const struct cba_span parts[] = {cba_span_str("ntauth"), cba_span_str(scope)};

    if (!cba_cache_key(parts, sizeof parts / sizeof *parts, keeper->key) || !init_locks(keeper)) {
        return NULL;
    }
    keeper->server = server;
    keeper->shared = conf->shared;
    keeper->directory = directory;
    keeper->refresh_ms = cba_srv_ttl_ntauth(conf) * 1000;
    keeper->failure = CBA_R_OK;
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

/* --- what processes and gateways tell each other --- */

static int64_t kept_seconds(const struct cba_ntauth_keeper *keeper)
{
    return keeper->refresh_ms / 1000 * CBA_NTAUTH_KEEPER_TIMES;
}

/* Too much for a record stays with who read it. */
static void share(const struct cba_ntauth_keeper *keeper, const struct cba_ntauth_set *set,
                  int64_t issued)
{
    const struct cba_record_times times = {issued, issued + kept_seconds(keeper)};
    size_t room = CBA_RECORD_MAX - CBA_RECORD_HEAD, count, len;
    const struct cba_span *values = cba_ntauth_set_values(set, &count);
    unsigned char *content = keeper->shared ? malloc(room) : NULL;

    if (!content) {
        return;
    }
    len = cba_record_put_ntauth(values, count, content, room);
    if (len) {
        cba_shared_put(keeper->shared, keeper->key, CBA_RECORD_NTAUTH, &times,
                       cba_span_of(content, len));
    }
    free(content);
}

/* What another one has read after what is known here (seconds; 0: nothing is), with its times; NULL:
 * nothing. *there: there is a record that serves. An older one is nothing to speak of where
 * somebody's asking took longer or the store was busy once; one that is older by more than that was
 * brought back. */
static struct cba_ntauth_set *recall(const struct cba_ntauth_keeper *keeper, int64_t known,
                                     int64_t *read_ms, int64_t *issued, bool *there)
{
    struct cba_span values[CBA_NTAUTH_MAX];
    struct cba_ntauth_set *set = NULL;
    struct cba_shared_record record;
    int64_t age;
    size_t count;

    *there = cba_shared_get(keeper->shared, keeper->key, CBA_RECORD_NTAUTH, kept_seconds(keeper),
                            known ? known - 2 * keeper->refresh_ms / 1000 : 0, &record);
    if (!*there) {
        return NULL;
    }
    if (!cba_record_take_ntauth(record.content, values, &count)) {
        cba_shared_complain(keeper->shared, CBA_R_CACHE_FORMAT, NULL);
        *there = false;
    } else if (record.issued > known) {
        set = cba_ntauth_set_create(values, count);
        *issued = record.issued;
        age = apr_time_sec(apr_time_now()) - record.issued;
        *read_ms = cba_deadline_clock_ms() - (age > 0 ? age : 0) * 1000;
    }
    cba_shared_release(&record);
    return set;
}

/* --- reading --- */

/* The lock is held. What was there before, to be let go. */
static struct cba_ntauth_set *take_over(struct cba_ntauth_keeper *keeper,
                                        struct cba_ntauth_set *set, int64_t read_ms, int64_t issued)
{
    struct cba_ntauth_set *old = keeper->set;

    keeper->set = set;
    keeper->read_ms = read_ms;
    keeper->issued = issued;
    keeper->due_ms = next_refresh(keeper, read_ms);
    return old;
}

/* Looks what another one has read, and takes it; the lock is held before and after, not meanwhile.
 * What all others need as well is put back where the store has lost it: memory that is full throws
 * out what is oldest, not what is used least. True: the directory need not be asked now. */
static bool learn(struct cba_ntauth_keeper *keeper)
{
    struct cba_ntauth_set *own = keeper->set ? cba_ntauth_set_ref(keeper->set) : NULL, *set;
    int64_t known = keeper->issued, read_ms = 0, issued = 0;
    int64_t now = cba_deadline_clock_ms();
    bool fresh, there;

    keeper->look_ms = now + keeper->refresh_ms / 10;
    pthread_mutex_unlock(&keeper->lock);
    set = recall(keeper, known, &read_ms, &issued, &there);
    if (!there && own) {
        share(keeper, own, known);
    }
    pthread_mutex_lock(&keeper->lock);
    cba_ntauth_set_unref(own);
    if (set) {
        cba_ntauth_set_unref(take_over(keeper, set, read_ms, issued));
    }
    fresh = serves(keeper, now) && keeper->due_ms > now;
    if (set && fresh) {
        keeper->failure = CBA_R_OK; /* somebody was answered */
    }
    return fresh;
}

/* Asks the directory; as learn. */
static void ask(struct cba_ntauth_keeper *keeper, struct cba_deadline deadline)
{
    int64_t begun = cba_deadline_clock_ms(), issued = apr_time_sec(apr_time_now());
    struct cba_ntauth_set *set = NULL, *old = NULL;
    struct cba_result result = {""};
    enum cba_reason reason;
    bool remark = false;

    /* Who has an answer already asks on the time of a request that could do without: what a silent
     * server leaves of it is for the account. */
    if (serves(keeper, begun)) {
        deadline = cba_deadline_within(deadline, cba_deadline_left_ms(deadline) / 2);
    }
    pthread_mutex_unlock(&keeper->lock);
    reason = cba_directory_ntauth(keeper->directory, deadline, &set, &result);
    if (reason == CBA_R_OK) {
        share(keeper, set, issued);
    }
    pthread_mutex_lock(&keeper->lock);
    if (reason == CBA_R_OK) {
        old = take_over(keeper, set, begun, issued);
    } else {
        keeper->due_ms = cba_deadline_clock_ms() + keeper->refresh_ms / 10;
        remark = keeper->set && keeper->failure == CBA_R_OK; /* once, not each time */
    }
    keeper->failure = reason;
    keeper->failure_result = result;
    pthread_mutex_unlock(&keeper->lock);
    cba_ntauth_set_unref(old);
    if (remark) {
        cba_report_server(keeper->server, CBA_R_DIR_NTAUTH_KEPT, &result);
    }
    pthread_mutex_lock(&keeper->lock);
}

/* Reads it; the lock is held before and after, not meanwhile. */
static void read_anew(struct cba_ntauth_keeper *keeper, struct cba_deadline deadline)
{
    keeper->reading = true;
    if (!learn(keeper)) {
        ask(keeper, deadline);
    }
    keeper->reading = false;
    keeper->readings++;
    pthread_cond_broadcast(&keeper->ended);
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
    if (!keeper->reading &&
        (!serves(keeper, now) || now >= keeper->due_ms || now >= keeper->look_ms)) {
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
