/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_conf_rule.h"

#include <apr_fnmatch.h>
#include <apr_strings.h>

#include "cba_conf_worker.h"
#include "cba_spn.h"

/* MS-ASCMD 2.2.3.81 (HeartbeatInterval): the longest Ping that Exchange takes, 59 minutes, and a
 * little for its answer. */
#define PING_SECONDS 3600

#define DIRECTIVE_AT(list, i) (&APR_ARRAY_IDX(list, i, const struct cba_directive))
#define MAPPING_AT(list, i)   (&APR_ARRAY_IDX(list, i, const struct cba_mapping))
#define SECTION_AT(list, i)   (APR_ARRAY_IDX(list, i, const struct cba_scope *))

/* --- one worker --- */

static const char *param(const struct cba_case *c, const struct cba_worker *worker, const char *key)
{
    return cba_worker_param(c->pool, c->server, worker, key);
}

static void add(const struct cba_case *c, enum cba_reason reason, const struct cba_worker *worker,
                const char *detail)
{
    cba_findings_add_directive(c->findings, reason, worker->from, worker->shown, detail);
}

static void add_param(const struct cba_case *c, enum cba_reason reason,
                      const struct cba_worker *worker, const char *key, const char *value)
{
    add(c, reason, worker, apr_psprintf(c->pool, "%s=%.64s", key, value));
}

/* What mod_proxy waits for an answer, in seconds. */
static apr_int64_t timeout_of(const struct cba_case *c, const struct cba_worker *worker,
                              const char **from)
{
    const char *value = param(c, worker, "timeout");
    const struct cba_directive *proxy = cba_server_last(c->server, "ProxyTimeout");

    *from = "timeout=";
    if (!value && proxy) {
        *from = "ProxyTimeout";
        value = cba_directive_word(c->pool, proxy, 0);
    }
    if (value) {
        return apr_strtoi64(value, NULL, 10);
    }
    *from = "Timeout";
    return apr_time_sec(c->server->server->timeout);
}

static bool is_activesync(const struct cba_case *c)
{
    const struct cba_directive *protocol = cba_case_last(c, "EASCertAuthProtocol", false);

    return !protocol || cba_directive_says(c->pool, protocol, "ActiveSync");
}

static void check_timeout(const struct cba_case *c, const struct cba_worker *worker)
{
    const char *from;
    apr_int64_t seconds = timeout_of(c, worker, &from);

    if (is_activesync(c) && seconds < PING_SECONDS) {
        add(c, CBA_R_WARN_TIMEOUT, worker,
            apr_psprintf(c->pool, "%" APR_INT64_T_FMT " s by %s", seconds, from));
    }
}

/* mod_proxy finds a worker with a '$' in its URL only where something is left for it to stand for,
 * and serves the other requests by its default worker. */
static void check_dollar(const struct cba_case *c, const struct cba_worker *worker)
{
    const char *host = ap_strstr_c(worker->url, "://");

    if (host && host[3 + strcspn(host + 3, "$/")] == '$') {
        add(c, CBA_R_CONF_WORKER_HOST, worker, NULL);
    } else if (ap_strchr_c(worker->url, '$')) {
        add(c, CBA_R_WARN_DOLLAR, worker, NULL);
    }
}

static void check_worker(const struct cba_case *c, const struct cba_worker *worker)
{
    const char *value;

    if (ap_cstr_casecmpn(worker->url, "https://", 8)) {
        add(c, CBA_R_CONF_WORKER_SCHEME, worker, NULL);
    }
    value = param(c, worker, "upgrade");
    if (value && ap_cstr_casecmp(value, "NONE")) {
        add_param(c, CBA_R_CONF_UPGRADE, worker, "upgrade", value);
    }
    value = param(c, worker, "ping");
    if (value) {
        add_param(c, CBA_R_WARN_PING, worker, "ping", value);
    }
    check_timeout(c, worker);
    check_dollar(c, worker);
}

/* In a <LocationMatch> without any of these, mod_proxy compares the expression with the path as if
 * it were one. */
