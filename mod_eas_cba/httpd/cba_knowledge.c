/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_knowledge.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <apr_time.h>

#include "cba_conf.h"
#include "cba_flight.h"
#include "cba_report.h"
#include "cba_shared.h"

/* While an old value serves: what looking for a new one may take of a request's time, and when the
 * next one looks. */
#define RENEW_MS      1500
#define RENEW_AGAIN_S 10

struct cba_knowledge {
    const server_rec *server;
    const struct cba_srv_conf *conf;
    const struct cba_knowledge_kind *kind;
    struct cba_flight *flight;
    /* Apart, so that a crowd of things that are not drives nothing out that is. A key is in one of
     * them at most, but for a moment. */
    struct cba_cache *values, *nots;
};

/* A value, which the caches and requests share by counting. */
struct item {
    atomic_uint users;
    int64_t issued; /* when the directory was asked */
    void *value;
};

static int64_t now(void)
{
    return apr_time_sec(apr_time_now());
}

/* Takes the value, also where it makes no item of it. */
static struct item *new_item(void *value, int64_t issued)
{
    struct item *item = malloc(sizeof *item);

    if (!item) {
        free(value);
        return NULL;
    }
    atomic_init(&item->users, 1);
    item->issued = issued;
    item->value = value;
    return item;
}

static struct item *hold(struct item *item)
{
    atomic_fetch_add(&item->users, 1);
    return item;
}

void cba_knowledge_drop(void *data)
{
    struct item *item = data;

    if (atomic_fetch_sub(&item->users, 1) == 1) {
        free(item->value);
        free(item);
    }
}

/* --- what this process knows --- */

static void take_item(void *value, void *ctx)
{
    *(struct item **)ctx = hold(value);
}

static void take_issued(void *value, void *ctx)
{
    *(int64_t *)ctx = ((const struct item *)value)->issued;
}

/* One request's. */
struct errand {
    struct cba_knowledge *knowledge;
    const unsigned char *key;
    const struct cba_knowledge_wish *wish;
};

static void take_value(void *value, void *ctx)
{
    const struct cba_knowledge_wish *wish = ((const struct errand *)ctx)->wish;

    wish->take(((const struct item *)value)->value, wish->ctx);
}

static bool is_remembered(struct cba_knowledge *knowledge, const unsigned char *key,
                          void (*take)(void *value, void *ctx), void *ctx)
{
    return cba_cache_get(knowledge->values, key, now(), take, ctx) ||
           cba_cache_get(knowledge->nots, key, now(), take, ctx);
}

static bool is_not(const struct cba_knowledge *knowledge, const struct item *item)
{
    return knowledge->kind->is_not && knowledge->kind->is_not(item->value);
}

static int64_t lifetime(const struct cba_knowledge *knowledge, const struct item *item)
{
    return is_not(knowledge, item) ? cba_srv_ttl_negative(knowledge->conf)
                                   : cba_srv_ttl_account(knowledge->conf);
}

static void remember(struct cba_knowledge *knowledge, const unsigned char *key, struct item *item,
                     int64_t until)
{
    if (is_not(knowledge, item)) {
        cba_cache_put(knowledge->nots, key, until, hold(item));
        cba_cache_forget(knowledge->values, key);
    } else {
        cba_cache_keep(knowledge->values, key, until, until + cba_srv_stale(knowledge->conf),
                       hold(item));
        cba_cache_forget(knowledge->nots, key);
    }
}

/* --- what processes and gateways tell each other --- */

/* Also that there is nothing, under the same key. What a record has no room for stays here. */
static void share(struct cba_knowledge *knowledge, const unsigned char *key,
                  const struct item *item, int64_t until)
{
    const struct cba_record_times times = {item->issued, until};
    unsigned char *content;
    size_t len;

    if (!knowledge->conf->shared) {
        return;
    }
    content = malloc(knowledge->kind->record_max);
    len = content ? knowledge->kind->write(item->value, content) : 0;
    if (len) {
        cba_shared_put(knowledge->conf->shared, key, knowledge->kind->record, &times,
                       cba_span_of(content, len));
    }
    free(content);
}

/* What another one learnt; it serves here as long as it would have there. NULL: nothing. */
static struct item *recall(struct cba_knowledge *knowledge, const unsigned char *key)
{
    struct cba_shared *shared = knowledge->conf->shared;
    int64_t known = 0, until = 0, most;
    struct cba_shared_record record;
    struct item *item = NULL;
    enum cba_reason reason;
    void *value = NULL;

