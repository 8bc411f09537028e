/* SPDX-License-Identifier: Apache-2.0
 *
 * A process cache: values by SHA-256 key, each with a time until which it serves, at most a fixed
 * number of them; the one unused longest goes first. Times are those of the wall clock; when that is
 * set back, a value serves no longer than it was to by the clock that nobody sets. One lock, held only to look up or exchange a
 * pointer. Any thread.
 */
#ifndef CBA_CACHE_H
#define CBA_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <apr_pools.h>

#include "cba_span.h"

struct cba_cache;

#define CBA_CACHE_KEY 32

/* The key of these parts: a digest over length and bytes of each, so that no two lists of parts
 * make the same input. False: OpenSSL cannot. */
bool cba_cache_key(const struct cba_span *parts, size_t count, unsigned char key[CBA_CACHE_KEY]);

/* discard frees a value that leaves the cache; of cba_cache_first also NULL. The cache ends with the
 * pool. NULL: out of memory. */
struct cba_cache *cba_cache_create(apr_pool_t *pool, size_t capacity, void (*discard)(void *value));

/* If a value serves at this time, calls take(value, ctx) under the lock, for copying it or for
 * taking a reference, and returns true. */
bool cba_cache_get(struct cba_cache *cache, const unsigned char key[CBA_CACHE_KEY], int64_t now,
                   void (*take)(void *value, void *ctx), void *ctx);

/* The same for a value that is old, and served only until a new one was to be had: see
 * cba_cache_keep. */
bool cba_cache_get_old(struct cba_cache *cache, const unsigned char key[CBA_CACHE_KEY], int64_t now,
                       void (*take)(void *value, void *ctx), void *ctx);

/* The same for a value that need not serve any more; that is no use of it. */
bool cba_cache_peek(struct cba_cache *cache, const unsigned char key[CBA_CACHE_KEY],
                    void (*take)(void *value, void *ctx), void *ctx);

/* True once for each key until the given time: nobody asked before, or somebody whom the cache has
 * forgotten. The value that is kept is NULL. */
bool cba_cache_first(struct cba_cache *cache, const unsigned char key[CBA_CACHE_KEY], int64_t now,
                     int64_t until);

/* Keeps value until the given time, in place of an older one; the cache owns it from here on, also
 * when it could not be kept. */
void cba_cache_put(struct cba_cache *cache, const unsigned char key[CBA_CACHE_KEY], int64_t until,
                   void *value);

/* The same, with a time from which on it is old: after fresh it serves for cba_cache_get_old only.
 */
void cba_cache_keep(struct cba_cache *cache, const unsigned char key[CBA_CACHE_KEY], int64_t fresh,
                    int64_t until, void *value);

/* No new value was to be had: the old one counts as fresh until the given time, and not beyond its
 * end. */
void cba_cache_prolong(struct cba_cache *cache, const unsigned char key[CBA_CACHE_KEY],
                       int64_t fresh);

/* Whatever there is of this key is wrong. */
void cba_cache_forget(struct cba_cache *cache, const unsigned char key[CBA_CACHE_KEY]);

/* Takes the key's value out, if it is still this one. */
void cba_cache_drop(struct cba_cache *cache, const unsigned char key[CBA_CACHE_KEY],
                    const void *value);

#endif
