/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_store.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <ap_provider.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include <util_mutex.h>

#include "cba_call.h"
#include "cba_deadline.h"
#include "cba_provider.h"
#include "cba_report.h"
#include "cba_value.h"

#define MUTEX CBA_PROVIDER_NAME
#define KEPT                                                                                       \
    "mod_eas_cba-stores-" CBA_VERSION /* what another version keeps is laid out otherwise */
#define SHMCB_SIZE  (32 * 1024 * 1024)
#define SHMCB_LEAST (1024 * 1024)           /* with fewer, some tickets would not fit */
#define SHMCB_MOST  (64 * 1024 * 1024 - 1)  /* mod_socache_shmcb's */
#define REST_MS     4000                    /* how long a store is left alone that failed */
#define CALL_MS     500                     /* how long a request waits for a server */
#define LOCK_WAIT   apr_time_from_msec(100) /* for a copy in memory: who holds it longer has died */

struct cba_store {
    apr_global_mutex_t *mutex;  /* NULL: the provider needs none */
    bool is_memory;             /* it is in this machine's memory, not a server */
    bool joined;                /* this child has done child_init */
    unsigned servers;           /* how many there are */
    const char *args;           /* of the provider */
    server_rec *main_server;    /* for a new one; of servers only */
    atomic_int errands;         /* threads that wait for a server */
    _Atomic int64_t rest_until; /* monotonic ms, in each process its own; 0: it answers */

    pthread_mutex_t lock; /* for provider; never held during a call */
    struct cba_provider *provider;
};

/* Shared memory, which outlives a reload with all that is in it, and its mutex, which old and new
 * children have in common. From a pool of its own below the process's. */
struct kept {
    struct cba_store store; /* the first member: a store is what is handed out */
    apr_pool_t *pool;
    bool wanted; /* by the configuration that is being set up */
};

/* --- the directive --- */

static bool is_host_and_port(struct cba_span word)
{
    char uri[300];
    int len = snprintf(uri, sizeof uri, "ldap://%.*s", (int)word.len, (const char *)word.ptr);

    /* The same grammar: a DNS name or an address, and a port. */
    return len > 0 && (size_t)len < sizeof uri && cba_value_ldap_uri(cba_span_str(uri));
}

static bool are_hosts(const char *list)
{
    for (;;) {
        const char *comma = strchr(list, ',');

        if (!is_host_and_port(cba_span_of(list, comma ? (size_t)(comma - list) : strlen(list)))) {
            return false;
        }
        if (!comma) {
            return true;
        }
        list = comma + 1;
    }
}

bool cba_store_parse(apr_pool_t *pool, const char *value, enum cba_store_kind *kind,
                     const char **args)
{
    int64_t size = SHMCB_SIZE;

    *kind = CBA_STORE_NONE;
    *args = "";
    if (value && !ap_cstr_casecmp(value, "none")) {
        return true;
    }
    if (value && !ap_cstr_casecmpn(value, "redis:", 6)) {
        *kind = CBA_STORE_REDIS;
        *args = value + 6;
        return are_hosts(*args);
    }
    if (value && !ap_cstr_casecmpn(value, "memcache:", 9)) {
        *kind = CBA_STORE_MEMCACHE;
        *args = value + 9;
        return are_hosts(*args);
    }
    if (value && ap_cstr_casecmp(value, "shmcb") &&
        (ap_cstr_casecmpn(value, "shmcb:", 6) ||
         !cba_value_bytes(cba_span_str(value + 6), &size))) {
        return false;
    }
    *kind = CBA_STORE_SHMCB;
    /* The path is of use only where there is no anonymous shared memory. */
    *args = apr_psprintf(pool, "%s/eas_cba.shmcb(%" APR_INT64_T_FMT ")",
                         ap_runtime_dir_relative(pool, ""), (apr_int64_t)size);
    return size >= SHMCB_LEAST && size <= SHMCB_MOST;
}

static const ap_socache_provider_t *provider_of(enum cba_store_kind kind)
{
    static const char *const names[] = {[CBA_STORE_SHMCB] = "shmcb",
                                        [CBA_STORE_REDIS] = "redis",
                                        [CBA_STORE_MEMCACHE] = "memcache"};

    return ap_lookup_provider(AP_SOCACHE_PROVIDER_GROUP, names[kind], AP_SOCACHE_PROVIDER_VERSION);
}

bool cba_store_available(enum cba_store_kind kind)
{
    return kind == CBA_STORE_NONE || provider_of(kind) != NULL;
}

/* --- setting up --- */

void cba_store_pre_config(apr_pool_t *pconf)
{
    ap_mutex_register(pconf, MUTEX, NULL, APR_LOCK_DEFAULT, 0);
}

static unsigned servers_in(const char *args)
{
    unsigned count = 1;

    while ((args = strchr(args, ',')) != NULL) {
        args++;
        count++;
    }
    return count;
}

