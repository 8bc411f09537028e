/* SPDX-License-Identifier: Apache-2.0
 *
 * The first token of SPNEGO around a Kerberos AP-REQ: what "Negotiate" of HTTP (RFC 4559) carries when
 * the client knows its mechanism and needs no second leg. Pure; any thread; the caller's memory.
 */
#ifndef CBA_SPNEGO_H
#define CBA_SPNEGO_H

#include "cba_span.h"

/* Longer than any AP-REQ with a ticket that Active Directory makes (MaxTokenSize: 64 KB at most). */
#define CBA_AP_REQ_MAX 0xFFFFF

#define CBA_SPNEGO_CHECKSUM     24 /* bytes of the authenticator's checksum */
#define CBA_SPNEGO_BINDING_HASH 16 /* MD5 */
/* What stands before the application data in what is hashed for a channel binding: the kinds and
 * lengths of addresses, of which there are none, and the length of the data. */
#define CBA_SPNEGO_BINDING_HEAD 20

/* Bytes of the token around an AP-REQ of that length (1 to CBA_AP_REQ_MAX). */
size_t cba_spnego_size(size_t ap_req_len);

/* Writes cba_spnego_size(ap_req.len) bytes: NegTokenInit with Kerberos as the only mechanism (RFC 4178
 * 4.2.1), in it the mechanism's own frame (RFC 2743 3.1, RFC 4121 4.1). */
void cba_spnego_write(struct cba_span ap_req, unsigned char *out);

/* The head of a channel binding of application data alone (RFC 4121 4.1.1.2): its hash is MD5 over
 * this and the data. len is less than 2^32. */
void cba_spnego_binding_head(size_t len, unsigned char out[CBA_SPNEGO_BINDING_HEAD]);

/* The checksum (type 0x8003) of the authenticator (RFC 4121 4.1.1): that hash, NULL for no binding,
 * and of all flags integrity alone: nothing is delegated and no answer of the service is wanted. */
void cba_spnego_checksum(const unsigned char *binding_hash, unsigned char out[CBA_SPNEGO_CHECKSUM]);

#endif
