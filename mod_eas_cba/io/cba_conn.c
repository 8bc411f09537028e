/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_conn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <apr_errno.h>
#include <openldap.h>

#define URL_MAX (sizeof "ldaps://[]/" + 255)

/* --- errors --- */

/* The connection is gone; libldap knows no more than that. */
static enum cba_reason lost(struct cba_conn *conn, const char *what, struct cba_result *result)
{
    char text[128];

    if (conn->wire.error && conn->wire.error != EBADMSG) {
        cba_result_set(result, "%s: %s: %s", conn->host, what,
                       apr_strerror(conn->wire.error, text, sizeof text));
        return CBA_R_DIR_UNREACHABLE;
    }
    if (conn->wire.ended) {
        cba_result_set(result, "%s: %s: the server ended the connection", conn->host, what);
        return CBA_R_DIR_UNREACHABLE;
    }
    cba_result_set(result, "%s: %s: %s", conn->host, what,
                   conn->wire.error ? "a message that the server did not seal" : "not LDAP");
    return CBA_R_DIR_ANSWER;
}

/* libldap with GnuTLS says this of a certificate that is not good, whatever its fault. */
static const char *explain(const char *text)
{
    return strcmp(text, "(unknown error code)") == 0
               ? "the certificate is not trusted, not valid now, or for another name"
               : text;
}

enum cba_reason cba_conn_say(struct cba_conn *conn, enum cba_reason reason, const char *what,
                             int rc, struct cba_result *result)
{
    char *text = NULL;

    /* The time tells, whatever libldap made of a read that ended by its deadline. */
    if (conn->wire.late) {
        cba_result_set(result, "%s: %s: no answer in time", conn->host, what);
        return CBA_R_DIR_TIMEOUT;
    }
    if (rc == LDAP_SERVER_DOWN) {
        return lost(conn, what, result);
    }
    (void)ldap_get_option(conn->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
    cba_result_set(result, "%s: %s: %s%s%s", conn->host, what, ldap_err2string(rc),
                   text && *text ? ": " : "", text ? explain(text) : "");
    ldap_memfree(text);
    return reason;
}

static int last_error(struct cba_conn *conn)
{
    int rc = LDAP_OTHER;

    (void)ldap_get_option(conn->ld, LDAP_OPT_RESULT_CODE, &rc);
    return rc == LDAP_SUCCESS ? LDAP_OTHER : rc;
}

/* --- one request, one answer --- */

enum cba_reason cba_conn_unsent(struct cba_conn *conn, const char *what, int rc,
                                struct cba_result *result)
{
    conn->usable = false;
    return rc == LDAP_NO_MEMORY ? CBA_R_LIFE_MEMORY
                                : cba_conn_say(conn, CBA_R_DIR_UNREACHABLE, what, rc, result);
}

enum cba_reason cba_conn_receive(struct cba_conn *conn, int msgid, const char *what,
                                 LDAPMessage **message, struct cba_result *result)
{
    int left = cba_deadline_left_ms(conn->wire.deadline);
    struct timeval timeout = {left / 1000, (left % 1000) * 1000};
    int rc = left > 0 ? ldap_result(conn->ld, msgid, LDAP_MSG_ONE, &timeout, message) : 0;

    if (rc > 0) {
        return CBA_R_OK;
    }
    conn->usable = false;
    if (rc == 0) {
        conn->wire.late = true;
    }
    return cba_conn_say(conn, CBA_R_DIR_UNREACHABLE, what,
                        rc == 0 ? LDAP_TIMEOUT : last_error(conn), result);
}

int cba_conn_code(struct cba_conn *conn, LDAPMessage *message)
{
    int code = LDAP_OTHER;
    int rc = ldap_parse_result(conn->ld, message, &code, NULL, NULL, NULL, NULL, 0);

    return rc == LDAP_SUCCESS ? code : rc;
}

/* --- beginning and end --- */

bool cba_conn_prepare(void)
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

enum cba_reason cba_conn_begin(struct cba_conn *conn, const char *host, bool tls, int fd,
                               struct cba_deadline deadline, struct cba_result *result)
{
    char url[URL_MAX + 1];
    bool v6 = strchr(host, ':') != NULL;
    int rc, len = snprintf(url, sizeof url, "%s://%s%s%s/", tls ? "ldaps" : "ldap", v6 ? "[" : "",
                           host, v6 ? "]" : "");

    conn->host = host;
    conn->tls = tls;
    conn->usable = true;
    conn->wire = (struct cba_wire){.fd = fd, .deadline = deadline};
    if (len < 0 || (size_t)len >= sizeof url) {
        cba_result_set(result, "%s: the name is too long", host);
        return CBA_R_DIR_UNREACHABLE;
    }
    /* The URL is for the names in certificates and tickets; nothing connects to it. */
    rc = ldap_init_fd(fd, LDAP_PROTO_EXT, url, &conn->ld);
    if (rc != LDAP_SUCCESS) {
        conn->ld = NULL;
        cba_result_set(result, "%s: %s", host, ldap_err2string(rc));
        return rc == LDAP_NO_MEMORY ? CBA_R_LIFE_MEMORY : CBA_R_DIR_UNREACHABLE;
    }
    if (!cba_wire_install(&conn->wire, conn->ld) || !set_options(conn->ld)) {
        return CBA_R_LIFE_MEMORY;
    }
    return CBA_R_OK;
}

void cba_conn_end(struct cba_conn *conn)
{
    /* The farewell (RFC 4511 4.3) is said if it can be said at once. */
    conn->wire.deadline = cba_deadline_in_ms(0);
    if (conn->ld) {
        ldap_unbind_ext(conn->ld, NULL, NULL);
    }
    if (conn->wire.fd >= 0) {
        close(conn->wire.fd);
    }
    cba_sasl_destroy(conn->sasl);
    *conn = (struct cba_conn){.wire = {.fd = -1}};
}

bool cba_conn_up(const struct cba_conn *conn)
{
    return conn->wire.fd >= 0;
}
