/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_gateway.h"

#include <stdlib.h>
#include <apr_strings.h>
#include <openssl/evp.h>

#include "cba_cache.h"
#include "cba_conf.h"
#include "cba_report.h"
#include "cba_directory.h"
#include "cba_ntauth_keeper.h"
#include "cba_s4u.h"
#include "cba_service.h"

#define ANSWERS_MAX     8192 /* accounts whose facts a process remembers */
#define ISSUERS_MAX     8192 /* certificates whose issuer a process remembers */
#define TICKETS_MAX     8192 /* tickets that a process remembers */
#define REFUSALS_MAX    8192 /* accounts whose fresh ticket a back end refused */
#define CONNECTIONS_MAX 16   /* connections of a process to the directory */
#define TICKET_MARGIN                                                                              \
    300 /* seconds before its end in which a ticket is not used any more: the clock skew that      \
           Kerberos allows */

struct cba_gateway {
    const struct cba_srv_conf *conf;
    struct cba_service *service;
    struct cba_directory *directory;
    struct cba_ntauth_keeper *ntauth;
    struct cba_cache *answers, *issuers, *tickets, *refusals;
    const char *scope; /* what else a remembered answer depends on: servers, base, principal */
};

/* Keys are digests over (length, bytes) of each part: no two lists of parts give the same input. */
static bool digest_key(const struct cba_span *parts, size_t count, unsigned char key[CBA_CACHE_KEY])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool done = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
    size_t i;

    for (i = 0; done && i < count; i++) {
        uint64_t len = parts[i].len;

        done = EVP_DigestUpdate(ctx, &len, sizeof len) &&
               EVP_DigestUpdate(ctx, parts[i].ptr, parts[i].len);
    }
    done = done && EVP_DigestFinal_ex(ctx, key, NULL);
    EVP_MD_CTX_free(ctx);
    return done;
}

/* Facts */

static void copy_answer(void *value, void *ctx)
{
    memcpy(ctx, value, sizeof(struct cba_answer));
}

static void remember_answer(struct cba_gateway *gateway, const unsigned char *key,
                            const struct cba_answer *answer)
{
    int64_t ttl =
        answer->count ? cba_srv_ttl_account(gateway->conf) : cba_srv_ttl_negative(gateway->conf);
    struct cba_answer *copy = malloc(sizeof *copy);

    if (!copy) {
        return; /* asked again next time */
    }
    *copy = *answer;
    cba_cache_put(gateway->answers, key, apr_time_sec(apr_time_now()) + ttl, copy);
}

enum cba_reason cba_gateway_find(struct cba_gateway *gateway, const struct cba_cert *cert,
                                 struct cba_deadline deadline, struct cba_answer *answer,
                                 struct cba_result *result)
{
    unsigned char key[CBA_CACHE_KEY];
    enum cba_reason reason;

    if (!gateway) {
        return CBA_R_LIFE_GATEWAY;
    }
    {
        const struct cba_span parts[] = {cba_span_str("account"),
                                         cba_span_of(cert->digest, sizeof cert->digest),
                                         cba_span_str(gateway->scope)};

        if (!digest_key(parts, sizeof parts / sizeof *parts, key)) {
            return CBA_R_LIFE_MEMORY;
        }
    }
    if (cba_cache_get(gateway->answers, key, apr_time_sec(apr_time_now()), copy_answer, answer)) {
        return CBA_R_OK;
    }
    reason = cba_directory_find(gateway->directory, cert, deadline, answer, result);
    if (reason == CBA_R_OK) {
        remember_answer(gateway, key, answer);
    }
    return reason;
}

/* Issuers */

static void copy_issued(void *value, void *ctx)
{
    memcpy(ctx, value, sizeof(bool));
}

/* Signatures are verified once for each certificate and state of NTAuth: with another state the key
 * is another. */
static enum cba_reason find_issuer(struct cba_gateway *gateway, const struct cba_ntauth_set *set,
                                   struct cba_span der, const struct cba_cert *cert, bool *issued)
{
    const struct cba_span parts[] = {cba_span_str("issuer"),
                                     cba_span_of(cert->digest, sizeof cert->digest),
                                     cba_ntauth_set_identity(set)};
    int64_t now = apr_time_sec(apr_time_now()), until;
    unsigned char key[CBA_CACHE_KEY];
    const struct cba_ntauth_ca *list;
    size_t count;
    bool *copy;

    if (!digest_key(parts, sizeof parts / sizeof *parts, key)) {
        return CBA_R_LIFE_MEMORY;
    }
    if (cba_cache_get(gateway->issuers, key, now, copy_issued, issued)) {
        return CBA_R_OK;
    }
    list = cba_ntauth_set_list(set, &count);
    *issued = cba_ntauth_issued(der, list, count, now, &until);
    copy = malloc(sizeof *copy);
    if (copy) {
        *copy = *issued;
        cba_cache_put(gateway->issuers, key, until, copy);
    }
    return CBA_R_OK;
}

