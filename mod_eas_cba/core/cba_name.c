/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_name.h"

#include <openssl/asn1.h>
#include <openssl/crypto.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

/* Microsoft's keys (CertNameToStr; MS-OSCO). OpenSSL's differ: ST, emailAddress, GN. */
static const struct {
    const char *oid, *key;
} keys[] = {
    {"2.5.4.3", "CN"},
    {"2.5.4.4", "SN"},
    {"2.5.4.5", "SERIALNUMBER"},
    {"2.5.4.6", "C"},
    {"2.5.4.7", "L"},
    {"2.5.4.8", "S"},
    {"2.5.4.9", "STREET"},
    {"2.5.4.10", "O"},
    {"2.5.4.11", "OU"},
    {"2.5.4.12", "T"},
    {"2.5.4.13", "Description"},
    {"2.5.4.17", "PostalCode"},
    {"2.5.4.18", "POBox"},
    {"2.5.4.20", "Phone"},
    {"2.5.4.42", "G"},
    {"2.5.4.43", "I"},
    {"2.5.4.46", "dnQualifier"},
    {"1.2.840.113549.1.9.1", "E"},
    {"0.9.2342.19200300.100.1.25", "DC"},
};

#define OTHER_KEY "OID." /* and the object identifier */
#define KEY_MAX   (sizeof(OTHER_KEY) - 1 + CBA_OID_MAX)

/* --- writing --------------------------------------------------------------------------------- */

struct writer {
    char *out;
    size_t max, at;
    bool fits;
};

static struct writer begin(char *out, size_t max)
{
    out[0] = '\0';
    return (struct writer){out, max, 0, true};
}

static void add(struct writer *to, const void *bytes, size_t len)
{
    if (!to->fits || len > to->max - to->at) {
        to->fits = false;
        return;
    }
    if (len > 0) {
        memcpy(to->out + to->at, bytes, len);
    }
    to->at += len;
    to->out[to->at] = '\0';
}

static bool is_one_of(unsigned char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool has_blank_end(struct cba_span value)
{
    return value.ptr[0] == ' ' || value.ptr[value.len - 1] == ' ';
}

static bool needs_quotes(struct cba_span value, enum cba_name_style style)
{
    if (value.len == 0 || has_blank_end(value)) {
        return true;
    }
    for (size_t i = 0; i < value.len; i++) {
        if (is_one_of(value.ptr[i], ",+=\"<>#;") ||
            (style == CBA_NAME_APOSTROPHE && value.ptr[i] == '\'')) {
            return true;
        }
    }
    return false;
}

static void add_quoted(struct writer *to, struct cba_span value)
{
    add(to, "\"", 1);
    for (size_t i = 0; i < value.len; i++) {
        add(to, value.ptr + i, 1);
        if (value.ptr[i] == '"') {
            add(to, "\"", 1);
        }
    }
    add(to, "\"", 1);
}

/* RFC 4514 2.4 */
static void add_escaped(struct writer *to, struct cba_span value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = value.ptr[i];

        if (is_one_of(c, ",+\"<>;") || (c == '#' && i == 0) ||
            (c == ' ' && (i == 0 || i + 1 == value.len))) {
            add(to, "\\", 1);
        }
        add(to, &c, 1);
    }
}

static void add_component(struct writer *to, struct cba_span key, struct cba_span value,
                          enum cba_name_style style)
{
    if (to->at > 0) {
        add(to, ",", 1);
    }
    add(to, key.ptr, key.len);
    add(to, "=", 1);
    if (style == CBA_NAME_RFC) {
        add_escaped(to, value);
    } else if (needs_quotes(value, style)) {
        add_quoted(to, value);
    } else {
        add(to, value.ptr, value.len);
    }
}

/* --- of a certificate ------------------------------------------------------------------------ */

static bool is_text(struct cba_span value)
{
    return cba_span_is_text(value) &&
           (value.len == 0 || memchr(value.ptr, '\\', value.len) == NULL);
}

/* Strings of ASCII by their type: bytes beyond it have no meaning there. */
static bool is_ascii_type(int type)
{
    return type == V_ASN1_IA5STRING || type == V_ASN1_PRINTABLESTRING ||
           type == V_ASN1_NUMERICSTRING || type == V_ASN1_VISIBLESTRING;
}

int cba_name_value(const ASN1_STRING *value, unsigned char **text)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(value);
    int len = ASN1_STRING_length(value);

    *text = NULL;
    for (int i = 0; is_ascii_type(ASN1_STRING_type(value)) && i < len; i++) {
        if (bytes[i] >= 0x80) {
            return -1;
        }
    }
    len = ASN1_STRING_to_UTF8(text, value);
    if (len < 0) {
        *text = NULL;
        return -1;
    }
    if (!cba_span_is_text(cba_span_of(*text, (size_t)len))) {
        OPENSSL_free(*text);
        *text = NULL;
        return -1;
    }
    return len;
}

/* False: the object identifier is too long. */
static bool key_of(const ASN1_OBJECT *object, char out[KEY_MAX + 1])
{
    char oid[CBA_OID_MAX + 1];
    int len = OBJ_obj2txt(oid, sizeof(oid), object, 1);
    struct writer to = begin(out, KEY_MAX);

    if (len <= 0 || len > CBA_OID_MAX) {
        return false;
    }
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(keys[i].oid, oid) == 0) {
            add(&to, keys[i].key, strlen(keys[i].key));
            return true;
        }
    }
    add(&to, OTHER_KEY, sizeof(OTHER_KEY) - 1);
    add(&to, oid, (size_t)len);
    return true;
}

