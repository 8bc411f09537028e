/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_ntauth_set.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <openssl/evp.h>

struct cba_ntauth_set {
    atomic_uint references;
    size_t count, useless;
    struct cba_span *values; /* count and useless together */
    unsigned char identity[32];
    struct cba_ntauth_ca ca[]; /* the values and their bytes follow them in the same block */
};

/* Over (length, bytes) of each value, so that no two lists of values give the same input. */
static bool digest_values(const struct cba_span *values, size_t count, unsigned char digest[32])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool done = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);

    for (size_t i = 0; done && i < count; i++) {
        uint64_t len = values[i].len;

        done = EVP_DigestUpdate(ctx, &len, sizeof len) &&
               EVP_DigestUpdate(ctx, values[i].ptr, values[i].len);
    }
    done = done && EVP_DigestFinal_ex(ctx, digest, NULL);
    EVP_MD_CTX_free(ctx);
    return done;
}

struct cba_ntauth_set *cba_ntauth_set_create(const struct cba_span *values, size_t count)
{
    struct cba_ntauth_set *set;
    unsigned char *bytes;
    size_t size = 0;

    for (size_t i = 0; i < count; i++) {
        size += values[i].len;
    }
    set = calloc(1, sizeof *set + count * (sizeof set->ca[0] + sizeof set->values[0]) + size);
    if (!set || !digest_values(values, count, set->identity)) {
        free(set);
        return NULL;
    }
    atomic_init(&set->references, 1);
    set->values = (struct cba_span *)&set->ca[count];
    bytes = (unsigned char *)&set->values[count];
    for (size_t i = 0; i < count; i++) {
        if (values[i].len > 0) {
            memcpy(bytes, values[i].ptr, values[i].len);
        }
        set->values[i] = cba_span_of(bytes, values[i].len);
        if (cba_ntauth_parse(set->values[i], &set->ca[set->count])) {
            set->count++;
        } else if (set->ca[set->count].unread) {
            free(set);
            return NULL;
        } else {
            set->useless++;
        }
        bytes += values[i].len;
    }
    return set;
}

struct cba_ntauth_set *cba_ntauth_set_ref(struct cba_ntauth_set *set)
{
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    return set;
}

void cba_ntauth_set_unref(struct cba_ntauth_set *set)
{
    if (set && atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) == 1) {
        free(set);
    }
}

const struct cba_ntauth_ca *cba_ntauth_set_list(const struct cba_ntauth_set *set, size_t *count)
{
    *count = set->count;
    return set->ca;
}

size_t cba_ntauth_set_useless(const struct cba_ntauth_set *set)
{
    return set->useless;
}

const struct cba_span *cba_ntauth_set_values(const struct cba_ntauth_set *set, size_t *count)
{
    *count = set->count + set->useless;
    return set->values;
}

struct cba_span cba_ntauth_set_identity(const struct cba_ntauth_set *set)
{
    return cba_span_of(set->identity, sizeof set->identity);
}
