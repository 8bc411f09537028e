/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_record.h"

/* One description of each struct serves both ways, so that what is written and what is read cannot
 * differ. */
struct stream {
    const unsigned char *in; /* reading; NULL: writing */
    unsigned char *out;
    size_t left;
    bool good;
};

static void pass_bytes(struct stream *stream, void *field, size_t len)
{
    if (!stream->good || stream->left < len) {
        stream->good = false;
        return;
    }
    if (stream->in) {
        memcpy(field, stream->in, len);
        stream->in += len;
    } else {
        memcpy(stream->out, field, len);
        stream->out += len;
    }
    stream->left -= len;
}

/* size bytes, the highest first. */
static void pass_number(struct stream *stream, uint64_t *number, size_t size)
{
    unsigned char bytes[8];
    size_t i;

    for (i = 0; i < size; i++) {
        bytes[i] = (unsigned char)(*number >> 8 * (size - 1 - i));
    }
    pass_bytes(stream, bytes, size);
    if (stream->in && stream->good) {
        for (*number = 0, i = 0; i < size; i++) {
            *number = *number << 8 | bytes[i];
        }
    }
}

static void pass_u32(struct stream *stream, uint32_t *field)
{
    uint64_t number = *field;

    pass_number(stream, &number, 4);
    *field = (uint32_t)number;
}

/* Two's complement, as C11 has it for int64_t (7.20.1.1). */
static void pass_i64(struct stream *stream, int64_t *field)
{
    uint64_t number = (uint64_t)*field;

    pass_number(stream, &number, 8);
    memcpy(field, &number, sizeof *field);
}

static void pass_bool(struct stream *stream, bool *field)
{
    uint64_t number = *field;

    pass_number(stream, &number, 1);
    stream->good = stream->good && number <= 1;
    *field = number == 1;
}

/* A text of at most max bytes, terminated in memory. */
static void pass_text(struct stream *stream, char *field, size_t max)
{
    uint64_t len = stream->in ? 0 : strlen(field);

    pass_number(stream, &len, 2);
    if (len > max) {
        stream->good = false;
        return;
    }
    pass_bytes(stream, field, (size_t)len);
    if (stream->in) {
        field[stream->good ? len : 0] = '\0';
        stream->good =
            stream->good && strlen(field) == len && cba_span_is_text(cba_span_str(field));
    }
}

static void pass_sid(struct stream *stream, struct cba_sid *sid)
{
    uint64_t len = sid->len;
    struct cba_sid checked;

    pass_number(stream, &len, 1);
    if (len > sizeof sid->binary) {
        stream->good = false;
        return;
    }
    pass_bytes(stream, sid->binary, (size_t)len);
    if (stream->in && stream->good) {
        stream->good = cba_sid_parse_binary(cba_span_of(sid->binary, (size_t)len), &checked);
        *sid = checked;
    }
}

/* All fields of an account. tests/unit/test_record.c names them all in one initializer, which does
 * not compile when one is added, and compares all of them: a field that is added there belongs here,
 * too, and CBA_RECORD_FORMAT counts one up. */
static void pass_account(struct stream *stream, struct cba_account *account)
{
    pass_sid(stream, &account->sid);
    pass_text(stream, account->sam, CBA_SAM_MAX);
    pass_text(stream, account->upn, CBA_UPN_MAX);
    pass_text(stream, account->domain, CBA_DOMAIN_MAX);
    pass_u32(stream, &account->control);
    pass_i64(stream, &account->expires);
    pass_i64(stream, &account->created);
    pass_bool(stream, &account->computer);
    pass_bool(stream, &account->protected_user);
    if (!account->sam[0] || !account->domain[0]) {
        stream->good = false;
    }
}

static void pass_answer(struct stream *stream, struct cba_answer *answer)
{
    uint64_t count = answer->count;
    size_t i;

    pass_number(stream, &count, 1);
    pass_bool(stream, &answer->more);
    if (count > 2 || (answer->more && count < 2)) {
        stream->good = false;
    }
    for (i = 0; stream->good && i < count; i++) {
        pass_account(stream, &answer->account[i]);
        pass_u32(stream, &answer->altsec[i]);
        if (answer->altsec[i] & ~(uint32_t)CBA_ALTSEC_ALL) {
            stream->good = false;
        }
    }
    answer->count = (unsigned)count;
}

