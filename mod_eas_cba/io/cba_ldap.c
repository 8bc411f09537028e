/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_ldap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_errno.h>
#include <openldap.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include "cba_wire.h"

#define URL_MAX        (sizeof "ldaps://[]/" + 255)
#define PASSWORD_MAX   1024
#define ATTRIBUTES_MAX 16 /* of an entry: more than we ask for */

struct cba_ldap {
    LDAP *ld;
    struct cba_wire wire;
    struct cba_sasl *sasl;
    const char *host;
    bool usable;
    char base[CBA_DN_MAX + 1];
    char domain[CBA_DOMAIN_MAX + 1];
};

/* --- errors --- */

/* The connection is gone; libldap knows no more than that. */
static enum cba_reason lost(struct cba_ldap *ldap, const char *what, struct cba_result *result)
{
    char text[128];

    if (ldap->wire.error && ldap->wire.error != EBADMSG) {
        cba_result_set(result, "%s: %s: %s", ldap->host, what,
                       apr_strerror(ldap->wire.error, text, sizeof text));
        return CBA_R_DIR_UNREACHABLE;
    }
    if (ldap->wire.ended) {
        cba_result_set(result, "%s: %s: the server ended the connection", ldap->host, what);
        return CBA_R_DIR_UNREACHABLE;
    }
    cba_result_set(result, "%s: %s: %s", ldap->host, what,
                   ldap->wire.error ? "a message that the server did not seal" : "not LDAP");
    return CBA_R_DIR_ANSWER;
}

/* libldap with GnuTLS says this of a certificate that is not good, whatever its fault. */
static const char *explain(const char *text)
{
    return strcmp(text, "(unknown error code)") == 0
               ? "the certificate is not trusted, not valid now, or for another name"
               : text;
}

/* What libldap's code rc means; reason: where it means no more than that it failed. */
static enum cba_reason say(struct cba_ldap *ldap, enum cba_reason reason, const char *what, int rc,
                           struct cba_result *result)
{
    char *text = NULL;

    /* The time tells, whatever libldap made of a read that ended by its deadline. */
    if (ldap->wire.late) {
        cba_result_set(result, "%s: %s: no answer in time", ldap->host, what);
        return CBA_R_DIR_TIMEOUT;
    }
    if (rc == LDAP_SERVER_DOWN) {
        return lost(ldap, what, result);
    }
    (void)ldap_get_option(ldap->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
    cba_result_set(result, "%s: %s: %s%s%s", ldap->host, what, ldap_err2string(rc),
                   text && *text ? ": " : "", text ? explain(text) : "");
    ldap_memfree(text);
    return reason;
}

static int last_error(struct cba_ldap *ldap)
{
    int rc = LDAP_OTHER;

    (void)ldap_get_option(ldap->ld, LDAP_OPT_RESULT_CODE, &rc);
    return rc == LDAP_SUCCESS ? LDAP_OTHER : rc;
}

/* --- one request, one answer --- */

/* A request could not be sent. */
static enum cba_reason unsent(struct cba_ldap *ldap, const char *what, int rc,
                              struct cba_result *result)
{
    ldap->usable = false;
    return rc == LDAP_NO_MEMORY ? CBA_R_LIFE_MEMORY
                                : say(ldap, CBA_R_DIR_UNREACHABLE, what, rc, result);
}

/* The next message that answers msgid; the caller frees it. */
static enum cba_reason receive(struct cba_ldap *ldap, int msgid, const char *what,
                               LDAPMessage **message, struct cba_result *result)
{
    int left = cba_deadline_left_ms(ldap->wire.deadline);
    struct timeval timeout = {left / 1000, (left % 1000) * 1000};
    int rc = left > 0 ? ldap_result(ldap->ld, msgid, LDAP_MSG_ONE, &timeout, message) : 0;

    if (rc > 0) {
        return CBA_R_OK;
    }
    ldap->usable = false;
    if (rc == 0) {
        ldap->wire.late = true;
    }
    return say(ldap, CBA_R_DIR_UNREACHABLE, what, rc == 0 ? LDAP_TIMEOUT : last_error(ldap),
               result);
}

/* The result code of a message that ends an operation. */
static int result_code(struct cba_ldap *ldap, LDAPMessage *message)
{
    int code = LDAP_OTHER;
    int rc = ldap_parse_result(ldap->ld, message, &code, NULL, NULL, NULL, NULL, 0);

    return rc == LDAP_SUCCESS ? code : rc;
}

/* --- TLS --- */

/* The CAs of the system: what ldap.conf names, else those of OpenSSL. */
static int set_system_ca(LDAP *ld)
{
    char *file = NULL, *dir = NULL;
    int rc;

    (void)ldap_get_option(NULL, LDAP_OPT_X_TLS_CACERTFILE, &file);
    (void)ldap_get_option(NULL, LDAP_OPT_X_TLS_CACERTDIR, &dir);
    if (file || dir) {
        rc = file ? ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, file) : LDAP_OPT_SUCCESS;
        if (rc == LDAP_OPT_SUCCESS && dir) {
            rc = ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTDIR, dir);
        }
    } else if (access(X509_get_default_cert_file(), R_OK) == 0) {
        rc = ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, X509_get_default_cert_file());
    } else {
        rc = ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTDIR, X509_get_default_cert_dir());
    }
    ldap_memfree(file);
    ldap_memfree(dir);
    return rc;
}

