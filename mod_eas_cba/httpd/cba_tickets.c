/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_tickets.h"

#include <stdlib.h>

#include "cba_cache.h"
#include "cba_conf.h"
#include "cba_decision.h"
#include "cba_flight.h"
#include "cba_report.h"
#include "cba_s4u.h"

#define TICKETS_MAX 8192 /* tickets that a process remembers */
#define ERRANDS_MAX 8    /* accounts for which a process asks the KDC at a time */
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
    struct cba_cache *refusals; /* by the same keys */
    struct cba_flight *flight;
};

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

/* From when on a new one is wanted, and the end. A ticket that lives short is renewed in the middle
 * of what it had left. */
static void remember_ticket(struct cba_tickets *tickets, const unsigned char *key,
                            struct cba_ticket *ticket)
{
    int64_t now = apr_time_sec(apr_time_now()), end = cba_ticket_expires(ticket);
    int64_t margin = end - now < 2 * TICKET_MARGIN ? (end - now) / 2 : TICKET_MARGIN;
    int64_t fresh = now + cba_srv_ttl_ticket(tickets->conf);

    if (end - margin < fresh) {
        fresh = end - margin;
    }
    if (end > now) {
        cba_cache_keep(tickets->cache, key, fresh, end, cba_ticket_ref(ticket));
    }
}

/* Refusals */

/* What the KDC has against this account or this SPN, and says the same way each time. Not what is
 * wrong with the gateway, which may be mended at any moment. */
static bool is_refusal(enum cba_reason reason)
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

struct refusal {
    enum cba_reason reason;
    struct cba_result result;
};

static void take_refusal(void *value, void *ctx)
{
    memcpy(ctx, value, sizeof(struct refusal));
}

static void remember_refusal(struct cba_tickets *tickets, const unsigned char *key,
                             enum cba_reason reason, const struct cba_result *result)
{
    struct refusal *refusal = malloc(sizeof *refusal);

    /* Whatever it was given before. */
    cba_cache_forget(tickets->cache, key);
    if (refusal) {
        *refusal = (struct refusal){reason, *result};
        cba_cache_put(tickets->refusals, key,
                      apr_time_sec(apr_time_now()) + cba_srv_ttl_negative(tickets->conf), refusal);
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

/* What is remembered, with a reference: CBA_R_OK or a refusal. UNDECIDED: nothing. */
static enum cba_reason recall(const struct errand *errand, struct cba_ticket **out,
                              struct cba_result *result)
{
    int64_t now = apr_time_sec(apr_time_now());
    struct refusal refusal;

    if (cba_cache_get(errand->tickets->cache, errand->key, now, take_ticket, out)) {
        return CBA_R_OK;
    }
    if (cba_cache_get(errand->tickets->refusals, errand->key, now, take_refusal, &refusal)) {
        *result = refusal.result;
        return refusal.reason;
    }
    return CBA_R_UNDECIDED;
}

static enum cba_reason ask_kdc(const struct errand *errand, struct cba_deadline deadline,
                               struct cba_ticket **out, struct cba_result *result)
{
    struct delegation work = {.tickets = errand->tickets, .deadline = deadline};
    const struct cba_ports ports = {.ctx = &work, .evidence = get_evidence, .ticket = get_ticket};
    enum cba_reason reason = cba_decision_delegate(errand->account, errand->spn, &ports, result);

    cba_evidence_free(work.evidence);
    if (reason == CBA_R_OK) {
        remember_ticket(errand->tickets, errand->key, work.ticket);
        *out = work.ticket;
        return reason;
    }
    cba_ticket_unref(work.ticket);
    if (is_refusal(reason)) {
        remember_refusal(errand->tickets, errand->key, reason, result);
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
    cba_report_outage(errand->tickets->server, CBA_R_KRB_KEPT, result);
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

static bool key_of(const struct cba_tickets *tickets, const struct cba_account *account,
                   const char *spn, unsigned char key[CBA_CACHE_KEY])
{
    /* The SID says whose ticket it is, the name which name it bears: after a renaming neither alone
     * would do. */
    const struct cba_span parts[] = {
        cba_span_str("ticket"),     cba_span_of(account->sid.binary, account->sid.len),
        cba_span_str(account->sam), cba_span_str(account->domain),
        cba_span_str(spn),          cba_span_str(cba_service_principal(tickets->service)),
    };

    return cba_cache_key(parts, sizeof parts / sizeof *parts, key);
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
    if (!key_of(tickets, account, spn, key)) {
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
    tickets->refusals = cba_cache_create(pchild, TICKETS_MAX, free);
    tickets->flight = cba_flight_create(pchild, &flight);
    return tickets->cache && tickets->refusals && tickets->flight ? tickets : NULL;
}
