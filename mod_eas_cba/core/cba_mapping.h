/* SPDX-License-Identifier: Apache-2.0
 *
 * Mapping: from the identities in a certificate to one account. One LDAP filter asks for all of
 * them at once; all that resolve must be the same object. Pure functions; any thread.
 */
#ifndef CBA_MAPPING_H
#define CBA_MAPPING_H

#include "cba_account.h"
#include "cba_altsec.h"
#include "cba_cert.h"

/* Methods: which identity granted access. A bit each, so that EASCertAuthMap is a set. */
enum cba_method {
    CBA_METHOD_NONE = 0,
    CBA_METHOD_SID = 1 << 0,    /* SID extension; strong */
    CBA_METHOD_SIDURL = 1 << 1, /* SAN URL; strong, but whoever may choose a SAN may write it */
    CBA_METHOD_UPN = 1 << 2,    /* explicit or implicit UPN; weak (KB5014754) */
    CBA_METHOD_ALTSEC = 1 << 3, /* altSecurityIdentities in any of its forms, each with its own
                                   strength */
    CBA_METHOD_RFC822 = 1 << 4, /* altSecurityIdentities in this form only; weak */
    CBA_METHOD_SUBJECT = 1 << 5 /* a UPN in CN or E of the subject; weak */
};

/* "SID", "SIDURL", "UPN", "AltSecurityIdentities", "RFC822", "Subject" ("-" for anything else); and
 * back, without case (CBA_METHOD_NONE: unknown word). */
const char *cba_method_name(enum cba_method method);
enum cba_method cba_method_parse(struct cba_span word);

/* Is what granted strong (KB5014754)? forms: CBA_ALTSEC_*, as cba_mapping_resolve says them. */
bool cba_method_is_strong(enum cba_method method, uint32_t forms);

/* The directory's answer to the filter: up to two accounts (the search asks for no more). Facts,
 * fit for a cache: what they say about the certificate holds for every Location. */
struct cba_answer {
    unsigned count; /* accounts: 0, 1 or 2 */
    bool more;      /* there were more than two */
    struct cba_account account[2];
    uint32_t altsec[2]; /* CBA_ALTSEC_*: in which forms each account stores this certificate */
};

/* The filter for every identity of the certificate in a domain (DNS name of the search base):
 * (&(objectClass=user)(|...)). The implicit UPN (sAMAccountName) is asked for only where the suffix
 * is that domain and the name does not end in '$'. CBA_R_OK, MAP_NO_IDENTITY (which no certificate
 * that was parsed is), or CERT_LIMIT when it does not fit. */
enum cba_reason cba_mapping_filter(const struct cba_cert *cert, const char *domain,
                                   char filter[CBA_FILTER_MAX + 1]);

/* Adds an entry that the filter found. Of altSecurityIdentities, however many values it has, only
 * the forms are kept that name this certificate; values of other kinds, malformed or foreign ones
 * are left alone. A third entry is counted only. CBA_R_OK, or what cba_account_parse says. */
enum cba_reason cba_mapping_add(const struct cba_cert *cert, struct cba_span dn,
                                const struct cba_attribute *attributes, size_t count,
                                struct cba_answer *answer, struct cba_result *result);

/* Which account, by which method? Compares what came back with what was asked, byte for byte but
 * for ASCII case. allowed: set of enum cba_method that may grant; strong: refuse what is weak, else
 * a weak one must not be older than the account. CBA_R_OK with *account pointing into answer,
 * *method the best that grants (SID, a strong altSecurityIdentities, SIDURL, UPN, a weak
 * altSecurityIdentities, RFC822, Subject in this order), or MAP_*. On a refusal *account is the
 * account concerned where there is exactly one, else NULL; *method the method concerned or NONE.
 * *forms: where the method is AltSecurityIdentities or RFC822 the CBA_ALTSEC_* concerned, else 0.
 *
 * Nobody: MAP_NO_IDENTITY where the certificate has neither SID nor UPN, else MAP_NOT_FOUND. Two
 * accounts: MAP_AMBIGUOUS where one identity names both (explicit and implicit UPN are one
 * identity), MAP_CONTRADICTION where each is named by another one, MAP_INEXACT where one of them is
 * not named at all. One account: MAP_INEXACT where nothing names it, MAP_SID where the certificate
 * has a SID, listed or not, that is another's, then MAP_NOT_LISTED, MAP_WEAK, MAP_OLDER. A SID that
 * is not listed does not make a UPN strong; <I><SID> with the SID of the URL grants only where
 * SIDURL is listed, too. */
enum cba_reason cba_mapping_resolve(const struct cba_cert *cert, const struct cba_answer *answer,
                                    unsigned allowed, bool strong,
                                    const struct cba_account **account, enum cba_method *method,
                                    uint32_t *forms);

#endif
