/* SPDX-License-Identifier: Apache-2.0
 *
 * Account facts: what the directory says about one account, from LDAP attribute values (hostile
 * until parsed) to plain values, and what follows from them at a given time. Owned by the caller;
 * any thread.
 */
#ifndef CBA_ACCOUNT_H
#define CBA_ACCOUNT_H

#include <stdint.h>

#include "cba_limits.h"
#include "cba_reason.h"
#include "cba_sid.h"
#include "cba_span.h"

/* userAccountControl (MS-ADTS 2.2.16) */
#define CBA_UAC_ACCOUNTDISABLE    0x00000002u
#define CBA_UAC_NORMAL_ACCOUNT    0x00000200u
#define CBA_UAC_INTERDOMAIN_TRUST 0x00000800u
#define CBA_UAC_WORKSTATION_TRUST 0x00001000u
#define CBA_UAC_SERVER_TRUST      0x00002000u
#define CBA_UAC_NOT_DELEGATED     0x00100000u
#define CBA_UAC_PARTIAL_SECRETS   0x04000000u

struct cba_account {
    struct cba_sid sid;        /* objectSid */
    char sam[CBA_SAM_MAX + 1]; /* sAMAccountName */
    char upn[CBA_UPN_MAX + 1]; /* userPrincipalName; "": the account has none */
    /* DNS name of its domain, from the DC components of its DN, lower case */
    char domain[CBA_DOMAIN_MAX + 1];
    uint32_t control; /* userAccountControl */
    int64_t expires;  /* seconds since 1970; INT64_MAX: never */
    int64_t created;  /* whenCreated, seconds since 1970 */
    bool computer;    /* objectClass has computer */
    /* memberOf or primaryGroupID names Protected Users. False: they do not, or cannot (nested groups,
     * a server without extended names, values that it does not show): the evidence ticket tells. */
    bool protected_user;
};

/* One LDAP attribute as it came: a name and values that need not be text. */
struct cba_attribute {
    const char *name;
    const struct cba_span *values;
    size_t count;
};

/* The attributes to ask the directory for, NULL-terminated. DNs should be asked for in the extended
 * form of cba_dn.h. */
extern const char *const cba_account_attributes[];

/* CBA_R_OK, ACC_INCOMPLETE or ACC_MALFORMED with the attribute's name and the account's DN in
 * result. Attribute names compare without case; unknown ones are ignored; a single-valued attribute
 * with two values is malformed, as is one attribute twice; all of cba_account_attributes must be
 * there but userPrincipalName, altSecurityIdentities (whose values are not looked into), memberOf
 * and primaryGroupID. Of a memberOf that the server cut ("memberOf;range=0-1499", MS-ADTS
 * 3.1.1.3.1.3.3) what is there counts. dn and memberOf may be extended or plain. A DN without a
 * domain is "distinguishedName" malformed. On an error *out is zeroed. result may be NULL. */
enum cba_reason cba_account_parse(struct cba_span dn, const struct cba_attribute *attributes,
                                  size_t count, struct cba_account *out, struct cba_result *result);

/* The domain's DNS name from the trailing DC= components of a DN (RFC 2247), lower case. False:
 * none, malformed or too long. */
bool cba_account_domain(struct cba_span dn, char domain[CBA_DOMAIN_MAX + 1]);

/* The Kerberos realm of the account's domain: its DNS name in upper case (MS-KILE 3.1.5.11). */
static inline void cba_account_realm(const struct cba_account *account,
                                     char realm[CBA_DOMAIN_MAX + 1])
{
    size_t i;

    for (i = 0; account->domain[i]; i++)
        realm[i] = (char)cba_ascii_upper((unsigned char)account->domain[i]);
    realm[i] = '\0';
}

/* May this account use a phone at this time (seconds since 1970)? CBA_R_OK, ACC_COMPUTER,
 * ACC_PARTIAL_SECRETS, ACC_NOT_USER, ACC_DISABLED, ACC_EXPIRED, ACC_SENSITIVE, ACC_PROTECTED.
 * Locked-out accounts are left to the KDC: a lock ends by itself. So are passwords that have
 * expired or must be changed: they are of no concern to a certificate. */
enum cba_reason cba_account_policy(const struct cba_account *account, int64_t now);

#endif
