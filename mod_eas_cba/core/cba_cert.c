/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_cert.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "cba_name.h"
#include "cba_shortage.h"
#include "cba_time.h"

/* Contents of the object identifiers that OpenSSL has no number for in every version. */
static const unsigned char oid_sid_extension[] = {/* 1.3.6.1.4.1.311.25.2 */
                                                  0x2b, 0x06, 0x01, 0x04, 0x01,
                                                  0x82, 0x37, 0x19, 0x02};
static const unsigned char oid_sid[] = {/* 1.3.6.1.4.1.311.25.2.1 */
                                        0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x19, 0x02, 0x01};
static const unsigned char oid_upn[] = {/* 1.3.6.1.4.1.311.20.2.3 */
                                        0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x14, 0x02, 0x03};

#define SID_URL "tag:microsoft.com,2022-09-14:sid:" /* MS-PKCA 3.1.5.2.1.6 */

/* What the parsing functions share. */
struct parser {
    struct cba_cert *out;
    struct cba_result *result; /* may be NULL */
};

static enum cba_reason refuse(struct parser *parser, enum cba_reason reason, const char *detail)
{
    if (parser->result != NULL) {
        cba_result_set(parser->result, "%s", detail);
    }
    return reason;
}

static bool is_object(const ASN1_OBJECT *object, const unsigned char *oid, size_t len)
{
    return OBJ_length(object) == len && memcmp(OBJ_get0_data(object), oid, len) == 0;
}

static struct cba_span string_bytes(const ASN1_STRING *string)
{
    return cba_span_of(ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string));
}

/* --- validity, names ------------------------------------------------------------------------- */

/* RFC 5280 4.1.2.5: YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ, nothing else. */
static bool parse_time(const ASN1_TIME *time, int64_t *out)
{
    struct cba_span text = string_bytes(time);
    bool utc = ASN1_STRING_type(time) == V_ASN1_UTCTIME;
    size_t century = utc ? 2 : 0; /* digits that a UTCTime leaves out */
    unsigned char digits[14];

    if (text.len != sizeof(digits) - century + 1 || text.ptr[text.len - 1] != 'Z') {
        return false;
    }
    if (utc) {
        memcpy(digits, text.ptr[0] >= '5' ? "19" : "20", 2); /* 4.1.2.5.1 */
    }
    memcpy(digits + century, text.ptr, text.len - 1);
    return cba_time_parse(cba_span_of(digits, sizeof(digits)), out);
}

static enum cba_reason parse_validity(struct parser *parser, const X509 *x509)
{
    if (!parse_time(X509_get0_notBefore(x509), &parser->out->not_before)) {
        return refuse(parser, CBA_R_CERT_MALFORMED, "notBefore");
    }
    if (!parse_time(X509_get0_notAfter(x509), &parser->out->not_after)) {
        return refuse(parser, CBA_R_CERT_MALFORMED, "notAfter");
    }
    return CBA_R_OK;
}

static void write_hex(struct cba_span bytes, char *to)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < bytes.len; i++) {
        *to++ = digits[bytes.ptr[i] >> 4];
        *to++ = digits[bytes.ptr[i] & 15];
    }
    *to = '\0';
}

/* RFC 5280 4.1.2.2 */
static enum cba_reason parse_serial(struct parser *parser, const X509 *x509)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x509);
    struct cba_span bytes = string_bytes(serial);

    if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER) {
        return refuse(parser, CBA_R_CERT_MALFORMED, "the serial number is negative");
    }
    if (bytes.len > CBA_SERIAL_MAX) {
        return refuse(parser, CBA_R_CERT_LIMIT, "the serial number is longer than 20 bytes");
    }
    write_hex(bytes, parser->out->serial);
    return CBA_R_OK;
}

