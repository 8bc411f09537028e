/* SPDX-License-Identifier: Apache-2.0
 *
 * The directory: Active Directory over LDAP, bound by the gateway's keytab (SASL/GSSAPI, sign and
 * seal) or by a simple bind over TLS. One object per process and virtual host, made after the fork,
 * shared by all threads: connections come from a pool, each used by one thread at a time. Servers
 * are tried in order; one that failed is left alone for some seconds. No lock is held across
 * traffic; every wait ends by the caller's deadline. No global libldap option is changed.
 */
#ifndef CBA_DIRECTORY_H
#define CBA_DIRECTORY_H

#include <apr_pools.h>

#include "cba_deadline.h"
#include "cba_groups.h"
#include "cba_mapping.h"
#include "cba_ntauth_set.h"
#include "cba_service.h"

struct cba_directory;

struct cba_directory_conf {
    const char *const *uris;   /* ldap:// or ldaps:// in order of preference */
    size_t uri_count;          /* 0: SRV records of the realm */
    const char *base;          /* search base; NULL: defaultNamingContext of the rootDSE */
    const char *bind_dn;       /* simple bind, TLS only (StartTLS on ldap://); NULL: by keytab */
    const char *password_file; /* with bind_dn: its first line; read at every bind */
    const char *ca_file;       /* PEM, for TLS; NULL: ldap.conf's TLS_CACERT, else OpenSSL's */
    int connections;           /* most connections of this process, at least 1 */
};

/* Contacts no server; but libldap, once per process, asks DNS for the machine's own name where
 * /etc/hosts does not tell. conf and its strings are copied into pool, which must outlive the
 * directory; its destruction ends it. CBA_R_OK, DIR_NO_SERVER or LIFE_MEMORY. */
enum cba_reason cba_directory_create(apr_pool_t *pool, const struct cba_directory_conf *conf,
                                     struct cba_service *service, struct cba_directory **out,
                                     struct cba_result *result);

/* Every account that the identities of this certificate resolve to, in one search. CBA_R_OK (also
 * for none), MAP_NO_IDENTITY, CERT_LIMIT, DIR_*, ACC_INCOMPLETE, ACC_MALFORMED, KRB_* (of the
 * gateway's own login), LIFE_MEMORY. */
enum cba_reason cba_directory_find(struct cba_directory *directory, const struct cba_cert *cert,
                                   struct cba_deadline deadline, struct cba_answer *answer,
                                   struct cba_result *result);

/* The forest's NTAuthCertificates, which every domain controller of the forest holds. CBA_R_OK with
 * a reference in *out (an empty set where the object is missing); DIR_NTAUTH: a server answered, and
 * not with that; DIR_*, KRB_* (of the gateway's own login), LIFE_MEMORY. */
enum cba_reason cba_directory_ntauth(struct cba_directory *directory, struct cba_deadline deadline,
                                     struct cba_ntauth_set **out, struct cba_result *result);

/* The SID of the security group with this DN, which may be outside of the search base. CBA_R_OK;
 * DIR_GROUP: there is none; DIR_GROUP_ELSEWHERE: not in the server's domain; DIR_*, KRB_* (of the
 * gateway's own login), LIFE_MEMORY. */
enum cba_reason cba_directory_group(struct cba_directory *directory, const char *dn,
                                    struct cba_deadline deadline, struct cba_sid *out,
                                    struct cba_result *result);

/* The groups of the account with this SID. CBA_R_OK with *out for the caller to free();
 * DIR_TOKEN_GROUPS: a server answered, and not with that; ACC_GROUPS_MANY; DIR_*, KRB_* (of the
 * gateway's own login), LIFE_MEMORY. */
enum cba_reason cba_directory_groups(struct cba_directory *directory, const struct cba_sid *account,
                                     struct cba_deadline deadline, struct cba_groups **out,
                                     struct cba_result *result);

#endif