enum cba_reason cba_gateway_ntauth(struct cba_gateway *gateway, struct cba_span der,
                                   const struct cba_cert *cert, struct cba_deadline deadline,
                                   struct cba_ntauth_facts *facts, struct cba_result *result)
{
    struct cba_ntauth_set *set;
    enum cba_reason reason;
    size_t count;

    if (!gateway) {
        return CBA_R_LIFE_GATEWAY;
    }
    reason = cba_ntauth_keeper_get(gateway->ntauth, deadline, &set, result);
    if (reason != CBA_R_OK) {
        return reason;
    }
    (void)cba_ntauth_set_list(set, &count);
    facts->any = count > 0;
    if (facts->any) {
        reason = find_issuer(gateway, set, der, cert, &facts->issued);
    }
    if (!facts->issued) {
        cba_result_set(result, "there: %zu CA certificates and %zu values that are none", count,
                       cba_ntauth_set_useless(set));
    }
    cba_ntauth_set_unref(set);
    return reason;
}

/* Tickets */

/* The ports of one delegation: what S4U2Self yields is what S4U2Proxy takes. */
struct delegation {
    struct cba_gateway *gateway;
    struct cba_deadline deadline;
    struct cba_evidence *evidence;
    struct cba_ticket *ticket;
};

static enum cba_reason get_evidence(void *ctx, const struct cba_account *account,
                                    struct cba_evidence_facts *facts, struct cba_result *result)
{
    struct delegation *work = ctx;
    char realm[CBA_DOMAIN_MAX + 1];

    cba_account_realm(account, realm);
    return cba_s4u_self(work->gateway->service, account->sam, realm, work->deadline,
                        &work->evidence, facts, result);
}

static enum cba_reason get_ticket(void *ctx, const char *spn, struct cba_result *result)
{
    struct delegation *work = ctx;

    return cba_s4u_proxy(work->gateway->service, work->evidence, spn, work->deadline, &work->ticket,
                         result);
}

static void take_ticket(void *value, void *ctx)
{
    *(struct cba_ticket **)ctx = cba_ticket_ref(value);
}

static void discard_ticket(void *value)
{
    cba_ticket_unref(value);
}

static void remember_ticket(struct cba_gateway *gateway, const unsigned char *key,
                            struct cba_ticket *ticket)
{
    int64_t now = apr_time_sec(apr_time_now());
    int64_t until = now + cba_srv_ttl_ticket(gateway->conf);
    int64_t end = cba_ticket_expires(ticket) - TICKET_MARGIN;

    if (end < until) {
        until = end;
    }
    if (until > now) {
        cba_cache_put(gateway->tickets, key, until, cba_ticket_ref(ticket));
    }
}

/* The SID says whose ticket it is, the name which name it bears: after a renaming neither alone
 * would do. */
static bool ticket_key(const struct cba_gateway *gateway, const char *type,
                       const struct cba_account *account, const char *spn,
                       unsigned char key[CBA_CACHE_KEY])
{
    const struct cba_span parts[] = {
        cba_span_str(type),         cba_span_of(account->sid.binary, account->sid.len),
        cba_span_str(account->sam), cba_span_str(account->domain),
        cba_span_str(spn),          cba_span_str(cba_service_principal(gateway->service)),
    };

    return digest_key(parts, sizeof parts / sizeof *parts, key);
}

enum cba_reason cba_gateway_ticket(struct cba_gateway *gateway, const struct cba_account *account,
                                   const char *spn, struct cba_ticket **out, const char **source,
                                   struct cba_result *result)
{
    struct delegation work = {.gateway = gateway};
    const struct cba_ports ports = {.ctx = &work, .evidence = get_evidence, .ticket = get_ticket};
    unsigned char key[CBA_CACHE_KEY];
    enum cba_reason reason;

    *out = NULL;
    if (!gateway) {
        return CBA_R_LIFE_GATEWAY;
    }
    if (!ticket_key(gateway, "ticket", account, spn, key)) {
        return CBA_R_LIFE_MEMORY;
    }
    *source = "process";
    if (cba_cache_get(gateway->tickets, key, apr_time_sec(apr_time_now()), take_ticket, out)) {
        return CBA_R_OK;
    }
    *source = "kdc";
    work.deadline = cba_deadline_in_ms(cba_srv_timeout_kdc(gateway->conf) * 1000);
    reason = cba_decision_delegate(account, spn, &ports, result);
    cba_evidence_free(work.evidence);
    if (reason != CBA_R_OK) {
        cba_ticket_unref(work.ticket);
        return reason;
    }
    remember_ticket(gateway, key, work.ticket);
    *out = work.ticket;
    return CBA_R_OK;
}

