/* SPDX-License-Identifier: Apache-2.0
 *
 * A ticket: one service ticket for one account to one SPN, with its session key. What is made of it
 * needs no KDC and no credential of anybody else. Reference-counted, immutable, shared by threads.
 * Tokens are made anew for every attempt and never kept.
 */
#ifndef CBA_TICKET_H
#define CBA_TICKET_H

#include <stddef.h>
#include <stdint.h>
#include <krb5.h>

#include "cba_reason.h"
#include "cba_span.h"

#define CBA_TICKET_BINDING_MAX 256 /* bytes of a channel binding's application data */

struct cba_ticket;

/* From one service ticket (copied). CBA_R_OK with *out holding one reference, or KRB_OTHER,
 * LIFE_MEMORY. */
enum cba_reason cba_ticket_create(krb5_context context, const krb5_creds *creds,
                                  struct cba_ticket **out, struct cba_result *result);
struct cba_ticket *cba_ticket_ref(struct cba_ticket *ticket);
void cba_ticket_unref(struct cba_ticket *ticket); /* NULL is allowed */

/* End of the ticket, seconds since 1970 (the KDC's clock). */
int64_t cba_ticket_expires(const struct cba_ticket *ticket);
/* "alice@CONTOSO.COM"; lives as long as the ticket. */
const char *cba_ticket_client(const struct cba_ticket *ticket);

/* The ticket as bytes, with its session key: a secret. CBA_R_OK with *bytes (free it with
 * cba_ticket_bytes_free, which wipes it), or KRB_OTHER, LIFE_MEMORY. */
enum cba_reason cba_ticket_export(const struct cba_ticket *ticket, unsigned char **bytes,
                                  size_t *len, struct cba_result *result);
void cba_ticket_bytes_free(unsigned char *bytes, size_t len); /* NULL is allowed */

/* And back, if it is a ticket of sam@realm to spn@service_realm (names of accounts but for ASCII
 * case, as the KDC has it), AES, and not at its end. CBA_R_OK with *out, CACHE_TICKET, or as
 * cba_ticket_create. */
enum cba_reason cba_ticket_import(struct cba_span bytes, const char *sam, const char *realm,
                                  const char *spn, const char *service_realm,
                                  struct cba_ticket **out, struct cba_result *result);

/* A new SPNEGO token (RFC 4178) for the ticket's client, in one leg, base64 without line breaks:
 * what follows "Negotiate " (RFC 4559). bindings: application data of channel bindings (RFC 5929),
 * empty for none, at most CBA_TICKET_BINDING_MAX bytes. The authenticator names the ticket's own
 * client: an acceptor refuses any other (RFC 4120 3.2.3). CBA_R_OK with *base64 allocated by malloc
 * (wipe and free with cba_token_free), or KRB_TOKEN, KRB_SKEW, LIFE_MEMORY. */
enum cba_reason cba_ticket_token(struct cba_ticket *ticket, struct cba_span bindings, char **base64,
                                 struct cba_result *result);
void cba_token_free(char *base64); /* NULL is allowed */

#endif
