/* SPDX-License-Identifier: Apache-2.0
 *
 * mod_proxy, found at run time: its functions are ordinary symbols, so a module that refers to them
 * can only be loaded after it. Here they are looked up when all modules are there, and the order of
 * LoadModule does not matter.
 */
#ifndef CBA_MOD_PROXY_H
#define CBA_MOD_PROXY_H

#include <stdbool.h>
#include <ap_mmn.h>
#include <mod_proxy.h>

#include "cba_module.h"

#if !AP_MODULE_MAGIC_AT_LEAST(20120211, 130)
#error "mod_eas_cba needs httpd 2.4.59 or later: before it, proxy_worker has no address"
#endif

/* pre_config: finds mod_proxy and hooks the scheme handler before mod_proxy_http's. False:
 * mod_proxy is not loaded, or too old. */
bool cba_mod_proxy_attach(apr_pool_t *pconf,
                          int (*handler)(request_rec *r, proxy_worker *worker,
                                         proxy_server_conf *conf, char *url, const char *proxyname,
                                         apr_port_t proxyport));

/* Was it found? */
bool cba_mod_proxy_attached(void);

/* May structs of mod_proxy be copied? Only if the running mod_proxy is the one whose headers this
 * module was compiled with. */
bool cba_mod_proxy_is_ours(void);

/* Runs the scheme handlers, ours included. */
int cba_mod_proxy_run(request_rec *r, proxy_worker *worker, proxy_server_conf *conf, char *url,
                      const char *proxyname, apr_port_t proxyport);

/* child_init where cba_mod_proxy_is_ours() is false: no https worker of a server with protected
 * Locations keeps its connections. */
void cba_mod_proxy_end_reuse(server_rec *s);

#endif
