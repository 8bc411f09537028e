/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of one extension: a byte that says which, then its value. It is put into a certificate
 * that is right otherwise, so that the fuzzer need not keep the lengths around it.
 */
#include "fuzz.h"

#include <stdlib.h>

#include <openssl/err.h>

#include "cba_cert.h"

#define VALUE_MAX 60000
#define ROOM      (VALUE_MAX + 1000)

static const struct kind {
    size_t len;
    unsigned char oid[9];
} kinds[] = {
    {9, {0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x19, 0x02}}, /* the SID */
    {3, {0x55, 0x1d, 0x11}},                                     /* subjectAltName */
    {3, {0x55, 0x1d, 0x25}},                                     /* extKeyUsage */
    {3, {0x55, 0x1d, 0x0e}},                                     /* subjectKeyIdentifier */
};

/* A TBSCertificate (RFC 5280 4.1) up to its extensions. */
static const char head[] = "\xa0\x03\x02\x01\x02"                                  /* version 3 */
                           "\x02\x01\x01"                                          /* serial */
                           "\x30\x05\x06\x03\x2b\x65\x70"                          /* Ed25519 */
                           "\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01y" /* issuer */
                           "\x30\x1e\x17\x0d"
                           "200101000000Z"
                           "\x17\x0d"
                           "491231235959Z"
                           "\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01z" /* subject */
                           "\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"      /* its key */
                           "0123456789abcdef0123456789abcdef";
/* A signature, which nobody looks at here. */
static const char tail[] = "\x30\x05\x06\x03\x2b\x65\x70\x03\x02\x00\x00";

static void check(int promise)
{
    if (!promise) {
        abort();
    }
}

/* The certificate is written from its end to its begin: what a length counts is there already. */
struct block {
    unsigned char bytes[ROOM];
    size_t at; /* of its first byte */
};

static void put(struct block *block, const void *bytes, size_t len)
{
    check(len <= block->at);
    block->at -= len;
    if (len > 0) {
        memcpy(block->bytes + block->at, bytes, len);
    }
}

/* Tag and length of all that is there from here to end. */
static void wrap(struct block *block, unsigned char tag, size_t end)
{
    size_t len = end - block->at;
    unsigned char header[] = {tag, 0x82, (unsigned char)(len >> 8), (unsigned char)len};

    if (len >= 0x100) {
        put(block, header, 4);
    } else if (len >= 0x80) {
        put(block, header + 3, 1);
        put(block, "\x81", 1);
        put(block, &tag, 1);
    } else {
        put(block, header + 3, 1);
        put(block, &tag, 1);
    }
}

static struct cba_span write_cert(struct block *block, const struct kind *kind,
                                  struct cba_span value)
{
    size_t body;

    block->at = sizeof(block->bytes);
    put(block, tail, sizeof(tail) - 1);
    body = block->at;
    put(block, value.ptr, value.len);
    wrap(block, 0x04, body);
    put(block, kind->oid, kind->len);
    put(block, (const unsigned char[]){0x06, (unsigned char)kind->len}, 2);
    wrap(block, 0x30, body); /* Extension */
    wrap(block, 0x30, body); /* Extensions */
    wrap(block, 0xa3, body);
    put(block, head, sizeof(head) - 1);
    wrap(block, 0x30, body); /* TBSCertificate */
    wrap(block, 0x30, sizeof(block->bytes));
    return cba_span_of(block->bytes + block->at, sizeof(block->bytes) - block->at);
}

/* Nothing is read that is not there, byte for byte. */
static void check_within(struct cba_span value, const char *text)
{
    size_t len = strlen(text);
    bool found = len == 0;

    for (size_t i = 0; !found && i + len <= value.len; i++) {
        found = memcmp(value.ptr + i, text, len) == 0;
    }
    check(found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct block block;
    static struct cba_cert cert;
    char text[CBA_SID_TEXT_MAX + 1];
    struct cba_result result = {{0}};
    struct cba_span value;
    enum cba_reason reason;
    size_t which;

    if (size < 1 || size > VALUE_MAX) {
        return 0;
    }
    which = data[0] % (sizeof(kinds) / sizeof(kinds[0]));
    value = cba_span_of(data + 1, size - 1);
    reason = cba_cert_parse(write_cert(&block, &kinds[which], value), &cert, &result);
    check(ERR_peek_error() == 0);
    check((reason == CBA_R_OK) == (result.detail[0] == '\0'));
    if (reason == CBA_R_CERT_MALFORMED) {
        /* but for its value the certificate is right */
        check(strcmp(result.detail, "not X.509 in DER") != 0);
    }
    check((which == 0) == (cert.sid.len > 0) || reason != CBA_R_OK);
    check(which == 1 || (cert.upn[0] == '\0' && cert.sid_url.len == 0 && cert.mail_count == 0));
    check(which == 2 || cert.eku_count == 0);
    check(which == 3 || cert.ski[0] == '\0');
    cba_sid_format(which == 0 ? &cert.sid : &cert.sid_url, text);
    check_within(value, text);
    check_within(value, cert.upn);
    for (size_t i = 0; i < cert.mail_count; i++) {
        check_within(value, cert.mail[i]);
    }
    return 0;
}