/* Copies what fits; what does not ends in "...", at the end of a character. */
static void copy_cut(struct cba_span text, char out[CBA_NAME_TEXT_MAX + 1])
{
    static const char more[] = "...";
    size_t len = 0, next;

    if (text.len <= CBA_NAME_TEXT_MAX) {
        memcpy(out, text.ptr, text.len);
        out[text.len] = '\0';
        return;
    }
    for (;;) {
        next = cba_span_character(cba_span_of(text.ptr + len, text.len - len));
        next += next == 0 ? 1 : 0;
        if (len + next > CBA_NAME_TEXT_MAX - (sizeof(more) - 1)) {
            break;
        }
        len += next;
    }
    memcpy(out, text.ptr, len);
    memcpy(out + len, more, sizeof(more));
}

/* RFC 4514 in UTF-8, controls escaped. */
static enum cba_reason parse_issuer(struct parser *parser, const X509 *x509)
{
    const unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long len;
    bool good;

    if (bio == NULL) {
        return CBA_R_LIFE_MEMORY;
    }
    good = X509_NAME_print_ex(bio, X509_get_issuer_name(x509), 0, flags) >= 0;
    len = BIO_get_mem_data(bio, &text);
    if (good && len > 0) {
        copy_cut(cba_span_of(text, (size_t)len), parser->out->issuer);
    }
    BIO_free(bio);
    return good ? CBA_R_OK : refuse(parser, CBA_R_CERT_MALFORMED, "the issuer's name");
}

/* --- the SID extension ----------------------------------------------------------------------- */

/* Takes one DER element (X.690 8.1, 10.1: definite length in its shortest form) off *der. Only tags
 * of one byte, and lengths of two, which is all that can stand in a certificate of 64 KiB. */
static bool take_element(struct cba_span *der, unsigned *tag, struct cba_span *content)
{
    size_t header = 2, len, bytes;

    if (der->len < 2 || (der->ptr[0] & 0x1f) == 0x1f) {
        return false;
    }
    len = der->ptr[1];
    if (len >= 0x80) {
        bytes = len & 0x7f;
        if (bytes == 0 || bytes > 2 || der->len < 2 + bytes || der->ptr[2] == 0) {
            return false;
        }
        for (len = 0; header < 2 + bytes; header++) {
            len = len << 8 | der->ptr[header];
        }
        if (len < 0x80) {
            return false;
        }
    }
    if (len > der->len - header) {
        return false;
    }
    *tag = der->ptr[0];
    *content = cba_span_of(der->ptr + header, len);
    *der = cba_span_of(der->ptr + header + len, der->len - header - len);
    return true;
}

/* Takes an element of this tag. */
static bool take_tagged(struct cba_span *der, unsigned tag, struct cba_span *content)
{
    unsigned found;

    return take_element(der, &found, content) && found == tag;
}

/* OtherName: the type, then [0] EXPLICIT. Its SID goes to *sid; other types are left alone. */
static bool parse_sid_name(struct cba_span name, struct cba_sid *sid)
{
    struct cba_span oid, value, text;

    if (!take_tagged(&name, V_ASN1_OBJECT, &oid)) {
        return false;
    }
    if (oid.len != sizeof(oid_sid) || memcmp(oid.ptr, oid_sid, oid.len) != 0) {
        return true;
    }
    return sid->len == 0 && take_tagged(&name, 0xa0, &value) && name.len == 0 &&
           take_tagged(&value, V_ASN1_OCTET_STRING, &text) && value.len == 0 &&
           cba_sid_parse_text(text, sid);
}

/* MS-WCCE 2.2.2.7.7.4: GeneralNames with one otherName that holds the SID as text. By hand, because
 * it decides whose mailbox it is: OpenSSL would read BER. */
