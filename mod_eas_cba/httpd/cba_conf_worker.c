/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_conf_worker.h"

#include <apr_fnmatch.h>
#include <apr_lib.h>
#include <apr_strings.h>

#define DIRECTIVE_AT(list, i) (&APR_ARRAY_IDX(list, i, const struct cba_directive))

apr_array_header_t *cba_sections_of(apr_pool_t *pool, const struct cba_scope *server,
                                    enum cba_scope_kind kind)
{
    apr_array_header_t *found = apr_array_make(pool, 8, sizeof(struct cba_scope *));
    const struct cba_scope *const scopes[] = {server->parent, server};

    for (int i = 0; i < 2; i++) {
        for (int j = 0; scopes[i] && j < scopes[i]->parts->nelts; j++) {
            struct cba_scope *part = APR_ARRAY_IDX(scopes[i]->parts, j, struct cba_scope *);

            if (part->kind == kind) {
                APR_ARRAY_PUSH(found, struct cba_scope *) = part;
            }
        }
    }
    return found;
}

bool cba_section_is_protected(apr_pool_t *pool, const struct cba_scope *section)
{
    return cba_directive_says(pool, cba_scope_last(section, "EASCertAuth"), "On");
}

static bool is_pass(const struct cba_directive *directive)
{
    return cba_directive_is(directive, "ProxyPass") ||
           cba_directive_is(directive, "ProxyPassMatch");
}

/* ProxyPass [~] PATH URL ..., and ProxyPass URL ... in a section. */
static struct cba_mapping pass_read(apr_pool_t *pool, const struct cba_directive *directive)
{
    const apr_array_header_t *words = cba_directive_words(pool, directive);
    struct cba_mapping mapping = {.from = directive};
    int at = 0;

    mapping.is_pattern = cba_directive_is(directive, "ProxyPassMatch");
    if (directive->scope->kind == CBA_SCOPE_MAIN || directive->scope->kind == CBA_SCOPE_VHOST) {
        if (at < words->nelts && !strcmp(APR_ARRAY_IDX(words, at, const char *), "~")) {
            mapping.is_pattern = true;
            at++;
        }
        mapping.path = at < words->nelts ? APR_ARRAY_IDX(words, at, const char *) : "";
        at++;
    }
    if (at < words->nelts && strcmp(APR_ARRAY_IDX(words, at, const char *), "!")) {
        mapping.url = APR_ARRAY_IDX(words, at, const char *);
    }
    mapping.shown = at + 1;
    return mapping;
}

/* SetHandler proxy:URL; of an expression, what follows its first "proxy:". */
static const char *handler_url(apr_pool_t *pool, const struct cba_directive *directive)
{
    const char *word = cba_directive_word(pool, directive, 0);

    if (!ap_cstr_casecmpn(word, "expr=", 5)) {
        word = ap_strstr_c(word, "proxy:");
    }
    return word && !ap_cstr_casecmpn(word, "proxy:", 6) ? word + 6 : NULL;
}

/* Has the RewriteRule the flag P? PATTERN SUBSTITUTION [FLAG,FLAG=...] */
static bool rule_is_proxy(apr_pool_t *pool, const struct cba_directive *directive)
{
    const char *flags = cba_directive_word(pool, directive, 2);
    size_t len = strlen(flags);
    char *list, *flag, *state;

    if (len < 2 || flags[0] != '[' || flags[len - 1] != ']') {
        return false;
    }
    list = apr_pstrndup(pool, flags + 1, len - 2);
    for (flag = apr_strtok(list, ", ", &state); flag; flag = apr_strtok(NULL, ", ", &state)) {
        if (!ap_cstr_casecmp(flag, "P") || !ap_cstr_casecmp(flag, "proxy")) {
            return true;
        }
    }
    return false;
}

static void rules_add(apr_pool_t *pool, const struct cba_scope *section, apr_array_header_t *out)
{
    if (!cba_directive_says(pool, cba_scope_last(section, "RewriteEngine"), "On")) {
        return;
    }
    for (int i = 0; i < section->own->nelts; i++) {
        const struct cba_directive *directive = DIRECTIVE_AT(section->own, i);
        struct cba_mapping mapping = {.from = directive, .shown = 3};

        if (cba_directive_is(directive, "RewriteRule") && rule_is_proxy(pool, directive)) {
            mapping.url = cba_directive_word(pool, directive, 1);
            APR_ARRAY_PUSH(out, struct cba_mapping) = mapping;
        }
    }
}

