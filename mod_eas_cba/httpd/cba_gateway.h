/* SPDX-License-Identifier: Apache-2.0
 *
 * The gateway of one virtual host in one process: its service credential, its directory, and what
 * is remembered of both. Made in child_init, or later if that failed; used by all threads, ends with the process's pool.
 */
#ifndef CBA_GATEWAY_H
#define CBA_GATEWAY_H

#include "cba_module.h"
#include "cba_cache.h"
#include "cba_deadline.h"
#include "cba_decision.h"
#include "cba_ticket.h"

struct cba_gateway;
struct cba_srv_conf;

/* CBA_R_OK with *out, or the reason why it cannot be set up. Asks nobody on the network. conf is
 * that of server. */
enum cba_reason cba_gateway_create(apr_pool_t *pchild, const server_rec *server,
                                   const struct cba_srv_conf *conf, struct cba_gateway **out,
                                   struct cba_result *result);

/* child_init: a gateway for every virtual host. One that fails leaves its virtual host refusing
 * with LIFE_GATEWAY, until cba_gateway_of has better luck. */
void cba_gateway_child_init(apr_pool_t *pchild, server_rec *s);

/* The gateway of this server, for a request; tried again every ten seconds where child_init failed.
 * NULL: there is none yet. Any thread. */
struct cba_gateway *cba_gateway_of(server_rec *s);

/* Ports of the decision; those that ask the directory are for one request's work with it under one
 * deadline. gateway may be NULL (LIFE_GATEWAY).
 *
 * As cba_certificates_parse. */
enum cba_reason cba_gateway_parse(struct cba_gateway *gateway, struct cba_span der,
                                  const unsigned char key[CBA_CACHE_KEY], struct cba_cert *cert,
                                  struct cba_result *result);
/* Facts of the certificate's accounts, remembered or asked for. */
enum cba_reason cba_gateway_find(struct cba_gateway *gateway, const struct cba_cert *cert,
                                 struct cba_deadline deadline, struct cba_answer *answer,
                                 struct cba_result *result);
/* Facts of its issuer: der is the certificate, parsed as cert. */
enum cba_reason cba_gateway_ntauth(struct cba_gateway *gateway, struct cba_span der,
                                   const struct cba_cert *cert, struct cba_deadline deadline,
                                   struct cba_ntauth_facts *facts, struct cba_result *result);

/* Is the account in the group with this DN, nested or as its primary group? Remembered or asked for,
 * under the deadline of the request's directory work. CBA_R_OK with *member, or ACC_GROUPS_MANY,
 * DIR_*, KRB_* (of the gateway's own login), LIFE_*. */
enum cba_reason cba_gateway_member(struct cba_gateway *gateway, const struct cba_account *account,
                                   const char *group, struct cba_deadline deadline, bool *member,
                                   struct cba_result *result);

/* Is it the first time on this day (UTC) that this process lets the account in by a weak mapping? */
bool cba_gateway_weak_is_new(struct cba_gateway *gateway, const struct cba_account *account);

/* A ticket for the account to the SPN, remembered or asked for. *source is "process", "shared" or
 * "kdc". CBA_R_OK with a reference in *out, or KRB_*, LIFE_*. */
enum cba_reason cba_gateway_ticket(struct cba_gateway *gateway, const struct cba_account *account,
                                   const char *spn, struct cba_ticket **out, const char **source,
                                   struct cba_result *result);

/* See cba_tickets_renew and cba_tickets_refused; the gateway gave the ticket. */
bool cba_gateway_renew(struct cba_gateway *gateway, const struct cba_account *account,
                       const char *spn, const struct cba_ticket *refused);
void cba_gateway_refused(struct cba_gateway *gateway, const struct cba_account *account,
                         const char *spn);

#endif
