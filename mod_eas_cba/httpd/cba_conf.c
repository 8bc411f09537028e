/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_conf.h"

#include <apr_strings.h>
#include <http_core.h>

#include "cba_spn.h"
#include "cba_store.h"
#include "cba_value.h"

#define UNSET_NUMBER INT64_MIN
#define UNSET_TEXT   NULL
#define UNSET_LIST   NULL
#define UNSET_RULES  NULL

/* What httpd's sections make of one value. */
#define MERGE_NUMBER(pool, outer, inner) ((inner) != UNSET_NUMBER ? (inner) : (outer))
#define MERGE_TEXT(pool, outer, inner)   ((inner) ? (inner) : (outer))
#define MERGE_LIST(pool, outer, inner)   ((inner) ? (inner) : (outer))
#define MERGE_RULES(pool, outer, inner)  added(pool, outer, inner)

/* A directive's words may be wrong in as many ways as there are administrators: each answer names
 * directive, value and what to write. */
#define COMPLAIN(cmd, value, write)                                                                \
    apr_psprintf((cmd)->pool, "%s: %s '%s': write %s", cba_reason_info(CBA_R_CONF_VALUE)->tag,     \
                 (cmd)->cmd->name, (value), (write))

/* Create, merge, getters: nothing here names a field, so no field can be forgotten. */

#define NOTHING_DIRECTIVE(name, args, kind, field, preset, help)
#define NOTHING_MEMBER(kind, field, preset)

static const apr_array_header_t *added(apr_pool_t *pool, const apr_array_header_t *outer,
                                       const apr_array_header_t *inner)
{
    return !outer ? inner : !inner ? outer : apr_array_append(pool, outer, inner);
}

void *cba_conf_dir_create(apr_pool_t *pconf, char *dir)
{
    struct cba_dir_conf *conf = apr_pcalloc(pconf, sizeof *conf);

    (void)dir;
#define CBA_DIRECTIVE_DIR(name, args, kind, field, preset, help) conf->field = UNSET_##kind;
#define CBA_MEMBER_DIR(kind, field, preset)                      conf->field = UNSET_##kind;
#define CBA_DIRECTIVE_SRV                                        NOTHING_DIRECTIVE
#define CBA_MEMBER_SRV                                           NOTHING_MEMBER
#include "cba_directives.def"
#undef CBA_DIRECTIVE_DIR
#undef CBA_MEMBER_DIR
    return conf;
}

void *cba_conf_dir_merge(apr_pool_t *pconf, void *base, void *add)
{
    struct cba_dir_conf *conf = apr_palloc(pconf, sizeof *conf);
    const struct cba_dir_conf *outer = base;
    const struct cba_dir_conf *inner = add;

#define CBA_DIRECTIVE_DIR(name, args, kind, field, preset, help)                                   \
    conf->field = MERGE_##kind(pconf, outer->field, inner->field);
#define CBA_MEMBER_DIR(kind, field, preset)                                                        \
    conf->field = MERGE_##kind(pconf, outer->field, inner->field);
#include "cba_directives.def"
#undef CBA_DIRECTIVE_DIR
#undef CBA_MEMBER_DIR
    return conf;
}

#define CBA_DIRECTIVE_DIR(name, args, kind, field, preset, help) CBA_MEMBER_DIR(kind, field, preset)
#define CBA_MEMBER_DIR(kind, field, preset)                                                        \
    CBA_KIND_##kind cba_dir_##field(const struct cba_dir_conf *conf)                               \
    {                                                                                              \
        return conf->field != UNSET_##kind ? conf->field : (preset);                               \
    }
#include "cba_directives.def"
#undef CBA_DIRECTIVE_DIR
#undef CBA_MEMBER_DIR
#undef CBA_DIRECTIVE_SRV
#undef CBA_MEMBER_SRV

#define CBA_DIRECTIVE_DIR NOTHING_DIRECTIVE
#define CBA_MEMBER_DIR    NOTHING_MEMBER

void *cba_conf_srv_create(apr_pool_t *pconf, server_rec *s)
{
    struct cba_srv_conf *conf = apr_pcalloc(pconf, sizeof *conf);

    (void)s;
#define CBA_DIRECTIVE_SRV(name, args, kind, field, preset, help) conf->field = UNSET_##kind;
#define CBA_MEMBER_SRV(kind, field, preset)                      conf->field = UNSET_##kind;
#include "cba_directives.def"
#undef CBA_DIRECTIVE_SRV
#undef CBA_MEMBER_SRV
    return conf;
}