apr_array_header_t *cba_mappings_in(apr_pool_t *pool, const struct cba_scope *section)
{
    apr_array_header_t *found = apr_array_make(pool, 2, sizeof(struct cba_mapping));
    const struct cba_directive *handler = cba_scope_last(section, "SetHandler");

    for (int i = section->own->nelts - 1; i >= 0; i--) {
        if (is_pass(DIRECTIVE_AT(section->own, i))) { /* the last one replaces the others */
            APR_ARRAY_PUSH(found, struct cba_mapping) =
                pass_read(pool, DIRECTIVE_AT(section->own, i));
            break;
        }
    }
    if (handler && handler_url(pool, handler)) {
        struct cba_mapping mapping = {.from = handler, .shown = 1};

        mapping.url = handler_url(pool, handler);
        APR_ARRAY_PUSH(found, struct cba_mapping) = mapping;
    }
    rules_add(pool, section, found);
    return found;
}

apr_array_header_t *cba_mappings_of(apr_pool_t *pool, const struct cba_scope *server)
{
    apr_array_header_t *found = apr_array_make(pool, 4, sizeof(struct cba_mapping));
    bool alone = cba_directive_says(pool, cba_server_last(server, "ProxyPassInherit"), "Off");

    for (const struct cba_scope *s = server; s; s = alone ? NULL : s->parent) {
        for (int i = 0; i < s->own->nelts; i++) {
            if (is_pass(DIRECTIVE_AT(s->own, i))) {
                APR_ARRAY_PUSH(found, struct cba_mapping) =
                    pass_read(pool, DIRECTIVE_AT(s->own, i));
            }
        }
    }
    return found;
}

static void add_those_with_url(const apr_array_header_t *mappings, apr_array_header_t *out)
{
    for (int i = 0; i < mappings->nelts; i++) {
        if (APR_ARRAY_IDX(mappings, i, struct cba_mapping).url) {
            APR_ARRAY_PUSH(out, struct cba_mapping) =
                APR_ARRAY_IDX(mappings, i, struct cba_mapping);
        }
    }
}

static bool has_pass(const struct cba_scope *section)
{
    return cba_scope_last(section, "ProxyPass") || cba_scope_last(section, "ProxyPassMatch");
}

/* Other sections without a word of their own about EASCertAuth share URLs with the protected one,
 * and httpd merges them. True: one of them maps all URLs of the section. */
static bool add_from_neighbours(apr_pool_t *pool, const struct cba_scope *server,
                                const struct cba_scope *section, apr_array_header_t *out)
{
    const apr_array_header_t *sections = cba_sections_of(pool, server, CBA_SCOPE_LOCATION);
    bool own = has_pass(section), all = own;

    for (int i = 0; i < sections->nelts; i++) {
        const struct cba_scope *other = APR_ARRAY_IDX(sections, i, const struct cba_scope *);
        enum cba_meeting meeting;

        if (other == section || cba_scope_last(other, "EASCertAuth")) {
            continue;
        }
        meeting = cba_meet_section(pool, section, other);
        if (meeting == CBA_MEET_INSIDE || (meeting == CBA_MEET_COVERS && !own)) {
            add_those_with_url(cba_mappings_in(pool, other), out);
            all |= meeting == CBA_MEET_COVERS && has_pass(other);
        }
    }
    return all;
}

apr_array_header_t *cba_mappings_serving(apr_pool_t *pool, const struct cba_scope *server,
                                         const struct cba_scope *section)
{
    apr_array_header_t *found = apr_array_make(pool, 4, sizeof(struct cba_mapping));
    const apr_array_header_t *of_server = cba_mappings_of(pool, server);

    add_those_with_url(cba_mappings_in(pool, section), found);
    /* mod_proxy looks into the section first, and takes the first of the server's that fits. */
    if (add_from_neighbours(pool, server, section, found)) {
        return found;
    }
    for (int i = 0; i < of_server->nelts; i++) {
        struct cba_mapping mapping = APR_ARRAY_IDX(of_server, i, struct cba_mapping);
        enum cba_meeting meeting = mapping.is_pattern
                                       ? cba_meet_pattern(pool, section, mapping.path)
                                       : cba_meet_prefix(pool, section, mapping.path);

        if (meeting != CBA_MEET_NOT && mapping.url) {
            APR_ARRAY_PUSH(found, struct cba_mapping) = mapping;
        }
        if (meeting == CBA_MEET_COVERS) {
            break;
        }
    }
    return found;
}