static void check_expression(const struct cba_case *c)
{
    const struct cba_directive *pass = cba_scope_last(c->section, "ProxyPass");

    if (pass && c->section->is_pattern && !apr_fnmatch_test(c->section->name)) {
        cba_findings_add_directive(c->findings, CBA_R_CONF_NOT_PROXIED, pass, 1,
                                   "mod_proxy takes an expression without *, ? or [] for a path; "
                                   "end it in (/.*)?$");
    }
}

static void check_workers(const struct cba_case *c)
{
    const apr_array_header_t *mappings = cba_mappings_serving(c->pool, c->server, c->section);
    int found = 0;

    for (int i = 0; i < mappings->nelts; i++) {
        const apr_array_header_t *workers =
            cba_workers_behind(c->pool, c->server, MAPPING_AT(mappings, i));

        for (int j = 0; j < workers->nelts; j++, found++) {
            check_worker(c, &APR_ARRAY_IDX(workers, j, const struct cba_worker));
        }
        if (workers->nelts == 0) {
            cba_findings_add_directive(
                c->findings, CBA_R_CONF_NOT_PROXIED, MAPPING_AT(mappings, i)->from,
                MAPPING_AT(mappings, i)->shown, "the balancer has no BalancerMember");
        }
    }
    if (mappings->nelts == 0 && !cba_server_rewrites_to_proxy(c->pool, c->server)) {
        cba_findings_add(c->findings, CBA_R_CONF_NOT_PROXIED, c->section->node,
                         cba_scope_show(c->pool, c->section), NULL);
    }
}

/* --- TLS to the back end --- */

/* Calls fn with the last directive of that name in each <Proxy> of the server, whichever back end
 * it is for. */
static void each_proxy(const struct cba_case *c, const char *name,
                       void (*fn)(const struct cba_case *c, const struct cba_directive *d))
{
    const apr_array_header_t *sections = cba_sections_of(c->pool, c->server, CBA_SCOPE_PROXY);

    for (int i = 0; i < sections->nelts; i++) {
        const struct cba_directive *last = cba_scope_last(SECTION_AT(sections, i), name);

        if (last) {
            fn(c, last);
        }
    }
}

/* Does one of those <Proxy> sections have this directive, with this first word unless it is NULL?
 */
static bool is_in_a_proxy(const struct cba_case *c, const char *name, const char *word)
{
    const apr_array_header_t *sections = cba_sections_of(c->pool, c->server, CBA_SCOPE_PROXY);

    for (int i = 0; i < sections->nelts; i++) {
        const struct cba_directive *last = cba_scope_last(SECTION_AT(sections, i), name);

        if (last && (!word || cba_directive_says(c->pool, last, word))) {
            return true;
        }
    }
    return false;
}

static void check_proxy_engine(const struct cba_case *c)
{
    const struct cba_directive *engine = cba_server_last(c->server, "SSLProxyEngine");

    if (cba_directive_says(c->pool, engine, "on") || is_in_a_proxy(c, "SSLProxyEngine", "on")) {
        return;
    }
    if (engine) {
        cba_findings_add_directive(c->findings, CBA_R_CONF_PROXY_ENGINE, engine, 0, NULL);
    } else {
        cba_findings_add_missing(c->findings, CBA_R_CONF_PROXY_ENGINE, "SSLProxyEngine", c->server,
                                 c->section);
    }
}

static void check_one_verify(const struct cba_case *c, const struct cba_directive *d)
{
    if (!cba_directive_says(c->pool, d, "require")) {
        cba_findings_add_directive(c->findings, CBA_R_CONF_PROXY_VERIFY, d, 0, NULL);
    }
}

static void check_proxy_verify(const struct cba_case *c)
{
    const struct cba_directive *verify = cba_server_last(c->server, "SSLProxyVerify");

    if (verify) {
        check_one_verify(c, verify);
    } else {
        cba_findings_add_missing(c->findings, CBA_R_CONF_PROXY_VERIFY, "SSLProxyVerify", c->server,
                                 c->section);
    }
    each_proxy(c, "SSLProxyVerify", check_one_verify);
}