void *cba_conf_srv_merge(apr_pool_t *pconf, void *base, void *add)
{
    struct cba_srv_conf *conf = apr_pcalloc(pconf, sizeof *conf);
    const struct cba_srv_conf *outer = base;
    const struct cba_srv_conf *inner = add;

#define CBA_DIRECTIVE_SRV(name, args, kind, field, preset, help)                                   \
    conf->field = MERGE_##kind(pconf, outer->field, inner->field);
#define CBA_MEMBER_SRV(kind, field, preset)                                                        \
    conf->field = MERGE_##kind(pconf, outer->field, inner->field);
#include "cba_directives.def"
#undef CBA_DIRECTIVE_SRV
#undef CBA_MEMBER_SRV
    conf->spn_sections = added(pconf, outer->spn_sections, inner->spn_sections);
    conf->protects = inner->protects || outer->protects;
    return conf;
}

#define CBA_DIRECTIVE_SRV(name, args, kind, field, preset, help) CBA_MEMBER_SRV(kind, field, preset)
#define CBA_MEMBER_SRV(kind, field, preset)                                                        \
    CBA_KIND_##kind cba_srv_##field(const struct cba_srv_conf *conf)                               \
    {                                                                                              \
        return conf->field != UNSET_##kind ? conf->field : (preset);                               \
    }
#include "cba_directives.def"
#undef CBA_DIRECTIVE_SRV
#undef CBA_MEMBER_SRV
#undef CBA_DIRECTIVE_DIR
#undef CBA_MEMBER_DIR

/* What request code and the checks ask of a configuration. */

struct cba_rules cba_conf_rules(const struct cba_dir_conf *conf)
{
    static const char *const client_auth[] = {
        "1.3.6.1.5.5.7.3.2"}; /* id-kp-clientAuth, RFC 5280 4.2.1.12 */
    const apr_array_header_t *usages = cba_dir_usages(conf);
    struct cba_rules rules = {
        .protocol = (enum cba_protocol)cba_dir_protocol(conf),
        .enforce = cba_dir_enforce(conf) != 0,
        .commands = (uint32_t)cba_dir_commands(conf),
        .user_match = cba_dir_user_match(conf) != 0,
        .methods = (unsigned)cba_dir_methods(conf),
        .strong = cba_dir_strong(conf) != 0,
        .usages = client_auth,
        .usage_count = 1,
        .ntauth = cba_dir_ntauth(conf) != 0,
    };

    if (usages) {
        rules.usages = (const char *const *)usages->elts;
        rules.usage_count = (size_t)usages->nelts;
    }
    return rules;
}

const char *cba_conf_spool_path(apr_pool_t *pool, const struct cba_srv_conf *conf)
{
    const char *dir = cba_srv_spool_dir(conf);

    return dir ? dir : ap_runtime_dir_relative(pool, "eas_cba");
}

const struct cba_dir_conf *cba_conf_dir(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &eas_cba_module);
}

struct cba_srv_conf *cba_conf_srv(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &eas_cba_module);
}

/* Setters, one per directive of the list. */

static struct cba_srv_conf *server_of(cmd_parms *cmd)
{
    return cba_conf_srv(cmd->server);
}

static const char *set_file(cmd_parms *cmd, const char **field, const char *value)
{
    const char *path = ap_server_root_relative(cmd->pool, value);

    if (!*value || !path) {
        return COMPLAIN(cmd, value, "the path of a file");
    }
    *field = path;
    return NULL;
}

/* What a Location may say means nothing elsewhere: NULL, or the complaint. */
static const char *misplaced(cmd_parms *cmd)
{
    const struct cba_reason_info *info = cba_reason_info(CBA_R_CONF_CONTEXT);
    const char *wrong = ap_check_cmd_context(
        cmd, NOT_IN_DIRECTORY | NOT_IN_FILES | NOT_IN_HTACCESS | NOT_IN_LIMIT | NOT_IN_PROXY);

    return wrong ? apr_psprintf(cmd->pool, "%s: %s; %s", info->tag, wrong, info->remedy) : NULL;
}

