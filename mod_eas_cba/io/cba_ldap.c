/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_ldap.h"

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cba_conn.h"

#define ATTRIBUTES_MAX 16 /* of an entry: more than we ask for */

struct cba_ldap {
    struct cba_conn conn;
    char base[CBA_DN_MAX + 1];
    char domain[CBA_DOMAIN_MAX + 1];
};

/* --- search --- */

/* LDAP_SERVER_EXTENDED_DN_OID, ExtendedDNRequestValue with Flag 1: SIDs as text (MS-ADTS
 * 3.1.1.3.4.1.5). Not critical: what a server that does not know it leaves open, the evidence ticket
 * tells (cba_account.protected_user). */
static char extended_dn_oid[] = "1.2.840.113556.1.4.529";
static char extended_dn_value[] = {0x30, 0x03, 0x02, 0x01, 0x01};
static LDAPControl extended_dn = {
    extended_dn_oid, {sizeof extended_dn_value, extended_dn_value}, 0};
/* Not constant, for libldap's prototypes are not; nobody writes to them. */
static LDAPControl *extended_dns[] = {&extended_dn, NULL};

/* Called for each entry, with what the server said about it; borrowed. Anything but CBA_R_OK ends
 * the search. */
typedef enum cba_reason on_entry(void *ctx, struct cba_span dn,
                                 const struct cba_attribute *attributes, size_t count,
                                 struct cba_result *result);

struct values {
    struct berval **raw;
    struct cba_span *spans;
};

static bool get_values(LDAP *ld, LDAPMessage *message, const char *name, struct values *values,
                       struct cba_attribute *attribute)
{
    size_t count;

    values->raw = ldap_get_values_len(ld, message, name);
    count = (size_t)ldap_count_values_len(values->raw);
    values->spans = calloc(count + 1, sizeof *values->spans);
    if (!values->spans) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        values->spans[i] = cba_span_of(values->raw[i]->bv_val, values->raw[i]->bv_len);
    }
    *attribute = (struct cba_attribute){name, values->spans, count};
    return true;
}

static enum cba_reason read_entry(struct cba_ldap *ldap, LDAPMessage *message, on_entry *entry,
                                  void *ctx, struct cba_result *result)
{
    struct cba_attribute attributes[ATTRIBUTES_MAX];
    struct values values[ATTRIBUTES_MAX] = {{NULL, NULL}};
    char *names[ATTRIBUTES_MAX] = {NULL};
    enum cba_reason reason = CBA_R_OK;
    BerElement *ber = NULL;
    struct berval dn;
    size_t count = 0;
    char *name;

    if (ldap_get_dn_ber(ldap->conn.ld, message, NULL, &dn) != LDAP_SUCCESS) {
        cba_result_set(result, "%s: an entry without a name", ldap->conn.host);
        return CBA_R_DIR_ANSWER;
    }
    for (name = ldap_first_attribute(ldap->conn.ld, message, &ber); name;
         name = ldap_next_attribute(ldap->conn.ld, message, ber)) {
        if (count == ATTRIBUTES_MAX) {
            cba_result_set(result, "%s: more attributes than were asked for", ldap->conn.host);
            ldap_memfree(name);
            reason = CBA_R_DIR_ANSWER;
            break;
        }
        names[count] = name;
        if (!get_values(ldap->conn.ld, message, name, &values[count], &attributes[count])) {
            reason = CBA_R_LIFE_MEMORY;
            count++;
            break;
        }
        count++;
    }
    if (reason == CBA_R_OK) {
        reason = entry(ctx, cba_span_of(dn.bv_val, dn.bv_len), attributes, count, result);
    }
    for (size_t i = 0; i < count; i++) {
        ldap_value_free_len(values[i].raw);
        free(values[i].spans);
        ldap_memfree(names[i]);
    }
    ber_free(ber, 0);
    return reason;
}

/* One search; *code is the LDAP result code. References to other servers are not followed and not
 * counted. */
