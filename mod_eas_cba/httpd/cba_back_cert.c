/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_back_cert.h"

#include <openssl/x509v3.h>

#include "cba_module.h"

/* In the alerts of TLS 1.2, "no certificate" is handshake_failure (RFC 5246 7.4.6); TLS 1.3 has a
 * word of its own, and says it after our handshake has ended (RFC 8446 4.4.2.4). */
static bool is_about_certificate(int alert)
{
    switch (alert) {
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_NO_CERTIFICATE:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_CERTIFICATE_REQUIRED:
        return true;
    default:
        return false;
    }
}

static void message(int is_written, int version, int type, const void *data, size_t len, SSL *ssl,
                    void *arg)
{
    const unsigned char *bytes = data;
    struct cba_back_cert *seen = arg;

    (void)version;
    (void)ssl;
    if (is_written || !seen || len == 0) {
        return;
    }
    if (type == SSL3_RT_HANDSHAKE && bytes[0] == SSL3_MT_CERTIFICATE_REQUEST) {
        seen->asked = true;
    }
    if (type == SSL3_RT_ALERT && len == 2 && is_about_certificate(bytes[1])) {
        seen->alert = bytes[1];
    }
}

void cba_back_cert_watch(SSL *ssl, struct cba_back_cert *seen)
{
    SSL_set_msg_callback_arg(ssl, seen);
    SSL_set_msg_callback(ssl, message);
}

void cba_back_cert_unwatch(SSL *ssl)
{
    if (ssl) {
        SSL_set_msg_callback(ssl, NULL);
        SSL_set_msg_callback_arg(ssl, NULL);
    }
}

/* mod_ssl checks the name too, but can be told not to, checks the phone's Host with
 * ProxyPreserveHost, and takes the CN beside a dNSName (RFC 6125 6.4.4 does not). */
bool cba_back_cert_is_for(X509 *certificate, const char *host)
{
    return X509_check_host(certificate, host, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1 ||
           X509_check_ip_asc(certificate, host, 0) == 1;
}

static bool is_in_time(X509 *certificate)
{
    return X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

static enum cba_reason reason_of(long verified)
{
    switch (verified) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
        return CBA_R_BACK_UNTRUSTED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return CBA_R_BACK_DATES;
    default:
        return CBA_R_BACK_UNVERIFIED;
    }
}

enum cba_reason cba_back_cert_fault(SSL *ssl, const char *host, struct cba_result *result)
{
    long verified = SSL_get_verify_result(ssl);
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    enum cba_reason reason = CBA_R_BACK_UNVERIFIED;

    if (verified != X509_V_OK) {
        cba_result_set(result, "%s: %s", host, X509_verify_cert_error_string(verified));
        reason = reason_of(verified);
    } else if (!certificate) {
        cba_result_set(result, "%s showed none", host);
    } else if (!is_in_time(certificate)) {
        cba_result_set(result, "%s", host);
        reason = CBA_R_BACK_DATES;
    } else if (!cba_back_cert_is_for(certificate, host)) {
        cba_result_set(result, "it is not for %s", host);
        reason = CBA_R_BACK_NAME;
    } else { /* verified by nobody, or refused by something else in mod_ssl */
        cba_result_set(result, "%s", host);
    }
    X509_free(certificate);
    return reason;
}

/* OpenSSL 3.0 knows the newest alert by its number only. */
static const char *text_of(int alert)
{
    return alert == SSL_AD_CERTIFICATE_REQUIRED ? "certificate required"
                                                : SSL_alert_desc_string_long(alert);
}

bool cba_back_cert_is_wanted(SSL *ssl, const struct cba_back_cert *seen, struct cba_result *result)
{
    if (!ssl || !seen->asked || (SSL_get_certificate(ssl) && !seen->alert)) {
        return false;
    }
    cba_result_set(result, "%s%s%s",
                   SSL_get_certificate(ssl) ? "it did not like the one it was shown"
                                            : "it was shown none",
                   seen->alert ? ": " : "", seen->alert ? text_of(seen->alert) : "");
    return true;
}
