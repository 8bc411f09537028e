/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_ticket.h"

#include <errno.h>
#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cba_krb5.h"

#define CLOCK_SKEW 300 /* seconds; what krb5 allows unless it is told otherwise */

struct cba_ticket {
    atomic_uint references;
    /* Initiates with SPNEGO from the ccache, and with nothing else. GSSAPI locks it. */
    gss_cred_id_t credential;
    gss_name_t target;
    char *ccache; /* "MEMORY:..." */
    char *client;
    int64_t begins, expires;
    atomic_bool proven; /* a context made from it spoke for the client */
};

/* Not constant, for GSSAPI's prototypes are not; nobody writes to them. */
static unsigned char spnego_oid[] = {0x2b, 0x06, 0x01,
                                     0x05, 0x05, 0x02}; /* 1.3.6.1.5.5.2, RFC 4178 */
static unsigned char krb5_oid[] = {0x2a, 0x86, 0x48, 0x86,
                                   0xf7, /* 1.2.840.113554.1.2.2, RFC 4121 */
                                   0x12, 0x01, 0x02, 0x02};
static gss_OID_desc spnego = {sizeof spnego_oid, spnego_oid};
static gss_OID_desc krb5_mechanism = {sizeof krb5_oid, krb5_oid};

/* --- what GSSAPI says --- */

static bool display(OM_uint32 status, int type, gss_OID mechanism, gss_buffer_desc *text)
{
    OM_uint32 minor, more = 0;

    return gss_display_status(&minor, status, type, mechanism, &more, text) == GSS_S_COMPLETE;
}

/* The mechanism's text says more than GSSAPI's, where there is one. */
static void gss_fail(const char *what, OM_uint32 major, OM_uint32 minor, struct cba_result *result)
{
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    OM_uint32 ignored;

    if ((minor != 0 && display(minor, GSS_C_MECH_CODE, &krb5_mechanism, &text)) ||
        display(major, GSS_C_GSS_CODE, GSS_C_NO_OID, &text)) {
        cba_result_set(result, "%s: %.*s", what, (int)text.length, (const char *)text.value);
    } else {
        cba_result_set(result, "%s: GSSAPI error %lu", what, (unsigned long)major);
    }
    gss_release_buffer(&ignored, &text);
}

/* --- life --- */

/* The ticket alone in a new MEMORY ccache. */
static krb5_error_code store(krb5_context context, const krb5_creds *creds, char **name)
{
    krb5_creds only = *creds; /* nothing is freed through it */
    krb5_ccache ccache = NULL;
    char *full = NULL;
    krb5_error_code code = krb5_cc_new_unique(context, "MEMORY", NULL, &ccache);

    if (code != 0) {
        return code;
    }
    only.second_ticket.data = NULL; /* the evidence ticket is of no use here */
    only.second_ticket.length = 0;
    code = krb5_cc_initialize(context, ccache, creds->client);
    if (code == 0) {
        code = krb5_cc_store_cred(context, ccache, &only);
    }
    if (code == 0) {
        code = krb5_cc_get_full_name(context, ccache, &full);
    }
    if (code == 0) {
        *name = strdup(full);
        code = *name == NULL ? ENOMEM : 0;
    }
    krb5_free_string(context, full);
    if (code == 0) {
        krb5_cc_close(context, ccache);
    } else {
        krb5_cc_destroy(context, ccache);
    }
    return code;
}

/* A credential of SPNEGO alone, which negotiates krb5 alone. Were one mechanism without a
 * credential, GSSAPI would give it the default one: somebody else. */
static enum cba_reason acquire(struct cba_ticket *ticket, struct cba_result *result)
{
    gss_key_value_element_desc elements[] = {{"ccache", ticket->ccache},
                                             {"client_keytab", CBA_KRB5_NO_KEYTAB}};
    gss_key_value_set_desc where = {sizeof elements / sizeof elements[0], elements};
    gss_OID_set_desc mechanisms = {1, &spnego};
    gss_OID_set_desc negotiable = {1, &krb5_mechanism};
    OM_uint32 minor;
    OM_uint32 major =
        gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &mechanisms, GSS_C_INITIATE,
                              &where, &ticket->credential, NULL, NULL);

    if (major == GSS_S_COMPLETE) {
        major = gss_set_neg_mechs(&minor, ticket->credential, &negotiable);
    }
    if (major == GSS_S_COMPLETE) {
        return CBA_R_OK;
    }
    gss_fail("credential of the ticket", major, minor, result);
    return CBA_R_KRB_TOKEN;
}

/* The exact server of the ticket: a host-based name would be canonicalized by DNS. */
static enum cba_reason name_target(struct cba_ticket *ticket, krb5_context context,
                                   krb5_const_principal server, struct cba_result *result)
{
    gss_buffer_desc buffer;
    char *name = NULL;
    OM_uint32 major, minor;

    if (krb5_unparse_name(context, server, &name) != 0) {
        return CBA_R_LIFE_MEMORY;
    }
    buffer.value = name;
    buffer.length = strlen(name);
    major = gss_import_name(&minor, &buffer, GSS_KRB5_NT_PRINCIPAL_NAME, &ticket->target);
    if (major != GSS_S_COMPLETE) {
        gss_fail(name, major, minor, result);
    }
    krb5_free_unparsed_name(context, name);
    return major == GSS_S_COMPLETE ? CBA_R_OK : CBA_R_KRB_TOKEN;
}

