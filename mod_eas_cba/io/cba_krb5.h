/* SPDX-License-Identifier: Apache-2.0
 *
 * What the Kerberos files of io/ share: a libkrb5 session (one context with our transport, for one
 * operation, in one thread), its errors as reasons, and exchanges in the gateway's name. Private to
 * io/.
 */
#ifndef CBA_KRB5_H
#define CBA_KRB5_H

#include <krb5.h>

#include "cba_discovery.h"
#include "cba_kdc.h"
#include "cba_keys.h"
#include "cba_limits.h"
#include "cba_service.h"

struct cba_krb5 {
    krb5_context context;
    struct cba_kdc kdc;
    uint32_t who; /* the account that is asked about (cba_breaker_who); 0: none */
    const char *servers[CBA_KDCS_MAX]; /* for kdc, where DNS told */
    char names[CBA_KDCS_MAX][CBA_KDC_TEXT_MAX + 1];
};

/* What was tried: the same Kerberos error means different things. */
enum cba_krb5_stage {
    CBA_KRB5_KEYTAB,  /* reading keys */
    CBA_KRB5_LOGIN,   /* the gateway's TGT */
    CBA_KRB5_SELF,    /* S4U2Self */
    CBA_KRB5_PROXY,   /* S4U2Proxy */
    CBA_KRB5_SERVICE, /* a ticket of the gateway's own */
    CBA_KRB5_TOKEN    /* without any KDC */
};

/* For exchanges of the service, which must outlive it; NULL: without any. Its KDCs are those that it
 * was told, those of krb5.conf, or what SRV records of the realm say. CBA_R_OK or LIFE_MEMORY,
 * KRB_OTHER (krb5.conf), KRB_UNREACHABLE, KRB_TIMEOUT (DNS). After CBA_R_OK the session is to be ended, and must not move until then. */
enum cba_reason cba_krb5_begin(struct cba_krb5 *krb5, const struct cba_service *service,
                               struct cba_deadline deadline, struct cba_result *result);
void cba_krb5_end(struct cba_krb5 *krb5); /* NULL context is allowed */

/* A context of the calling thread alone, which lasts as long as the thread: for what asks no KDC. To
 * make one takes more time than to make a token. Read from krb5.conf once. CBA_R_OK with *out, which
 * is not to be freed nor changed, or LIFE_MEMORY, KRB_OTHER (krb5.conf). */
enum cba_reason cba_krb5_of_thread(krb5_context *out, struct cba_result *result);

/* The reason of a Kerberos error (table: RFC 4120 7.5.9, MS-SFU 3.2.5). code is not 0. Never
 * CBA_R_OK. */
enum cba_reason cba_krb5_reason(krb5_error_code code, enum cba_krb5_stage stage);

/* The reason of an error that the session's last call returned, the transport's failure before
 * libkrb5's view of it; result gets "what: text". Call it before anything else uses the context. */
enum cba_reason cba_krb5_fail(struct cba_krb5 *krb5, krb5_error_code code,
                              enum cba_krb5_stage stage, const char *what,
                              struct cba_result *result);

/* AES with SHA-1 (RFC 3962) or SHA-2 (RFC 8009). */
bool cba_krb5_is_aes(krb5_enctype enctype);

/* A keytab without keys, for GSSAPI's "client_keytab". When a credential is about to expire, GSSAPI
 * logs its client in anew by a client keytab, and by default goes to a KDC even where there is no
 * such file, with libkrb5's own time limits; with this one it does not. */
#define CBA_KRB5_NO_KEYTAB "MEMORY:eas_cba_none"

/* What DNS says of the realm's KDCs; never NULL. */
struct cba_discovery *cba_service_discovery(const struct cba_service *service);

/* The KDCs that were named when the service was made; count 0: none. They live as long as it. */
const char *const *cba_service_kdcs(const struct cba_service *service, size_t *count);

/* The service's AES keys, read from its keytab now, highest kvno first. CBA_R_OK with at least one
 * key, KRB_KEYTAB, LIFE_MEMORY. */
enum cba_reason cba_service_keys(const struct cba_service *service, struct cba_krb5 *krb5,
                                 struct cba_keys *out, struct cba_result *result);

/* One exchange with the gateway's TGT, which is in the ccache, alone. */
typedef krb5_error_code (*cba_service_fn)(krb5_context context, krb5_ccache ccache,
                                          krb5_const_principal self, void *arg, krb5_creds **out);

/* Runs it, logging in before where needed, and once more with a new TGT where the KDC did not
 * like the old one. CBA_R_OK with *out for krb5_free_creds, or KRB_*, LIFE_MEMORY. */
enum cba_reason cba_service_exchange(struct cba_service *service, struct cba_krb5 *krb5,
                                     enum cba_krb5_stage stage, const char *what, cba_service_fn fn,
                                     void *arg, krb5_creds **out, struct cba_result *result);

/* "HTTP/host" as a principal of the realm. The type keeps libkrb5 from canonicalizing the host
 * by DNS. CBA_R_OK, KRB_SPN_UNKNOWN for text that is no SPN, LIFE_MEMORY. */
enum cba_reason cba_krb5_spn(krb5_context context, const char *spn, const char *realm,
                             krb5_principal *out, struct cba_result *result);

/* Is the ticket to that server, and are it and its session key AES? CBA_R_OK, KRB_ENCTYPE,
 * KRB_OTHER. */
enum cba_reason cba_krb5_check(krb5_context context, const krb5_creds *creds,
                               krb5_const_principal server, struct cba_result *result);

#endif