static enum cba_reason search(struct cba_ldap *ldap, const char *base, int scope,
                              const char *filter, const char *const *wanted, LDAPControl **controls,
                              int limit, on_entry *entry, void *ctx, int *code,
                              struct cba_result *result)
{
    /* libldap's prototype is not const; it only reads. */
    char **attributes = (char **)(uintptr_t)wanted;
    int left = cba_deadline_left_ms(ldap->conn.wire.deadline);
    /* The server counts in seconds, and Samba counts the one that is under way. */
    struct timeval timeout = {left / 1000 + 2, 0};
    enum cba_reason reason = CBA_R_OK, heard;
    LDAPMessage *message = NULL;
    int msgid, type = 0;
    int rc = !cba_conn_up(&ldap->conn)
                 ? LDAP_SERVER_DOWN
                 : ldap_search_ext(ldap->conn.ld, base, scope, filter, attributes, 0, controls,
                                   NULL, &timeout, limit, &msgid);

    if (rc == LDAP_FILTER_ERROR) {
        cba_result_set(result, "%s: the filter is not understood by libldap", ldap->conn.host);
        return CBA_R_DIR_SEARCH;
    }
    if (rc != LDAP_SUCCESS) {
        return cba_conn_unsent(&ldap->conn, "search", rc, result);
    }
    while (type != LDAP_RES_SEARCH_RESULT) {
        heard = cba_conn_receive(&ldap->conn, msgid, "search", &message, result);
        if (heard != CBA_R_OK) {
            return heard;
        }
        type = ldap_msgtype(message);
        if (type == LDAP_RES_SEARCH_ENTRY && reason == CBA_R_OK) {
            reason = read_entry(ldap, message, entry, ctx, result);
        } else if (type == LDAP_RES_SEARCH_RESULT) {
            *code = cba_conn_code(&ldap->conn, message);
        }
        ldap_msgfree(message);
    }
    return reason;
}

/* The code of a search that was not what it should be. */
static enum cba_reason refused(struct cba_ldap *ldap, const char *what, int code,
                               struct cba_result *result)
{
    switch (code) {
    case LDAP_BUSY:
    case LDAP_UNAVAILABLE:
    case LDAP_TIMELIMIT_EXCEEDED:
        ldap->conn.usable = false; /* this server; another may do better */
        break;
    case LDAP_DECODING_ERROR:
        ldap->conn.usable = false;
        return cba_conn_say(&ldap->conn, CBA_R_DIR_ANSWER, what, code, result);
    default:
        break;
    }
    return cba_conn_say(&ldap->conn, CBA_R_DIR_SEARCH, what, code, result);
}

/* A naming context that the rootDSE names. */
struct context {
    const char *attribute;
    char *dn; /* CBA_DN_MAX + 1 bytes; "": not found */
};

static enum cba_reason keep_context(void *ctx, struct cba_span dn,
                                    const struct cba_attribute *attributes, size_t count,
                                    struct cba_result *result)
{
    struct context *context = ctx;

    (void)dn;
    (void)result;
    for (size_t i = 0; i < count; i++) {
        const struct cba_span *value = attributes[i].values;

        if (cba_span_equal_nocase(cba_span_str(attributes[i].name),
                                  cba_span_str(context->attribute)) &&
            attributes[i].count == 1 && value->len <= CBA_DN_MAX && cba_span_is_text(*value)) {
            memcpy(context->dn, value->ptr, value->len);
            context->dn[value->len] = '\0';
        }
    }
    return CBA_R_OK;
}

/* Naming contexts are attributes of the rootDSE (MS-ADTS 3.1.1.3.2). */
static enum cba_reason learn_context(struct cba_ldap *ldap, const char *attribute,
                                     char dn[CBA_DN_MAX + 1], struct cba_result *result)
{
    const char *const wanted[] = {attribute, NULL};
    struct context context = {attribute, dn};
    int code = LDAP_OTHER;
    enum cba_reason reason;

    dn[0] = '\0';
    reason = search(ldap, "", LDAP_SCOPE_BASE, "(objectClass=*)", wanted, NULL, 1, keep_context,
                    &context, &code, result);
    if (reason != CBA_R_OK) {
        return reason;
    }
    if (code != LDAP_SUCCESS) {
        return refused(ldap, "rootDSE", code, result);
    }
    if (!dn[0]) {
        cba_result_set(result, "%s: its rootDSE names no %s; is it a domain controller?",
                       ldap->conn.host, attribute);
        return CBA_R_DIR_ANSWER;
    }
    return CBA_R_OK;
}

/* The domain's own naming context, unless the administrator named a base. */
static enum cba_reason learn_base(struct cba_ldap *ldap, const char *base,
                                  struct cba_result *result)
{
    size_t len = base ? strlen(base) : 0;
    enum cba_reason reason;

