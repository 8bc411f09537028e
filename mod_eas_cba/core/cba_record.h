/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of the shared cache as bytes: what several processes and gateways tell each other about
 * accounts and tickets. Every field is written out, big-endian, texts and bytes behind their
 * length; no struct is dumped. Bytes that are read may be anybody's. Pure functions over the
 * caller's memory; any thread.
 */
#ifndef CBA_RECORD_H
#define CBA_RECORD_H

#include "cba_groups.h"
#include "cba_mapping.h"

/* Of the whole: to be raised whenever a field is added, taken away or changes its meaning. Records
 * of another format are not read. */
#define CBA_RECORD_FORMAT 1

#define CBA_RECORD_KEY  32    /* a record's key, SHA-256 over what it is about */
#define CBA_RECORD_HEAD 18    /* format, type, issued, until */
#define CBA_RECORD_MAX  98304 /* head and content: the ticket of a user in very many groups */

/* Content of the largest answer. */
#define CBA_RECORD_ANSWER_MAX                                                                      \
    (2 + 2 * (1 + CBA_SID_BINARY_MAX + 2 + CBA_SAM_MAX + 2 + CBA_UPN_MAX + 2 + CBA_DOMAIN_MAX +    \
              4 + 8 + 8 + 1 + 1 + 4))

/* Contents of the largest set of groups, and of the largest word about a group's name. */
#define CBA_RECORD_GROUPS_MAX (2 + CBA_GROUPS_MAX * (1 + CBA_SID_BINARY_MAX))
#define CBA_RECORD_GROUP_MAX  (1 + 2 + CBA_DETAIL_MAX)

enum cba_record_type {
    CBA_RECORD_ANSWER = 1, /* struct cba_answer, also that nobody was found */
    CBA_RECORD_TICKET = 2, /* a marshalled ticket, opaque here */
    CBA_RECORD_NTAUTH = 3, /* values of NTAuthCertificates, opaque here */
    CBA_RECORD_GROUPS = 4, /* struct cba_groups */
    CBA_RECORD_GROUP = 5   /* struct cba_group, also that the name is no group's */
};

/* Seconds since 1970, by the clock of who wrote the record. */
struct cba_record_times {
    int64_t issued; /* when it was learnt */
    int64_t until;  /* how long it serves; after issued */
};

/* The head of a record. */
void cba_record_put_head(enum cba_record_type type, const struct cba_record_times *times,
                         unsigned char out[CBA_RECORD_HEAD]);

/* Takes the head off *record. False: another format or type, too short, or impossible times; *times
 * is then undefined. */
bool cba_record_take_head(struct cba_span *record, enum cba_record_type type,
                          struct cba_record_times *times);

enum cba_record_age {
    CBA_RECORD_SERVES,
    CBA_RECORD_SPENT,     /* its writer would use it longer than we may */
    CBA_RECORD_EXPIRED,   /* nobody may */
    CBA_RECORD_AHEAD,     /* issued later than our clock can stand */
    CBA_RECORD_SUPERSEDED /* older than what was known already */
};

/* How far another gateway's clock may be ahead of ours, in seconds. */
#define CBA_RECORD_SKEW 60

/* May the record serve now, by our own clock? lifetime: how long such a record may serve here,
 * whatever its writer allows. known: when the newest record of this key that this process has seen
 * was issued, 0 for none. SERVES with *until, the end of both. */
enum cba_record_age cba_record_judge(const struct cba_record_times *times, int64_t now,
                                     int64_t lifetime, int64_t known, int64_t *until);

/* The content of a record about accounts: its length in *len. */
void cba_record_put_answer(const struct cba_answer *answer,
                           unsigned char out[CBA_RECORD_ANSWER_MAX], size_t *len);

/* And back: the whole content must be one answer as cba_mapping_add and cba_account_parse make
 * them. False: it is not; *answer is then zeroed. */
bool cba_record_take_answer(struct cba_span content, struct cba_answer *answer);

/* The content of a record about NTAuth: the values of cACertificate as the directory had them, at
 * most CBA_NTAUTH_MAX, perhaps none. Its length; 0: size is not enough. */
size_t cba_record_put_ntauth(const struct cba_span *values, size_t count, unsigned char *out,
                             size_t size);

/* And back: values borrow from content. False: it is no such list; *count is then 0. */
bool cba_record_take_ntauth(struct cba_span content, struct cba_span values[CBA_NTAUTH_MAX],
                            size_t *count);

/* The content of a record about an account's groups, all of them. Its length; 0: they are more than
 * CBA_GROUPS_MAX, or none. */
size_t cba_record_put_groups(const struct cba_groups *groups,
                             unsigned char out[CBA_RECORD_GROUPS_MAX]);

/* And back, as cba_groups_pack makes them: out has room for sizeof *out and as many bytes as content
 * is long. False: it is no such set; *out is then empty. */
bool cba_record_take_groups(struct cba_span content, struct cba_groups *out);

/* The content of a record about a group's name. Its length; 0: another reason than there is in a
 * struct cba_group, no SID where there must be one, or words that are no text. */
size_t cba_record_put_group(const struct cba_group *group, unsigned char out[CBA_RECORD_GROUP_MAX]);

/* And back. False: it is none; *out is then zeroed. */
bool cba_record_take_group(struct cba_span content, struct cba_group *out);

#endif
