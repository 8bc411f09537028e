/* SPDX-License-Identifier: Apache-2.0
 *
 * mod_identity_keeper: an acceptor that authenticates TCP connections, as IIS does with
 * authPersistNonNTLM, at its worst.
 *
 * The first Kerberos token on a connection decides who it is; every later request on that
 * connection is answered as that first identity, whether it brings no token or a token of somebody
 * else. A proxy that lets two users share one connection is thereby answered with the wrong name.
 * Each token is still verified, so that the report can say how often that happened.
 *
 * `AuthType Keeper` with `KeeperKeytab FILE`; `SetHandler keeper-report` answers with the counters
 * as JSON and sets them to zero when asked with ?reset. Counters live in shared memory and are
 * changed atomically; a connection's identity lives in its conn_rec's pool.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <apr_base64.h>
#include <apr_shm.h>
#include <apr_strings.h>
#include <httpd.h>

#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>

APLOG_USE_MODULE(identity_keeper);

enum counter {
    CONNECTIONS,         /* connections that were authenticated */
    REQUESTS,            /* requests let in */
    TOKENS,              /* of those, with a valid token */
    WITHOUT_TOKEN,       /* of those, without any */
    FOREIGN_REQUESTS,    /* with a token of somebody else than the connection's */
    FOREIGN_CONNECTIONS, /* connections that saw at least one of those */
    REFUSED,             /* 401: no token on a new connection */
    FAILED,              /* 401: a token that could not be accepted */
    COUNTERS
};

static const char *const counter_names[COUNTERS] = {
    "connections",         "requests", "tokens", "without_token", "foreign_requests",
    "foreign_connections", "refused",  "failed",
};

struct keeper_conf {
    const char *keytab;
};

/* Of one TCP connection; in its conn_config. */
struct identity {
    const char *name; /* NULL until the first token was accepted */
    bool foreign;
};

static _Atomic uint64_t *counters; /* shared by all children; made before they are */
static gss_cred_id_t acceptor = GSS_C_NO_CREDENTIAL; /* of this child */

static void count(enum counter which)
{
    atomic_fetch_add_explicit(&counters[which], 1, memory_order_relaxed);
}

static void log_gss(request_rec *r, const char *what, OM_uint32 major, OM_uint32 minor)
{
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER, cause = GSS_C_EMPTY_BUFFER;
    OM_uint32 ignored, context = 0, context2 = 0;

    gss_display_status(&ignored, major, GSS_C_GSS_CODE, GSS_C_NO_OID, &context, &text);
    gss_display_status(&ignored, minor, GSS_C_MECH_CODE, GSS_C_NO_OID, &context2, &cause);
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "keeper: %s: %.*s: %.*s", what, (int)text.length,
                  (char *)text.value, (int)cause.length, (char *)cause.value);
    gss_release_buffer(&ignored, &text);
    gss_release_buffer(&ignored, &cause);
}

/* Who sent this token; NULL and a log line when it is not valid. Memory of p. */
static const char *accept_token(request_rec *r, const char *encoded, apr_pool_t *p)
{
    gss_buffer_desc input, output = GSS_C_EMPTY_BUFFER, shown = GSS_C_EMPTY_BUFFER;
    gss_ctx_id_t context = GSS_C_NO_CONTEXT;
    gss_name_t client = GSS_C_NO_NAME;
    OM_uint32 major, minor, ignored;
    const char *name = NULL;

    input.value = apr_palloc(r->pool, (apr_size_t)apr_base64_decode_len(encoded) + 1);
    input.length = (size_t)apr_base64_decode_binary(input.value, encoded);
    major = gss_accept_sec_context(&minor, &context, acceptor, &input, GSS_C_NO_CHANNEL_BINDINGS,
                                   &client, NULL, &output, NULL, NULL, NULL);
    if (major != GSS_S_COMPLETE) {
        log_gss(r, "gss_accept_sec_context", major, minor);
    } else if (GSS_ERROR(major = gss_display_name(&minor, client, &shown, NULL))) {
        log_gss(r, "gss_display_name", major, minor);
    } else {
        name = apr_pstrmemdup(p, shown.value, shown.length);
    }
    gss_release_buffer(&ignored, &shown);
    gss_release_buffer(&ignored, &output);
    gss_release_name(&ignored, &client);
    gss_delete_sec_context(&ignored, &context, GSS_C_NO_BUFFER);
    return name;
}

static struct identity *identity_of(conn_rec *c)
{
    struct identity *kept = ap_get_module_config(c->conn_config, &identity_keeper_module);

