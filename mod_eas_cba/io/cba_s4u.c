/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_s4u.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cba_breaker.h"
#include "cba_krb5.h"
#include "cba_pac.h"

/* PAC buffers that tell whose it is (MS-PAC 2.4). */
#define PAC_LOGON_INFO   1
#define PAC_UPN_DNS_INFO 12

#define STATUS_NOT_SUPPORTED 0xC00000BBu /* MS-ERREF 2.3.1 */

struct cba_evidence {
    krb5_context context; /* owns what follows */
    krb5_creds *creds;
    krb5_principal client; /* as the decrypted ticket has it */
    bool forwardable;
};

/* In libkrb5's list of exported symbols (krb5_3_MIT) since 1.8 and used by Samba, yet in no
 * public header; configure tries it. */
krb5_error_code KRB5_CALLCONV krb5_get_credentials_for_user(krb5_context context,
                                                            krb5_flags options, krb5_ccache ccache,
                                                            krb5_creds *in_creds, krb5_data *cert,
                                                            krb5_creds **out_creds);

/* --- S4U2Self --- */

static krb5_error_code self_exchange(krb5_context context, krb5_ccache ccache,
                                     krb5_const_principal self, void *arg, krb5_creds **out)
{
    krb5_creds wanted = {0};
    krb5_error_code code = krb5_copy_principal(context, self, &wanted.server);

    if (code != 0) {
        return code;
    }
    wanted.client = arg;
    code = krb5_get_credentials_for_user(
        context, KRB5_GC_CANONICALIZE | KRB5_GC_NO_STORE | KRB5_GC_FORWARDABLE, ccache, &wanted,
        NULL, out);
    krb5_free_principal(context, wanted.server);
    return code;
}

/* Opens the ticket by one key. */
static krb5_error_code try_key(krb5_context context, krb5_keytab_entry *entry, krb5_ticket *ticket)
{
    struct cba_keys one = {entry, 1};
    krb5_keytab keytab;
    size_t next;
    krb5_error_code code = cba_keys_keytab(context, &one, 0, &next, &keytab);

    if (code == 0) {
        code = krb5_server_decrypt_ticket_keytab(context, keytab, ticket);
        krb5_kt_close(context, keytab);
    }
    return code;
}

/* The key that opens the ticket, and the ticket opened by it. Keys of its kvno first; but keytabs
 * with a wrong kvno are common, and a key that opens the ticket is the right one. */
static enum cba_reason open_ticket(const struct cba_service *service, struct cba_krb5 *krb5,
                                   krb5_ticket *ticket, krb5_keyblock **out,
                                   struct cba_result *result)
{
    struct cba_keys keys = {0};
    bool known = false;
    size_t i, n;
    enum cba_reason reason = cba_service_keys(service, krb5, &keys, result);
    /* What krb5_server_decrypt_ticket_keytab says for a key that does not fit. */
    krb5_error_code code = KRB5KRB_AP_WRONG_PRINC;

    for (n = 0; n < 2 * keys.count && code == KRB5KRB_AP_WRONG_PRINC; n++) {
        bool match;

        i = n % keys.count;
        match = keys.entries[i].vno == ticket->enc_part.kvno;
        if (keys.entries[i].key.enctype != ticket->enc_part.enctype || match != (n < keys.count)) {
            continue;
        }
        known = known || match;
        code = try_key(krb5->context, &keys.entries[i], ticket);
        if (code == 0) {
            code = krb5_copy_keyblock(krb5->context, &keys.entries[i].key, out);
        }
    }
    cba_keys_free(krb5->context, &keys);
    if (reason != CBA_R_OK || code == 0) {
        return reason;
    }
    if (code != KRB5KRB_AP_WRONG_PRINC) {
        return cba_krb5_fail(krb5, code, CBA_KRB5_SELF, "evidence ticket", result);
    }
    cba_result_set(result, "no key of %s opens the evidence ticket (kvno %u, encryption type %d)",
                   cba_service_principal(service), (unsigned)ticket->enc_part.kvno,
                   (int)ticket->enc_part.enctype);
    return known ? CBA_R_KRB_PAC_INVALID : CBA_R_KRB_KEYTAB;
}

/* False: such a buffer is there, but cannot be understood. No buffer: *sid is empty. */
static bool read_upn_info(krb5_context context, krb5_pac pac, struct cba_sid *sid)
{
    krb5_data data = {0};
    bool extended = true, good;

    memset(sid, 0, sizeof *sid);
    if (krb5_pac_get_buffer(context, pac, PAC_UPN_DNS_INFO, &data) != 0) {
        return true;
    }
    good = cba_pac_upn_sid(cba_span_of(data.data, data.length), sid, &extended) || !extended;
    krb5_free_data_contents(context, &data);
    return good;
}