/* Refusals: that they were is all that is known of them. */

static void take_nothing(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
}

static void discard_nothing(void *value)
{
    (void)value;
}

bool cba_gateway_renew(struct cba_gateway *gateway, const struct cba_account *account,
                       const char *spn, const struct cba_ticket *refused)
{
    int64_t now = apr_time_sec(apr_time_now());
    unsigned char key[CBA_CACHE_KEY];

    if (!ticket_key(gateway, "refusal", account, spn, key) ||
        cba_cache_get(gateway->refusals, key, now, take_nothing, NULL) ||
        !ticket_key(gateway, "ticket", account, spn, key)) {
        return false;
    }
    cba_cache_drop(gateway->tickets, key, refused);
    return true;
}

void cba_gateway_refused(struct cba_gateway *gateway, const struct cba_account *account,
                         const char *spn)
{
    int64_t until = apr_time_sec(apr_time_now()) + cba_srv_ttl_negative(gateway->conf);
    unsigned char key[CBA_CACHE_KEY];

    if (ticket_key(gateway, "refusal", account, spn, key)) {
        cba_cache_put(gateway->refusals, key, until, NULL);
    }
}

/* Life cycle */

static apr_status_t end_service(void *service)
{
    cba_service_destroy(service);
    return APR_SUCCESS;
}

static const char *scope_of(apr_pool_t *pool, const struct cba_gateway *gateway,
                            const apr_array_header_t *servers)
{
    const char *base = cba_srv_ldap_base(gateway->conf);

    return apr_pstrcat(pool, servers ? apr_array_pstrcat(pool, servers, ' ') : "dns", "\n",
                       base ? base : "", "\n", cba_service_principal(gateway->service), NULL);
}

enum cba_reason cba_gateway_create(apr_pool_t *pchild, const server_rec *server,
                                   const struct cba_srv_conf *conf, struct cba_gateway **out,
                                   struct cba_result *result)
{
    struct cba_gateway *gateway = apr_pcalloc(pchild, sizeof *gateway);
    const apr_array_header_t *servers = cba_srv_ldap_servers(conf);
    const char *bind_dn = cba_srv_bind_dn(conf);
    struct cba_directory_conf directory = {
        .uris = servers ? (const char *const *)servers->elts : NULL,
        .uri_count = servers ? (size_t)servers->nelts : 0,
        .base = cba_srv_ldap_base(conf),
        .bind_dn = bind_dn && *bind_dn ? bind_dn : NULL,
        .password_file = bind_dn && *bind_dn ? cba_srv_bind_file(conf) : NULL,
        .ca_file = cba_srv_ldap_ca(conf),
        .connections = CONNECTIONS_MAX,
    };
    enum cba_reason reason;

    gateway->conf = conf;
    reason = cba_service_create(cba_srv_keytab(conf), cba_srv_principal(conf), &gateway->service,
                                result);
    if (reason != CBA_R_OK) {
        return reason;
    }
    /* Cleanups run in reverse: caches and directory end before the service that they use. */
    apr_pool_cleanup_register(pchild, gateway->service, end_service, apr_pool_cleanup_null);
    reason =
        cba_directory_create(pchild, &directory, gateway->service, &gateway->directory, result);
    if (reason != CBA_R_OK) {
        return reason;
    }
    gateway->ntauth =
        cba_ntauth_keeper_create(pchild, server, gateway->directory, cba_srv_ttl_ntauth(conf));
    gateway->answers = cba_cache_create(pchild, ANSWERS_MAX, free);
    gateway->issuers = cba_cache_create(pchild, ISSUERS_MAX, free);
    gateway->tickets = cba_cache_create(pchild, TICKETS_MAX, discard_ticket);
    gateway->refusals = cba_cache_create(pchild, REFUSALS_MAX, discard_nothing);
    if (!gateway->ntauth || !gateway->answers || !gateway->issuers || !gateway->tickets ||
        !gateway->refusals) {
        return CBA_R_LIFE_MEMORY;
    }
    gateway->scope = scope_of(pchild, gateway, servers);
    *out = gateway;
    return CBA_R_OK;
}

void cba_gateway_child_init(apr_pool_t *pchild, server_rec *s)
{
    for (; s; s = s->next) {
        struct cba_srv_conf *conf = cba_conf_srv(s);
        struct cba_result result = {""};
        enum cba_reason reason;

        if (!conf->protects) {
            continue;
        }
        reason = cba_gateway_create(pchild, s, conf, &conf->gateway, &result);
        if (reason != CBA_R_OK) {
            cba_report_server(s, reason, &result);
            cba_report_server(s, CBA_R_LIFE_GATEWAY, NULL);
        }
    }
}
