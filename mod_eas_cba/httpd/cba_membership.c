/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_membership.h"

#include <stdlib.h>

#include "cba_knowledge.h"

#define NAMES_MAX    1024 /* groups whose SID a process remembers, and names that are no group's */
#define ACCOUNTS_MAX 8192 /* accounts whose groups a process remembers */

struct cba_membership {
    struct cba_directory *directory;
    const char *scope;
    struct cba_knowledge *names, *accounts;
};

static bool key_of(const struct cba_membership *membership, const char *kind, struct cba_span what,
                   unsigned char key[CBA_CACHE_KEY])
{
    const struct cba_span parts[] = {cba_span_str(kind), what, cba_span_str(membership->scope)};

    return cba_cache_key(parts, sizeof parts / sizeof *parts, key);
}

/* --- names --- */

static bool is_no_group(const void *group)
{
    return ((const struct cba_group *)group)->reason != CBA_R_OK;
}

static size_t write_name(const void *group, unsigned char *out)
{
    return cba_record_put_group(group, out);
}

static enum cba_reason read_name(struct cba_span content, void **out)
{
    struct cba_group *group = malloc(sizeof *group);

    if (!group) {
        return CBA_R_LIFE_MEMORY;
    }
    if (!cba_record_take_group(content, group)) {
        free(group);
        return CBA_R_CACHE_FORMAT;
    }
    *out = group;
    return CBA_R_OK;
}

static const struct cba_knowledge_kind names = {.record = CBA_RECORD_GROUP,
                                                .record_max = CBA_RECORD_GROUP_MAX,
                                                .most = NAMES_MAX,
                                                .most_nots = NAMES_MAX,
                                                .is_not = is_no_group,
                                                .write = write_name,
                                                .read = read_name};

struct name_question {
    struct cba_directory *directory;
    const char *dn;
    struct cba_group *group; /* the requester's */
};

static enum cba_reason ask_name(void *ctx, struct cba_deadline deadline, void **value,
                                struct cba_result *result)
{
    const struct name_question *question = ctx;
    struct cba_group *group = calloc(1, sizeof *group);
    enum cba_reason reason;

    if (!group) {
        return CBA_R_LIFE_MEMORY;
    }
    reason = group->reason = cba_directory_group(question->directory, question->dn, deadline,
                                                 &group->sid, &group->result);
    if (reason == CBA_R_OK || reason == CBA_R_DIR_GROUP || reason == CBA_R_DIR_GROUP_ELSEWHERE) {
        *value = group;
        return CBA_R_OK;
    }
    *result = group->result;
    free(group);
    return reason;
}

static void take_name(const void *value, void *ctx)
{
    *((struct name_question *)ctx)->group = *(const struct cba_group *)value;
}

static enum cba_reason find_name(struct cba_membership *membership, const char *dn,
                                 struct cba_deadline deadline, struct cba_sid *sid,
                                 struct cba_result *result)
{
    struct cba_group group;
    struct name_question question = {membership->directory, dn, &group};
    const struct cba_knowledge_wish wish = {
        .deadline = deadline, .ask = ask_name, .take = take_name, .ctx = &question};
    unsigned char key[CBA_CACHE_KEY];
    enum cba_reason reason;

    if (!key_of(membership, "group", cba_span_str(dn), key)) {
        return CBA_R_LIFE_MEMORY;
    }
    reason = cba_knowledge_get(membership->names, key, &wish, result);
    if (reason == CBA_R_OK) {
        *sid = group.sid;
        *result = group.result;
        reason = group.reason;
    }
    return reason;
}

/* --- groups of accounts --- */

static size_t write_groups(const void *groups, unsigned char *out)
{
    return cba_record_put_groups(groups, out);
}

static enum cba_reason read_groups(struct cba_span content, void **out)
{
    struct cba_groups *groups = malloc(sizeof *groups + content.len);

    if (!groups) {
        return CBA_R_LIFE_MEMORY;
    }
    if (!cba_record_take_groups(content, groups)) {
        free(groups);
        return CBA_R_CACHE_FORMAT;
    }
    *out = groups;
    return CBA_R_OK;
}

static const struct cba_knowledge_kind accounts = {.record = CBA_RECORD_GROUPS,
                                                   .record_max = CBA_RECORD_GROUPS_MAX,
                                                   .most = ACCOUNTS_MAX,
                                                   .most_nots = 1,
                                                   .write = write_groups,
                                                   .read = read_groups};

struct groups_question {
    struct cba_directory *directory;
    const struct cba_sid *account;
    const struct cba_sid *group; /* which one is looked for */
    bool member;
};

static enum cba_reason ask_groups(void *ctx, struct cba_deadline deadline, void **value,
                                  struct cba_result *result)
{
    const struct groups_question *question = ctx;
    struct cba_groups *groups = NULL;
    enum cba_reason reason =
        cba_directory_groups(question->directory, question->account, deadline, &groups, result);

    *value = groups;
    return reason;
}

static void look_for(const void *groups, void *ctx)
{
    struct groups_question *question = ctx;

    question->member = cba_groups_contain(groups, question->group);
}

static enum cba_reason find_member(struct cba_membership *membership,
                                   const struct cba_account *account, const struct cba_sid *group,
                                   struct cba_deadline deadline, bool *member,
                                   struct cba_result *result)
{
    struct groups_question question = {membership->directory, &account->sid, group, false};
    const struct cba_knowledge_wish wish = {
        .deadline = deadline, .ask = ask_groups, .take = look_for, .ctx = &question};
    unsigned char key[CBA_CACHE_KEY];
    enum cba_reason reason;

    if (!key_of(membership, "groups", cba_span_of(account->sid.binary, account->sid.len), key)) {
        return CBA_R_LIFE_MEMORY;
    }
    reason = cba_knowledge_get(membership->accounts, key, &wish, result);
    *member = reason == CBA_R_OK && question.member;
    return reason;
}

enum cba_reason cba_membership_ask(struct cba_membership *membership,
                                   const struct cba_account *account, const char *group,
                                   struct cba_deadline deadline, bool *member,
                                   struct cba_result *result)
{
    struct cba_sid sid;
    enum cba_reason reason;

    *member = false;
    reason = find_name(membership, group, deadline, &sid, result);
    if (reason == CBA_R_OK) {
        reason = find_member(membership, account, &sid, deadline, member, result);
    }
    return reason;
}

struct cba_membership *cba_membership_create(apr_pool_t *pool, const server_rec *server,
                                             const struct cba_srv_conf *conf,
                                             struct cba_directory *directory,
                                             struct cba_flight *flight, const char *scope)
{
    struct cba_membership *membership = apr_pcalloc(pool, sizeof *membership);

    membership->directory = directory;
    membership->scope = scope;
    membership->names = cba_knowledge_create(pool, server, conf, flight, &names);
    membership->accounts = cba_knowledge_create(pool, server, conf, flight, &accounts);
    return membership->names && membership->accounts ? membership : NULL;
}
