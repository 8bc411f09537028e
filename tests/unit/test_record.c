/* SPDX-License-Identifier: Apache-2.0
 *
 * The contents are those of tests/vectors/record, made by tests/vectors/make.py, which writes the
 * format down a second time.
 */
#include "unit.h"

#include "cba_record.h"
#include "exact.h"

#define NOW 1700000000

/* S-1-5-21-2076040321-3326545908-468068287-1157 */
#define SID                                                                                        \
    {                                                                                              \
        28,                                                                                        \
        {                                                                                          \
            1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 0x81, 0xdc, 0xbd, 0x7b, 0xf4, 0x0f, 0x47, 0xc6,   \
                0xbf, 0x27, 0xe6, 0x1b, 0x85, 0x04, 0, 0                                           \
        }                                                                                          \
    }

/* Every field of an account, by position and other than zero: one that is added does not compile
 * here until it is named, and does not compare until cba_record.c knows it. */
static const struct cba_account full = {
    SID, "alice", "alice@contoso.com", "contoso.com", 0x00010200, INT64_MAX, 1709208000, true, true,
};
static const struct cba_answer zero;

static struct cba_answer filled(unsigned count, bool more)
{
    struct cba_answer answer = zero;

    answer.count = count;
    answer.more = more;
    for (unsigned i = 0; i < count; i++) {
        answer.account[i] = full;
        answer.altsec[i] = CBA_ALTSEC_SKI << i;
    }
    return answer;
}

static void assert_taken(struct cba_span content, const struct cba_answer *expected)
{
    static struct cba_answer answer;

    memset(&answer, 0xff, sizeof answer);
    assert_int_equal(cba_record_take_answer(content, &answer), expected != NULL);
    assert_memory_equal(&answer, expected ? expected : &zero, sizeof answer);
}

static void read_vector(const char *name, const struct cba_answer *expected)
{
    unsigned char out[CBA_RECORD_ANSWER_MAX];
    char path[256];
    unsigned char *data;
    size_t len, made;

    (void)snprintf(path, sizeof path, "vectors/record/%s.bin", name);
    data = unit_file_read(path, &len);
    assert_taken(cba_span_of(data, len), expected);
    cba_record_put_answer(expected, out, &made);
    assert_int_equal(made, len);
    assert_memory_equal(out, data, len);
    free(data);
}

static void test_answers(void **state)
{
    static struct cba_answer answer;

    (void)state;
    answer = filled(0, false);
    read_vector("nobody", &answer);
    answer = filled(1, false);
    read_vector("account", &answer);
    answer = filled(2, true);
    answer.account[1].upn[0] = '\0';
    memset(answer.account[1].upn, 0, sizeof answer.account[1].upn);
    answer.account[1].computer = false;
    answer.account[1].expires = -1;
    read_vector("two", &answer);
}

/* The longest that there can be, and what does not fit into a struct. */
static void test_longest(void **state)
{
    static struct cba_answer answer;
    unsigned char out[CBA_RECORD_ANSWER_MAX];
    size_t len;

    (void)state;
    answer = filled(2, false);
    for (int i = 0; i < 2; i++) {
        struct cba_account *account = &answer.account[i];

        account->sid.len = CBA_SID_BINARY_MAX;
        account->sid.binary[1] = 15;
        memset(account->sam, 's', CBA_SAM_MAX);
        memset(account->upn, 'u', CBA_UPN_MAX);
        memset(account->domain, 'd', CBA_DOMAIN_MAX);
    }
    cba_record_put_answer(&answer, out, &len);
    assert_int_equal(len, CBA_RECORD_ANSWER_MAX);
    assert_taken(exact_bytes(out, len), &answer);
}