/* With one slash between. */
static const char *joined(apr_pool_t *pool, const char *url, const char *path)
{
    size_t len = strlen(url);

    while (*path == '/') {
        path++;
    }
    return apr_pstrcat(pool, url, len && url[len - 1] == '/' ? "" : "/", path, NULL);
}

const char *cba_mapping_target(apr_pool_t *pool, const struct cba_mapping *mapping,
                               const struct cba_scope *section)
{
    const struct cba_scope *in = mapping->from->scope;
    const char *path;

    if (!is_pass(mapping->from) || ap_strchr_c(mapping->url, '$')) {
        return mapping->url;
    }
    /* To a URL without '$', a regular expression appends the whole path. */
    if (!mapping->path && (in->is_pattern || apr_fnmatch_test(in->name))) {
        return joined(pool, mapping->url, cba_path_literal(pool, in->name, in->is_pattern));
    }
    if (mapping->path && mapping->is_pattern) {
        return joined(pool, mapping->url, cba_path_literal(pool, mapping->path, true));
    }
    if (mapping->path && section) {
        path = cba_path_literal(pool, section->name, section->is_pattern);
        if (cba_path_begins(path, mapping->path)) {
            return joined(pool, mapping->url, path + strlen(mapping->path));
        }
    }
    return mapping->url;
}

/* What stands in the n-th parenthesis of a regular expression, if that is nothing but words with
 * '|' between them; otherwise NULL. */
