/* SPDX-License-Identifier: Apache-2.0
 *
 * A profile: krb5.conf as it is, but for where one realm's KDCs are. libkrb5 looks for them before it
 * hands anything to a transport, by DNS if need be; it is told that there is one, and the transport
 * knows better. Belongs to one krb5_context, and so to one thread at a time. Private to io/.
 */
#ifndef CBA_PROFILE_H
#define CBA_PROFILE_H

#include <krb5.h>

/* A context like that of krb5_init_context, for which the realm has a KDC. The same errors. */
krb5_error_code cba_profile_context(const char *realm, krb5_context *out);

/* Where does krb5.conf let the realm's KDCs be found? */
enum cba_profile_kdcs {
    CBA_PROFILE_LISTED, /* in itself */
    CBA_PROFILE_DNS,
    CBA_PROFILE_NOWHERE
};
enum cba_profile_kdcs cba_profile_kdcs(krb5_context context, const char *realm);

#endif
