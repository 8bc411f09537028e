/* SPDX-License-Identifier: Apache-2.0
 *
 * The vectors of tests/vectors/query.py, and what a vector cannot say: limits of the whole, what is
 * left for the log, header fields.
 */
#include "unit.h"

#include "cba_query.h"
#include "exact.h"

#define ID   "&DeviceId=X1&DeviceType=iPhone"
#define GOOD "Cmd=Sync&User=alice" ID

static struct cba_query query;
static struct cba_result result;

static enum cba_reason parse(struct cba_span text)
{
    memset(&query, 0xff, sizeof(query));
    memset(&result, 0, sizeof(result));
    return cba_query_parse(text, &query, &result);
}

/* The next part of *line before the separator; NULL: none is left. */
static char *next_part(char **line, char separator)
{
    char *part = *line, *end;

    if (part == NULL) {
        return NULL;
    }
    end = strchr(part, separator);
    *line = end != NULL ? end + 1 : NULL;
    if (end != NULL) {
        *end = '\0';
    }
    return part;
}

static char *read_vectors(const char *name)
{
    size_t len;
    unsigned char *data = unit_file_read(name, &len);
    char *text = malloc(len + 1);

    assert_non_null(text);
    assert_true(len > 0 && data[len - 1] == '\n');
    memcpy(text, data, len - 1);
    text[len - 1] = '\0';
    free(data);
    return text;
}

static const char *or_dash(const char *text)
{
    return text[0] != '\0' ? text : "-";
}

static void good_vectors(void **state)
{
    static const char *const forms[] = {"-", "plain", "base64"};
    char *text = read_vectors("vectors/query/good"), *rest = text, *line;
    unsigned count = 0;

    (void)state;
    while ((line = next_part(&rest, '\n')) != NULL) {
        char *fields[8], key[16] = "-", version[16] = "-";

        for (size_t i = 0; i < COUNT(fields); i++) {
            fields[i] = next_part(&line, '\t');
            assert_non_null(fields[i]);
        }
        assert_null(line);
        if (parse(exact(fields[0])) != CBA_R_OK) {
            fail_msg("%s: %s", fields[0], result.detail);
        }
        assert_string_equal(result.detail, "");
        if (query.has_policy_key) {
            (void)snprintf(key, sizeof(key), "%lu", (unsigned long)query.policy_key);
        }
        if (query.version != 0) {
            (void)snprintf(version, sizeof(version), "%u", query.version);
        }
        assert_string_equal(forms[query.form], fields[1]);
        assert_string_equal(cba_command_name(query.command), fields[2]);
        assert_string_equal(version, fields[3]);
        assert_string_equal(key, fields[4]);
        assert_string_equal(query.device_id, fields[5]);
        assert_string_equal(query.device_type, fields[6]);
        assert_string_equal(or_dash(query.user), fields[7]);
        count++;
    }
    assert_true(count > 200);
    free(text);
}

static void bad_vectors(void **state)
{
    char *text = read_vectors("vectors/query/bad"), *rest = text, *line;
    unsigned count = 0;

    (void)state;
    while ((line = next_part(&rest, '\n')) != NULL) {
        if (parse(exact(line)) != CBA_R_REQ_QUERY) {
            fail_msg("%s", line);
        }
        assert_true(result.detail[0] != '\0');
        assert_int_equal(cba_query_parse(exact(line), &query, NULL), CBA_R_REQ_QUERY);
        count++;
    }
    assert_true(count > 200);
    free(text);
}

static void nothing(void **state)
{
    (void)state;
    assert_int_equal(parse(exact("")), CBA_R_REQ_QUERY);
    assert_int_equal(query.form, CBA_QUERY_NONE);
    assert_int_equal(parse(cba_span_of(NULL, 0)), CBA_R_REQ_QUERY);
}

/* Each byte as it is, in a name, a value and the alphabet. */
static void every_byte(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        bool text = c >= 0x20 && c < 0x7f;
        char name[] = GOOD "&a?b=1", value[] = GOOD "&a=b?",
             base64[] = "jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l";

        *strchr(name, '?') = (char)c;
        *strchr(value, '?') = (char)c;
        base64[10] = (char)c;
        assert_int_equal(parse(exact_bytes(name, sizeof(name) - 1)) == CBA_R_OK,
                         text && c != '%' && c != '&');
        assert_int_equal(parse(exact_bytes(value, sizeof(value) - 1)) == CBA_R_OK,
                         text && c != '%' && c != '&');
        (void)parse(exact_bytes(base64, sizeof(base64) - 1));
        assert_int_equal(query.version == 140, (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                                                   (c >= 'A' && c <= 'Z') || c == '+' || c == '/');
    }
}

static void length_of_the_whole(void **state)
{
    char text[CBA_QUERY_MAX + 2] = GOOD "&x=";

    (void)state;
    memset(text + strlen(text), 'a', CBA_QUERY_MAX - strlen(text));
    assert_int_equal(parse(exact(text)), CBA_R_OK);
    text[CBA_QUERY_MAX] = 'a';
    assert_int_equal(parse(exact(text)), CBA_R_REQ_QUERY);
    assert_string_equal(query.device_id, "");
}