static void test_not_an_answer(void **state)
{
    static struct cba_answer answer;
    unsigned char out[CBA_RECORD_ANSWER_MAX + 1];
    size_t len, sid = 2, sam = sid + 1 + 28, upn = sam + 2 + 5, domain = upn + 2 + 17,
                control = domain + 2 + 11, computer = control + 4 + 8 + 8, altsec = computer + 2;
    const struct {
        size_t at;
        unsigned char byte;
    } wrong[] = {
        {0, 0},               /* no account, and bytes of one */
        {0, 2},               /* two, and bytes of one */
        {0, 3},               /* more than there can be */
        {0, 255},             /* the same */
        {1, 1},               /* "there were more", with one account */
        {1, 2},               /* no truth value */
        {sid, 27},            /* a SID too short */
        {sid, 29},            /* too long */
        {sid, 0},             /* none */
        {sid, 255},           /* longer than a SID is */
        {sid + 1, 2},         /* of another revision */
        {sam, 1},             /* a name longer than any */
        {sam + 1, 0},         /* no name */
        {sam + 2, 0},         /* a NUL in it */
        {sam + 2, 0xff},      /* no UTF-8 */
        {sam + 2, '\n'},      /* a control */
        {upn, 0xff},          /* longer than the rest */
        {upn + 2, 0},         /* a NUL */
        {domain, 1},          /* longer than any */
        {domain + 1, 0},      /* none */
        {computer, 2},        /* no truth value */
        {computer + 1, 0xff}, /* the same */
        {altsec, 0x80},       /* a form of altSecurityIdentities that there is not */
        {altsec + 3, 0x40}    /* the same */
    };

    (void)state;
    answer = filled(1, false);
    cba_record_put_answer(&answer, out, &len);
    assert_int_equal(len, altsec + 4);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        unsigned char kept = out[wrong[i].at];

        assert_int_not_equal(kept, wrong[i].byte);
        out[wrong[i].at] = wrong[i].byte;
        assert_taken(exact_bytes(out, len), NULL);
        out[wrong[i].at] = kept;
    }
    for (size_t cut = 0; cut < len; cut++) {
        assert_taken(exact_bytes(out, cut), NULL);
    }
    out[len] = 0;
    assert_taken(exact_bytes(out, len + 1), NULL);
    assert_taken(cba_span_of(NULL, 0), NULL);
    assert_taken(exact_bytes(out, len), &answer);
}

static void read_values(const char *name, const struct cba_span *expected, size_t expected_count)
{
    struct cba_span values[CBA_NTAUTH_MAX];
    unsigned char out[64], *data;
    char path[256];
    size_t len, count;

    (void)snprintf(path, sizeof path, "vectors/record/%s.bin", name);
    data = unit_file_read(path, &len);
    assert_true(cba_record_take_ntauth(exact_bytes(data, len), values, &count));
    assert_int_equal(count, expected_count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(values[i].len, expected[i].len);
        assert_true(!values[i].len || !memcmp(values[i].ptr, expected[i].ptr, values[i].len));
    }
    assert_int_equal(cba_record_put_ntauth(expected, expected_count, out, sizeof out), len);
    assert_memory_equal(out, data, len);
    assert_int_equal(cba_record_put_ntauth(expected, expected_count, out, len), len);
    for (size_t room = 0; room < len; room++) {
        assert_int_equal(cba_record_put_ntauth(expected, expected_count, out, room), 0);
    }
    for (size_t cut = 0; cut < len; cut++) {
        assert_false(cba_record_take_ntauth(exact_bytes(data, cut), values, &count));
        assert_int_equal(count, 0);
    }
    free(data);
}

static void test_ntauth(void **state)
{
    const struct cba_span values[] = {cba_span_of((const unsigned char *)"", 1),
                                      cba_span_of(NULL, 0), cba_span_str("0\3\2\1\5")};

    (void)state;
    read_values("ntauth-none", NULL, 0);
    read_values("ntauth", values, COUNT(values));
}

static void test_not_ntauth(void **state)
{
    static const unsigned char longer[] = {0, 1, 0, 0, 0, 1, 'x', 'y'},
                               beyond[] = {0, 1, 0xff, 0xff, 0xff, 0xff, 'x'};
    struct cba_span values[CBA_NTAUTH_MAX + 1];
    unsigned char out[2 + 4 * (CBA_NTAUTH_MAX + 1)] = {0};
    size_t count;

    (void)state;
    assert_false(cba_record_take_ntauth(exact_bytes(longer, sizeof longer), values, &count));
    assert_false(cba_record_take_ntauth(exact_bytes(beyond, sizeof beyond), values, &count));
    assert_false(cba_record_take_ntauth(cba_span_of(NULL, 0), values, &count));

    /* As many as there may be, all of them empty, and one more. */
    for (size_t i = 0; i <= CBA_NTAUTH_MAX; i++) {
        values[i] = cba_span_of(NULL, 0);
    }
    assert_int_equal(cba_record_put_ntauth(values, CBA_NTAUTH_MAX, out, sizeof out),
                     sizeof out - 4);
    assert_true(cba_record_take_ntauth(exact_bytes(out, sizeof out - 4), values, &count));
    assert_int_equal(count, CBA_NTAUTH_MAX);
    assert_int_equal(cba_record_put_ntauth(values, CBA_NTAUTH_MAX + 1, out, sizeof out), 0);
    out[1]++;
    assert_false(cba_record_take_ntauth(exact_bytes(out, sizeof out), values, &count));
    assert_int_equal(count, 0);
}

