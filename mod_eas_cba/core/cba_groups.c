/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_groups.h"

#define TOKEN_GROUPS "tokenGroups"

const char *const cba_groups_attributes[] = {TOKEN_GROUPS, NULL};

static bool is_named(const struct cba_attribute *attribute)
{
    return cba_span_equal_nocase(cba_span_str(attribute->name), cba_span_str(TOKEN_GROUPS));
}

/* "tokenGroups;range=0-1499": a part of the values. */
static bool is_part(const struct cba_attribute *attribute)
{
    const size_t len = sizeof(TOKEN_GROUPS) - 1;
    struct cba_span name = cba_span_str(attribute->name);

    return name.len > len && name.ptr[len] == ';' &&
           cba_span_equal_nocase(cba_span_of(name.ptr, len), cba_span_str(TOKEN_GROUPS));
}

/* The only one of that name. NULL, and *reason unless there is none: it is there twice, or in
 * parts. */
static const struct cba_attribute *find(const struct cba_attribute *attributes, size_t count,
                                        enum cba_reason *reason)
{
    const struct cba_attribute *found = NULL;

    for (size_t i = 0; i < count; i++) {
        if (is_part(&attributes[i])) {
            *reason = CBA_R_ACC_GROUPS_MANY;
            return NULL;
        }
        if (is_named(&attributes[i])) {
            if (found != NULL) {
                *reason = CBA_R_DIR_ANSWER;
                return NULL;
            }
            found = &attributes[i];
        }
    }
    return found;
}

enum cba_reason cba_groups_measure(const struct cba_attribute *attributes, size_t count,
                                   size_t *size, struct cba_result *result)
{
    enum cba_reason reason = CBA_R_DIR_TOKEN_GROUPS;
    const struct cba_attribute *found = find(attributes, count, &reason);
    struct cba_sid sid;

    *size = 0;
    if (found == NULL || found->count == 0) {
        cba_result_set(result, reason == CBA_R_DIR_ANSWER        ? TOKEN_GROUPS " twice"
                               : reason == CBA_R_ACC_GROUPS_MANY ? "the directory sent a part"
                                                                 : "there are none");
        return reason;
    }
    if (found->count > CBA_GROUPS_MAX) {
        cba_result_set(result, "%zu, and the limit is %d", found->count, CBA_GROUPS_MAX);
        return CBA_R_ACC_GROUPS_MANY;
    }
    *size = sizeof(struct cba_groups);
    for (size_t i = 0; i < found->count; i++) {
        if (!cba_sid_parse_binary(found->values[i], &sid)) {
            *size = 0;
            cba_result_set(result, TOKEN_GROUPS " with a value that is no SID");
            return CBA_R_DIR_ANSWER;
        }
        *size += sid.len;
    }
    return CBA_R_OK;
}

void cba_groups_pack(const struct cba_attribute *attributes, size_t count, struct cba_groups *out)
{
    enum cba_reason reason = CBA_R_UNDECIDED;
    const struct cba_attribute *found = find(attributes, count, &reason);

    out->count = out->len = 0;
    for (size_t i = 0; found != NULL && i < found->count; i++) {
        memcpy(out->sids + out->len, found->values[i].ptr, found->values[i].len);
        out->len += found->values[i].len;
        out->count++;
    }
}

size_t cba_groups_length(const unsigned char *sid)
{
    return 8 + 4 * (size_t)sid[1]; /* MS-DTYP 2.4.2.2 */
}

bool cba_groups_contain(const struct cba_groups *groups, const struct cba_sid *group)
{
    size_t len;

    for (size_t at = 0; group->len > 0 && at < groups->len; at += len) {
        len = cba_groups_length(groups->sids + at);
        if (len == group->len && memcmp(groups->sids + at, group->binary, len) == 0) {
            return true;
        }
    }
    return false;
}
