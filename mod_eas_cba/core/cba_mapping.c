/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_mapping.h"

#include "cba_escape.h"

static const struct {
    enum cba_method method;
    bool strong;
    const char *name;
} methods[] = {
    /* the best first */
    {CBA_METHOD_SID, true, "SID"},
    {CBA_METHOD_SIDURL, true, "SIDURL"},
    {CBA_METHOD_UPN, false, "UPN"},
};

#define METHODS (sizeof(methods) / sizeof(methods[0]))

const char *cba_method_name(enum cba_method method)
{
    for (size_t i = 0; i < METHODS; i++) {
        if (methods[i].method == method) {
            return methods[i].name;
        }
    }
    return "-";
}

enum cba_method cba_method_parse(struct cba_span word)
{
    for (size_t i = 0; i < METHODS; i++) {
        if (cba_span_equal_nocase(word, cba_span_str(methods[i].name))) {
            return methods[i].method;
        }
    }
    return CBA_METHOD_NONE;
}

bool cba_method_is_strong(enum cba_method method)
{
    for (size_t i = 0; i < METHODS; i++) {
        if (methods[i].method == method) {
            return methods[i].strong;
        }
    }
    return false;
}

static enum cba_method best_of(unsigned set)
{
    for (size_t i = 0; i < METHODS; i++) {
        if ((set & (unsigned)methods[i].method) != 0) {
            return methods[i].method;
        }
    }
    return CBA_METHOD_NONE;
}

/* The name in an implicit UPN, name@domain (MS-KILE 3.3.5.2, MS-ADTS 3.1.1.13.7). False: the UPN is
 * none of this domain's, or names a computer, which no certificate of a phone may. */
static bool implicit_name(const struct cba_cert *cert, const char *domain, struct cba_span *name)
{
    const char *at = strchr(cert->upn, '@');

    if (at == NULL || at == cert->upn || at[-1] == '$' ||
        !cba_span_equal_nocase(cba_span_str(at + 1), cba_span_str(domain))) {
        return false;
    }
    *name = cba_span_of(cert->upn, (size_t)(at - cert->upn));
    return name->len <= CBA_SAM_MAX;
}

struct filter {
    char *text;
    size_t at;
    bool fits;
};

static void add_literal(struct filter *filter, const char *text)
{
    size_t len = strlen(text);

    if (!filter->fits || len > CBA_FILTER_MAX - filter->at) {
        filter->fits = false;
        return;
    }
    memcpy(filter->text + filter->at, text, len + 1);
    filter->at += len;
}

static void add_equal(struct filter *filter, const char *attribute, struct cba_span value)
{
    add_literal(filter, "(");
    add_literal(filter, attribute);
    add_literal(filter, "=");
    filter->fits =
        filter->fits && cba_escape_filter(value, filter->text, CBA_FILTER_MAX + 1, &filter->at);
    add_literal(filter, ")");
}

static bool has_identity(const struct cba_cert *cert)
{
    return cert->sid.len > 0 || cert->sid_url.len > 0 || cert->upn[0] != '\0';
}

enum cba_reason cba_mapping_filter(const struct cba_cert *cert, const char *domain,
                                   char filter[CBA_FILTER_MAX + 1])
{
    struct filter to = {filter, 0, true};
    struct cba_span name;

    filter[0] = '\0';
    if (!has_identity(cert)) {
        return CBA_R_MAP_NO_IDENTITY;
    }
    add_literal(&to, "(&(objectClass=user)(|");
    if (cert->sid.len > 0) {
        add_equal(&to, "objectSid", cba_span_of(cert->sid.binary, cert->sid.len));
    }
    if (cert->sid_url.len > 0 && !cba_sid_equal(&cert->sid_url, &cert->sid)) {
        add_equal(&to, "objectSid", cba_span_of(cert->sid_url.binary, cert->sid_url.len));
    }
    if (cert->upn[0] != '\0') {
        add_equal(&to, "userPrincipalName", cba_span_str(cert->upn));
    }
    if (implicit_name(cert, domain, &name)) {
        add_equal(&to, "sAMAccountName", name);
    }
    add_literal(&to, "))");
    if (!to.fits) {
        filter[0] = '\0';
        return CBA_R_CERT_LIMIT;
    }
    return CBA_R_OK;
}