/* S-1-5-32-545, and one whose last part differs from SID's. */
static const struct cba_sid users = {16, {1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x21, 2, 0, 0}};
static const struct cba_sid other = {
    28, {1,    5,    0,    0,    0,    0,    0,    5,    21,   0,    0,    0, 0x81, 0xdc,
         0xbd, 0x7b, 0xf4, 0x0f, 0x47, 0xc6, 0xbf, 0x27, 0xe6, 0x1b, 0x86, 4, 0,    0}};

/* On the heap, with room for no byte more than there are. */
static struct cba_groups *packed(const struct cba_sid *const *sids, size_t count)
{
    struct cba_groups *groups;
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        len += sids[i]->len;
    }
    groups = malloc(sizeof *groups + len);
    groups->count = count;
    groups->len = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(groups->sids + groups->len, sids[i]->binary, sids[i]->len);
        groups->len += sids[i]->len;
    }
    return groups;
}

static bool takes_groups(struct cba_span content, const struct cba_groups *expected)
{
    struct cba_groups *groups = malloc(sizeof *groups + content.len);
    bool taken;

    memset(groups, 0xff, sizeof *groups + content.len);
    taken = cba_record_take_groups(content, groups);
    assert_int_equal(groups->count, taken ? expected->count : 0);
    assert_int_equal(groups->len, taken ? expected->len : 0);
    assert_true(!taken || !memcmp(groups->sids, expected->sids, expected->len));
    free(groups);
    return taken;
}

static void test_groups(void **state)
{
    const struct cba_sid *const sids[] = {&full.sid, &users, &other};
    struct cba_groups *groups = packed(sids, COUNT(sids));
    static unsigned char out[CBA_RECORD_GROUPS_MAX + 1];
    unsigned char *data;
    size_t len;

    (void)state;
    data = unit_file_read("vectors/record/groups.bin", &len);
    assert_true(takes_groups(exact_bytes(data, len), groups));
    assert_int_equal(cba_record_put_groups(groups, out), len);
    assert_memory_equal(out, data, len);
    free(data);

    /* Nothing more, nothing less. */
    for (size_t cut = 0; cut < len; cut++) {
        assert_false(takes_groups(exact_bytes(out, cut), groups));
    }
    out[len] = 0;
    assert_false(takes_groups(exact_bytes(out, len + 1), groups));
    assert_false(takes_groups(cba_span_of(NULL, 0), groups));
    /* Another number, another length, no SID, none at all. */
    for (size_t at = 0; at < 5; at++) {
        out[at]++;
        assert_false(takes_groups(exact_bytes(out, len), groups));
        out[at] -= 2;
        assert_false(takes_groups(exact_bytes(out, len), groups));
        out[at]++;
    }
    assert_true(takes_groups(exact_bytes(out, len), groups));
    out[0] = out[1] = 0;
    assert_false(takes_groups(exact_bytes(out, 2), groups));
    groups->count = groups->len = 0;
    assert_int_equal(cba_record_put_groups(groups, out), 0);
    free(groups);
}

/* As many as there may be, the longest that there are; and one more. */
static void test_most_groups(void **state)
{
    static const struct cba_sid *sids[CBA_GROUPS_MAX + 1];
    static unsigned char out[CBA_RECORD_GROUPS_MAX + 1 + CBA_SID_BINARY_MAX];
    struct cba_sid longest = {CBA_SID_BINARY_MAX, {1, 15}};
    struct cba_groups *groups;

    (void)state;
    for (size_t i = 0; i < COUNT(sids); i++) {
        sids[i] = &longest;
    }
    groups = packed(sids, CBA_GROUPS_MAX);
    assert_int_equal(cba_record_put_groups(groups, out), CBA_RECORD_GROUPS_MAX);
    assert_true(CBA_RECORD_HEAD + CBA_RECORD_GROUPS_MAX <= CBA_RECORD_MAX);
    assert_true(takes_groups(cba_span_of(out, CBA_RECORD_GROUPS_MAX), groups));
    out[CBA_RECORD_GROUPS_MAX] = CBA_SID_BINARY_MAX;
    memcpy(out + CBA_RECORD_GROUPS_MAX + 1, longest.binary, longest.len);
    out[1]++;
    assert_false(takes_groups(cba_span_of(out, sizeof out), groups));
    free(groups);
    groups = packed(sids, COUNT(sids));
    assert_int_equal(cba_record_put_groups(groups, out), 0);
    free(groups);
}

