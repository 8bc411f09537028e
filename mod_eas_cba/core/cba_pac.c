/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_pac.h"

#include <stdint.h>

static unsigned get16(const unsigned char *p)
{
    return (unsigned)p[0] | (unsigned)p[1] << 8;
}

static uint32_t get32(const unsigned char *p)
{
    return (uint32_t)get16(p) | (uint32_t)get16(p + 2) << 16;
}

#define UPN_HEADER          12 /* UPN, DNS domain name (length and offset each), flags */
#define UPN_HEADER_EXTENDED 20 /* and sAMAccountName, SID */
#define UPN_FLAG_EXTENDED   2  /* MS-PAC 2.10, flag S */

/* The part of the buffer that the length and offset at this place of its header describe. */
static bool upn_part(struct cba_span buffer, size_t at, struct cba_span *out)
{
    size_t len = get16(buffer.ptr + at), offset = get16(buffer.ptr + at + 2);

    if (offset > buffer.len || len > buffer.len - offset) {
        return false;
    }
    *out = cba_span_of(buffer.ptr + offset, len);
    return true;
}

bool cba_pac_upn_sid(struct cba_span buffer, struct cba_sid *out, bool *extended)
{
    struct cba_span upn, dns, sam, sid;

    *out = (struct cba_sid){0};
    *extended = buffer.len >= UPN_HEADER && (get32(buffer.ptr + 8) & UPN_FLAG_EXTENDED) != 0;
    return *extended && buffer.len >= UPN_HEADER_EXTENDED && upn_part(buffer, 0, &upn) &&
           upn_part(buffer, 4, &dns) && upn_part(buffer, 12, &sam) && upn_part(buffer, 16, &sid) &&
           sid.ptr >= buffer.ptr + UPN_HEADER_EXTENDED && cba_sid_parse_binary(sid, out);
}

/* Reads NDR (C706 chapter 14, MS-RPCE 2.2.6) from the front of what is left. Once something is not
 * there, everything after it is missing as well. */
struct ndr {
    const unsigned char *start; /* alignment counts from here */
    struct cba_span left;
    bool good;
};

static const unsigned char *ndr_take(struct ndr *ndr, size_t len)
{
    const unsigned char *p = ndr->left.ptr;

    if (!ndr->good || len > ndr->left.len) {
        ndr->good = false;
        return NULL;
    }
    ndr->left = cba_span_of(p + len, ndr->left.len - len);
    return p;
}

static void ndr_skip(struct ndr *ndr, size_t len)
{
    (void)ndr_take(ndr, len);
}

static unsigned ndr_u16(struct ndr *ndr)
{
    const unsigned char *p = ndr_take(ndr, 2);

    return p != NULL ? get16(p) : 0;
}

static uint32_t ndr_u32(struct ndr *ndr)
{
    const unsigned char *p = ndr_take(ndr, 4);

    return p != NULL ? get32(p) : 0;
}

static void ndr_align4(struct ndr *ndr)
{
    ndr_skip(ndr, (4 - (size_t)(ndr->left.ptr - ndr->start) % 4) % 4);
}

static void ndr_expect(struct ndr *ndr, bool condition)
{
    ndr->good = ndr->good && condition;
}

/* RPC_UNICODE_STRING: the structure, and behind the fixed part what its pointer points to. */
struct ndr_string {
    unsigned length, maximum; /* in bytes */
    uint32_t pointer;         /* 0: none */
};

static struct ndr_string ndr_string(struct ndr *ndr)
{
    struct ndr_string string;

    string.length = ndr_u16(ndr);
    string.maximum = ndr_u16(ndr);
    string.pointer = ndr_u32(ndr);
    ndr_expect(ndr, string.length % 2 == 0 && string.length <= string.maximum);
    ndr_expect(ndr, string.pointer != 0 || string.length == 0);
    return string;
}

static void ndr_string_buffer(struct ndr *ndr, struct ndr_string string)
{
    if (string.pointer == 0) {
        return;
    }
    ndr_align4(ndr);
    ndr_expect(ndr, ndr_u32(ndr) == string.maximum / 2); /* size_is */
    ndr_expect(ndr, ndr_u32(ndr) == 0);                  /* offset */
    ndr_expect(ndr, ndr_u32(ndr) == string.length / 2);  /* length_is */
    ndr_skip(ndr, string.length);
}

/* MS-RPCE 2.2.6.1, 2.2.6.2: common and private header of type serialization version 1. What is left
 * is the object that they announce. */
static struct ndr ndr_begin(struct cba_span buffer)
{
    struct ndr ndr = {buffer.ptr, buffer, true};
    const unsigned char *p = ndr_take(&ndr, 4);
    uint32_t len;

    ndr_expect(&ndr, p != NULL && p[0] == 1 && p[1] == 0x10 && get16(p + 2) == 8);
    ndr_skip(&ndr, 4); /* filler */
    len = ndr_u32(&ndr);
    ndr_skip(&ndr, 4); /* filler */
    ndr_expect(&ndr, len <= ndr.left.len);
    if (ndr.good) {
        ndr.start = ndr.left.ptr;
        ndr.left.len = len;
    }
    return ndr;
}

