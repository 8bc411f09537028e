/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_conf_tree.h"

#include <apr_strings.h>

#define SHOWN_MAX 400 /* bytes of one directive's value or one section's name in a message */

static const struct {
    const char *name;
    enum cba_scope_kind kind;
    bool is_pattern;
} sections[] = {
    {"<VirtualHost", CBA_SCOPE_VHOST, false},     {"<Location", CBA_SCOPE_LOCATION, false},
    {"<LocationMatch", CBA_SCOPE_LOCATION, true}, {"<Proxy", CBA_SCOPE_PROXY, false},
    {"<ProxyMatch", CBA_SCOPE_PROXY, true},
};

static struct cba_scope *scope_make(apr_pool_t *pool, enum cba_scope_kind kind,
                                    const ap_directive_t *node, const struct cba_scope *parent)
{
    struct cba_scope *scope = apr_pcalloc(pool, sizeof *scope);

    scope->kind = kind;
    scope->node = node;
    scope->parent = parent;
    scope->name = "";
    scope->own = apr_array_make(pool, 8, sizeof(struct cba_directive));
    scope->all = apr_array_make(pool, 8, sizeof(struct cba_directive));
    scope->parts = apr_array_make(pool, 4, sizeof(struct cba_scope *));
    return scope;
}

static bool is_server(const struct cba_scope *scope)
{
    return scope->kind == CBA_SCOPE_MAIN || scope->kind == CBA_SCOPE_VHOST;
}

/* The arguments of a section end in its '>'. */
static const char *section_args(apr_pool_t *pool, const ap_directive_t *node)
{
    const char *end = ap_strrchr_c(node->args, '>');

    return end ? apr_pstrndup(pool, node->args, (apr_size_t)(end - node->args)) : node->args;
}

static void name_section(apr_pool_t *pool, struct cba_scope *scope)
{
    const char *args = section_args(pool, scope->node);

    scope->name = ap_getword_conf(pool, &args);
    if (scope->kind == CBA_SCOPE_LOCATION && !strcmp(scope->name, "~")) {
        scope->is_pattern = true;
        scope->name = ap_getword_conf(pool, &args);
    }
    if (scope->kind == CBA_SCOPE_PROXY && !ap_cstr_casecmpn(scope->name, "proxy:", 6)) {
        scope->name += 6;
    }
    if (scope->is_pattern) {
        scope->regex = ap_pregcomp(pool, scope->name, AP_REG_EXTENDED);
    }
}

static server_rec *server_of(server_rec *main_server, const ap_directive_t *node)
{
    /* Each reading of a file has its own copy of the file's name, so that two servers that were
     * made by including one file twice, or by a macro, differ in the pointer. */
    for (server_rec *s = main_server->next; s; s = s->next) {
        if (s->defn_name == node->filename && s->defn_line_number == (unsigned)node->line_num) {
            return s;
        }
    }
    return main_server;
}

static struct cba_scope *section_make(apr_pool_t *pool, server_rec *main_server,
                                      const ap_directive_t *node, struct cba_scope *parent)
{
    struct cba_scope *scope = scope_make(pool, CBA_SCOPE_OTHER, node, parent);

    for (size_t i = 0; is_server(parent) && i < sizeof sections / sizeof *sections; i++) {
        if (!ap_cstr_casecmp(node->directive, sections[i].name)) {
            scope->kind = sections[i].kind;
            scope->is_pattern = sections[i].is_pattern;
        }
    }
    if (scope->kind == CBA_SCOPE_VHOST) {
        scope->server = server_of(main_server, node);
    }
    name_section(pool, scope);
    APR_ARRAY_PUSH(parent->parts, struct cba_scope *) = scope;
    return scope;
}

static void directive_add(struct cba_scope *scope, const ap_directive_t *node)
{
    struct cba_directive directive = {node, scope};

    APR_ARRAY_PUSH(scope->own, struct cba_directive) = directive;
    for (const struct cba_scope *s = scope; s && !is_server(s); s = s->parent) {
        APR_ARRAY_PUSH(s->all, struct cba_directive) = directive;
    }
}

