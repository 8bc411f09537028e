/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_provider.h"

#include <stdatomic.h>

#include "cba_store.h"

struct provider {
    struct cba_provider seen; /* the first member: what is handed out */
    apr_pool_t *pool;
    atomic_uint users;
};

apr_status_t cba_provider_create(const ap_socache_provider_t *functions, const char *args,
                                 server_rec *s, apr_pool_t *parent, struct cba_provider **out,
                                 const char **wrong)
{
    /* Records are mostly tickets with a PAC. The number of shmcb's sub-caches comes of this, and
     * from it the largest object. */
    static const struct ap_socache_hints hints = {CBA_STORE_KEY, 1500, apr_time_from_sec(3600)};
    struct provider *made;
    apr_status_t status;
    apr_pool_t *pool;

    *wrong = NULL;
    status = apr_pool_create(&pool, parent);
    if (status != APR_SUCCESS) {
        return status;
    }
    made = apr_pcalloc(pool, sizeof *made);
    made->pool = pool;
    made->seen.functions = functions;
    atomic_init(&made->users, 1);
    *wrong = functions->create(&made->seen.instance, args, pool, pool);
    /* With the main server: providers merge no configuration into virtual hosts. */
    status = *wrong ? APR_EGENERAL
                    : functions->init(made->seen.instance, CBA_PROVIDER_NAME, &hints, s, pool);
    if (status != APR_SUCCESS && !*wrong) {
        apr_pool_destroy(pool);
    }
    *out = status == APR_SUCCESS ? &made->seen : NULL;
    return status;
}

struct cba_provider *cba_provider_ref(struct cba_provider *provider)
{
    atomic_fetch_add(&((struct provider *)provider)->users, 1);
    return provider;
}

void cba_provider_unref(struct cba_provider *provider, server_rec *s)
{
    struct provider *held = (struct provider *)provider;

    if (atomic_fetch_sub(&held->users, 1) == 1) {
        provider->functions->destroy(provider->instance, s);
        apr_pool_destroy(held->pool);
    }
}
