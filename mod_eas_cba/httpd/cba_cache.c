/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <apr_thread_mutex.h>
#include <apr_time.h>
#include <openssl/evp.h>

#include "cba_deadline.h"

struct entry {
    struct entry *next;          /* in its bucket */
    struct entry *newer, *older; /* in order of use */
    int64_t fresh, until;
    int64_t made, made_ms; /* when, by both clocks */
    void *value;
    unsigned char key[CBA_CACHE_KEY];
};

struct cba_cache {
    apr_thread_mutex_t *mutex;
    void (*discard)(void *value);
    size_t capacity, count;
    size_t mask;
    struct entry **buckets;
    struct entry *newest, *oldest;
};

/* Looked up once: EVP_sha256() stands for a search in all providers at each use, under locks. */
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;

static void fetch_sha256(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

bool cba_cache_key(const struct cba_span *parts, size_t count, unsigned char key[CBA_CACHE_KEY])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool done;
    size_t i;

    pthread_once(&sha256_once, fetch_sha256);
    done = ctx && sha256 && EVP_DigestInit_ex(ctx, sha256, NULL);

    for (i = 0; done && i < count; i++) {
        /* The same on every machine: keys are shared with other gateways. */
        const unsigned char len[] = {
            (unsigned char)(parts[i].len >> 24), (unsigned char)(parts[i].len >> 16),
            (unsigned char)(parts[i].len >> 8), (unsigned char)parts[i].len};

        done = parts[i].len <= UINT32_MAX && EVP_DigestUpdate(ctx, len, sizeof len) &&
               EVP_DigestUpdate(ctx, parts[i].ptr, parts[i].len);
    }
    done = done && EVP_DigestFinal_ex(ctx, key, NULL);
    EVP_MD_CTX_free(ctx);
    return done;
}

/* Keys are digests: any of their bits are as good as a hash. */
static struct entry **bucket_of(struct cba_cache *cache, const unsigned char *key)
{
    size_t hash;

    memcpy(&hash, key, sizeof hash);
    return &cache->buckets[hash & cache->mask];
}

/* The wall clock can be set back, and then it is long until `until`: nothing serves longer than it
 * was to by the clock that nobody sets. */
static bool serves_still(const struct entry *entry, int64_t now, int64_t until)
{
    return now < until && (cba_deadline_clock_ms() - entry->made_ms) / 1000 < until - entry->made;
}

static struct entry *find(struct cba_cache *cache, const unsigned char *key)
{
    struct entry *entry = *bucket_of(cache, key);

    while (entry && memcmp(entry->key, key, CBA_CACHE_KEY)) {
        entry = entry->next;
    }
    return entry;
}

static void unlink_use(struct cba_cache *cache, struct entry *entry)
{
    *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
}

