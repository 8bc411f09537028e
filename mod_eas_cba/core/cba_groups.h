/* SPDX-License-Identifier: Apache-2.0
 *
 * The groups of an account: what a domain controller computes as its tokenGroups (MS-ADTS
 * 3.1.1.4.5.19), which are the security groups of the domain that a logon would put into the
 * account's token, nested ones and the primary group among them, as binary SIDs. Values are hostile
 * until they were measured. The caller makes room for the packed form and owns it; read-only from
 * then on, any thread.
 */
#ifndef CBA_GROUPS_H
#define CBA_GROUPS_H

#include "cba_account.h"

struct cba_groups {
    size_t count, len;
    unsigned char sids[]; /* their binary forms, one after the other: each tells its length */
};

/* What the directory says of a group's name. */
struct cba_group {
    enum cba_reason reason; /* OK; DIR_GROUP, DIR_GROUP_ELSEWHERE: no group's that could be told */
    struct cba_sid sid;     /* empty, unless OK */
    struct cba_result result; /* why not */
};

/* The attributes to ask the directory for, NULL-terminated; a search of the account itself only. */
extern const char *const cba_groups_attributes[];

/* Can these attributes be kept, and what room do they need? CBA_R_OK with *size in bytes;
 * DIR_TOKEN_GROUPS where the attribute is not there or is empty, which no account's is that may be
 * read; ACC_GROUPS_MANY for more than CBA_GROUPS_MAX or for a part of a longer list (MS-ADTS
 * 3.1.1.3.1.3.3); DIR_ANSWER for a value that is no SID, or the attribute twice. Attribute names
 * compare without case; other attributes are ignored. */
enum cba_reason cba_groups_measure(const struct cba_attribute *attributes, size_t count,
                                   size_t *size, struct cba_result *result);

/* Packs attributes that were measured into *out, which has that size. */
void cba_groups_pack(const struct cba_attribute *attributes, size_t count, struct cba_groups *out);

/* How long the SID is that the packed form has here. */
size_t cba_groups_length(const unsigned char *sid);

/* Is the group among them? An empty SID never is. */
bool cba_groups_contain(const struct cba_groups *groups, const struct cba_sid *group);

#endif
