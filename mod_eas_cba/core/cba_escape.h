/* SPDX-License-Identifier: Apache-2.0
 *
 * Escaping for the places that foreign text goes to: log lines and LDAP filters. Pure functions;
 * any thread.
 */
#ifndef CBA_ESCAPE_H
#define CBA_ESCAPE_H

#include "cba_span.h"

/* For a log line: controls (C0, DEL, C1), '"', '\\' and bytes that are not UTF-8 as \xHH; longer
 * text than fits ends in "...", no character or escape is cut in two. Always terminated; size at
 * least 8. Returns out. */
const char *cba_escape_log(struct cba_span text, char *out, size_t size);

/* Appends text to the filter at *at (bytes used of out[size], kept terminated), every byte outside
 * [A-Za-z0-9] as \hh (RFC 4515 3: any byte may be escaped). False: it did not fit, out is
 * unchanged. */
bool cba_escape_filter(struct cba_span text, char *out, size_t size, size_t *at);

#endif
