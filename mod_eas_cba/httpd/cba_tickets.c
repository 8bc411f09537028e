/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_tickets.h"

#include "cba_cache.h"
#include "cba_conf.h"
#include "cba_decision.h"
#include "cba_s4u.h"
#include "cba_shared.h"

#define TICKETS_MAX  8192 /* tickets that a process remembers */
#define REFUSALS_MAX 8192 /* accounts and SPNs whose fresh ticket was refused */
#define TICKET_MARGIN                                                                              \
    300 /* seconds before its end in which a ticket is not used any more: the clock skew that      \
           Kerberos allows */

struct cba_tickets {
    const struct cba_srv_conf *conf;
    struct cba_service *service;
    struct cba_cache *cache, *refusals;
};

/* The SID says whose ticket it is, the name which name it bears: after a renaming neither alone
 * would do. */
static bool make_key(const struct cba_tickets *tickets, const char *type,
                     const struct cba_account *account, const char *spn,
                     unsigned char key[CBA_CACHE_KEY])
{
    const struct cba_span parts[] = {
        cba_span_str(type),         cba_span_of(account->sid.binary, account->sid.len),
        cba_span_str(account->sam), cba_span_str(account->domain),
        cba_span_str(spn),          cba_span_str(cba_service_principal(tickets->service)),
    };

    return cba_cache_key(parts, sizeof parts / sizeof *parts, key);
}

/* The ports of one delegation: what S4U2Self yields is what S4U2Proxy takes. */
struct delegation {
    struct cba_tickets *tickets;
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
    return cba_s4u_self(work->tickets->service, account->sam, realm, work->deadline,
                        &work->evidence, facts, result);
}

static enum cba_reason get_ticket(void *ctx, const char *spn, struct cba_result *result)
{
    struct delegation *work = ctx;

