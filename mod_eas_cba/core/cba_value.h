/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of directives: from the administrator's words to numbers. Everything is refused that is
 * not wholly understood. Pure; any thread.
 */
#ifndef CBA_VALUE_H
#define CBA_VALUE_H

#include <stdint.h>

#include "cba_span.h"

/* Bytes: digits with an optional K, M or G (powers of 1024, either case). 1 to INT64_MAX. False:
 * not that. */
bool cba_value_bytes(struct cba_span word, int64_t *out);

/* Seconds, or another count: digits, least to most inclusive. False: not that. */
bool cba_value_seconds(struct cba_span word, int64_t least, int64_t most, int64_t *out);

/* An object identifier in dotted form, at least two arcs, no leading zeros, at most CBA_OID_MAX
 * long. */
bool cba_value_oid(struct cba_span word);

/* "name=value": splits at the first '='. False: no '=', or nothing on a side. */
bool cba_value_pair(struct cba_span word, struct cba_span *name, struct cba_span *value);

/* An LDAP URI of the form ldap://host[:port] or ldaps://host[:port], no path, DN or query; host a
 * DNS name without a final dot, an IPv4 address, or an IPv6 address in brackets without a zone. */
bool cba_value_ldap_uri(struct cba_span word);

/* A DNS name without a final dot, or an IPv4 address. */
bool cba_value_host(struct cba_span word);

/* 1 to 65535, without leading zeros. False: not that. */
bool cba_value_port(struct cba_span word, int *out);

/* HOST or HOST:PORT, host as in an LDAP URI. */
bool cba_value_server(struct cba_span word);

#endif
