/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_ticket.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cba_krb5.h"
#include "cba_spnego.h"

#define CLOCK_SKEW      300    /* seconds; what krb5 allows unless it is told otherwise */
#define CHECKSUM_GSSAPI 0x8003 /* RFC 4121 4.1.1 */

struct cba_ticket {
    atomic_uint references;
    krb5_creds *creds; /* libkrb5 only reads it, so threads share it */
    char *client;
    int64_t begins, expires;
};

static void fail(krb5_context context, krb5_error_code code, const char *what,
                 struct cba_result *result)
{
    const char *text = krb5_get_error_message(context, code);

    cba_result_set(result, "%s: %s", what, text);
    krb5_free_error_message(context, text);
}

/* --- life --- */

/* The ticket alone: the evidence ticket is of no use here. */
static krb5_error_code keep(krb5_context context, const krb5_creds *creds,
                            struct cba_ticket *ticket)
{
    krb5_creds only = *creds; /* nothing is freed through it */
    char *client = NULL;
    krb5_error_code code;

    only.second_ticket.data = NULL;
    only.second_ticket.length = 0;
    code = krb5_copy_creds(context, &only, &ticket->creds);
    if (code == 0) {
        code = krb5_unparse_name(context, creds->client, &client);
    }
    if (code == 0) {
        ticket->client = strdup(client);
        code = ticket->client == NULL ? ENOMEM : 0;
    }
    krb5_free_unparsed_name(context, client);
    return code;
}

enum cba_reason cba_ticket_create(krb5_context context, const krb5_creds *creds,
                                  struct cba_ticket **out, struct cba_result *result)
{
    struct cba_ticket *ticket;
    krb5_error_code code;

    *out = NULL;
    if (creds->client == NULL || creds->server == NULL || creds->ticket.length == 0) {
        cba_result_set(result, "no ticket");
        return CBA_R_KRB_OTHER;
    }
    ticket = calloc(1, sizeof *ticket);
    if (ticket == NULL) {
        return CBA_R_LIFE_MEMORY;
    }
    atomic_init(&ticket->references, 1);
    ticket->begins = (int64_t)(uint32_t)(creds->times.starttime != 0 ? creds->times.starttime
                                                                     : creds->times.authtime);
    ticket->expires =
        (int64_t)(uint32_t)creds->times.endtime; /* libkrb5 counts unsigned past 2038 */
    code = keep(context, creds, ticket);
    if (code == 0) {
        *out = ticket;
        return CBA_R_OK;
    }
    fail(context, code, "the KDC's ticket", result);
    cba_ticket_unref(ticket);
    return code == ENOMEM ? CBA_R_LIFE_MEMORY : CBA_R_KRB_OTHER;
}

struct cba_ticket *cba_ticket_ref(struct cba_ticket *ticket)
{
    atomic_fetch_add_explicit(&ticket->references, 1, memory_order_relaxed);
    return ticket;
}