/* The handle gets a context of its own; without one it would share the process's, with other CAs
 * and other demands. */
static enum cba_reason set_tls(struct cba_ldap *ldap, const char *ca_file,
                               struct cba_result *result)
{
    static const int demand = LDAP_OPT_X_TLS_DEMAND, san_first = LDAP_OPT_X_TLS_TRY,
                     oldest = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2, client = 0;
    LDAP *ld = ldap->ld;

    /* A subject's CN counts only where there is no subjectAltName (RFC 6125 6.4.4). */
    if (ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) != LDAP_OPT_SUCCESS ||
        ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_SAN, &san_first) != LDAP_OPT_SUCCESS ||
        ldap_set_option(ld, LDAP_OPT_X_TLS_PROTOCOL_MIN, &oldest) != LDAP_OPT_SUCCESS ||
        ldap_set_option(ld, LDAP_OPT_X_TLS_PEERKEY_HASH, NULL) != LDAP_OPT_SUCCESS ||
        (ca_file ? ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, ca_file) : set_system_ca(ld)) !=
            LDAP_OPT_SUCCESS ||
        ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &client) != LDAP_OPT_SUCCESS) {
        cba_result_set(result, "%s: TLS cannot be set up with the CAs of %s", ldap->host,
                       ca_file ? ca_file : "the system");
        return CBA_R_DIR_TLS;
    }
    return CBA_R_OK;
}

/* libldap with GnuTLS, as on Debian, ignores the oldest version (but in its cipher list, and leaks
 * that). */
static enum cba_reason check_version(struct cba_ldap *ldap, struct cba_result *result)
{
    char *version = NULL;
    bool good;

    (void)ldap_get_option(ldap->ld, LDAP_OPT_X_TLS_VERSION, &version);
    good = version && (strstr(version, "1.2") || strstr(version, "1.3"));
    if (!good) {
        cba_result_set(result, "%s: TLS: the server speaks %s; 1.2 is the oldest that counts",
                       ldap->host, version ? version : "none");
    }
    ldap_memfree(version);
    return good ? CBA_R_OK : CBA_R_DIR_TLS;
}

static enum cba_reason handshake(struct cba_ldap *ldap, struct cba_result *result)
{
    int rc = ldap_install_tls(ldap->ld);

    return rc == LDAP_SUCCESS ? check_version(ldap, result)
                              : say(ldap, CBA_R_DIR_TLS, "TLS", rc, result);
}

/* RFC 4511 4.14 */
static enum cba_reason start_tls(struct cba_ldap *ldap, struct cba_result *result)
{
    LDAPMessage *message = NULL;
    int msgid, rc = ldap_start_tls(ldap->ld, NULL, NULL, &msgid);
    enum cba_reason reason;

