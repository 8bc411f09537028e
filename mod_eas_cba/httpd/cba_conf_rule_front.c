/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_conf_rule.h"

#include <apr_strings.h>

#include "cba_conf_worker.h"

#define DIRECTIVE_AT(list, i) (&APR_ARRAY_IDX(list, i, const struct cba_directive))

apr_array_header_t *cba_sections_merged(apr_pool_t *pool, const struct cba_scope *server,
                                        const struct cba_scope *section)
{
    apr_array_header_t *all = cba_sections_of(pool, server, CBA_SCOPE_LOCATION);
    apr_array_header_t *found = apr_array_make(pool, 4, sizeof(struct cba_scope *));

    for (int i = 0; i < all->nelts; i++) {
        struct cba_scope *other = APR_ARRAY_IDX(all, i, struct cba_scope *);

        if (other == section || cba_meet_section(pool, section, other) == CBA_MEET_COVERS) {
            APR_ARRAY_PUSH(found, struct cba_scope *) = other;
        }
    }
    return found;
}

const struct cba_directive *cba_sections_last(const apr_array_header_t *sections, const char *name)
{
    const struct cba_directive *found = NULL;

    for (int i = sections->nelts - 1; !found && i >= 0; i--) {
        found = cba_scope_last(APR_ARRAY_IDX(sections, i, const struct cba_scope *), name);
    }
    return found;
}

const struct cba_directive *cba_case_last(const struct cba_case *c, const char *name, bool servers)
{
    const struct cba_directive *found = cba_sections_last(c->merged, name);

    return found || !servers ? found : cba_server_last(c->server, name);
}

/* Calls fn with every directive of the sections in force, nested ones included: a <Limit> or <If>
 * inside makes a directive conditional, which is no better. */
static void each_in_sections(const struct cba_case *c,
                             void (*fn)(const struct cba_case *c, const struct cba_directive *d))
{
    const apr_array_header_t *sections = c->merged;

    for (int i = 0; i < sections->nelts; i++) {
        const struct cba_scope *section = APR_ARRAY_IDX(sections, i, const struct cba_scope *);

        for (int j = 0; j < section->all->nelts; j++) {
            fn(c, DIRECTIVE_AT(section->all, j));
        }
    }
}

/* --- TLS --- */

static void check_engine(const struct cba_case *c)
{
    const struct cba_directive *engine = cba_server_last(c->server, "SSLEngine");

    if (cba_directive_says(c->pool, engine, "on")) {
        return;
    }
    if (engine) {
        cba_findings_add_directive(c->findings, CBA_R_CONF_SSL_ENGINE, engine, 0, NULL);
    } else {
        cba_findings_add_missing(c->findings, CBA_R_CONF_SSL_ENGINE, "SSLEngine", c->server,
                                 c->section);
    }
}

static void check_verify_in_section(const struct cba_case *c, const struct cba_directive *d)
{
    if (cba_directive_is(d, "SSLVerifyClient")) {
        cba_findings_add_directive(c->findings,
                                   cba_directive_says(c->pool, d, "optional_no_ca")
                                       ? CBA_R_CONF_OPTIONAL_NO_CA
                                       : CBA_R_WARN_LOCATION_VERIFY,
                                   d, 0, NULL);
    }
}

static void check_verify(const struct cba_case *c)
{
    const struct cba_directive *server = cba_server_last(c->server, "SSLVerifyClient");
    const struct cba_directive *section = cba_case_last(c, "SSLVerifyClient", false);
    bool asks = server && !cba_directive_says(c->pool, server, "none");

    if (cba_directive_says(c->pool, server, "optional_no_ca")) {
        cba_findings_add_directive(c->findings, CBA_R_CONF_OPTIONAL_NO_CA, server, 0, NULL);
    }
    each_in_sections(c, check_verify_in_section);
    if (asks || (section && !cba_directive_says(c->pool, section, "none"))) {
        return;
    }
    if (server) {
        cba_findings_add_directive(c->findings, CBA_R_CONF_VERIFY_NONE, server, 0, NULL);
    } else {
        cba_findings_add_missing(c->findings, CBA_R_CONF_VERIFY_NONE, "SSLVerifyClient", c->server,
                                 c->section);
    }
}

