/* SPDX-License-Identifier: Apache-2.0
 *
 * Security identifiers (MS-DTYP 2.4.2): text "S-1-5-21-..." and binary form. Plain values, owned by
 * the caller; any thread.
 */
#ifndef CBA_SID_H
#define CBA_SID_H

#include <stdint.h>

#include "cba_limits.h"
#include "cba_span.h"

struct cba_sid {
    size_t len; /* of the binary form; 0: no SID */
    unsigned char binary[CBA_SID_BINARY_MAX];
};

/* Parse the whole of the text (canonical form only: S-1-, decimal, no leading zeros, 1 to 15
 * sub-authorities below 2^32), or the whole of the binary form (revision 1, 1 to 15
 * sub-authorities). An authority of 2^32 and more, whose text form is hexadecimal, is refused as
 * text; no account has one. False: *out is zeroed. */
bool cba_sid_parse_text(struct cba_span text, struct cba_sid *out);
bool cba_sid_parse_binary(struct cba_span binary, struct cba_sid *out);

/* Writes the text of a SID that was parsed. An empty one gives "". */
void cba_sid_format(const struct cba_sid *sid, char text[CBA_SID_TEXT_MAX + 1]);

/* RIDs that are the same in every domain (MS-DTYP 2.4.2.4). */
#define CBA_RID_PROTECTED_USERS 525

/* The SID with this RID in the domain of an account: its own SID with another end. False: an empty
 * SID; *out is zeroed. out may be account. */
bool cba_sid_in_domain_of(const struct cba_sid *account, uint32_t rid, struct cba_sid *out);

/* An empty SID equals nothing, not even an empty one. */
bool cba_sid_equal(const struct cba_sid *a, const struct cba_sid *b);

#endif