static void assert_group(struct cba_span content, const struct cba_group *expected)
{
    static const struct cba_group none;
    static struct cba_group group;

    memset(&group, 0xff, sizeof group);
    assert_int_equal(cba_record_take_group(content, &group), expected != NULL);
    expected = expected ? expected : &none;
    assert_int_equal(group.reason, expected->reason);
    assert_int_equal(group.sid.len, expected->sid.len);
    assert_memory_equal(group.sid.binary, expected->sid.binary, expected->sid.len);
    assert_string_equal(group.result.detail, expected->result.detail);
}

static void test_group(void **state)
{
    const struct {
        const char *name;
        struct cba_group group;
    } cases[] = {
        {"group", {CBA_R_OK, other, {""}}},
        {"group-none", {CBA_R_DIR_GROUP, {0}, {"no security group: CN=J\xc3\xbcrgen"}}},
        {"group-elsewhere", {CBA_R_DIR_GROUP_ELSEWHERE, {0}, {""}}},
    };
    unsigned char out[CBA_RECORD_GROUP_MAX + 1];
    char path[256];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        unsigned char *data;
        size_t len;

        (void)snprintf(path, sizeof path, "vectors/record/%s.bin", cases[i].name);
        data = unit_file_read(path, &len);
        assert_group(exact_bytes(data, len), &cases[i].group);
        assert_int_equal(cba_record_put_group(&cases[i].group, out), len);
        assert_memory_equal(out, data, len);
        free(data);
        for (size_t cut = 0; cut < len; cut++) {
            assert_group(exact_bytes(out, cut), NULL);
        }
        out[len] = 0;
        assert_group(exact_bytes(out, len + 1), NULL);
        out[0] = 3; /* there is no such kind of word */
        assert_group(exact_bytes(out, len), NULL);
    }
    assert_group(cba_span_of(NULL, 0), NULL);
}

static void test_not_a_group(void **state)
{
    static const unsigned char control[] = {1, 0, 1, '\n'}, nul[] = {1, 0, 1, 0},
                               utf8[] = {1, 0, 1, 0xff}, empty[] = {0, 0};
    static unsigned char longer[CBA_RECORD_GROUP_MAX + 1] = {1, 1, 0}; /* a text of 256 bytes */
    struct cba_group group = {CBA_R_DIR_GROUP, {0}, {""}};
    unsigned char out[CBA_RECORD_GROUP_MAX];

    (void)state;
    assert_group(exact_bytes(control, sizeof control), NULL);
    assert_group(exact_bytes(nul, sizeof nul), NULL);
    assert_group(exact_bytes(utf8, sizeof utf8), NULL);
    assert_group(exact_bytes(empty, sizeof empty), NULL);
    memset(longer + 3, 'x', sizeof longer - 3);
    assert_group(exact_bytes(longer, sizeof longer), NULL);

    memset(group.result.detail, 'x', CBA_DETAIL_MAX);
    assert_int_equal(cba_record_put_group(&group, out), CBA_RECORD_GROUP_MAX);
    assert_group(exact_bytes(out, sizeof out), &group);
    group.result.detail[CBA_DETAIL_MAX - 1] = (char)0xc3; /* cut in the middle of a letter */
    assert_int_equal(cba_record_put_group(&group, out), 0);
    group = (struct cba_group){CBA_R_DIR_TIMEOUT, {0}, {""}};
    assert_int_equal(cba_record_put_group(&group, out), 0);
    group = (struct cba_group){CBA_R_OK, {0}, {""}};
    assert_int_equal(cba_record_put_group(&group, out), 0);
}

static void test_head(void **state)
{
    const struct cba_record_times times = {NOW, NOW + 0x0102030405};
    static const unsigned char written[CBA_RECORD_HEAD] = {CBA_RECORD_FORMAT,
                                                           CBA_RECORD_TICKET,
                                                           0,
                                                           0,
                                                           0,
                                                           0,
                                                           0x65,
                                                           0x53,
                                                           0xf1,
                                                           0x00,
                                                           0,
                                                           0,
                                                           0,
                                                           0x01,
                                                           0x67,
                                                           0x56,
                                                           0xf5,
                                                           0x05};
    unsigned char out[CBA_RECORD_HEAD + 1];
    struct cba_record_times read;
    struct cba_span record;

    (void)state;
    cba_record_put_head(CBA_RECORD_TICKET, &times, out);
    assert_memory_equal(out, written, sizeof written);
    out[CBA_RECORD_HEAD] = 'x';
    record = exact_bytes(out, sizeof out);
    assert_true(cba_record_take_head(&record, CBA_RECORD_TICKET, &read));
    assert_int_equal(read.issued, times.issued);
    assert_int_equal(read.until, times.until);
    assert_int_equal(record.len, 1);
    assert_int_equal(record.ptr[0], 'x');
    record = exact_bytes(out, CBA_RECORD_HEAD);
    assert_true(cba_record_take_head(&record, CBA_RECORD_TICKET, &read));
    assert_int_equal(record.len, 0);
}

