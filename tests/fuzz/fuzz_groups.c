/* SPDX-License-Identifier: Apache-2.0
 *
 * The answer about an account's groups. The input is a row of pieces: a byte that says what, a byte
 * with the length, the value. What: an odd one begins another attribute, whose name the bits above
 * choose; from 128 on the value is there 255 times.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "cba_groups.h"

#define VALUES 2048

static void check(int promise)
{
    if (!promise) {
        abort();
    }
}

/* Each value is in it, and what the packed form says of itself is true. */
static void check_packed(const struct cba_attribute *attribute, const struct cba_groups *groups,
                         size_t size)
{
    struct cba_sid sid;
    size_t len = 0;

    check(groups->count == attribute->count && groups->count <= CBA_GROUPS_MAX);
    check(sizeof(*groups) + groups->len == size);
    for (size_t i = 0; i < attribute->count; i++) {
        check(cba_sid_parse_binary(attribute->values[i], &sid));
        check(cba_groups_contain(groups, &sid));
        len += sid.len;
    }
    check(len == groups->len);
}

/* A SID is in it if and only if it is one of the values. */
static void check_other(const struct cba_attribute *attribute, const struct cba_groups *groups,
                        struct cba_span binary)
{
    struct cba_sid sid;
    int there = 0;

    if (!cba_sid_parse_binary(binary, &sid)) {
        return;
    }
    for (size_t i = 0; i < attribute->count; i++) {
        there |= attribute->values[i].len == binary.len &&
                 memcmp(attribute->values[i].ptr, binary.ptr, binary.len) == 0;
    }
    check(cba_groups_contain(groups, &sid) == (there != 0));
}

static const char *const names[] = {"tokenGroups", "TOKENGROUPS", "tokenGroups;range=0-1499",
                                    "tokenGroup"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cba_span values[VALUES];
    struct cba_attribute attributes[8] = {{NULL, NULL, 0}};
    struct cba_result result = {{0}};
    size_t count = 0, used = 0, room = 0;
    struct cba_span value = {NULL, 0};
    struct cba_groups *groups;

    while (size >= 2 && used + 255 <= VALUES) {
        size_t len = data[1] < size - 2 ? data[1] : size - 2;
        unsigned what = data[0];

        value = cba_span_of(data + 2, len);
        if (count == 0 || ((what & 1) != 0 && count < 8)) {
            attributes[count++] = (struct cba_attribute){names[(what >> 1) % 4], &values[used], 0};
        }
        for (unsigned i = 0; i < (what > 127 ? 255 : 1); i++) {
            values[used++] = value;
            attributes[count - 1].count++;
        }
        data += len + 2;
        size -= len + 2;
    }

    switch (cba_groups_measure(attributes, count, &room, &result)) {
    case CBA_R_OK:
        groups = malloc(room);
        cba_groups_pack(attributes, count, groups);
        for (size_t i = 0; i < count; i++) {
            if (attributes[i].name == names[0] || attributes[i].name == names[1]) {
                check_packed(&attributes[i], groups, room);
                check_other(&attributes[i], groups, value);
                check_other(&attributes[i], groups, cba_span_of(data, size));
            }
        }
        free(groups);
        break;
    case CBA_R_DIR_TOKEN_GROUPS:
    case CBA_R_ACC_GROUPS_MANY:
    case CBA_R_DIR_ANSWER:
        check(result.detail[0] != '\0' && room == 0);
        break;
    default:
        abort();
    }
    return 0;
}
