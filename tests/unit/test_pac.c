/* SPDX-License-Identifier: Apache-2.0
 *
 * The buffers are those of tests/vectors/pac, made by tests/vectors/make.py with Samba's NDR code.
 */
#include "unit.h"

#include "cba_pac.h"
#include "exact.h"

#define SID "S-1-5-21-2076040321-3326545908-468068287-1157"

/* Places in a KERB_VALIDATION_INFO buffer: headers (16), pointer (4), then MS-PAC 2.5. */
#define LOGON_NAME        (20 + 48)
#define LOGON_GROUP_COUNT (20 + 108)
#define LOGON_NAME_ARRAY  (20 + 216) /* maximum, offset, length, characters */
#define LOGON_SID         428        /* of the domain in the file "logon", 28 bytes */
#define LOGON_EXTRA       456        /* its extra SIDs: count, pointer, attributes, one SID */
#define LOGON_EXTRA_COUNT (20 + 196)
#define LOGON_END         484

struct buffer {
    unsigned char *data;
    size_t len;
};

static struct buffer read_buffer(const char *name)
{
    struct buffer buffer;
    char path[256];

    (void)snprintf(path, sizeof(path), "vectors/pac/%s.bin", name);
    buffer.data = unit_file_read(path, &buffer.len);
    return buffer;
}

static void assert_sid(const struct cba_sid *sid, const char *expected)
{
    char text[CBA_SID_TEXT_MAX + 1];

    cba_sid_format(sid, text);
    assert_string_equal(text, expected);
}

/* expected NULL: refused, and zeroed. */
static void assert_logon(struct cba_span buffer, const char *expected)
{
    static const struct cba_pac_logon zero;
    struct cba_pac_logon logon;

    memset(&logon, 0xff, sizeof(logon));
    assert_int_equal(cba_pac_logon_parse(buffer, &logon), expected != NULL);
    if (expected != NULL) {
        assert_sid(&logon.sid, expected);
    } else {
        assert_memory_equal(&logon, &zero, sizeof(zero));
    }
}

static void assert_upn(struct cba_span buffer, bool expected_extended, const char *expected)
{
    static const struct cba_sid zero;
    struct cba_sid sid;
    bool extended = !expected_extended;

    memset(&sid, 0xff, sizeof(sid));
    assert_int_equal(cba_pac_upn_sid(buffer, &sid, &extended), expected != NULL);
    assert_int_equal(extended, expected_extended);
    if (expected != NULL) {
        assert_sid(&sid, expected);
    } else {
        assert_memory_equal(&sid, &zero, sizeof(zero));
    }
}

static void logon(void **state)
{
    static const struct {
        const char *name, *sid;
    } files[] = {
        {"logon", SID},
        {"logon-no-text", SID},
        {"logon-200-groups", SID},
        {"logon-14", "S-1-5-4294967295-4294967295-4294967295-4294967295-4294967295-4294967295-"
                     "4294967295-4294967295"
                     "-4294967295-4294967295-4294967295-4294967295-4294967295-4294967295-1157"},
        {"logon-15", NULL},        /* no place for the RID */
        {"logon-rid-0", NULL},     /* the SID is among the extra ones: not of a domain */
        {"logon-no-domain", NULL}, /* nothing to put before the RID */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(files); i++) {
        struct buffer buffer = read_buffer(files[i].name);

        assert_logon(cba_span_of(buffer.data, buffer.len), files[i].sid);
        free(buffer.data);
    }
}

/* The extra SIDs stand at the end: before it everything is needed. */
static void logon_truncated(void **state)
{
    struct buffer buffer = read_buffer("logon");

    (void)state;
    for (size_t len = 0; len < buffer.len; len++) {
        assert_logon(exact_bytes(buffer.data, len), NULL); /* the header announces more */
    }
    /* and with an honest header */
    for (size_t len = 0; len + 16 < buffer.len; len++) {
        unsigned char *copy = malloc(len + 16);

        assert_non_null(copy);
        memcpy(copy, buffer.data, len + 16);
        copy[8] = (unsigned char)len;
        copy[9] = (unsigned char)(len >> 8);
        assert_logon(cba_span_of(copy, len + 16), len + 16 < LOGON_END ? NULL : SID);
        free(copy);
    }
    free(buffer.data);
}

/* Each 16-bit word, zeroed and set: no crash, and a SID that is still read is the same one, or its
 * own words were those changed. */
