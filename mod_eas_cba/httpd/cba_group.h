/* SPDX-License-Identifier: Apache-2.0
 *
 * Require eas-group "DN": an authorization provider for mod_authz_core. Its line is read at
 * configuration time; a request is asked about in the thread that runs it, after the gate let it in.
 */
#ifndef CBA_GROUP_H
#define CBA_GROUP_H

#include <stdbool.h>
#include <apr_pools.h>

#include "cba_reason.h"

/* What the lines of one request came to. Zeroed: none was asked. */
struct cba_group_opinion {
    enum cba_reason broken; /* why one could not tell; UNDECIDED: none of that kind */
    bool unmet;             /* one was no reason to let the account in */
    struct cba_result result;
};

void cba_group_register(apr_pool_t *pool);

/* The number for a refusal of the account by the Location's Require: ours where a line of ours had
 * its part in it, else ACC_REQUIRE. */
enum cba_reason cba_group_refusal(const struct cba_group_opinion *opinion);

#endif