    if (len > CBA_DN_MAX) {
        cba_result_set(result, "the search base is too long");
        return CBA_R_DIR_SEARCH;
    }
    if (base) {
        memcpy(ldap->base, base, len + 1);
    } else {
        reason = learn_context(ldap, "defaultNamingContext", ldap->base, result);
        if (reason != CBA_R_OK) {
            return reason;
        }
    }
    if (!cba_account_domain(cba_span_str(ldap->base), ldap->domain)) {
        ldap->domain[0] = '\0'; /* then there are no implicit UPNs */
    }
    return CBA_R_OK;
}

struct finding {
    const struct cba_cert *cert;
    struct cba_answer *answer;
};

static enum cba_reason collect(void *ctx, struct cba_span dn,
                               const struct cba_attribute *attributes, size_t count,
                               struct cba_result *result)
{
    const struct finding *finding = ctx;

    return cba_mapping_add(finding->cert, dn, attributes, count, finding->answer, result);
}

enum cba_reason cba_ldap_find(struct cba_ldap *ldap, const struct cba_cert *cert,
                              struct cba_deadline deadline, struct cba_answer *answer,
                              struct cba_result *result)
{
    struct finding finding = {cert, answer};
    char filter[CBA_FILTER_MAX + 1];
    int code = LDAP_OTHER;
    enum cba_reason reason;

    memset(answer, 0, sizeof *answer);
    ldap->conn.wire.deadline = deadline;
    reason = cba_mapping_filter(cert, ldap->domain, filter);
    if (reason == CBA_R_OK) {
        reason = search(ldap, ldap->base, LDAP_SCOPE_SUBTREE, filter, cba_account_attributes,
                        extended_dns, sizeof answer->account / sizeof answer->account[0], collect,
                        &finding, &code, result);
    }
    if (reason == CBA_R_OK && code == LDAP_SIZELIMIT_EXCEEDED) {
        answer->more = true;
    } else if (reason == CBA_R_OK && code != LDAP_SUCCESS) {
        reason = refused(ldap, "search", code, result);
    }
    if (reason != CBA_R_OK) {
        memset(answer, 0, sizeof *answer);
    }
    return reason;
}

/* --- NTAuth --- */

#define NTAUTH     "CN=NTAuthCertificates,CN=Public Key Services,CN=Services,"
#define NTAUTH_DER "cACertificate"

/* With the option that RFC 4522 section 3 knows, or with none. A server that had to cut the list
 * says so by another one (MS-ADTS 3.1.1.3.1.3.3: "range="), and a part is not taken for the whole. */
static bool are_authorities(const struct cba_attribute *attribute)
{
    struct cba_span name = cba_span_str(attribute->name);

    return (cba_span_equal_nocase(name, cba_span_str(NTAUTH_DER)) ||
            cba_span_equal_nocase(name, cba_span_str(NTAUTH_DER ";binary"))) &&
           attribute->count <= CBA_NTAUTH_MAX;
}

static enum cba_reason keep_authorities(void *ctx, struct cba_span dn,
                                        const struct cba_attribute *attributes, size_t count,
                                        struct cba_result *result)
{
    struct cba_ntauth_set **set = ctx;

    (void)dn;
    for (size_t i = 0; i < count; i++) {
        if (*set || !are_authorities(&attributes[i])) {
            cba_result_set(result, "NTAuthCertificates: %s with %zu values is not understood",
                           attributes[i].name, attributes[i].count);
            return CBA_R_DIR_ANSWER;
        }
        *set = cba_ntauth_set_create(attributes[i].values, attributes[i].count);
        if (!*set) {
            return CBA_R_LIFE_MEMORY;
        }
    }
    return CBA_R_OK;
}

enum cba_reason cba_ldap_ntauth(struct cba_ldap *ldap, struct cba_deadline deadline,
                                struct cba_ntauth_set **out, struct cba_result *result)
{
    static const char *const wanted[] = {NTAUTH_DER, NULL};
    char base[sizeof NTAUTH + CBA_DN_MAX] = NTAUTH;
    struct cba_ntauth_set *set = NULL;
    int code = LDAP_OTHER;
    enum cba_reason reason;

