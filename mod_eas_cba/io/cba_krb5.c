/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_krb5.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cba_limits.h"
#include "cba_profile.h"

/* Those that DNS tells, as texts. */
static enum cba_reason discover_kdcs(struct cba_krb5 *krb5, const struct cba_service *service,
                                     struct cba_deadline deadline, struct cba_result *result)
{
    struct cba_srv found[CBA_SRV_MAX];
    size_t count;
    enum cba_reason reason =
        cba_discovery_get(cba_service_discovery(service), deadline, found, &count, result);

    if (reason == CBA_R_DIR_TIMEOUT) {
        return CBA_R_KRB_TIMEOUT;
    }
    if (reason != CBA_R_OK) {
        return CBA_R_KRB_UNREACHABLE;
    }
    for (size_t i = 0; i < count && i < CBA_KDCS_MAX; i++) {
        snprintf(krb5->names[i], sizeof krb5->names[i], "%.*s:%u", CBA_DOMAIN_MAX, found[i].host,
                 (unsigned)found[i].port);
        krb5->servers[i] = krb5->names[i];
        krb5->kdc.server_count = i + 1;
    }
    krb5->kdc.servers = krb5->servers;
    return CBA_R_OK;
}

/* CBA_R_OK also where libkrb5 is to find them, or not. */
static enum cba_reason find_kdcs(struct cba_krb5 *krb5, const struct cba_service *service,
                                 struct cba_deadline deadline, struct cba_result *result)
{
    krb5->kdc.realm = cba_service_realm(service);
    krb5->kdc.servers = cba_service_kdcs(service, &krb5->kdc.server_count);
    if (krb5->kdc.server_count == 0 &&
        cba_profile_kdcs(krb5->context, krb5->kdc.realm) == CBA_PROFILE_DNS) {
        return discover_kdcs(krb5, service, deadline, result);
    }
    return CBA_R_OK;
}

enum cba_reason cba_krb5_begin(struct cba_krb5 *krb5, const struct cba_service *service,
                               struct cba_deadline deadline, struct cba_result *result)
{
    static const krb5_enctype aes[] = {
        ENCTYPE_AES256_CTS_HMAC_SHA1_96, ENCTYPE_AES128_CTS_HMAC_SHA1_96,
        ENCTYPE_AES256_CTS_HMAC_SHA384_192, ENCTYPE_AES128_CTS_HMAC_SHA256_128, ENCTYPE_NULL};
    krb5_error_code code;
    enum cba_reason reason;

    memset(krb5, 0, sizeof *krb5);
    code = krb5_init_context(&krb5->context);
    if (code == 0 && service != NULL) {
        reason = find_kdcs(krb5, service, deadline, result);
        if (reason != CBA_R_OK) {
            cba_krb5_end(krb5);
            return reason;
        }
    }
    if (krb5->kdc.server_count > 0) {
        cba_krb5_end(krb5);
        code = cba_profile_context(krb5->kdc.realm, &krb5->context);
    }
    if (code == 0) {
        code = krb5_set_default_tgs_enctypes(krb5->context, aes);
    }
    if (code != 0) {
        reason = cba_krb5_fail(krb5, code, CBA_KRB5_KEYTAB, "krb5.conf", result);
        cba_krb5_end(krb5);
        return reason == CBA_R_LIFE_MEMORY ? reason : CBA_R_KRB_OTHER;
    }
    krb5->kdc.deadline = deadline;
    cba_kdc_attach(krb5->context, &krb5->kdc);
    return CBA_R_OK;
}

