/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_mod_proxy.h"

#include <ap_mmn.h>
#include <apr_dso.h>

#include "cba_conf.h"

/* The mod_proxy that this module was compiled for. Set by a test that plays another one. */
#ifndef CBA_PROXY_MINOR
#define CBA_PROXY_MINOR MODULE_MAGIC_NUMBER_MINOR
#endif

typedef int scheme_handler_fn(request_rec *r, proxy_worker *worker, proxy_server_conf *conf,
                              char *url, const char *proxyname, apr_port_t proxyport);
typedef void hook_fn(scheme_handler_fn *handler, const char *const *before,
                     const char *const *after, int order);

/* Written in pre_config by the only thread there is, read-only afterwards. */
static scheme_handler_fn *run_scheme_handler;
static bool is_ours;

static void *symbol(apr_dso_handle_t *dso, const char *name)
{
    apr_dso_handle_sym_t address = NULL;

    return apr_dso_sym(&address, dso, name) == APR_SUCCESS ? (void *)address : NULL;
}

bool cba_mod_proxy_attach(apr_pool_t *pconf, scheme_handler_fn *handler)
{
    module *proxy = ap_find_linked_module("mod_proxy.c");
    apr_dso_handle_t *dso = NULL;
    hook_fn *hook;

    run_scheme_handler = NULL;
    is_ours = false;
    if (!proxy) {
        return false;
    }
    dso = proxy->dynamic_load_handle;
    if (!dso && apr_dso_load(&dso, NULL, pconf) != APR_SUCCESS) { /* built into httpd */
        return false;
    }
    /* ISO C has no conversion from object to function pointers; POSIX dlsym() promises that this
     * one works. */
    *(void **)&hook = symbol(dso, "proxy_hook_scheme_handler");
    *(void **)&run_scheme_handler = symbol(dso, "proxy_run_scheme_handler");
    if (!hook || !run_scheme_handler) {
        run_scheme_handler = NULL;
        return false;
    }
    is_ours = proxy->version == MODULE_MAGIC_NUMBER_MAJOR &&
              proxy->minor_version == CBA_PROXY_MINOR;
    /* mod_proxy_http is at APR_HOOK_FIRST: with the same place, the order of LoadModule would
     * decide. */
    hook(handler, NULL, NULL, APR_HOOK_REALLY_FIRST);
    return true;
}

bool cba_mod_proxy_attached(void)
{
    return run_scheme_handler != NULL;
}

bool cba_mod_proxy_is_ours(void)
{
    return is_ours;
}

int cba_mod_proxy_run(request_rec *r, proxy_worker *worker, proxy_server_conf *conf, char *url,
                      const char *proxyname, apr_port_t proxyport)
{
    return run_scheme_handler(r, worker, conf, url, proxyname, proxyport);
}

static void end_reuse(proxy_worker *worker)
{
    if (worker->s && !ap_cstr_casecmp(worker->s->scheme, "https")) {
        worker->s->disablereuse = 1;
    }
}

void cba_mod_proxy_end_reuse(server_rec *s)
{
    module *proxy = ap_find_linked_module("mod_proxy.c");

    for (; s; s = s->next) {
        proxy_server_conf *conf = ap_get_module_config(s->module_config, proxy);
        int i, j;

        if (!cba_conf_srv(s)->protects) {
            continue;
        }
        /* Elements are counted by the size that mod_proxy gave them, not by the one we know. */
        for (i = 0; i < conf->workers->nelts; i++) {
            end_reuse((proxy_worker *)(conf->workers->elts + i * conf->workers->elt_size));
        }
        for (i = 0; i < conf->balancers->nelts; i++) {
            proxy_balancer *balancer =
                (proxy_balancer *)(conf->balancers->elts + i * conf->balancers->elt_size);

            for (j = 0; j < balancer->workers->nelts; j++) {
                end_reuse(APR_ARRAY_IDX(balancer->workers, j, proxy_worker *));
            }
        }
    }
}
