/* SPDX-License-Identifier: Apache-2.0
 *
 * A certificate's DER, and the filter that is made of what it says.
 */
#include "fuzz.h"

#include <stdlib.h>

#include <openssl/err.h>

#include "cba_mapping.h"

static void check(int promise)
{
    if (!promise) {
        abort();
    }
}

static void check_sid(const struct cba_sid *sid)
{
    struct cba_sid again;

    if (sid->len > 0) {
        check(cba_sid_parse_binary(cba_span_of(sid->binary, sid->len), &again));
        check(cba_sid_equal(sid, &again));
    }
}

static void check_text(const char *text, size_t max)
{
    check(memchr(text, '\0', max + 1) != NULL);
    check(cba_span_is_text(cba_span_str(text)));
}

/* Two pairs of parentheses and one for each condition; everything else in it is escaped. */
static void check_filter(const char *filter)
{
    int depth = 0;

    for (const char *p = filter; *p != '\0'; p++) {
        check(*p != '*' && *p > ' ' && *p < 0x7f);
        depth += *p == '(' ? 1 : *p == ')' ? -1 : 0;
        check(depth >= 0 && depth <= 3);
    }
    check(depth == 0);
}

/* What is asked for names the certificate. */
static void check_values(const struct cba_cert *cert)
{
    static char value[CBA_ALTSEC_VALUE_MAX + 1];

    for (size_t n = 0; n < CBA_ALTSEC_VALUES; n++) {
        if (cba_altsec_value(cert, n, value)) {
            check(cba_altsec_match(cert, cba_span_str(value)) != 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cba_cert cert, again;
    static char filter[CBA_FILTER_MAX + 1];
    struct cba_result result = {{0}};
    enum cba_reason reason = cba_cert_parse(cba_span_of(data, size), &cert, &result);

    check(ERR_peek_error() == 0);
    check(reason == cba_cert_parse(cba_span_of(data, size), &again, NULL));
    check(memcmp(&cert, &again, sizeof(cert)) == 0);
    check((reason == CBA_R_OK) == (result.detail[0] == '\0'));

    /* what is set is whole, also after an error */
    check_sid(&cert.sid);
    check_sid(&cert.sid_url);
    check_text(cert.upn, CBA_UPN_MAX);
    check_text(cert.serial, 2 * CBA_SERIAL_MAX);
    check(memchr(cert.issuer, '\0', sizeof(cert.issuer)) != NULL);
    check(cert.eku_count <= CBA_EKU_MAX);
    for (size_t i = 0; i < cert.eku_count; i++) {
        check_text(cert.eku[i], CBA_OID_MAX);
    }
    check(cert.upn[0] == '\0' || strchr(cert.upn, '@') != NULL);
    check_text(cert.issuer_name, CBA_NAME_MAX);
    check_text(cert.subject_name, CBA_NAME_MAX);
    check_text(cert.ski, 2 * CBA_SKI_MAX);
    check(cert.mail_count <= CBA_MAILS && cert.subject_upn_count <= CBA_SUBJECT_UPNS);
    for (size_t i = 0; i < cert.mail_count; i++) {
        check_text(cert.mail[i], CBA_MAIL_MAX);
        check(cert.mail[i][0] != '\0');
    }
    for (size_t i = 0; i < cert.subject_upn_count; i++) {
        check_text(cert.subject_upn[i], CBA_UPN_MAX);
        check(strchr(cert.subject_upn[i], '@') != NULL);
    }
    check_values(&cert);

    switch (cba_mapping_filter(&cert, "contoso.com", filter)) {
    case CBA_R_OK:
        check_filter(filter);
        break;
    case CBA_R_MAP_NO_IDENTITY: /* every certificate has a thumbprint */
        check(reason != CBA_R_OK && cert.thumbprint[0] == '\0');
        break;
    case CBA_R_CERT_LIMIT:
        check(filter[0] == '\0');
        break;
    default:
        abort();
    }
    return 0;
}