static bool parse_sid_names(struct cba_span der, struct cba_sid *sid)
{
    struct cba_span names, name;
    unsigned tag;

    if (!take_tagged(&der, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, &names) || der.len > 0) {
        return false;
    }
    while (names.len > 0) {
        if (!take_element(&names, &tag, &name)) {
            return false;
        }
        /* GeneralName: [0] (an OtherName, constructed) to [8] */
        if ((tag & 0xc0) != V_ASN1_CONTEXT_SPECIFIC || (tag & 0x1f) > 8 || tag == 0x80 ||
            (tag == 0xa0 && !parse_sid_name(name, sid))) {
            return false;
        }
    }
    return sid->len > 0;
}

static enum cba_reason parse_sid_extension(struct parser *parser, struct cba_span der)
{
    struct cba_sid sid = {0};

    if (!parse_sid_names(der, &sid)) {
        return refuse(parser, CBA_R_CERT_SID, "the SID extension");
    }
    parser->out->sid = sid;
    return CBA_R_OK;
}

/* --- the other extensions -------------------------------------------------------------------- */

static enum cba_reason parse_usages(struct parser *parser, struct cba_span der)
{
    struct cba_cert *out = parser->out;
    const unsigned char *end = der.ptr;
    EXTENDED_KEY_USAGE *usages = d2i_EXTENDED_KEY_USAGE(NULL, &end, (long)der.len);
    enum cba_reason reason = CBA_R_OK;
    int count = usages != NULL ? sk_ASN1_OBJECT_num(usages) : 0;

    if (count < 1 || end != der.ptr + der.len) {
        reason = refuse(parser, CBA_R_CERT_MALFORMED, "the extended key usage");
    } else if (count > CBA_EKU_MAX) {
        reason = refuse(parser, CBA_R_CERT_LIMIT, "the extended key usage");
    }
    for (int i = 0; i < count && reason == CBA_R_OK; i++) {
        char *text = out->eku[out->eku_count];
        int len = OBJ_obj2txt(text, CBA_OID_MAX + 1, sk_ASN1_OBJECT_value(usages, i), 1);

        if (len <= 0 || len > CBA_OID_MAX) {
            memset(text, 0, CBA_OID_MAX + 1);
            reason = refuse(parser, CBA_R_CERT_LIMIT, "an object identifier");
        } else {
            out->eku_count++;
        }
    }
    EXTENDED_KEY_USAGE_free(usages);
    return reason;
}

/* A UPN is name@suffix with one '@': with two, directory and gateway could split it differently. */
static bool is_upn(struct cba_span text)
{
    const unsigned char *at = text.len > 0 ? memchr(text.ptr, '@', text.len) : NULL;
    size_t name = at != NULL ? (size_t)(at - text.ptr) : 0;

    return name > 0 && name + 1 < text.len && cba_span_is_text(text) &&
           memchr(at + 1, '@', text.len - name - 1) == NULL;
}

