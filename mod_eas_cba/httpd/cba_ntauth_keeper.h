/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper of NTAuth: what one process knows, for one virtual host, of the forest's
 * NTAuthCertificates. It is read when a request first needs it, and anew on a clock: one request
 * does so, the others go on with what was read before, or wait where there is nothing. What another
 * process or gateway has read is as good, as long as it would be there: the shared cache is looked
 * into before the directory is asked. No lock is held across traffic. All threads; made in
 * child_init, ends with the process's pool.
 */
#ifndef CBA_NTAUTH_KEEPER_H
#define CBA_NTAUTH_KEEPER_H

#include "cba_module.h"
#include "cba_directory.h"

struct cba_ntauth_keeper;
struct cba_srv_conf;

/* How many refresh times an answer may serve while it cannot be read anew: two hours by default.
 * Long enough for a domain controller's maintenance and for a mistake in rights to be mended, short
 * enough that a CA which was thrown out is out. */
#define CBA_NTAUTH_KEEPER_TIMES 12

/* server: for the log; conf is its. scope: what else the answer depends on, the servers that are
 * asked and by whom. All of them and the directory must outlive the pool's cleanups. NULL: out of
 * memory. */
struct cba_ntauth_keeper *cba_ntauth_keeper_create(apr_pool_t *pchild, const server_rec *server,
                                                   const struct cba_srv_conf *conf,
                                                   struct cba_directory *directory,
                                                   const char *scope);

/* CBA_R_OK with a reference in *out; or as cba_directory_ntauth when it was never read, and
 * DIR_NTAUTH_OLD when that is too long ago. */
enum cba_reason cba_ntauth_keeper_get(struct cba_ntauth_keeper *keeper,
                                      struct cba_deadline deadline, struct cba_ntauth_set **out,
                                      struct cba_result *result);

#endif
