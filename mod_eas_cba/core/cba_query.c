/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_query.h"

#define POLICY_KEY_LEN 4 /* its length where there is one */

/* Tags of the base64 form that are looked at (MS-ASHTTP 2.2.1.1.1.1.3). */
#define TAG_OPTIONS 7
#define TAG_USER    8

/* The first thing that is wrong is what is said; reading goes on, for the log. */
struct verdict {
    enum cba_reason reason;
    struct cba_result *result;
};

static void fail(struct verdict *verdict, const char *what)
{
    if (verdict->reason == CBA_R_OK && verdict->result != NULL) {
        cba_result_set(verdict->result, "%s", what);
    }
    verdict->reason = CBA_R_REQ_QUERY;
}

static bool is_id(struct cba_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = cba_ascii_lower(text.ptr[i]);

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-')) {
            return false;
        }
    }
    return text.len > 0 && text.len <= CBA_DEVICE_ID_MAX;
}

/* Copies text that is not empty, fits and has no controls; else out stays empty. */
static bool copy_text(struct cba_span text, char *out, size_t max)
{
    if (text.len == 0 || text.len > max || !cba_span_is_text(text)) {
        return false;
    }
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return true;
}

/* --- plain text (MS-ASHTTP 2.2.1.1.1.2) --- */

enum field { FIELD_CMD, FIELD_USER, FIELD_ID, FIELD_TYPE, FIELD_COUNT };

static const struct {
    const char *name, *missing, *twice, *wrong;
} fields[FIELD_COUNT] = {
    [FIELD_CMD] = {"Cmd", "Cmd is missing", "Cmd is there twice", "Cmd names no command"},
    [FIELD_USER] = {"User", "User is missing", "User is there twice", "User is empty or too long"},
    [FIELD_ID] = {"DeviceId", "DeviceId is missing", "DeviceId is there twice",
                  "DeviceId is empty, too long, or not of letters, digits, '.', '_' and '-'"},
    [FIELD_TYPE] = {"DeviceType", "DeviceType is missing", "DeviceType is there twice",
                    "DeviceType is empty or too long"},
};

/* Decodes into buffer, which is as long as any query. False: a malformed escape, or not text. */
static bool decode(struct cba_span text, bool plus_is_blank, unsigned char *buffer,
                   struct cba_span *out)
{
    size_t len = 0;

    while (text.len > 0) {
        bool plus = text.ptr[0] == '+';
        int c = cba_span_take_escaped(&text);

        if (c < 0) {
            return false;
        }
        buffer[len++] = plus && plus_is_blank ? ' ' : (unsigned char)c;
    }
    *out = cba_span_of(buffer, len);
    return cba_span_is_text(*out);
}

static enum field field_of(struct cba_span name)
{
    unsigned i;

    for (i = 0; i < FIELD_COUNT; i++) {
        if (cba_span_equal_nocase(name, cba_span_str(fields[i].name))) {
            break;
        }
    }
    return (enum field)i;
}

static bool set_field(enum field field, struct cba_span value, struct cba_query *out)
{
    switch (field) {
    case FIELD_CMD:
        out->command = cba_command_parse(value);
        return out->command != CBA_COMMAND_NONE;
    case FIELD_USER:
        return copy_text(value, out->user, CBA_UPN_MAX);
    case FIELD_ID:
        return is_id(value) && copy_text(value, out->device_id, CBA_DEVICE_ID_MAX);
    case FIELD_TYPE:
        return copy_text(value, out->device_type, CBA_TYPE_MAX);
    case FIELD_COUNT:
        break;
    }
    return true; /* every other parameter */
}

/* One parameter, NAME=VALUE. */
static void read_pair(struct cba_span pair, bool seen[FIELD_COUNT], struct cba_query *out,
                      struct verdict *verdict)
{
    const unsigned char *equals = pair.len > 0 ? memchr(pair.ptr, '=', pair.len) : NULL;
    size_t len = equals != NULL ? (size_t)(equals - pair.ptr) : 0;
    unsigned char buffer[CBA_QUERY_MAX];
    struct cba_span text;
    enum field field;

