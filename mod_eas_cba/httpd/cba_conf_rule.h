/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules that a configuration with protected Locations has to keep, in four files: TLS and what
 * stands in the Location (cba_conf_rule_front.c), the way to Exchange (cba_conf_rule_back.c), files
 * (cba_conf_rule_file.c), Require eas-group wherever it stands (cba_conf_rule_group.c). Configuration time only, one thread.
 */
#ifndef CBA_CONF_RULE_H
#define CBA_CONF_RULE_H

#include "cba_conf_file.h"
#include "cba_conf_finding.h"

/* One protected section in one server that it applies to. */
struct cba_case {
    apr_pool_t *pool;
    struct cba_findings *findings;
    const struct cba_scope *server;  /* whose requests are judged */
    const struct cba_scope *section; /* of this server or of the main server */
    struct cba_user *user;           /* who reads the files */
    apr_array_header_t *merged;      /* the sections that httpd merges with it, itself included */
};

/* TLS, client certificates, other modules' authentication, caches and filters in front. */
void cba_rule_front(const struct cba_case *c);

/* Workers, TLS to them, and other ways to the same virtual directory. */
void cba_rule_back(const struct cba_case *c);

/* Keytab, CA file, password file, spool directory and shared cache of the server. */
void cba_rule_files(const struct cba_case *c);

/* Require eas-group in the sections of a server: in a Location none of whose requests can have an
 * account, and in every other section, which may hold for other requests as well, it lets nobody in.
 * top: the main server, whose Locations hold in every virtual host. */
void cba_rule_groups(apr_pool_t *pool, struct cba_findings *findings, const struct cba_scope *top,
                     const struct cba_scope *server);

/* The last directive of that name that is in force for the section: in the section itself, in
 * sections that httpd merges with it for all of its URLs, in the server or in the main server.
 * NULL: none. servers: look there as well. */
const struct cba_directive *cba_case_last(const struct cba_case *c, const char *name, bool servers);

/* The sections that are merged with a server's section for all of its URLs, itself included, in the
 * order in which httpd merges them. struct cba_scope *. */
apr_array_header_t *cba_sections_merged(apr_pool_t *pool, const struct cba_scope *server,
                                        const struct cba_scope *section);

/* The last directive of that name in such sections, or NULL. */
const struct cba_directive *cba_sections_last(const apr_array_header_t *sections, const char *name);

#endif