    if (rc != LDAP_SUCCESS) {
        return unsent(ldap, "StartTLS", rc, result);
    }
    reason = receive(ldap, msgid, "StartTLS", &message, result);
    if (reason != CBA_R_OK) {
        return reason;
    }
    rc = result_code(ldap, message);
    ldap_msgfree(message);
    return rc == LDAP_SUCCESS ? handshake(ldap, result)
                              : say(ldap, CBA_R_DIR_TLS, "StartTLS", rc, result);
}

/* Channel binding tls-server-end-point (RFC 5929 4.1): the hash of the server's certificate, by the
 * hash function of its signature, but SHA-256 for MD5 and SHA-1. 0: it has none. */
#define BINDING_PREFIX "tls-server-end-point:"
static size_t bindings(struct cba_ldap *ldap,
                       unsigned char out[sizeof BINDING_PREFIX + EVP_MAX_MD_SIZE])
{
    struct berval der = {0, NULL};
    const unsigned char *in;
    const EVP_MD *md = NULL;
    X509 *cert;
    int nid = NID_undef;
    unsigned len = 0;

    if (ldap_get_option(ldap->ld, LDAP_OPT_X_TLS_PEERCERT, &der) != LDAP_OPT_SUCCESS ||
        !der.bv_val) {
        return 0;
    }
    in = (const unsigned char *)der.bv_val;
    cert = d2i_X509(NULL, &in, (long)der.bv_len);
    if (cert && X509_get_signature_info(cert, &nid, NULL, NULL, NULL)) {
        md = nid == NID_md5 || nid == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(nid);
    }
    memcpy(out, BINDING_PREFIX, sizeof BINDING_PREFIX - 1);
    if (!md ||
        !EVP_Digest(der.bv_val, der.bv_len, out + sizeof BINDING_PREFIX - 1, &len, md, NULL)) {
        len = 0;
    }
    X509_free(cert);
    ldap_memfree(der.bv_val);
    return len ? sizeof BINDING_PREFIX - 1 + len : 0;
}

/* --- bind --- */

/* Sends one bind request. *more: the server wants another one; *creds is what it said, freed by the
 * caller (may be NULL). */
static enum cba_reason bind_once(struct cba_ldap *ldap, const char *dn, const char *mechanism,
                                 struct berval *cred, bool *more, struct berval **creds,
                                 struct cba_result *result)
{
    LDAPMessage *message = NULL;
    int msgid, rc, code;
    enum cba_reason reason;

    rc = ldap_sasl_bind(ldap->ld, dn, mechanism, cred, NULL, NULL, &msgid);
    if (rc != LDAP_SUCCESS) {
        return unsent(ldap, "bind", rc, result);
    }
    reason = receive(ldap, msgid, "bind", &message, result);
    if (reason != CBA_R_OK) {
        return reason;
    }
    code = result_code(ldap, message);
    rc = ldap_parse_sasl_bind_result(ldap->ld, message, creds, 0);
    ldap_msgfree(message);
    if (rc != LDAP_SUCCESS) {
        code = rc;
    }
    *more = code == LDAP_SASL_BIND_IN_PROGRESS;
    return *more || code == LDAP_SUCCESS ? CBA_R_OK
                                         : say(ldap, CBA_R_DIR_BIND, "bind", code, result);
}

/* A SASL exchange (RFC 4511 4.2.1) to its end. */
static enum cba_reason exchange(struct cba_ldap *ldap, struct cba_result *result)
{
    struct berval *creds = NULL;
    bool more = true, last = false;
    enum cba_reason reason = CBA_R_OK;