    if (len == 0) {
        fail(verdict, "a parameter is not of the form name=value");
        return;
    }
    if (!decode(cba_span_of(pair.ptr, len), true, buffer, &text)) {
        fail(verdict, "a parameter's name has a malformed escape or is not text");
        return;
    }
    field = field_of(text);
    if (!decode(cba_span_of(equals + 1, pair.len - len - 1), field != FIELD_USER, buffer, &text)) {
        fail(verdict, "a parameter's value has a malformed escape or is not text");
        return;
    }
    if (field < FIELD_COUNT) {
        if (seen[field]) {
            fail(verdict, fields[field].twice);
            return;
        }
        seen[field] = true;
    }
    if (!set_field(field, text, out)) {
        fail(verdict, fields[field].wrong);
    }
}

static void parse_plain(struct cba_span rest, struct cba_query *out, struct verdict *verdict)
{
    bool seen[FIELD_COUNT] = {false}, more = true;

    while (more) {
        const unsigned char *end = rest.len > 0 ? memchr(rest.ptr, '&', rest.len) : NULL;
        size_t len = end != NULL ? (size_t)(end - rest.ptr) : rest.len;

        read_pair(cba_span_of(rest.ptr, len), seen, out, verdict);
        more = end != NULL;
        if (more) {
            rest = cba_span_of(end + 1, rest.len - len - 1);
        }
    }
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if (!seen[i]) {
            fail(verdict, fields[i].missing);
        }
    }
}

/* --- base64 (MS-ASHTTP 2.2.1.1.1.1) --- */

static int base64_value(int c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The next character of the alphabet or '='; nothing but "+/=" has a reason to be escaped. -1: not
 * that. */
static int take_character(struct cba_span *text)
{
    bool escaped = text->ptr[0] == '%';
    int c = cba_span_take_escaped(text);

    if (escaped && c != '+' && c != '/' && c != '=') {
        return -1;
    }
    return c == '=' || base64_value(c) >= 0 ? c : -1;
}

/* Strict: padding as it must be, and no bit that an encoder would not have set (RFC 4648 3.5). */
static bool decode_base64(struct cba_span text, unsigned char *buffer, struct cba_span *out)
{
    size_t len = 0, count = 0, padding = 0;
    uint32_t bits = 0;

    while (text.len > 0) {
        int c = take_character(&text);

        if (c < 0 || (c != '=' && padding > 0)) {
            return false;
        }
        padding += c == '=' ? 1 : 0;
        bits = bits << 6 | (c == '=' ? 0 : (uint32_t)base64_value(c));
        if (++count % 4 == 0) {
            buffer[len++] = (unsigned char)(bits >> 16);
            buffer[len++] = (unsigned char)(bits >> 8);
            buffer[len++] = (unsigned char)bits;
        }
    }
    if (count % 4 != 0 || padding > 2 || len < padding) {
        return false;
    }
    for (size_t i = 0; i < padding; i++) {
        if (buffer[--len] != 0) {
            return false;
        }
    }
    *out = cba_span_of(buffer, len);
    return true;
}

/* Takes bytes off the front. False: there are not so many. */
static bool take(struct cba_span *rest, size_t len, struct cba_span *out)
{
    if (rest->len < len) {
        return false;
    }
    *out = cba_span_of(rest->ptr, len);
    *rest = cba_span_of(rest->ptr + len, rest->len - len);
    return true;
}

/* A length of one byte and as many bytes. */
static bool take_counted(struct cba_span *rest, struct cba_span *out)
{
    struct cba_span len;

    return take(rest, 1, &len) && take(rest, len.ptr[0], out);
}

static bool is_version(unsigned version)
{
    static const unsigned versions[] = {121, 140, 141, 160, 161};

    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        if (versions[i] == version) {
            return true;
        }
    }
    return false;
}

static bool set_device_id(struct cba_span id, struct cba_query *out)
{
    static const char digits[] = "0123456789ABCDEF";

    if (is_id(id)) {
        return copy_text(id, out->device_id, CBA_DEVICE_ID_MAX);
    }
    if (id.len == 0 || id.len > CBA_DEVICE_ID_MAX) {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        out->device_id[2 * i] = digits[id.ptr[i] >> 4];
        out->device_id[2 * i + 1] = digits[id.ptr[i] & 15];
    }
    out->device_id[2 * id.len] = '\0';
    return true;
}