static void test_not_a_head(void **state)
{
    struct cba_record_times times = {NOW, NOW + 300};
    unsigned char out[CBA_RECORD_HEAD];
    struct cba_record_times read;
    struct cba_span record;

    (void)state;
    cba_record_put_head(CBA_RECORD_ANSWER, &times, out);
    record = exact_bytes(out, sizeof out);
    assert_false(cba_record_take_head(&record, CBA_RECORD_TICKET, &read));
    for (size_t cut = 0; cut < sizeof out; cut++) {
        record = exact_bytes(out, cut);
        assert_false(cba_record_take_head(&record, CBA_RECORD_ANSWER, &read));
    }
    record = cba_span_of(NULL, 0);
    assert_false(cba_record_take_head(&record, CBA_RECORD_ANSWER, &read));
    out[0]++;
    record = exact_bytes(out, sizeof out);
    assert_false(cba_record_take_head(&record, CBA_RECORD_ANSWER, &read));

    for (int i = 0; i < 3; i++) {
        static const struct cba_record_times wrong[] = {{NOW, NOW}, {0, 5}, {INT64_MIN, INT64_MAX}};

        cba_record_put_head(CBA_RECORD_ANSWER, &wrong[i], out);
        record = exact_bytes(out, sizeof out);
        assert_false(cba_record_take_head(&record, CBA_RECORD_ANSWER, &read));
    }
}

static void test_age(void **state)
{
    const struct {
        int64_t issued, until, lifetime, known;
        enum cba_record_age age;
        int64_t serves; /* after now */
    } cases[] = {
        {0, 300, 300, 0, CBA_RECORD_SERVES, 300},
        {-299, 1, 300, 0, CBA_RECORD_SERVES, 1},
        {-300, 0, 300, 0, CBA_RECORD_EXPIRED, 0},
        {-9000, -1, 86400, 0, CBA_RECORD_EXPIRED, 0},
        /* its writer would use it longer than we */
        {-100, 900, 300, 0, CBA_RECORD_SERVES, 200},
        {-300, 900, 300, 0, CBA_RECORD_SPENT, 0},
        {-300, INT64_MAX - NOW, 300, 0, CBA_RECORD_SPENT, 0},
        /* and we longer than its writer */
        {-10, 20, 300, 0, CBA_RECORD_SERVES, 20},
        /* clocks */
        {60, 360, 300, 0, CBA_RECORD_SERVES, 360},
        {61, 361, 300, 0, CBA_RECORD_AHEAD, 0},
        {INT64_MAX - NOW - 1, INT64_MAX - NOW, 300, 0, CBA_RECORD_AHEAD, 0},
        /* what was known already */
        {-5, 295, 300, NOW - 5, CBA_RECORD_SERVES, 295},
        {-5, 295, 300, NOW - 6, CBA_RECORD_SERVES, 295},
        {-5, 295, 300, NOW - 4, CBA_RECORD_SUPERSEDED, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct cba_record_times times = {NOW + cases[i].issued, NOW + cases[i].until};
        int64_t until = 0;

        assert_int_equal(cba_record_judge(&times, NOW, cases[i].lifetime, cases[i].known, &until),
                         cases[i].age);
        if (cases[i].age == CBA_RECORD_SERVES) {
            assert_int_equal(until, NOW + cases[i].serves);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),       cmocka_unit_test(test_longest),
        cmocka_unit_test(test_not_an_answer), cmocka_unit_test(test_head),
        cmocka_unit_test(test_not_a_head),    cmocka_unit_test(test_age),
        cmocka_unit_test(test_ntauth),        cmocka_unit_test(test_not_ntauth),
        cmocka_unit_test(test_groups),        cmocka_unit_test(test_most_groups),
        cmocka_unit_test(test_group),         cmocka_unit_test(test_not_a_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