    while (reason == CBA_R_OK && more) {
        struct cba_span in = creds ? cba_span_of(creds->bv_val, creds->bv_len)
                                   : cba_span_of(NULL, 0),
                        out;
        struct cba_result detail = {""};
        struct berval cred;

        reason = cba_sasl_step(ldap->sasl, in, &out, &last, &detail);
        ber_bvfree(creds);
        creds = NULL;
        if (reason != CBA_R_OK) {
            cba_result_set(result, "%s: bind: %s", ldap->host, detail.detail);
            break;
        }
        /* libldap sends no credentials at all for NULL; an empty message is one, too. */
        cred.bv_val = out.len ? (char *)(uintptr_t)out.ptr : (char *)(uintptr_t) "";
        cred.bv_len = out.len;
        reason = bind_once(ldap, NULL, "GSSAPI", &cred, &more, &creds, result);
    }
    ber_bvfree(creds);
    if (reason == CBA_R_OK && !last) {
        cba_result_set(result, "%s: bind: the server ended the exchange early", ldap->host);
        reason = CBA_R_DIR_BIND;
    }
    return reason;
}

static enum cba_reason bind_gssapi(struct cba_ldap *ldap, bool tls, struct cba_service *service,
                                   struct cba_result *result)
{
    unsigned char binding[sizeof BINDING_PREFIX + EVP_MAX_MD_SIZE];
    size_t binding_len = tls ? bindings(ldap, binding) : 0;
    char ccache[CBA_CCACHE_NAME_MAX + 1];
    char spn[CBA_SPN_MAX + 1], full[CBA_SPN_MAX + CBA_DOMAIN_MAX + 2];
    int len = snprintf(spn, sizeof spn, "ldap/%s", ldap->host);
    enum cba_reason reason;

    if (len < 0 || (size_t)len >= sizeof spn) {
        cba_result_set(result, "%s: the name is too long", ldap->host);
        return CBA_R_DIR_UNREACHABLE;
    }
    len = snprintf(full, sizeof full, "%s@%s", spn, cba_service_realm(service));
    if (len < 0 || (size_t)len >= sizeof full) {
        cba_result_set(result, "%s: the realm's name is too long", ldap->host);
        return CBA_R_DIR_BIND;
    }
    reason = cba_service_ticket(service, spn, ldap->wire.deadline, ccache, result);
    if (reason != CBA_R_OK) {
        return reason;
    }
    /* A domain controller refuses SASL protection inside TLS (MS-ADTS 5.1.2.2), and may demand
     * channel bindings there. */
    reason =
        cba_sasl_create(ccache, full, !tls, cba_span_of(binding, binding_len), &ldap->sasl, result);
    if (reason == CBA_R_OK) {
        reason = exchange(ldap, result);
    }
    cba_service_ticket_discard(ccache);
    if (reason == CBA_R_OK && !tls && !cba_wire_seal(&ldap->wire, ldap->ld, ldap->sasl)) {
        reason = CBA_R_LIFE_MEMORY;
    }
    return reason;
}

/* The first line of the file. An empty password would be an anonymous bind that succeeds (RFC
 * 4513 5.1.2). */
static enum cba_reason read_password(const char *path, char password[PASSWORD_MAX + 1],
                                     struct cba_result *result)
{
    char text[128];
    struct stat st;
    ssize_t n = -1;
    size_t len;
    int error, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) ||
        (S_ISREG(st.st_mode) && (n = read(fd, password, PASSWORD_MAX + 1)) < 0)) {
        error = errno;
        cba_result_set(result, "%s: %s", path, apr_strerror(error, text, sizeof text));
    } else if (n < 0) {
        cba_result_set(result, "%s: not a regular file", path);
    }
    if (fd >= 0) {
        close(fd);
    }
    if (n < 0) {
        return CBA_R_DIR_PASSWORD;
    }
    for (len = 0; len < (size_t)n && password[len] != '\n'; len++) {
        if (password[len] == '\0') {
            cba_result_set(result, "%s: a NUL byte in the password", path);
            return CBA_R_DIR_PASSWORD;
        }
    }
    if (len > 0 && len < (size_t)n && password[len - 1] == '\r') {
        len--;
    }
    if (len == 0 || len > PASSWORD_MAX) {
        cba_result_set(result, "%s: the first line is %s", path, len ? "too long" : "empty");
        return CBA_R_DIR_PASSWORD;
    }
    password[len] = '\0';
    return CBA_R_OK;
}

