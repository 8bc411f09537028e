/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_login.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include "cba_limits.h"

#define PASSWORD_MAX 1024

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
static enum cba_reason set_tls(struct cba_conn *conn, const char *ca_file,
                               struct cba_result *result)
{
    static const int demand = LDAP_OPT_X_TLS_DEMAND, san_first = LDAP_OPT_X_TLS_TRY,
                     oldest = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2, client = 0;
    LDAP *ld = conn->ld;

    /* A subject's CN counts only where there is no subjectAltName (RFC 6125 6.4.4). */
    if (ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) != LDAP_OPT_SUCCESS ||
        ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_SAN, &san_first) != LDAP_OPT_SUCCESS ||
        ldap_set_option(ld, LDAP_OPT_X_TLS_PROTOCOL_MIN, &oldest) != LDAP_OPT_SUCCESS ||
        ldap_set_option(ld, LDAP_OPT_X_TLS_PEERKEY_HASH, NULL) != LDAP_OPT_SUCCESS ||
        (ca_file ? ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, ca_file) : set_system_ca(ld)) !=
            LDAP_OPT_SUCCESS ||
        ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &client) != LDAP_OPT_SUCCESS) {
        cba_result_set(result, "%s: TLS cannot be set up with the CAs of %s", conn->host,
                       ca_file ? ca_file : "the system");
        return CBA_R_DIR_TLS;
    }
    return CBA_R_OK;
}

/* libldap with GnuTLS, as on Debian, ignores the oldest version (but in its cipher list, and leaks
 * that). */
static enum cba_reason check_version(struct cba_conn *conn, struct cba_result *result)
{
    char *version = NULL;
    bool good;

    (void)ldap_get_option(conn->ld, LDAP_OPT_X_TLS_VERSION, &version);
    good = version && (strstr(version, "1.2") || strstr(version, "1.3"));
    if (!good) {
        cba_result_set(result, "%s: TLS: the server speaks %s; 1.2 is the oldest that counts",
                       conn->host, version ? version : "none");
    }
    ldap_memfree(version);
    return good ? CBA_R_OK : CBA_R_DIR_TLS;
}

static enum cba_reason handshake(struct cba_conn *conn, struct cba_result *result)
{
    int rc = ldap_install_tls(conn->ld);

    return rc == LDAP_SUCCESS ? check_version(conn, result)
                              : cba_conn_say(conn, CBA_R_DIR_TLS, "TLS", rc, result);
}

/* RFC 4511 4.14 */
static enum cba_reason start_tls(struct cba_conn *conn, struct cba_result *result)
{
    LDAPMessage *message = NULL;
    int msgid,
        rc = cba_conn_up(conn) ? ldap_start_tls(conn->ld, NULL, NULL, &msgid) : LDAP_SERVER_DOWN;
    enum cba_reason reason;

    if (rc != LDAP_SUCCESS) {
        return cba_conn_unsent(conn, "StartTLS", rc, result);
    }
    reason = cba_conn_receive(conn, msgid, "StartTLS", &message, result);
    if (reason != CBA_R_OK) {
        return reason;
    }
    rc = cba_conn_code(conn, message);
    ldap_msgfree(message);
    return rc == LDAP_SUCCESS ? handshake(conn, result)
                              : cba_conn_say(conn, CBA_R_DIR_TLS, "StartTLS", rc, result);
}

/* Channel binding tls-server-end-point (RFC 5929 4.1): the hash of the server's certificate, by the
 * hash function of its signature, but SHA-256 for MD5 and SHA-1. 0: it has none. */