static bool read_logon_info(krb5_context context, krb5_pac pac, struct cba_pac_logon *logon)
{
    krb5_data data = {0};
    bool good;

    memset(logon, 0, sizeof *logon);
    if (krb5_pac_get_buffer(context, pac, PAC_LOGON_INFO, &data) != 0) {
        return true;
    }
    good = cba_pac_logon_parse(cba_span_of(data.data, data.length), logon);
    krb5_free_data_contents(context, &data);
    return good;
}

static enum cba_reason read_account(krb5_context context, krb5_pac pac,
                                    struct cba_evidence_facts *facts, struct cba_result *result)
{
    struct cba_pac_logon logon;
    struct cba_sid upn;

    if (!read_upn_info(context, pac, &upn)) {
        cba_result_set(result, "its UPN_DNS_INFO is malformed");
        return CBA_R_KRB_PAC_INVALID;
    }
    if (!read_logon_info(context, pac, &logon)) {
        cba_result_set(result, "its logon information is malformed");
        return CBA_R_KRB_PAC_INVALID;
    }
    if (upn.len != 0 && logon.sid.len != 0 && !cba_sid_equal(&upn, &logon.sid)) {
        cba_result_set(result, "its UPN_DNS_INFO and its logon information name different SIDs");
        return CBA_R_KRB_PAC_INVALID;
    }
    facts->sid = upn.len != 0 ? upn : logon.sid;
    facts->groups_known = logon.sid.len != 0;
    facts->protected_user = logon.protected_user;
    return CBA_R_OK;
}

/* The one PAC of the ticket, its server signature and the client and time in it verified (MS-PAC
 * 2.7, 2.8). */
static enum cba_reason read_pac(struct cba_krb5 *krb5, const krb5_enc_tkt_part *part,
                                const krb5_keyblock *key, struct cba_evidence_facts *facts,
                                struct cba_result *result)
{
    krb5_authdata **found = NULL;
    krb5_pac pac = NULL;
    enum cba_reason reason = CBA_R_KRB_PAC_INVALID;
    krb5_error_code code;

    code = krb5_find_authdata(krb5->context, part->authorization_data, NULL,
                              KRB5_AUTHDATA_WIN2K_PAC, &found);
    if (code != 0) {
        cba_krb5_fail(krb5, code, CBA_KRB5_SELF, "PAC", result);
    } else if (found == NULL || found[0] == NULL) {
        cba_result_set(result, "the evidence ticket has no PAC");
        reason = CBA_R_KRB_PAC_MISSING;
    } else if (found[1] != NULL) {
        cba_result_set(result, "the evidence ticket has several PACs");
    } else {
        code = krb5_pac_parse(krb5->context, found[0]->contents, found[0]->length, &pac);
        if (code == 0) {
            code =
                krb5_pac_verify(krb5->context, pac, part->times.authtime, part->client, key, NULL);
        }
        if (code != 0) {
            cba_krb5_fail(krb5, code, CBA_KRB5_SELF, "PAC", result);
        } else {
            reason = read_account(krb5->context, pac, facts, result);
        }
    }
    if (pac != NULL) {
        krb5_pac_free(krb5->context, pac);
    }
    krb5_free_authdata(krb5->context, found);
    return reason;
}

/* A name that can be compared: one component, no NUL, not too long. */
static bool copy_text(const krb5_data *data, char *out, size_t size)
{
    if (data->length == 0 || data->length >= size ||
        memchr(data->data, '\0', data->length) != NULL) {
        return false;
    }
    memcpy(out, data->data, data->length);
    out[data->length] = '\0';
    return true;
}

/* What the opened ticket says. */
static enum cba_reason read_ticket(struct cba_krb5 *krb5, const krb5_ticket *ticket,
                                   const krb5_keyblock *key, struct cba_evidence *evidence,
                                   struct cba_evidence_facts *facts, struct cba_result *result)
{
    const krb5_enc_tkt_part *part = ticket->enc_part2;
    krb5_const_principal client = part->client;
    krb5_error_code code;

