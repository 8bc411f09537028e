/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls of a socache provider: made here and now, or by a thread that can be left behind.
 *
 * libaprutil's clients cannot be trusted with a time limit: that for memcached waits without one,
 * and that for Redis (apr-util 1.6.3) takes RedisTimeout's microseconds for seconds. So a server is
 * called in a thread of its own, which ends when the server answers or TCP gives up, however long
 * that takes. Any thread may call; nothing is kept between calls but the count of such threads.
 */
#ifndef CBA_CALL_H
#define CBA_CALL_H

#include <stdatomic.h>
#include <stdint.h>

#include "cba_provider.h"
#include "cba_store.h"

enum cba_call_operation { CBA_CALL_GET, CBA_CALL_PUT, CBA_CALL_REMOVE };

/* Pointers live as long as the process. */
struct cba_call {
    enum cba_call_operation operation;
    struct cba_provider *provider; /* the caller's; who is left behind holds it, too */
    server_rec *server;            /* for the provider's log */
    unsigned char key[CBA_STORE_KEY];
    int64_t until;        /* seconds since 1970, of what is stored */
    unsigned char *bytes; /* to be stored, or room for what is found; only until the call returns */
    unsigned len;         /* of bytes; then of what was found */
    apr_status_t status;  /* what came of it */

    /* For cba_call_send. */
    atomic_int *errands;                          /* threads under way */
    void (*late)(void *ctx, apr_status_t status); /* what came of it when nobody waited any more */
    void *late_ctx;
};

/* In this thread; sets *len. */
apr_status_t cba_call_make(const struct cba_call *call, unsigned *len);

/* In another thread, for which this one waits so long: sets call->status and call->len. APR_TIMEUP:
 * it has not come back; APR_NOTFOUND also where too many are under way. */
void cba_call_send(struct cba_call *call, int ms);

#endif