static void check_revocation(const struct cba_case *c)
{
    const struct cba_directive *check = cba_server_last(c->server, "SSLCARevocationCheck");
    bool has_list = cba_server_last(c->server, "SSLCARevocationFile") ||
                    cba_server_last(c->server, "SSLCARevocationPath");

    if (!has_list) {
        cba_findings_add_missing(c->findings, CBA_R_WARN_NO_CRL, "SSLCARevocationFile", c->server,
                                 c->section);
    } else if (!check) {
        cba_findings_add_missing(c->findings, CBA_R_WARN_NO_CRL, "SSLCARevocationCheck", c->server,
                                 c->section);
    } else if (cba_directive_says(c->pool, check, "none")) {
        cba_findings_add_directive(c->findings, CBA_R_WARN_NO_CRL, check, 0, NULL);
    }
}

/* What another process can read, or this one after a reload: mod_ssl makes everything else anew. */
static void check_sessions(const struct cba_case *c)
{
    static const char *const gone[] = {"shmcb", "none", "nonenotnull"};
    const struct cba_directive *key = cba_server_last(c->server, "SSLSessionTicketKeyFile");
    const struct cba_scope *top = c->server->parent ? c->server->parent : c->server;
    const struct cba_directive *cache = cba_scope_last(top, "SSLSessionCache");
    const char *kind = cache ? cba_directive_word(c->pool, cache, 0) : "none";

    if (key &&
        !cba_directive_says(c->pool, cba_server_last(c->server, "SSLSessionTickets"), "off")) {
        cba_findings_add_directive(c->findings, CBA_R_WARN_SESSIONS, key, 1, NULL);
    }
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        size_t len = strlen(gone[i]);

        if (!ap_cstr_casecmpn(kind, gone[i], len) && (!kind[len] || kind[len] == ':')) {
            return;
        }
    }
    cba_findings_add_directive(c->findings, CBA_R_WARN_SESSIONS, cache, 0, NULL);
}

/* Does FakeBasicAuth hold after these SSLOptions, if before is what held until then? Returns what
 * set it, or NULL. Words without a sign replace all that held. */
static const struct cba_directive *after_options(const struct cba_case *c,
                                                 const struct cba_directive *options,
                                                 const struct cba_directive *before)
{
    const apr_array_header_t *words = cba_directive_words(c->pool, options);
    bool replaced = false;

    for (int i = 0; i < words->nelts; i++) {
        const char *word = APR_ARRAY_IDX(words, i, const char *);
        bool is_signed = *word == '+' || *word == '-';

        if (!is_signed && !replaced) {
            before = NULL;
            replaced = true;
        }
        if (!ap_cstr_casecmp(word + is_signed, "FakeBasicAuth")) {
            before = *word == '-' ? NULL : options;
        }
    }
    return before;
}

static const struct cba_directive *after_scope(const struct cba_case *c,
                                               const struct cba_scope *scope,
                                               const struct cba_directive *before)
{
    for (int i = 0; scope && i < scope->own->nelts; i++) {
        if (cba_directive_is(DIRECTIVE_AT(scope->own, i), "SSLOptions")) {
            before = after_options(c, DIRECTIVE_AT(scope->own, i), before);
        }
    }
    return before;
}

static void check_nested_options(const struct cba_case *c, const struct cba_directive *d)
{
    if (cba_directive_is(d, "SSLOptions") && d->scope->kind != CBA_SCOPE_LOCATION &&
        after_options(c, d, NULL)) {
        cba_findings_add_directive(c->findings, CBA_R_CONF_FAKE_BASIC, d, 0, NULL);
    }
}

static void check_options(const struct cba_case *c)
{
    const apr_array_header_t *sections = c->merged;
    const struct cba_directive *by = after_scope(c, c->server->parent, NULL);

    by = after_scope(c, c->server, by);
    for (int i = 0; i < sections->nelts; i++) {
        by = after_scope(c, APR_ARRAY_IDX(sections, i, const struct cba_scope *), by);
    }
    if (by) {
        cba_findings_add_directive(c->findings, CBA_R_CONF_FAKE_BASIC, by, 0, NULL);
    }
    each_in_sections(c, check_nested_options);
}

static void check_user(const struct cba_case *c)
{
    const struct cba_directive *user = cba_case_last(c, "SSLUserName", true);

    if (user) {
        cba_findings_add_directive(c->findings, CBA_R_CONF_SSL_USER, user, 0, NULL);
    }
}

/* --- what else stands in the Location --- */