static void check_proxy_ca(const struct cba_case *c)
{
    if (!cba_server_last(c->server, "SSLProxyCACertificateFile") &&
        !cba_server_last(c->server, "SSLProxyCACertificatePath") &&
        !is_in_a_proxy(c, "SSLProxyCACertificateFile", NULL) &&
        !is_in_a_proxy(c, "SSLProxyCACertificatePath", NULL)) {
        cba_findings_add_missing(c->findings, CBA_R_CONF_PROXY_CA, "SSLProxyCACertificateFile",
                                 c->server, c->section);
    }
}

static void check_one_peer(const struct cba_case *c, const struct cba_directive *d)
{
    if (cba_directive_says(c->pool, d, "off")) {
        cba_findings_add_directive(c->findings, CBA_R_CONF_PROXY_PEER, d, 0, NULL);
    }
}

/* SSLProxyCheckPeerCN off takes the check of the name away unless SSLProxyCheckPeerName On is
 * written out: mod_ssl asks for "name is not off, and CN is not off or name is on". */
static void check_one_peer_cn(const struct cba_case *c, const struct cba_directive *d)
{
    bool is_proxy = d->scope->kind == CBA_SCOPE_PROXY;
    const struct cba_directive *name =
        is_proxy ? cba_scope_last(d->scope, "SSLProxyCheckPeerName") : NULL;

    if (!name) {
        name = cba_server_last(c->server, "SSLProxyCheckPeerName");
    }
    if (!cba_directive_says(c->pool, name, "on")) {
        check_one_peer(c, d);
    }
}

static void check_proxy_peer(const struct cba_case *c)
{
    static const struct {
        const char *name;
        void (*check)(const struct cba_case *c, const struct cba_directive *d);
    } rules[] = {
        {"SSLProxyCheckPeerName", check_one_peer},
        {"SSLProxyCheckPeerExpire", check_one_peer},
        {"SSLProxyCheckPeerCN", check_one_peer_cn},
    };

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const struct cba_directive *server = cba_server_last(c->server, rules[i].name);

        if (server) {
            rules[i].check(c, server);
        }
        each_proxy(c, rules[i].name, rules[i].check);
    }
}

/* --- names of back ends --- */

/* Calls fn for each back end that requests of a protected section may reach, until it says yes.
 * Says so itself where rewriting or the phone may choose. */
static bool any_worker(const struct cba_case *c, const struct cba_scope *section,
                       bool (*fn)(const struct cba_case *c, const struct cba_worker *worker,
                                  const char *balancer, const void *arg),
                       const void *arg)
{
    const apr_array_header_t *mappings = cba_mappings_serving(c->pool, c->server, section);

    for (int i = 0; i < mappings->nelts; i++) {
        const struct cba_mapping *mapping = MAPPING_AT(mappings, i);
        const apr_array_header_t *workers = cba_workers_behind(c->pool, c->server, mapping);
        const char *balancer =
            ap_cstr_casecmpn(mapping->url, "balancer://", 11) ? NULL : mapping->url;

        for (int j = 0; j < workers->nelts; j++) {
            if (fn(c, &APR_ARRAY_IDX(workers, j, const struct cba_worker), balancer, arg)) {
                return true;
            }
        }
    }
    return cba_server_rewrites_to_proxy(c->pool, c->server);
}

/* A worker's URL without what mod_proxy puts in the place of "$n". */
static const char *url_of(const struct cba_case *c, const struct cba_worker *worker)
{
    return apr_pstrndup(c->pool, worker->url, strcspn(worker->url, "$"));
}

/* arg: struct cba_spn_entry. Is its rule, in its section if it has one, for this worker? */
static bool is_for(const struct cba_case *c, const struct cba_worker *worker, const char *balancer,
                   const void *arg)
{
    const struct cba_spn_entry *entry = arg;
    const char *url = url_of(c, worker);
    struct cba_span host;
    int port;

    return (!entry->section.name ||
            cba_spn_section_fit(c->pool, &entry->section, url, balancer) > 0) &&
           (!cba_spn_url_host(cba_span_str(url), &host, &port) ||
            cba_spn_rule_fit(&entry->rule, host, port) > 0);
}

/* The rule of an EASCertAuthSPN, which httpd has understood before. False: it is another directive.
 */