static void link_newest(struct cba_cache *cache, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

/* Takes the entry out and returns its value, to be discarded outside of the lock. */
static void *take_out(struct cba_cache *cache, struct entry *entry)
{
    struct entry **at = bucket_of(cache, entry->key);
    void *value = entry->value;

    while (*at != entry) {
        at = &(*at)->next;
    }
    *at = entry->next;
    unlink_use(cache, entry);
    cache->count--;
    free(entry);
    return value;
}

static apr_status_t cache_end(void *data)
{
    struct cba_cache *cache = data;

    while (cache->oldest) {
        cache->discard(take_out(cache, cache->oldest));
    }
    free(cache->buckets);
    return APR_SUCCESS;
}

struct cba_cache *cba_cache_create(apr_pool_t *pool, size_t capacity, void (*discard)(void *value))
{
    struct cba_cache *cache = apr_pcalloc(pool, sizeof *cache);
    size_t buckets = 1;

    while (buckets < capacity) {
        buckets *= 2;
    }
    cache->buckets = calloc(buckets, sizeof *cache->buckets);
    if (!cache->buckets ||
        apr_thread_mutex_create(&cache->mutex, APR_THREAD_MUTEX_DEFAULT, pool) != APR_SUCCESS) {
        free(cache->buckets);
        return NULL;
    }
    cache->mask = buckets - 1;
    cache->capacity = capacity;
    cache->discard = discard;
    apr_pool_cleanup_register(pool, cache, cache_end, apr_pool_cleanup_null);
    return cache;
}

/* A value that serves at this time, which is the fresh one's end or the old one's. */
static bool get(struct cba_cache *cache, const unsigned char *key, int64_t now, bool old,
                void (*take)(void *value, void *ctx), void *ctx)
{
    struct entry *entry;
    bool serves;

    apr_thread_mutex_lock(cache->mutex);
    entry = find(cache, key);
    serves = entry && serves_still(entry, now, old ? entry->until : entry->fresh);
    if (serves) {
        take(entry->value, ctx);
        unlink_use(cache, entry);
        link_newest(cache, entry);
    }
    apr_thread_mutex_unlock(cache->mutex);
    return serves;
}

bool cba_cache_get(struct cba_cache *cache, const unsigned char key[CBA_CACHE_KEY], int64_t now,
                   void (*take)(void *value, void *ctx), void *ctx)
{
    return get(cache, key, now, false, take, ctx);
}

bool cba_cache_get_old(struct cba_cache *cache, const unsigned char key[CBA_CACHE_KEY], int64_t now,
                       void (*take)(void *value, void *ctx), void *ctx)
{
    return get(cache, key, now, true, take, ctx);
}

bool cba_cache_peek(struct cba_cache *cache, const unsigned char key[CBA_CACHE_KEY],
                    void (*take)(void *value, void *ctx), void *ctx)
{
    struct entry *entry;

    apr_thread_mutex_lock(cache->mutex);
    entry = find(cache, key);
    if (entry) {
        take(entry->value, ctx);
    }
    apr_thread_mutex_unlock(cache->mutex);
    return entry != NULL;
}

/* Puts the entry in, in place of an older one. What leaves for it, to be discarded outside of the
 * lock: at most two values. */
static void put_in(struct cba_cache *cache, struct entry *fresh, void *left[2])
{
    struct entry *old = find(cache, fresh->key);

    if (old) {
        left[0] = take_out(cache, old);
    }
    if (cache->count >= cache->capacity) {
        left[1] = take_out(cache, cache->oldest);
    }
    fresh->next = *bucket_of(cache, fresh->key);
    *bucket_of(cache, fresh->key) = fresh;
    link_newest(cache, fresh);
    cache->count++;
}

static struct entry *new_entry(const unsigned char *key, int64_t fresh, int64_t until, void *value)
{
    struct entry *entry = calloc(1, sizeof *entry);

    if (entry) {
        memcpy(entry->key, key, CBA_CACHE_KEY);
        entry->fresh = fresh;
        entry->until = until;
        entry->made = apr_time_sec(apr_time_now());
        entry->made_ms = cba_deadline_clock_ms();
        entry->value = value;
    }
    return entry;
}

static void discard_all(struct cba_cache *cache, void *left[2])
{
    for (size_t i = 0; i < 2; i++) {
        if (left[i]) {
            cache->discard(left[i]);
        }
    }
}

bool cba_cache_first(struct cba_cache *cache, const unsigned char key[CBA_CACHE_KEY], int64_t now,
                     int64_t until)
{
    struct entry *fresh = new_entry(key, until, until, NULL), *old;
    void *left[2] = {NULL, NULL};
    bool first;

    if (!fresh) {
        return true; /* not remembered: rather once too often */
    }
    apr_thread_mutex_lock(cache->mutex);
    old = find(cache, key);
    first = !old || !serves_still(old, now, old->until);
    if (first) {
        put_in(cache, fresh, left);
    } else {
        unlink_use(cache, old);
        link_newest(cache, old);
    }
    apr_thread_mutex_unlock(cache->mutex);
    if (!first) {
        free(fresh);
    }
    discard_all(cache, left);
    return first;
}

void cba_cache_put(struct cba_cache *cache, const unsigned char key[CBA_CACHE_KEY], int64_t until,
                   void *value)
{
    cba_cache_keep(cache, key, until, until, value);
}

void cba_cache_keep(struct cba_cache *cache, const unsigned char key[CBA_CACHE_KEY], int64_t fresh,
                    int64_t until, void *value)
{
    struct entry *entry = new_entry(key, fresh, until, value);
    void *left[2] = {NULL, NULL};

    if (!entry) {
        cache->discard(value);
        return;
    }
    apr_thread_mutex_lock(cache->mutex);
    put_in(cache, entry, left);
    apr_thread_mutex_unlock(cache->mutex);
    discard_all(cache, left);
}

void cba_cache_prolong(struct cba_cache *cache, const unsigned char key[CBA_CACHE_KEY],
                       int64_t fresh)
{
    struct entry *entry;

    apr_thread_mutex_lock(cache->mutex);
    entry = find(cache, key);
    if (entry && entry->fresh < fresh) {
        entry->fresh = fresh < entry->until ? fresh : entry->until;
    }
    apr_thread_mutex_unlock(cache->mutex);
}

void cba_cache_forget(struct cba_cache *cache, const unsigned char key[CBA_CACHE_KEY])
{
    struct entry *entry;
    void *value = NULL;

    apr_thread_mutex_lock(cache->mutex);
    entry = find(cache, key);
    if (entry) {
        value = take_out(cache, entry);
    }
    apr_thread_mutex_unlock(cache->mutex);
    if (value) {
        cache->discard(value);
    }
}

void cba_cache_drop(struct cba_cache *cache, const unsigned char key[CBA_CACHE_KEY],
                    const void *value)
{
    struct entry *entry;
    void *dropped = NULL;

    apr_thread_mutex_lock(cache->mutex);
    entry = find(cache, key);
    if (entry && entry->value == value) {
        dropped = take_out(cache, entry);
    }
    apr_thread_mutex_unlock(cache->mutex);
    if (dropped) {
        cache->discard(dropped);
    }
}
