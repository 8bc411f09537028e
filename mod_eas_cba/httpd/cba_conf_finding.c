/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_conf_finding.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>

#define LINE_MAX_BYTES 4096 /* what httpd keeps of a message at least */

void cba_findings_begin(struct cba_findings *findings, apr_pool_t *pool)
{
    findings->pool = pool;
    findings->said = apr_array_make(pool, 8, sizeof(const char *));
    findings->errors = 0;
}

static bool is_said(const struct cba_findings *findings, const char *line)
{
    for (int i = 0; i < findings->said->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(findings->said, i, const char *), line)) {
            return true;
        }
    }
    return false;
}

/* To the terminal, or to wherever stderr goes at the time: the servers' own logs are not open yet,
 * and a LogLevel must not hide what keeps httpd from starting. The first reading of the
 * configuration has the administrator at the terminal, who needs no time stamp. */
static void log_line(enum cba_level level, const char *line)
{
    int flags = level == CBA_LEVEL_ERR ? APLOG_ERR : APLOG_WARNING;

    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        flags |= APLOG_STARTUP;
    }
    ap_log_error(APLOG_MARK, flags, 0, NULL, "%s", line);
}

void cba_findings_add(struct cba_findings *findings, enum cba_reason reason,
                      const ap_directive_t *place, const char *subject, const char *detail)
{
    const struct cba_reason_info *info = cba_reason_info(reason);
    apr_pool_t *pool = findings->pool;
    const char *where = "", *line;

    if (place) {
        where = apr_psprintf(pool, "%s:%d: ", place->filename, place->line_num);
    }
    line = apr_psprintf(pool, "%s: %s%.*s: %s%s%s%s; to do: %s", info->tag, where, LINE_MAX_BYTES,
                        subject, info->meaning, detail ? " (" : "", detail ? detail : "",
                        detail ? ")" : "", info->remedy);
    if (is_said(findings, line)) {
        return;
    }
    APR_ARRAY_PUSH(findings->said, const char *) = line;
    findings->errors += info->level == CBA_LEVEL_ERR;
    log_line(info->level, line);
}

void cba_findings_add_directive(struct cba_findings *findings, enum cba_reason reason,
                                const struct cba_directive *directive, int words,
                                const char *detail)
{
    cba_findings_add(findings, reason, directive->node,
                     cba_directive_show(findings->pool, directive, words), detail);
}

void cba_findings_add_missing(struct cba_findings *findings, enum cba_reason reason,
                              const char *name, const struct cba_scope *scope,
                              const struct cba_scope *section)
{
    apr_pool_t *pool = findings->pool;

    cba_findings_add(findings, reason, scope->node ? scope->node : section->node,
                     apr_pstrcat(pool, "no ", name, " in ", cba_scope_show(pool, scope),
                                 ", which serves ", cba_scope_show(pool, section), NULL),
                     NULL);
}
