/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_conf_check.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>

#include "cba_conf.h"
#include "cba_conf_file.h"
#include "cba_conf_rule.h"
#include "cba_conf_worker.h"

#define SCOPE_AT(list, i) (APR_ARRAY_IDX(list, i, const struct cba_scope *))

/* EASCertAuth counts right inside a Location of a server. In <If> or <Limit> it would come and go with
 * the request, in <Proxy> after the decision; <Directory>, <Files> and .htaccess are refused where the
 * directive is read. */
static void check_places(struct cba_findings *findings, const struct cba_scope *scope)
{
    for (int i = 0; i < scope->all->nelts; i++) {
        const struct cba_directive *d = &APR_ARRAY_IDX(scope->all, i, const struct cba_directive);

        if (cba_directive_is(d, "EASCertAuth") && d->scope->kind != CBA_SCOPE_LOCATION) {
            cba_findings_add_directive(findings, CBA_R_CONF_CONTEXT, d, 0, NULL);
        }
    }
}

static void check_case(apr_pool_t *pool, struct cba_findings *findings,
                       const struct cba_scope *server, const struct cba_scope *section)
{
    const struct cba_case c = {pool, findings, server, section};

    cba_rule_front(&c);
    cba_rule_back(&c);
    cba_rule_files(&c);
}

static bool speaks_tls(apr_pool_t *pool, const struct cba_scope *server)
{
    return cba_directive_says(pool, cba_server_last(server, "SSLEngine"), "on");
}

/* A section of the main server applies to every virtual host; those without TLS refuse at run time. */
static void check_for_all(apr_pool_t *pool, struct cba_findings *findings,
                          const struct cba_scope *top, const struct cba_scope *section)
{
    int checked = 0;

    for (int i = -1; i < top->parts->nelts; i++) {
        const struct cba_scope *server = i < 0 ? top : SCOPE_AT(top->parts, i);

        if ((i < 0 || server->kind == CBA_SCOPE_VHOST) && speaks_tls(pool, server)) {
            check_case(pool, findings, server, section);
            checked++;
        }
    }
    if (!checked) {
        check_case(pool, findings, top, section);
    }
}

static void check_server(apr_pool_t *pool, struct cba_findings *findings,
                         const struct cba_scope *server)
{
    for (int i = 0; i < server->parts->nelts; i++) {
        const struct cba_scope *part = SCOPE_AT(server->parts, i);

        check_places(findings, part);
        if (part->kind != CBA_SCOPE_LOCATION || !cba_section_is_protected(pool, part)) {
            continue;
        }
        if (server->kind == CBA_SCOPE_MAIN) {
            check_for_all(pool, findings, server, part);
        } else {
            check_case(pool, findings, server, part);
        }
    }
}

int cba_conf_check(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    struct cba_findings findings;
    const struct cba_scope *top;

    (void)pconf;
    (void)plog;
    if (ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_DUMP) {
        return OK;
    }
    cba_findings_begin(&findings, ptemp);
    top = cba_conf_tree_read(ptemp, s, ap_conftree);
    check_server(ptemp, &findings, top);
    for (int i = 0; i < top->parts->nelts; i++) {
        if (SCOPE_AT(top->parts, i)->kind == CBA_SCOPE_VHOST) {
            check_server(ptemp, &findings, SCOPE_AT(top->parts, i));
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
            wrong = cba_file_make_directory(ptemp, &user, path);
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
