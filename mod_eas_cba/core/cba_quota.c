/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_quota.h"

#include <string.h>

/* A SID as a slot holds it: zeroes behind its end. */
struct key {
    uint64_t words[CBA_QUOTA_WORDS];
};

static struct key key_of(const struct cba_sid *sid)
{
    struct key key = {{0}};

    memcpy(key.words, sid->binary, sid->len);
    return key;
}

static struct key key_in(struct cba_quota_slot *slot)
{
    struct key key;

    for (size_t i = 0; i < CBA_QUOTA_WORDS; i++) {
        key.words[i] = atomic_load(&slot->sid[i]);
    }
    return key;
}

static bool is_key(struct cba_quota_slot *slot, const struct key *key)
{
    struct key found = key_in(slot);

    return memcmp(&found, key, sizeof found) == 0;
}

/* Where the account's slots begin. Nobody gains by aiming at a place: whoever chose SIDs could make
 * accounts. (FNV-1a by words, finished as SplitMix64 is.) */
static size_t place_of(const struct cba_quota *quota, const struct key *key)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < CBA_QUOTA_WORDS; i++) {
        hash = (hash ^ key->words[i]) * UINT64_C(1099511628211);
    }
    hash = (hash ^ (hash >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ (hash >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (size_t)((hash ^ (hash >> 31)) % quota->slots);
}

static struct cba_quota_slot *near(const struct cba_quota *quota, size_t place, size_t i)
{
    return &quota->table[(place + i) % quota->slots];
}

/* What the account holds in all processes. */
static void sum(const struct cba_quota *quota, const struct key *key, int64_t *requests,
                int64_t *bytes)
{
    size_t place = place_of(quota, key);

    *requests = *bytes = 0;
    for (size_t i = 0; i < CBA_QUOTA_NEAR; i++) {
        struct cba_quota_slot *slot = near(quota, place, i);

        if (atomic_load(&slot->process) > 0 && is_key(slot, key)) {
            *requests += atomic_load(&slot->requests);
            *bytes += atomic_load(&slot->bytes);
        }
    }
}

static struct cba_quota_slot *find(const struct cba_quota *quota, int64_t process,
                                   const struct key *key)
{
    size_t place = place_of(quota, key);

    for (size_t i = 0; i < CBA_QUOTA_NEAR; i++) {
        struct cba_quota_slot *slot = near(quota, place, i);

        if (atomic_load(&slot->process) == process && is_key(slot, key)) {
            return slot;
        }
    }
    return NULL;
}

static struct cba_quota_slot *claim(const struct cba_quota *quota, int64_t process,
                                    const struct key *key)
{
    size_t place = place_of(quota, key);

    for (size_t i = 0; i < CBA_QUOTA_NEAR; i++) {
        struct cba_quota_slot *slot = near(quota, place, i);
        int64_t nobody = 0;

        if (atomic_compare_exchange_strong(&slot->process, &nobody, -process)) {
            atomic_store(&slot->requests, 0);
            atomic_store(&slot->bytes, 0);
            for (size_t word = 0; word < CBA_QUOTA_WORDS; word++) {
                atomic_store(&slot->sid[word], key->words[word]);
            }
            atomic_store(&slot->process, process); /* from here on it counts */
            return slot;
        }
    }
    return NULL;
}

enum cba_reason cba_quota_enter(const struct cba_quota *quota, int64_t process,
                                const struct cba_sid *sid, int64_t limit,
                                struct cba_quota_slot **out)
{
    const struct key key = key_of(sid);
    struct cba_quota_slot *slot = find(quota, process, &key);
    int64_t requests, bytes;

    if (!slot) {
        slot = claim(quota, process, &key);
    }
    if (!slot) {
        return CBA_R_REQ_ACCOUNT_UNCOUNTED;
    }
    atomic_fetch_add(&slot->requests, 1); /* first, and look afterwards */
    sum(quota, &key, &requests, &bytes);
    if (requests > limit) {
        cba_quota_leave(slot, 0);
        return CBA_R_REQ_ACCOUNT_REQUESTS;
    }
    *out = slot;
    return CBA_R_OK;
}

bool cba_quota_add(const struct cba_quota *quota, struct cba_quota_slot *slot, int64_t held,
                   int64_t bytes, int64_t limit)
{
    const struct key key = key_in(slot);
    int64_t requests, all;

    atomic_fetch_add(&slot->bytes, bytes);
    sum(quota, &key, &requests, &all);
    if (all > limit && all > held + bytes) {
        atomic_fetch_sub(&slot->bytes, bytes);
        return false;
    }
    return true;
}

void cba_quota_leave(struct cba_quota_slot *slot, int64_t bytes)
{
    atomic_fetch_sub(&slot->bytes, bytes);
    if (atomic_fetch_sub(&slot->requests, 1) == 1) {
        atomic_store(&slot->process, 0);
    }
}

void cba_quota_forget(const struct cba_quota *quota, int64_t process)
{
    for (size_t i = 0; i < quota->slots; i++) {
        int64_t owner = atomic_load(&quota->table[i].process);

        if (owner == process || owner == -process) {
            atomic_store(&quota->table[i].process, 0);
        }
    }
}