    return cba_s4u_proxy(work->tickets->service, work->evidence, spn, work->deadline, &work->ticket,
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

/* Until when a ticket serves that was issued then. */
static int64_t serves_until(const struct cba_tickets *tickets, const struct cba_ticket *ticket,
                            int64_t issued)
{
    int64_t until = issued + cba_srv_ttl_ticket(tickets->conf);
    int64_t end = cba_ticket_expires(ticket) - TICKET_MARGIN;

    return end < until ? end : until;
}

static void remember_ticket(struct cba_tickets *tickets, const unsigned char *key,
                            struct cba_ticket *ticket, int64_t until)
{
    if (until > apr_time_sec(apr_time_now())) {
        cba_cache_put(tickets->cache, key, until, cba_ticket_ref(ticket));
    }
}

/* For other processes and gateways. */
static void share_ticket(struct cba_tickets *tickets, const unsigned char *key,
                         const struct cba_ticket *ticket, const struct cba_record_times *times)
{
    struct cba_shared *shared = tickets->conf->shared;
    struct cba_result result = {""};
    enum cba_reason reason;
    unsigned char *bytes;
    size_t len;

    if (!shared || times->until <= times->issued) {
        return;
    }
    reason = cba_ticket_export(ticket, &bytes, &len, &result);
    if (reason == CBA_R_OK) {
        cba_shared_put(shared, key, CBA_RECORD_TICKET, times, cba_span_of(bytes, len));
        cba_ticket_bytes_free(bytes, len);
    } else {
        cba_shared_complain(shared, reason, &result);
    }
}

/* One that another process or gateway got: for the same account, to the same SPN, or none. */
static bool recall_ticket(struct cba_tickets *tickets, const unsigned char *key,
                          const struct cba_account *account, const char *spn,
                          struct cba_ticket **out)
{
    struct cba_shared *shared = tickets->conf->shared;
    struct cba_result result = {""};
    struct cba_shared_record record;
    char realm[CBA_DOMAIN_MAX + 1];
    enum cba_reason reason;
    int64_t until;

    if (!cba_shared_get(shared, key, CBA_RECORD_TICKET, cba_srv_ttl_ticket(tickets->conf), 0,
                        &record)) {
        return false;
    }
    cba_account_realm(account, realm);
    reason = cba_ticket_import(record.content, account->sam, realm, spn,
                               cba_service_realm(tickets->service), out, &result);
    until = record.until;
    if (reason != CBA_R_OK) {
        cba_shared_complain(shared, reason, &result);
    } else if (serves_until(tickets, *out, record.issued) < until) {
        until = serves_until(tickets, *out, record.issued);
    }
    cba_shared_release(&record);
    if (reason == CBA_R_OK && until <= apr_time_sec(apr_time_now())) {
        cba_ticket_unref(*out);
        *out = NULL;
    }
    if (*out) {
        remember_ticket(tickets, key, *out, until);
    }
    return *out != NULL;
}

enum cba_reason cba_tickets_get(struct cba_tickets *tickets, const struct cba_account *account,
                                const char *spn, struct cba_ticket **out, const char **source,
                                struct cba_result *result)
{
    struct delegation work = {.tickets = tickets};
    const struct cba_ports ports = {.ctx = &work, .evidence = get_evidence, .ticket = get_ticket};
    struct cba_record_times times = {.issued = apr_time_sec(apr_time_now())};
    unsigned char key[CBA_CACHE_KEY];
    enum cba_reason reason;

    *out = NULL;
    if (!make_key(tickets, "ticket", account, spn, key)) {
        return CBA_R_LIFE_MEMORY;
    }
    *source = "process";
    if (cba_cache_get(tickets->cache, key, apr_time_sec(apr_time_now()), take_ticket, out)) {
        return CBA_R_OK;
    }
    *source = "shared";
    if (recall_ticket(tickets, key, account, spn, out)) {
        return CBA_R_OK;
    }
    *source = "kdc";
    work.deadline = cba_deadline_in_ms(cba_srv_timeout_kdc(tickets->conf) * 1000);
    reason = cba_decision_delegate(account, spn, &ports, result);
    cba_evidence_free(work.evidence);
    if (reason != CBA_R_OK) {
        cba_ticket_unref(work.ticket);
        return reason;
    }
    times.until = serves_until(tickets, work.ticket, times.issued);
    remember_ticket(tickets, key, work.ticket, times.until);
    share_ticket(tickets, key, work.ticket, &times);
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

bool cba_tickets_renew(struct cba_tickets *tickets, const struct cba_account *account,
                       const char *spn, const struct cba_ticket *refused)
{
    unsigned char key[CBA_CACHE_KEY];

    if (!make_key(tickets, "refusal", account, spn, key) ||
        cba_cache_get(tickets->refusals, key, apr_time_sec(apr_time_now()), take_nothing, NULL) ||
        !make_key(tickets, "ticket", account, spn, key)) {
        return false;
    }
    cba_cache_drop(tickets->cache, key, refused);
    return true;
}

void cba_tickets_refused(struct cba_tickets *tickets, const struct cba_account *account,
                         const char *spn)
{
    int64_t until = apr_time_sec(apr_time_now()) + cba_srv_ttl_negative(tickets->conf);
    unsigned char key[CBA_CACHE_KEY];

    if (make_key(tickets, "refusal", account, spn, key)) {
        cba_cache_put(tickets->refusals, key, until, NULL);
    }
}

struct cba_tickets *cba_tickets_create(apr_pool_t *pchild, const struct cba_srv_conf *conf,
                                       struct cba_service *service)
{
    struct cba_tickets *tickets = apr_pcalloc(pchild, sizeof *tickets);

    tickets->conf = conf;
    tickets->service = service;
    tickets->cache = cba_cache_create(pchild, TICKETS_MAX, discard_ticket);
    tickets->refusals = cba_cache_create(pchild, REFUSALS_MAX, discard_nothing);
    return tickets->cache && tickets->refusals ? tickets : NULL;
}