/* 6144 bytes: the most that a query decodes to, all of it tag 0 with empty values. */
static void longest_base64(void **state)
{
    char text[CBA_QUERY_MAX + 5] = "jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l";

    (void)state;
    memset(text + strlen(text), 'A', CBA_QUERY_MAX - strlen(text));
    text[CBA_QUERY_MAX - 2] = text[CBA_QUERY_MAX - 1] = '='; /* an even number of bytes left */
    assert_int_equal(parse(exact(text)), CBA_R_REQ_QUERY);
    text[CBA_QUERY_MAX - 2] = 'A';
    assert_int_equal(parse(exact(text)), CBA_R_OK);
    memcpy(text + CBA_QUERY_MAX - 1, "AAAA=", 6);
    assert_int_equal(parse(exact(text)), CBA_R_REQ_QUERY);
}

/* What can be told of a phone that is refused. */
static void understood_for_the_log(void **state)
{
    (void)state;
    assert_int_equal(parse(exact("Cmd=Nonsense&User=alice" ID)), CBA_R_REQ_QUERY);
    assert_string_equal(result.detail, "Cmd names no command");
    assert_int_equal(query.command, CBA_COMMAND_NONE);
    assert_string_equal(query.device_id, "X1");
    assert_string_equal(query.device_type, "iPhone");

    assert_int_equal(parse(exact("x=%&Cmd=Ping&User=" ID)), CBA_R_REQ_QUERY);
    assert_string_equal(result.detail, "a parameter's value has a malformed escape or is not text");
    assert_int_equal(query.command, CBA_COMMAND_PING);
    assert_string_equal(query.user, "");
    assert_string_equal(query.device_id, "X1");

    assert_int_equal(parse(exact(GOOD "&DeviceId=X2&User=bob&DeviceType=y&Cmd=Ping")),
                     CBA_R_REQ_QUERY);
    assert_string_equal(result.detail, "DeviceId is there twice");
    assert_string_equal(query.device_id, "X1");
    assert_string_equal(query.user, "alice");
    assert_string_equal(query.device_type, "iPhone");
    assert_int_equal(query.command, CBA_COMMAND_SYNC);

    /* 14.0, Sync, the device id; then a policy key of one byte */
    assert_int_equal(parse(exact("jAAJBAp2MTQwRGV2aWNlAQA=")), CBA_R_REQ_QUERY);
    assert_string_equal(result.detail, "the policy key is not of 0 or 4 bytes");
    assert_string_equal(query.device_id, "v140Device");
    assert_string_equal(query.device_type, "");
}

static void headers(void **state)
{
    static const struct {
        const char *text;
        unsigned version;
    } versions[] = {
        {"16.1", 161}, {"16.0", 160}, {"14.1", 141}, {"12.0", 120}, {"2.5", 25},
        {"1.0", 10},   {"99.9", 999}, {"", 0},       {"14", 0},     {"14.", 0},
        {".1", 0},     {"14.10", 0},  {"141.0", 0},  {"1a.1", 0},   {"14.x", 0},
        {" 14.1", 0},  {"14,1", 0},   {"-1.1", 0},   {"14.1\n", 0}, {"1..1", 0},
    };
    static const struct {
        const char *text;
        bool has;
        uint32_t key;
    } keys[] = {
        {"0", true, 0},
        {"3862660432", true, 3862660432},
        {"4294967295", true, UINT32_MAX},
        {"4294967296", false, 0},
        {"99999999999999999999999", false, 0},
        {"", false, 0},
        {"-1", false, 0},
        {"1 ", false, 0},
        {"0x1", false, 0},
        {"00000000000000000001", true, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(versions); i++) {
        assert_int_equal(parse(exact(GOOD)), CBA_R_OK);
        cba_query_add_headers(&query, exact(versions[i].text), exact(""));
        assert_int_equal(query.version, versions[i].version);
        assert_false(query.has_policy_key);
    }
    for (size_t i = 0; i < COUNT(keys); i++) {
        assert_int_equal(parse(exact(GOOD)), CBA_R_OK);
        cba_query_add_headers(&query, exact(""), exact(keys[i].text));
        if (keys[i].has) { /* the first one counts */
            cba_query_add_headers(&query, exact(""), exact("4711"));
        }
        assert_int_equal(query.has_policy_key, keys[i].has);
        assert_int_equal(query.policy_key, keys[i].key);
        assert_int_equal(query.version, 0);
    }
}

/* What the base64 form says is not overruled, and what it leaves out it left out. */
static void headers_beside_base64(void **state)
{
    (void)state;
    assert_int_equal(parse(exact("oRIJBAp2MTQwRGV2aWNlBFCFO+YKU21hcnRQaG9uZQcBAg==")), CBA_R_OK);
    cba_query_add_headers(&query, exact("2.5"), exact("1"));
    assert_int_equal(query.version, 161);
    assert_int_equal(query.policy_key, 3862660432);
    assert_int_equal(parse(exact("jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l")), CBA_R_OK);
    cba_query_add_headers(&query, exact("2.5"), exact("1"));
    assert_int_equal(query.version, 140);
    assert_false(query.has_policy_key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_vectors),
        cmocka_unit_test(bad_vectors),
        cmocka_unit_test(nothing),
        cmocka_unit_test(every_byte),
        cmocka_unit_test(length_of_the_whole),
        cmocka_unit_test(longest_base64),
        cmocka_unit_test(understood_for_the_log),
        cmocka_unit_test(headers),
        cmocka_unit_test(headers_beside_base64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
