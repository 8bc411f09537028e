/* SPDX-License-Identifier: Apache-2.0
 *
 * The login at an LDAP server: TLS where it belongs, then a bind by keytab (SASL/GSSAPI) or by
 * password, so that nothing said later can be read or changed on the way. Any thread. Private to
 * io/.
 */
#ifndef CBA_LOGIN_H
#define CBA_LOGIN_H

#include "cba_conn.h"
#include "cba_service.h"

/* The members are those of struct cba_directory_conf. Borrowed. */
struct cba_login {
    const char *bind_dn;
    const char *password_file;
    const char *ca_file;
};

/* By the deadline of the wire. CBA_R_OK, DIR_UNREACHABLE, DIR_TIMEOUT, DIR_ANSWER, DIR_TLS,
 * DIR_BIND, DIR_PASSWORD, KRB_*, LIFE_MEMORY. */
enum cba_reason cba_login_perform(const struct cba_login *login, struct cba_conn *conn,
                                  struct cba_service *service, struct cba_result *result);

#endif
