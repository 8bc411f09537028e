/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_sasl.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>

#include "cba_krb5.h"

/* Security layers (RFC 4752 3.3) */
#define LAYER_NONE            1
#define LAYER_CONFIDENTIALITY 4

/* AES: anything else is RC4 or DES. */
#define STRENGTH_MIN 128

#define FLAGS (GSS_C_MUTUAL_FLAG | GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG | GSS_C_INTEG_FLAG)

enum state { TOKENS, LAYERS, OVER };

struct cba_sasl {
    enum state state;
    bool seal;
    gss_cred_id_t cred;
    gss_name_t target;
    gss_ctx_id_t context;
    gss_buffer_desc message; /* the last one handed out */
    struct gss_channel_bindings_struct bindings;
    unsigned strength;
    size_t plain_max;
};

static gss_buffer_desc buffer_of(struct cba_span span)
{
    /* GSSAPI's input buffers are not const, yet are only read (RFC 2744 3.2). */
    return (gss_buffer_desc){span.len, (void *)(uintptr_t)span.ptr};
}

static void set_error(struct cba_result *result, const char *what, OM_uint32 maj, OM_uint32 min)
{
    OM_uint32 ignored, more = 0;
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;

    /* The mechanism's own code says most, where there is one. */
    if (min ? gss_display_status(&ignored, min, GSS_C_MECH_CODE, (gss_OID)gss_mech_krb5, &more,
                                 &text)
            : gss_display_status(&ignored, maj, GSS_C_GSS_CODE, GSS_C_NO_OID, &more, &text)) {
        cba_result_set(result, "%s: GSSAPI error %lx, %lx", what, (unsigned long)maj,
                       (unsigned long)min);
        return;
    }
    cba_result_set(result, "%s: %.*s", what, (int)text.length, (const char *)text.value);
    gss_release_buffer(&ignored, &text);
}

static OM_uint32 acquire(OM_uint32 *min, const char *ccache, gss_cred_id_t *cred)
{
    gss_key_value_element_desc elements[] = {{"ccache", ccache},
                                             {"client_keytab", CBA_KRB5_NO_KEYTAB}};
    gss_key_value_set_desc store = {sizeof elements / sizeof elements[0], elements};
    gss_OID_set_desc mechs = {1, (gss_OID)gss_mech_krb5};

    return gss_acquire_cred_from(min, GSS_C_NO_NAME, GSS_C_INDEFINITE, &mechs, GSS_C_INITIATE,
                                 &store, cred, NULL, NULL);
}

static bool copy_bindings(struct cba_sasl *sasl, struct cba_span bindings)
{
    if (bindings.len == 0) {
        return true;
    }
    sasl->bindings.application_data.value = malloc(bindings.len);
    if (!sasl->bindings.application_data.value) {
        return false;
    }
    memcpy(sasl->bindings.application_data.value, bindings.ptr, bindings.len);
    sasl->bindings.application_data.length = bindings.len;
    return true;
}

enum cba_reason cba_sasl_create(const char *ccache, const char *spn, bool seal,
                                struct cba_span bindings, struct cba_sasl **out,
                                struct cba_result *result)
{
    struct cba_sasl *sasl = calloc(1, sizeof *sasl);
    gss_buffer_desc name = buffer_of(cba_span_str(spn));
    OM_uint32 maj, min;

    if (!sasl || !copy_bindings(sasl, bindings)) {
        cba_sasl_destroy(sasl);
        return CBA_R_LIFE_MEMORY;
    }
    sasl->seal = seal;
    maj = acquire(&min, ccache, &sasl->cred);
    if (maj == GSS_S_COMPLETE) {
        /* A principal's name is taken as it stands; a host-based one would go through DNS. */
        maj = gss_import_name(&min, &name, (gss_OID)GSS_KRB5_NT_PRINCIPAL_NAME, &sasl->target);
    }
    if (maj != GSS_S_COMPLETE) {
        set_error(result, "credential for the bind", maj, min);
        cba_sasl_destroy(sasl);
        return CBA_R_KRB_TOKEN;
    }
    *out = sasl;
    return CBA_R_OK;
}