struct cba_scope *cba_conf_tree_read(apr_pool_t *pool, server_rec *main_server,
                                     const ap_directive_t *root)
{
    struct cba_scope *top = scope_make(pool, CBA_SCOPE_MAIN, NULL, NULL), *scope = top;
    apr_array_header_t *open = apr_array_make(pool, 8, sizeof(struct cba_scope *));
    const ap_directive_t *node = root;
    int place = 0;

    top->server = main_server;
    /* Without recursion: sections may be nested as deeply as the administrator likes. The nodes'
     * parent pointers are not used; httpd leaves some of them out. */
    for (;;) {
        if (!node) {
            if (scope == top) {
                return top;
            }
            node = scope->node->next;
            scope = *(struct cba_scope **)apr_array_pop(open);
        } else if (node->directive[0] == '<') {
            APR_ARRAY_PUSH(open, struct cba_scope *) = scope;
            scope = section_make(pool, main_server, node, scope);
            scope->place = ++place;
            node = node->first_child;
        } else {
            directive_add(scope, node);
            node = node->next;
        }
    }
}

bool cba_directive_is(const struct cba_directive *directive, const char *name)
{
    return !ap_cstr_casecmp(directive->node->directive, name);
}

apr_array_header_t *cba_directive_words(apr_pool_t *pool, const struct cba_directive *directive)
{
    apr_array_header_t *words = apr_array_make(pool, 4, sizeof(const char *));
    const char *args = directive->node->args;

    while (args && *args) {
        APR_ARRAY_PUSH(words, const char *) = ap_getword_conf(pool, &args);
    }
    return words;
}

const char *cba_directive_word(apr_pool_t *pool, const struct cba_directive *directive, int n)
{
    const apr_array_header_t *words = cba_directive_words(pool, directive);

    return n < words->nelts ? APR_ARRAY_IDX(words, n, const char *) : "";
}

const struct cba_directive *cba_scope_last(const struct cba_scope *scope, const char *name)
{
    for (int i = scope->own->nelts - 1; i >= 0; i--) {
        const struct cba_directive *directive =
            &APR_ARRAY_IDX(scope->own, i, const struct cba_directive);

        if (cba_directive_is(directive, name)) {
            return directive;
        }
    }
    return NULL;
}

const struct cba_directive *cba_server_last(const struct cba_scope *server, const char *name)
{
    const struct cba_directive *found = cba_scope_last(server, name);

    return found || !server->parent ? found : cba_scope_last(server->parent, name);
}

bool cba_directive_says(apr_pool_t *pool, const struct cba_directive *directive, const char *word)
{
    return directive && !ap_cstr_casecmp(cba_directive_word(pool, directive, 0), word);
}

/* httpd escapes what it logs (controls, quotes, backslashes); a text that was escaped here as well
 * could not be read by anybody. */
static const char *shown(apr_pool_t *pool, const char *text)
{
    return strlen(text) <= SHOWN_MAX ? text : apr_psprintf(pool, "%.*s...", SHOWN_MAX - 3, text);
}

const char *cba_scope_show(apr_pool_t *pool, const struct cba_scope *scope)
{
    if (scope->kind == CBA_SCOPE_MAIN) {
        return "the main server";
    }
    return apr_pstrcat(pool, scope->node->directive, *scope->name ? " " : "",
                       scope->kind == CBA_SCOPE_VHOST ? shown(pool, section_args(pool, scope->node))
                                                      : shown(pool, scope->name),
                       ">", NULL);
}

/* A URL without the user and password that may stand in it. */
static const char *without_user(apr_pool_t *pool, const char *word)
{
    const char *host = strstr(word, "://");
    const char *at;

    if (!host) {
        return word;
    }
    host += 3;
    at = memchr(host, '@', strcspn(host, "/"));
    return at ? apr_pstrcat(pool, apr_pstrndup(pool, word, (apr_size_t)(host - word)), at + 1, NULL)
              : word;
}

const char *cba_directive_show(apr_pool_t *pool, const struct cba_directive *directive, int words)
{
    const apr_array_header_t *list = cba_directive_words(pool, directive);
    const char *text = directive->node->directive;

    for (int i = 0; i < list->nelts && (words == 0 || i < words) && strlen(text) < SHOWN_MAX; i++) {
        text = apr_pstrcat(pool, text, " ",
                           without_user(pool, APR_ARRAY_IDX(list, i, const char *)), NULL);
    }
    text = shown(pool, text);
    for (const struct cba_scope *scope = directive->scope; scope->parent; scope = scope->parent) {
        text = apr_pstrcat(pool, text, scope == directive->scope ? " in " : " of ",
                           cba_scope_show(pool, scope), NULL);
    }
    return directive->scope->parent ? text : apr_pstrcat(pool, text, " in the main server", NULL);
}
