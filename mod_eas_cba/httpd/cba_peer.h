/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS peer of a request: what mod_ssl verified, also on resumed sessions and HTTP/2 streams.
 */
#ifndef CBA_PEER_H
#define CBA_PEER_H

#include "cba_module.h"
#include "cba_decision.h"

/* Fills *peer; its spans live as long as r, and so does what is returned: the key of the certificate
 * (cba_certificates_key), NULL where there is none. A certificate for which there is no memory is
 * empty, with verify still saying SUCCESS: that is never mistaken for "none". */
const unsigned char *cba_peer_of(request_rec *r, struct cba_peer *peer);

/* In pre_config: forgets what was known of the servers' TLS. */
void cba_peer_prepare(apr_pool_t *pconf);

/* Hooks of mod_ssl. */
void cba_peer_register(void);

#endif
