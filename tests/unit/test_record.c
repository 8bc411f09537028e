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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
