/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_group.h"

#include <apr_strings.h>
#include <httpd.h>
#include <http_config.h>
#include <http_request.h>
#include <mod_auth.h>

#include "cba_conf.h"
#include "cba_gate.h"
#include "cba_gateway.h"
#include "cba_report.h"

#define NAME "eas-group"

/* One line. Lives in the configuration's pool. */
struct line {
    const apr_array_header_t *groups; /* const char *: DNs, one of which has to be the account's */
    bool negated; /* "Require not", or inside of RequireNone, or neither by both */
};

/* --- configuration time --- */

static const char *complain(const cmd_parms *cmd, const char *value, const char *write)
{
    return apr_psprintf(cmd->pool, "%s: Require " NAME " '%s': write %s",
                        cba_reason_info(CBA_R_CONF_VALUE)->tag, value, write);
}

/* Does "no" of this line speak for the account? Only for the number of a refusal. */
static bool is_negated(cmd_parms *cmd)
{
    const char *args = cmd->directive->args;
    bool negated = !ap_cstr_casecmp(ap_getword_conf(cmd->temp_pool, &args), "not");

    for (const ap_directive_t *d = cmd->directive->parent; d; d = d->parent) {
        negated ^= !ap_cstr_casecmp(d->directive, "<RequireNone");
    }
    return negated;
}

static bool is_dn(const char *word)
{
    char domain[CBA_DOMAIN_MAX + 1];

    /* The domain alone is no group. */
    return cba_account_domain(cba_span_str(word), domain) && ap_cstr_casecmpn(word, "DC=", 3) != 0;
}

static const char *read_line(cmd_parms *cmd, const char *args, const void **parsed)
{
    static const char *const usage = "the distinguishedName of a security group in quotes, like "
                                     "\"CN=EAS Users,DC=contoso,DC=com\"";
    apr_array_header_t *groups = apr_array_make(cmd->pool, 1, sizeof(const char *));
    struct line *line = apr_pcalloc(cmd->pool, sizeof *line);
    const char *word;

    if (!ap_cstr_casecmpn(cmd->directive->directive, "<AuthzProviderAlias", 19)) {
        return complain(cmd, args, "it with Require itself, not with an alias");
    }
    while (*args) {
        word = ap_getword_conf(cmd->pool, &args);
        if (!is_dn(word)) {
            return complain(cmd, word, usage);
        }
        APR_ARRAY_PUSH(groups, const char *) = word;
    }
    if (groups->nelts == 0) {
        return complain(cmd, "", usage);
    }
    line->groups = groups;
    line->negated = is_negated(cmd);
    *parsed = line;
    return NULL;
}

/* --- a request --- */

/* More of what there is to say, as far as there is room. */
static void append(struct cba_result *all, const char *what, const char *group)
{
    struct cba_result before = *all;

    cba_result_set(all, "%s%s%s %s", before.detail, before.detail[0] ? "; " : "", what, group);
}

/* Is the account in one of these groups? */
static enum cba_reason ask(request_rec *r, struct cba_pass *pass, const struct line *line,
                           const char **member_of, struct cba_result *result)
{
    struct cba_gateway *gateway = cba_conf_srv(r->server)->gateway;
    enum cba_reason reason = CBA_R_OK;
    bool member = false;

    *member_of = NULL;
    for (int i = 0; reason == CBA_R_OK && !member && i < line->groups->nelts; i++) {
        const char *group = APR_ARRAY_IDX(line->groups, i, const char *);

        reason = cba_gateway_member(gateway, &pass->decision.account, group, pass->deadline,
                                    &member, result);
        if (member) {
            *member_of = group;
        }
    }
    return reason;
}

static void note(struct cba_group_opinion *opinion, const struct line *line, const char *member_of)
{
    if (member_of) {
        if (line->negated) {
            opinion->unmet = true;
            append(&opinion->result, "in", member_of);
        }
    } else if (!line->negated) {
        opinion->unmet = true;
        for (int i = 0; i < line->groups->nelts; i++) {
            append(&opinion->result, "not in", APR_ARRAY_IDX(line->groups, i, const char *));
        }
    }
}

/* "Cannot tell" has to be an error: mod_authz_core makes nothing else of it, whatever stands around
 * the line, while "Require not" would make a denial a neutral line and let others decide. The same
 * holds for the name of a group that is none: nobody can be told to be outside of it. */
static authz_status check(request_rec *r, const char *args, const void *parsed)
{
    struct cba_pass *pass = cba_gate_admitted(r);
    const struct line *line = parsed;
    struct cba_result result = {""};
    const char *member_of;
    enum cba_reason reason;

    (void)args;
    if (!pass) {
        cba_gate_refuse_outside(r, CBA_R_CONF_GROUP_NOBODY);
        return AUTHZ_GENERAL_ERROR;
    }
    reason = ask(r, pass, line, &member_of, &result);
    if (reason != CBA_R_OK) {
        pass->groups = (struct cba_group_opinion){.broken = reason, .result = result};
        return AUTHZ_GENERAL_ERROR;
    }
    note(&pass->groups, line, member_of);
    return member_of ? AUTHZ_GRANTED : AUTHZ_DENIED;
}

enum cba_reason cba_group_refusal(const struct cba_group_opinion *opinion)
{
    return opinion->broken != CBA_R_UNDECIDED ? opinion->broken
           : opinion->unmet                   ? CBA_R_ACC_GROUP
                                              : CBA_R_ACC_REQUIRE;
}

void cba_group_register(apr_pool_t *pool)
{
    static const authz_provider provider = {.check_authorization = check,
                                            .parse_require_line = read_line};

    ap_register_auth_provider(pool, AUTHZ_PROVIDER_GROUP, NAME, AUTHZ_PROVIDER_VERSION, &provider,
                              AP_AUTH_INTERNAL_PER_CONF);
}
