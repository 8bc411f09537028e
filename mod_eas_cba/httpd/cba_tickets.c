/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_tickets.h"

#include <stdlib.h>

#include "cba_cache.h"
#include "cba_conf.h"
#include "cba_decision.h"
#include "cba_flight.h"
#include "cba_report.h"
#include "cba_s4u.h"
#include "cba_shared.h"

#define TICKETS_MAX  8192 /* tickets that a process remembers */
#define REFUSALS_MAX 8192 /* accounts and SPNs whose fresh ticket was refused */
#define ERRANDS_MAX  8    /* accounts for which a process asks the KDC at a time */
/* Seconds before its end in which a ticket is to be renewed: the clock skew that Kerberos allows. */
#define TICKET_MARGIN 300
/* While the old one serves: what a renewal may take of a request's time, and when to try again. */
#define RENEW_MS      1500
#define RENEW_AGAIN_S 30

struct cba_tickets {
    const server_rec *server;
    const struct cba_srv_conf *conf;
    struct cba_service *service;
    struct cba_cache *cache;
    struct cba_cache *denials;  /* what the KDC said, by the keys of tickets */
    struct cba_cache *refusals; /* what the back end said */
    struct cba_flight *flight;
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

/* Until when a ticket that was issued then is not to be renewed. One that lives short is renewed in
 * the middle of its life. */
static int64_t serves_until(const struct cba_tickets *tickets, const struct cba_ticket *ticket,
                            int64_t issued)
{
    int64_t until = issued + cba_srv_ttl_ticket(tickets->conf), end = cba_ticket_expires(ticket);
    int64_t margin = end - issued < 2 * TICKET_MARGIN ? (end - issued) / 2 : TICKET_MARGIN;

    return end - margin < until ? end - margin : until;
}

/* Beyond that time it serves to its end while no KDC answers. */
static void remember_ticket(struct cba_tickets *tickets, const unsigned char *key,
                            struct cba_ticket *ticket, int64_t until)
{
    int64_t end = cba_ticket_expires(ticket);

