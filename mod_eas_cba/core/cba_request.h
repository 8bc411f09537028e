/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules for a request before anything else is known about it: target, method, Upgrade, what
 * Autodiscover is, and which headers of a phone are claims of identity. What the query of an
 * ActiveSync request says is cba_query.h's. Pure functions; any thread.
 */
#ifndef CBA_REQUEST_H
#define CBA_REQUEST_H

#include "cba_reason.h"
#include "cba_span.h"

enum cba_protocol {
    CBA_PROTOCOL_ACTIVESYNC = 1, /* POST and OPTIONS (MS-ASHTTP 2.2.1.1) */
    CBA_PROTOCOL_AUTODISCOVER,   /* POST to one path (MS-ASCMD 2.2.1.1) */
    CBA_PROTOCOL_ANY             /* every method but TRACE and CONNECT */
};

struct cba_request {
    struct cba_span method; /* as sent; methods are case-sensitive (RFC 9110 9.1) */
    struct cba_span
        target;   /* the request target as sent: origin-form or absolute-form, with its query */
    bool upgrade; /* an Upgrade header field is there */
    /* Header fields; empty: not there. */
    struct cba_span content_type;
    struct cba_span version;    /* MS-ASProtocolVersion */
    struct cba_span policy_key; /* X-MS-PolicyKey */
};

/* What is refused whatever else is tolerated: CBA_R_OK, REQ_UPGRADE, REQ_METHOD, REQ_PATH,
 * REQ_SERVER_PATH, REQ_AUTODISCOVER_PATH. */
enum cba_reason cba_request_check(const struct cba_request *request, enum cba_protocol protocol);

/* What follows the first '?' of the target; empty where nothing does. */
struct cba_span cba_request_query(const struct cba_request *request);

/* Is this Content-Type text/xml, with or without parameters? */
bool cba_request_is_xml(struct cba_span content_type);

/* The path rule alone: no backslash, no encoded slash, backslash, percent sign or semicolon, no
 * semicolon, no '#', no dot segment (also encoded, and anything of dots and blanks alone, which
 * Windows takes for one), no control byte, no malformed escape, only UTF-8 after decoding. IIS and
 * httpd read such paths differently. In the whole target neither blank, control byte nor '#'; an
 * absolute-form is http or https without user name; "*" and the authority-form are refused.
 * CBA_R_OK or REQ_PATH. */
enum cba_reason cba_path_check(struct cba_span target);

/* Does this path or URL lead to /Microsoft-Server-ActiveSync/Proxy or below, where Exchange servers
 * speak for users among themselves? Case, escapes, empty segments, dots and blanks at the end of a
 * name make no difference; whatever stands before it neither. Any bytes. */
bool cba_path_is_server(struct cba_span target);

/* Is the path of this target /Autodiscover/Autodiscover.xml, in whatever case? */
bool cba_path_is_autodiscover(struct cba_span target);

/* Does this header field of a phone claim an identity or a route: Authorization,
 * Proxy-Authorization, Forwarded, X-Forwarded-*, X-Remote-User, X-CommonAccessToken, X-IsFromCafe,
 * X-SourceCafeServer? '_' counts as '-', case does not matter. */
bool cba_header_is_claim(struct cba_span name);

/* Challenges of a back end that never reach a phone: WWW-Authenticate, Proxy-Authenticate,
 * Persistent-Auth, Authentication-Info, Proxy-Authentication-Info. */
bool cba_header_is_challenge(struct cba_span name);

/* Does this value of WWW-Authenticate offer the authentication scheme (RFC 9110 11.6.1)? Case does
 * not matter; what looks like the scheme inside of another one's parameters does not count. Any
 * bytes. */
bool cba_challenge_offers(struct cba_span value, const char *scheme);

/* Is this, what came of a back end's answer as it came, a whole head (RFC 9112 2.1) of a 401 that
 * offers the scheme? What stands behind the head does not matter. Any bytes. */
bool cba_head_challenges(struct cba_span head, const char *scheme);

#endif