/* RPC_SID (MS-DTYP 2.4.2.3) of at most so many sub-authorities. */
static bool ndr_sid(struct ndr *ndr, unsigned most, struct cba_sid *out)
{
    uint32_t subauthorities;
    const unsigned char *sid;

    ndr_align4(ndr);
    subauthorities = ndr_u32(ndr);
    sid = ndr_take(ndr, 8);
    return sid != NULL && subauthorities == sid[1] && sid[1] <= most &&
           ndr_take(ndr, 4 * (size_t)sid[1]) != NULL &&
           cba_sid_parse_binary(cba_span_of(sid, 8 + 4 * (size_t)sid[1]), out);
}

/* Begins the array of count elements of 8 bytes to which the pointer points. */
static void ndr_array(struct ndr *ndr, uint32_t pointer, uint32_t count)
{
    if (pointer == 0) {
        ndr_expect(ndr, count == 0);
        return;
    }
    ndr_align4(ndr);
    ndr_expect(ndr, ndr_u32(ndr) == count);
    ndr_expect(ndr, count <= ndr->left.len / 8);
}

/* GROUP_MEMBERSHIP (MS-PAC 2.2.2): is the group among them, whatever its attributes are? */
static bool ndr_groups(struct ndr *ndr, uint32_t pointer, uint32_t count, uint32_t rid)
{
    bool found = false;

    ndr_array(ndr, pointer, count);
    for (uint32_t i = 0; ndr->good && i < count; i++) {
        found = ndr_u32(ndr) == rid || found;
        ndr_skip(ndr, 4);
    }
    return found;
}

/* KERB_SID_AND_ATTRIBUTES (MS-PAC 2.2.1): first the pointers, then the SIDs. */
static bool ndr_extra(struct ndr *ndr, uint32_t pointer, uint32_t count, const struct cba_sid *sid)
{
    struct cba_sid one;
    bool found = false;

    ndr_array(ndr, pointer, count);
    for (uint32_t i = 0; ndr->good && i < count; i++) {
        ndr_expect(ndr, ndr_u32(ndr) != 0);
        ndr_skip(ndr, 4);
    }
    for (uint32_t i = 0; ndr->good && i < count; i++) {
        ndr_expect(ndr, ndr_sid(ndr, 15, &one));
        found = found || (ndr->good && cba_sid_equal(&one, sid));
    }
    return found;
}

static bool parse_logon(struct cba_span buffer, struct cba_pac_logon *out)
{
    struct ndr ndr = ndr_begin(buffer);
    struct ndr_string names[6], server, domain;
    uint32_t rid, group_count, groups, domain_id, extra_count, extra;
    struct cba_sid group;

    /* The fixed part, MS-PAC 2.5 */
    ndr_expect(&ndr, ndr_u32(&ndr) != 0); /* pointer to the structure */
    ndr_skip(&ndr, 6 * 8);                /* LogonTime to PasswordMustChange */
    for (size_t i = 0; i < 6; i++) {      /* EffectiveName to HomeDirectoryDrive */
        names[i] = ndr_string(&ndr);
    }
    ndr_skip(&ndr, 4); /* LogonCount, BadPasswordCount */
    rid = ndr_u32(&ndr);
    out->protected_user = ndr_u32(&ndr) == CBA_RID_PROTECTED_USERS; /* PrimaryGroupId */
    group_count = ndr_u32(&ndr);
    groups = ndr_u32(&ndr);
    ndr_skip(&ndr, 4 + 16); /* UserFlags, UserSessionKey */
    server = ndr_string(&ndr);
    domain = ndr_string(&ndr);
    domain_id = ndr_u32(&ndr);
    ndr_skip(&ndr, 40); /* Reserved1 to Reserved3 */
    extra_count = ndr_u32(&ndr);
    extra = ndr_u32(&ndr);
    /* ResourceGroupDomainSid to ResourceGroupIds: domain-local groups, which this one is not */
    ndr_skip(&ndr, 12);

    /* What the pointers point to, in their order */
    for (size_t i = 0; i < 6; i++) {
        ndr_string_buffer(&ndr, names[i]);
    }
    if (ndr_groups(&ndr, groups, group_count, CBA_RID_PROTECTED_USERS)) {
        out->protected_user = true;
    }
    ndr_string_buffer(&ndr, server);
    ndr_string_buffer(&ndr, domain);

    /* A UserId of 0 would say that the account's SID is among ExtraSids: no account of a domain.
     * One place is left for the RID. */
    if (domain_id == 0 || rid == 0 || !ndr_sid(&ndr, 14, &out->sid)) {
        return false;
    }
    out->sid.len += 4;
    out->sid.binary[1]++;
    (void)cba_sid_in_domain_of(&out->sid, CBA_RID_PROTECTED_USERS, &group);
    (void)cba_sid_in_domain_of(&out->sid, rid, &out->sid);
    if (ndr_extra(&ndr, extra, extra_count, &group)) {
        out->protected_user = true;
    }
    return ndr.good;
}

bool cba_pac_logon_parse(struct cba_span buffer, struct cba_pac_logon *out)
{
    *out = (struct cba_pac_logon){0};
    if (!parse_logon(buffer, out)) {
        *out = (struct cba_pac_logon){0};
        return false;
    }
    return true;
}
