/* SPDX-License-Identifier: Apache-2.0
 *
 * A host: name and port of one server, what DNS said about it, and a TCP connection to it by a
 * deadline. A name is looked up by the resolver's own threads, so that nobody waits for DNS longer
 * than his deadline; one look-up at a time, shared by whoever wants it; the last good addresses
 * serve while DNS does not. Shared by threads.
 */
#ifndef CBA_HOST_H
#define CBA_HOST_H

#include <stdint.h>

#include "cba_deadline.h"
#include "cba_reason.h"

struct cba_host;

/* Looks nothing up. NULL: out of memory. */
struct cba_host *cba_host_create(const char *name, uint16_t port);
void cba_host_destroy(struct cba_host *host); /* NULL is allowed; no call may be under way */

const char *cba_host_name(const struct cba_host *host); /* lives as long as the host */

/* CBA_R_OK with *fd owned by the caller, non-blocking, closed on exec; or DIR_UNREACHABLE,
 * DIR_TIMEOUT, LIFE_MEMORY. */
enum cba_reason cba_host_connect(struct cba_host *host, struct cba_deadline deadline, int *fd,
                                 struct cba_result *result);

#endif