static bool set_policy_key(struct cba_span key, struct cba_query *out)
{
    if (key.len == POLICY_KEY_LEN) {
        out->has_policy_key = true;
        out->policy_key = (uint32_t)key.ptr[0] | (uint32_t)key.ptr[1] << 8 |
                          (uint32_t)key.ptr[2] << 16 | (uint32_t)key.ptr[3] << 24;
    }
    return key.len == POLICY_KEY_LEN || key.len == 0;
}

/* The parameters after the fixed part: tag, length, value. */
static const char *read_parameters(struct cba_span rest, struct cba_query *out)
{
    bool has_options = false;

    while (rest.len > 0) {
        struct cba_span tag, value;

        if (!take(&rest, 1, &tag) || !take_counted(&rest, &value)) {
            return "a parameter ends too soon";
        }
        if (tag.ptr[0] == TAG_OPTIONS) {
            if (has_options || value.len != 1) {
                return "Options is there twice or not one byte";
            }
            has_options = true;
        }
        if (tag.ptr[0] == TAG_USER) {
            if (out->user[0] || !copy_text(value, out->user, CBA_UPN_MAX)) {
                return "User is there twice, empty or not text";
            }
        }
    }
    return NULL;
}

/* What is wrong with it; NULL: nothing. */
static const char *read_binary(struct cba_span rest, struct cba_query *out)
{
    struct cba_span head, piece;

    if (!take(&rest, 4, &head)) { /* version, command, locale (2) */
        return "it is too short";
    }
    if (!is_version(head.ptr[0])) {
        return "the protocol version is unknown";
    }
    out->version = head.ptr[0];
    out->command = cba_command_of_code(head.ptr[1]);
    if (out->command == CBA_COMMAND_NONE) {
        return "the command code is unknown";
    }
    if (!take_counted(&rest, &piece) || !set_device_id(piece, out)) {
        return "the device id is empty, too long, or ends too soon";
    }
    if (!take_counted(&rest, &piece) || !set_policy_key(piece, out)) {
        return "the policy key is not of 0 or 4 bytes";
    }
    if (!take_counted(&rest, &piece) || !copy_text(piece, out->device_type, CBA_TYPE_MAX)) {
        return "the device type is empty, not text, or ends too soon";
    }
    return read_parameters(rest, out);
}

static void parse_base64(struct cba_span text, struct cba_query *out, struct verdict *verdict)
{
    unsigned char buffer[CBA_QUERY_MAX];
    struct cba_span binary;
    const char *wrong = "it is neither name=value pairs nor base64";

    if (decode_base64(text, buffer, &binary)) {
        wrong = read_binary(binary, out);
    }
    if (wrong != NULL) {
        fail(verdict, wrong);
    }
}

enum cba_reason cba_query_parse(struct cba_span query, struct cba_query *out,
                                struct cba_result *result)
{
    struct verdict verdict = {CBA_R_OK, result};

    *out = (struct cba_query){0};
    if (query.len == 0) {
        fail(&verdict, "there is no query");
    } else if (query.len > CBA_QUERY_MAX) {
        fail(&verdict, "it is too long");
    } else if (memchr(query.ptr, '&', query.len) != NULL) {
        out->form = CBA_QUERY_PLAIN;
        parse_plain(query, out, &verdict);
    } else {
        out->form = CBA_QUERY_BASE64;
        parse_base64(query, out, &verdict);
    }
    return verdict.reason;
}

/* --- header fields --- */

/* Digits alone, up to most. */
static bool parse_decimal(struct cba_span text, uint32_t most, uint32_t *out)
{
    uint64_t value = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(text.ptr[i] - '0');
        if (value > most) {
            return false;
        }
    }
    *out = (uint32_t)value;
    return text.len > 0;
}

void cba_query_add_headers(struct cba_query *query, struct cba_span version,
                           struct cba_span policy_key)
{
    uint32_t major, minor, key;

    if (query->version == 0 && (version.len == 3 || version.len == 4) &&
        version.ptr[version.len - 2] == '.' &&
        parse_decimal(cba_span_of(version.ptr, version.len - 2), 99, &major) &&
        parse_decimal(cba_span_of(version.ptr + version.len - 1, 1), 9, &minor)) {
        query->version = major * 10 + minor;
    }
    if (query->form != CBA_QUERY_BASE64 && !query->has_policy_key &&
        parse_decimal(policy_key, UINT32_MAX, &key)) {
        query->has_policy_key = true;
        query->policy_key = key;
    }
}
