/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_account.h"

#include "cba_dn.h"
#include "cba_time.h"

enum attribute {
    OBJECT_SID,
    SAM_ACCOUNT_NAME,
    USER_PRINCIPAL_NAME,
    USER_ACCOUNT_CONTROL,
    ACCOUNT_EXPIRES,
    WHEN_CREATED,
    OBJECT_CLASS,
    ALT_SECURITY_IDENTITIES,
    MEMBER_OF, /* after OBJECT_SID, whose domain it is about */
    PRIMARY_GROUP_ID,
    ATTRIBUTE_COUNT
};

const char *const cba_account_attributes[] = {
    [OBJECT_SID] = "objectSid",
    [SAM_ACCOUNT_NAME] = "sAMAccountName",
    [USER_PRINCIPAL_NAME] = "userPrincipalName",
    [USER_ACCOUNT_CONTROL] = "userAccountControl",
    [ACCOUNT_EXPIRES] = "accountExpires",
    [WHEN_CREATED] = "whenCreated",
    [OBJECT_CLASS] = "objectClass",
    [ALT_SECURITY_IDENTITIES] = "altSecurityIdentities",
    [MEMBER_OF] = "memberOf",
    [PRIMARY_GROUP_ID] = "primaryGroupID",
    [ATTRIBUTE_COUNT] = NULL,
};

