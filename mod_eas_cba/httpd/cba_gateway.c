/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_gateway.h"

#include <stdlib.h>
#include <apr_thread_mutex.h>
#include <apr_time.h>

#include "cba_cache.h"
#include "cba_certificates.h"
#include "cba_conf.h"
#include "cba_directory.h"
#include "cba_facts.h"
#include "cba_report.h"
#include "cba_service.h"
#include "cba_tickets.h"

#define CONNECTIONS_MAX 16   /* connections of a process to the directory */
#define WEAK_MAX        8192 /* accounts that a process remembers to have named */
#define DAY             86400
#define AGAIN_MS        10000 /* after which a gateway that could not be set up is tried again */

static apr_thread_mutex_t *again_lock; /* of this process; not held across traffic */

struct cba_gateway {
    struct cba_service *service;
    struct cba_directory *directory;
    struct cba_certificates *certificates;
    struct cba_facts *facts;
    struct cba_tickets *tickets;
    struct cba_cache *weak; /* accounts named today: no values */
};

enum cba_reason cba_gateway_parse(struct cba_gateway *gateway, struct cba_span der,
                                  const unsigned char key[CBA_CACHE_KEY], struct cba_cert *cert,
                                  struct cba_result *result)
{
    return gateway ? cba_certificates_parse(gateway->certificates, der, key, cert, result)
                   : CBA_R_LIFE_GATEWAY;
}

enum cba_reason cba_gateway_find(struct cba_gateway *gateway, const struct cba_cert *cert,
                                 struct cba_deadline deadline, struct cba_answer *answer,
                                 struct cba_result *result)
{
    return gateway ? cba_facts_find(gateway->facts, cert, deadline, answer, result)
                   : CBA_R_LIFE_GATEWAY;
}

enum cba_reason cba_gateway_ntauth(struct cba_gateway *gateway, struct cba_span der,
                                   const struct cba_cert *cert, struct cba_deadline deadline,
                                   struct cba_ntauth_facts *facts, struct cba_result *result)
{
    return gateway ? cba_facts_ntauth(gateway->facts, der, cert, deadline, facts, result)
                   : CBA_R_LIFE_GATEWAY;
}

enum cba_reason cba_gateway_member(struct cba_gateway *gateway, const struct cba_account *account,
                                   const char *group, struct cba_deadline deadline, bool *member,
                                   struct cba_result *result)
{
    *member = false;
    return gateway ? cba_facts_member(gateway->facts, account, group, deadline, member, result)
                   : CBA_R_LIFE_GATEWAY;
}

enum cba_reason cba_gateway_ticket(struct cba_gateway *gateway, const struct cba_account *account,
                                   const char *spn, struct cba_ticket **out, const char **source,
                                   struct cba_result *result)
{
    *out = NULL;
    return gateway ? cba_tickets_get(gateway->tickets, account, spn, out, source, result)
                   : CBA_R_LIFE_GATEWAY;
}

bool cba_gateway_renew(struct cba_gateway *gateway, const struct cba_account *account,
                       const char *spn, const struct cba_ticket *refused)
{
    return cba_tickets_renew(gateway->tickets, account, spn, refused);
}

void cba_gateway_refused(struct cba_gateway *gateway, const struct cba_account *account,
                         const char *spn)
{
    cba_tickets_refused(gateway->tickets, account, spn);
}

bool cba_gateway_weak_is_new(struct cba_gateway *gateway, const struct cba_account *account)
{
    const struct cba_span parts[] = {cba_span_str("weak"),
                                     cba_span_of(account->sid.binary, account->sid.len)};
    int64_t now = apr_time_sec(apr_time_now());
    unsigned char key[CBA_CACHE_KEY];

    return !gateway || !cba_cache_key(parts, sizeof parts / sizeof *parts, key) ||
           cba_cache_first(gateway->weak, key, now, (now / DAY + 1) * DAY);
}

static apr_status_t end_service(void *service)
{
    cba_service_destroy(service);
    return APR_SUCCESS;
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
    const apr_array_header_t *kdcs = cba_srv_kdcs(conf);
    const struct cba_service_conf service = {
        .keytab = cba_srv_keytab(conf),
        .principal = cba_srv_principal(conf),
        .kdcs = kdcs ? (const char *const *)kdcs->elts : NULL,
        .kdc_count = kdcs ? (size_t)kdcs->nelts : 0,
    };
    enum cba_reason reason;

    reason = cba_service_create(&service, &gateway->service, result);
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
    gateway->certificates = cba_certificates_create(pchild);
    gateway->facts = cba_facts_create(pchild, server, conf, gateway->directory,
                                      cba_service_principal(gateway->service));
    gateway->tickets = cba_tickets_create(pchild, server, conf, gateway->service);
    gateway->weak = cba_cache_create(pchild, WEAK_MAX, free);
    if (!gateway->certificates || !gateway->facts || !gateway->tickets || !gateway->weak) {
        return CBA_R_LIFE_MEMORY;
    }
    *out = gateway;
    return CBA_R_OK;
}

/* In this pool, which the gateway may have used in vain. */
static bool set_up(apr_pool_t *pool, server_rec *s, struct cba_srv_conf *conf)
{
    struct cba_gateway *gateway = NULL;
    struct cba_result result = {""};
    enum cba_reason reason = cba_gateway_create(pool, s, conf, &gateway, &result);

    if (reason != CBA_R_OK) {
        cba_report_server(s, reason, &result);
        cba_report_server(s, CBA_R_LIFE_GATEWAY, NULL);
        conf->again_ms = cba_deadline_clock_ms() + AGAIN_MS;
        return false;
    }
    conf->gateway = gateway;
    return true;
}

static apr_status_t end_late(void *servers)
{
    for (server_rec *s = servers; s; s = s->next) {
        struct cba_srv_conf *conf = cba_conf_srv(s);

        if (conf->late) {
            conf->gateway = NULL;
            apr_pool_destroy(conf->late);
            conf->late = NULL;
        }
    }
    return APR_SUCCESS;
}

void cba_gateway_child_init(apr_pool_t *pchild, server_rec *servers)
{
    for (server_rec *s = servers; s; s = s->next) {
        struct cba_srv_conf *conf = cba_conf_srv(s);

        if (conf->protects) {
            (void)set_up(pchild, s, conf);
        }
    }
    if (apr_thread_mutex_create(&again_lock, APR_THREAD_MUTEX_DEFAULT, pchild) != APR_SUCCESS) {
        again_lock = NULL; /* what could not be set up stays so */
    }
    apr_pool_cleanup_register(pchild, servers, end_late, apr_pool_cleanup_null);
}

struct cba_gateway *cba_gateway_of(server_rec *s)
{
    struct cba_srv_conf *conf = cba_conf_srv(s);
    apr_pool_t *pool;

    if (conf->gateway || !again_lock) {
        return conf->gateway;
    }
    apr_thread_mutex_lock(again_lock);
    /* A pool of its own: that of the process is not for several threads. */
    if (!conf->gateway && cba_deadline_clock_ms() >= conf->again_ms &&
        apr_pool_create_unmanaged_ex(&pool, NULL, NULL) == APR_SUCCESS) {
        if (set_up(pool, s, conf)) {
            conf->late = pool;
        } else {
            apr_pool_destroy(pool);
        }
    }
    apr_thread_mutex_unlock(again_lock);
    return conf->gateway;
}