    if (client->length != 1 || !copy_text(&client->data[0], facts->client, sizeof facts->client) ||
        !copy_text(&client->realm, facts->realm, sizeof facts->realm)) {
        cba_result_set(result, "the client of the evidence ticket is no account's name");
        return CBA_R_KRB_CLIENT_NAME;
    }
    evidence->forwardable = (part->flags & TKT_FLG_FORWARDABLE) != 0;
    code = krb5_copy_principal(krb5->context, client, &evidence->client);
    if (code != 0) {
        return CBA_R_LIFE_MEMORY;
    }
    return read_pac(krb5, part, key, facts, result);
}

static enum cba_reason examine(const struct cba_service *service, struct cba_krb5 *krb5,
                               struct cba_evidence *evidence, struct cba_evidence_facts *facts,
                               struct cba_result *result)
{
    krb5_ticket *ticket = NULL;
    krb5_keyblock *key = NULL;
    enum cba_reason reason = CBA_R_KRB_OTHER;

    if (krb5_decode_ticket(&evidence->creds->ticket, &ticket) != 0) {
        cba_result_set(result, "the evidence ticket cannot be read");
    } else if (!cba_krb5_is_aes(ticket->enc_part.enctype)) {
        cba_result_set(result, "the evidence ticket to %s has encryption type %d",
                       cba_service_principal(service), (int)ticket->enc_part.enctype);
        reason = CBA_R_KRB_ENCTYPE;
    } else {
        reason = open_ticket(service, krb5, ticket, &key, result);
        if (reason == CBA_R_OK) {
            reason = read_ticket(krb5, ticket, key, evidence, facts, result);
        }
    }
    krb5_free_keyblock(krb5->context, key);
    krb5_free_ticket(krb5->context, ticket);
    return reason;
}

/* sam is one component, whatever characters it has. */
static krb5_error_code build_user(krb5_context context, const char *sam, const char *realm,
                                  krb5_principal *out)
{
    krb5_error_code code = krb5_build_principal_ext(context, out, (unsigned)strlen(realm), realm,
                                                    (unsigned)strlen(sam), sam, 0);

    if (code == 0) {
        (*out)->type = KRB5_NT_PRINCIPAL;
    }
    return code;
}

/* The SPN that S4U2Self asks for is the gateway itself; on the way to another realm, its TGT. */
static enum cba_reason explain_self(const struct cba_service *service, const char *what,
                                    const char *realm, struct cba_result *result)
{
    if (strcmp(realm, cba_service_realm(service)) != 0) {
        cba_result_set(result, "%s: %s knows no way to that realm", what,
                       cba_service_realm(service));
        return CBA_R_KRB_OTHER;
    }
    cba_result_set(result, "%s: the account of %s has no SPN", what,
                   cba_service_principal(service));
    return CBA_R_KRB_SPN_UNKNOWN;
}

enum cba_reason cba_s4u_self(struct cba_service *service, const char *sam, const char *realm,
                             struct cba_deadline deadline, struct cba_evidence **out,
                             struct cba_evidence_facts *facts, struct cba_result *result)
{
    struct cba_evidence *evidence = NULL;
    struct cba_krb5 krb5;
    krb5_principal user = NULL;
    char what[CBA_DETAIL_MAX + 1];
    enum cba_reason reason;

    *out = NULL;
    memset(facts, 0, sizeof *facts);
    /* An empty or endless name would mean something else to libkrb5 or the KDC. */
    if (sam[0] == '\0' || realm[0] == '\0' || strlen(sam) > CBA_SAM_MAX ||
        strlen(realm) > CBA_DOMAIN_MAX) {
        cba_result_set(result, "no account's name");
        return CBA_R_KRB_CLIENT_NAME;
    }
    reason = cba_krb5_begin(&krb5, service, deadline, result);
    if (reason != CBA_R_OK) {
        return reason;
    }
    krb5.who = cba_breaker_who(sam, strlen(sam));
    evidence = calloc(1, sizeof *evidence);
    if (evidence == NULL || build_user(krb5.context, sam, realm, &user) != 0) {
        reason = CBA_R_LIFE_MEMORY;
        goto done;
    }
    snprintf(what, sizeof what, "S4U2Self for %s@%s", sam, realm);
    reason = cba_service_exchange(service, &krb5, CBA_KRB5_SELF, what, self_exchange, user,
                                  &evidence->creds, result);
    if (reason == CBA_R_KRB_SPN_UNKNOWN) {
        reason = explain_self(service, what, realm, result);
    }
    if (reason == CBA_R_OK) {
        reason = examine(service, &krb5, evidence, facts, result);
    }
done:
    krb5_free_principal(krb5.context, user);
    if (evidence != NULL) {
        krb5_set_kdc_send_hook(krb5.context, NULL, NULL); /* it does not outlive this call */
        evidence->context = krb5.context;
        krb5.context = NULL;
    }
    cba_krb5_end(&krb5);
    if (reason == CBA_R_OK) {
        *out = evidence;
    } else {
        memset(facts, 0, sizeof *facts);
        cba_evidence_free(evidence);
    }
    return reason;
}

