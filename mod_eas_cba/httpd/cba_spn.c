/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_spn.h"

#include <apr_fnmatch.h>
#include <apr_strings.h>

#include "cba_conf.h"

struct cba_spn_section cba_spn_section_of(const cmd_parms *cmd)
{
    struct cba_spn_section section = {0};
    const ap_directive_t *in = cmd->directive;
    const char *args, *end;

    while (in && ap_cstr_casecmp(in->directive, "<Proxy") &&
           ap_cstr_casecmp(in->directive, "<ProxyMatch")) {
        in = in->parent;
    }
    if (!in) {
        return section;
    }
    end = ap_strrchr_c(in->args, '>');
    args = end ? apr_pstrndup(cmd->pool, in->args, (apr_size_t)(end - in->args)) : in->args;
    section.name = ap_getword_conf(cmd->pool, &args);
    section.is_expression = !ap_cstr_casecmp(in->directive, "<ProxyMatch");
    if (!ap_cstr_casecmpn(section.name, "proxy:", 6)) {
        section.name += 6;
    }
    if (section.is_expression) {
        section.regex = ap_pregcomp(cmd->pool, section.name, AP_REG_EXTENDED);
    } else {
        section.is_wild = apr_fnmatch_test(section.name) != 0;
    }
    return section;
}

static bool matches(const struct cba_spn_section *section, const char *url)
{
    if (section->is_expression) {
        return section->regex && !ap_regexec(section->regex, url, 0, NULL, 0);
    }
    return apr_fnmatch(section->name, url, APR_FNM_CASE_BLIND) == APR_SUCCESS;
}

int cba_spn_section_fit(apr_pool_t *pool, const struct cba_spn_section *section, const char *url,
                        const char *balancer)
{
    struct cba_span name = cba_span_str(section->name);

    if (!section->is_expression && !section->is_wild) {
        if (cba_spn_url_begins(cba_span_str(url), name)) {
            return 2;
        }
        return balancer && cba_spn_url_begins(cba_span_str(balancer), name) ? 1 : 0;
    }
    /* Patterns are for URLs; the phone's query is no part of them. */
    url = apr_pstrndup(pool, url, strcspn(url, "?"));
    return matches(section, url) || (balancer && matches(section, balancer)) ? 1 : 0;
}

/* The closest of the entries; those of <Proxy> sections only if their section fits so closely. */
static const char *choose(request_rec *r, const apr_array_header_t *entries, int fit,
                          const char *url, const char *balancer)
{
    const char *spn = NULL;
    struct cba_span host;
    int best = 1, port;

    if (!entries || !cba_spn_url_host(cba_span_str(url), &host, &port)) {
        return NULL;
    }
    for (int i = 0; i < entries->nelts; i++) {
        const struct cba_spn_entry *entry = &APR_ARRAY_IDX(entries, i, const struct cba_spn_entry);
        int close = cba_spn_rule_fit(&entry->rule, host, port);

        if (close >= best &&
            (!fit || cba_spn_section_fit(r->pool, &entry->section, url, balancer) == fit)) {
            best = close;
            spn = entry->rule.spn;
        }
    }
    return spn;
}

const char *cba_spn_for(request_rec *r, const char *url, const char *host)
{
    const apr_array_header_t *of_sections = cba_conf_srv(r->server)->spn_sections;
    const apr_array_header_t *of_location = cba_dir_spns(cba_conf_dir(r));
    /* mod_proxy_balancer says so anew before each attempt; the URL that ProxyPass made is the
     * member's by now. */
    const char *balancer = apr_table_get(r->subprocess_env, "BALANCER_NAME"), *spn;

    spn = choose(r, of_sections, 2, url, balancer);
    if (!spn) {
        spn = choose(r, of_sections, 1, url, balancer);
    }
    if (!spn) {
        spn = choose(r, of_location, 0, url, balancer);
    }
    return spn ? spn : apr_pstrcat(r->pool, "HTTP/", host, NULL);
}
