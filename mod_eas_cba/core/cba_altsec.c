/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_altsec.h"

#define PREFIX "X509:"

static const struct {
    uint32_t forms;
    const char *name;
} names[] = {
    /* the best first */
    {CBA_ALTSEC_ISSUER_SERIAL, "X509IssuerSerialNumber"},
    {CBA_ALTSEC_SKI, "X509SKI"},
    {CBA_ALTSEC_THUMBPRINT, "X509SHA1PublicKey"},
    {CBA_ALTSEC_ISSUER_SID, "X509IssuerSID"},
    {CBA_ALTSEC_ISSUER_SUBJECT, "X509IssuerSubject"},
    {CBA_ALTSEC_RFC822, "X509RFC822"},
    {CBA_ALTSEC_SUBJECT, "X509SubjectOnly"},
};

const char *cba_altsec_name(uint32_t forms)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((forms & names[i].forms) != 0) {
            return names[i].name;
        }
    }
    return "-";
}

/* KB5014754: the serial number's bytes in reverse, as CryptoAPI keeps them; without the leading
 * zero that DER puts before a high bit. */
static void reverse_serial(const struct cba_cert *cert, char out[2 * CBA_SERIAL_MAX + 1])
{
    size_t len = strlen(cert->serial);

    for (size_t i = 0; i < len; i += 2) {
        memcpy(out + i, cert->serial + len - 2 - i, 2);
    }
    out[len] = '\0';
}

/* --- what to ask for ------------------------------------------------------------------------- */

static void add(char *out, const char *text)
{
    memcpy(out + strlen(out), text, strlen(text) + 1);
}

static void add_name(char *out, const char *tag, const char *name, enum cba_name_style style)
{
    char text[CBA_NAME_STYLED_MAX + 1];

    cba_name_write(name, style, text);
    add(out, tag);
    add(out, text);
}

/* The forms that begin with a name. */
enum { ISSUER_SERIAL, ISSUER_SID, ISSUER_SUBJECT, SUBJECT, NAMED };

/* Issuer and subject are written in one style: whoever wrote the value did so with one tool. */
static bool write_named(const struct cba_cert *cert, size_t form, enum cba_name_style style,
                        char *out)
{
    const struct cba_sid *sid = cert->sid.len > 0 ? &cert->sid : &cert->sid_url;
    char text[CBA_SID_TEXT_MAX + 1];

    memcpy(out, PREFIX, sizeof(PREFIX));
    if (form != SUBJECT) {
        add_name(out, "<I>", cert->issuer_name, style);
        if (cert->issuer_name[0] == '\0') {
            return false;
        }
    }
    switch (form) {
    case ISSUER_SERIAL:
        reverse_serial(cert, text);
        add(out, "<SR>");
        add(out, text);
        return text[0] != '\0';
    case ISSUER_SID:
        cba_sid_format(sid, text);
        add(out, "<SID>");
        add(out, text);
        return sid->len > 0;
    default:
        add_name(out, "<S>", cert->subject_name, style);
        return cert->subject_name[0] != '\0';
    }
}

/* Does an earlier style give the same value? */
static bool is_repeated(const struct cba_cert *cert, size_t form, enum cba_name_style style,
                        const char *value)
{
    char other[CBA_ALTSEC_VALUE_MAX + 1];

    for (int before = 0; before < (int)style; before++) {
        (void)write_named(cert, form, (enum cba_name_style)before, other);
        if (strcmp(value, other) == 0) {
            return true;
        }
    }
    return false;
}

static bool write_text(const char *tag, const char *text, char *out)
{
    memcpy(out, PREFIX, sizeof(PREFIX));
    add(out, tag);
    add(out, text);
    return text[0] != '\0';
}