static void logon_changed(void **state)
{
    struct buffer buffer = read_buffer("logon");
    size_t other = 0;

    (void)state;
    for (size_t i = 0; i + 1 < buffer.len; i += 2) {
        static const unsigned char values[] = {0x00, 0x01, 0x7f, 0xff};

        for (size_t v = 0; v < COUNT(values); v++) {
            unsigned char saved[2] = {buffer.data[i], buffer.data[i + 1]};
            struct cba_pac_logon read;
            char text[CBA_SID_TEXT_MAX + 1];

            buffer.data[i] = buffer.data[i + 1] = values[v];
            if (cba_pac_logon_parse(cba_span_of(buffer.data, buffer.len), &read)) {
                cba_sid_format(&read.sid, text);
                other += strcmp(text, SID) != 0 ? 1 : 0;
            }
            memcpy(buffer.data + i, saved, sizeof(saved));
        }
    }
    /* 6 bytes of authority, 16 of sub-authorities, 4 of RID: 13 words with 4 values each at most */
    assert_in_range(other, 1, 13 * 4);
    free(buffer.data);
}

struct change {
    size_t at;
    unsigned char value;
};

/* What the header, the strings and the arrays say about each other has to agree. */
static void logon_inconsistent(void **state)
{
    static const struct change changes[] = {
        {0, 2}, /* version */
        {1, 0}, /* big-endian */
        {2, 16},
        {3, 1}, /* length of the common header */
        {8, 0xff},
        {11, 1},              /* length of the object */
        {LOGON_NAME, 11},     /* odd length */
        {LOGON_NAME, 8},      /* the array's length is another */
        {LOGON_NAME, 16},     /* longer than the maximum */
        {LOGON_NAME + 2, 12}, /* the array's size is another */
        {LOGON_GROUP_COUNT, 2},
        {LOGON_GROUP_COUNT + 3, 1},
        {LOGON_EXTRA_COUNT, 0},
        {LOGON_EXTRA_COUNT, 2},
        {LOGON_EXTRA_COUNT + 3, 1},
        {LOGON_SID, 15}, /* sub-authorities, counted twice */
        {LOGON_SID + 5, 5},
        {LOGON_SID + 4, 2},    /* revision */
        {LOGON_EXTRA, 2},      /* count */
        {LOGON_EXTRA + 12, 2}, /* sub-authorities */
        {LOGON_EXTRA + 17, 0},
        {LOGON_EXTRA + 16, 0}, /* revision */
    };
    struct buffer buffer = read_buffer("logon");

    (void)state;
    assert_int_equal(buffer.data[LOGON_NAME], 10); /* "alice" */
    assert_int_equal(buffer.data[LOGON_GROUP_COUNT], 3);
    for (size_t i = 0; i < COUNT(changes); i++) {
        unsigned char saved = buffer.data[changes[i].at];

        buffer.data[changes[i].at] = changes[i].value;
        assert_logon(cba_span_of(buffer.data, buffer.len), NULL);
        buffer.data[changes[i].at] = saved;
    }
    /* an odd length that the array agrees with */
    buffer.data[LOGON_NAME] = 9;
    buffer.data[LOGON_NAME_ARRAY + 8] = 4;
    assert_logon(cba_span_of(buffer.data, buffer.len), NULL);
    buffer.data[LOGON_NAME] = 10;
    buffer.data[LOGON_NAME_ARRAY + 8] = 5;
    /* null pointers: to the structure, to a string that has a length, to groups that are counted */
    static const size_t pointers[] = {16, LOGON_NAME + 4, LOGON_GROUP_COUNT + 4,
                                      LOGON_EXTRA_COUNT + 4, LOGON_EXTRA + 4};

    for (size_t i = 0; i < COUNT(pointers); i++) {
        unsigned char saved[4];

        memcpy(saved, buffer.data + pointers[i], 4);
        memset(buffer.data + pointers[i], 0, 4);
        assert_logon(cba_span_of(buffer.data, buffer.len), NULL);
        memcpy(buffer.data + pointers[i], saved, 4);
    }
    assert_logon(cba_span_of(buffer.data, buffer.len), SID);
    free(buffer.data);
}

static void logon_groups_without_array(void **state)
{
    struct buffer buffer = read_buffer("logon-no-text");

    (void)state;
    assert_int_equal(buffer.data[LOGON_GROUP_COUNT], 0);
    assert_int_equal(buffer.data[LOGON_GROUP_COUNT + 6], 0); /* the pointer */
    buffer.data[LOGON_GROUP_COUNT] = 1;
    assert_logon(cba_span_of(buffer.data, buffer.len), NULL);
    free(buffer.data);
}

