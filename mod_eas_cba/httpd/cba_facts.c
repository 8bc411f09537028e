/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_facts.h"

#include <stdlib.h>
#include <apr_strings.h>

#include "cba_cache.h"
#include "cba_conf.h"
#include "cba_flight.h"
#include "cba_membership.h"
#include "cba_ntauth_keeper.h"
#include "cba_report.h"
#include "cba_shared.h"

#define ANSWERS_MAX  8192 /* certificates of accounts whose facts a process remembers */
#define NOBODIES_MAX 8192 /* certificates that are nobody's */
#define ISSUERS_MAX  8192 /* certificates whose issuer a process remembers */
#define SEARCHES_MAX 15   /* at a time: one connection is left for NTAuth */
/* While old facts serve: what looking for new ones may take of a request's time, and when the next
 * one looks. */
#define RENEW_MS      1500
#define RENEW_AGAIN_S 10

struct cba_facts {
    const server_rec *server;
    const struct cba_srv_conf *conf;
    struct cba_directory *directory;
    struct cba_ntauth_keeper *ntauth;
    struct cba_membership *membership;
    /* Apart, so that a crowd of certificates that are nobody's drives nobody out who is somebody. A
     * key is in one of them at most, but for a moment. */
    struct cba_cache *answers, *nobodies;
    struct cba_cache *issuers;
    struct cba_flight *flight; /* of answers */
    const char *scope; /* what else a remembered answer depends on: servers, base, principal */
};

/* Accounts */

struct remembered {
    int64_t issued; /* when the directory was asked */
    struct cba_answer answer;
};

static void copy_answer(void *value, void *ctx)
{
    const struct remembered *found = value;

    *(struct cba_answer *)ctx = found->answer;
}

static void copy_issue(void *value, void *ctx)
{
    const struct remembered *found = value;

    *(int64_t *)ctx = found->issued;
}

/* How long an answer serves here. */
static int64_t lifetime(const struct cba_facts *facts, const struct cba_answer *answer)
{
    return answer->count ? cba_srv_ttl_account(facts->conf) : cba_srv_ttl_negative(facts->conf);
}

static void remember_answer(struct cba_facts *facts, const unsigned char *key,
                            const struct cba_answer *answer, const struct cba_record_times *times)
{
    struct remembered *copy = malloc(sizeof *copy);

    if (!copy) {
        return; /* asked again next time */
    }
    copy->issued = times->issued;
    copy->answer = *answer;
    if (answer->count) {
        cba_cache_keep(facts->answers, key, times->until, times->until + cba_srv_stale(facts->conf),
                       copy);
        cba_cache_forget(facts->nobodies, key);
    } else {
        cba_cache_put(facts->nobodies, key, times->until, copy);
        cba_cache_forget(facts->answers, key);
    }
}

static bool is_remembered(struct cba_facts *facts, const unsigned char *key,
                          struct cba_answer *answer)
{
    int64_t now = apr_time_sec(apr_time_now());

    return cba_cache_get(facts->answers, key, now, copy_answer, answer) ||
           cba_cache_get(facts->nobodies, key, now, copy_answer, answer);
}

/* For other processes and gateways; that nobody was found as well, under the same key. */
static void share_answer(struct cba_facts *facts, const unsigned char *key,
                         const struct cba_answer *answer, const struct cba_record_times *times)
{
    unsigned char content[CBA_RECORD_ANSWER_MAX];
    size_t len;

    if (facts->conf->shared) {
        cba_record_put_answer(answer, content, &len);
        cba_shared_put(facts->conf->shared, key, CBA_RECORD_ANSWER, times,
                       cba_span_of(content, len));
    }
}

/* What another process or gateway learnt; it serves here as long as it would have there. */
static bool recall_answer(struct cba_facts *facts, const unsigned char *key,
                          struct cba_answer *answer)
{
    struct cba_record_times times = {0, 0};
    struct cba_shared_record record;
    int64_t known = 0;
    bool good;

