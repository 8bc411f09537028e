/* SPDX-License-Identifier: Apache-2.0
 *
 * mod_tls_pretender: says about a phone's certificate what mod_ssl would never say on this bench,
 * because its handshake ends before. What stands behind the gateway's own checks can be tested so.
 *
 *   X-Pretend-Verify: TEXT       SSL_CLIENT_VERIFY; "-" for an empty text
 *   X-Pretend-Certificate: B64   SSL_CLIENT_CERT, base64 of its text; "-" for none
 *
 * Test code: one hook, no state.
 */
#include <string.h>

#include <apr_base64.h>
#include <httpd.h>

#include <http_config.h>
#include <http_ssl.h>

static const char *field(request_rec *r, const char *name)
{
    const char *value = apr_table_get(r->headers_in, name);

    return value != NULL && strcmp(value, "-") == 0 ? "" : value;
}

static const char *pretend(apr_pool_t *p, server_rec *s, conn_rec *c, request_rec *r,
                           const char *name)
{
    const char *value;

    (void)s;
    (void)c;
    if (r != NULL && strcmp(name, "SSL_CLIENT_VERIFY") == 0) {
        return field(r, "X-Pretend-Verify");
    }
    if (r != NULL && strcmp(name, "SSL_CLIENT_CERT") == 0
        && (value = field(r, "X-Pretend-Certificate")) != NULL) {
        char *text = apr_pcalloc(p, (apr_size_t)apr_base64_decode_len(value) + 1);
        apr_base64_decode(text, value);
        return text;
    }
    return NULL; /* mod_ssl's turn */
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_ssl_var_lookup(pretend, NULL, NULL, APR_HOOK_FIRST);
}

module AP_MODULE_DECLARE_DATA tls_pretender_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, AP_MODULE_FLAG_NONE
};
