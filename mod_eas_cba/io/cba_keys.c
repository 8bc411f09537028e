/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_keys.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "cba_krb5.h"

#define MEMORY_NAME_MAX 63

/* Highest kvno first; the rest of the order only has to be the same every time. */
static int by_kvno(const void *a, const void *b)
{
    const krb5_keytab_entry *left = a, *right = b;

    if (left->vno != right->vno) {
        return left->vno < right->vno ? 1 : -1;
    }
    return left->key.enctype < right->key.enctype   ? 1
           : left->key.enctype > right->key.enctype ? -1
                                                    : 0;
}

void cba_keys_free(krb5_context context, struct cba_keys *keys)
{
    size_t i;

    for (i = 0; i < keys->count; i++) {
        krb5_free_keytab_entry_contents(context, &keys->entries[i]);
    }
    free(keys->entries);
    keys->entries = NULL;
    keys->count = 0;
}

/* Takes the entry over in any case. */
static krb5_error_code add_key(krb5_context context, struct cba_keys *keys,
                               krb5_keytab_entry *entry)
{
    krb5_keytab_entry *more = realloc(keys->entries, (keys->count + 1) * sizeof *more);

    if (more == NULL) {
        krb5_free_keytab_entry_contents(context, entry);
        return ENOMEM;
    }
    keys->entries = more;
    keys->entries[keys->count++] = *entry;
    return 0;
}

krb5_error_code cba_keys_read(krb5_context context, const char *keytab,
                              krb5_const_principal principal, struct cba_keys *out)
{
    krb5_keytab handle = NULL;
    krb5_keytab_entry entry;
    krb5_kt_cursor cursor;
    krb5_error_code code = krb5_kt_resolve(context, keytab, &handle);

    if (code != 0) {
        return code;
    }
    code = krb5_kt_start_seq_get(context, handle, &cursor);
    if (code == 0) {
        while ((code = krb5_kt_next_entry(context, handle, &entry, &cursor)) == 0) {
            if (cba_krb5_is_aes(entry.key.enctype) &&
                (principal == NULL ||
                 krb5_principal_compare(context, entry.principal, principal))) {
                code = add_key(context, out, &entry);
            } else {
                krb5_free_keytab_entry_contents(context, &entry);
            }
            if (code != 0) {
                break;
            }
        }
        krb5_kt_end_seq_get(context, handle, &cursor);
        if (code == KRB5_KT_END) {
            code = 0;
        }
    }
    krb5_kt_close(context, handle);
    if (code != 0) {
        cba_keys_free(context, out);
    }
    return code;
}

void cba_keys_sort(struct cba_keys *keys)
{
    qsort(keys->entries, keys->count, sizeof keys->entries[0], by_kvno);
}

krb5_error_code cba_keys_keytab(krb5_context context, const struct cba_keys *keys, size_t first,
                                size_t *next, krb5_keytab *out)
{
    static atomic_uint_fast64_t
        number; /* MEMORY keytabs of one name are one, in the whole process */
    char name[MEMORY_NAME_MAX + 1];
    size_t i;
    krb5_error_code code;

    snprintf(name, sizeof name, "MEMORY:eas_cba_%llu",
             (unsigned long long)atomic_fetch_add(&number, 1));
    code = krb5_kt_resolve(context, name, out);
    if (code != 0) {
        return code;
    }
    for (i = first;
         i < keys->count && keys->entries[i].vno == keys->entries[first].vno && code == 0; i++) {
        code = krb5_kt_add_entry(context, *out, &keys->entries[i]);
    }
    if (code != 0) {
        krb5_kt_close(context, *out);
    }
    *next = i;
    return code;
}

bool cba_keys_digest(const struct cba_keys *keys, unsigned char digest[CBA_KEYS_DIGEST])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool good = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
    size_t i;

    for (i = 0; i < keys->count && good; i++) {
        const krb5_keytab_entry *entry = &keys->entries[i];

        good = EVP_DigestUpdate(md, &entry->vno, sizeof entry->vno) == 1 &&
               EVP_DigestUpdate(md, &entry->key.enctype, sizeof entry->key.enctype) == 1 &&
               EVP_DigestUpdate(md, entry->key.contents, entry->key.length) == 1;
    }
    good = good && EVP_DigestFinal_ex(md, digest, NULL) == 1;
    EVP_MD_CTX_free(md);
    return good;
}