/* A number in an LDAP attribute (RFC 4517 3.3.16: no sign but '-', no leading zeros). */
static bool parse_integer(struct cba_span text, int64_t least, int64_t most, int64_t *out)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    size_t first = negative ? 1 : 0;
    uint64_t value = 0;

    if (text.len == first || (text.ptr[first] == '0' && text.len > 1)) {
        return false;
    }
    for (size_t i = first; i < text.len; i++) {
        unsigned digit = (unsigned)text.ptr[i] - '0';

        if (digit > 9 || value > ((uint64_t)INT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = negative ? -(int64_t)value : (int64_t)value;
    return *out >= least && *out <= most;
}

/* Text of 1 to max bytes. */
static bool parse_text(struct cba_span text, char *out, size_t max)
{
    if (text.len == 0 || text.len > max || !cba_span_is_text(text)) {
        return false;
    }
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return true;
}

/* Bits in LDAP's signed 32-bit form: 0x80000000 comes as -2147483648 (MS-ADTS 2.2.16). */
static bool parse_control(struct cba_span text, uint32_t *out)
{
    int64_t value;

    if (!parse_integer(text, INT32_MIN, INT32_MAX, &value)) {
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

/* MS-ADA1 2.2: 0 and 0x7FFFFFFFFFFFFFFF mean never. */
static bool parse_expires(struct cba_span text, int64_t *out)
{
    int64_t ticks;

    if (!parse_integer(text, 0, INT64_MAX, &ticks)) {
        return false;
    }
    *out = ticks == 0 || ticks == INT64_MAX ? INT64_MAX : cba_time_of_filetime(ticks);
    return true;
}

/* AD writes a GeneralizedTime (RFC 4517 3.3.13) in one form only: whole seconds, ".0Z". */
static bool parse_created(struct cba_span text, int64_t *out)
{
    return text.len == 17 && memcmp(text.ptr + 14, ".0Z", 3) == 0 &&
           cba_time_parse(cba_span_of(text.ptr, 14), out);
}

static bool parse_classes(const struct cba_attribute *attribute, bool *computer)
{
    for (size_t i = 0; i < attribute->count; i++) {
        if (attribute->values[i].len == 0 || !cba_span_is_text(attribute->values[i])) {
            return false;
        }
        if (cba_span_equal_nocase(attribute->values[i], cba_span_str("computer"))) {
            *computer = true;
        }
    }
    return true;
}

/* Groups that the account is a direct member of, but for its primary one. A plain DN names no SID,
 * and a localised name is nothing to go by: cba_account.protected_user. */
static bool parse_groups(const struct cba_attribute *attribute, struct cba_account *out)
{
    struct cba_sid protected_users;
    struct cba_dn group;

    (void)cba_sid_in_domain_of(&out->sid, CBA_RID_PROTECTED_USERS, &protected_users);
    for (size_t i = 0; i < attribute->count; i++) {
        if (!cba_dn_parse(attribute->values[i], &group)) {
            return false;
        }
        if (cba_sid_equal(&group.sid, &protected_users)) {
            out->protected_user = true;
        }
    }
    return true;
}

/* The RID of a group in the account's own domain (MS-ADA3). */
static bool parse_primary_group(struct cba_span text, struct cba_account *out)
{
    int64_t rid;

    if (!parse_integer(text, INT32_MIN, INT32_MAX, &rid)) {
        return false;
    }
    if (rid == CBA_RID_PROTECTED_USERS) {
        out->protected_user = true;
    }
    return true;
}

static bool has_many_values(enum attribute which)
{
    return which == OBJECT_CLASS || which == ALT_SECURITY_IDENTITIES || which == MEMBER_OF;
}

static bool may_be_missing(enum attribute which)
{
    return which == USER_PRINCIPAL_NAME || which == ALT_SECURITY_IDENTITIES || which == MEMBER_OF ||
           which == PRIMARY_GROUP_ID;
}

static bool parse_attribute(enum attribute which, const struct cba_attribute *attribute,
                            struct cba_account *out)
{
    struct cba_span value = attribute->values[0];

    if (attribute->count > 1 && !has_many_values(which)) {
        return false;
    }
    switch (which) {
    case OBJECT_SID:
        return cba_sid_parse_binary(value, &out->sid);
    case SAM_ACCOUNT_NAME:
        return parse_text(value, out->sam, CBA_SAM_MAX);
    case USER_PRINCIPAL_NAME:
        return parse_text(value, out->upn, CBA_UPN_MAX);
    case USER_ACCOUNT_CONTROL:
        return parse_control(value, &out->control);
    case ACCOUNT_EXPIRES:
        return parse_expires(value, &out->expires);
    case WHEN_CREATED:
        return parse_created(value, &out->created);
    case OBJECT_CLASS:
        return parse_classes(attribute, &out->computer);
    case ALT_SECURITY_IDENTITIES: /* what they say depends on the certificate: cba_mapping_add */
        return true;
    case MEMBER_OF:
        return parse_groups(attribute, out);
    case PRIMARY_GROUP_ID:
        return parse_primary_group(value, out);
    case ATTRIBUTE_COUNT:
        break;
    }
    return false;
}

/* The attribute and whose it is. A DN begins with what tells it apart: the end may be cut. */
static enum cba_reason refuse(enum cba_reason reason, const char *name, struct cba_span dn,
                              struct cba_account *out, struct cba_result *result)
{
    *out = (struct cba_account){0};
    if (result != NULL) {
        cba_result_set(result, "%s of %.*s", name,
                       dn.len < CBA_DETAIL_MAX ? (int)dn.len : CBA_DETAIL_MAX,
                       dn.len > 0 ? (const char *)dn.ptr : "");
    }
    return reason;
}

/* Of memberOf a part counts as well. */
static bool is_named(const struct cba_attribute *attribute, enum attribute which)
{
    struct cba_span name = cba_span_str(attribute->name);
    struct cba_span range = cba_span_str("memberOf;range=");

    return cba_span_equal_nocase(name, cba_span_str(cba_account_attributes[which])) ||
           (which == MEMBER_OF && name.len > range.len &&
            cba_span_equal_nocase(cba_span_of(name.ptr, range.len), range));
}

enum cba_reason cba_account_parse(struct cba_span dn, const struct cba_attribute *attributes,
                                  size_t count, struct cba_account *out, struct cba_result *result)
{
    struct cba_dn own;

    *out = (struct cba_account){0};
    if (!cba_dn_parse(dn, &own) || !cba_account_domain(own.text, out->domain)) {
        return refuse(CBA_R_ACC_MALFORMED, "distinguishedName", dn, out, result);
    }
    for (enum attribute which = 0; which < ATTRIBUTE_COUNT; which++) {
        const char *name = cba_account_attributes[which];
        const struct cba_attribute *found = NULL;

        for (size_t i = 0; i < count; i++) {
            /* Beside a part of the values comes the attribute without any. */
            if (attributes[i].count == 0 || !is_named(&attributes[i], which)) {
                continue;
            }
            if (found != NULL) {
                return refuse(CBA_R_ACC_MALFORMED, name, own.text, out, result);
            }
            found = &attributes[i];
        }
        if (found == NULL) {
            if (!may_be_missing(which)) {
                return refuse(CBA_R_ACC_INCOMPLETE, name, own.text, out, result);
            }
        } else if (!parse_attribute(which, found, out)) {
            return refuse(CBA_R_ACC_MALFORMED, name, own.text, out, result);
        }
    }
    return CBA_R_OK;
}

/* Length of the first RDN of a DN (RFC 4514 2, 3), up to its separator or the end. 0: malformed. */
static size_t rdn_length(struct cba_span dn)
{
    bool equals = false;
    size_t i;

    for (i = 0; i < dn.len && dn.ptr[i] != ','; i++) {
        switch (dn.ptr[i]) {
        case '=':
            equals = equals || i > 0;
            break;
        case '\\': /* the next byte stands for itself; so does the second of two hex digits */
            if (++i == dn.len) {
                return 0;
            }
            break;
        case '"':
        case ';':
        case '<':
        case '>':
            return 0;
        default:
            break;
        }
    }
    return equals ? i : 0;
}

/* The RDN is a DC: *label is its value. Case of the type does not matter. */
static bool is_domain_component(struct cba_span rdn, struct cba_span *label)
{
    if (rdn.len < 3 || !cba_span_equal_nocase(cba_span_of(rdn.ptr, 3), cba_span_str("dc="))) {
        return false;
    }
    *label = cba_span_of(rdn.ptr + 3, rdn.len - 3);
    return true;
}

/* A label of a DNS name (RFC 1035 2.3.1), with AD's '_'. What a DN has to escape is none. */
static bool is_label(struct cba_span label)
{
    for (size_t i = 0; i < label.len; i++) {
        unsigned char c = cba_ascii_lower(label.ptr[i]);

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) {
            return false;
        }
    }
    return label.len > 0 && label.len <= 63;
}

/* Appends ".label", or "label" to an empty name. */
static bool append_label(char domain[CBA_DOMAIN_MAX + 1], size_t *at, struct cba_span label)
{
    size_t dot = *at > 0 ? 1 : 0;

    if (!is_label(label) || label.len + dot > CBA_DOMAIN_MAX - *at) {
        return false;
    }
    if (dot > 0) {
        domain[(*at)++] = '.';
    }
    for (size_t i = 0; i < label.len; i++) {
        domain[(*at)++] = (char)cba_ascii_lower(label.ptr[i]);
    }
    domain[*at] = '\0';
    return true;
}

bool cba_account_domain(struct cba_span dn, char domain[CBA_DOMAIN_MAX + 1])
{
    struct cba_span label;
    size_t at = 0, len;
    bool good = true;

    domain[0] = '\0';
    if (dn.len > CBA_DN_MAX || !cba_span_is_text(dn)) {
        return false;
    }
    for (;;) {
        len = rdn_length(dn);
        if (len == 0) {
            break;
        }
        if (!is_domain_component(cba_span_of(dn.ptr, len), &label)) {
            at = 0; /* what was before it does not trail */
            good = true;
        } else {
            good = good && append_label(domain, &at, label);
        }
        if (len == dn.len) {
            if (at > 0 && good) {
                return true;
            }
            break;
        }
        dn = cba_span_of(dn.ptr + len + 1, dn.len - len - 1);
    }
    domain[0] = '\0';
    return false;
}

enum cba_reason cba_account_policy(const struct cba_account *account, int64_t now)
{
    const uint32_t machine =
        CBA_UAC_INTERDOMAIN_TRUST | CBA_UAC_WORKSTATION_TRUST | CBA_UAC_SERVER_TRUST;

    /* A read-only domain controller is a computer as well: its own number says more. */
    if ((account->control & CBA_UAC_PARTIAL_SECRETS) != 0) {
        return CBA_R_ACC_PARTIAL_SECRETS;
    }
    if (account->computer || (account->control & machine) != 0) {
        return CBA_R_ACC_COMPUTER;
    }
    if ((account->control & CBA_UAC_NORMAL_ACCOUNT) == 0) {
        return CBA_R_ACC_NOT_USER;
    }
    if ((account->control & CBA_UAC_ACCOUNTDISABLE) != 0) {
        return CBA_R_ACC_DISABLED;
    }
    if (account->expires <= now) {
        return CBA_R_ACC_EXPIRED;
    }
    if ((account->control & CBA_UAC_NOT_DELEGATED) != 0) {
        return CBA_R_ACC_SENSITIVE;
    }
    return account->protected_user ? CBA_R_ACC_PROTECTED : CBA_R_OK;
}