    if (!cba_cache_peek(facts->answers, key, copy_issue, &known)) {
        cba_cache_peek(facts->nobodies, key, copy_issue, &known);
    }
    if (!cba_shared_get(facts->conf->shared, key, CBA_RECORD_ANSWER,
                        cba_srv_ttl_account(facts->conf), known, &record)) {
        return false;
    }
    good = cba_record_take_answer(record.content, answer);
    if (!good) {
        cba_shared_complain(facts->conf->shared, CBA_R_CACHE_FORMAT, NULL);
    } else {
        times.issued = record.issued;
        times.until = record.issued + lifetime(facts, answer);
        if (record.until < times.until) {
            times.until = record.until;
        }
        good = apr_time_sec(apr_time_now()) < times.until;
    }
    cba_shared_release(&record);
    if (good) {
        remember_answer(facts, key, answer, &times);
    }
    return good;
}

/* One request for facts. */
struct search {
    struct cba_facts *facts;
    const struct cba_cert *cert;
    const unsigned char *key;
    struct cba_answer *answer; /* the requester's */
};

static void take_answer(void *value, void *ctx)
{
    *((struct search *)ctx)->answer = *(const struct cba_answer *)value;
}

static enum cba_reason search_fresh(const struct search *search, struct cba_deadline deadline,
                                    struct cba_answer *answer, struct cba_result *result)
{
    struct cba_record_times times = {.issued = apr_time_sec(apr_time_now())};
    enum cba_reason reason;

    memset(answer, 0, sizeof *answer);
    reason = cba_directory_find(search->facts->directory, search->cert, deadline, answer, result);
    if (reason == CBA_R_OK) {
        times.until = times.issued + lifetime(search->facts, answer);
        remember_answer(search->facts, search->key, answer, &times);
        share_answer(search->facts, search->key, answer, &times);
    }
    return reason;
}

/* Fresh facts, or where no directory answers and the administrator allows it, old ones. */
static enum cba_reason search_any(const struct search *search, struct cba_deadline deadline,
                                  struct cba_answer *answer, struct cba_result *result)
{
    struct cba_facts *facts = search->facts;
    int64_t now = apr_time_sec(apr_time_now());
    struct cba_answer old;
    enum cba_reason reason;

    if (is_remembered(facts, search->key, answer) || recall_answer(facts, search->key, answer)) {
        return CBA_R_OK;
    }
    if (!cba_cache_get_old(facts->answers, search->key, now, copy_answer, &old)) {
        return search_fresh(search, deadline, answer, result);
    }
    reason = search_fresh(search, cba_deadline_within(deadline, RENEW_MS), answer, result);
    if (cba_reason_is_outage(reason)) {
        cba_report_often(facts->server, CBA_R_DIR_KEPT, result);
        cba_cache_prolong(facts->answers, search->key,
                          apr_time_sec(apr_time_now()) + RENEW_AGAIN_S);
        *answer = old;
        return CBA_R_OK;
    }
    return reason;
}

static enum cba_reason do_search(void *ctx, struct cba_deadline deadline, void **value,
                                 struct cba_result *result)
{
    struct cba_answer *answer = malloc(sizeof *answer);
    enum cba_reason reason;

    if (!answer) {
        return CBA_R_LIFE_MEMORY;
    }
    reason = search_any(ctx, deadline, answer, result);
    if (reason == CBA_R_OK) {
        *value = answer;
    } else {
        free(answer);
    }
    return reason;
}

enum cba_reason cba_facts_find(struct cba_facts *facts, const struct cba_cert *cert,
                               struct cba_deadline deadline, struct cba_answer *answer,
                               struct cba_result *result)
{
    unsigned char key[CBA_CACHE_KEY];
    struct search search = {.facts = facts, .cert = cert, .key = key, .answer = answer};
    const struct cba_flight_wish wish = {
        .deadline = deadline, .work = do_search, .take = take_answer, .ctx = &search};

    {
        const struct cba_span parts[] = {cba_span_str("account"),
                                         cba_span_of(cert->digest, sizeof cert->digest),
                                         cba_span_str(facts->scope)};

        if (!cba_cache_key(parts, sizeof parts / sizeof *parts, key)) {
            return CBA_R_LIFE_MEMORY;
        }
    }
    if (is_remembered(facts, key, answer)) {
        return CBA_R_OK;
    }
    return cba_flight_run(facts->flight, key, &wish, result);
}

