/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool: a request's body, read ahead to its end before a back end is asked, in memory up to a
 * limit and then in an unlinked file, and given to mod_proxy as often as it wants to start over.
 * Lives in r->pool. What all processes have on disk together is counted in shared memory, in one
 * row per process, so that a killed process does not keep its share.
 */
#ifndef CBA_SPOOL_H
#define CBA_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "cba_module.h"
#include "cba_hold.h"
#include "cba_reason.h"

struct cba_spool;

void cba_spool_register(void); /* register_hooks: the input filter */

/* post_config: the shared count. child_init: this process's row. */
apr_status_t cba_spool_post_config(apr_pool_t *pconf);
void cba_spool_child_init(apr_pool_t *pchild);

/* Reads the whole body through the request's input filters. CBA_R_OK with *out (also for no body at
 * all), and from then on the body comes from the spool; or REQ_*. limit: most bytes, counted after
 * content filters; memory: of these in memory; dir, total: see EASCertAuthSpool; hold: whose they
 * are. */
struct cba_spool_rule {
    int64_t limit, memory, total;
    const char *dir;
    struct cba_hold *hold;
};
enum cba_reason cba_spool_read(request_rec *r, const struct cba_spool_rule *rule,
                               struct cba_spool **out, struct cba_result *result);

/* Start over: the next reader gets the body from its first byte. */
void cba_spool_rewind(struct cba_spool *spool);

/* Has the reader had the last byte since then? */
bool cba_spool_is_given(const struct cba_spool *spool);

#endif