enum cba_reason cba_ticket_create(krb5_context context, const krb5_creds *creds,
                                  struct cba_ticket **out, struct cba_result *result)
{
    struct cba_ticket *ticket;
    enum cba_reason reason = CBA_R_LIFE_MEMORY;
    char *client = NULL;
    krb5_error_code code;

    *out = NULL;
    if (creds->client == NULL || creds->server == NULL || creds->ticket.length == 0) {
        cba_result_set(result, "no ticket");
        return CBA_R_KRB_OTHER;
    }
    ticket = calloc(1, sizeof *ticket);
    if (ticket == NULL) {
        return reason;
    }
    atomic_init(&ticket->references, 1);
    ticket->credential = GSS_C_NO_CREDENTIAL;
    ticket->target = GSS_C_NO_NAME;
    ticket->begins = (int64_t)(uint32_t)(creds->times.starttime != 0 ? creds->times.starttime
                                                                     : creds->times.authtime);
    ticket->expires =
        (int64_t)(uint32_t)creds->times.endtime; /* libkrb5 counts unsigned past 2038 */
    if (krb5_unparse_name(context, creds->client, &client) == 0) {
        ticket->client = strdup(client);
    }
    krb5_free_unparsed_name(context, client);
    if (ticket->client != NULL) {
        code = store(context, creds, &ticket->ccache);
        if (code == ENOMEM) {
            reason = CBA_R_LIFE_MEMORY;
        } else if (code != 0) {
            const char *text = krb5_get_error_message(context, code);

            cba_result_set(result, "credential cache: %s", text);
            krb5_free_error_message(context, text);
            reason = CBA_R_KRB_OTHER;
        } else {
            reason = name_target(ticket, context, creds->server, result);
            if (reason == CBA_R_OK) {
                reason = acquire(ticket, result);
            }
        }
    }
    if (reason == CBA_R_OK) {
        *out = ticket;
    } else {
        cba_ticket_unref(ticket);
    }
    return reason;
}

struct cba_ticket *cba_ticket_ref(struct cba_ticket *ticket)
{
    atomic_fetch_add_explicit(&ticket->references, 1, memory_order_relaxed);
    return ticket;
}

static void destroy_ccache(const char *name)
{
    krb5_context context = NULL;
    krb5_ccache ccache = NULL;

    if (name == NULL || krb5_init_context(&context) != 0) {
        return; /* out of memory: it stays until the process ends */
    }
    if (krb5_cc_resolve(context, name, &ccache) == 0) {
        krb5_cc_destroy(context, ccache);
    }
    krb5_free_context(context);
}

