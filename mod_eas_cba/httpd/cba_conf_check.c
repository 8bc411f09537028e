/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_conf_check.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>

#include "cba_conf.h"
#include "cba_conf_rule.h"
#include "cba_conf_worker.h"

#define SCOPE_AT(list, i) (APR_ARRAY_IDX(list, i, const struct cba_scope *))

static void check_case(struct cba_case c)
{
    c.merged = cba_sections_merged(c.pool, c.server, c.section);
    cba_rule_front(&c);
    cba_rule_back(&c);
    cba_rule_files(&c);
}

static bool speaks_tls(apr_pool_t *pool, const struct cba_scope *server)
{
    return cba_directive_says(pool, cba_server_last(server, "SSLEngine"), "on");
}

/* A section of the main server applies to every virtual host; those without TLS refuse at run
 * time. */
static void check_for_all(struct cba_case c)
{
    const struct cba_scope *top = c.server;
    int checked = 0;

    for (int i = -1; i < top->parts->nelts; i++) {
        c.server = i < 0 ? top : SCOPE_AT(top->parts, i);
        if ((i < 0 || c.server->kind == CBA_SCOPE_VHOST) && speaks_tls(c.pool, c.server)) {
            check_case(c);
            checked++;
        }
    }
    if (!checked) {
        c.server = top;
        check_case(c);
    }
}

/* c has no section yet. */
static void check_server(struct cba_case c)
{
    for (int i = 0; i < c.server->parts->nelts; i++) {
        c.section = SCOPE_AT(c.server->parts, i);
        if (c.section->kind != CBA_SCOPE_LOCATION || !cba_section_is_protected(c.pool, c.section)) {
            continue;
        }
        if (c.server->kind == CBA_SCOPE_MAIN) {
            check_for_all(c);
        } else {
            check_case(c);
        }
    }
}

int cba_conf_check(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    struct cba_findings findings;
    struct cba_user user;
    struct cba_case c = {.pool = ptemp, .findings = &findings, .user = &user};
    const struct cba_scope *top;

    (void)pconf;
    (void)plog;
    if (ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_DUMP) {
        return OK;
    }
    cba_findings_begin(&findings, ptemp);
    user = cba_user_of_httpd(ptemp);
    top = cba_conf_tree_read(ptemp, s, ap_conftree);
    c.server = top;
    check_server(c);
    cba_rule_groups(ptemp, &findings, top, top);
    for (int i = 0; i < top->parts->nelts; i++) {
        c.server = SCOPE_AT(top->parts, i);
        if (c.server->kind == CBA_SCOPE_VHOST) {
            check_server(c);
            cba_rule_groups(ptemp, &findings, top, c.server);
        }
    }
    return findings.errors ? HTTP_INTERNAL_SERVER_ERROR : OK;
}

apr_status_t cba_conf_spool_prepare(apr_pool_t *ptemp, server_rec *s)
{
    const struct cba_user user = cba_user_of_httpd(ptemp);
    const struct cba_reason_info *info = cba_reason_info(CBA_R_CONF_SPOOL);
    const char *path, *wrong;

    /* The default is one directory for all servers. */
    for (; s; s = s->next) {
        const struct cba_srv_conf *conf = cba_conf_srv(s);

        if (conf->protects && !cba_srv_spool_dir(conf)) {
            path = cba_conf_spool_path(ptemp, conf);
            wrong = cba_file_make_directory(&user, path);
            if (wrong) {
                ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                             "%s: no EASCertAuthSpool, the default is %s: %s (%s); to do: %s",
                             info->tag, path, info->meaning, wrong, info->remedy);
                return APR_EGENERAL;
            }
            return APR_SUCCESS;
        }
    }
    return APR_SUCCESS;
}