/* "logon-200-groups" has the RIDs 513 to 712. "logon-protected-not" has what is almost it: 513 to 524,
 * the RID as the account's own, 525 of another domain and of BUILTIN, the domain itself. */
static void logon_protected(void **state)
{
    static const struct {
        const char *name;
        bool protected_user;
    } files[] = {
        {"logon", false},
        {"logon-no-text", false},
        {"logon-protected-not", false},
        {"logon-protected", true},
        {"logon-200-groups", true},
        {"logon-protected-primary", true},
        {"logon-protected-extra", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(files); i++) {
        struct buffer buffer = read_buffer(files[i].name);
        struct cba_pac_logon read;

        memset(&read, 0xff, sizeof(read));
        assert_true(cba_pac_logon_parse(cba_span_of(buffer.data, buffer.len), &read));
        assert_int_equal(read.protected_user, files[i].protected_user);
        free(buffer.data);
    }
}

static void upn(void **state)
{
    struct buffer buffer = read_buffer("upn"), plain = read_buffer("upn-plain");

    (void)state;
    assert_upn(cba_span_of(buffer.data, buffer.len), true, SID);
    assert_upn(cba_span_of(plain.data, plain.len), false, NULL);
    free(buffer.data);
    free(plain.data);
}

static void upn_truncated(void **state)
{
    struct buffer buffer = read_buffer("upn");

    (void)state;
    for (size_t len = 0; len < 12; len++) {
        assert_upn(exact_bytes(buffer.data, len), false, NULL); /* no flags yet */
    }
    for (size_t len = 12; len < 0x68 + 28; len++) {
        assert_upn(exact_bytes(buffer.data, len), true, NULL);
    }
    assert_upn(exact_bytes(buffer.data, 0x68 + 28), true, SID); /* the rest is padding */
    free(buffer.data);
}

static void upn_parts(void **state)
{
    static const struct change changes[] = {
        {0, 0xff},  {1, 1},              /* length of the UPN */
        {2, 0xff},  {3, 1},              /* its offset */
        {4, 0xff},  {6, 0xff},           /* DNS domain name */
        {12, 0xff}, {14, 0xff},          /* sAMAccountName */
        {16, 27},   {16, 29},   {16, 0}, /* length of the SID */
        {17, 1},    {18, 0xff},          /* its offset */
        {18, 0},    {18, 19},            /* within the header */
        {19, 1},    {0x68, 2},           /* its revision */
        {0x69, 4},
    };
    struct buffer buffer = read_buffer("upn");

    (void)state;
    for (size_t i = 0; i < COUNT(changes); i++) {
        unsigned char saved = buffer.data[changes[i].at];

        buffer.data[changes[i].at] = changes[i].value;
        assert_upn(cba_span_of(buffer.data, buffer.len), true, NULL);
        buffer.data[changes[i].at] = saved;
    }
    /* flag U: the UPN was made up from the account's name, the SID counts all the same */
    buffer.data[8] = 3;
    assert_upn(cba_span_of(buffer.data, buffer.len), true, SID);
    buffer.data[8] = 1;
    assert_upn(cba_span_of(buffer.data, buffer.len), false, NULL);
    free(buffer.data);
}

/* A SID that begins within the header would be made of lengths and offsets. */
static void upn_sid_in_header(void **state)
{
    unsigned char buffer[28] = {0};

    (void)state;
    buffer[8] = 2;
    buffer[16] = 12; /* one sub-authority */
    buffer[18] = 16;
    assert_upn(exact_bytes(buffer, sizeof(buffer)), true, NULL);
    /* the smallest that is good: directly behind it */
    unsigned char good[32] = {[8] = 2, [16] = 12, [18] = 20, [20] = 1, 1, 0, 0, 0, 0, 0, 5, 18};

    assert_upn(exact_bytes(good, sizeof(good)), true, "S-1-5-18");
    good[2] = good[6] = good[14] = sizeof(good); /* nothing, at the end */
    assert_upn(exact_bytes(good, sizeof(good)), true, "S-1-5-18");
    good[2]++;
    assert_upn(exact_bytes(good, sizeof(good)), true, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logon),
        cmocka_unit_test(logon_truncated),
        cmocka_unit_test(logon_changed),
        cmocka_unit_test(logon_inconsistent),
        cmocka_unit_test(logon_groups_without_array),
        cmocka_unit_test(logon_protected),
        cmocka_unit_test(upn),
        cmocka_unit_test(upn_truncated),
        cmocka_unit_test(upn_parts),
        cmocka_unit_test(upn_sid_in_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