void cba_ticket_unref(struct cba_ticket *ticket)
{
    if (ticket == NULL ||
        atomic_fetch_sub_explicit(&ticket->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    krb5_free_creds(NULL, ticket->creds); /* wipes the key; MIT's looks at no context for it */
    free(ticket->client);
    free(ticket);
}

int64_t cba_ticket_expires(const struct cba_ticket *ticket)
{
    return ticket->expires;
}

const char *cba_ticket_client(const struct cba_ticket *ticket)
{
    return ticket->client;
}

/* --- as bytes --- */

enum cba_reason cba_ticket_export(const struct cba_ticket *ticket, unsigned char **bytes,
                                  size_t *len, struct cba_result *result)
{
    krb5_context context;
    krb5_data *data = NULL;
    enum cba_reason reason = cba_krb5_of_thread(&context, result);

    *bytes = NULL;
    *len = 0;
    if (reason != CBA_R_OK) {
        return reason;
    }
    if (krb5_marshal_credentials(context, ticket->creds, &data) != 0) {
        cba_result_set(result, "the ticket of %s cannot be written out", ticket->client);
        return CBA_R_KRB_OTHER;
    }
    *bytes = malloc(data->length);
    if (*bytes != NULL) {
        *len = data->length;
        memcpy(*bytes, data->data, data->length);
    } else {
        reason = CBA_R_LIFE_MEMORY;
    }
    OPENSSL_cleanse(data->data, data->length);
    krb5_free_data(context, data);
    return reason;
}

void cba_ticket_bytes_free(unsigned char *bytes, size_t len)
{
    if (bytes != NULL) {
        OPENSSL_cleanse(bytes, len);
        free(bytes);
    }
}

static bool is_text(const krb5_data *data, const char *text)
{
    return cba_span_equal_nocase(cba_span_of(data->data, data->length), cba_span_str(text));
}

static enum cba_reason check_import(krb5_context context, const krb5_creds *creds, const char *sam,
                                    const char *realm, const char *spn, const char *service_realm,
                                    struct cba_result *result)
{
    krb5_principal server = NULL;
    enum cba_reason reason = CBA_R_CACHE_TICKET;

    if (creds->client == NULL || creds->server == NULL || creds->client->length != 1 ||
        !is_text(&creds->client->data[0], sam) || !is_text(&creds->client->realm, realm)) {
        cba_result_set(result, "it is not one of %s@%s", sam, realm);
    } else if (time(NULL) >= (int64_t)(uint32_t)creds->times.endtime) {
        cba_result_set(result, "the ticket of %s@%s has expired", sam, realm);
    } else if (cba_krb5_spn(context, spn, service_realm, &server, result) == CBA_R_OK &&
               cba_krb5_check(context, creds, server, result) == CBA_R_OK) {
        reason = CBA_R_OK;
    }
    krb5_free_principal(context, server);
    return reason;
}

enum cba_reason cba_ticket_import(struct cba_span bytes, const char *sam, const char *realm,
                                  const char *spn, const char *service_realm,
                                  struct cba_ticket **out, struct cba_result *result)
{
    krb5_data data = {.length = (unsigned)bytes.len, .data = (char *)(uintptr_t)bytes.ptr};
    krb5_context context;
    krb5_creds *creds = NULL;
    enum cba_reason reason = cba_krb5_of_thread(&context, result);

    *out = NULL;
    if (reason != CBA_R_OK) {
        return reason;
    }
    if (bytes.len > INT32_MAX || krb5_unmarshal_credentials(context, &data, &creds) != 0) {
        cba_result_set(result, "its bytes are no ticket");
        reason = CBA_R_CACHE_TICKET;
    } else {
        reason = check_import(context, creds, sam, realm, spn, service_realm, result);
    }
    if (reason == CBA_R_OK) {
        reason = cba_ticket_create(context, creds, out, result);
    }
    krb5_free_creds(context, creds);
    return reason;
}

/* --- tokens --- */

/* MD5 over the channel binding (RFC 4121 4.1.1.2), by libkrb5: OpenSSL's may be switched off. */
static krb5_error_code hash_binding(krb5_context context, struct cba_span application,
                                    unsigned char hash[CBA_SPNEGO_BINDING_HASH])
{
    unsigned char bytes[CBA_SPNEGO_BINDING_HEAD + CBA_TICKET_BINDING_MAX];
    krb5_data data = {.data = (char *)bytes};
    krb5_checksum sum = {0};
    krb5_error_code code;

    if (application.len > CBA_TICKET_BINDING_MAX) {
        return KRB5KRB_ERR_FIELD_TOOLONG;
    }
    cba_spnego_binding_head(application.len, bytes);
    memcpy(bytes + CBA_SPNEGO_BINDING_HEAD, application.ptr, application.len);
    data.length = (unsigned)(CBA_SPNEGO_BINDING_HEAD + application.len);
    code = krb5_c_make_checksum(context, CKSUMTYPE_RSA_MD5, NULL, 0, &data, &sum);
    if (code == 0 && sum.length != CBA_SPNEGO_BINDING_HASH) {
        code = KRB5_BAD_MSIZE;
    }
    if (code == 0) {
        memcpy(hash, sum.contents, CBA_SPNEGO_BINDING_HASH);
    }
    krb5_free_checksum_contents(context, &sum);
    return code;
}

/* A new AP-REQ (RFC 4120 5.5.1) with the checksum that GSSAPI's acceptors look for. */
static krb5_error_code make_ap_req(krb5_context context, krb5_creds *creds,
                                   struct cba_span bindings, krb5_data *out)
{
    unsigned char hash[CBA_SPNEGO_BINDING_HASH], checksum[CBA_SPNEGO_CHECKSUM];
    krb5_data in = {.length = sizeof checksum, .data = (char *)checksum};
    krb5_auth_context auth = NULL;
    krb5_error_code code = 0;

    if (bindings.len > 0) {
        code = hash_binding(context, bindings, hash);
    }
    if (code == 0) {
        code = krb5_auth_con_init(context, &auth);
    }
    if (code == 0) {
        /* GSSAPI's contexts are numbered from what the authenticator says. */
        code = krb5_auth_con_setflags(context, auth, KRB5_AUTH_CONTEXT_DO_SEQUENCE);
    }
    if (code == 0) {
        code = krb5_auth_con_set_req_cksumtype(context, auth, CHECKSUM_GSSAPI);
    }
    if (code == 0) {
        cba_spnego_checksum(bindings.len > 0 ? hash : NULL, checksum);
        code = krb5_mk_req_extended(context, &auth, AP_OPTS_USE_SUBKEY, &in, creds, out);
    }
    krb5_auth_con_free(context, auth);
    return code;
}

static enum cba_reason encode(const krb5_data *ap_req, char **out, struct cba_result *result)
{
    unsigned char *token;
    size_t len;

    if (ap_req->length > CBA_AP_REQ_MAX) { /* EVP_EncodeBlock counts by int */
        cba_result_set(result, "the token is too long");
        return CBA_R_KRB_TOKEN;
    }
    len = cba_spnego_size(ap_req->length);
    token = malloc(len);
    *out = malloc(4 * ((len + 2) / 3) + 1);
    if (token == NULL || *out == NULL) {
        free(token);
        free(*out);
        *out = NULL;
        return CBA_R_LIFE_MEMORY;
    }
    cba_spnego_write(cba_span_of(ap_req->data, ap_req->length), token);
    EVP_EncodeBlock((unsigned char *)*out, token, (int)len);
    OPENSSL_cleanse(token, len);
    free(token);
    return CBA_R_OK;
}

enum cba_reason cba_ticket_token(struct cba_ticket *ticket, struct cba_span bindings, char **base64,
                                 struct cba_result *result)
{
    krb5_context context;
    krb5_data ap_req = {0};
    krb5_error_code code;
    enum cba_reason reason;
    int64_t now = time(NULL);

    *base64 = NULL;
    if (now < ticket->begins - CLOCK_SKEW) {
        cba_result_set(result, "the ticket of %s is one of the future", ticket->client);
        return CBA_R_KRB_SKEW;
    }
    if (now >= ticket->expires) {
        cba_result_set(result, "the ticket of %s has expired", ticket->client);
        return CBA_R_KRB_TOKEN;
    }
    reason = cba_krb5_of_thread(&context, result);
    if (reason != CBA_R_OK) {
        return reason;
    }
    code = make_ap_req(context, ticket->creds, bindings, &ap_req);
    if (code != 0) {
        fail(context, code, "token", result);
        return cba_krb5_reason(code, CBA_KRB5_TOKEN);
    }
    reason = encode(&ap_req, base64, result);
    OPENSSL_cleanse(ap_req.data, ap_req.length);
    krb5_free_data_contents(context, &ap_req);
    return reason;
}

void cba_token_free(char *base64)
{
    if (base64 == NULL) {
        return;
    }
    OPENSSL_cleanse(base64, strlen(base64));
    free(base64);
}