static const char *cba_conf_set_on(cmd_parms *cmd, void *dir, int flag)
{
    const char *wrong = misplaced(cmd);

    if (wrong) {
        return wrong;
    }
    ((struct cba_dir_conf *)dir)->on = flag;
    if (flag) {
        server_of(cmd)->protects = true;
    }
    return NULL;
}

static const char *cba_conf_set_methods(cmd_parms *cmd, void *dir, const char *word)
{
    struct cba_dir_conf *conf = dir;
    enum cba_method method = cba_method_parse(cba_span_str(word));

    if (method == CBA_METHOD_NONE) {
        return COMPLAIN(cmd, word,
                        "one or more of SID AltSecurityIdentities UPN SIDURL RFC822 Subject");
    }
    if (conf->methods == UNSET_NUMBER) {
        conf->methods = 0;
    }
    if (conf->methods & method) {
        return COMPLAIN(cmd, word, "each method once");
    }
    conf->methods |= method;
    return misplaced(cmd);
}

static const char *cba_conf_set_strong(cmd_parms *cmd, void *dir, int flag)
{
    ((struct cba_dir_conf *)dir)->strong = flag;
    return misplaced(cmd);
}

static void list_add(cmd_parms *cmd, const apr_array_header_t **field, const char *word)
{
    apr_array_header_t *list = *field ? apr_array_copy(cmd->pool, *field)
                                      : apr_array_make(cmd->pool, 4, sizeof(const char *));

    APR_ARRAY_PUSH(list, const char *) = word;
    *field = list;
}

static const char *cba_conf_set_usages(cmd_parms *cmd, void *dir, const char *word)
{
    if (!cba_value_oid(cba_span_str(word))) {
        return COMPLAIN(cmd, word, "object identifiers in dotted form, like 1.3.6.1.5.5.7.3.2");
    }
    list_add(cmd, &((struct cba_dir_conf *)dir)->usages, word);
    return misplaced(cmd);
}

static const char *cba_conf_set_ntauth(cmd_parms *cmd, void *dir, int flag)
{
    ((struct cba_dir_conf *)dir)->ntauth = flag;
    return misplaced(cmd);
}

static const char *cba_conf_set_read_limit(cmd_parms *cmd, void *dir, const char *limit,
                                           const char *memory)
{
    struct cba_dir_conf *conf = dir;

    if (!cba_value_bytes(cba_span_str(limit), &conf->read_limit)) {
        return COMPLAIN(cmd, limit, "a size of at least 1, like 10M");
    }
    if (memory && !cba_value_bytes(cba_span_str(memory), &conf->read_memory)) {
        return COMPLAIN(cmd, memory, "a size of at least 1, like 64K");
    }
    return misplaced(cmd);
}

static const char *cba_conf_set_account_requests(cmd_parms *cmd, void *dir, const char *word)
{
    struct cba_dir_conf *conf = dir;
    struct cba_span name, value;
    bool good = cba_value_pair(cba_span_str(word), &name, &value);

    if (good && cba_span_equal_nocase(name, cba_span_str("requests"))) {
        good = cba_value_seconds(value, 1, 1000000, &conf->account_requests);
    } else if (good && cba_span_equal_nocase(name, cba_span_str("spool"))) {
        good = cba_value_bytes(value, &conf->account_spool);
    } else {
        good = false;
    }
    return good ? misplaced(cmd)
                : COMPLAIN(cmd, word, "requests=N, 1 to 1000000, and spool=BYTES, like 40M");
}

static const char *cba_conf_set_channel_binding(cmd_parms *cmd, void *dir, const char *word)
{
    bool automatic = !ap_cstr_casecmp(word, "Auto");

    if (!automatic && ap_cstr_casecmp(word, "Off")) {
        return COMPLAIN(cmd, word, "Auto or Off");
    }
    ((struct cba_dir_conf *)dir)->channel_binding = automatic;
    return misplaced(cmd);
}

