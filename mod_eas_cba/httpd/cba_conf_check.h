/* SPDX-License-Identifier: Apache-2.0
 *
 * The check of the whole configuration, other modules' directives included: everything that would
 * open the gateway or break it and that can be seen before the first phone comes. Runs under
 * "apachectl configtest" too. Parent process, configuration time.
 */
#ifndef CBA_CONF_CHECK_H
#define CBA_CONF_CHECK_H

#include "cba_module.h"

/* check_config hook. Logs every error and warning there is, then returns OK, or
 * HTTP_INTERNAL_SERVER_ERROR if there was an error. Does nothing while httpd dumps its
 * configuration. */
int cba_conf_check(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);

/* post_config: makes the default spool directory (mode 0700, owned by httpd's user) if a server
 * with a protected Location uses it. A directory of EASCertAuthSpool is the administrator's and is
 * left alone. After an error, which it logs, not APR_SUCCESS. */
apr_status_t cba_conf_spool_prepare(apr_pool_t *ptemp, server_rec *s);

#endif
