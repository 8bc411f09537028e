/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificate facts: what a client certificate says, taken from its DER once and kept as plain
 * values. Nothing here decides; nothing here verifies a signature (mod_ssl did). Owned by the
 * caller, no allocation outlives a call; any thread.
 */
#ifndef CBA_CERT_H
#define CBA_CERT_H

#include <stdint.h>

#include "cba_limits.h"
#include "cba_reason.h"
#include "cba_sid.h"
#include "cba_span.h"

struct cba_cert {
    unsigned char digest[32];      /* SHA-256 of the DER: the name of this certificate in caches */
    int64_t not_before, not_after; /* seconds since 1970, both inclusive (RFC 5280 4.1.2.5) */
    struct cba_sid sid;     /* extension 1.3.6.1.4.1.311.25.2 (MS-WCCE 2.2.2.7.7.4); len 0: none */
    struct cba_sid sid_url; /* SAN URL tag:microsoft.com,2022-09-14:sid:... (MS-PKCA 3.1.5.2.1.6);
                               len 0: none */
    char upn[CBA_UPN_MAX + 1]; /* SAN otherName 1.3.6.1.4.1.311.20.2.3, UTF-8; "": none */
    size_t eku_count;          /* usages in eku[]; 0: no extension */
    char eku[CBA_EKU_MAX][CBA_OID_MAX + 1]; /* dotted */
    char issuer[CBA_NAME_TEXT_MAX + 1];     /* for the log only; a longer one ends in "..." */
    char serial[2 * CBA_SERIAL_MAX + 1];    /* hex, upper case, natural order */
    /* What altSecurityIdentities can say about it. */
    char issuer_name[CBA_NAME_MAX + 1];     /* as cba_name_of; "": it has no text */
    char subject_name[CBA_NAME_MAX + 1];    /* likewise, and "": the subject is empty */
    char ski[2 * CBA_SKI_MAX + 1];          /* subjectKeyIdentifier, hex, upper case; "": none */
    char thumbprint[2 * 20 + 1];            /* SHA-1 of the DER, hex, upper case */
    size_t mail_count;                      /* different addresses in mail[] */
    char mail[CBA_MAILS][CBA_MAIL_MAX + 1]; /* SAN rfc822Name, ASCII */
    /* Common names and mail addresses of the subject that are name@suffix, UTF-8; different ones. */
    size_t subject_upn_count;
    char subject_upn[CBA_SUBJECT_UPNS][CBA_UPN_MAX + 1];
};

/* Parses a whole DER certificate; trailing bytes are an error. CBA_R_OK, or CERT_MALFORMED,
 * CERT_SID, CERT_SID_CONFLICT, CERT_UPN, CERT_UPN_CONFLICT, CERT_DUPLICATE, CERT_LIMIT,
 * LIFE_MEMORY. On an error the members that were parsed before it stay set (for the log line;
 * issuer and serial come first); the rest is zero. result may be NULL.
 *
 * The SID extension is read as strict DER: GeneralNames with exactly one otherName of type
 * 1.3.6.1.4.1.311.25.2.1, [0] EXPLICIT OCTET STRING; names of other types beside it are ignored. A
 * UPN is name@suffix with exactly one '@', UTF-8 without controls. Several UPNs or SID URLs must be
 * equal (UPNs but for ASCII case). An rfc822Name must be ASCII without controls (CERT_MALFORMED); an
 * empty one says nothing. What of the subject is not name@suffix is no UPN. Other names and
 * extensions are not looked into. */
enum cba_reason cba_cert_parse(struct cba_span der, struct cba_cert *out,
                               struct cba_result *result);

/* Is one of the wanted usages among the certificate's? A certificate without the extension has none
 * (we want it said explicitly). */
bool cba_cert_has_usage(const struct cba_cert *cert, const char *const *wanted, size_t count);

#endif
