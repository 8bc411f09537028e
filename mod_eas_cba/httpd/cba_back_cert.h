/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates on the way to a back end: is it the one that its worker names, what is wrong with
 * what it showed, and did it end the connection for want of a certificate of ours. Used by the
 * thread that runs the attempt; the SSL is mod_ssl's, the caller holds a reference.
 */
#ifndef CBA_BACK_CERT_H
#define CBA_BACK_CERT_H

#include <stdbool.h>
#include <openssl/ssl.h>

#include "cba_reason.h"

/* What was seen of one connection while it was watched. Zero it before use. */
struct cba_back_cert {
    bool asked; /* the back end asked for a certificate of ours */
    int alert;  /* the last fatal alert of the back end about a certificate; 0: none */
};

/* Watch a connection from before its handshake on; seen must live until the watch ends. mod_ssl
 * makes no use of this callback. */
void cba_back_cert_watch(SSL *ssl, struct cba_back_cert *seen);
void cba_back_cert_unwatch(SSL *ssl);

/* Is the certificate for this host: in a dNSName if it has any, else in its CN; or in an iPAddress?
 */
bool cba_back_cert_is_for(X509 *certificate, const char *host);

/* Why the back end was not believed: untrusted, out of its time, for another host, or
 * BACK_UNVERIFIED for the rest. Sets the detail. */
enum cba_reason cba_back_cert_fault(SSL *ssl, const char *host, struct cba_result *result);

/* Has the back end ended the connection because of our certificate, or because it was shown none?
 * Asked when the attempt has failed. Sets the detail. */
bool cba_back_cert_is_wanted(SSL *ssl, const struct cba_back_cert *seen, struct cba_result *result);

#endif