static char *words_of_group(apr_pool_t *pool, const char *pattern, int n)
{
    size_t len;

    for (const char *p = pattern; *p; p++) {
        if (*p == '\\' && p[1]) {
            p++;
        } else if (*p == '(' && p[1] != '?' && --n == 0) {
            len =
                strspn(p + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_|");
            return len > 0 && p[1 + len] == ')' ? apr_pstrndup(pool, p + 1, len) : NULL;
        }
    }
    return NULL;
}

bool cba_mapping_may_reach(apr_pool_t *pool, const struct cba_mapping *mapping, const char *target)
{
    const struct cba_scope *in = mapping->from->scope;
    const char *pattern = mapping->is_pattern ? mapping->path : in->is_pattern ? in->name : NULL;
    size_t known = strcspn(mapping->url, "$");
    char *words, *state;

    if (!pattern || !apr_isdigit(mapping->url[known] ? mapping->url[known + 1] : 0) ||
        known > strlen(target)) {
        return true;
    }
    words = words_of_group(pool, pattern, mapping->url[known + 1] - '0');
    if (!words) {
        return true;
    }
    for (char *word = apr_strtok(words, "|", &state); word; word = apr_strtok(NULL, "|", &state)) {
        if (!ap_cstr_casecmpn(target + known, word, strlen(word))) {
            return true;
        }
    }
    return false;
}

static bool is_balancer(const char *url)
{
    return !ap_cstr_casecmpn(url, "balancer://", 11);
}

/* balancer://NAME/path: the same balancer? */
static bool is_same_balancer(const char *a, const char *b)
{
    size_t a_len = 11, b_len = 11;

    if (!is_balancer(a) || !is_balancer(b)) {
        return false;
    }
    a_len += strcspn(a + a_len, "/$");
    b_len += strcspn(b + b_len, "/$");
    return a_len == b_len && !ap_cstr_casecmpn(a, b, a_len);
}

/* BalancerMember [balancer://NAME] URL ...; the balancer may be that of the section. */
static void members_add(apr_pool_t *pool, const struct cba_scope *scope, const char *balancer,
                        apr_array_header_t *out)
{
    for (int i = 0; i < scope->own->nelts; i++) {
        const struct cba_directive *directive = DIRECTIVE_AT(scope->own, i);
        const char *first = cba_directive_word(pool, directive, 0), *of = scope->name;
        struct cba_worker worker = {.from = directive, .url = first, .shown = 1};

        if (!cba_directive_is(directive, "BalancerMember")) {
            continue;
        }
        if (is_balancer(first)) {
            of = first;
            worker.url = cba_directive_word(pool, directive, 1);
            worker.shown = 2;
        }
        if (is_same_balancer(of, balancer)) {
            APR_ARRAY_PUSH(out, struct cba_worker) = worker;
        }
    }
}

apr_array_header_t *cba_workers_behind(apr_pool_t *pool, const struct cba_scope *server,
                                       const struct cba_mapping *mapping)
{
    apr_array_header_t *found = apr_array_make(pool, 4, sizeof(struct cba_worker));
    const apr_array_header_t *sections;

    if (!is_balancer(mapping->url)) {
        struct cba_worker worker = {mapping->from, mapping->url, mapping->shown};

        APR_ARRAY_PUSH(found, struct cba_worker) = worker;
        return found;
    }
    sections = cba_sections_of(pool, server, CBA_SCOPE_PROXY);
    for (int i = 0; i < sections->nelts; i++) {
        members_add(pool, APR_ARRAY_IDX(sections, i, struct cba_scope *), mapping->url, found);
    }
    for (const struct cba_scope *s = server; s; s = s->parent) {
        members_add(pool, s, mapping->url, found);
    }
    return found;
}

/* key=VALUE among the words from the first on: the last one counts. */
static const char *param_in(const apr_array_header_t *words, int first, const char *key)
{
    size_t len = strlen(key);

    for (int i = words->nelts - 1; i >= first; i--) {
        const char *word = APR_ARRAY_IDX(words, i, const char *);

        if (!ap_cstr_casecmpn(word, key, len) && word[len] == '=') {
            return word + len + 1;
        }
    }
    return NULL;
}

/* ProxySet [URL] key=value ... */
static const char *param_set(apr_pool_t *pool, const struct cba_scope *scope, const char *url,
                             const char *key)
{
    const char *found = NULL;

    for (int i = 0; i < scope->own->nelts; i++) {
        const struct cba_directive *directive = DIRECTIVE_AT(scope->own, i);
        const apr_array_header_t *words = cba_directive_words(pool, directive);
        const char *of = scope->name, *value;
        int first = 0;

        if (!cba_directive_is(directive, "ProxySet") || words->nelts == 0) {
            continue;
        }
        if (scope->kind != CBA_SCOPE_PROXY) {
            of = APR_ARRAY_IDX(words, 0, const char *);
            first = 1;
        }
        value = cba_url_begins(url, of) ? param_in(words, first, key) : NULL;
        found = value ? value : found;
    }
    return found;
}

/* <Proxy URL key=value ...>, whose last word has the section's '>'. */
static const char *param_of_section(apr_pool_t *pool, const struct cba_scope *section,
                                    const char *url, const char *key)
{
    const char *value;
    size_t len;

    if (section->is_pattern || !*section->name || !cba_url_begins(url, section->name)) {
        return NULL;
    }
    value = param_in(cba_directive_words(pool, &(struct cba_directive){section->node, section}), 1,
                     key);
    len = value ? strlen(value) : 0;
    return len > 0 && value[len - 1] == '>' ? apr_pstrndup(pool, value, len - 1) : value;
}

const char *cba_worker_param(apr_pool_t *pool, const struct cba_scope *server,
                             const struct cba_worker *worker, const char *key)
{
    const apr_array_header_t *sections = cba_sections_of(pool, server, CBA_SCOPE_PROXY);
    const char *found = NULL, *value;

    if (!cba_directive_is(worker->from, "SetHandler") &&
        !cba_directive_is(worker->from, "RewriteRule")) {
        found = param_in(cba_directive_words(pool, worker->from), worker->shown, key);
    }
    for (int i = 0; !found && i < sections->nelts; i++) {
        const struct cba_scope *section = APR_ARRAY_IDX(sections, i, const struct cba_scope *);

        found = param_set(pool, section, worker->url, key);
        value = found ? NULL : param_of_section(pool, section, worker->url, key);
        found = value ? value : found;
    }
    for (const struct cba_scope *s = server; !found && s; s = s->parent) {
        found = param_set(pool, s, worker->url, key);
    }
    return found;
}

bool cba_server_rewrites_to_proxy(apr_pool_t *pool, const struct cba_scope *server)
{
    apr_array_header_t *rules = apr_array_make(pool, 2, sizeof(struct cba_mapping));

    for (const struct cba_scope *s = server; s; s = s->parent) {
        rules_add(pool, s, rules);
    }
    return rules->nelts > 0;
}