/* IA5String and PrintableString instead of UTF8String are written by some CAs; both are ASCII. */
static bool is_ascii(struct cba_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

static bool upn_text(const ASN1_TYPE *value, struct cba_span *text)
{
    switch (value->type) {
    case V_ASN1_UTF8STRING:
        *text = string_bytes(value->value.utf8string);
        return true;
    case V_ASN1_IA5STRING:
        *text = string_bytes(value->value.ia5string);
        return is_ascii(*text);
    case V_ASN1_PRINTABLESTRING:
        *text = string_bytes(value->value.printablestring);
        return is_ascii(*text);
    default:
        return false;
    }
}

static enum cba_reason parse_upn(struct parser *parser, const ASN1_TYPE *value)
{
    struct cba_cert *out = parser->out;
    struct cba_span text;

    if (!upn_text(value, &text)) {
        return refuse(parser, CBA_R_CERT_UPN, "the UPN is not a UTF8String");
    }
    if (text.len > CBA_UPN_MAX) {
        return refuse(parser, CBA_R_CERT_LIMIT, "the UPN");
    }
    if (!is_upn(text)) {
        return refuse(parser, CBA_R_CERT_UPN, "the UPN is not name@suffix");
    }
    if (out->upn[0] == '\0') {
        memcpy(out->upn, text.ptr, text.len);
        out->upn[text.len] = '\0';
    } else if (!cba_span_equal_nocase(cba_span_str(out->upn), text)) {
        return refuse(parser, CBA_R_CERT_UPN_CONFLICT, out->upn);
    }
    return CBA_R_OK;
}

static enum cba_reason parse_sid_url(struct parser *parser, struct cba_span url)
{
    struct cba_span prefix = cba_span_str(SID_URL);
    struct cba_cert *out = parser->out;
    struct cba_sid sid;

    if (url.len < prefix.len || memcmp(url.ptr, prefix.ptr, prefix.len) != 0) {
        return CBA_R_OK; /* some other URL */
    }
    if (!cba_sid_parse_text(cba_span_of(url.ptr + prefix.len, url.len - prefix.len), &sid)) {
        return refuse(parser, CBA_R_CERT_SID, "the SID URL");
    }
    if (out->sid_url.len > 0 && !cba_sid_equal(&out->sid_url, &sid)) {
        return refuse(parser, CBA_R_CERT_SID_CONFLICT, "two SID URLs");
    }
    out->sid_url = sid;
    return CBA_R_OK;
}

static enum cba_reason parse_mail(struct parser *parser, struct cba_span mail)
{
    struct cba_cert *out = parser->out;

    if (!is_ascii(mail) || !cba_span_is_text(mail)) {
        return refuse(parser, CBA_R_CERT_MALFORMED, "a mail address in the alternative name");
    }
    if (mail.len == 0) {
        return CBA_R_OK; /* what a template writes for an account without one */
    }
    for (size_t i = 0; i < out->mail_count; i++) {
        if (cba_span_equal_nocase(mail, cba_span_str(out->mail[i]))) {
            return CBA_R_OK;
        }
    }
    if (out->mail_count == CBA_MAILS || mail.len > CBA_MAIL_MAX) {
        return refuse(parser, CBA_R_CERT_LIMIT, "the mail addresses in the alternative name");
    }
    memcpy(out->mail[out->mail_count++], mail.ptr, mail.len);
    return CBA_R_OK;
}

static enum cba_reason parse_name(struct parser *parser, const GENERAL_NAME *name)
{
    switch (name->type) {
    case GEN_EMAIL:
        return parse_mail(parser, string_bytes(name->d.rfc822Name));
    case GEN_OTHERNAME:
        if (is_object(name->d.otherName->type_id, oid_upn, sizeof(oid_upn))) {
            return parse_upn(parser, name->d.otherName->value);
        }
        return CBA_R_OK;
    case GEN_URI:
        return parse_sid_url(parser, string_bytes(name->d.uniformResourceIdentifier));
    default:
        return CBA_R_OK;
    }
}

static enum cba_reason parse_alternative_names(struct parser *parser, struct cba_span der)
{
    const unsigned char *end = der.ptr;
    GENERAL_NAMES *names = d2i_GENERAL_NAMES(NULL, &end, (long)der.len);
    enum cba_reason reason = CBA_R_OK;
    int count = names != NULL ? sk_GENERAL_NAME_num(names) : 0;

    if (names == NULL || end != der.ptr + der.len) {
        reason = refuse(parser, CBA_R_CERT_MALFORMED, "the subject alternative name");
        count = 0;
    }
    for (int i = 0; i < count && reason == CBA_R_OK; i++) {
        reason = parse_name(parser, sk_GENERAL_NAME_value(names, i));
    }
    GENERAL_NAMES_free(names);
    return reason;
}

/* RFC 5280 4.2.1.2 */
static enum cba_reason parse_key_identifier(struct parser *parser, struct cba_span der)
{
    struct cba_span bytes;

    if (!take_tagged(&der, V_ASN1_OCTET_STRING, &bytes) || der.len > 0) {
        return refuse(parser, CBA_R_CERT_MALFORMED, "the subject key identifier");
    }
    if (bytes.len > CBA_SKI_MAX) {
        return refuse(parser, CBA_R_CERT_LIMIT, "the subject key identifier");
    }
    write_hex(bytes, parser->out->ski);
    return CBA_R_OK;
}

/* --- the subject ----------------------------------------------------------------------------- */

static enum cba_reason parse_subject_upn(struct parser *parser, struct cba_span text)
{
    struct cba_cert *out = parser->out;

    if (!is_upn(text)) {
        return CBA_R_OK; /* an ordinary name */
    }
    for (size_t i = 0; i < out->subject_upn_count; i++) {
        if (cba_span_equal_nocase(text, cba_span_str(out->subject_upn[i]))) {
            return CBA_R_OK;
        }
    }
    if (out->subject_upn_count == CBA_SUBJECT_UPNS || text.len > CBA_UPN_MAX) {
        return refuse(parser, CBA_R_CERT_LIMIT, "the names in the subject");
    }
    memcpy(out->subject_upn[out->subject_upn_count++], text.ptr, text.len);
    return CBA_R_OK;
}

/* CN and E, wherever they are: the old guides for Exchange put the UPN into one of them. */
static enum cba_reason parse_subject_upns(struct parser *parser, const X509_NAME *name)
{
    enum cba_reason reason = CBA_R_OK;

    for (int i = 0; i < X509_NAME_entry_count(name) && reason == CBA_R_OK; i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
        unsigned char *text;
        int len;

        if (nid != NID_commonName && nid != NID_pkcs9_emailAddress) {
            continue;
        }
        len = cba_name_value(X509_NAME_ENTRY_get_data(entry), &text);
        if (len >= 0) {
            reason = parse_subject_upn(parser, cba_span_of(text, (size_t)len));
            OPENSSL_free(text);
        }
    }
    return reason;
}

static enum cba_reason parse_names(struct parser *parser, const X509 *x509)
{
    const X509_NAME *subject = X509_get_subject_name(x509);

    if (cba_name_of(X509_get_issuer_name(x509), parser->out->issuer_name) != CBA_R_OK) {
        return refuse(parser, CBA_R_CERT_LIMIT, "the issuer's name");
    }
    if (cba_name_of(subject, parser->out->subject_name) != CBA_R_OK) {
        return refuse(parser, CBA_R_CERT_LIMIT, "the subject's name");
    }
    return parse_subject_upns(parser, subject);
}

/* --- all extensions -------------------------------------------------------------------------- */

/* RFC 5280 4.2: which of two would count? */
static enum cba_reason check_extensions(struct parser *parser, const X509 *x509)
{
    int count = X509_get_ext_count(x509);

    if (count > CBA_EXTENSION_MAX) {
        return refuse(parser, CBA_R_CERT_LIMIT, "too many extensions");
    }
    if (count > 0 && X509_get_version(x509) != X509_VERSION_3) {
        return refuse(parser, CBA_R_CERT_MALFORMED, "extensions belong to version 3");
    }
    for (int i = 1; i < count; i++) {
        const ASN1_OBJECT *object = X509_EXTENSION_get_object(X509_get_ext(x509, i));

        if (X509_get_ext_by_OBJ(x509, object, -1) < i) {
            return refuse(parser, CBA_R_CERT_DUPLICATE, OBJ_nid2sn(OBJ_obj2nid(object)));
        }
    }
    return CBA_R_OK;
}

static enum cba_reason parse_extensions(struct parser *parser, const X509 *x509)
{
    int count = X509_get_ext_count(x509);
    enum cba_reason reason = CBA_R_OK;

    for (int i = 0; i < count && reason == CBA_R_OK; i++) {
        X509_EXTENSION *extension = X509_get_ext(x509, i);
        const ASN1_OBJECT *object = X509_EXTENSION_get_object(extension);
        struct cba_span der = string_bytes(X509_EXTENSION_get_data(extension));

        if (is_object(object, oid_sid_extension, sizeof(oid_sid_extension))) {
            reason = parse_sid_extension(parser, der);
        } else if (OBJ_obj2nid(object) == NID_ext_key_usage) {
            reason = parse_usages(parser, der);
        } else if (OBJ_obj2nid(object) == NID_subject_alt_name) {
            reason = parse_alternative_names(parser, der);
        } else if (OBJ_obj2nid(object) == NID_subject_key_identifier) {
            reason = parse_key_identifier(parser, der);
        }
    }
    if (reason == CBA_R_OK && parser->out->sid.len > 0 && parser->out->sid_url.len > 0 &&
        !cba_sid_equal(&parser->out->sid, &parser->out->sid_url)) {
        reason =
            refuse(parser, CBA_R_CERT_SID_CONFLICT, "the SID extension and the SID URL differ");
    }
    return reason;
}

/* --- the certificate ------------------------------------------------------------------------- */

static enum cba_reason parse_fields(struct parser *parser, const X509 *x509)
{
    enum cba_reason reason;

    /* Issuer and serial first: they name the certificate in the log, whatever else is wrong. */
    if ((reason = parse_issuer(parser, x509)) != CBA_R_OK ||
        (reason = parse_serial(parser, x509)) != CBA_R_OK ||
        (reason = parse_validity(parser, x509)) != CBA_R_OK ||
        (reason = parse_names(parser, x509)) != CBA_R_OK ||
        (reason = check_extensions(parser, x509)) != CBA_R_OK) {
        return reason;
    }
    return parse_extensions(parser, x509);
}

static enum cba_reason parse_der(struct parser *parser, struct cba_span der)
{
    const unsigned char *end = der.ptr;
    enum cba_reason reason;
    unsigned char thumbprint[20];
    X509 *x509;

    if (EVP_Digest(der.ptr, der.len, parser->out->digest, NULL, EVP_sha256(), NULL) != 1 ||
        EVP_Digest(der.ptr, der.len, thumbprint, NULL, EVP_sha1(), NULL) != 1) {
        return CBA_R_LIFE_MEMORY;
    }
    write_hex(cba_span_of(thumbprint, sizeof(thumbprint)), parser->out->thumbprint);
    x509 = d2i_X509(NULL, &end, (long)der.len);
    if (x509 == NULL) {
        return refuse(parser, CBA_R_CERT_MALFORMED, "not X.509 in DER");
    }
    reason = end == der.ptr + der.len
                 ? parse_fields(parser, x509)
                 : refuse(parser, CBA_R_CERT_MALFORMED, "bytes after the certificate");
    X509_free(x509);
    return reason;
}

enum cba_reason cba_cert_parse(struct cba_span der, struct cba_cert *out, struct cba_result *result)
{
    struct parser parser = {out, result};
    struct cba_shortage watch;
    enum cba_reason reason;

    *out = (struct cba_cert){0};
    if (der.len == 0) {
        return refuse(&parser, CBA_R_CERT_MALFORMED, "it is empty");
    }
    if (der.len > CBA_CERT_DER_MAX) {
        return refuse(&parser, CBA_R_CERT_LIMIT, "the certificate");
    }
    watch = cba_shortage_begin();
    reason = parse_der(&parser, der);
    if (cba_shortage_end(watch)) {
        cba_result_set(result, "for the certificate");
        return CBA_R_LIFE_MEMORY; /* an extension may have been missed */
    }
    return reason;
}

bool cba_cert_has_usage(const struct cba_cert *cert, const char *const *wanted, size_t count)
{
    for (size_t i = 0; i < cert->eku_count; i++) {
        for (size_t j = 0; j < count; j++) {
            if (strcmp(cert->eku[i], wanted[j]) == 0) {
                return true;
            }
        }
    }
    return false;
}
