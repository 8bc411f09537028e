/* SPDX-License-Identifier: Apache-2.0
 *
 * A directory entry. The input is a row of pieces: a byte that says what, a byte with the length,
 * the value. What: 0 the DN, 1 to 10 the attributes in the order of cba_account_attributes, 11 a part
 * of memberOf, another an unknown one; with 0x80 another value of the attribute before.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "cba_account.h"

#define PIECES 32

static void check(int promise)
{
    if (!promise) {
        abort();
    }
}

static const char *name_of(unsigned what)
{
    return what <= 10 ? cba_account_attributes[what - 1]
                      : (what == 11 ? "memberOf;range=0-1499" : "unknown");
}

static void check_text(const char *text, size_t max)
{
    check(memchr(text, '\0', max + 1) != NULL);
    check(cba_span_is_text(cba_span_str(text)));
}

static void check_account(const struct cba_account *account)
{
    struct cba_sid sid;

    check(cba_sid_parse_binary(cba_span_of(account->sid.binary, account->sid.len), &sid));
    check_text(account->sam, CBA_SAM_MAX);
    check_text(account->upn, CBA_UPN_MAX);
    check_text(account->domain, CBA_DOMAIN_MAX);
    check(account->sam[0] != '\0' && account->domain[0] != '\0');
    check(strspn(account->domain, "abcdefghijklmnopqrstuvwxyz0123456789-_.") ==
          strlen(account->domain));
    if (cba_account_policy(account, 1700000000) == CBA_R_OK) {
        check(!account->computer && (account->control & CBA_UAC_ACCOUNTDISABLE) == 0);
        check(account->expires > 1700000000);
        check(!account->protected_user);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cba_account account;
    static const struct cba_account zero;
    struct cba_attribute attributes[PIECES];
    struct cba_span values[PIECES], dn = {NULL, 0};
    struct cba_result result = {{0}};
    char domain[CBA_DOMAIN_MAX + 1];
    size_t count = 0, used = 0;

    while (size >= 2 && used < PIECES) {
        unsigned what = data[0] & 0x7f;
        size_t len = data[1] < size - 2 ? data[1] : size - 2;
        struct cba_span value = cba_span_of(data + 2, len);

        if ((data[0] & 0x80) != 0 && count > 0) {
            values[used++] = value;
            attributes[count - 1].count++;
        } else if (what == 0) {
            dn = value;
        } else {
            values[used] = value;
            attributes[count++] = (struct cba_attribute){name_of(what), &values[used], 1};
            used++;
        }
        data += len + 2;
        size -= len + 2;
    }

    if (cba_account_domain(dn, domain)) {
        check_text(domain, CBA_DOMAIN_MAX);
        check(domain[0] != '\0');
    } else {
        check(domain[0] == '\0');
    }
    switch (cba_account_parse(dn, attributes, count, &account, &result)) {
    case CBA_R_OK:
        check_account(&account);
        break;
    case CBA_R_ACC_INCOMPLETE:
    case CBA_R_ACC_MALFORMED:
        check(result.detail[0] != '\0');
        check(memcmp(&account, &zero, sizeof(account)) == 0);
        break;
    default:
        abort();
    }
    return 0;
}