void cba_krb5_end(struct cba_krb5 *krb5)
{
    if (krb5->context != NULL) {
        krb5_free_context(krb5->context);
    }
    krb5->context = NULL;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t of_thread;
static bool has_key;

static void free_context(void *context)
{
    krb5_free_context(context);
}

static void make_key(void)
{
    has_key = pthread_key_create(&of_thread, free_context) == 0;
}

enum cba_reason cba_krb5_of_thread(krb5_context *out, struct cba_result *result)
{
    krb5_error_code code;

    pthread_once(&once, make_key);
    *out = has_key ? pthread_getspecific(of_thread) : NULL;
    if (*out != NULL) {
        return CBA_R_OK;
    }
    if (!has_key) {
        return CBA_R_LIFE_MEMORY;
    }
    code = krb5_init_context(out);
    if (code != 0) {
        *out = NULL;
        cba_result_set(result, "krb5.conf: error %ld", (long)code);
        return code == ENOMEM ? CBA_R_LIFE_MEMORY : CBA_R_KRB_OTHER;
    }
    if (pthread_setspecific(of_thread, *out) != 0) {
        krb5_free_context(*out);
        *out = NULL;
        return CBA_R_LIFE_MEMORY;
    }
    return CBA_R_OK;
}

bool cba_krb5_is_aes(krb5_enctype enctype)
{
    return enctype == ENCTYPE_AES128_CTS_HMAC_SHA1_96 ||
           enctype == ENCTYPE_AES256_CTS_HMAC_SHA1_96 ||
           enctype == ENCTYPE_AES128_CTS_HMAC_SHA256_128 ||
           enctype == ENCTYPE_AES256_CTS_HMAC_SHA384_192;
}

/* What holds whatever was tried. */
static enum cba_reason common_reason(krb5_error_code code)
{
    switch (code) {
    case ENOMEM:
        return CBA_R_LIFE_MEMORY;
    case KRB5_KDC_UNREACH:
    case KRB5_REALM_UNKNOWN:
    case KRB5_REALM_CANT_RESOLVE:
    case KRB5KDC_ERR_SVC_UNAVAILABLE:
        return CBA_R_KRB_UNREACHABLE;
    case KRB5KRB_AP_ERR_SKEW:
    case KRB5_KDCREP_SKEW:
        return CBA_R_KRB_SKEW;
    case KRB5KDC_ERR_ETYPE_NOSUPP:
    case KRB5_PROG_ETYPE_NOSUPP:
    case KRB5_CONFIG_ETYPE_NOSUPP:
        return CBA_R_KRB_ENCTYPE;
    default:
        return CBA_R_KRB_OTHER;
    }
}

/* A refusal of the gateway itself is never the phone's account's fault. */
static enum cba_reason login_reason(krb5_error_code code)
{
    switch (code) {
    case KRB5KDC_ERR_PREAUTH_FAILED:
    case KRB5KRB_AP_ERR_BAD_INTEGRITY:
    case KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN:
    case KRB5KDC_ERR_CLIENT_REVOKED:
    case KRB5KDC_ERR_CLIENT_NOTYET:
    case KRB5KDC_ERR_NAME_EXP:
    case KRB5KDC_ERR_KEY_EXP:
    case KRB5KDC_ERR_POLICY:
    case KRB5KDC_ERR_NEVER_VALID:
        return CBA_R_KRB_LOGIN;
    case KRB5_KT_NOTFOUND:
    case KRB5_KT_KVNONOTFOUND:
        return CBA_R_KRB_KEYTAB;
    default:
        return common_reason(code);
    }
}

static enum cba_reason delegation_reason(krb5_error_code code)
{
    switch (code) {
    case KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN:
        return CBA_R_KRB_CLIENT_UNKNOWN;
    case KRB5KDC_ERR_CLIENT_REVOKED:
    case KRB5KDC_ERR_CLIENT_NOTYET:
    case KRB5KDC_ERR_NAME_EXP:
    case KRB5KDC_ERR_KEY_EXP: /* Samba, for the user's password; AD does not look at it here */
        return CBA_R_KRB_CLIENT_REVOKED;
    case KRB5KDC_ERR_POLICY:
        return CBA_R_KRB_POLICY;
    case KRB5KDC_ERR_BADOPTION:
    case KRB5KDC_ERR_PADATA_TYPE_NOSUPP: /* AD, for a ticket for the gateway's own account */
        return CBA_R_KRB_DELEGATION;
    case KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN:
    case KRB5KDC_ERR_MUST_USE_USER2USER: /* AD, for an account without any SPN */
        return CBA_R_KRB_SPN_UNKNOWN;
    default:
        return common_reason(code);
    }
}

enum cba_reason cba_krb5_reason(krb5_error_code code, enum cba_krb5_stage stage)
{
    switch (stage) {
    case CBA_KRB5_KEYTAB:
        return code == ENOMEM ? CBA_R_LIFE_MEMORY : CBA_R_KRB_KEYTAB;
    case CBA_KRB5_LOGIN:
        return login_reason(code);
    case CBA_KRB5_SELF:
    case CBA_KRB5_PROXY:
        return delegation_reason(code);
    case CBA_KRB5_SERVICE:
        return code == KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN ? CBA_R_KRB_SPN_UNKNOWN
                                                       : common_reason(code);
    case CBA_KRB5_TOKEN:
        return code == ENOMEM ? CBA_R_LIFE_MEMORY : CBA_R_KRB_TOKEN;
    }
    return CBA_R_KRB_OTHER;
}

enum cba_reason cba_krb5_fail(struct cba_krb5 *krb5, krb5_error_code code,
                              enum cba_krb5_stage stage, const char *what,
                              struct cba_result *result)
{
    bool asked = stage != CBA_KRB5_KEYTAB && stage != CBA_KRB5_TOKEN;
    const char *text;

    if (asked && krb5->kdc.outcome == CBA_KDC_LATE) {
        cba_result_set(result, "%s: %s", what, krb5->kdc.result.detail);
        return CBA_R_KRB_TIMEOUT;
    }
    if (asked && krb5->kdc.outcome == CBA_KDC_UNREACHABLE) {
        cba_result_set(result, "%s: %s", what, krb5->kdc.result.detail);
        return CBA_R_KRB_UNREACHABLE;
    }
    text = krb5_get_error_message(krb5->context, code);
    if (asked && krb5->kdc.status != 0) {
        cba_result_set(result, "%s: %s (NTSTATUS 0x%08lX)", what, text,
                       (unsigned long)krb5->kdc.status);
    } else {
        cba_result_set(result, "%s: %s", what, text);
    }
    krb5_free_error_message(krb5->context, text);
    return cba_krb5_reason(code, stage);
}

enum cba_reason cba_krb5_spn(krb5_context context, const char *spn, const char *realm,
                             krb5_principal *out, struct cba_result *result)
{
    const char *part[3] = {spn, NULL, NULL};
    size_t len[3] = {0, 0, 0};
    size_t n = 1, i;
    krb5_error_code code;

    /* service/host, or service/host/domain (MS-ADTS 5.1.1.4 and RFC 4120 6.2.1); taken apart
     * here, for krb5_parse_name gives a meaning to backslashes and '@'. */
    for (i = 0; spn[i] != '\0' && n <= 3; i++) {
        if (spn[i] == '/' && n++ < 3) {
            part[n - 1] = spn + i + 1;
        } else if (n <= 3) {
            len[n - 1]++;
        }
    }
    if (n < 2 || n > 3 || len[0] == 0 || len[1] == 0 || (n == 3 && len[2] == 0) ||
        i > CBA_SPN_MAX || strchr(spn, '@') != NULL) {
        cba_result_set(result, "\"%s\" is not of the form service/host", spn);
        return CBA_R_KRB_SPN_UNKNOWN;
    }
    /* A length of 0 ends the list of components. */
    code =
        krb5_build_principal_ext(context, out, (unsigned)strlen(realm), realm, (unsigned)len[0],
                                 part[0], (unsigned)len[1], part[1], (unsigned)len[2], part[2], 0);
    if (code != 0) {
        *out = NULL;
        cba_result_set(result, "principal of \"%s\": error %ld", spn, (long)code);
        return CBA_R_LIFE_MEMORY;
    }
    (*out)->type = KRB5_NT_SRV_INST;
    return CBA_R_OK;
}

enum cba_reason cba_krb5_check(krb5_context context, const krb5_creds *creds,
                               krb5_const_principal server, struct cba_result *result)
{
    krb5_ticket *ticket = NULL;
    enum cba_reason reason = CBA_R_KRB_OTHER;
    char *name = NULL;

    if (krb5_decode_ticket(&creds->ticket, &ticket) != 0) {
        cba_result_set(result, "the KDC's ticket cannot be read");
    } else if (!krb5_principal_compare(context, ticket->server, server)) {
        if (krb5_unparse_name(context, ticket->server, &name) != 0) {
            name = NULL;
        }
        cba_result_set(result, "the KDC's ticket is to another service: %s",
                       name != NULL ? name : "?");
    } else if (!cba_krb5_is_aes(ticket->enc_part.enctype) ||
               !cba_krb5_is_aes(creds->keyblock.enctype)) {
        cba_result_set(result, "the ticket has encryption type %d, its session key %d",
                       (int)ticket->enc_part.enctype, (int)creds->keyblock.enctype);
        reason = CBA_R_KRB_ENCTYPE;
    } else {
        reason = CBA_R_OK;
    }
    krb5_free_unparsed_name(context, name);
    krb5_free_ticket(context, ticket);
    return reason;
}
