/* SPDX-License-Identifier: Apache-2.0
 *
 * mod_eas_cba: publishes Exchange ActiveSync to phones that hold a client certificate and no
 * password. This file is the module record and the place of every hook, with the reason for it.
 */
#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>

#include "cba_answer.h"
#include "cba_attempt.h"
#include "cba_conf.h"
#include "cba_conf_check.h"
#include "cba_gate.h"
#include "cba_gateway.h"
#include "cba_group.h"
#include "cba_hold.h"
#include "cba_peer.h"
#include "cba_private.h"
#include "cba_proxy.h"
#include "cba_report.h"
#include "cba_shared.h"
#include "cba_spool.h"
#include "cba_store.h"

static int pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog;
    (void)ptemp;
    /* Without mod_proxy nothing is proxied; check_config says so where a Location is protected. */
    cba_mod_proxy_attach(pconf, cba_proxy_scheme_handler);
    cba_peer_prepare(pconf);
    cba_store_pre_config(pconf);
    return OK;
}

static bool protects_anything(server_rec *s)
{
    for (; s; s = s->next) {
        if (cba_conf_srv(s)->protects) {
            return true;
        }
    }
    return false;
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    (void)plog;
    if (!protects_anything(s)) {
        return OK;
    }
    if (cba_conf_spool_prepare(ptemp, s) != APR_SUCCESS ||
        cba_spool_post_config(pconf) != APR_SUCCESS || cba_hold_post_config(pconf) != APR_SUCCESS) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    /* httpd reads its configuration twice at start; what is made the first time would be thrown
     * away. */
    if (ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_CREATE_PRE_CONFIG &&
        cba_shared_post_config(pconf, ptemp, s) != APR_SUCCESS) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (!cba_mod_proxy_is_ours()) {
        cba_report_server(s, CBA_R_WARN_MMN, NULL);
    }
    return OK;
}

static void child_init(apr_pool_t *pchild, server_rec *s)
{
    if (!protects_anything(s)) {
        return;
    }
    cba_spool_child_init(pchild);
    if (!cba_mod_proxy_is_ours()) {
        cba_mod_proxy_end_reuse(s);
    }
    cba_shared_child_init(pchild, s);
    cba_private_child_init(pchild);
    cba_gateway_child_init(pchild, s);
}

static void register_hooks(apr_pool_t *pool)
{
    static const char *const after_ssl[] = {"mod_ssl.c", NULL};

    /* All LoadModule lines have been obeyed by then, whatever their order. */
    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    /* "apachectl configtest" runs this and stops before post_config. */
    ap_hook_check_config(cba_conf_check, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    /* Kerberos and LDAP handles do not survive a fork. */
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);

    /* After mod_ssl's own check, which may ask for a certificate; the access phase has read no
     * body. PER_URI: decided for each URI. */
    ap_hook_check_access(cba_gate_access, after_ssl, NULL, APR_HOOK_LAST, AP_AUTH_INTERNAL_PER_URI);
    /* Before every other authentication: who was admitted has a user already, and none of them
     * shall ask for a password. */
    ap_hook_check_authn(cba_gate_authn, NULL, NULL, APR_HOOK_REALLY_FIRST,
                        AP_AUTH_INTERNAL_PER_URI);
    /* Around every other authorization (Require), so that what it refuses has a number and is a
     * 403. */
    ap_hook_check_access_ex(cba_gate_access_ex, NULL, NULL, APR_HOOK_REALLY_FIRST,
                            AP_AUTH_INTERNAL_PER_URI);
    ap_hook_check_authz(cba_gate_authz, NULL, NULL, APR_HOOK_REALLY_FIRST,
                        AP_AUTH_INTERNAL_PER_URI);
    /* httpd skips the access phase for an internal redirect or subrequest under the same
     * configuration; this phase it runs for all. */
    ap_hook_fixups(cba_gate_fixups, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_insert_error_filter(cba_gate_error, NULL, NULL, APR_HOOK_REALLY_LAST);
    /* Before mod_proxy's handler: the body is read before a back-end connection is taken. */
    ap_hook_handler(cba_proxy_handler, NULL, NULL, APR_HOOK_REALLY_FIRST);

    cba_peer_register();
    /* mod_authz_core looks for it when it reads the first Require that names it. */
    cba_group_register(pool);
    cba_answer_register();
    cba_attempt_register();
    cba_hold_register();
    cba_spool_register();
    cba_proxy_register();
}

/* The record is spelled out instead of using AP_DECLARE_MODULE, which would define the module's log
 * index a second time. */
module AP_MODULE_DECLARE_DATA eas_cba_module = {
    STANDARD20_MODULE_STUFF, cba_conf_dir_create, cba_conf_dir_merge, cba_conf_srv_create,
    cba_conf_srv_merge,      cba_conf_commands,   register_hooks,     0,
};