void cba_ticket_unref(struct cba_ticket *ticket)
{
    OM_uint32 minor;

    if (ticket == NULL ||
        atomic_fetch_sub_explicit(&ticket->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (ticket->credential != GSS_C_NO_CREDENTIAL) {
        gss_release_cred(&minor, &ticket->credential);
    }
    if (ticket->target != GSS_C_NO_NAME) {
        gss_release_name(&minor, &ticket->target);
    }
    destroy_ccache(ticket->ccache);
    free(ticket->ccache);
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

/* The one ticket of the ccache. */
static krb5_error_code fetch(krb5_context context, krb5_ccache ccache, krb5_creds *creds)
{
    krb5_cc_cursor cursor;
    krb5_error_code code = krb5_cc_start_seq_get(context, ccache, &cursor);

    if (code == 0) {
        code = krb5_cc_next_cred(context, ccache, &cursor, creds);
        krb5_cc_end_seq_get(context, ccache, &cursor);
    }
    return code;
}

static krb5_error_code marshal(krb5_context context, const char *name, krb5_data **data)
{
    krb5_ccache ccache = NULL;
    krb5_creds creds = {0};
    krb5_error_code code = krb5_cc_resolve(context, name, &ccache);

    if (code == 0) {
        code = fetch(context, ccache, &creds);
    }
    if (code == 0) {
        code = krb5_marshal_credentials(context, &creds, data);
        krb5_free_cred_contents(context, &creds);
    }
    if (ccache != NULL) {
        krb5_cc_close(context, ccache);
    }
    return code;
}

enum cba_reason cba_ticket_export(const struct cba_ticket *ticket, unsigned char **bytes,
                                  size_t *len, struct cba_result *result)
{
    enum cba_reason reason = CBA_R_LIFE_MEMORY;
    krb5_context context = NULL;
    krb5_data *data = NULL;

    *bytes = NULL;
    *len = 0;
    if (krb5_init_context(&context) != 0) {
        return reason;
    }
    if (marshal(context, ticket->ccache, &data) != 0) {
        cba_result_set(result, "the ticket of %s cannot be written out", ticket->client);
        reason = CBA_R_KRB_OTHER;
    } else {
        *bytes = malloc(data->length);
        if (*bytes != NULL) {
            *len = data->length;
            memcpy(*bytes, data->data, data->length);
            reason = CBA_R_OK;
        }
        OPENSSL_cleanse(data->data, data->length);
    }
    krb5_free_data(context, data);
    krb5_free_context(context);
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
    enum cba_reason reason = CBA_R_CACHE_TICKET;
    krb5_context context = NULL;
    krb5_creds *creds = NULL;

    *out = NULL;
    if (krb5_init_context(&context) != 0) {
        return CBA_R_LIFE_MEMORY;
    }
    if (bytes.len > INT32_MAX || krb5_unmarshal_credentials(context, &data, &creds) != 0) {
        cba_result_set(result, "its bytes are no ticket");
    } else {
        reason = check_import(context, creds, sam, realm, spn, service_realm, result);
    }
    if (reason == CBA_R_OK) {
        reason = cba_ticket_create(context, creds, out, result);
    }
    krb5_free_creds(context, creds);
    krb5_free_context(context);
    return reason;
}

/* --- tokens --- */

/* Does the context speak for the ticket's client? */
static bool speaks_for(gss_ctx_id_t context, const char *client, struct cba_result *result)
{
    gss_name_t source = GSS_C_NO_NAME;
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor;
    OM_uint32 major =
        gss_inquire_context(&minor, context, &source, NULL, NULL, NULL, NULL, NULL, NULL);
    bool same = false;

    if (major == GSS_S_COMPLETE) {
        major = gss_display_name(&minor, source, &text, NULL);
    }
    if (major != GSS_S_COMPLETE) {
        gss_fail("name of the token", major, minor, result);
    } else {
        same = text.length == strlen(client) && memcmp(text.value, client, text.length) == 0;
        if (!same) {
            cba_result_set(result, "the token speaks for %.*s and not for %s", (int)text.length,
                           (const char *)text.value, client);
        }
    }
    gss_release_buffer(&minor, &text);
    if (source != GSS_C_NO_NAME) {
        gss_release_name(&minor, &source);
    }
    return same;
}

/* Credential, ccache and target of a ticket never change: what its first context showed holds for
 * all of them. */
static bool is_proven(struct cba_ticket *ticket, gss_ctx_id_t context, struct cba_result *result)
{
    if (!atomic_load(&ticket->proven) && speaks_for(context, ticket->client, result)) {
        atomic_store(&ticket->proven, true);
    }
    return atomic_load(&ticket->proven);
}

static enum cba_reason encode(const gss_buffer_desc *token, char **out, struct cba_result *result)
{
    /* EVP_EncodeBlock counts by int. */
    if (token->length > INT32_MAX / 2) {
        cba_result_set(result, "the token is too long");
        return CBA_R_KRB_TOKEN;
    }
    *out = malloc(4 * ((token->length + 2) / 3) + 1);
    if (*out == NULL) {
        return CBA_R_LIFE_MEMORY;
    }
    EVP_EncodeBlock((unsigned char *)*out, token->value, (int)token->length);
    return CBA_R_OK;
}

enum cba_reason cba_ticket_token(struct cba_ticket *ticket, struct cba_span bindings, char **base64,
                                 struct cba_result *result)
{
    struct gss_channel_bindings_struct channel = {.initiator_addrtype = GSS_C_AF_UNSPEC,
                                                  .acceptor_addrtype = GSS_C_AF_UNSPEC};
    gss_ctx_id_t context = GSS_C_NO_CONTEXT;
    gss_buffer_desc token = GSS_C_EMPTY_BUFFER;
    enum cba_reason reason = CBA_R_KRB_TOKEN;
    OM_uint32 major, minor, ignored;

    *base64 = NULL;
    if (time(NULL) < ticket->begins - CLOCK_SKEW) { /* GSSAPI's minor codes do not tell */
        cba_result_set(result, "the ticket of %s is one of the future", ticket->client);
        return CBA_R_KRB_SKEW;
    }
    if (time(NULL) >= ticket->expires) {
        cba_result_set(result, "the ticket of %s has expired", ticket->client);
        return CBA_R_KRB_TOKEN;
    }
    channel.application_data.length = bindings.len;
    channel.application_data.value = (void *)(uintptr_t)bindings.ptr; /* only read */
    major = gss_init_sec_context(&minor, ticket->credential, &context, ticket->target, &spnego, 0,
                                 GSS_C_INDEFINITE,
                                 bindings.len > 0 ? &channel : GSS_C_NO_CHANNEL_BINDINGS,
                                 GSS_C_NO_BUFFER, NULL, &token, NULL, NULL);
    if (GSS_ERROR(major)) {
        gss_fail("token", major, minor, result);
    } else if (token.length == 0) {
        cba_result_set(result, "GSSAPI made no token");
    } else if (is_proven(ticket, context, result)) {
        reason = encode(&token, base64, result);
    }
    if (context != GSS_C_NO_CONTEXT) {
        gss_delete_sec_context(&ignored, &context, GSS_C_NO_BUFFER);
    }
    if (token.value != NULL) {
        OPENSSL_cleanse(token.value, token.length);
    }
    gss_release_buffer(&ignored, &token);
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