/* pool: whose store and mutex it is. */
static apr_status_t open_store(struct cba_store *store, enum cba_store_kind kind, const char *args,
                               server_rec *s, apr_pool_t *pool)
{
    struct cba_result result = {""};
    const char *wrong;
    apr_status_t status;

    store->is_memory = kind == CBA_STORE_SHMCB;
    store->args = apr_pstrdup(pool, args);
    store->servers = servers_in(args);
    store->main_server = s;
    status = pthread_mutex_init(&store->lock, NULL);
    if (status != APR_SUCCESS) {
        return status;
    }
    status = cba_provider_create(provider_of(kind), store->args, s, pool, &store->provider, &wrong);
    if (status == APR_SUCCESS && (store->provider->functions->flags & AP_SOCACHE_FLAG_NOTMPSAFE)) {
        status = ap_global_mutex_create(&store->mutex, NULL, MUTEX, NULL, s, pool, 0);
    }
    if (status != APR_SUCCESS) {
        char text[120];

        cba_result_set(&result, "%s", wrong ? wrong : apr_strerror(status, text, sizeof text));
        cba_report_server(s, CBA_R_CONF_CACHE_PROVIDER, &result);
    }
    return status;
}

/* Shared memory that outlives a reload must not be left behind by the code that knows its form: a
 * module is unloaded and loaded anew then, perhaps at another address, perhaps another version. */
static void stay_loaded(const void *of_module)
{
    Dl_info info;

    if (dladdr(of_module, &info) && info.dli_fname) {
        (void)dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
    }
}

/* What is kept, by the provider's arguments. */
static apr_hash_t *kept_stores(server_rec *s)
{
    apr_hash_t **stores = ap_retained_data_get(KEPT);

    if (!stores) {
        stores = ap_retained_data_create(KEPT, sizeof(apr_hash_t *));
        *stores = apr_hash_make(s->process->pool);
    }
    return *stores;
}

static apr_status_t open_kept(const char *args, server_rec *s, struct cba_store **out)
{
    apr_hash_t *stores = kept_stores(s);
    struct kept *found = apr_hash_get(stores, args, APR_HASH_KEY_STRING);
    apr_status_t status;
    apr_pool_t *pool;

    if (!found) {
        apr_pool_create(&pool, s->process->pool);
        found = apr_pcalloc(pool, sizeof *found);
        found->pool = pool;
        status = open_store(&found->store, CBA_STORE_SHMCB, args, s, pool);
        if (status != APR_SUCCESS) {
            apr_pool_destroy(pool);
            return status;
        }
        stay_loaded(found->store.provider->functions);
        apr_hash_set(stores, apr_pstrdup(pool, args), APR_HASH_KEY_STRING, found);
    }
    found->wanted = true;
    *out = &found->store;
    return APR_SUCCESS;
}

apr_status_t cba_store_open(enum cba_store_kind kind, const char *args, server_rec *s,
                            apr_pool_t *pconf, struct cba_store **out)
{
    const char *key = apr_psprintf(pconf, KEPT "-%d-%s", (int)kind, args);
    apr_status_t status = APR_SUCCESS;
    void *found = NULL;

    *out = NULL;
    if (kind == CBA_STORE_NONE || !provider_of(kind)) {
        return APR_SUCCESS; /* check_config has said what there is to say */
    }
    if (kind == CBA_STORE_SHMCB) {
        return open_kept(args, s, out);
    }
    apr_pool_userdata_get(&found, key, pconf);
    if (!found) {
        found = apr_pcalloc(pconf, sizeof(struct cba_store));
        status = open_store(found, kind, args, s, pconf);
        apr_pool_userdata_setn(found, key, NULL, pconf);
    }
    *out = found;
    return status;
}

/* Children of the configuration before keep their mapping until they end. */
void cba_store_settle(server_rec *s, apr_pool_t *ptemp)
{
    apr_hash_t *stores = kept_stores(s);
    apr_hash_index_t *at;

    for (at = apr_hash_first(ptemp, stores); at; at = apr_hash_next(at)) {
        struct kept *one = apr_hash_this_val(at);

        if (one->wanted) {
            one->wanted = false;
        } else {
            apr_hash_set(stores, apr_hash_this_key(at), APR_HASH_KEY_STRING, NULL);
            cba_provider_unref(one->store.provider, s);
            apr_pool_destroy(one->pool);
        }
    }
}

apr_status_t cba_store_child_init(struct cba_store *store, apr_pool_t *pchild)
{
    if (store->joined || !store->mutex) {
        return APR_SUCCESS;
    }
    store->joined = true;
    return apr_global_mutex_child_init(&store->mutex, apr_global_mutex_lockfile(store->mutex),
                                       pchild);
}

/* --- calls --- */

/* In shared memory. retrieve needs the mutex, too: it takes out what has expired. A store does not
 * wait for it. */
static void call_memory(struct cba_store *store, struct cba_call *call)
{
    apr_global_mutex_t *mutex = store->mutex;
    apr_status_t locked;

    if (!mutex) {
        call->status = cba_call_make(call, &call->len);
        return;
    }
    locked = call->operation == CBA_CALL_PUT ? apr_global_mutex_trylock(mutex)
                                             : apr_global_mutex_timedlock(mutex, LOCK_WAIT);
    if (APR_STATUS_IS_ENOTIMPL(locked)) {
        locked = apr_global_mutex_lock(mutex);
    }
    if (locked != APR_SUCCESS) {
        call->status = APR_NOTFOUND;
        return;
    }
    call->status = cba_call_make(call, &call->len);
    apr_global_mutex_unlock(mutex);
}

