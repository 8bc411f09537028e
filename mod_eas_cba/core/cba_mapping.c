/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_mapping.h"

#include "cba_escape.h"

static const struct {
    enum cba_method method;
    const char *name;
} methods[] = {
    {CBA_METHOD_SID, "SID"},       {CBA_METHOD_SIDURL, "SIDURL"},
    {CBA_METHOD_UPN, "UPN"},       {CBA_METHOD_ALTSEC, "AltSecurityIdentities"},
    {CBA_METHOD_RFC822, "RFC822"}, {CBA_METHOD_SUBJECT, "Subject"},
};

#define METHODS     (sizeof(methods) / sizeof(methods[0]))
#define ALL_METHODS (~0u)

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

/* What of a certificate names an account: the CBA_ALTSEC_* of altSecurityIdentities and, above them,
 * a bit for each other identity. */
#define NAMED_BY_SID           (1u << 16)
#define NAMED_BY_SIDURL        (1u << 17)
#define NAMED_BY_UPN           (1u << 18)
#define NAMED_BY_SUBJECT_FIRST (1u << 19)
#define NAMED_BY_SUBJECT       (((1u << CBA_SUBJECT_UPNS) - 1) * NAMED_BY_SUBJECT_FIRST)

/* Which method has to be listed for an identity to grant; the best first. */
static const struct grant {
    uint32_t identities;
    enum cba_method method;
    bool strong; /* KB5014754 */
} grants[] = {
    {NAMED_BY_SID, CBA_METHOD_SID, true},
    {CBA_ALTSEC_STRONG, CBA_METHOD_ALTSEC, true},
    {NAMED_BY_SIDURL, CBA_METHOD_SIDURL, true},
    {NAMED_BY_UPN, CBA_METHOD_UPN, false},
    {CBA_ALTSEC_ALL & ~CBA_ALTSEC_STRONG, CBA_METHOD_ALTSEC, false},
    {CBA_ALTSEC_RFC822, CBA_METHOD_RFC822, false},
    {NAMED_BY_SUBJECT, CBA_METHOD_SUBJECT, false},
};

static const struct grant *best_grant(uint32_t identities, unsigned allowed)
{
    for (size_t i = 0; i < sizeof(grants) / sizeof(grants[0]); i++) {
        if ((identities & grants[i].identities) != 0 &&
            (allowed & (unsigned)grants[i].method) != 0) {
            return &grants[i];
        }
    }
    return NULL;
}

bool cba_method_is_strong(enum cba_method method, uint32_t forms)
{
    return method == CBA_METHOD_SID || method == CBA_METHOD_SIDURL ||
           (method == CBA_METHOD_ALTSEC && (forms & CBA_ALTSEC_STRONG) != 0);
}

/* Says which identities are concerned: the best one's method, and its forms. */
static void tell(const struct grant *grant, uint32_t identities, enum cba_method *method,
                 uint32_t *forms)
{
    *method = grant->method;
    *forms = identities & grant->identities & CBA_ALTSEC_ALL;
}

/* The name in an implicit UPN, name@domain (MS-KILE 3.3.5.2, MS-ADTS 3.1.1.13.7). False: the UPN is
 * none of this domain's, or names a computer, which no certificate of a phone may. */
