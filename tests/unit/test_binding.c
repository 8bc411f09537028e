/* SPDX-License-Identifier: Apache-2.0
 *
 * The certificates are those of tests/vectors/binding, made by tests/vectors/make.py with the openssl
 * command, one for each signature algorithm; beside each stands the hash that openssl dgst makes of
 * it, by the function that RFC 5929 4.1 demands.
 */
#include "unit.h"

#include <string.h>

#include <openssl/err.h>

#include "cba_binding.h"
#include "exact.h"

#define PREFIX "tls-server-end-point:"

static struct cba_binding binding;

static X509 *read_certificate(const char *name)
{
    char path[256];
    size_t len;
    unsigned char *der;
    const unsigned char *at;
    X509 *certificate;

    (void)snprintf(path, sizeof(path), "vectors/binding/%s.der", name);
    der = unit_file_read(path, &len);
    at = der;
    certificate = d2i_X509(NULL, &at, (long)len);
    assert_non_null(certificate);
    free(der);
    return certificate;
}

static void make(const char *name)
{
    X509 *certificate = read_certificate(name);

    memset(&binding, 0xff, sizeof(binding));
    assert_int_equal(cba_binding_make(certificate, &binding), CBA_R_OK);
    assert_int_equal(ERR_peek_error(), 0); /* OpenSSL's queue of errors is mod_ssl's as well */
    X509_free(certificate);
}

/* What the file beside the certificate says, without its line feed; NUL at the end. */
static char *read_hash(const char *name)
{
    char path[256];
    size_t len;
    unsigned char *text;

    (void)snprintf(path, sizeof(path), "vectors/binding/%s.txt", name);
    text = unit_file_read(path, &len);
    assert_true(len > 0 && text[len - 1] == '\n');
    text[len - 1] = '\0';
    return (char *)text;
}

static void a_hash_by_the_signature(void **state)
{
    static const char *const names[] = {
        "rsa-sha224",   "rsa-sha256",   "rsa-sha384",   "rsa-sha512",
        "pss-sha256",   "pss-sha384",   "pss-sha512",   "pss-sha512-mgf-sha256",
        "ecdsa-sha256", "ecdsa-sha384", "ecdsa-sha512", "rsa-md5",
        "rsa-sha1",     "pss-sha1",     "ecdsa-sha1",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        char *wanted = read_hash(names[i]);
        char hex[2 * EVP_MAX_MD_SIZE + 1] = "";

        make(names[i]);
        assert_true(binding.len > sizeof(PREFIX) - 1);
        assert_memory_equal(binding.data, PREFIX, sizeof(PREFIX) - 1);
        for (size_t at = sizeof(PREFIX) - 1; at < binding.len; at++) {
            size_t end = 2 * (at - (sizeof(PREFIX) - 1));

            (void)snprintf(hex + end, sizeof(hex) - end, "%02x", binding.data[at]);
        }
        assert_string_equal(hex, wanted);
        free(wanted);
    }
}

static void no_hash_no_binding(void **state)
{
    static const char *const names[] = {"ed25519", "ed448"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        char *wanted = read_hash(names[i]);

        assert_string_equal(wanted, "none");
        make(names[i]);
        assert_int_equal(binding.len, 0);
        free(wanted);
    }
}

/* What mod_ssl is about to look at stays where it is. */
static void errors_of_others_stay(void **state)
{
    X509 *certificate = read_certificate("ed25519");
    unsigned long before;

    (void)state;
    ERR_raise(ERR_LIB_USER, 42);
    before = ERR_peek_last_error();
    assert_int_equal(cba_binding_make(certificate, &binding), CBA_R_OK);
    assert_int_equal(ERR_get_error(), before);
    assert_int_equal(ERR_peek_error(), 0);
    X509_free(certificate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_by_the_signature),
        cmocka_unit_test(no_hash_no_binding),
        cmocka_unit_test(errors_of_others_stay),
    };

    return cmocka_run_group_tests_name("binding", tests, NULL, NULL);
}
