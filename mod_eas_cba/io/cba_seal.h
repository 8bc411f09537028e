/* SPDX-License-Identifier: Apache-2.0
 *
 * The seal on records of the shared cache: AES-256-GCM (NIST SP 800-38D), so that a cache server
 * and whoever reaches it can neither read a record, nor change it, nor put it in another's place. A
 * keyring is owned by the caller, read-only once it was filled; any thread. It holds secrets: wipe
 * it at its end.
 */
#ifndef CBA_SEAL_H
#define CBA_SEAL_H

#include "cba_reason.h"
#include "cba_record.h"

#define CBA_SEAL_SECRET 32 /* a key of AES-256 */
#define CBA_SEAL_NAME   8  /* what tells keys apart in a record; says nothing of them */
#define CBA_SEAL_EXTRA  (1 + 8 + 12 + 16) /* format, name, nonce, tag */
#define CBA_SEAL_FILE   4096              /* largest key file */

struct cba_seal_key {
    unsigned char secret[CBA_SEAL_SECRET];
    unsigned char name[CBA_SEAL_NAME];
};

/* The current key seals; the previous one, where there is one, opens as well. */
struct cba_seal {
    size_t count; /* 1 or 2; 0: seals nothing, opens nothing */
    struct cba_seal_key key[2];
};

/* Fills the keyring from the text of a key file: a line of 64 hexadecimal digits for the current
 * key, then perhaps one for the previous key; empty lines and such that begin with '#' do not
 * count. NULL: it is good. Otherwise what is wrong, a constant text that tells no digit; *seal is
 * then wiped. */
const char *cba_seal_parse(struct cba_span text, struct cba_seal *seal);

/* Fills the keyring with a random key. False: OpenSSL has no randomness. */
bool cba_seal_random(struct cba_seal *seal);

void cba_seal_wipe(struct cba_seal *seal);

/* Seals a record of that type under that key of the cache: both are authenticated with it. size:
 * room in out, at least the record's length and CBA_SEAL_EXTRA. Length of what was written; 0:
 * OpenSSL cannot. */
size_t cba_seal_close(const struct cba_seal *seal, const unsigned char id[CBA_RECORD_KEY],
                      enum cba_record_type type, struct cba_span record, unsigned char *out,
                      size_t size);

/* Opens what was found under that key of the cache, into out, which has as much room as sealed is
 * long. CBA_R_OK with *len, CACHE_FORMAT (too short, or another format), CACHE_FOREIGN (no key of
 * that name), CACHE_BROKEN (not as it was sealed, or for another key of the cache or another type),
 * LIFE_MEMORY. */
enum cba_reason cba_seal_open(const struct cba_seal *seal, const unsigned char id[CBA_RECORD_KEY],
                              enum cba_record_type type, struct cba_span sealed, unsigned char *out,
                              size_t *len);

#endif
