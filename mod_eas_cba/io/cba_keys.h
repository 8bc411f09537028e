/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys out of a keytab: AES keys, those of a ticket or of a login. Owned by the caller; a krb5_context
 * is for one thread at a time. Private to io/.
 */
#ifndef CBA_KEYS_H
#define CBA_KEYS_H

#include <krb5.h>
#include <stdbool.h>
#include <stddef.h>

/* Zero it before use. */
struct cba_keys {
    krb5_keytab_entry *entries;
    size_t count;
};

/* Adds every AES key of one principal, or of all (NULL), in the order of the file. 0, or libkrb5's
 * error and *out is empty. */
krb5_error_code cba_keys_read(krb5_context context, const char *keytab,
                              krb5_const_principal principal, struct cba_keys *out);
void cba_keys_free(krb5_context context, struct cba_keys *keys);

/* Highest kvno first. There is at least one key. */
void cba_keys_sort(struct cba_keys *keys);

/* A new keytab in memory with those entries of one kvno from first on; *next gets the index
 * behind them. */
krb5_error_code cba_keys_keytab(krb5_context context, const struct cba_keys *keys, size_t first,
                                size_t *next, krb5_keytab *out);

/* What tells one set of keys from another. False: out of memory. */
#define CBA_KEYS_DIGEST 32
bool cba_keys_digest(const struct cba_keys *keys, unsigned char digest[CBA_KEYS_DIGEST]);

#endif