static bool read_rule(const struct cba_case *c, const struct cba_directive *d,
                      struct cba_spn_rule *rule)
{
    const char *first = cba_directive_word(c->pool, d, 0);

    memset(rule, 0, sizeof *rule);
    return cba_directive_is(d, "EASCertAuthSPN") &&
           (!*cba_directive_word(c->pool, d, 1) || cba_spn_rule_read(cba_span_str(first), rule));
}

/* EASCertAuthSPN HOST SPN for a host that the section sends nothing to. */
static void check_spn_hosts(const struct cba_case *c)
{
    struct cba_spn_entry entry = {0};

    for (int i = 0; i < c->section->own->nelts; i++) {
        const struct cba_directive *d = DIRECTIVE_AT(c->section->own, i);

        if (read_rule(c, d, &entry.rule) && entry.rule.host.len > 0 &&
            !any_worker(c, c->section, is_for, &entry)) {
            cba_findings_add_directive(c->findings, CBA_R_WARN_SPN_HOST, d, 0, NULL);
        }
    }
}

/* May a protected section of the server, or of all servers that the main server's <Proxy> is for,
 * send something there? */
static bool is_used(const struct cba_case *c, const struct cba_scope *proxy,
                    const struct cba_spn_entry *entry)
{
    struct cba_case other = *c;
    int n = proxy->parent->parts->nelts;

    for (int i = proxy->parent->kind == CBA_SCOPE_MAIN ? 0 : n; i <= n; i++) {
        const apr_array_header_t *sections;

        other.server = i < n ? SECTION_AT(proxy->parent->parts, i) : proxy->parent;
        if (other.server->kind != CBA_SCOPE_VHOST && other.server->kind != CBA_SCOPE_MAIN) {
            continue;
        }
        sections = cba_sections_of(c->pool, other.server, CBA_SCOPE_LOCATION);
        for (int j = 0; j < sections->nelts; j++) {
            if (cba_section_is_protected(c->pool, SECTION_AT(sections, j)) &&
                any_worker(&other, SECTION_AT(sections, j), is_for, entry)) {
                return true;
            }
        }
    }
    return false;
}

/* EASCertAuthSPN in a <Proxy> that no protected section sends anything to. */
static void check_spn_sections(const struct cba_case *c)
{
    const apr_array_header_t *proxies = cba_sections_of(c->pool, c->server, CBA_SCOPE_PROXY);

    for (int i = 0; i < proxies->nelts; i++) {
        const struct cba_scope *proxy = SECTION_AT(proxies, i);

        for (int j = 0; j < proxy->own->nelts; j++) {
            const struct cba_directive *d = DIRECTIVE_AT(proxy->own, j);
            struct cba_spn_entry entry = {
                .section = {proxy->name, !proxy->is_pattern && apr_fnmatch_test(proxy->name),
                            proxy->is_pattern, proxy->regex}};
            struct cba_spn_entry any = entry;

            if (read_rule(c, d, &entry.rule) && !is_used(c, proxy, &entry)) {
                cba_findings_add_directive(c->findings,
                                           is_used(c, proxy, &any) ? CBA_R_WARN_SPN_HOST
                                                                   : CBA_R_WARN_SPN_SECTION,
                                           d, 0, NULL);
            }
        }
    }
}

/* --- other ways to the same virtual directory --- */

/* Does a mapping that has no protection of its own reach what the protected section's mapping
 * reaches? */
static bool is_twin(const struct cba_case *c, const struct cba_mapping *other,
                    const struct cba_mapping *ours)
{
    enum cba_meeting meeting = CBA_MEET_NOT;
    const char *theirs = cba_mapping_target(c->pool, other, NULL);
    const char *mine = cba_mapping_target(c->pool, ours, c->section);
    bool shadowed;

    if (other->path && !other->is_pattern) {
        meeting = cba_meet_prefix(c->pool, c->section, other->path);
    }
    /* Where the mapping sends all of the section's URLs on below its own, the section stands before
     * it, unless another spelling goes past the section: IIS has no case, <Location> has. */
    shadowed = meeting == CBA_MEET_COVERS && cba_section_has_every_spelling(c->section);
    if (other->from == ours->from) {
        return meeting == CBA_MEET_COVERS && !shadowed &&
               strlen(other->path) < strlen(c->section->name);
    }
    return cba_url_meets(c->pool, theirs, mine) && cba_mapping_may_reach(c->pool, other, mine) &&
           !(shadowed && cba_url_begins(mine, theirs));
}

