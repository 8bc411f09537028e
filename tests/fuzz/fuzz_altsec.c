/* SPDX-License-Identifier: Apache-2.0
 *
 * A value of altSecurityIdentities, as the directory may hold it: against a certificate that has
 * something of every form, and as a name.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include "cba_altsec.h"

static void check(int promise)
{
    if (!promise) {
        abort();
    }
}

static void set(char *out, size_t size, const char *text)
{
    int n = snprintf(out, size, "%s", text);

    check(n >= 0 && (size_t)n < size);
}

static void fill(struct cba_cert *cert)
{
    check(cba_sid_parse_text(cba_span_str("S-1-5-21-1-2-3-1157"), &cert->sid));
    set(cert->issuer_name, sizeof(cert->issuer_name), "DC=com,CN=\"a, \"\"b\"\"\"");
    set(cert->subject_name, sizeof(cert->subject_name), "O=x,CN=\" <S>\",OID.1.2=O'Brien");
    set(cert->serial, sizeof(cert->serial), "2B000012");
    set(cert->ski, sizeof(cert->ski), "AB01");
    set(cert->thumbprint, sizeof(cert->thumbprint), "34BE02DCEE9ECDF8BC5C16595A73F1B201875FEA");
    set(cert->mail[0], sizeof(cert->mail[0]), "a@b.c");
    set(cert->mail[1], sizeof(cert->mail[1]), "d@e.f");
    cert->mail_count = 2;
}

/* What was read is written so that it reads the same, in every style. */
static void check_name(struct cba_span text)
{
    static char name[CBA_NAME_MAX + 1], again[CBA_NAME_MAX + 1], styled[CBA_NAME_STYLED_MAX + 1];

    if (!cba_name_take(&text, name)) {
        check(name[0] == '\0');
        return;
    }
    check(memchr(name, '\0', sizeof(name)) != NULL && name[0] != '\0');
    check(cba_span_is_text(cba_span_str(name)) && strchr(name, '\\') == NULL);
    check(text.len == 0 || text.ptr[0] == '<');
    for (int style = CBA_NAME_WINDOWS; style < CBA_NAME_STYLES; style++) {
        struct cba_span rest;

        cba_name_write(name, (enum cba_name_style)style, styled);
        rest = cba_span_str(styled);
        check(cba_name_take(&rest, again) && rest.len == 0);
        check(strcmp(name, again) == 0);
    }
}

/* What names the certificate is, but for its style, one of the values that are asked for. */
static void check_match(const struct cba_cert *cert, struct cba_span value, uint32_t form)
{
    static char asked[CBA_ALTSEC_VALUE_MAX + 1];

    check((form & (form - 1)) == 0 && (form & ~(uint32_t)CBA_ALTSEC_ALL) == 0);
    check(cba_span_equal_nocase(cba_span_of(value.ptr, 5), cba_span_str("X509:")));
    for (size_t n = 0; n < CBA_ALTSEC_VALUES; n++) {
        if (cba_altsec_value(cert, n, asked) &&
            cba_altsec_match(cert, cba_span_str(asked)) == form) {
            return;
        }
    }
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct cba_cert nobody;
    static struct cba_cert cert;
    struct cba_span value = cba_span_of(data, size);
    uint32_t form;

    if (cert.mail_count == 0) {
        fill(&cert);
    }
    form = cba_altsec_match(&cert, value);
    if (form != 0) {
        check_match(&cert, value, form);
    }
    check(cba_altsec_match(&nobody, value) == 0);
    check_name(value);
    for (size_t i = 0; i < size; i++) { /* the name behind the first tag */
        if (data[i] == '>') {
            check_name(cba_span_of(data + i + 1, size - i - 1));
            break;
        }
    }
    return 0;
}
