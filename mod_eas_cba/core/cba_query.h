/* SPDX-License-Identifier: Apache-2.0
 *
 * The query of an ActiveSync request, as plain text or as base64 (MS-ASHTTP 2.2.1.1.1): from what
 * a phone sent, hostile until parsed, to facts of a fixed size. Nothing here says who the user is:
 * the certificate does. Owned by the caller; any thread.
 */
#ifndef CBA_QUERY_H
#define CBA_QUERY_H

#include "cba_command.h"
#include "cba_limits.h"
#include "cba_reason.h"
#include "cba_span.h"

enum cba_query_form {
    CBA_QUERY_NONE = 0, /* there is no query */
    CBA_QUERY_PLAIN,
    CBA_QUERY_BASE64
};

struct cba_query {
    enum cba_query_form form;
    enum cba_command command;
    unsigned version; /* protocol version times ten, 161 for 16.1; 0: not said */
    bool has_policy_key;
    uint32_t policy_key;
    /* As sent where it is letters, digits, '.', '_' and '-'; other bytes (base64 form) as upper
     * case hex. */
    char device_id[CBA_DEVICE_MAX + 1];
    char device_type[CBA_TYPE_MAX + 1]; /* UTF-8 without controls; to be escaped for a log */
    char user[CBA_UPN_MAX + 1];         /* the same; "": the query says nothing about a user */
};

/* CBA_R_OK, or REQ_QUERY with what is wrong in result (may be NULL). In that case *out holds what
 * was understood, which is for the log and decides nothing.
 *
 * A query with a '&' is plain text, any other is base64: neither can be the other, since '&' is not
 * in the alphabet of base64 and a plain query has four parameters at least.
 *
 * Plain: NAME=VALUE, joined by '&'. Cmd, User, DeviceId and DeviceType are there once each, in any
 * order and case of their names, which back ends ignore; other parameters pass. Names and values
 * decode to UTF-8 without controls; '+' is a blank, but in User, which has none (1*VCHAR). Cmd is
 * one of cba_command.h, without case; DeviceId 1 to CBA_DEVICE_ID_MAX letters, digits, '.', '_' and
 * '-'; User and DeviceType not empty.
 *
 * Base64: the alphabet of RFC 4648 4 with its padding, '+', '/' and '=' also as escapes. A version
 * of 12.1, 14.0, 14.1, 16.0 or 16.1; a code of cba_command.h; a policy key of 0 or 4 bytes;
 * DeviceId 1 to CBA_DEVICE_ID_MAX bytes; DeviceType not empty, UTF-8 without controls; Options one
 * byte, User as above and not empty, neither of them twice; other parameters pass. */
enum cba_reason cba_query_parse(struct cba_span query, struct cba_query *out,
                                struct cba_result *result);

/* What the header fields MS-ASProtocolVersion and X-MS-PolicyKey say (either may be empty), where
 * the query itself does not: they belong to the plain form. Whatever is malformed counts as not
 * said. */
void cba_query_add_headers(struct cba_query *query, struct cba_span version,
                           struct cba_span policy_key);

#endif
