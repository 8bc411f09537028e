/* SPDX-License-Identifier: Apache-2.0
 *
 * NTAuth: the certificate authorities that the forest trusts to issue certificates for its
 * accounts, and whether one of them issued a given certificate. That is proven by the signature and
 * the name together, so that neither an authority of the same name nor one that shares a key under
 * another name will do; what else a client or a TLS library says of the chain is not needed. Windows
 * builds a valid chain first and then looks whether its issuing CA is in NTAuth, so an
 * authority that is expired or no CA vouches for nothing here either.
 * Owned by the caller, no allocation outlives a call; any thread.
 */
#ifndef CBA_NTAUTH_H
#define CBA_NTAUTH_H

#include <stdint.h>

#include "cba_limits.h"
#include "cba_span.h"

/* One value of cACertificate. */
struct cba_ntauth_ca {
    struct cba_span der;           /* borrowed, as given to cba_ntauth_parse */
    unsigned char subject[32];     /* SHA-256 of its subject, DER */
    int64_t not_before, not_after; /* seconds since 1970, both inclusive (RFC 5280 4.1.2.5) */
    bool unread;                   /* for cba_ntauth_parse alone */
};

/* Reads one value. False, and *out zeroed: it can vouch for nothing, because it is not one X.509
 * certificate in DER without a byte before or after, because it is too long, because it is not a CA
 * (RFC 5280 4.2.1.9: basicConstraints with cA; 4.2.1.3: keyCertSign, if there is a keyUsage), or
 * because its key or its dates cannot be read or leave no time. With out->unread: there was no memory
 * to find out. */
bool cba_ntauth_parse(struct cba_span der, struct cba_ntauth_ca *out);

/* Did one of these authorities, itself valid at this time (seconds since 1970), issue this
 * certificate? The issuer must be its subject, byte for byte (RFC 5280 4.1.2.6), and the signature
 * made with its key. *until is the last second for which the answer holds; INT64_MAX: always.
 * False as well for a leaf that is no certificate. INT64_MIN, and false: there was no memory to find
 * out. */
bool cba_ntauth_issued(struct cba_span leaf, const struct cba_ntauth_ca *authorities, size_t count,
                       int64_t now, int64_t *until);

#endif
