/* SPDX-License-Identifier: Apache-2.0
 *
 * What every file of httpd/ shares: the module record, so that log lines carry its name and
 * LogLevel eas_cba: works.
 */
#ifndef CBA_MODULE_H
#define CBA_MODULE_H

#include <httpd.h>
#include <http_config.h>

extern module AP_MODULE_DECLARE_DATA eas_cba_module;
APLOG_USE_MODULE(eas_cba);

#endif