static const char *cba_conf_set_protocol(cmd_parms *cmd, void *dir, const char *word,
                                         const char *mode)
{
    struct cba_dir_conf *conf = dir;

    if (!ap_cstr_casecmp(word, "ActiveSync")) {
        conf->protocol = CBA_PROTOCOL_ACTIVESYNC;
    } else if (!ap_cstr_casecmp(word, "Autodiscover")) {
        conf->protocol = CBA_PROTOCOL_AUTODISCOVER;
    } else if (!ap_cstr_casecmp(word, "Any")) {
        conf->protocol = CBA_PROTOCOL_ANY;
    } else {
        return COMPLAIN(cmd, word, "ActiveSync, Autodiscover or Any");
    }
    /* Also without the word: it belongs to this protocol, not to that of an outer section. */
    conf->enforce = !mode || !ap_cstr_casecmp(mode, "Enforce");
    if (!conf->enforce && ap_cstr_casecmp(mode, "Log")) {
        return COMPLAIN(cmd, mode, "Enforce or Log after the protocol");
    }
    return misplaced(cmd);
}

static const char *cba_conf_set_commands(cmd_parms *cmd, void *dir, const char *word)
{
    struct cba_dir_conf *conf = dir;
    enum cba_command command = cba_command_parse(cba_span_str(word));
    bool all = !ap_cstr_casecmp(word, "all");

    if (!all && command == CBA_COMMAND_NONE) {
        return COMPLAIN(cmd, word, "commands of ActiveSync, like Sync Ping FolderSync, or all");
    }
    if (conf->commands == UNSET_NUMBER) {
        conf->commands = 0;
    } else if (all || conf->commands == CBA_COMMANDS_ALL) {
        return COMPLAIN(cmd, word, "either all alone or commands");
    }
    if (!all && cba_command_in(command, (uint32_t)conf->commands)) {
        return COMPLAIN(cmd, word, "each command once");
    }
    conf->commands = all ? (int64_t)CBA_COMMANDS_ALL : conf->commands | INT64_C(1) << command;
    return misplaced(cmd);
}

static const char *cba_conf_set_user_match(cmd_parms *cmd, void *dir, int flag)
{
    ((struct cba_dir_conf *)dir)->user_match = flag;
    return misplaced(cmd);
}

/* EASCertAuthSPN belongs to a back end: it may stand in <Proxy> as well. */
static const char *misplaced_spn(cmd_parms *cmd)
{
    const struct cba_reason_info *info = cba_reason_info(CBA_R_CONF_SPN_CONTEXT);
    const char *wrong =
        ap_check_cmd_context(cmd, NOT_IN_DIRECTORY | NOT_IN_FILES | NOT_IN_HTACCESS | NOT_IN_LIMIT);

    return wrong ? apr_psprintf(cmd->pool, "%s: %s; %s", info->tag, wrong, info->remedy) : NULL;
}

static const char *cba_conf_set_spns(cmd_parms *cmd, void *dir, const char *first,
                                     const char *second)
{
    struct cba_dir_conf *conf = dir;
    struct cba_spn_entry entry = {.section = cba_spn_section_of(cmd), .owner = dir};
    const apr_array_header_t **field =
        entry.section.name ? &server_of(cmd)->spn_sections : &conf->spns;
    apr_array_header_t *list;

    entry.rule.spn = second ? second : first;
    if (second && !cba_spn_rule_read(cba_span_str(first), &entry.rule)) {
        return COMPLAIN(
            cmd, first,
            "the back end as HOST or HOST:PORT, like cas1.contoso.com, and then its SPN");
    }
    if (!cba_spn_is_http(cba_span_str(entry.rule.spn))) {
        return COMPLAIN(cmd, entry.rule.spn,
                        "HTTP/HOST or HTTP/HOST:PORT as the gateway may delegate to it, like "
                        "HTTP/cas1.contoso.com, without a realm");
    }
    list = apr_array_make(cmd->pool, 4, sizeof entry);
    for (int i = 0; *field && i < (*field)->nelts; i++) {
        const struct cba_spn_entry *other = &APR_ARRAY_IDX(*field, i, const struct cba_spn_entry);

        if (other->owner == dir && cba_spn_rule_same(&other->rule, &entry.rule)) {
            return COMPLAIN(cmd, second ? first : entry.rule.spn,
                            second ? "each host once in a section"
                                   : "one SPN for all hosts in a section");
        }
    }
    APR_ARRAY_PUSH(list, struct cba_spn_entry) = entry;
    *field = added(cmd->pool, *field, list);
    return misplaced_spn(cmd);
}

