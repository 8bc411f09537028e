/* SPDX-License-Identifier: Apache-2.0
 *
 * Names: an X.500 name of a certificate as the text that Windows makes of it (CertNameToStr with
 * CERT_X500_NAME_STR, not reversed): components in the order of the certificate, Microsoft's short
 * keys, "," between them, values in quotation marks where they need it. Two names are the same where
 * their texts are, but for ASCII case. Owned by the caller, no allocation outlives a call but that
 * of cba_name_value; any thread.
 *
 * What has no text that everybody agrees on has none here: components of several values (Windows
 * puts a blank between them), values that are no strings, are not UTF-8 or hold controls, and those
 * with a backslash, which is a character to Windows and an escape to RFC 4514.
 */
#ifndef CBA_NAME_H
#define CBA_NAME_H

#include <openssl/types.h>

#include "cba_limits.h"
#include "cba_reason.h"
#include "cba_span.h"

/* How altSecurityIdentities may have been written. They differ for values with special characters
 * only. */
enum cba_name_style {
    CBA_NAME_WINDOWS,    /* CertNameToStr's documentation: quotes for , + = " < > # ; for blanks at
                            an end, and for an empty value; a quote in it twice */
    CBA_NAME_APOSTROPHE, /* MS-OSCO's table: for ' as well */
    CBA_NAME_RFC,        /* backslashes (RFC 4514 2.4), as SSSD and OpenSSL do */
    CBA_NAME_STYLES
};

#define CBA_NAME_STYLED_MAX (2 * CBA_NAME_MAX) /* a backslash for each byte */

/* The name's text, CBA_NAME_WINDOWS. CBA_R_OK, with "" for an empty name and for one that has no
 * text; CERT_LIMIT when it is longer than CBA_NAME_MAX (out is ""). */
enum cba_reason cba_name_of(const X509_NAME *name, char out[CBA_NAME_MAX + 1]);

/* The value of a component in UTF-8: its length, *text is to be freed with OPENSSL_free. -1: it is
 * no text (*text is NULL). */
int cba_name_value(const ASN1_STRING *value, unsigned char **text);

/* A text of cba_name_of in another style. */
void cba_name_write(const char *name, enum cba_name_style style, char out[CBA_NAME_STYLED_MAX + 1]);

/* Takes a name off the front of *text, up to a '<' outside of quotes or the end, written in any of
 * the styles, and writes it as cba_name_of would. False: it is not one name, or longer than
 * CBA_NAME_MAX (out is "", *text is undefined). */
bool cba_name_take(struct cba_span *text, char out[CBA_NAME_MAX + 1]);

#endif
