/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_seal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

/* A sealed record: format, name of the key, nonce, tag, ciphertext. */
#define NAME_AT  1
#define NONCE_AT (NAME_AT + CBA_SEAL_NAME)
#define NONCE    12 /* 96 bits: what GCM takes without hashing (SP 800-38D 8.2) */
#define TAG_AT   (NONCE_AT + NONCE)
#define TAG      16
#define TEXT_AT  (TAG_AT + TAG)

_Static_assert(TEXT_AT == CBA_SEAL_EXTRA, "the parts of a sealed record");

/* --- keys --- */

/* The label keeps the digest apart from every other use of the key. */
static bool name_key(struct cba_seal_key *key)
{
    static const char label[] = "mod_eas_cba cache key";
    unsigned char input[sizeof label + CBA_SEAL_SECRET], digest[EVP_MAX_MD_SIZE];
    bool done;

    memcpy(input, label, sizeof label);
    memcpy(input + sizeof label, key->secret, CBA_SEAL_SECRET);
    done = EVP_Digest(input, sizeof input, digest, NULL, EVP_sha256(), NULL) == 1;
    memcpy(key->name, digest, CBA_SEAL_NAME);
    OPENSSL_cleanse(input, sizeof input);
    return done;
}

static int digit(unsigned char c)
{
    c = cba_ascii_lower(c);
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_secret(struct cba_span line, unsigned char secret[CBA_SEAL_SECRET])
{
    size_t i;

    if (line.len != 2 * CBA_SEAL_SECRET) {
        return false;
    }
    for (i = 0; i < CBA_SEAL_SECRET; i++) {
        int high = digit(line.ptr[2 * i]), low = digit(line.ptr[2 * i + 1]);

        if (high < 0 || low < 0) {
            return false;
        }
        secret[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

/* The next line without its end, and without a CR before it. */
static struct cba_span take_line(struct cba_span *text)
{
    const unsigned char *end = memchr(text->ptr, '\n', text->len);
    struct cba_span line = {text->ptr, end ? (size_t)(end - text->ptr) : text->len};
    size_t taken = end ? line.len + 1 : line.len;

    text->ptr += taken;
    text->len -= taken;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    return line;
}

static const char *parse_lines(struct cba_span text, struct cba_seal *seal)
{
    while (text.len > 0) {
        struct cba_span line = take_line(&text);

        if (line.len == 0 || line.ptr[0] == '#') {
            continue;
        }
        if (seal->count == 2) {
            return "there are more than two keys";
        }
        if (!parse_secret(line, seal->key[seal->count].secret)) {
            return "a line is not 64 hexadecimal digits";
        }
        if (!name_key(&seal->key[seal->count])) {
            return "OpenSSL cannot make SHA-256";
        }
        seal->count++;
    }
    if (seal->count == 0) {
        return "there is no key";
    }
    if (seal->count == 2 &&
        CRYPTO_memcmp(seal->key[0].secret, seal->key[1].secret, CBA_SEAL_SECRET) == 0) {
        return "both keys are the same";
    }
    return NULL;
}

const char *cba_seal_parse(struct cba_span text, struct cba_seal *seal)
{
    const char *wrong;

    memset(seal, 0, sizeof *seal);
    wrong = text.len > CBA_SEAL_FILE ? "it is too long for a key file" : parse_lines(text, seal);
    if (wrong) {
        cba_seal_wipe(seal);
    }
    return wrong;
}

bool cba_seal_random(struct cba_seal *seal)
{
    memset(seal, 0, sizeof *seal);
    if (RAND_priv_bytes(seal->key[0].secret, CBA_SEAL_SECRET) != 1 || !name_key(&seal->key[0])) {
        cba_seal_wipe(seal);
        return false;
    }
    seal->count = 1;
    return true;
}

void cba_seal_wipe(struct cba_seal *seal)
{
    OPENSSL_cleanse(seal, sizeof *seal);
}

/* --- records --- */

/* What a record is authenticated with: its place in the cache. */
static bool add_place(EVP_CIPHER_CTX *ctx, const unsigned char id[CBA_RECORD_KEY],
                      enum cba_record_type type, bool closing)
{
    unsigned char place[2 + CBA_RECORD_KEY] = {CBA_RECORD_FORMAT, (unsigned char)type};
    int len;

    memcpy(place + 2, id, CBA_RECORD_KEY);
    return (closing ? EVP_EncryptUpdate : EVP_DecryptUpdate)(ctx, NULL, &len, place,
                                                             sizeof place) == 1;
}

size_t cba_seal_close(const struct cba_seal *seal, const unsigned char id[CBA_RECORD_KEY],
                      enum cba_record_type type, struct cba_span record, unsigned char *out,
                      size_t size)
{
    EVP_CIPHER_CTX *ctx;
    int len, rest;
    bool done;

    if (seal->count == 0 || record.len == 0 || record.len > CBA_RECORD_MAX ||
        size < record.len + CBA_SEAL_EXTRA) {
        return 0;
    }
    out[0] = CBA_RECORD_FORMAT;
    memcpy(out + NAME_AT, seal->key[0].name, CBA_SEAL_NAME);
    ctx = EVP_CIPHER_CTX_new();
    done = ctx && RAND_bytes(out + NONCE_AT, NONCE) == 1 &&
           EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, seal->key[0].secret, out + NONCE_AT) ==
               1 &&
           add_place(ctx, id, type, true) &&
           EVP_EncryptUpdate(ctx, out + TEXT_AT, &len, record.ptr, (int)record.len) == 1 &&
           EVP_EncryptFinal_ex(ctx, out + TEXT_AT + len, &rest) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, out + TAG_AT) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return done ? TEXT_AT + record.len : 0;
}

static const struct cba_seal_key *find_key(const struct cba_seal *seal, const unsigned char *name)
{
    size_t i;

    for (i = 0; i < seal->count; i++) {
        if (memcmp(seal->key[i].name, name, CBA_SEAL_NAME) == 0) {
            return &seal->key[i];
        }
    }
    return NULL;
}

enum cba_reason cba_seal_open(const struct cba_seal *seal, const unsigned char id[CBA_RECORD_KEY],
                              enum cba_record_type type, struct cba_span sealed, unsigned char *out,
                              size_t *len)
{
    const struct cba_seal_key *key;
    unsigned char tag[TAG];
    EVP_CIPHER_CTX *ctx;
    int got = 0, rest = 0;
    bool good;

    *len = 0;
    if (sealed.len <= TEXT_AT || sealed.len > TEXT_AT + CBA_RECORD_MAX ||
        sealed.ptr[0] != CBA_RECORD_FORMAT) {
        return CBA_R_CACHE_FORMAT;
    }
    key = find_key(seal, sealed.ptr + NAME_AT);
    if (!key) {
        return CBA_R_CACHE_FOREIGN;
    }
    ctx = EVP_CIPHER_CTX_new();
    if (!ctx) {
        return CBA_R_LIFE_MEMORY;
    }
    memcpy(tag, sealed.ptr + TAG_AT, TAG);
    good =
        EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->secret, sealed.ptr + NONCE_AT) == 1 &&
        add_place(ctx, id, type, false) &&
        EVP_DecryptUpdate(ctx, out, &got, sealed.ptr + TEXT_AT, (int)(sealed.len - TEXT_AT)) == 1 &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1 &&
        EVP_DecryptFinal_ex(ctx, out + got, &rest) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (!good) {
        OPENSSL_cleanse(out, sealed.len); /* nothing unauthenticated leaves */
        return CBA_R_CACHE_BROKEN;
    }
    *len = (size_t)got + (size_t)rest;
    return CBA_R_OK;
}
