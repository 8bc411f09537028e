/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_conf_rule.h"

#include "cba_conf_worker.h"

#define SCOPE_AT(list, i) (APR_ARRAY_IDX(list, i, const struct cba_scope *))

static bool is_about_groups(apr_pool_t *pool, const struct cba_directive *directive)
{
    int at;

    if (!cba_directive_is(directive, "Require")) {
        return false;
    }
    at = cba_directive_says(pool, directive, "not") ? 1 : 0;
    return !ap_cstr_casecmp(cba_directive_word(pool, directive, at), "eas-group");
}

/* May a request to a URL of the section be one that EASCertAuth lets in, in this server? What the
 * section says itself holds for all of its URLs but those of another section. */
static bool may_be_protected(apr_pool_t *pool, const struct cba_scope *server,
                             const struct cba_scope *section)
{
    const apr_array_header_t *others = cba_sections_of(pool, server, CBA_SCOPE_LOCATION);

    if (cba_scope_last(section, "EASCertAuth")) {
        return cba_section_is_protected(pool, section);
    }
    for (int i = 0; i < others->nelts; i++) {
        const struct cba_scope *other = SCOPE_AT(others, i);

        if (cba_section_is_protected(pool, other) &&
            cba_meet_section(pool, section, other) != CBA_MEET_NOT) {
            return true;
        }
    }
    return false;
}

/* A section of the main server applies to every virtual host. */
static bool may_be_protected_anywhere(apr_pool_t *pool, const struct cba_scope *top,
                                      const struct cba_scope *server,
                                      const struct cba_scope *section)
{
    bool found = may_be_protected(pool, server, section);

    for (int i = 0; !found && server == top && i < top->parts->nelts; i++) {
        found = SCOPE_AT(top->parts, i)->kind == CBA_SCOPE_VHOST &&
                may_be_protected(pool, SCOPE_AT(top->parts, i), section);
    }
    return found;
}

void cba_rule_groups(apr_pool_t *pool, struct cba_findings *findings, const struct cba_scope *top,
                     const struct cba_scope *server)
{
    for (int i = 0; i < server->parts->nelts; i++) {
        const struct cba_scope *section = SCOPE_AT(server->parts, i);

        for (int j = 0; section->kind != CBA_SCOPE_VHOST && j < section->all->nelts; j++) {
            const struct cba_directive *directive =
                &APR_ARRAY_IDX(section->all, j, const struct cba_directive);

            if (is_about_groups(pool, directive) &&
                (section->kind != CBA_SCOPE_LOCATION ||
                 !may_be_protected_anywhere(pool, top, server, section))) {
                cba_findings_add_directive(findings, CBA_R_CONF_GROUP_SECTION, directive, 0, NULL);
            }
        }
    }
}