    if (!cba_cache_peek(knowledge->values, key, take_issued, &known)) {
        cba_cache_peek(knowledge->nots, key, take_issued, &known);
    }
    if (!cba_shared_get(shared, key, knowledge->kind->record, cba_srv_ttl_account(knowledge->conf),
                        known, &record)) {
        return NULL;
    }
    reason = knowledge->kind->read(record.content, &value);
    if (reason != CBA_R_OK) {
        cba_shared_complain(shared, reason, NULL);
    } else {
        item = new_item(value, record.issued);
        most = item ? record.issued + lifetime(knowledge, item) : 0;
        until = record.until < most ? record.until : most;
    }
    cba_shared_release(&record);
    if (item && until <= now()) {
        cba_knowledge_drop(item);
        item = NULL;
    }
    if (item) {
        remember(knowledge, key, item, until);
    }
    return item;
}

/* --- asking --- */

static enum cba_reason ask(const struct errand *errand, struct cba_deadline deadline,
                           struct item **out, struct cba_result *result)
{
    struct cba_knowledge *knowledge = errand->knowledge;
    int64_t issued = now(), until;
    void *value = NULL;
    enum cba_reason reason = errand->wish->ask(errand->wish->ctx, deadline, &value, result);

    if (reason != CBA_R_OK) {
        return reason;
    }
    *out = new_item(value, issued);
    if (!*out) {
        return CBA_R_LIFE_MEMORY;
    }
    until = issued + lifetime(knowledge, *out);
    remember(knowledge, errand->key, *out, until);
    share(knowledge, errand->key, *out, until);
    return CBA_R_OK;
}

/* A new value, or where no directory answers and the administrator allows it, the old one. */
static enum cba_reason renew(const struct errand *errand, struct cba_deadline deadline,
                             struct item *old, struct item **out, struct cba_result *result)
{
    struct cba_knowledge *knowledge = errand->knowledge;
    enum cba_reason reason = ask(errand, cba_deadline_within(deadline, RENEW_MS), out, result);

    if (!cba_reason_is_outage(reason)) {
        cba_knowledge_drop(old);
        return reason;
    }
    cba_report_often(knowledge->server, CBA_R_DIR_KEPT, result);
    cba_cache_prolong(knowledge->values, errand->key, now() + RENEW_AGAIN_S);
    *out = old;
    return CBA_R_OK;
}

static enum cba_reason learn(void *ctx, struct cba_deadline deadline, void **value,
                             struct cba_result *result)
{
    const struct errand *errand = ctx;
    struct cba_knowledge *knowledge = errand->knowledge;
    struct item *item = NULL, *old = NULL;
    enum cba_reason reason = CBA_R_OK;

    if (!is_remembered(knowledge, errand->key, take_item, &item)) {
        item = recall(knowledge, errand->key);
    }
    if (!item) {
        reason = cba_cache_get_old(knowledge->values, errand->key, now(), take_item, &old)
                     ? renew(errand, deadline, old, &item, result)
                     : ask(errand, deadline, &item, result);
    }
    *value = item;
    return reason;
}

enum cba_reason cba_knowledge_get(struct cba_knowledge *knowledge,
                                  const unsigned char key[CBA_CACHE_KEY],
                                  const struct cba_knowledge_wish *wish, struct cba_result *result)
{
    struct errand errand = {knowledge, key, wish};
    const struct cba_flight_wish flight = {
        .deadline = wish->deadline, .work = learn, .take = take_value, .ctx = &errand};

    if (is_remembered(knowledge, key, take_value, &errand)) {
        return CBA_R_OK;
    }
    return cba_flight_run(knowledge->flight, key, &flight, result);
}

struct cba_knowledge *cba_knowledge_create(apr_pool_t *pool, const server_rec *server,
                                           const struct cba_srv_conf *conf,
                                           struct cba_flight *flight,
                                           const struct cba_knowledge_kind *kind)
{
    struct cba_knowledge *knowledge = apr_pcalloc(pool, sizeof *knowledge);

    knowledge->server = server;
    knowledge->conf = conf;
    knowledge->kind = kind;
    knowledge->flight = flight;
    knowledge->values = cba_cache_create(pool, kind->most, cba_knowledge_drop);
    knowledge->nots = cba_cache_create(pool, kind->most_nots, cba_knowledge_drop);
    return knowledge->values && knowledge->nots ? knowledge : NULL;
}
