/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_facts.h"

#include <stdlib.h>
#include <apr_strings.h>

#include "cba_cache.h"
#include "cba_conf.h"
#include "cba_flight.h"
#include "cba_knowledge.h"
#include "cba_membership.h"
#include "cba_ntauth_keeper.h"

#define ANSWERS_MAX  8192 /* certificates of accounts whose facts a process remembers */
#define NOBODIES_MAX 8192 /* certificates that are nobody's */
#define ISSUERS_MAX  8192 /* certificates whose issuer a process remembers */
#define SEARCHES_MAX 15   /* at a time, of all kinds: one connection is left for NTAuth */

struct cba_facts {
    struct cba_directory *directory;
    struct cba_ntauth_keeper *ntauth;
    struct cba_membership *membership;
    struct cba_knowledge *answers;
    struct cba_cache *issuers;
    const char *scope; /* what else a remembered answer depends on: servers, base, principal */
};

/* Accounts */

static bool is_nobody(const void *answer)
{
    return ((const struct cba_answer *)answer)->count == 0;
}

static size_t write_answer(const void *answer, unsigned char *out)
{
    size_t len;

    cba_record_put_answer(answer, out, &len);
    return len;
}

static enum cba_reason read_answer(struct cba_span content, void **out)
{
    struct cba_answer *answer = malloc(sizeof *answer);

    if (!answer) {
        return CBA_R_LIFE_MEMORY;
    }
    if (!cba_record_take_answer(content, answer)) {
        free(answer);
        return CBA_R_CACHE_FORMAT;
    }
    *out = answer;
    return CBA_R_OK;
}

static const struct cba_knowledge_kind answers = {.record = CBA_RECORD_ANSWER,
                                                  .record_max = CBA_RECORD_ANSWER_MAX,
                                                  .most = ANSWERS_MAX,
                                                  .most_nots = NOBODIES_MAX,
                                                  .is_not = is_nobody,
                                                  .write = write_answer,
                                                  .read = read_answer};

/* One request for facts. */
struct search {
    struct cba_facts *facts;
    const struct cba_cert *cert;
    struct cba_answer *answer; /* the requester's */
};

static void take_answer(const void *value, void *ctx)
{
    *((struct search *)ctx)->answer = *(const struct cba_answer *)value;
}

static enum cba_reason do_search(void *ctx, struct cba_deadline deadline, void **value,
                                 struct cba_result *result)
{
    const struct search *search = ctx;
    struct cba_answer *answer = calloc(1, sizeof *answer);
    enum cba_reason reason;

    if (!answer) {
        return CBA_R_LIFE_MEMORY;
    }
    reason = cba_directory_find(search->facts->directory, search->cert, deadline, answer, result);
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
    struct search search = {.facts = facts, .cert = cert, .answer = answer};
    const struct cba_knowledge_wish wish = {
        .deadline = deadline, .ask = do_search, .take = take_answer, .ctx = &search};

    {
        const struct cba_span parts[] = {cba_span_str("account"),
                                         cba_span_of(cert->digest, sizeof cert->digest),
                                         cba_span_str(facts->scope)};

        if (!cba_cache_key(parts, sizeof parts / sizeof *parts, key)) {
            return CBA_R_LIFE_MEMORY;
        }
    }
    return cba_knowledge_get(facts->answers, key, &wish, result);
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
    const struct cba_flight_conf searches = {.most = SEARCHES_MAX,
                                             .busy = CBA_R_DIR_BUSY,
                                             .late = CBA_R_DIR_TIMEOUT,
                                             .discard = cba_knowledge_drop};
    struct cba_flight *flight = cba_flight_create(pchild, &searches);

    if (!flight) {
        return NULL;
    }
    facts->directory = directory;
    facts->answers = cba_knowledge_create(pchild, server, conf, flight, &answers);
    facts->issuers = cba_cache_create(pchild, ISSUERS_MAX, free);
    facts->scope = scope_of(pchild, conf, principal);
    facts->ntauth = cba_ntauth_keeper_create(pchild, server, conf, directory, facts->scope);
    facts->membership =
        cba_membership_create(pchild, server, conf, directory, flight, facts->scope);
    return facts->ntauth && facts->answers && facts->issuers && facts->membership ? facts : NULL;
}