    ldap->conn.wire.deadline = deadline;
    reason = learn_context(ldap, "configurationNamingContext", base + sizeof NTAUTH - 1, result);
    if (reason == CBA_R_OK) {
        reason = search(ldap, base, LDAP_SCOPE_BASE, "(objectClass=*)", wanted, NULL, 1,
                        keep_authorities, &set, &code, result);
    }
    if (reason == CBA_R_OK && code != LDAP_SUCCESS && code != LDAP_NO_SUCH_OBJECT) {
        reason = refused(ldap, "NTAuthCertificates", code, result);
    }
    if (reason == CBA_R_OK && !set) {
        set = cba_ntauth_set_create(NULL, 0);
        reason = set ? CBA_R_OK : CBA_R_LIFE_MEMORY;
    }
    if (reason != CBA_R_OK) {
        cba_ntauth_set_unref(set);
        return reason;
    }
    *out = set;
    return CBA_R_OK;
}

/* --- groups --- */

/* A security group: what is none never comes in tokenGroups, so that nobody would be in it. The
 * filter is applied to the one object that is named (MS-ADTS 2.2.12: GROUP_TYPE_SECURITY_ENABLED;
 * 3.1.1.3.4.4.1: LDAP_MATCHING_RULE_BIT_AND). */
#define GROUP_FILTER "(&(objectClass=group)(groupType:1.2.840.113556.1.4.803:=2147483648))"

static enum cba_reason keep_sid(void *ctx, struct cba_span dn,
                                const struct cba_attribute *attributes, size_t count,
                                struct cba_result *result)
{
    struct cba_sid *sid = ctx;

    (void)dn;
    if (count != 1 || attributes[0].count != 1 ||
        !cba_span_equal_nocase(cba_span_str(attributes[0].name), cba_span_str("objectSid")) ||
        !cba_sid_parse_binary(attributes[0].values[0], sid)) {
        cba_result_set(result, "the group's objectSid is missing or not understood");
        return CBA_R_DIR_ANSWER;
    }
    return CBA_R_OK;
}

/* What the code of that search says of the name. */
static enum cba_reason judge_name(struct cba_ldap *ldap, const char *dn, int code,
                                  struct cba_result *result)
{
    char domain[CBA_DOMAIN_MAX + 1];

    switch (code) {
    case LDAP_SUCCESS:
        cba_result_set(result, "no security group: %s", dn);
        return CBA_R_DIR_GROUP;
    case LDAP_NO_SUCH_OBJECT:
        /* What a server that holds one domain says of another is a referral from some, and this from
         * others. */
        if (ldap->domain[0] &&
            (!cba_account_domain(cba_span_str(dn), domain) || strcmp(domain, ldap->domain) != 0)) {
            cba_result_set(result, "%s holds %s: %s", ldap->conn.host, ldap->domain, dn);
            return CBA_R_DIR_GROUP_ELSEWHERE;
        }
        cba_result_set(result, "does not exist, or is hidden from the gateway: %s", dn);
        return CBA_R_DIR_GROUP;
    case LDAP_INVALID_DN_SYNTAX:
    case LDAP_NAMING_VIOLATION:
        cba_result_set(result, "no distinguishedName: %s", dn);
        return CBA_R_DIR_GROUP;
    case LDAP_REFERRAL:
        cba_result_set(result, "%s refers to another server for %s", ldap->conn.host, dn);
        return CBA_R_DIR_GROUP_ELSEWHERE;
    default:
        return refused(ldap, "group", code, result);
    }
}

enum cba_reason cba_ldap_group(struct cba_ldap *ldap, const char *dn, struct cba_deadline deadline,
                               struct cba_sid *out, struct cba_result *result)
{
    static const char *const wanted[] = {"objectSid", NULL};
    struct cba_sid sid = {0};
    int code = LDAP_OTHER;
    enum cba_reason reason;

    *out = (struct cba_sid){0};
    ldap->conn.wire.deadline = deadline;
    reason = search(ldap, dn, LDAP_SCOPE_BASE, GROUP_FILTER, wanted, NULL, 1, keep_sid, &sid, &code,
                    result);
    if (reason == CBA_R_OK && (code != LDAP_SUCCESS || sid.len == 0)) {
        reason = judge_name(ldap, dn, code, result);
    }
    if (reason == CBA_R_OK) {
        *out = sid;
    }
    return reason;
}