    if (end > apr_time_sec(apr_time_now())) {
        cba_cache_keep(tickets->cache, key, until, end, cba_ticket_ref(ticket));
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

/* The ticket is of no use: other processes and gateways shall not find it either. One that took its
 * place stays. */
static void unshare_ticket(struct cba_tickets *tickets, const unsigned char *key,
                           const struct cba_ticket *ticket)
{
    struct cba_shared *shared = tickets->conf->shared;
    struct cba_result result = {""};
    struct cba_shared_record record;
    unsigned char *bytes;
    size_t len;

    if (!cba_shared_get(shared, key, CBA_RECORD_TICKET, cba_srv_ttl_ticket(tickets->conf), 0,
                        &record)) {
        return;
    }
    if (cba_ticket_export(ticket, &bytes, &len, &result) == CBA_R_OK) {
        if (len == record.content.len && memcmp(bytes, record.content.ptr, len) == 0) {
            cba_shared_remove(shared, key);
        }
        cba_ticket_bytes_free(bytes, len);
    }
    cba_shared_release(&record);
}

/* Denials */

/* What the KDC has against this account or this SPN, and says the same way each time. Not what is
 * wrong with the gateway, which may be mended at any moment. */
static bool is_denial(enum cba_reason reason)
{
    switch (reason) {
    case CBA_R_KRB_CLIENT_UNKNOWN:
    case CBA_R_KRB_CLIENT_REVOKED:
    case CBA_R_KRB_POLICY:
    case CBA_R_KRB_DELEGATION:
    case CBA_R_KRB_SPN_UNKNOWN:
    case CBA_R_KRB_PAC_SID:
    case CBA_R_KRB_CLIENT_NAME:
    case CBA_R_KRB_PROTECTED:
        return true;
    default:
        return false;
    }
}

struct denial {
    enum cba_reason reason;
    struct cba_result result;
};

static void take_denial(void *value, void *ctx)
{
    memcpy(ctx, value, sizeof(struct denial));
}

static void remember_denial(struct cba_tickets *tickets, const unsigned char *key,
                            enum cba_reason reason, const struct cba_result *result)
{
    struct denial *denial = malloc(sizeof *denial);

    /* Whatever it was given before. */
    cba_cache_forget(tickets->cache, key);
    if (denial) {
        *denial = (struct denial){reason, *result};
        cba_cache_put(tickets->denials, key,
                      apr_time_sec(apr_time_now()) + cba_srv_ttl_negative(tickets->conf), denial);
    }
}

/* Getting one */

/* One request for a ticket. */
struct errand {
    struct cba_tickets *tickets;
    const struct cba_account *account;
    const char *spn;
    const unsigned char *key;
    struct cba_ticket **out; /* the requester's */
    const char *source;
};

static void take_for_errand(void *value, void *ctx)
{
    take_ticket(value, ((struct errand *)ctx)->out);
}

/* What is remembered, with a reference: CBA_R_OK or a denial. UNDECIDED: nothing. */
static enum cba_reason recall(const struct errand *errand, struct cba_ticket **out,
                              struct cba_result *result)
{
    int64_t now = apr_time_sec(apr_time_now());
    struct denial denial;

    if (cba_cache_get(errand->tickets->cache, errand->key, now, take_ticket, out)) {
        return CBA_R_OK;
    }
    if (cba_cache_get(errand->tickets->denials, errand->key, now, take_denial, &denial)) {
        *result = denial.result;
        return denial.reason;
    }
    return CBA_R_UNDECIDED;
}

static enum cba_reason ask_kdc(const struct errand *errand, struct cba_deadline deadline,
                               struct cba_ticket **out, struct cba_result *result)
{
    struct delegation work = {.tickets = errand->tickets, .deadline = deadline};
    const struct cba_ports ports = {.ctx = &work, .evidence = get_evidence, .ticket = get_ticket};
    struct cba_record_times times = {.issued = apr_time_sec(apr_time_now())};
    enum cba_reason reason = cba_decision_delegate(errand->account, errand->spn, &ports, result);

    cba_evidence_free(work.evidence);
    if (reason == CBA_R_OK) {
        times.until = serves_until(errand->tickets, work.ticket, times.issued);
        remember_ticket(errand->tickets, errand->key, work.ticket, times.until);
        share_ticket(errand->tickets, errand->key, work.ticket, &times);
        *out = work.ticket;
        return reason;
    }
    cba_ticket_unref(work.ticket);
    if (is_denial(reason)) {
        remember_denial(errand->tickets, errand->key, reason, result);
    }
    return reason;
}

/* A new ticket instead of one that has not ended yet, or that one where no KDC answers. */
static enum cba_reason renew(struct errand *errand, struct cba_deadline deadline,
                             struct cba_ticket *old, struct cba_ticket **out,
                             struct cba_result *result)
{
    enum cba_reason reason = ask_kdc(errand, cba_deadline_within(deadline, RENEW_MS), out, result);

    if (!cba_reason_is_outage(reason)) {
        cba_ticket_unref(old);
        return reason;
    }
    cba_report_often(errand->tickets->server, CBA_R_KRB_KEPT, result);
    cba_cache_prolong(errand->tickets->cache, errand->key,
                      apr_time_sec(apr_time_now()) + RENEW_AGAIN_S);
    errand->source = "process";
    *out = old;
    return CBA_R_OK;
}

static enum cba_reason do_errand(void *ctx, struct cba_deadline deadline, void **value,
                                 struct cba_result *result)
{
    struct errand *errand = ctx;
    struct cba_ticket *old = NULL, *ticket = NULL;
    enum cba_reason reason = recall(errand, &ticket, result);

    if (reason == CBA_R_UNDECIDED &&
        recall_ticket(errand->tickets, errand->key, errand->account, errand->spn, &ticket)) {
        errand->source = "shared";
        reason = CBA_R_OK;
    }
    if (reason == CBA_R_UNDECIDED) {
        errand->source = "kdc";
        if (cba_cache_get_old(errand->tickets->cache, errand->key, apr_time_sec(apr_time_now()),
                              take_ticket, &old)) {
            reason = renew(errand, deadline, old, &ticket, result);
        } else {
            reason = ask_kdc(errand, deadline, &ticket, result);
        }
    }
    *value = ticket;
    return reason;
}

enum cba_reason cba_tickets_get(struct cba_tickets *tickets, const struct cba_account *account,
                                const char *spn, struct cba_ticket **out, const char **source,
                                struct cba_result *result)
{
    unsigned char key[CBA_CACHE_KEY];
    struct errand errand = {.tickets = tickets,
                            .account = account,
                            .spn = spn,
                            .key = key,
                            .out = out,
                            .source = "process"};
    struct cba_flight_wish wish = {.work = do_errand, .take = take_for_errand, .ctx = &errand};
    enum cba_reason reason;

    *out = NULL;
    if (!make_key(tickets, "ticket", account, spn, key)) {
        return CBA_R_LIFE_MEMORY;
    }
    reason = recall(&errand, out, result);
    if (reason == CBA_R_UNDECIDED) {
        wish.deadline = cba_deadline_in_ms(cba_srv_timeout_kdc(tickets->conf) * 1000);
        reason = cba_flight_run(tickets->flight, key, &wish, result);
    }
    *source = errand.source;
    return reason;
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
    unshare_ticket(tickets, key, refused);
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

struct cba_tickets *cba_tickets_create(apr_pool_t *pchild, const server_rec *server,
                                       const struct cba_srv_conf *conf, struct cba_service *service)
{
    struct cba_tickets *tickets = apr_pcalloc(pchild, sizeof *tickets);
    const struct cba_flight_conf flight = {.most = ERRANDS_MAX,
                                           .busy = CBA_R_KRB_BUSY,
                                           .late = CBA_R_KRB_TIMEOUT,
                                           .discard = discard_ticket};

    tickets->server = server;
    tickets->conf = conf;
    tickets->service = service;
    tickets->cache = cba_cache_create(pchild, TICKETS_MAX, discard_ticket);
    tickets->denials = cba_cache_create(pchild, TICKETS_MAX, free);
    tickets->refusals = cba_cache_create(pchild, REFUSALS_MAX, discard_nothing);
    tickets->flight = cba_flight_create(pchild, &flight);
    return tickets->cache && tickets->denials && tickets->refusals && tickets->flight ? tickets
                                                                                      : NULL;
}
