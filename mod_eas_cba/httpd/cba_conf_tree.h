/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration as written: httpd's tree of directives (ap_conftree) as servers, sections and
 * the directives in them. For the checks of the whole configuration, which have to see directives
 * of other modules. Made from and kept in the pool that it is given, read-only afterwards;
 * configuration time only, one thread. IfModule, IfDefine, Include, Use and their like have been
 * resolved by httpd and are not in the tree.
 */
#ifndef CBA_CONF_TREE_H
#define CBA_CONF_TREE_H

#include <stdbool.h>
#include <apr_tables.h>
#include <util_cfgtree.h>

#include "cba_module.h"

enum cba_scope_kind {
    CBA_SCOPE_MAIN,     /* the server config; its parent is NULL */
    CBA_SCOPE_VHOST,    /* <VirtualHost> */
    CBA_SCOPE_LOCATION, /* <Location> and <LocationMatch> of a server */
    CBA_SCOPE_PROXY,    /* <Proxy> and <ProxyMatch> of a server */
    CBA_SCOPE_OTHER     /* every other section, and each section inside of one that is no server */
};

struct cba_directive {
    const ap_directive_t *node;
    const struct cba_scope *scope; /* the section that it stands in */
};

struct cba_scope {
    enum cba_scope_kind kind;
    const ap_directive_t *node; /* NULL: the main server */
    const struct cba_scope *parent;
    server_rec *server;        /* of MAIN and VHOST; NULL for sections */
    const char *name;          /* first word of a section: path, URL or pattern; "" without one */
    bool is_pattern;           /* name is a regular expression */
    const ap_regex_t *regex;   /* compiled name, NULL if it is none */
    int place;                 /* counts sections in the order of the file */
    apr_array_header_t *own;   /* struct cba_directive: those that stand right here */
    apr_array_header_t *all;   /* the same and those of sections inside; for sections only */
    apr_array_header_t *parts; /* struct cba_scope *: the sections right inside */
};

/* Reads the tree below root. Never NULL. Each <VirtualHost> is matched with its server_rec. */
struct cba_scope *cba_conf_tree_read(apr_pool_t *pool, server_rec *main_server,
                                     const ap_directive_t *root);

/* Is it this directive? Names have no case. */
bool cba_directive_is(const struct cba_directive *directive, const char *name);

/* The words of a directive, unquoted and with ${} resolved as httpd does: const char *. */
apr_array_header_t *cba_directive_words(apr_pool_t *pool, const struct cba_directive *directive);

/* Its word number n, counted from 0; "" if there are fewer. */
const char *cba_directive_word(apr_pool_t *pool, const struct cba_directive *directive, int n);

/* The last one of that name that stands right in the scope, or NULL. */
const struct cba_directive *cba_scope_last(const struct cba_scope *scope, const char *name);

/* For a server's directive: the last one of the server, else of the main server, or NULL. */
const struct cba_directive *cba_server_last(const struct cba_scope *server, const char *name);

/* Is the first word of the directive this one, without case? NULL is no directive and no. */
bool cba_directive_says(apr_pool_t *pool, const struct cba_directive *directive, const char *word);

/* For messages: "<LocationMatch ^/x>", "the main server". Bounded. */
const char *cba_scope_show(apr_pool_t *pool, const struct cba_scope *scope);

/* For messages: name, at most `words` words of the value (0: all), and the section with its server:
 * "SSLEngine off in <VirtualHost *:443>". Bounded; the user and password of a URL are left out. */
const char *cba_directive_show(apr_pool_t *pool, const struct cba_directive *directive, int words);

#endif
