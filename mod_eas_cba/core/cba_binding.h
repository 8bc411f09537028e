/* SPDX-License-Identifier: Apache-2.0
 *
 * The channel binding "tls-server-end-point" of a server's certificate (RFC 5929 4): what a Kerberos
 * token towards this server carries, so that it is worth nothing on a connection to another. Pure;
 * any thread. A binding is a value of the caller's.
 */
#ifndef CBA_BINDING_H
#define CBA_BINDING_H

#include <openssl/x509.h>

#include "cba_reason.h"

#define CBA_BINDING_MAX (sizeof("tls-server-end-point:") - 1 + EVP_MAX_MD_SIZE)

struct cba_binding {
    size_t len; /* 0: the certificate has no such binding */
    unsigned char data[CBA_BINDING_MAX];
};

/* The application data for GSSAPI (RFC 5056 2.1, RFC 5929 4.1): the type's name, a colon, and the
 * hash of the certificate by the hash function of its signature, SHA-256 in place of MD5 and SHA-1.
 *
 * RFC 5929 leaves the binding undefined where the signature has no hash function of its own
 * (Ed25519, Ed448), and a hash that OpenSSL does not know cannot be made: CBA_R_OK with len 0. A
 * guess would be worse than none: an acceptor lets a token without a binding pass or not, as it was
 * told to, but never one with another binding than its own. CBA_R_OK, or CBA_R_LIFE_MEMORY and *out
 * is empty. The error queue of OpenSSL is left as it was. */
enum cba_reason cba_binding_make(X509 *certificate, struct cba_binding *out);

#endif
