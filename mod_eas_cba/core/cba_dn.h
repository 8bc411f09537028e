/* SPDX-License-Identifier: Apache-2.0
 *
 * A distinguished name in the directory's extended form (MS-ADTS 3.1.1.3.4.1.5), which says beside
 * the name whose it is: names of built-in groups are localised, their SIDs are not. Spans borrow
 * from the input; any thread.
 */
#ifndef CBA_DN_H
#define CBA_DN_H

#include "cba_sid.h"
#include "cba_span.h"

struct cba_dn {
    struct cba_span text; /* the name itself, not looked into */
    struct cba_sid sid;   /* objectSid of what it names; len 0: not said */
};

/* "<GUID=...>;<SID=S-1-...>;CN=..." as asked for with Flag 1, or a plain name, which begins with no
 * '<' (RFC 4514 2.4 has it escaped). Components of other kinds are skipped. False: a component
 * without its end, a SID that is none or comes twice; *out is zeroed. */
bool cba_dn_parse(struct cba_span value, struct cba_dn *out);

#endif
