/* SPDX-License-Identifier: Apache-2.0
 *
 * The transport to KDCs: TCP (RFC 4120 7.2.2), under the caller's deadline, instead of libkrb5's
 * own, whose time limits cannot be set (18 to 25 s with one silent KDC, in 1.20). Belongs to one
 * krb5_context, and so to one thread at a time; which KDC failed lately is remembered for the whole
 * process. Private to io/.
 */
#ifndef CBA_KDC_H
#define CBA_KDC_H

#include <krb5.h>

#include "cba_deadline.h"
#include "cba_limits.h"
#include "cba_reason.h"

/* How the last exchange with a KDC ended. */
enum cba_kdc_outcome {
    CBA_KDC_NONE, /* none of ours: nothing was sent, or libkrb5 sent it */
    CBA_KDC_ANSWERED,
    CBA_KDC_UNREACHABLE, /* every KDC failed */
    CBA_KDC_LATE         /* the deadline came first */
};

#define CBA_KDC_TEXT_MAX (CBA_DOMAIN_MAX + 8) /* host and port */

struct cba_kdc {
    struct cba_deadline deadline;
    /* KDCs of that realm, instead of those that krb5.conf lists: "host", "host:port" or
     * "[address]:port" in order of preference. Borrowed; server_count 0: none. */
    const char *realm;
    const char *const *servers;
    size_t server_count;
    enum cba_kdc_outcome outcome;
    struct cba_result result; /* which KDC failed how, where the outcome is a failure */
    uint32_t status; /* NTSTATUS that came with the last KRB-ERROR (MS-KILE 2.2.2); 0: none */
};

/* From now on the context sends by this transport. kdc is the caller's, filled in, and must
 * outlive the context's last exchange. */
void cba_kdc_attach(krb5_context context, struct cba_kdc *kdc);

/* The NTSTATUS in the e-data of a KRB-ERROR, where it has the form that domain controllers give
 * it; 0 otherwise. */
uint32_t cba_kdc_status(const krb5_data *e_data);

#endif
