/* SPDX-License-Identifier: Apache-2.0
 *
 * Facts: what the directory says of certificates and groups, remembered or asked for. One for each
 * virtual host and process, made in child_init, ends with the process's pool; all threads.
 */
#ifndef CBA_FACTS_H
#define CBA_FACTS_H

#include "cba_module.h"
#include "cba_deadline.h"
#include "cba_decision.h"
#include "cba_directory.h"

struct cba_facts;
struct cba_srv_conf;

/* conf is that of server; all of them and the directory outlive the pool. principal: the gateway's,
 * as a text that does too. NULL: out of memory. */
struct cba_facts *cba_facts_create(apr_pool_t *pchild, const server_rec *server,
                                   const struct cba_srv_conf *conf, struct cba_directory *directory,
                                   const char *principal);

/* Facts of the certificate's accounts. CBA_R_OK with *answer, or as cba_directory_find, or
 * LIFE_MEMORY. */
enum cba_reason cba_facts_find(struct cba_facts *facts, const struct cba_cert *cert,
                               struct cba_deadline deadline, struct cba_answer *answer,
                               struct cba_result *result);

/* Facts of its issuer: der is the certificate, parsed as cert. CBA_R_OK with *out, or as
 * cba_ntauth_keeper_get, or LIFE_MEMORY. */
enum cba_reason cba_facts_ntauth(struct cba_facts *facts, struct cba_span der,
                                 const struct cba_cert *cert, struct cba_deadline deadline,
                                 struct cba_ntauth_facts *out, struct cba_result *result);

/* Is the account in the group with this DN, nested or as its primary group? As cba_membership_ask. */
enum cba_reason cba_facts_member(struct cba_facts *facts, const struct cba_account *account,
                                 const char *group, struct cba_deadline deadline, bool *member,
                                 struct cba_result *result);

#endif