static void check_twins(const struct cba_case *c, const apr_array_header_t *ours,
                        const apr_array_header_t *others)
{
    for (int i = 0; i < others->nelts; i++) {
        const struct cba_mapping *other = MAPPING_AT(others, i);

        for (int j = 0; other->url && j < ours->nelts; j++) {
            if (is_twin(c, other, MAPPING_AT(ours, j))) {
                cba_findings_add_directive(c->findings, CBA_R_WARN_TWIN, other->from, other->shown,
                                           apr_psprintf(c->pool, "protected by %s, line %d of %s",
                                                        cba_scope_show(c->pool, c->section),
                                                        c->section->node->line_num,
                                                        c->section->node->filename));
                break;
            }
        }
    }
}

/* Does the section take the protection over from another one, being merged with it for all its
 * URLs? */
static bool inherits_protection(const struct cba_case *c, const struct cba_scope *section)
{
    const apr_array_header_t *merged = cba_sections_merged(c->pool, c->server, section);

    return cba_directive_says(c->pool, cba_sections_last(merged, "EASCertAuth"), "On");
}

/* EASCertAuth Off for URLs of the protected section, merged after it. Returns whether it is so. */
static bool is_hole(const struct cba_case *c, const struct cba_scope *section)
{
    const struct cba_directive *word = cba_scope_last(section, "EASCertAuth");
    bool later = section->parent == c->section->parent ? section->place > c->section->place
                                                       : section->parent == c->server;

    return word && !cba_directive_says(c->pool, word, "On") && later &&
           cba_meet_section(c->pool, c->section, section) != CBA_MEET_NOT;
}

static void check_other_ways(const struct cba_case *c)
{
    const apr_array_header_t *sections = cba_sections_of(c->pool, c->server, CBA_SCOPE_LOCATION);
    const apr_array_header_t *ours = cba_mappings_serving(c->pool, c->server, c->section);

    check_twins(c, ours, cba_mappings_of(c->pool, c->server));
    for (int i = 0; i < sections->nelts; i++) {
        const struct cba_scope *section = SECTION_AT(sections, i);
        const apr_array_header_t *mappings = cba_mappings_in(c->pool, section);

        if (section == c->section ||
            (mappings->nelts == 0 && !cba_scope_last(section, "EASCertAuth")) ||
            inherits_protection(c, section)) {
            continue;
        }
        check_twins(c, ours, mappings);
        if (mappings->nelts == 0 && is_hole(c, section)) {
            cba_findings_add_directive(
                c->findings, CBA_R_WARN_TWIN, cba_scope_last(section, "EASCertAuth"), 0,
                apr_psprintf(c->pool, "merged with %s", cba_scope_show(c->pool, c->section)));
        }
    }
}

static void check_on(const struct cba_case *c, const struct cba_directive *d,
                     enum cba_reason reason)
{
    if (cba_directive_says(c->pool, d, "On")) {
        cba_findings_add_directive(c->findings, reason, d, 0, NULL);
    }
}

void cba_rule_back(const struct cba_case *c)
{
    if (!ap_find_linked_module("mod_proxy.c")) {
        return;
    }
    check_workers(c);
    check_expression(c);
    check_spn_hosts(c);
    check_spn_sections(c);
    check_on(c, cba_server_last(c->server, "ProxyRequests"), CBA_R_CONF_PROXY_REQUESTS);
    check_on(c, cba_case_last(c, "ProxyErrorOverride", true), CBA_R_WARN_ERROR_OVERRIDE);
    if (ap_find_linked_module("mod_ssl.c")) {
        check_proxy_engine(c);
        check_proxy_verify(c);
        check_proxy_ca(c);
        check_proxy_peer(c);
    }
    check_other_ways(c);
}