static const char *cba_conf_set_keytab(cmd_parms *cmd, void *dir, const char *value)
{
    (void)dir;
    return set_file(cmd, &server_of(cmd)->keytab, value);
}

static const char *cba_conf_set_principal(cmd_parms *cmd, void *dir, const char *value)
{
    (void)dir;
    if (!*value || !cba_span_is_text(cba_span_str(value))) {
        return COMPLAIN(cmd, value, "a principal name, like gw@CONTOSO.COM");
    }
    server_of(cmd)->principal = value;
    return NULL;
}

static const char *cba_conf_set_kdcs(cmd_parms *cmd, void *dir, const char *word)
{
    struct cba_srv_conf *conf = server_of(cmd);
    const struct cba_reason_info *info = cba_reason_info(CBA_R_CONF_KDC);
    int count = conf->kdcs ? conf->kdcs->nelts : 0;
    const char *wrong = NULL;

    (void)dir;
    if (!cba_value_server(cba_span_str(word))) {
        wrong = "not of the form HOST[:PORT]";
    } else if (count == CBA_KDCS_MAX) {
        wrong = "there are " APR_STRINGIFY(CBA_KDCS_MAX) " before it";
    }
    for (int i = 0; i < count; i++) {
        if (!ap_cstr_casecmp(word, APR_ARRAY_IDX(conf->kdcs, i, const char *))) {
            wrong = "it is there already";
        }
    }
    if (wrong) {
        return apr_psprintf(cmd->pool, "%s: %s '%s': %s (%s); %s", info->tag, cmd->cmd->name, word,
                            info->meaning, wrong, info->remedy);
    }
    list_add(cmd, &conf->kdcs, word);
    return NULL;
}

static const char *cba_conf_set_ldap_servers(cmd_parms *cmd, void *dir, const char *word)
{
    struct cba_srv_conf *conf = server_of(cmd);
    bool first = !conf->ldap_servers;

    (void)dir;
    if (!ap_cstr_casecmp(word, "dns")) {
        if (!first) {
            return COMPLAIN(cmd, word, "either dns alone or URIs");
        }
        conf->ldap_servers =
            apr_array_make(cmd->pool, 1, sizeof(const char *)); /* set, and empty: discovery */
        return NULL;
    }
    if (!first && conf->ldap_servers->nelts == 0) {
        return COMPLAIN(cmd, word, "either dns alone or URIs");
    }
    if (!cba_value_ldap_uri(cba_span_str(word))) {
        return COMPLAIN(cmd, word, "ldap://HOST[:PORT] or ldaps://HOST[:PORT], or dns");
    }
    list_add(cmd, &conf->ldap_servers, word);
    return NULL;
}

static const char *cba_conf_set_ldap_base(cmd_parms *cmd, void *dir, const char *value)
{
    char domain[CBA_DOMAIN_MAX + 1];

    (void)dir;
    if (!cba_account_domain(cba_span_str(value), domain)) {
        return COMPLAIN(cmd, value, "a DN that ends in DC= components, like DC=contoso,DC=com");
    }
    server_of(cmd)->ldap_base = value;
    return NULL;
}

static const char *cba_conf_set_bind_dn(cmd_parms *cmd, void *dir, const char *how, const char *dn,
                                        const char *file)
{
    struct cba_srv_conf *conf = server_of(cmd);
    static const char *const usage = "gssapi, or simple DN file:PATH";

    (void)dir;
    if (!ap_cstr_casecmp(how, "gssapi")) {
        if (dn) {
            return COMPLAIN(cmd, dn, usage);
        }
        conf->bind_dn = ""; /* set, and not simple: a virtual host may return to the default */
        conf->bind_file = "";
        return NULL;
    }
    if (ap_cstr_casecmp(how, "simple")) {
        return COMPLAIN(cmd, how, usage);
    }
    if (!dn || !*dn || !file || strncmp(file, "file:", 5)) {
        return COMPLAIN(cmd, how, usage);
    }
    conf->bind_dn = dn;
    return set_file(cmd, &conf->bind_file, file + 5);
}

static const char *cba_conf_set_ldap_ca(cmd_parms *cmd, void *dir, const char *value)
{
    (void)dir;
    return set_file(cmd, &server_of(cmd)->ldap_ca, value);
}

