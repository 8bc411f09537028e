/* SPDX-License-Identifier: Apache-2.0
 *
 * The service credential: the gateway's own Kerberos identity (keytab, principal, TGT). One object
 * per process and virtual host, made after the fork, shared by all threads: every call uses a
 * krb5_context of its own; the TGT is kept behind a lock that is never held across network traffic.
 * Nothing process-wide is changed. Every exchange with a KDC ends by the caller's deadline.
 */
#ifndef CBA_SERVICE_H
#define CBA_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cba_deadline.h"
#include "cba_reason.h"

struct cba_service;

struct cba_service_conf {
    const char *keytab;      /* a file name; NULL: krb5's default */
    const char *principal;   /* with or without realm; NULL: the first entry of the keytab */
    const char *const *kdcs; /* of its realm: "host", "host:port" or "[address]:port" in order */
    size_t kdc_count;        /* 0: those of krb5.conf; at most CBA_KDCS_MAX */
};

/* Reads the keytab, asks no KDC. conf is copied, the strings of kdcs are not: they must outlive the
 * service. CBA_R_OK with *out owned by the caller, or KRB_KEYTAB, LIFE_MEMORY. */
enum cba_reason cba_service_create(const struct cba_service_conf *conf, struct cba_service **out,
                                   struct cba_result *result);
void cba_service_destroy(
    struct cba_service *service); /* NULL is allowed; no call may be under way */

/* "gw@CONTOSO.COM" and "CONTOSO.COM"; they live as long as the service. */
const char *cba_service_principal(const struct cba_service *service);
const char *cba_service_realm(const struct cba_service *service);

/* Gets a ticket for the gateway itself to a service ("ldap/dc1.contoso.com") and puts it, without
 * the TGT, into a new MEMORY credential cache named in ccache ("MEMORY:..."), so that GSSAPI finds
 * it there and asks no KDC. The caller ends it with cba_service_ticket_discard. CBA_R_OK or KRB_*,
 * LIFE_MEMORY. */
#define CBA_CCACHE_NAME_MAX 63
enum cba_reason cba_service_ticket(struct cba_service *service, const char *spn,
                                   struct cba_deadline deadline,
                                   char ccache[CBA_CCACHE_NAME_MAX + 1], struct cba_result *result);
void cba_service_ticket_discard(const char *ccache);

#endif
