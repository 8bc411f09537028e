/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_binding.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>

static const char prefix[] = "tls-server-end-point:";

/* RFC 5929 4.1. NULL: the signature has no hash function of its own, or none that OpenSSL knows.
 * X509_get_signature_info() reads the parameters of RSASSA-PSS, too. */
static const EVP_MD *hash_of(X509 *certificate)
{
    int hash = NID_undef;

    if (X509_get_signature_info(certificate, &hash, NULL, NULL, NULL) != 1) {
        return NULL;
    }
    switch (hash) {
    case NID_undef:
        return NULL;
    case NID_md5:
    case NID_sha1:
        return EVP_sha256();
    default:
        return EVP_get_digestbynid(hash);
    }
}

enum cba_reason cba_binding_make(X509 *certificate, struct cba_binding *out)
{
    enum cba_reason reason = CBA_R_OK;
    const EVP_MD *hash;
    unsigned int len = 0;

    memset(out, 0, sizeof(*out));
    ERR_set_mark();
    hash = hash_of(certificate);
    if (hash != NULL) {
        memcpy(out->data, prefix, sizeof(prefix) - 1);
        if (X509_digest(certificate, hash, out->data + sizeof(prefix) - 1, &len) == 1) {
            out->len = sizeof(prefix) - 1 + len;
        } else {
            memset(out, 0, sizeof(*out));
            reason = CBA_R_LIFE_MEMORY;
        }
    }
    ERR_pop_to_mark();
    return reason;
}