static enum cba_reason keep_groups(void *ctx, struct cba_span dn,
                                   const struct cba_attribute *attributes, size_t count,
                                   struct cba_result *result)
{
    struct cba_groups **groups = ctx;
    enum cba_reason reason;
    size_t size;

    (void)dn;
    if (*groups) {
        cba_result_set(result, "two answers about one account");
        return CBA_R_DIR_ANSWER;
    }
    reason = cba_groups_measure(attributes, count, &size, result);
    if (reason != CBA_R_OK) {
        return reason;
    }
    *groups = malloc(size);
    if (!*groups) {
        return CBA_R_LIFE_MEMORY;
    }
    cba_groups_pack(attributes, count, *groups);
    return CBA_R_OK;
}

/* The account is named by its SID (MS-ADTS 3.1.1.3.1.2.4), which no renaming changes. */
enum cba_reason cba_ldap_groups(struct cba_ldap *ldap, const struct cba_sid *account,
                                struct cba_deadline deadline, struct cba_groups **out,
                                struct cba_result *result)
{
    char base[sizeof "<SID=>" + CBA_SID_TEXT_MAX], text[CBA_SID_TEXT_MAX + 1];
    struct cba_groups *groups = NULL;
    int code = LDAP_OTHER;
    enum cba_reason reason;

    *out = NULL;
    ldap->conn.wire.deadline = deadline;
    cba_sid_format(account, text);
    snprintf(base, sizeof base, "<SID=%s>", text);
    reason = search(ldap, base, LDAP_SCOPE_BASE, "(objectClass=*)", cba_groups_attributes, NULL, 1,
                    keep_groups, &groups, &code, result);
    if (reason == CBA_R_OK && code == LDAP_SUCCESS && !groups) {
        cba_result_set(result, "%s: %s: an answer without the account", ldap->conn.host, base);
        reason = CBA_R_DIR_TOKEN_GROUPS;
    } else if (reason == CBA_R_OK &&
               (code == LDAP_NO_SUCH_OBJECT || code == LDAP_INSUFFICIENT_ACCESS)) {
        reason = cba_conn_say(&ldap->conn, CBA_R_DIR_TOKEN_GROUPS, base, code, result);
    } else if (reason == CBA_R_OK && code != LDAP_SUCCESS) {
        reason = refused(ldap, "tokenGroups", code, result);
    }
    if (reason != CBA_R_OK) {
        free(groups);
        return reason;
    }
    *out = groups;
    return CBA_R_OK;
}

/* --- beginning and end --- */

enum cba_reason cba_ldap_open(struct cba_host *host, bool tls, const struct cba_login *login,
                              const char *base, struct cba_service *service,
                              struct cba_deadline deadline, struct cba_ldap **out,
                              struct cba_result *result)
{
    struct cba_ldap *ldap;
    enum cba_reason reason;
    int fd;

    reason = cba_host_connect(host, deadline, &fd, result);
    if (reason != CBA_R_OK) {
        return reason;
    }
    ldap = calloc(1, sizeof *ldap);
    if (!ldap) {
        close(fd);
        return CBA_R_LIFE_MEMORY;
    }
    reason = cba_conn_begin(&ldap->conn, cba_host_name(host), tls, fd, deadline, result);
    if (reason == CBA_R_OK) {
        reason = cba_login_perform(login, &ldap->conn, service, result);
    }
    if (reason == CBA_R_OK) {
        reason = learn_base(ldap, base, result);
    }
    if (reason != CBA_R_OK) {
        cba_ldap_close(ldap);
        return reason;
    }
    *out = ldap;
    return CBA_R_OK;
}

void cba_ldap_close(struct cba_ldap *ldap)
{
    if (ldap) {
        cba_conn_end(&ldap->conn);
        free(ldap);
    }
}

bool cba_ldap_usable(const struct cba_ldap *ldap)
{
    return ldap->conn.usable;
}

bool cba_ldap_alive(const struct cba_ldap *ldap)
{
    struct pollfd look = {.fd = ldap->conn.wire.fd, .events = POLLIN};

    /* Between requests a server has nothing to say but farewell (RFC 4511 4.4.1). */
    return ldap->conn.wire.fd >= 0 && poll(&look, 1, 0) == 0;
}

unsigned cba_ldap_strength(const struct cba_ldap *ldap)
{
    return ldap->conn.sasl ? cba_sasl_strength(ldap->conn.sasl) : 0;
}