static enum cba_reason bind_simple(struct cba_ldap *ldap, const struct cba_ldap_conf *conf,
                                   struct cba_result *result)
{
    char password[PASSWORD_MAX + 1];
    struct berval cred = {0, password};
    struct berval *creds = NULL;
    bool more = false;
    enum cba_reason reason;

    if (!ldap_tls_inplace(ldap->ld)) {
        cba_result_set(result, "%s: no TLS, no password is sent", ldap->host);
        return CBA_R_DIR_TLS;
    }
    reason = read_password(conf->password_file, password, result);
    if (reason == CBA_R_OK) {
        cred.bv_len = strlen(password);
        reason = bind_once(ldap, conf->bind_dn, LDAP_SASL_SIMPLE, &cred, &more, &creds, result);
        ber_bvfree(creds);
    }
    OPENSSL_cleanse(password, sizeof password);
    if (reason == CBA_R_OK && more) {
        cba_result_set(result, "%s: bind: the server did not end it", ldap->host);
        reason = CBA_R_DIR_BIND;
    }
    return reason;
}

/* --- search --- */

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

    if (ldap_get_dn_ber(ldap->ld, message, NULL, &dn) != LDAP_SUCCESS) {
        cba_result_set(result, "%s: an entry without a name", ldap->host);
        return CBA_R_DIR_ANSWER;
    }
    for (name = ldap_first_attribute(ldap->ld, message, &ber); name;
         name = ldap_next_attribute(ldap->ld, message, ber)) {
        if (count == ATTRIBUTES_MAX) {
            cba_result_set(result, "%s: more attributes than were asked for", ldap->host);
            ldap_memfree(name);
            reason = CBA_R_DIR_ANSWER;
            break;
        }
        names[count] = name;
        if (!get_values(ldap->ld, message, name, &values[count], &attributes[count])) {
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
                              const char *filter, const char *const *wanted, int limit,
                              on_entry *entry, void *ctx, int *code, struct cba_result *result)
{
    /* libldap's prototype is not const; it only reads. */
    char **attributes = (char **)(uintptr_t)wanted;
    int left = cba_deadline_left_ms(ldap->wire.deadline);
    struct timeval timeout = {left / 1000 + 1, 0}; /* the server counts in seconds */
    enum cba_reason reason = CBA_R_OK, heard;
    LDAPMessage *message = NULL;
    int msgid, type = 0;
    int rc = ldap_search_ext(ldap->ld, base, scope, filter, attributes, 0, NULL, NULL, &timeout,
                             limit, &msgid);

    if (rc == LDAP_FILTER_ERROR) {
        cba_result_set(result, "%s: the filter is not understood by libldap", ldap->host);
        return CBA_R_DIR_SEARCH;
    }
    if (rc != LDAP_SUCCESS) {
        return unsent(ldap, "search", rc, result);
    }
    while (type != LDAP_RES_SEARCH_RESULT) {
        heard = receive(ldap, msgid, "search", &message, result);
        if (heard != CBA_R_OK) {
            return heard;
        }
        type = ldap_msgtype(message);
        if (type == LDAP_RES_SEARCH_ENTRY && reason == CBA_R_OK) {
            reason = read_entry(ldap, message, entry, ctx, result);
        } else if (type == LDAP_RES_SEARCH_RESULT) {
            *code = result_code(ldap, message);
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
        ldap->usable = false; /* this server; another may do better */
        break;
    case LDAP_DECODING_ERROR:
        ldap->usable = false;
        return say(ldap, CBA_R_DIR_ANSWER, what, code, result);
    default:
        break;
    }
    return say(ldap, CBA_R_DIR_SEARCH, what, code, result);
}

static enum cba_reason keep_base(void *ctx, struct cba_span dn,
                                 const struct cba_attribute *attributes, size_t count,
                                 struct cba_result *result)
{
    struct cba_ldap *ldap = ctx;

    (void)dn;
    (void)result;
    for (size_t i = 0; i < count; i++) {
        const struct cba_span *value = attributes[i].values;

        if (cba_span_equal_nocase(cba_span_str(attributes[i].name),
                                  cba_span_str("defaultNamingContext")) &&
            attributes[i].count == 1 && value->len < sizeof ldap->base &&
            cba_span_is_text(*value)) {
            memcpy(ldap->base, value->ptr, value->len);
            ldap->base[value->len] = '\0';
        }
    }
    return CBA_R_OK;
}

/* The domain's own naming context (MS-ADTS 3.1.1.3.2.3), unless the administrator named a base. */
static enum cba_reason learn_base(struct cba_ldap *ldap, const char *base,
                                  struct cba_result *result)
{
    static const char *const wanted[] = {"defaultNamingContext", NULL};
    size_t len = base ? strlen(base) : 0;
    int code = LDAP_OTHER;
    enum cba_reason reason;

    if (len > CBA_DN_MAX) {
        cba_result_set(result, "the search base is too long");
        return CBA_R_DIR_SEARCH;
    }
    if (base) {
        memcpy(ldap->base, base, len + 1);
    } else {
        reason = search(ldap, "", LDAP_SCOPE_BASE, "(objectClass=*)", wanted, 1, keep_base, ldap,
                        &code, result);
        if (reason != CBA_R_OK) {
            return reason;
        }
        if (code != LDAP_SUCCESS) {
            return refused(ldap, "rootDSE", code, result);
        }
        if (!ldap->base[0]) {
            cba_result_set(
                result, "%s: its rootDSE names no defaultNamingContext; is it a domain controller?",
                ldap->host);
            return CBA_R_DIR_ANSWER;
        }
    }
    if (!cba_account_domain(cba_span_str(ldap->base), ldap->domain)) {
        ldap->domain[0] = '\0'; /* then there are no implicit UPNs */
    }
    return CBA_R_OK;
}

static enum cba_reason collect(void *ctx, struct cba_span dn,
                               const struct cba_attribute *attributes, size_t count,
                               struct cba_result *result)
{
    struct cba_answer *answer = ctx;
    enum cba_reason reason;

    if (answer->count == sizeof answer->account / sizeof answer->account[0]) {
        answer->more = true;
        return CBA_R_OK;
    }
    reason = cba_account_parse(dn, attributes, count, &answer->account[answer->count], result);
    if (reason == CBA_R_OK) {
        answer->count++;
    }
    return reason;
}

enum cba_reason cba_ldap_find(struct cba_ldap *ldap, const struct cba_cert *cert,
                              struct cba_deadline deadline, struct cba_answer *answer,
                              struct cba_result *result)
{
    char filter[CBA_FILTER_MAX + 1];
    int code = LDAP_OTHER;
    enum cba_reason reason;

    memset(answer, 0, sizeof *answer);
    ldap->wire.deadline = deadline;
    reason = cba_mapping_filter(cert, ldap->domain, filter);
    if (reason == CBA_R_OK) {
        reason = search(ldap, ldap->base, LDAP_SCOPE_SUBTREE, filter, cba_account_attributes,
                        sizeof answer->account / sizeof answer->account[0], collect, answer, &code,
                        result);
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

/* --- the connection --- */

bool cba_ldap_prepare(void)
{
    int version = 0;

    /* Asking for anything makes libldap read its configuration and the machine's own name, once. */
    return ldap_get_option(NULL, LDAP_OPT_PROTOCOL_VERSION, &version) == LDAP_OPT_SUCCESS;
}

/* What libldap took over from the process's defaults, and what matters here. */
static bool set_options(LDAP *ld)
{
    static const int version = LDAP_VERSION3, deref = LDAP_DEREF_NEVER, limit = LDAP_NO_LIMIT;
    static const struct timeval none = {-1, 0};

    return ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_DEREF, &deref) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_SIZELIMIT, &limit) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_TIMELIMIT, &limit) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_RESTART, LDAP_OPT_ON) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_CONNECT_ASYNC, LDAP_OPT_OFF) == LDAP_OPT_SUCCESS &&
           /* The wire below keeps the time. With a network timeout the TLS handshake would spin on
            * a socket that it made non-blocking. */
           ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &none) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_SERVER_CONTROLS, NULL) == LDAP_OPT_SUCCESS &&
           ldap_set_option(ld, LDAP_OPT_CLIENT_CONTROLS, NULL) == LDAP_OPT_SUCCESS;
}