/* False: the entry has no text. */
static bool add_entry(struct writer *to, const X509_NAME_ENTRY *entry)
{
    unsigned char *text;
    char key[KEY_MAX + 1];
    int len = cba_name_value(X509_NAME_ENTRY_get_data(entry), &text);
    struct cba_span value = cba_span_of(text, len > 0 ? (size_t)len : 0);
    bool good = len >= 0 && is_text(value);

    if (good) {
        if (key_of(X509_NAME_ENTRY_get_object(entry), key)) {
            add_component(to, cba_span_str(key), value, CBA_NAME_WINDOWS);
        } else {
            to->fits = false;
        }
    }
    OPENSSL_free(text);
    return good;
}

enum cba_reason cba_name_of(const X509_NAME *name, char out[CBA_NAME_MAX + 1])
{
    struct writer to = begin(out, CBA_NAME_MAX);
    int count = X509_NAME_entry_count(name), last = -1;
    bool good = true;

    for (int i = 0; i < count && good && to.fits; i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        int set = X509_NAME_ENTRY_set(entry);

        good = set != last && add_entry(&to, entry);
        last = set;
    }
    if (!good || !to.fits) {
        out[0] = '\0';
    }
    return good && !to.fits ? CBA_R_CERT_LIMIT : CBA_R_OK;
}

/* --- reading --------------------------------------------------------------------------------- */

struct value {
    unsigned char bytes[CBA_NAME_MAX];
    size_t len;
};

static bool put(struct value *value, unsigned char c)
{
    if (value->len == sizeof(value->bytes)) {
        return false;
    }
    value->bytes[value->len++] = c;
    return true;
}

static void advance(struct cba_span *text, size_t len)
{
    *text = cba_span_of(text->ptr + len, text->len - len);
}

static bool take_key(struct cba_span *text, struct cba_span *key)
{
    size_t len = 0;

    while (len < text->len && text->ptr[len] != '=') {
        unsigned char c = cba_ascii_lower(text->ptr[len]);

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.')) {
            return false;
        }
        len++;
    }
    if (len == 0 || len == text->len) {
        return false;
    }
    *key = cba_span_of(text->ptr, len);
    advance(text, len + 1);
    return true;
}

/* Behind the first quotation mark, up to and with the last one. */
static bool take_quoted(struct cba_span *text, struct value *value)
{
    while (text->len > 0) {
        unsigned char c = text->ptr[0];

        advance(text, 1);
        if (c == '"') {
            if (text->len == 0 || text->ptr[0] != '"') {
                return true;
            }
            advance(text, 1);
        }
        if (!put(value, c)) {
            return false;
        }
    }
    return false;
}

static int hex_digit(unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c != '\0' ? strchr(digits, cba_ascii_lower(c)) : NULL;

    return found != NULL ? (int)(found - digits) : -1;
}

/* Behind the backslash (RFC 4514 3): a special character, or two hexadecimal digits. */
static bool take_escape(struct cba_span *text, unsigned char *c)
{
    int high, low;

    if (text->len > 0 && is_one_of(text->ptr[0], " \"#+,;<=>\\")) {
        *c = text->ptr[0];
        advance(text, 1);
        return true;
    }
    if (text->len < 2 || (high = hex_digit(text->ptr[0])) < 0 ||
        (low = hex_digit(text->ptr[1])) < 0) {
        return false;
    }
    *c = (unsigned char)(high << 4 | low);
    advance(text, 2);
    return true;
}

/* Without quotation marks. Blanks at its ends, and a '#' in front, would have to be escaped. */
static bool take_bare(struct cba_span *text, struct value *value)
{
    bool blank = false; /* the last byte is a blank that was not escaped */

    while (text->len > 0 && text->ptr[0] != ',' && text->ptr[0] != '<') {
        unsigned char c = text->ptr[0];
        bool escaped = c == '\\';

        advance(text, 1);
        if (escaped ? !take_escape(text, &c)
                    : is_one_of(c, "+\";>") || (value->len == 0 && is_one_of(c, "# "))) {
            return false;
        }
        blank = c == ' ' && !escaped;
        if (!put(value, c)) {
            return false;
        }
    }
    return !blank;
}

static bool take_value(struct cba_span *text, struct value *value)
{
    value->len = 0;
    if (text->len > 0 && text->ptr[0] == '"') {
        advance(text, 1);
        return take_quoted(text, value);
    }
    return take_bare(text, value);
}

static bool take_name(struct cba_span *text, struct writer *to)
{
    struct value value;
    struct cba_span key;

    for (;;) {
        if (!take_key(text, &key) || !take_value(text, &value) ||
            !is_text(cba_span_of(value.bytes, value.len))) {
            return false;
        }
        add_component(to, key, cba_span_of(value.bytes, value.len), CBA_NAME_WINDOWS);
        if (!to->fits) {
            return false;
        }
        if (text->len == 0 || text->ptr[0] == '<') {
            return true;
        }
        if (text->ptr[0] != ',') {
            return false;
        }
        advance(text, 1);
    }
}

bool cba_name_take(struct cba_span *text, char out[CBA_NAME_MAX + 1])
{
    struct writer to = begin(out, CBA_NAME_MAX);

    if (!take_name(text, &to)) {
        out[0] = '\0';
        return false;
    }
    return true;
}

void cba_name_write(const char *name, enum cba_name_style style, char out[CBA_NAME_STYLED_MAX + 1])
{
    struct writer to = begin(out, CBA_NAME_STYLED_MAX);
    struct cba_span text = cba_span_str(name), key;
    struct value value;

    while (text.len > 0 && take_key(&text, &key) && take_value(&text, &value)) {
        add_component(&to, key, cba_span_of(value.bytes, value.len), style);
        if (text.len > 0) {
            advance(&text, 1); /* the comma */
        }
    }
}
