/* SPDX-License-Identifier: Apache-2.0
 *
 * SASL's GSSAPI mechanism, client side (RFC 4752): the exchange that binds the gateway to a
 * directory server with one Kerberos ticket, and the protection of what follows. Our own and not
 * libsasl's, because that one finds its credential and the server's name by way of the process:
 * default credential cache, krb5.conf's canonicalisation with its DNS queries; and knows no channel
 * bindings (RFC 5929), which a domain controller may demand inside TLS. Asks no KDC. Used by one
 * thread at a time.
 */
#ifndef CBA_SASL_H
#define CBA_SASL_H

#include "cba_reason.h"
#include "cba_span.h"

struct cba_sasl;

/* ccache: holds a ticket of principal to the service "ldap/host@REALM" (spn); it is used by this
 * call and the steps, and may be ended after them. seal: demand confidentiality for what follows;
 * else demand that nothing follows, and bind to the TLS channel (bindings: RFC 5929's application
 * data, empty for none). CBA_R_OK with *out owned by the caller, or KRB_TOKEN, LIFE_MEMORY. */
enum cba_reason cba_sasl_create(const char *ccache, const char *spn, bool seal,
                                struct cba_span bindings, struct cba_sasl **out,
                                struct cba_result *result);
void cba_sasl_destroy(struct cba_sasl *sasl); /* NULL is allowed */

/* The next message of the exchange: in is the server's last one (empty at first), *out is ours (may
 * be empty, valid until the next call). *last: after this one the server says yes or no. CBA_R_OK
 * or DIR_BIND. */
enum cba_reason cba_sasl_step(struct cba_sasl *sasl, struct cba_span in, struct cba_span *out,
                              bool *last, struct cba_result *result);

/* After the exchange, with seal. Strength of the protection in bits, and how much one message may
 * hold. */
unsigned cba_sasl_strength(const struct cba_sasl *sasl);
size_t cba_sasl_plain_max(const struct cba_sasl *sasl);
#define CBA_SASL_SEALED_MAX 65536 /* the largest message that we accept, told to the server */

/* One message. *out is valid until the next call. False: it cannot be made, or is not what the
 * server sent, in its order. */
bool cba_sasl_seal(struct cba_sasl *sasl, struct cba_span plain, struct cba_span *out);
bool cba_sasl_unseal(struct cba_sasl *sasl, struct cba_span sealed, struct cba_span *out);

#endif
