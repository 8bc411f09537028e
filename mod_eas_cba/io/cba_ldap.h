/* SPDX-License-Identifier: Apache-2.0
 *
 * One LDAP connection: connected, protected and bound, then asked. libldap's configuration files
 * and environment, and what other modules set in libldap, change nothing about it but the system's
 * CA file (ldap.conf's TLS_CACERT). Used by one thread at a time.
 */
#ifndef CBA_LDAP_H
#define CBA_LDAP_H

#include "cba_deadline.h"
#include "cba_groups.h"
#include "cba_host.h"
#include "cba_login.h"
#include "cba_mapping.h"
#include "cba_ntauth_set.h"
#include "cba_service.h"

struct cba_ldap;

/* Connects, logs in, and learns where to search: base, or NULL for the domain of the server. tls:
 * ldaps://. CBA_R_OK with *out owned by the caller, who keeps host for as long; or DIR_UNREACHABLE,
 * DIR_TIMEOUT, DIR_TLS, DIR_BIND, DIR_PASSWORD, DIR_SEARCH, DIR_ANSWER, KRB_*, LIFE_MEMORY. */
enum cba_reason cba_ldap_open(struct cba_host *host, bool tls, const struct cba_login *login,
                              const char *base, struct cba_service *service,
                              struct cba_deadline deadline, struct cba_ldap **out,
                              struct cba_result *result);
void cba_ldap_close(struct cba_ldap *ldap); /* NULL is allowed; waits for nobody */

/* The accounts of the certificate's identities. CBA_R_OK, MAP_NO_IDENTITY, CERT_LIMIT, DIR_*,
 * ACC_INCOMPLETE, ACC_MALFORMED, LIFE_MEMORY. */
enum cba_reason cba_ldap_find(struct cba_ldap *ldap, const struct cba_cert *cert,
                              struct cba_deadline deadline, struct cba_answer *answer,
                              struct cba_result *result);

/* The forest's NTAuthCertificates; without the object, or without values in it, an empty set. The
 * server's rootDSE says where the configuration is. CBA_R_OK with a reference in *out, DIR_*,
 * LIFE_MEMORY. */
enum cba_reason cba_ldap_ntauth(struct cba_ldap *ldap, struct cba_deadline deadline,
                                struct cba_ntauth_set **out, struct cba_result *result);

/* The SID of a security group, by its DN. CBA_R_OK, DIR_GROUP, DIR_GROUP_ELSEWHERE, DIR_*,
 * LIFE_MEMORY. */
enum cba_reason cba_ldap_group(struct cba_ldap *ldap, const char *dn, struct cba_deadline deadline,
                               struct cba_sid *out, struct cba_result *result);

/* The groups of the account with this SID. CBA_R_OK with *out for the caller to free(),
 * DIR_TOKEN_GROUPS, ACC_GROUPS_MANY, DIR_*, LIFE_MEMORY. */
enum cba_reason cba_ldap_groups(struct cba_ldap *ldap, const struct cba_sid *account,
                                struct cba_deadline deadline, struct cba_groups **out,
                                struct cba_result *result);

/* May it be asked again? Not after a loss, a timeout or an answer that was not understood. */
bool cba_ldap_usable(const struct cba_ldap *ldap);
/* Has the server, as far as can be seen without asking, kept the idle connection? */
bool cba_ldap_alive(const struct cba_ldap *ldap);
/* Bits of protection by SASL; 0: none of its own, TLS protects. */
unsigned cba_ldap_strength(const struct cba_ldap *ldap);

#endif
