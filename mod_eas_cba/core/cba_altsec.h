/* SPDX-License-Identifier: Apache-2.0
 *
 * altSecurityIdentities: the values of this attribute that name a certificate (MS-PKCA 3.1.5.2.1.3,
 * KB5014754). To ask the directory they are written from the certificate; what the directory
 * answers is parsed and compared, never searched. Pure functions; any thread.
 */
#ifndef CBA_ALTSEC_H
#define CBA_ALTSEC_H

#include "cba_cert.h"
#include "cba_name.h"

/* The forms, a bit each: which of them an account stores for this certificate. Each mail address of
 * the certificate is an identity of its own and has a bit of its own. */
#define CBA_ALTSEC_ISSUER_SERIAL  (1u << 0) /* X509:<I>issuer<SR>serial, its bytes reversed */
#define CBA_ALTSEC_SKI            (1u << 1) /* X509:<SKI>subject key identifier */
#define CBA_ALTSEC_THUMBPRINT     (1u << 2) /* X509:<SHA1-PUKEY>SHA-1 of the certificate */
#define CBA_ALTSEC_ISSUER_SID     (1u << 3) /* X509:<I>issuer<SID>S-1-... in the certificate */
#define CBA_ALTSEC_ISSUER_SUBJECT (1u << 4) /* X509:<I>issuer<S>subject */
#define CBA_ALTSEC_SUBJECT        (1u << 5) /* X509:<S>subject */
#define CBA_ALTSEC_RFC822_FIRST   (1u << 8) /* X509:<RFC822>address: bits 8 to 15 */
#define CBA_ALTSEC_RFC822         (((1u << CBA_MAILS) - 1) * CBA_ALTSEC_RFC822_FIRST)

/* Strong by KB5014754; the others are weak. */
#define CBA_ALTSEC_STRONG                                                                          \
    (CBA_ALTSEC_ISSUER_SERIAL | CBA_ALTSEC_SKI | CBA_ALTSEC_THUMBPRINT | CBA_ALTSEC_ISSUER_SID)
#define CBA_ALTSEC_ALL                                                                             \
    (CBA_ALTSEC_STRONG | CBA_ALTSEC_ISSUER_SUBJECT | CBA_ALTSEC_SUBJECT | CBA_ALTSEC_RFC822)

/* Microsoft's name of the best form in the set: "X509IssuerSerialNumber", "X509SKI",
 * "X509SHA1PublicKey", "X509IssuerSID", "X509IssuerSubject", "X509RFC822", "X509SubjectOnly"; "-"
 * for none. */
const char *cba_altsec_name(uint32_t forms);

/* The values to ask for are those of n = 0 to CBA_ALTSEC_VALUES - 1 for which this is true. A name
 * with special characters is written in each of its styles. out is undefined where it is false. */
#define CBA_ALTSEC_VALUES    (4 * CBA_NAME_STYLES + 2 + CBA_MAILS)
#define CBA_ALTSEC_VALUE_MAX (2 * CBA_NAME_STYLED_MAX + CBA_SID_TEXT_MAX + 16)
bool cba_altsec_value(const struct cba_cert *cert, size_t n, char out[CBA_ALTSEC_VALUE_MAX + 1]);

/* The form in which a stored value names this certificate; 0: it does not, or is not of one of the
 * seven forms to its last byte. Names and hexadecimal digits compare but for ASCII case; a blank
 * behind "X509:" is let pass. The SID of CBA_ALTSEC_ISSUER_SID may be that of the extension or of
 * the URL. */
uint32_t cba_altsec_match(const struct cba_cert *cert, struct cba_span value);

#endif