void cba_sasl_destroy(struct cba_sasl *sasl)
{
    OM_uint32 min;

    if (!sasl) {
        return;
    }
    gss_release_buffer(&min, &sasl->message);
    gss_delete_sec_context(&min, &sasl->context, GSS_C_NO_BUFFER);
    gss_release_name(&min, &sasl->target);
    gss_release_cred(&min, &sasl->cred);
    free(sasl->bindings.application_data.value);
    free(sasl);
}

/* --- the exchange --- */

static bool read_strength(struct cba_sasl *sasl)
{
    gss_buffer_set_t set = GSS_C_NO_BUFFER_SET;
    OM_uint32 min;
    bool ok;

    ok = gss_inquire_sec_context_by_oid(&min, sasl->context, GSS_C_SEC_CONTEXT_SASL_SSF, &set) ==
             GSS_S_COMPLETE &&
         set && set->count == 1 && set->elements[0].length == 4;
    if (ok) {
        const unsigned char *be = set->elements[0].value;

        sasl->strength =
            (unsigned)be[0] << 24 | (unsigned)be[1] << 16 | (unsigned)be[2] << 8 | be[3];
    }
    gss_release_buffer_set(&min, &set);
    return ok;
}

static enum cba_reason step_tokens(struct cba_sasl *sasl, struct cba_span in,
                                   struct cba_result *result)
{
    gss_buffer_desc input = buffer_of(in);
    OM_uint32 wanted = sasl->seal ? FLAGS | GSS_C_CONF_FLAG : FLAGS;
    OM_uint32 maj, min, flags = 0;

    maj = gss_init_sec_context(
        &min, sasl->cred, &sasl->context, sasl->target, (gss_OID)gss_mech_krb5, wanted, 0,
        sasl->bindings.application_data.length ? &sasl->bindings : GSS_C_NO_CHANNEL_BINDINGS,
        &input, NULL, &sasl->message, &flags, NULL);
    if (GSS_ERROR(maj)) {
        set_error(result, "bind token", maj, min);
        return CBA_R_DIR_BIND;
    }
    if (maj & GSS_S_CONTINUE_NEEDED) {
        return CBA_R_OK;
    }
    if ((flags & wanted) != wanted) {
        cba_result_set(result, "the server does not protect the connection (GSSAPI flags %lx)",
                       (unsigned long)flags);
        return CBA_R_DIR_BIND;
    }
    if (sasl->seal && (!read_strength(sasl) || sasl->strength < STRENGTH_MIN)) {
        cba_result_set(result, "the server's key is too weak (%u bits; AES has at least %d)",
                       sasl->strength, STRENGTH_MIN);
        return CBA_R_DIR_BIND;
    }
    sasl->state = LAYERS;
    return CBA_R_OK;
}

/* The server's offer: a set of layers and the largest message it takes; ours: the one layer, our
 * largest message, and no authorization identity, which is to be ourselves (RFC 4752 3.1). */
static enum cba_reason step_layers(struct cba_sasl *sasl, struct cba_span in,
                                   struct cba_result *result)
{
    gss_buffer_desc input = buffer_of(in), offer = GSS_C_EMPTY_BUFFER, answer;
    unsigned char ours[4] = {LAYER_NONE, 0, 0, 0};
    unsigned char theirs[4] = {0, 0, 0, 0};
    unsigned wanted = sasl->seal ? LAYER_CONFIDENTIALITY : LAYER_NONE;
    size_t offered;
    OM_uint32 maj, min, ignored, max = 0;

