/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_certificates.h"

#include <stdlib.h>

#define CERTIFICATES_MAX 2048 /* of 12 KiB each: the phones that a process serves at a time */

struct cba_certificates {
    struct cba_cache *parsed;
};

struct cba_certificates *cba_certificates_create(apr_pool_t *pchild)
{
    struct cba_certificates *certificates = apr_palloc(pchild, sizeof *certificates);

    certificates->parsed = cba_cache_create(pchild, CERTIFICATES_MAX, free);
    return certificates->parsed ? certificates : NULL;
}

static void copy_cert(void *value, void *ctx)
{
    memcpy(ctx, value, sizeof(struct cba_cert));
}

bool cba_certificates_key(struct cba_span der, unsigned char key[CBA_CACHE_KEY])
{
    return cba_cache_key(&der, 1, key);
}

enum cba_reason cba_certificates_parse(struct cba_certificates *certificates, struct cba_span der,
                                       const unsigned char key[CBA_CACHE_KEY],
                                       struct cba_cert *cert, struct cba_result *result)
{
    struct cba_cert *copy;
    enum cba_reason reason;

    if (cba_cache_get(certificates->parsed, key, 0, copy_cert, cert)) {
        return CBA_R_OK;
    }
    reason = cba_cert_parse(der, cert, result);
    if (reason == CBA_R_OK && (copy = malloc(sizeof *copy)) != NULL) {
        *copy = *cert;
        cba_cache_put(certificates->parsed, key, INT64_MAX, copy);
    }
    return reason;
}