bool cba_altsec_value(const struct cba_cert *cert, size_t n, char out[CBA_ALTSEC_VALUE_MAX + 1])
{
    const size_t named = NAMED * (size_t)CBA_NAME_STYLES;

    if (n < named) {
        size_t form = n / CBA_NAME_STYLES;
        enum cba_name_style style = (enum cba_name_style)(n % CBA_NAME_STYLES);

        return write_named(cert, form, style, out) && !is_repeated(cert, form, style, out);
    }
    if (n == named) {
        return write_text("<SKI>", cert->ski, out);
    }
    if (n == named + 1) {
        return write_text("<SHA1-PUKEY>", cert->thumbprint, out);
    }
    n -= named + 2;
    return n < cert->mail_count && write_text("<RFC822>", cert->mail[n], out);
}

/* --- what came back -------------------------------------------------------------------------- */

static bool take(struct cba_span *rest, const char *text)
{
    struct cba_span wanted = cba_span_str(text);

    if (rest->len < wanted.len ||
        !cba_span_equal_nocase(cba_span_of(rest->ptr, wanted.len), wanted)) {
        return false;
    }
    *rest = cba_span_of(rest->ptr + wanted.len, rest->len - wanted.len);
    return true;
}

/* Is all that is left this text? What the certificate does not have, nothing is. */
static bool is_rest(struct cba_span rest, const char *text)
{
    return text[0] != '\0' && cba_span_equal_nocase(rest, cba_span_str(text));
}

static bool take_name(struct cba_span *rest, const char *name)
{
    char found[CBA_NAME_MAX + 1];

    return name[0] != '\0' && cba_name_take(rest, found) &&
           cba_span_equal_nocase(cba_span_str(found), cba_span_str(name));
}

static bool is_sid(const struct cba_cert *cert, struct cba_span text)
{
    struct cba_sid sid;

    return cba_sid_parse_text(text, &sid) &&
           (cba_sid_equal(&sid, &cert->sid) || cba_sid_equal(&sid, &cert->sid_url));
}

/* Behind the issuer's name. */
static uint32_t match_issued(const struct cba_cert *cert, struct cba_span rest)
{
    char serial[2 * CBA_SERIAL_MAX + 1];

    if (take(&rest, "<SR>")) {
        reverse_serial(cert, serial);
        return is_rest(rest, serial) ? CBA_ALTSEC_ISSUER_SERIAL : 0;
    }
    if (take(&rest, "<SID>")) {
        return is_sid(cert, rest) ? CBA_ALTSEC_ISSUER_SID : 0;
    }
    return take(&rest, "<S>") && take_name(&rest, cert->subject_name) && rest.len == 0
               ? CBA_ALTSEC_ISSUER_SUBJECT
               : 0;
}

static uint32_t match_mail(const struct cba_cert *cert, struct cba_span rest)
{
    for (size_t i = 0; i < cert->mail_count; i++) {
        if (is_rest(rest, cert->mail[i])) {
            return CBA_ALTSEC_RFC822_FIRST << i;
        }
    }
    return 0;
}

uint32_t cba_altsec_match(const struct cba_cert *cert, struct cba_span value)
{
    if (value.len > CBA_ALTSEC_VALUE_MAX || !take(&value, PREFIX)) {
        return 0;
    }
    (void)take(&value, " ");
    if (take(&value, "<I>")) {
        return take_name(&value, cert->issuer_name) ? match_issued(cert, value) : 0;
    }
    if (take(&value, "<S>")) {
        return take_name(&value, cert->subject_name) && value.len == 0 ? CBA_ALTSEC_SUBJECT : 0;
    }
    if (take(&value, "<SKI>")) {
        return is_rest(value, cert->ski) ? CBA_ALTSEC_SKI : 0;
    }
    if (take(&value, "<SHA1-PUKEY>")) {
        return is_rest(value, cert->thumbprint) ? CBA_ALTSEC_THUMBPRINT : 0;
    }
    return take(&value, "<RFC822>") ? match_mail(cert, value) : 0;
}