static bool is_answer(apr_status_t status)
{
    return status == APR_SUCCESS || status == APR_NOTFOUND;
}

/* May the store be asked? Of those who come when its rest is over one tries it, the others wait for
 * what comes of that. */
static bool is_awake(struct cba_store *store, bool *rested)
{
    int64_t until = atomic_load(&store->rest_until), now;

    *rested = until != 0;
    if (!until) {
        return true;
    }
    now = cba_deadline_clock_ms();
    return now >= until &&
           atomic_compare_exchange_strong(&store->rest_until, &until, now + REST_MS);
}

/* An answer came when nobody waited for it any more: the server is back. The next one tries it. */
static void hear_late(void *ctx, apr_status_t status)
{
    struct cba_store *store = ctx;

    if (is_answer(status)) {
        atomic_store(&store->rest_until, 1);
    }
}

static struct cba_provider *take_provider(struct cba_store *store)
{
    struct cba_provider *provider;

    pthread_mutex_lock(&store->lock);
    provider = cba_provider_ref(store->provider);
    pthread_mutex_unlock(&store->lock);
    return provider;
}

/* Another instance of the provider in place of this one, unless somebody did that by now; NULL: of
 * any. Those of libaprutil (1.6.3) keep the connections that broke together with the one that told of
 * it, and no longer believe in the server: they try it every five seconds, each time over one of
 * those. A new instance has none of them and believes in every server. */
static void renew_provider(struct cba_store *store, const struct cba_provider *used)
{
    struct cba_provider *old = NULL, *fresh;
    const char *wrong;

    pthread_mutex_lock(&store->lock);
    if ((!used || store->provider == used) &&
        cba_provider_create(store->provider->functions, store->args, store->main_server, NULL,
                            &fresh, &wrong) == APR_SUCCESS) {
        old = store->provider;
        store->provider = fresh;
    }
    pthread_mutex_unlock(&store->lock);
    if (old) {
        cba_provider_unref(old, store->main_server);
    }
}

/* Over a new instance where the store rested; otherwise over the one there is, and when that fails,
 * over a new one. Of several servers it turns to the next when it has seen that one is down. */
static void call_servers(struct cba_store *store, struct cba_call *call, bool rested)
{
    const struct cba_deadline deadline = cba_deadline_in_ms(CALL_MS);
    const unsigned len = call->len;
    unsigned tries = store->servers + (rested ? 0 : 1);
    bool again;

    call->errands = &store->errands;
    call->late = hear_late;
    call->late_ctx = store;
    if (rested) {
        renew_provider(store, NULL);
    }
    do {
        call->provider = take_provider(store);
        call->len = len;
        cba_call_send(call, cba_deadline_left_ms(deadline));
        again = !is_answer(call->status) && --tries > 0 && cba_deadline_left_ms(deadline) > 0;
        if (again && tries == store->servers) {
            renew_provider(store, call->provider);
        }
        cba_provider_unref(call->provider, call->server);
    } while (again);
}

static apr_status_t make_call(struct cba_store *store, struct cba_call *call,
                              const unsigned char *key)
{
    bool rested;

    memcpy(call->key, key, CBA_STORE_KEY);
    if (!is_awake(store, &rested)) {
        return APR_NOTFOUND;
    }
    if (store->is_memory) {
        call->provider = store->provider;
        call_memory(store, call);
        return call->status;
    }
    call_servers(store, call, rested);
    atomic_store(&store->rest_until,
                 is_answer(call->status) ? 0 : cba_deadline_clock_ms() + REST_MS);
    return call->status;
}

/* --- use --- */

apr_status_t cba_store_get(struct cba_store *store, server_rec *s, const unsigned char *key,
                           unsigned char *out, unsigned *len)
{
    struct cba_call call = {.operation = CBA_CALL_GET, .server = s, .bytes = out, .len = *len};
    apr_status_t status;

    status = make_call(store, &call, key);
    *len = call.len;
    return status;
}

apr_status_t cba_store_put(struct cba_store *store, server_rec *s, const unsigned char *key,
                           int64_t until, unsigned char *bytes, unsigned len)
{
    struct cba_call call = {
        .operation = CBA_CALL_PUT, .server = s, .until = until, .bytes = bytes, .len = len};
    apr_status_t status;

    status = make_call(store, &call, key);
    return status == APR_NOTFOUND ? APR_SUCCESS : status;
}

apr_status_t cba_store_remove(struct cba_store *store, server_rec *s, const unsigned char *key)
{
    struct cba_call call = {.operation = CBA_CALL_REMOVE, .server = s};
    apr_status_t status;

    status = make_call(store, &call, key);
    return status == APR_NOTFOUND ? APR_SUCCESS : status;
}