static const char *cba_conf_set_spool_dir(cmd_parms *cmd, void *dir, const char *path,
                                          const char *total)
{
    struct cba_srv_conf *conf = server_of(cmd);

    (void)dir;
    if (total && !cba_value_bytes(cba_span_str(total), &conf->spool_total)) {
        return COMPLAIN(cmd, total, "a size of at least 1, like 1G");
    }
    return set_file(cmd, &conf->spool_dir, path);
}

/* One word NAME=SECONDS of a directive that takes several. */
static const char *set_named_seconds(cmd_parms *cmd, const char *word, const char *const *names,
                                     int64_t **fields, const char *usage)
{
    struct cba_span name, value;
    int64_t seconds;

    if (!cba_value_pair(cba_span_str(word), &name, &value) ||
        !cba_value_seconds(value, 1, 86400, &seconds)) {
        return COMPLAIN(cmd, word, usage);
    }
    for (; *names; names++, fields++) {
        if (cba_span_equal_nocase(name, cba_span_str(*names))) {
            **fields = seconds;
            return NULL;
        }
    }
    return COMPLAIN(cmd, word, usage);
}

static const char *cba_conf_set_cache(cmd_parms *cmd, void *dir, const char *value)
{
    enum cba_store_kind kind;
    const char *args;

    (void)dir;
    if (!cba_store_parse(cmd->temp_pool, value, &kind, &args)) {
        return COMPLAIN(cmd, value,
                        "shmcb, shmcb:SIZE with 1M to 63M, redis:HOST[:PORT][,HOST[:PORT]...], "
                        "memcache:HOST[:PORT][,HOST[:PORT]...] or none");
    }
    server_of(cmd)->cache = value;
    return NULL;
}

static const char *cba_conf_set_cache_key(cmd_parms *cmd, void *dir, const char *value)
{
    (void)dir;
    return set_file(cmd, &server_of(cmd)->cache_key, value);
}

static const char *cba_conf_set_ttl_account(cmd_parms *cmd, void *dir, const char *word)
{
    static const char *const names[] = {"account", "ticket", "negative", "ntauth", NULL};
    struct cba_srv_conf *conf = server_of(cmd);
    int64_t *fields[] = {&conf->ttl_account, &conf->ttl_ticket, &conf->ttl_negative,
                         &conf->ttl_ntauth};

    (void)dir;
    return set_named_seconds(
        cmd, word, names, fields,
        "account=SECONDS ticket=SECONDS negative=SECONDS ntauth=SECONDS, 1 to 86400 each");
}

static const char *cba_conf_set_timeout_directory(cmd_parms *cmd, void *dir, const char *word)
{
    static const char *const names[] = {"directory", "kdc", NULL};
    struct cba_srv_conf *conf = server_of(cmd);
    int64_t *fields[] = {&conf->timeout_directory, &conf->timeout_kdc};

    (void)dir;
    return set_named_seconds(cmd, word, names, fields,
                             "directory=SECONDS kdc=SECONDS, 1 to 86400 each");
}

static const char *cba_conf_set_stale(cmd_parms *cmd, void *dir, const char *value)
{
    (void)dir;
    if (!cba_value_seconds(cba_span_str(value), 0, 86400, &server_of(cmd)->stale)) {
        return COMPLAIN(cmd, value, "seconds, 0 to 86400");
    }
    return NULL;
}

static const char *cba_conf_set_retry_after(cmd_parms *cmd, void *dir, const char *value)
{
    (void)dir;
    if (!cba_value_seconds(cba_span_str(value), 1, 86400, &server_of(cmd)->retry_after)) {
        return COMPLAIN(cmd, value, "seconds, 1 to 86400");
    }
    return NULL;
}

const command_rec cba_conf_commands[] = {
#define CBA_DIRECTIVE_DIR(name, args, kind, field, preset, help)                                   \
    args(#name, cba_conf_set_##field, NULL, ACCESS_CONF, help),
#define CBA_DIRECTIVE_SRV(name, args, kind, field, preset, help)                                   \
    args(#name, cba_conf_set_##field, NULL, RSRC_CONF, help),
#define CBA_MEMBER_DIR(kind, field, preset)
#define CBA_MEMBER_SRV(kind, field, preset)
#include "cba_directives.def"
#undef CBA_DIRECTIVE_DIR
#undef CBA_DIRECTIVE_SRV
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL},
};
