/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_membership.h"

#include <stdlib.h>
#include <apr_time.h>

#include "cba_cache.h"

#define NAMES_MAX    1024 /* groups whose SID a process remembers */
#define ACCOUNTS_MAX 8192 /* accounts whose groups a process remembers */

struct cba_membership {
    struct cba_directory *directory;
    const char *scope;
    int64_t seconds, negative_seconds;
    struct cba_cache *names, *accounts;
};

/* What the directory said of a name. */
struct name {
    enum cba_reason reason; /* OK, or why it is no group's */
    struct cba_sid sid;
    struct cba_result result;
};

struct cba_membership *cba_membership_create(apr_pool_t *pool, struct cba_directory *directory,
                                             const char *scope, int64_t seconds,
                                             int64_t negative_seconds)
{
    struct cba_membership *membership = apr_pcalloc(pool, sizeof *membership);

    membership->directory = directory;
    membership->scope = scope;
    membership->seconds = seconds;
    membership->negative_seconds = negative_seconds;
    membership->names = cba_cache_create(pool, NAMES_MAX, free);
    membership->accounts = cba_cache_create(pool, ACCOUNTS_MAX, free);
    return membership->names && membership->accounts ? membership : NULL;
}

static int64_t now(void)
{
    return apr_time_sec(apr_time_now());
}

static bool key_of(const struct cba_membership *membership, const char *kind, struct cba_span what,
                   unsigned char key[CBA_CACHE_KEY])
{
    const struct cba_span parts[] = {cba_span_str(kind), what, cba_span_str(membership->scope)};

    return cba_cache_key(parts, sizeof parts / sizeof *parts, key);
}

static void copy_name(void *value, void *ctx)
{
    memcpy(ctx, value, sizeof(struct name));
}

static bool is_about_the_name(enum cba_reason reason)
{
    return reason == CBA_R_OK || reason == CBA_R_DIR_GROUP || reason == CBA_R_DIR_GROUP_ELSEWHERE;
}

static enum cba_reason find_name(struct cba_membership *membership, const char *group,
                                 struct cba_deadline deadline, struct cba_sid *sid,
                                 struct cba_result *result)
{
    struct name name = {.result = {""}}, *copy;
    unsigned char key[CBA_CACHE_KEY];

    if (!key_of(membership, "group", cba_span_str(group), key)) {
        return CBA_R_LIFE_MEMORY;
    }
    if (!cba_cache_get(membership->names, key, now(), copy_name, &name)) {
        name.reason =
            cba_directory_group(membership->directory, group, deadline, &name.sid, &name.result);
        copy = is_about_the_name(name.reason) ? malloc(sizeof *copy) : NULL;
        if (copy) {
            *copy = name;
            cba_cache_put(membership->names, key,
                          now() + (name.reason == CBA_R_OK ? membership->seconds
                                                           : membership->negative_seconds),
                          copy);
        }
    }
    *sid = name.sid;
    *result = name.result;
    return name.reason;
}

struct look {
    const struct cba_sid *group;
    bool member;
};

static void look_for(void *value, void *ctx)
{
    struct look *look = ctx;

    look->member = cba_groups_contain(value, look->group);
}

enum cba_reason cba_membership_ask(struct cba_membership *membership,
                                   const struct cba_account *account, const char *group,
                                   struct cba_deadline deadline, bool *member,
                                   struct cba_result *result)
{
    struct cba_groups *groups = NULL;
    unsigned char key[CBA_CACHE_KEY];
    struct cba_sid sid;
    struct look look = {&sid, false};
    enum cba_reason reason;

    *member = false;
    reason = find_name(membership, group, deadline, &sid, result);
    if (reason != CBA_R_OK) {
        return reason;
    }
    if (!key_of(membership, "groups", cba_span_of(account->sid.binary, account->sid.len), key)) {
        return CBA_R_LIFE_MEMORY;
    }
    if (!cba_cache_get(membership->accounts, key, now(), look_for, &look)) {
        reason =
            cba_directory_groups(membership->directory, &account->sid, deadline, &groups, result);
        if (reason != CBA_R_OK) {
            return reason;
        }
        look_for(groups, &look);
        cba_cache_put(membership->accounts, key, now() + membership->seconds, groups);
    }
    *member = look.member;
    return CBA_R_OK;
}
