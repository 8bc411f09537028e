/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_ntauth.h"

#include <openssl/asn1.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "cba_shortage.h"

/* NULL: it is not one certificate in DER. OpenSSL reads BER too; what it read, written again, is
 * DER but for the part that is signed, which it keeps as it came. */
static X509 *read_certificate(struct cba_span der)
{
    const unsigned char *end = der.ptr;
    unsigned char *again = NULL;
    X509 *x509;
    int len;

    if (der.len == 0 || der.len > CBA_CERT_DER_MAX) {
        return NULL;
    }
    x509 = d2i_X509(NULL, &end, (long)der.len);
    len = x509 != NULL ? i2d_X509(x509, &again) : -1;
    if (len < 0 || (size_t)len != der.len || memcmp(again, der.ptr, der.len) != 0) {
        X509_free(x509);
        x509 = NULL;
    }
    OPENSSL_free(again);
    return x509;
}

static bool digest_name(const X509_NAME *name, unsigned char digest[32])
{
    const unsigned char *der;
    size_t len;

    return X509_NAME_get0_der(name, &der, &len) == 1 && len > 0 &&
           EVP_Digest(der, len, digest, NULL, EVP_sha256(), NULL) == 1;
}

/* Seconds since 1970. */
static bool read_time(const ASN1_TIME *time, int64_t *out)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days, seconds;
    bool good = epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, time) == 1;

    ASN1_TIME_free(epoch);
    if (good) {
        *out = (int64_t)days * 86400 + seconds;
    }
    return good;
}

/* X509_check_ca() tells a CA by its basicConstraints (1) from the guesses that it makes about
 * certificates without them, and looks at the keyUsage. */
static bool read_authority(X509 *x509, struct cba_ntauth_ca *out)
{
    return X509_check_ca(x509) == 1 && (X509_get_extension_flags(x509) & EXFLAG_INVALID) == 0 &&
           X509_get0_pubkey(x509) != NULL &&
           digest_name(X509_get_subject_name(x509), out->subject) &&
           read_time(X509_get0_notBefore(x509), &out->not_before) &&
           read_time(X509_get0_notAfter(x509), &out->not_after) &&
           out->not_before <= out->not_after; /* one that is never valid answers for nobody */
}

bool cba_ntauth_parse(struct cba_span der, struct cba_ntauth_ca *out)
{
    struct cba_shortage watch = cba_shortage_begin();
    X509 *x509;
    bool good;

    *out = (struct cba_ntauth_ca){0};
    x509 = read_certificate(der);
    good = x509 != NULL && read_authority(x509, out);
    X509_free(x509);
    if (cba_shortage_end(watch)) {
        *out = (struct cba_ntauth_ca){.unread = true};
        return false;
    }
    if (!good) {
        *out = (struct cba_ntauth_ca){0};
        return false;
    }
    out->der = der;
    return true;
}

/* Is the leaf signed with this authority's key? */
static bool is_signed_by(X509 *leaf, const struct cba_ntauth_ca *ca)
{
    X509 *x509 = read_certificate(ca->der);
    EVP_PKEY *key = x509 != NULL ? X509_get0_pubkey(x509) : NULL;
    bool good = key != NULL && X509_verify(leaf, key) == 1;

    X509_free(x509);
    return good;
}

/* A renewed authority is there twice, often with the same key: who is valid now and stays so
 * longest answers, and who is valid later makes a no one for a while. */
static bool find_issuer(X509 *leaf, const unsigned char *name,
                        const struct cba_ntauth_ca *authorities, size_t count, int64_t now,
                        int64_t *until)
{
    int64_t last = INT64_MIN, later = INT64_MAX;

    for (size_t i = 0; i < count; i++) {
        const struct cba_ntauth_ca *ca = &authorities[i];

        if (memcmp(ca->subject, name, sizeof(ca->subject)) != 0 || now > ca->not_after ||
            !is_signed_by(leaf, ca)) {
            continue;
        }
        if (now < ca->not_before) {
            later = ca->not_before - 1 < later ? ca->not_before - 1 : later;
        } else if (ca->not_after > last) {
            last = ca->not_after;
        }
    }
    *until = last != INT64_MIN ? last : later;
    return last != INT64_MIN;
}

bool cba_ntauth_issued(struct cba_span leaf, const struct cba_ntauth_ca *authorities, size_t count,
                       int64_t now, int64_t *until)
{
    struct cba_shortage watch = cba_shortage_begin();
    unsigned char name[32];
    bool issued = false;
    X509 *x509;

    *until = INT64_MAX;
    x509 = read_certificate(leaf);
    if (x509 != NULL && digest_name(X509_get_issuer_name(x509), name)) {
        issued = find_issuer(x509, name, authorities, count, now, until);
    }
    X509_free(x509);
    if (cba_shortage_end(watch)) {
        *until = INT64_MIN;
        return false;
    }
    return issued;
}
