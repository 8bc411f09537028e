/* SPDX-License-Identifier: Apache-2.0
 *
 * The forest's NTAuthCertificates as they were read once: immutable, reference-counted, shared by
 * threads without a lock.
 */
#ifndef CBA_NTAUTH_SET_H
#define CBA_NTAUTH_SET_H

#include "cba_ntauth.h"

struct cba_ntauth_set;

/* From the values of cACertificate (copied). Those that can vouch for nothing are counted and left
 * out; without any the set is empty. One reference for the caller. NULL: out of memory; count is at
 * most CBA_NTAUTH_MAX. */
struct cba_ntauth_set *cba_ntauth_set_create(const struct cba_span *values, size_t count);
struct cba_ntauth_set *cba_ntauth_set_ref(struct cba_ntauth_set *set);
void cba_ntauth_set_unref(struct cba_ntauth_set *set); /* NULL is allowed */

/* The authorities, as long as the set lives. */
const struct cba_ntauth_ca *cba_ntauth_set_list(const struct cba_ntauth_set *set, size_t *count);
/* Values that were left out. */
size_t cba_ntauth_set_useless(const struct cba_ntauth_set *set);
/* All values as they were given, as long as the set lives. */
const struct cba_span *cba_ntauth_set_values(const struct cba_ntauth_set *set, size_t *count);
/* SHA-256 of the values: sets with the same identity give the same answers. */
struct cba_span cba_ntauth_set_identity(const struct cba_ntauth_set *set);

#endif
