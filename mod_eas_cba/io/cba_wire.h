/* SPDX-License-Identifier: Apache-2.0
 *
 * The wire below libldap: reads and writes that end by a deadline, and the sealing of a SASL bind.
 * libldap's own socket functions block as long as the server pleases once a message or a TLS record
 * has begun, and its TLS handshake does not look at the time at all (2.5: tls2.c,
 * ldap_int_tls_start); here every byte comes by the deadline or not at all. No signal is raised
 * when the server is gone. Used by one thread at a time.
 */
#ifndef CBA_WIRE_H
#define CBA_WIRE_H

#include <stdbool.h>

#include <ldap.h>

#include "cba_deadline.h"
#include "cba_sasl.h"

struct cba_wire {
    int fd;                       /* non-blocking, owned by the Sockbuf from cba_wire_install on */
    struct cba_deadline deadline; /* of the operation under way */
    bool late;                    /* an operation did not end by its deadline */
    int error;                    /* errno of the last read or write, EBADMSG for a broken seal */
    bool ended;                   /* the server ended the connection */
};

/* Makes wire the provider of an LDAP handle without one (LDAP_PROTO_EXT). It must outlive the
 * handle. False: out of memory. */
bool cba_wire_install(struct cba_wire *wire, LDAP *ld);

/* From here on all messages are sealed by sasl, which must outlive the handle, too. What comes
 * unsealed, replayed or out of order ends the connection with EBADMSG. False: out of memory. */
bool cba_wire_seal(struct cba_wire *wire, LDAP *ld, struct cba_sasl *sasl);

#endif