static bool is_wrong(const struct cba_case *c, const struct cba_directive *d,
                     enum cba_reason *reason)
{
    if (cba_directive_is(d, "Satisfy")) {
        *reason = CBA_R_CONF_SATISFY;
        return cba_directive_says(c->pool, d, "Any");
    }
    if (cba_directive_is(d, "AuthType")) {
        *reason = CBA_R_CONF_AUTH_TYPE;
        return !cba_directive_says(c->pool, d, "None");
    }
    return false;
}

static void check_last(const struct cba_case *c, const char *name)
{
    const struct cba_directive *last = cba_case_last(c, name, false);
    enum cba_reason reason;

    if (last && is_wrong(c, last, &reason)) {
        cba_findings_add_directive(c->findings, reason, last, 0, NULL);
    }
}

static void check_nested(const struct cba_case *c, const struct cba_directive *d)
{
    enum cba_reason reason;

    if (d->scope->kind != CBA_SCOPE_LOCATION && is_wrong(c, d, &reason)) {
        cba_findings_add_directive(c->findings, reason, d, 0, NULL);
    }
}

static void check_filter(const struct cba_case *c, const struct cba_directive *d)
{
    static const char *const filters[] = {
        "AddInputFilter",  "AddOutputFilter",  "AddOutputFilterByType",
        "BrotliAlterETag", "CharsetSourceEnc", "FilterChain",
        "FilterProvider",  "InputSed",         "LuaInputFilter",
        "LuaOutputFilter", "OutputSed",        "ProxyHTMLEnable",
        "SetInputFilter",  "SetOutputFilter",  "Substitute"};

    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        if (cba_directive_is(d, filters[i])) {
            cba_findings_add_directive(c->findings, CBA_R_WARN_FILTER, d, 0, NULL);
        }
    }
}

/* --- mod_cache --- */

/* CacheEnable TYPE [/path | scheme://host/path]: the path; "/" without one. */
static const char *cached_path(apr_pool_t *pool, const struct cba_directive *directive)
{
    const char *url = cba_directive_word(pool, directive, 1);
    const char *host = ap_strstr_c(url, "://");

    if (host) {
        url = ap_strchr_c(host + 3, '/');
    }
    return url && *url ? url : "/";
}

/* mod_cache compares the beginnings of texts, wherever a segment may end. */
static bool is_cached(const struct cba_case *c, const char *path)
{
    const char *name = c->section->name;

    if (!c->section->is_pattern &&
        (!strncmp(name, path, strlen(path)) || !strncmp(path, name, strlen(name)))) {
        return true;
    }
    return cba_meet_prefix(c->pool, c->section, path) != CBA_MEET_NOT;
}

static void check_cache_in_section(const struct cba_case *c, const struct cba_directive *d)
{
    if (cba_directive_is(d, "CacheEnable")) {
        cba_findings_add_directive(c->findings, CBA_R_CONF_CACHE, d, 0, NULL);
    }
}

static void check_cache(const struct cba_case *c)
{
    each_in_sections(c, check_cache_in_section);
    for (const struct cba_scope *s = c->server; s; s = s->parent) {
        for (int i = 0; i < s->own->nelts; i++) {
            const struct cba_directive *directive = DIRECTIVE_AT(s->own, i);

            if (cba_directive_is(directive, "CacheEnable") &&
                is_cached(c, cached_path(c->pool, directive))) {
                cba_findings_add_directive(c->findings, CBA_R_CONF_CACHE, directive, 0, NULL);
            }
        }
    }
}

static void check_module(const struct cba_case *c, const char *file, enum cba_reason reason)
{
    if (!ap_find_linked_module(file)) {
        cba_findings_add(
            c->findings, reason, c->section->node,
            apr_psprintf(c->pool, "%s, which needs %s", cba_scope_show(c->pool, c->section), file),
            NULL);
    }
}

void cba_rule_front(const struct cba_case *c)
{
    check_module(c, "mod_ssl.c", CBA_R_CONF_MODULE);
    check_module(c, "mod_proxy.c", CBA_R_CONF_MODULE);
    check_module(c, "mod_proxy_http.c", CBA_R_CONF_MODULE);
    check_module(c, "mod_reqtimeout.c", CBA_R_WARN_REQTIMEOUT);
    if (ap_find_linked_module("mod_ssl.c")) {
        check_engine(c);
        check_verify(c);
        check_revocation(c);
        check_sessions(c);
        check_options(c);
        check_user(c);
    }
    check_last(c, "Satisfy");
    check_last(c, "AuthType");
    each_in_sections(c, check_nested);
    each_in_sections(c, check_filter);
    check_cache(c);
}