void cba_evidence_free(struct cba_evidence *evidence)
{
    if (evidence == NULL) {
        return;
    }
    krb5_free_principal(evidence->context, evidence->client);
    krb5_free_creds(evidence->context, evidence->creds);
    krb5_free_context(evidence->context);
    free(evidence);
}

/* --- S4U2Proxy --- */

struct proxy_request {
    const struct cba_evidence *evidence;
    krb5_principal server;
};

static krb5_error_code proxy_exchange(krb5_context context, krb5_ccache ccache,
                                      krb5_const_principal self, void *arg, krb5_creds **out)
{
    const struct proxy_request *request = arg;
    krb5_creds wanted = {0};
    krb5_error_code code = krb5_copy_principal(context, self, &wanted.client);

    if (code != 0) {
        return code;
    }
    wanted.server = request->server;
    wanted.second_ticket = request->evidence->creds->ticket; /* borrowed */
    code = krb5_get_credentials(
        context, KRB5_GC_CANONICALIZE | KRB5_GC_CONSTRAINED_DELEGATION | KRB5_GC_NO_STORE, ccache,
        &wanted, out);
    krb5_free_principal(context, wanted.client);
    return code;
}

/* The KDC says BADOPTION for several things (MS-SFU 3.2.5.2.1); what can be told apart here is. */
static void explain(const struct cba_evidence *evidence, const char *what,
                    const struct cba_krb5 *krb5, struct cba_result *result)
{
    if (!evidence->forwardable) {
        cba_result_set(
            result,
            "%s: the evidence ticket is not forwardable: the gateway's account may not use "
            "any protocol (TrustedToAuthForDelegation), or the account is sensitive or in "
            "Protected Users",
            what);
    } else if (krb5->kdc.status == STATUS_NOT_SUPPORTED) {
        cba_result_set(result, "%s: msDS-AllowedToDelegateTo of the gateway's account is empty",
                       what);
    } else {
        cba_result_set(result,
                       "%s: the evidence ticket is forwardable, so the SPN is not in "
                       "msDS-AllowedToDelegateTo of the gateway's account",
                       what);
    }
}

enum cba_reason cba_s4u_proxy(struct cba_service *service, const struct cba_evidence *evidence,
                              const char *spn, struct cba_deadline deadline,
                              struct cba_ticket **out, struct cba_result *result)
{
    struct cba_krb5 krb5;
    struct proxy_request request = {evidence, NULL};
    krb5_creds *creds = NULL;
    char what[CBA_DETAIL_MAX + 1];
    enum cba_reason reason = cba_krb5_begin(&krb5, service, deadline, result);

    *out = NULL;
    if (reason != CBA_R_OK) {
        return reason;
    }
    krb5.who = cba_breaker_who(evidence->client->data[0].data, evidence->client->data[0].length);
    reason = cba_krb5_spn(krb5.context, spn, cba_service_realm(service), &request.server, result);
    if (reason != CBA_R_OK) {
        goto done;
    }
    snprintf(what, sizeof what, "S4U2Proxy to %s", spn);
    reason = cba_service_exchange(service, &krb5, CBA_KRB5_PROXY, what, proxy_exchange, &request,
                                  &creds, result);
    if (reason == CBA_R_KRB_DELEGATION) {
        explain(evidence, what, &krb5, result);
    }
    if (reason != CBA_R_OK) {
        goto done;
    }
    reason = cba_krb5_check(krb5.context, creds, request.server, result);
    if (reason != CBA_R_OK) {
        goto done;
    }
    if (!krb5_principal_compare(krb5.context, creds->client, evidence->client)) {
        cba_result_set(result, "%s: the ticket is for another client than the evidence", what);
        reason = CBA_R_KRB_CLIENT_NAME;
        goto done;
    }
    reason = cba_ticket_create(krb5.context, creds, out, result);
done:
    krb5_free_creds(krb5.context, creds);
    krb5_free_principal(krb5.context, request.server);
    cba_krb5_end(&krb5);
    return reason;
}
