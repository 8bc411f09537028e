/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates that a process has parsed lately. What a certificate says does not change, and
 * OpenSSL 3 takes longer to take one apart than the rest of a request takes. One for each virtual
 * host and process, made in child_init, ends with the process's pool; all threads.
 */
#ifndef CBA_CERTIFICATES_H
#define CBA_CERTIFICATES_H

#include <apr_pools.h>

#include "cba_cache.h"
#include "cba_cert.h"

struct cba_certificates;

/* NULL: out of memory. */
struct cba_certificates *cba_certificates_create(apr_pool_t *pchild);

/* The name of a certificate here: a digest of its bytes. False: out of memory. */
bool cba_certificates_key(struct cba_span der, unsigned char key[CBA_CACHE_KEY]);

/* As cba_cert_parse; key is that of der. One that cannot be parsed is not remembered. */
enum cba_reason cba_certificates_parse(struct cba_certificates *certificates, struct cba_span der,
                                       const unsigned char key[CBA_CACHE_KEY],
                                       struct cba_cert *cert, struct cba_result *result);

#endif