    if (kept == NULL) {
        kept = apr_pcalloc(c->pool, sizeof(*kept));
        ap_set_module_config(c->conn_config, &identity_keeper_module, kept);
    }
    return kept;
}

static int challenge(request_rec *r, enum counter why)
{
    count(why);
    apr_table_setn(r->err_headers_out, "WWW-Authenticate", "Negotiate");
    return HTTP_UNAUTHORIZED;
}

static int authenticate(request_rec *r)
{
    const char *type = ap_auth_type(r), *header;
    struct identity *kept;
    const char *name = NULL;

    if (type == NULL || strcasecmp(type, "Keeper") != 0) {
        return DECLINED;
    }
    kept = identity_of(r->connection);
    header = apr_table_get(r->headers_in, "Authorization");
    if (header != NULL && strncasecmp(header, "Negotiate ", 10) == 0) {
        name = accept_token(r, header + 10, r->connection->pool);
        if (name == NULL) {
            return challenge(r, FAILED);
        }
        apr_table_setn(r->err_headers_out, "X-Keeper-Token", name);
    }
    if (kept->name == NULL && name == NULL) {
        return challenge(r, REFUSED);
    }
    if (kept->name == NULL) {
        kept->name = name;
        count(CONNECTIONS);
    } else if (name != NULL && strcmp(name, kept->name) != 0) {
        count(FOREIGN_REQUESTS);
        if (!kept->foreign) {
            kept->foreign = true;
            count(FOREIGN_CONNECTIONS);
        }
    }
    count(REQUESTS);
    count(name ? TOKENS : WITHOUT_TOKEN);
    r->user = apr_pstrdup(r->pool, kept->name);
    r->ap_auth_type = "Keeper";
    return OK;
}

static int report(request_rec *r)
{
    if (r->handler == NULL || strcmp(r->handler, "keeper-report") != 0) {
        return DECLINED;
    }
    ap_set_content_type(r, "application/json");
    for (int i = 0; i < COUNTERS; i++) {
        ap_rprintf(r, "%s\"%s\": %" APR_UINT64_T_FMT, i ? ", " : "{", counter_names[i],
                   (apr_uint64_t)atomic_load(&counters[i]));
    }
    ap_rputs("}\n", r);
    if (r->args != NULL && strcmp(r->args, "reset") == 0) {
        for (int i = 0; i < COUNTERS; i++) {
            atomic_store(&counters[i], 0);
        }
    }
    return OK;
}

/* ---- life cycle ------------------------------------------------------------------------------ */

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    apr_shm_t *shared;
    apr_status_t rv = apr_shm_create(&shared, COUNTERS * sizeof(uint64_t), NULL, pconf);

    (void)plog;
    (void)ptemp;
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s, "keeper: no shared memory");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    counters = apr_shm_baseaddr_get(shared);
    for (int i = 0; i < COUNTERS; i++) {
        atomic_init(&counters[i], 0);
    }
    return OK;
}

static void child_init(apr_pool_t *p, server_rec *s)
{
    const struct keeper_conf *conf =
        ap_get_module_config(s->module_config, &identity_keeper_module);
    gss_key_value_element_desc element = {"keytab", conf->keytab};
    gss_key_value_set_desc store = {1, &element};
    OM_uint32 major, minor;

    (void)p;
    if (conf->keytab == NULL) {
        return;
    }
    major = gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, GSS_C_NO_OID_SET,
                                  GSS_C_ACCEPT, &store, &acceptor, NULL, NULL);
    if (GSS_ERROR(major)) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, "keeper: no credential from %s (%u, %u)",
                     conf->keytab, major, minor);
    }
}

static void *create_conf(apr_pool_t *p, server_rec *s)
{
    (void)s;
    return apr_pcalloc(p, sizeof(struct keeper_conf));
}

static const char *set_keytab(cmd_parms *cmd, void *unused, const char *value)
{
    struct keeper_conf *conf =
        ap_get_module_config(cmd->server->module_config, &identity_keeper_module);

    (void)unused;
    conf->keytab = value;
    return ap_check_cmd_context(cmd, GLOBAL_ONLY);
}

static const command_rec directives[] = {
    AP_INIT_TAKE1("KeeperKeytab", set_keytab, NULL, RSRC_CONF, "keytab of the service"), {NULL}};

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_authn(authenticate, NULL, NULL, APR_HOOK_MIDDLE, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_handler(report, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA identity_keeper_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, create_conf, NULL, directives, register_hooks,
    AP_MODULE_FLAG_NONE};