void cba_record_put_answer(const struct cba_answer *answer,
                           unsigned char out[CBA_RECORD_ANSWER_MAX], size_t *len)
{
    struct stream stream = {NULL, out, CBA_RECORD_ANSWER_MAX, true};
    struct cba_answer copy =
        *answer; /* writing changes nothing; one description serves both ways */

    pass_answer(&stream, &copy);
    *len = stream.good ? CBA_RECORD_ANSWER_MAX - stream.left : 0;
}

bool cba_record_take_answer(struct cba_span content, struct cba_answer *answer)
{
    struct stream stream = {content.ptr, NULL, content.len, content.ptr != NULL};

    memset(answer, 0, sizeof *answer);
    if (stream.good) {
        pass_answer(&stream, answer);
    }
    if (!stream.good || stream.left > 0) {
        memset(answer, 0, sizeof *answer);
        return false;
    }
    return true;
}

/* --- NTAuth --- */

size_t cba_record_put_ntauth(const struct cba_span *values, size_t count, unsigned char *out,
                             size_t size)
{
    struct stream stream = {NULL, out, size, count <= CBA_NTAUTH_MAX};
    uint64_t number = count;
    size_t i;

    pass_number(&stream, &number, 2);
    for (i = 0; stream.good && i < count; i++) {
        number = values[i].len;
        pass_number(&stream, &number, 4);
        stream.good = stream.good && values[i].len <= stream.left;
        if (stream.good && values[i].len > 0) {
            memcpy(stream.out, values[i].ptr, values[i].len);
            stream.out += values[i].len;
            stream.left -= values[i].len;
        }
    }
    return stream.good ? size - stream.left : 0;
}

bool cba_record_take_ntauth(struct cba_span content, struct cba_span values[CBA_NTAUTH_MAX],
                            size_t *count)
{
    struct stream stream = {content.ptr, NULL, content.len, content.ptr != NULL};
    uint64_t number = 0, len = 0;
    size_t i;

    *count = 0;
    if (stream.good) {
        pass_number(&stream, &number, 2);
        stream.good = stream.good && number <= CBA_NTAUTH_MAX;
    }
    for (i = 0; stream.good && i < number; i++) {
        pass_number(&stream, &len, 4);
        stream.good = stream.good && len <= stream.left;
        if (stream.good) {
            values[i] = cba_span_of(stream.in, (size_t)len);
            stream.in += len;
            stream.left -= (size_t)len;
        }
    }
    if (!stream.good || stream.left > 0) {
        return false;
    }
    *count = (size_t)number;
    return true;
}

/* --- groups --- */

size_t cba_record_put_groups(const struct cba_groups *groups,
                             unsigned char out[CBA_RECORD_GROUPS_MAX])
{
    struct stream stream = {NULL, out, CBA_RECORD_GROUPS_MAX,
                            groups->count > 0 && groups->count <= CBA_GROUPS_MAX};
    uint64_t count = groups->count;
    struct cba_sid sid = {0};

    pass_number(&stream, &count, 2);
    for (size_t at = 0; stream.good && at < groups->len; at += sid.len) {
        sid.len = cba_groups_length(groups->sids + at);
        memcpy(sid.binary, groups->sids + at, sid.len);
        pass_sid(&stream, &sid);
    }
    return stream.good ? CBA_RECORD_GROUPS_MAX - stream.left : 0;
}

bool cba_record_take_groups(struct cba_span content, struct cba_groups *out)
{
    struct stream stream = {content.ptr, NULL, content.len, content.ptr != NULL};
    uint64_t count = 0;
    struct cba_sid sid = {0};

    out->count = out->len = 0;
    if (stream.good) {
        pass_number(&stream, &count, 2);
        stream.good = stream.good && count > 0 && count <= CBA_GROUPS_MAX;
    }
    while (stream.good && out->count < count) {
        pass_sid(&stream, &sid);
        if (stream.good) {
            memcpy(out->sids + out->len, sid.binary, sid.len);
            out->len += sid.len;
            out->count++;
        }
    }
    if (!stream.good || stream.left > 0) {
        out->count = out->len = 0;
        return false;
    }
    return true;
}