/* The methods by which the certificate really names this account, byte for byte but for ASCII case:
 * the directory folds accents and widths, we may not. */
static unsigned methods_naming(const struct cba_cert *cert, const struct cba_account *account)
{
    struct cba_span name;
    unsigned set = CBA_METHOD_NONE;

    if (cba_sid_equal(&cert->sid, &account->sid)) {
        set |= CBA_METHOD_SID;
    }
    if (cba_sid_equal(&cert->sid_url, &account->sid)) {
        set |= CBA_METHOD_SIDURL;
    }
    if (cert->upn[0] != '\0' &&
        cba_span_equal_nocase(cba_span_str(cert->upn), cba_span_str(account->upn))) {
        set |= CBA_METHOD_UPN;
    }
    if (implicit_name(cert, account->domain, &name) &&
        cba_span_equal_nocase(name, cba_span_str(account->sam))) {
        set |= CBA_METHOD_UPN;
    }
    return set;
}

/* Two accounts are always a refusal; which one? An explicit UPN and the implicit one of another
 * account are the same identity: it is ambiguous. */
static enum cba_reason refuse_two(unsigned first, unsigned second, enum cba_method *method)
{
    if (first == CBA_METHOD_NONE || second == CBA_METHOD_NONE) {
        return CBA_R_MAP_INEXACT;
    }
    *method = best_of(first & second);
    return *method != CBA_METHOD_NONE ? CBA_R_MAP_AMBIGUOUS : CBA_R_MAP_CONTRADICTION;
}

/* The method of a SID in the certificate that is not the account's, or NONE. */
static enum cba_method foreign_sid(const struct cba_cert *cert, unsigned naming)
{
    if (cert->sid.len > 0 && (naming & CBA_METHOD_SID) == 0) {
        return CBA_METHOD_SID;
    }
    if (cert->sid_url.len > 0 && (naming & CBA_METHOD_SIDURL) == 0) {
        return CBA_METHOD_SIDURL;
    }
    return CBA_METHOD_NONE;
}

enum cba_reason cba_mapping_resolve(const struct cba_cert *cert, const struct cba_answer *answer,
                                    unsigned allowed, bool strong,
                                    const struct cba_account **account, enum cba_method *method)
{
    unsigned naming;

    *account = NULL;
    *method = CBA_METHOD_NONE;
    if (!has_identity(cert)) {
        return CBA_R_MAP_NO_IDENTITY;
    }
    if (answer->more || answer->count > 2) {
        return CBA_R_MAP_AMBIGUOUS;
    }
    if (answer->count == 0) {
        return CBA_R_MAP_NOT_FOUND;
    }
    naming = methods_naming(cert, &answer->account[0]);
    if (answer->count == 2) {
        return refuse_two(naming, methods_naming(cert, &answer->account[1]), method);
    }

    /* One account: is it the one that the certificate names, in everything that it says? */
    *account = &answer->account[0];
    if (naming == CBA_METHOD_NONE) {
        return CBA_R_MAP_INEXACT;
    }
    *method = foreign_sid(cert, naming);
    if (*method != CBA_METHOD_NONE) {
        return CBA_R_MAP_SID;
    }

    /* Does one of those identities grant? */
    *method = best_of(naming & allowed);
    if (*method == CBA_METHOD_NONE) {
        *method = best_of(naming);
        return CBA_R_MAP_NOT_LISTED;
    }
    if (!cba_method_is_strong(*method)) {
        if (strong) {
            return CBA_R_MAP_WEAK;
        }
        if (cert->not_before < (*account)->created) {
            return CBA_R_MAP_OLDER;
        }
    }
    return CBA_R_OK;
}
