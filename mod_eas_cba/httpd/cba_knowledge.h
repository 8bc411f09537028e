/* SPDX-License-Identifier: Apache-2.0
 *
 * Knowledge: what the directory says of one kind of things, by key. It is looked for in this process,
 * then in the shared cache, and then one request asks for all that want the same; while no directory
 * answers, old answers serve as long as EASCertAuthStale allows. One for each kind, gateway and
 * process; any thread. No lock is held across traffic.
 */
#ifndef CBA_KNOWLEDGE_H
#define CBA_KNOWLEDGE_H

#include "cba_module.h"
#include "cba_cache.h"
#include "cba_deadline.h"
#include "cba_record.h"

struct cba_flight;
struct cba_knowledge;
struct cba_srv_conf;

/* What differs from kind to kind. A value is one piece of memory from malloc, not changed once it
 * is there. */
struct cba_knowledge_kind {
    enum cba_record_type record;
    size_t record_max; /* of a record's content */
    size_t most;       /* values that a process remembers */
    size_t most_nots;  /* and such that say there is nothing, which drive no others out */
    /* Does it say that there is nothing? Then it serves for EASCertAuthCacheTTL negative=, otherwise
     * for account=. NULL: none does. */
    bool (*is_not)(const void *value);
    /* Its record's content, at most record_max bytes. Their number; 0: it is not shared. */
    size_t (*write)(const void *value, unsigned char *out);
    /* And back. OK; CACHE_FORMAT, LIFE_MEMORY. */
    enum cba_reason (*read)(struct cba_span content, void **value);
};

/* One request's wish. */
struct cba_knowledge_wish {
    struct cba_deadline deadline;
    /* Asks the directory. CBA_R_OK with *value, or why not: that is never remembered. */
    enum cba_reason (*ask)(void *ctx, struct cba_deadline deadline, void **value,
                           struct cba_result *result);
    /* Called once after CBA_R_OK, for copying what is wanted of the value; perhaps under a lock. */
    void (*take)(const void *value, void *ctx);
    void *ctx; /* for both */
};

/* conf is that of server; they, flight (made with cba_knowledge_drop) and kind outlive the pool.
 * NULL: out of memory. */
struct cba_knowledge *cba_knowledge_create(apr_pool_t *pool, const server_rec *server,
                                           const struct cba_srv_conf *conf,
                                           struct cba_flight *flight,
                                           const struct cba_knowledge_kind *kind);

/* For the flight, which several kinds may have in common: their keys must differ. */
void cba_knowledge_drop(void *item);

/* CBA_R_OK after take(); or as ask() and cba_flight_run say. */
enum cba_reason cba_knowledge_get(struct cba_knowledge *knowledge,
                                  const unsigned char key[CBA_CACHE_KEY],
                                  const struct cba_knowledge_wish *wish, struct cba_result *result);

#endif
