/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is in which group: the SIDs of groups by their DN, and the groups of accounts, both asked of
 * the directory where somebody wants to know, remembered and shared as facts of accounts are. One per
 * gateway and process; any thread. No lock is held across traffic.
 */
#ifndef CBA_MEMBERSHIP_H
#define CBA_MEMBERSHIP_H

#include "cba_module.h"
#include "cba_directory.h"

struct cba_flight;
struct cba_membership;
struct cba_srv_conf;

/* As cba_knowledge_create. scope: what else an answer depends on; it and the directory have to
 * outlive the pool. NULL: out of memory. */
struct cba_membership *cba_membership_create(apr_pool_t *pool, const server_rec *server,
                                             const struct cba_srv_conf *conf,
                                             struct cba_directory *directory,
                                             struct cba_flight *flight, const char *scope);

/* Is the account in the group with this DN? CBA_R_OK with *member; DIR_GROUP, DIR_GROUP_ELSEWHERE:
 * it is not the name of a group that could be told; ACC_GROUPS_MANY; DIR_*, KRB_* (of the gateway's
 * own login), LIFE_MEMORY. */
enum cba_reason cba_membership_ask(struct cba_membership *membership,
                                   const struct cba_account *account, const char *group,
                                   struct cba_deadline deadline, bool *member,
                                   struct cba_result *result);

#endif