static void pass_group(struct stream *stream, struct cba_group *group)
{
    static const enum cba_reason reasons[] = {CBA_R_OK, CBA_R_DIR_GROUP, CBA_R_DIR_GROUP_ELSEWHERE};
    const uint64_t last = sizeof reasons / sizeof *reasons - 1;
    uint64_t which = 0;

    while (!stream->in && which < last && reasons[which] != group->reason) {
        which++;
    }
    pass_number(stream, &which, 1);
    if (!stream->good || which > last || (!stream->in && reasons[which] != group->reason)) {
        stream->good = false;
        return;
    }
    group->reason = reasons[which];
    if (group->reason == CBA_R_OK) {
        pass_sid(stream, &group->sid);
        stream->good = stream->good && group->sid.len > 0;
    } else {
        pass_text(stream, group->result.detail, CBA_DETAIL_MAX);
    }
}

size_t cba_record_put_group(const struct cba_group *group, unsigned char out[CBA_RECORD_GROUP_MAX])
{
    struct stream stream = {NULL, out, CBA_RECORD_GROUP_MAX,
                            cba_span_is_text(cba_span_str(group->result.detail))};
    struct cba_group copy = *group;

    pass_group(&stream, &copy);
    return stream.good ? CBA_RECORD_GROUP_MAX - stream.left : 0;
}

bool cba_record_take_group(struct cba_span content, struct cba_group *out)
{
    struct stream stream = {content.ptr, NULL, content.len, content.ptr != NULL};

    memset(out, 0, sizeof *out);
    if (stream.good) {
        pass_group(&stream, out);
    }
    if (!stream.good || stream.left > 0) {
        memset(out, 0, sizeof *out);
        return false;
    }
    return true;
}

/* --- heads and times --- */

static void pass_head(struct stream *stream, uint64_t *format, uint64_t *type,
                      struct cba_record_times *times)
{
    pass_number(stream, format, 1);
    pass_number(stream, type, 1);
    pass_i64(stream, &times->issued);
    pass_i64(stream, &times->until);
}

void cba_record_put_head(enum cba_record_type type, const struct cba_record_times *times,
                         unsigned char out[CBA_RECORD_HEAD])
{
    struct stream stream = {NULL, out, CBA_RECORD_HEAD, true};
    uint64_t format = CBA_RECORD_FORMAT, number = type;
    struct cba_record_times copy = *times;

    pass_head(&stream, &format, &number, &copy);
}

bool cba_record_take_head(struct cba_span *record, enum cba_record_type type,
                          struct cba_record_times *times)
{
    struct stream stream = {record->ptr, NULL, record->len, record->ptr != NULL};
    uint64_t format = 0, number = 0;

    if (!stream.good) {
        return false;
    }
    pass_head(&stream, &format, &number, times);
    if (!stream.good || format != CBA_RECORD_FORMAT || number != type || times->issued <= 0 ||
        times->until <= times->issued) {
        return false;
    }
    *record = cba_span_of(stream.in, stream.left);
    return true;
}

enum cba_record_age cba_record_judge(const struct cba_record_times *times, int64_t now,
                                     int64_t lifetime, int64_t known, int64_t *until)
{
    *until = times->until;
    if (times->issued > now && times->issued - now > CBA_RECORD_SKEW) {
        return CBA_RECORD_AHEAD;
    }
    if (times->until <= now) {
        return CBA_RECORD_EXPIRED;
    }
    if (times->issued < known) {
        return CBA_RECORD_SUPERSEDED;
    }
    if (times->until - times->issued > lifetime) {
        *until = times->issued + lifetime;
    }
    return *until <= now ? CBA_RECORD_SPENT : CBA_RECORD_SERVES;
}