#define BINDING_PREFIX "tls-server-end-point:"
static size_t bindings(struct cba_conn *conn,
                       unsigned char out[sizeof BINDING_PREFIX + EVP_MAX_MD_SIZE])
{
    struct berval der = {0, NULL};
    const unsigned char *in;
    const EVP_MD *md = NULL;
    X509 *cert;
    int nid = NID_undef;
    unsigned len = 0;

    if (ldap_get_option(conn->ld, LDAP_OPT_X_TLS_PEERCERT, &der) != LDAP_OPT_SUCCESS ||
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
static enum cba_reason bind_once(struct cba_conn *conn, const char *dn, const char *mechanism,
                                 struct berval *cred, bool *more, struct berval **creds,
                                 struct cba_result *result)
{
    LDAPMessage *message = NULL;
    int msgid, rc, code;
    enum cba_reason reason;

    rc = cba_conn_up(conn) ? ldap_sasl_bind(conn->ld, dn, mechanism, cred, NULL, NULL, &msgid)
                           : LDAP_SERVER_DOWN;
    if (rc != LDAP_SUCCESS) {
        return cba_conn_unsent(conn, "bind", rc, result);
    }
    reason = cba_conn_receive(conn, msgid, "bind", &message, result);
    if (reason != CBA_R_OK) {
        return reason;
    }
    code = cba_conn_code(conn, message);
    rc = ldap_parse_sasl_bind_result(conn->ld, message, creds, 0);
    ldap_msgfree(message);
    if (rc != LDAP_SUCCESS) {
        code = rc;
    }
    *more = code == LDAP_SASL_BIND_IN_PROGRESS;
    return *more || code == LDAP_SUCCESS ? CBA_R_OK
                                         : cba_conn_say(conn, CBA_R_DIR_BIND, "bind", code, result);
}

/* A SASL exchange (RFC 4511 4.2.1) to its end. */
static enum cba_reason exchange(struct cba_conn *conn, struct cba_result *result)
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

        reason = cba_sasl_step(conn->sasl, in, &out, &last, &detail);
        ber_bvfree(creds);
        creds = NULL;
        if (reason != CBA_R_OK) {
            cba_result_set(result, "%s: bind: %s", conn->host, detail.detail);
            break;
        }
        /* libldap sends no credentials at all for NULL; an empty message is one, too. */
        cred.bv_val = out.len ? (char *)(uintptr_t)out.ptr : (char *)(uintptr_t) "";
        cred.bv_len = out.len;
        reason = bind_once(conn, NULL, "GSSAPI", &cred, &more, &creds, result);
    }
    ber_bvfree(creds);
    if (reason == CBA_R_OK && !last) {
        cba_result_set(result, "%s: bind: the server ended the exchange early", conn->host);
        reason = CBA_R_DIR_BIND;
    }
    return reason;
}

static enum cba_reason bind_gssapi(struct cba_conn *conn, struct cba_service *service,
                                   struct cba_result *result)
{
    unsigned char binding[sizeof BINDING_PREFIX + EVP_MAX_MD_SIZE];
    size_t binding_len = conn->tls ? bindings(conn, binding) : 0;
    char ccache[CBA_CCACHE_NAME_MAX + 1];
    char spn[CBA_SPN_MAX + 1], full[CBA_SPN_MAX + CBA_DOMAIN_MAX + 2];
    int len = snprintf(spn, sizeof spn, "ldap/%s", conn->host);
    enum cba_reason reason;

    if (len < 0 || (size_t)len >= sizeof spn) {
        cba_result_set(result, "%s: the name is too long", conn->host);
        return CBA_R_DIR_UNREACHABLE;
    }
    len = snprintf(full, sizeof full, "%s@%s", spn, cba_service_realm(service));
    if (len < 0 || (size_t)len >= sizeof full) {
        cba_result_set(result, "%s: the realm's name is too long", conn->host);
        return CBA_R_DIR_BIND;
    }
    reason = cba_service_ticket(service, spn, conn->wire.deadline, ccache, result);
    if (reason != CBA_R_OK) {
        return reason;
    }
    /* A domain controller refuses SASL protection inside TLS (MS-ADTS 5.1.2.2), and may demand
     * channel bindings there. */
    reason = cba_sasl_create(ccache, full, !conn->tls, cba_span_of(binding, binding_len),
                             &conn->sasl, result);
    if (reason == CBA_R_OK) {
        reason = exchange(conn, result);
    }
    cba_service_ticket_discard(ccache);
    if (reason == CBA_R_OK && !conn->tls && !cba_wire_seal(&conn->wire, conn->ld, conn->sasl)) {
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

static enum cba_reason bind_simple(const struct cba_login *login, struct cba_conn *conn,
                                   struct cba_result *result)
{
    char password[PASSWORD_MAX + 1];
    struct berval cred = {0, password};
    struct berval *creds = NULL;
    bool more = false;
    enum cba_reason reason;

    if (!ldap_tls_inplace(conn->ld)) {
        cba_result_set(result, "%s: no TLS, no password is sent", conn->host);
        return CBA_R_DIR_TLS;
    }
    reason = read_password(login->password_file, password, result);
    if (reason == CBA_R_OK) {
        cred.bv_len = strlen(password);
        reason = bind_once(conn, login->bind_dn, LDAP_SASL_SIMPLE, &cred, &more, &creds, result);
        ber_bvfree(creds);
    }
    OPENSSL_cleanse(password, sizeof password);
    if (reason == CBA_R_OK && more) {
        cba_result_set(result, "%s: bind: the server did not end it", conn->host);
        reason = CBA_R_DIR_BIND;
    }
    return reason;
}

enum cba_reason cba_login_perform(const struct cba_login *login, struct cba_conn *conn,
                                  struct cba_service *service, struct cba_result *result)
{
    enum cba_reason reason = CBA_R_OK;

    if (conn->tls || login->bind_dn) {
        reason = set_tls(conn, login->ca_file, result);
        if (reason == CBA_R_OK) {
            reason = conn->tls ? handshake(conn, result) : start_tls(conn, result);
        }
    }
    if (reason == CBA_R_OK) {
        reason =
            login->bind_dn ? bind_simple(login, conn, result) : bind_gssapi(conn, service, result);
    }
    return reason;
}