/* Issuers */

static void copy_issued(void *value, void *ctx)
{
    memcpy(ctx, value, sizeof(bool));
}

/* Signatures are verified once for each certificate and state of NTAuth: with another state the key
 * is another. */
static enum cba_reason find_issuer(struct cba_facts *facts, const struct cba_ntauth_set *set,
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

    if (!cba_cache_key(parts, sizeof parts / sizeof *parts, key)) {
        return CBA_R_LIFE_MEMORY;
    }
    if (cba_cache_get(facts->issuers, key, now, copy_issued, issued)) {
        return CBA_R_OK;
    }
    list = cba_ntauth_set_list(set, &count);
    *issued = cba_ntauth_issued(der, list, count, now, &until);
    if (until == INT64_MIN) {
        return CBA_R_LIFE_MEMORY;
    }
    copy = malloc(sizeof *copy);
    if (copy) {
        *copy = *issued;
        cba_cache_put(facts->issuers, key, until, copy);
    }
    return CBA_R_OK;
}

enum cba_reason cba_facts_ntauth(struct cba_facts *facts, struct cba_span der,
                                 const struct cba_cert *cert, struct cba_deadline deadline,
                                 struct cba_ntauth_facts *out, struct cba_result *result)
{
    struct cba_ntauth_set *set;
    enum cba_reason reason;
    size_t count;

    reason = cba_ntauth_keeper_get(facts->ntauth, deadline, &set, result);
    if (reason != CBA_R_OK) {
        return reason;
    }
    (void)cba_ntauth_set_list(set, &count);
    out->any = count > 0;
    if (out->any) {
        reason = find_issuer(facts, set, der, cert, &out->issued);
    }
    if (!out->issued) {
        cba_result_set(result, "there: %zu CA certificates and %zu values that are none", count,
                       cba_ntauth_set_useless(set));
    }
    cba_ntauth_set_unref(set);
    return reason;
}

/* Groups */

enum cba_reason cba_facts_member(struct cba_facts *facts, const struct cba_account *account,
                                 const char *group, struct cba_deadline deadline, bool *member,
                                 struct cba_result *result)
{
    return cba_membership_ask(facts->membership, account, group, deadline, member, result);
}

static const char *scope_of(apr_pool_t *pool, const struct cba_srv_conf *conf,
                            const char *principal)
{
    const apr_array_header_t *servers = cba_srv_ldap_servers(conf);
    const char *base = cba_srv_ldap_base(conf);

    return apr_pstrcat(pool, servers ? apr_array_pstrcat(pool, servers, ' ') : "dns", "\n",
                       base ? base : "", "\n", principal, NULL);
}

struct cba_facts *cba_facts_create(apr_pool_t *pchild, const server_rec *server,
                                   const struct cba_srv_conf *conf, struct cba_directory *directory,
                                   const char *principal)
{
    struct cba_facts *facts = apr_pcalloc(pchild, sizeof *facts);
    const struct cba_flight_conf flight = {
        .most = SEARCHES_MAX, .busy = CBA_R_DIR_BUSY, .late = CBA_R_DIR_TIMEOUT, .discard = free};

    facts->server = server;
    facts->conf = conf;
    facts->directory = directory;
    facts->answers = cba_cache_create(pchild, ANSWERS_MAX, free);
    facts->nobodies = cba_cache_create(pchild, NOBODIES_MAX, free);
    facts->issuers = cba_cache_create(pchild, ISSUERS_MAX, free);
    facts->flight = cba_flight_create(pchild, &flight);
    facts->scope = scope_of(pchild, conf, principal);
    facts->ntauth = cba_ntauth_keeper_create(pchild, server, conf, directory, facts->scope);
    facts->membership = cba_membership_create(
        pchild, directory, facts->scope, cba_srv_ttl_account(conf), cba_srv_ttl_negative(conf));
    return facts->ntauth && facts->answers && facts->nobodies && facts->issuers &&
                   facts->membership && facts->flight
               ? facts
               : NULL;
}
