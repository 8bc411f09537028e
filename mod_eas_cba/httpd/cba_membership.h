/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is in which group: the SIDs of groups by their DN, and the groups of accounts, both asked of
 * the directory where somebody wants to know and remembered as facts for the account time. One per
 * gateway and process; any thread. No lock is held across traffic.
 */
#ifndef CBA_MEMBERSHIP_H
#define CBA_MEMBERSHIP_H

#include <apr_pools.h>

#include "cba_directory.h"

struct cba_membership;

/* scope: what else an answer depends on; it and the directory have to outlive it, it ends with the
 * pool. Facts serve so many seconds; that a name is no group's, so many others. NULL: out of memory.
 */
struct cba_membership *cba_membership_create(apr_pool_t *pool, struct cba_directory *directory,
                                             const char *scope, int64_t seconds,
                                             int64_t negative_seconds);

/* Is the account in the group with this DN? CBA_R_OK with *member; DIR_GROUP, DIR_GROUP_ELSEWHERE:
 * it is not the name of a group that could be told; ACC_GROUPS_MANY; DIR_*, KRB_* (of the gateway's
 * own login), LIFE_MEMORY. */
enum cba_reason cba_membership_ask(struct cba_membership *membership,
                                   const struct cba_account *account, const char *group,
                                   struct cba_deadline deadline, bool *member,
                                   struct cba_result *result);

#endif
