/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_spnego.h"

#define TAG_OCTET_STRING 0x04
#define TAG_SEQUENCE     0x30
#define TAG_APPLICATION  0x60 /* [APPLICATION 0], constructed */
#define TAG_CONTEXT(n)   (unsigned char)(0xa0 + (n))

#define FLAG_INTEGRITY 0x20 /* GSS_C_INTEG_FLAG; what SPNEGO asks of its mechanisms */

/* 1.3.6.1.5.5.2 (RFC 4178) and 1.2.840.113554.1.2.2 (RFC 4121), in DER. */
static const unsigned char spnego_oid[] = {0x06, 0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x02};
static const unsigned char krb5_oid[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                         0xf7, 0x12, 0x01, 0x02, 0x02};
static const unsigned char ap_req_id[] = {0x01, 0x00}; /* RFC 4121 4.1 */
static const unsigned char mechanisms[] = {0xa0, 0x0d, 0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86,
                                           0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02};

/* Lengths of the nested values, each without its own header; from the inside to the outside. */
struct lengths {
    size_t frame;    /* [APPLICATION 0] of the mechanism */
    size_t octets;   /* OCTET STRING around it */
    size_t token;    /* [2] mechToken */
    size_t sequence; /* NegTokenInit */
    size_t choice;   /* [0] negTokenInit */
    size_t whole;    /* [APPLICATION 0] */
};

static size_t header_size(size_t len)
{
    return len < 0x80 ? 2 : len < 0x100 ? 3 : len < 0x10000 ? 4 : 5;
}

static size_t with_header(size_t len)
{
    return header_size(len) + len;
}

static struct lengths measure(size_t ap_req_len)
{
    struct lengths n;

    n.frame = sizeof krb5_oid + sizeof ap_req_id + ap_req_len;
    n.octets = with_header(n.frame);
    n.token = with_header(n.octets);
    n.sequence = sizeof mechanisms + with_header(n.token);
    n.choice = with_header(n.sequence);
    n.whole = sizeof spnego_oid + with_header(n.choice);
    return n;
}

size_t cba_spnego_size(size_t ap_req_len)
{
    return with_header(measure(ap_req_len).whole);
}

static unsigned char *put_header(unsigned char *out, unsigned char tag, size_t len)
{
    size_t more = header_size(len) - 2;

    *out++ = tag;
    if (more == 0) {
        *out++ = (unsigned char)len;
        return out;
    }
    *out++ = (unsigned char)(0x80 + more);
    while (more-- > 0) {
        *out++ = (unsigned char)(len >> (8 * more));
    }
    return out;
}

static unsigned char *put(unsigned char *out, const void *bytes, size_t len)
{
    memcpy(out, bytes, len);
    return out + len;
}

void cba_spnego_write(struct cba_span ap_req, unsigned char *out)
{
    struct lengths n = measure(ap_req.len);

    out = put_header(out, TAG_APPLICATION, n.whole);
    out = put(out, spnego_oid, sizeof spnego_oid);
    out = put_header(out, TAG_CONTEXT(0), n.choice);
    out = put_header(out, TAG_SEQUENCE, n.sequence);
    out = put(out, mechanisms, sizeof mechanisms);
    out = put_header(out, TAG_CONTEXT(2), n.token);
    out = put_header(out, TAG_OCTET_STRING, n.octets);
    out = put_header(out, TAG_APPLICATION, n.frame);
    out = put(out, krb5_oid, sizeof krb5_oid);
    out = put(out, ap_req_id, sizeof ap_req_id);
    put(out, ap_req.ptr, ap_req.len);
}

/* RFC 4121 counts its own fields from the low byte up. */
static void put_low_first(unsigned char out[4], size_t value)
{
    for (size_t i = 0; i < 4; i++) {
        out[i] = (unsigned char)(value >> (8 * i));
    }
}

void cba_spnego_binding_head(size_t len, unsigned char out[CBA_SPNEGO_BINDING_HEAD])
{
    memset(out, 0, CBA_SPNEGO_BINDING_HEAD); /* two addresses: GSS_C_AF_UNSPEC and empty */
    put_low_first(out + CBA_SPNEGO_BINDING_HEAD - 4, len);
}

void cba_spnego_checksum(const unsigned char *binding_hash, unsigned char out[CBA_SPNEGO_CHECKSUM])
{
    memset(out, 0, CBA_SPNEGO_CHECKSUM);
    put_low_first(out, CBA_SPNEGO_BINDING_HASH);
    if (binding_hash != NULL) {
        memcpy(out + 4, binding_hash, CBA_SPNEGO_BINDING_HASH);
    }
    put_low_first(out + 4 + CBA_SPNEGO_BINDING_HASH, FLAG_INTEGRITY);
}
