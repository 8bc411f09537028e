/* SPDX-License-Identifier: Apache-2.0
 *
 * One conversation with an LDAP server: libldap's handle over a wire of ours, requests and their
 * answers by a deadline, and what went wrong in words. libldap's configuration files and
 * environment, and what other modules set in libldap, change nothing about it. Owned by the caller;
 * used by one thread at a time. Private to io/.
 */
#ifndef CBA_CONN_H
#define CBA_CONN_H

#include <ldap.h>

#include "cba_reason.h"
#include "cba_sasl.h"
#include "cba_wire.h"

struct cba_conn {
    LDAP *ld;
    struct cba_wire wire;
    struct cba_sasl *sasl; /* NULL: the server did not authenticate us by SASL */
    const char *host;      /* borrowed */
    bool tls;              /* ldaps:// */
    bool usable;           /* not after a loss, a timeout or an answer that was not understood */
};

/* Makes libldap read its configuration and the machine's own name, for which it asks DNS. Once per
 * process, so that no request has to. False: out of memory. */
bool cba_conn_prepare(void);

/* A zeroed conversation, over a connected socket, which it takes in any case; host must live as
 * long. tls: its name is ldaps://, no handshake is made. CBA_R_OK, DIR_UNREACHABLE, LIFE_MEMORY;
 * in any case to be ended by cba_conn_end. */
enum cba_reason cba_conn_begin(struct cba_conn *conn, const char *host, bool tls, int fd,
                               struct cba_deadline deadline, struct cba_result *result);
void cba_conn_end(struct cba_conn *conn); /* waits for nobody */

/* Is there a server to talk to? To be asked before each request: without one libldap would connect
 * anew by itself, unprotected. */
bool cba_conn_up(const struct cba_conn *conn);

/* The next message that answers msgid, by the deadline of the wire. CBA_R_OK with *message, to be
 * freed by the caller; or DIR_UNREACHABLE, DIR_TIMEOUT, DIR_ANSWER, and the conversation is over.
 * what: names the operation for the detail. */
enum cba_reason cba_conn_receive(struct cba_conn *conn, int msgid, const char *what,
                                 LDAPMessage **message, struct cba_result *result);

/* The result code of a message that ends an operation; libldap's where it is none. */
int cba_conn_code(struct cba_conn *conn, LDAPMessage *message);

/* Says what code means in *result, with the server's words. Returns reason, unless the connection
 * or the time was what failed. */
enum cba_reason cba_conn_say(struct cba_conn *conn, enum cba_reason reason, const char *what,
                             int code, struct cba_result *result);

/* The same of a request that could not be sent; the conversation is over. */
enum cba_reason cba_conn_unsent(struct cba_conn *conn, const char *what, int code,
                                struct cba_result *result);

#endif