static enum cba_reason attach(struct cba_ldap *ldap, bool tls, int fd, struct cba_result *result)
{
    char url[URL_MAX + 1];
    bool v6 = strchr(ldap->host, ':') != NULL;
    int rc, len = snprintf(url, sizeof url, "%s://%s%s%s/", tls ? "ldaps" : "ldap", v6 ? "[" : "",
                           ldap->host, v6 ? "]" : "");

    if (len < 0 || (size_t)len >= sizeof url) {
        close(fd);
        cba_result_set(result, "%s: the name is too long", ldap->host);
        return CBA_R_DIR_UNREACHABLE;
    }
    /* The URL is for the names in certificates and tickets; nothing connects to it. */
    rc = ldap_init_fd(fd, LDAP_PROTO_EXT, url, &ldap->ld);
    if (rc != LDAP_SUCCESS) {
        close(fd);
        ldap->ld = NULL;
        cba_result_set(result, "%s: %s", ldap->host, ldap_err2string(rc));
        return rc == LDAP_NO_MEMORY ? CBA_R_LIFE_MEMORY : CBA_R_DIR_UNREACHABLE;
    }
    ldap->wire.fd = fd;
    if (!cba_wire_install(&ldap->wire, ldap->ld) || !set_options(ldap->ld)) {
        return CBA_R_LIFE_MEMORY;
    }
    return CBA_R_OK;
}