static bool implicit_name(const char *upn, const char *domain, struct cba_span *name)
{
    const char *at = strchr(upn, '@');

    if (at == NULL || at == upn || at[-1] == '$' ||
        !cba_span_equal_nocase(cba_span_str(at + 1), cba_span_str(domain))) {
        return false;
    }
    *name = cba_span_of(upn, (size_t)(at - upn));
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

static void add_upn(struct filter *filter, const char *upn, const char *domain)
{
    struct cba_span name;

    add_equal(filter, "userPrincipalName", cba_span_str(upn));
    if (implicit_name(upn, domain, &name)) {
        add_equal(filter, "sAMAccountName", name);
    }
}

static void add_altsec(struct filter *filter, const struct cba_cert *cert)
{
    char value[CBA_ALTSEC_VALUE_MAX + 1];

    for (size_t n = 0; n < CBA_ALTSEC_VALUES; n++) {
        if (cba_altsec_value(cert, n, value)) {
            add_equal(filter, "altSecurityIdentities", cba_span_str(value));
        }
    }
}

static bool has_identity(const struct cba_cert *cert)
{
    return cert->sid.len > 0 || cert->sid_url.len > 0 || cert->upn[0] != '\0' ||
           cert->subject_upn_count > 0;
}

enum cba_reason cba_mapping_filter(const struct cba_cert *cert, const char *domain,
                                   char filter[CBA_FILTER_MAX + 1])
{
    struct filter to = {filter, 0, true};
    size_t empty;

    filter[0] = '\0';
    add_literal(&to, "(&(objectClass=user)(|");
    empty = to.at;
    if (cert->sid.len > 0) {
        add_equal(&to, "objectSid", cba_span_of(cert->sid.binary, cert->sid.len));
    }
    if (cert->sid_url.len > 0 && !cba_sid_equal(&cert->sid_url, &cert->sid)) {
        add_equal(&to, "objectSid", cba_span_of(cert->sid_url.binary, cert->sid_url.len));
    }
    if (cert->upn[0] != '\0') {
        add_upn(&to, cert->upn, domain);
    }
    for (size_t i = 0; i < cert->subject_upn_count; i++) {
        if (!cba_span_equal_nocase(cba_span_str(cert->subject_upn[i]), cba_span_str(cert->upn))) {
            add_upn(&to, cert->subject_upn[i], domain);
        }
    }
    add_altsec(&to, cert);
    if (to.fits && to.at == empty) {
        filter[0] = '\0';
        return CBA_R_MAP_NO_IDENTITY;
    }
    add_literal(&to, "))");
    if (!to.fits) {
        filter[0] = '\0';
        return CBA_R_CERT_LIMIT;
    }
    return CBA_R_OK;
}

static uint32_t forms_of(const struct cba_cert *cert, const struct cba_attribute *attributes,
                         size_t count)
{
    uint32_t forms = 0;

    for (size_t i = 0; i < count; i++) {
        if (!cba_span_equal_nocase(cba_span_str(attributes[i].name),
                                   cba_span_str("altSecurityIdentities"))) {
            continue;
        }
        for (size_t j = 0; j < attributes[i].count; j++) {
            forms |= cba_altsec_match(cert, attributes[i].values[j]);
        }
    }
    return forms;
}

enum cba_reason cba_mapping_add(const struct cba_cert *cert, struct cba_span dn,
                                const struct cba_attribute *attributes, size_t count,
                                struct cba_answer *answer, struct cba_result *result)
{
    enum cba_reason reason;

    if (answer->count == sizeof(answer->account) / sizeof(answer->account[0])) {
        answer->more = true;
        return CBA_R_OK;
    }
    reason = cba_account_parse(dn, attributes, count, &answer->account[answer->count], result);
    if (reason == CBA_R_OK) {
        answer->altsec[answer->count++] = forms_of(cert, attributes, count);
    }
    return reason;
}

/* The explicit UPN, or the implicit one. */
static bool is_upn_of(const char *upn, const struct cba_account *account)
{
    struct cba_span name;

    return upn[0] != '\0' &&
           (cba_span_equal_nocase(cba_span_str(upn), cba_span_str(account->upn)) ||
            (implicit_name(upn, account->domain, &name) &&
             cba_span_equal_nocase(name, cba_span_str(account->sam))));
}

/* The identities by which the certificate really names this account, byte for byte but for ASCII
 * case: the directory folds accents and widths, we may not. */
static uint32_t identities_naming(const struct cba_cert *cert, const struct cba_account *account,
                                  uint32_t altsec)
{
    uint32_t set = altsec & CBA_ALTSEC_ALL;

    if (cba_sid_equal(&cert->sid, &account->sid)) {
        set |= NAMED_BY_SID;
    }
    if (cba_sid_equal(&cert->sid_url, &account->sid)) {
        set |= NAMED_BY_SIDURL;
    }
    if (is_upn_of(cert->upn, account)) {
        set |= NAMED_BY_UPN;
    }
    for (size_t i = 0; i < cert->subject_upn_count; i++) {
        if (is_upn_of(cert->subject_upn[i], account)) {
            set |= NAMED_BY_SUBJECT_FIRST << i;
        }
    }
    return set;
}

/* Two accounts are always a refusal; which one? An explicit UPN and the implicit one of another
 * account are the same identity: it is ambiguous. */
static enum cba_reason refuse_two(uint32_t first, uint32_t second, enum cba_method *method,
                                  uint32_t *forms)
{
    if (first == 0 || second == 0) {
        return CBA_R_MAP_INEXACT;
    }
    if ((first & second) == 0) {
        return CBA_R_MAP_CONTRADICTION;
    }
    tell(best_grant(first & second, ALL_METHODS), first & second, method, forms);
    return CBA_R_MAP_AMBIGUOUS;
}

/* The method of a SID in the certificate that is not the account's, or NONE. */
static enum cba_method foreign_sid(const struct cba_cert *cert, uint32_t naming)
{
    if (cert->sid.len > 0 && (naming & NAMED_BY_SID) == 0) {
        return CBA_METHOD_SID;
    }
    if (cert->sid_url.len > 0 && (naming & NAMED_BY_SIDURL) == 0) {
        return CBA_METHOD_SIDURL;
    }
    return CBA_METHOD_NONE;
}

/* Which identity grants, or NULL. */
static const struct grant *find_grant(const struct cba_cert *cert, uint32_t naming,
                                      unsigned allowed)
{
    /* Whoever may choose a SAN may write a SID URL: without SIDURL it is not what grants. */
    if (cert->sid.len == 0 && (allowed & CBA_METHOD_SIDURL) == 0) {
        naming &= ~CBA_ALTSEC_ISSUER_SID;
    }
    return best_grant(naming, allowed);
}

enum cba_reason cba_mapping_resolve(const struct cba_cert *cert, const struct cba_answer *answer,
                                    unsigned allowed, bool strong,
                                    const struct cba_account **account, enum cba_method *method,
                                    uint32_t *forms)
{
    const struct grant *grant;
    uint32_t naming;

    *account = NULL;
    *method = CBA_METHOD_NONE;
    *forms = 0;
    if (answer->more || answer->count > 2) {
        return CBA_R_MAP_AMBIGUOUS;
    }
    if (answer->count == 0) {
        return has_identity(cert) ? CBA_R_MAP_NOT_FOUND : CBA_R_MAP_NO_IDENTITY;
    }
    naming = identities_naming(cert, &answer->account[0], answer->altsec[0]);
    if (answer->count == 2) {
        return refuse_two(naming, identities_naming(cert, &answer->account[1], answer->altsec[1]),
                          method, forms);
    }

    /* One account: is it the one that the certificate names, in everything that it says? */
    *account = &answer->account[0];
    if (naming == 0) {
        return CBA_R_MAP_INEXACT;
    }
    *method = foreign_sid(cert, naming);
    if (*method != CBA_METHOD_NONE) {
        return CBA_R_MAP_SID;
    }

    /* Does one of those identities grant? */
    grant = find_grant(cert, naming, allowed);
    if (grant == NULL) {
        tell(best_grant(naming, ALL_METHODS), naming, method, forms);
        return CBA_R_MAP_NOT_LISTED;
    }
    tell(grant, naming, method, forms);
    if (!grant->strong) {
        if (strong) {
            return CBA_R_MAP_WEAK;
        }
        if (cert->not_before < (*account)->created) {
            return CBA_R_MAP_OLDER;
        }
    }
    return CBA_R_OK;
}