    maj = gss_unwrap(&min, sasl->context, &input, &offer, NULL, NULL);
    offered = offer.length;
    if (maj == GSS_S_COMPLETE && offered == sizeof theirs) {
        memcpy(theirs, offer.value, sizeof theirs);
    }
    gss_release_buffer(&ignored, &offer);
    if (maj != GSS_S_COMPLETE) {
        set_error(result, "offer of security layers", maj, min);
        return CBA_R_DIR_BIND;
    }
    if (offered != sizeof theirs || !(theirs[0] & wanted)) {
        cba_result_set(result, "the server does not offer security layer %u (it offers %u)", wanted,
                       theirs[0]);
        return CBA_R_DIR_BIND;
    }
    if (sasl->seal) {
        OM_uint32 largest = (OM_uint32)theirs[1] << 16 | (OM_uint32)theirs[2] << 8 | theirs[3];

        maj = gss_wrap_size_limit(&min, sasl->context, 1, GSS_C_QOP_DEFAULT, largest, &max);
        if (maj != GSS_S_COMPLETE || max == 0) {
            cba_result_set(result, "the server takes no messages longer than %lu bytes",
                           (unsigned long)largest);
            return CBA_R_DIR_BIND;
        }
        sasl->plain_max = max;
        ours[0] = LAYER_CONFIDENTIALITY;
        ours[1] = CBA_SASL_SEALED_MAX >> 16 & 0xff;
        ours[2] = CBA_SASL_SEALED_MAX >> 8 & 0xff;
        ours[3] = CBA_SASL_SEALED_MAX & 0xff;
    }
    answer = buffer_of(cba_span_of(ours, sizeof ours));
    maj = gss_wrap(&min, sasl->context, 0, GSS_C_QOP_DEFAULT, &answer, NULL, &sasl->message);
    if (maj != GSS_S_COMPLETE) {
        set_error(result, "choice of the security layer", maj, min);
        return CBA_R_DIR_BIND;
    }
    sasl->state = OVER;
    return CBA_R_OK;
}

enum cba_reason cba_sasl_step(struct cba_sasl *sasl, struct cba_span in, struct cba_span *out,
                              bool *last, struct cba_result *result)
{
    enum cba_reason reason;
    OM_uint32 min;

    gss_release_buffer(&min, &sasl->message);
    switch (sasl->state) {
    case TOKENS:
        reason = step_tokens(sasl, in, result);
        break;
    case LAYERS:
        reason = step_layers(sasl, in, result);
        break;
    case OVER:
    default:
        cba_result_set(result, "the server goes on after the end of the exchange");
        reason = CBA_R_DIR_BIND;
        break;
    }
    *out = cba_span_of(sasl->message.value, sasl->message.length);
    *last = sasl->state == OVER;
    return reason;
}

/* --- what follows --- */

unsigned cba_sasl_strength(const struct cba_sasl *sasl)
{
    return sasl->strength;
}

size_t cba_sasl_plain_max(const struct cba_sasl *sasl)
{
    return sasl->plain_max;
}

bool cba_sasl_seal(struct cba_sasl *sasl, struct cba_span plain, struct cba_span *out)
{
    gss_buffer_desc input = buffer_of(plain);
    OM_uint32 min;
    int sealed = 0;

    gss_release_buffer(&min, &sasl->message);
    if (gss_wrap(&min, sasl->context, 1, GSS_C_QOP_DEFAULT, &input, &sealed, &sasl->message) !=
            GSS_S_COMPLETE ||
        !sealed) {
        return false;
    }
    *out = cba_span_of(sasl->message.value, sasl->message.length);
    return true;
}

bool cba_sasl_unseal(struct cba_sasl *sasl, struct cba_span sealed, struct cba_span *out)
{
    gss_buffer_desc input = buffer_of(sealed);
    OM_uint32 min;
    int was_sealed = 0;

    gss_release_buffer(&min, &sasl->message);
    /* Anything but plain success is a replayed, reordered or missing message (RFC 2743 1.2.3). */
    if (gss_unwrap(&min, sasl->context, &input, &sasl->message, &was_sealed, NULL) !=
            GSS_S_COMPLETE ||
        !was_sealed) {
        return false;
    }
    *out = cba_span_of(sasl->message.value, sasl->message.length);
    return true;
}
