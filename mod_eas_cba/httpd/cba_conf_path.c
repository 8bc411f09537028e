/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_conf_path.h"

#include <apr_fnmatch.h>
#include <apr_lib.h>
#include <apr_strings.h>

/* Length without the slashes at the end. */
static size_t trimmed(const char *path, size_t len)
{
    while (len > 0 && path[len - 1] == '/') {
        len--;
    }
    return len;
}

static bool begins(const char *path, size_t path_len, const char *prefix, size_t prefix_len,
                   bool has_case)
{
    path_len = trimmed(path, path_len);
    prefix_len = trimmed(prefix, prefix_len);
    if (prefix_len > path_len || (has_case ? strncmp(path, prefix, prefix_len)
                                           : ap_cstr_casecmpn(path, prefix, prefix_len))) {
        return false;
    }
    return prefix_len == path_len || path[prefix_len] == '/';
}

bool cba_path_begins(const char *path, const char *prefix)
{
    return begins(path, strlen(path), prefix, strlen(prefix), true);
}

/* Is the text, without slashes at its end, a part of the pattern as it would be without its
 * backslashes? */
static bool pattern_contains(apr_pool_t *pool, const char *pattern, const char *text)
{
    char *plain = apr_palloc(pool, strlen(pattern) + 1), *end = plain;
    size_t len = trimmed(text, strlen(text));

    for (; *pattern; pattern++) {
        if (*pattern != '\\') {
            *end++ = *pattern;
        }
    }
    *end = '\0';
    for (; (size_t)(end - plain) >= len; plain++) {
        if (!ap_cstr_casecmpn(plain, text, len)) {
            return true;
        }
    }
    return false;
}

const char *cba_pattern_literal(apr_pool_t *pool, const char *pattern)
{
    const char *best = "", *start = pattern;
    size_t best_len = 0, len;

    while (*start) {
        for (len = 0; apr_isalnum(start[len]) || (start[len] && strchr("/-_", start[len])); len++) {
        }
        if (len > best_len) {
            best = start;
            best_len = len;
        }
        start += len ? len : 1;
    }
    return apr_pstrndup(pool, best, best_len);
}

static bool matches(const ap_regex_t *regex, const char *text)
{
    return regex && !ap_regexec(regex, text, 0, NULL, 0);
}

/* <Location> with *, ? or []: what stands before the first of them. */
static const char *before_wildcard(apr_pool_t *pool, const char *name)
{
    return apr_pstrndup(pool, name, strcspn(name, "*?[\\"));
}

const char *cba_path_literal(apr_pool_t *pool, const char *name, bool is_pattern)
{
    const char *literal =
        is_pattern ? cba_pattern_literal(pool, name) : before_wildcard(pool, name);

    return literal[0] == '/' ? literal : "";
}

enum cba_meeting cba_meet_prefix(apr_pool_t *pool, const struct cba_scope *section,
                                 const char *prefix)
{
    const char *literal;

    if (trimmed(prefix, strlen(prefix)) == 0) {
        return CBA_MEET_COVERS;
    }
    if (section->is_pattern) {
        return matches(section->regex, prefix) || pattern_contains(pool, section->name, prefix)
                   ? CBA_MEET_INSIDE
                   : CBA_MEET_NOT;
    }
    literal = section->name;
    if (apr_fnmatch_test(literal)) {
        literal = before_wildcard(pool, literal);
        if (!strncmp(prefix, literal, strlen(literal))) {
            return CBA_MEET_INSIDE;
        }
    }
    if (cba_path_begins(literal, prefix)) {
        return CBA_MEET_COVERS;
    }
    return cba_path_begins(prefix, literal) ? CBA_MEET_INSIDE : CBA_MEET_NOT;
}

static enum cba_meeting meet(apr_pool_t *pool, const struct cba_scope *section, const char *pattern,
                             const ap_regex_t *regex)
{
    const char *literal;

    if (!strcmp(section->name, pattern)) {
        return CBA_MEET_COVERS;
    }
    if (section->is_pattern) {
        literal = cba_pattern_literal(pool, section->name);
        if (trimmed(literal, strlen(literal)) == 0) {
            return CBA_MEET_INSIDE;
        }
        return pattern_contains(pool, pattern, literal) ||
                       pattern_contains(pool, section->name, cba_pattern_literal(pool, pattern))
                   ? CBA_MEET_INSIDE
                   : CBA_MEET_NOT;
    }
    literal = before_wildcard(pool, section->name);
    return matches(regex, literal) || pattern_contains(pool, pattern, literal) ? CBA_MEET_INSIDE
                                                                               : CBA_MEET_NOT;
}

enum cba_meeting cba_meet_pattern(apr_pool_t *pool, const struct cba_scope *section,
                                  const char *pattern)
{
    return meet(pool, section, pattern, ap_pregcomp(pool, pattern, AP_REG_EXTENDED));
}

enum cba_meeting cba_meet_section(apr_pool_t *pool, const struct cba_scope *section,
                                  const struct cba_scope *other)
{
    const char *name = other->name;

    if (other->is_pattern) {
        return meet(pool, section, name, other->regex);
    }
    if (apr_fnmatch_test(name)) {
        name = before_wildcard(pool, name);
        return cba_meet_prefix(pool, section, name) ? CBA_MEET_INSIDE : CBA_MEET_NOT;
    }
    return cba_meet_prefix(pool, section, name);
}

bool cba_section_has_every_spelling(const struct cba_scope *section)
{
    size_t len = strlen(section->name);

    return section->is_pattern && !strncmp(section->name, "(?i)", 4) &&
           section->name[len - 1] != '$';
}

bool cba_url_begins(const char *url, const char *prefix)
{
    return begins(url, strcspn(url, "$"), prefix, strcspn(prefix, "$"), false);
}

/* https://host:443 is https://host, as mod_proxy has it. */
static const char *without_default_port(apr_pool_t *pool, const char *url)
{
    const char *rest;
    size_t authority;

    if (ap_cstr_casecmpn(url, "https://", 8)) {
        return url;
    }
    authority = 8 + strcspn(url + 8, "/$");
    rest = url + authority;
    if (authority < 12 || strncmp(rest - 4, ":443", 4)) {
        return url;
    }
    return apr_pstrcat(pool, apr_pstrndup(pool, url, authority - 4), rest, NULL);
}

bool cba_url_meets(apr_pool_t *pool, const char *a, const char *b)
{
    a = without_default_port(pool, a);
    b = without_default_port(pool, b);
    return cba_url_begins(a, b) || cba_url_begins(b, a);
}