static enum cba_reason secure(struct cba_ldap *ldap, bool tls, const struct cba_ldap_conf *conf,
                              struct cba_service *service, struct cba_result *result)
{
    enum cba_reason reason = CBA_R_OK;

    if (tls || conf->bind_dn) {
        reason = set_tls(ldap, conf->ca_file, result);
        if (reason == CBA_R_OK) {
            reason = tls ? handshake(ldap, result) : start_tls(ldap, result);
        }
    }
    if (reason == CBA_R_OK) {
        reason = conf->bind_dn ? bind_simple(ldap, conf, result)
                               : bind_gssapi(ldap, tls, service, result);
    }
    return reason;
}

enum cba_reason cba_ldap_open(struct cba_host *host, bool tls, const struct cba_ldap_conf *conf,
                              struct cba_service *service, struct cba_deadline deadline,
                              struct cba_ldap **out, struct cba_result *result)
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
    ldap->wire = (struct cba_wire){.fd = -1, .deadline = deadline};
    ldap->host = cba_host_name(host);
    reason = attach(ldap, tls, fd, result);
    if (reason == CBA_R_OK) {
        reason = secure(ldap, tls, conf, service, result);
    }
    if (reason == CBA_R_OK) {
        reason = learn_base(ldap, conf->base, result);
    }
    if (reason != CBA_R_OK) {
        cba_ldap_close(ldap);
        return reason;
    }
    ldap->usable = true;
    *out = ldap;
    return CBA_R_OK;
}

void cba_ldap_close(struct cba_ldap *ldap)
{
    if (!ldap) {
        return;
    }
    /* The farewell (RFC 4511 4.3) is said if it can be said at once. */
    ldap->wire.deadline = cba_deadline_in_ms(0);
    if (ldap->ld) {
        ldap_unbind_ext(ldap->ld, NULL, NULL);
    }
    if (ldap->wire.fd >= 0) {
        close(ldap->wire.fd);
    }
    cba_sasl_destroy(ldap->sasl);
    free(ldap);
}

bool cba_ldap_usable(const struct cba_ldap *ldap)
{
    return ldap->usable;
}

bool cba_ldap_alive(const struct cba_ldap *ldap)
{
    struct pollfd look = {.fd = ldap->wire.fd, .events = POLLIN};

    /* Between requests a server has nothing to say but farewell (RFC 4511 4.4.1). */
    return ldap->wire.fd >= 0 && poll(&look, 1, 0) == 0;
}

unsigned cba_ldap_strength(const struct cba_ldap *ldap)
{
    return ldap->sasl ? cba_sasl_strength(ldap->sasl) : 0;
}
