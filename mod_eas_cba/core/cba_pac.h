/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose PAC it is: the SID in UPN_DNS_INFO with the extended flag (MS-PAC 2.10), which not every KDC
 * writes, and KERB_VALIDATION_INFO (MS-PAC 2.5, NDR), which has the groups as well, nested ones and
 * all. The PAC's signature is verified by the caller before. Pure functions; any thread.
 */
#ifndef CBA_PAC_H
#define CBA_PAC_H

#include "cba_sid.h"

/* The SID in a UPN_DNS_INFO buffer. *extended says whether the flag is there at all: false where
 * the buffer says nothing about the SID, so that another may be asked. False: not extended, or
 * malformed; *out is zeroed. */
bool cba_pac_upn_sid(struct cba_span buffer, struct cba_sid *out, bool *extended);

struct cba_pac_logon {
    struct cba_sid sid; /* LogonDomainId + UserId */
    bool
        protected_user; /* PrimaryGroupId, GroupIds or ExtraSids name Protected Users of its domain */
};

/* Reads a KERB_VALIDATION_INFO buffer (NDR type serialization version 1, little-endian). False:
 * malformed, or without UserId (an account of no domain); *out is zeroed. */
bool cba_pac_logon_parse(struct cba_span buffer, struct cba_pac_logon *out);

#endif
