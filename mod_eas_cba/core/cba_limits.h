/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits of what the gateway accepts from certificates, requests and the directory. Whatever is
 * longer is refused with a reason, never cut. Lengths are in bytes without the terminating NUL.
 */
#ifndef CBA_LIMITS_H
#define CBA_LIMITS_H

#define CBA_CERT_DER_MAX   65536 /* a certificate */
#define CBA_EXTENSION_MAX  64    /* extensions of a certificate */
#define CBA_SID_TEXT_MAX   184   /* "S-1-..." with 15 sub-authorities (MS-DTYP 2.4.2.1) */
#define CBA_SID_BINARY_MAX 68    /* 8 + 4 * 15 (MS-DTYP 2.4.2.2) */
#define CBA_UPN_MAX        1024  /* rangeUpper of userPrincipalName in the AD schema */
#define CBA_SAM_MAX        256   /* rangeUpper of sAMAccountName in the AD schema */
#define CBA_DOMAIN_MAX     255   /* a DNS name (RFC 1035 2.3.4) */
#define CBA_DN_MAX         2048  /* a distinguished name in the directory */
#define CBA_EKU_MAX        16    /* usages of a certificate */
#define CBA_OID_MAX        127   /* an object identifier in dotted form */
#define CBA_SERIAL_MAX     20    /* a serial number (RFC 5280 4.1.2.2) */
#define CBA_NAME_TEXT_MAX  512   /* an issuer's name in a log line */
#define CBA_NAME_MAX       1024  /* an issuer's or subject's name in Microsoft's text */
#define CBA_SKI_MAX        64    /* a subject key identifier */
#define CBA_MAIL_MAX       254   /* a mail address (RFC 5321 4.5.3.1.3) */
#define CBA_MAILS          8     /* different mail addresses in a certificate */
#define CBA_SUBJECT_UPNS   4     /* different UPNs in a certificate's subject */
#define CBA_FILTER_MAX     32768 /* an LDAP filter: every identity, escaped */
#define CBA_NTAUTH_MAX     256   /* authorities in NTAuthCertificates */
#define CBA_KDCS_MAX       16    /* KDCs of a realm that are named or found */
#define CBA_GROUPS_MAX     1024  /* groups of an account; no logon of Windows has more than 1,015 */
#define CBA_SPN_MAX        512   /* a service principal name */
#define CBA_TARGET_MAX     65536 /* a request target */
#define CBA_QUERY_MAX      8192  /* an ActiveSync query, as sent */
#define CBA_DEVICE_ID_MAX  64    /* a device id; MS-ASHTTP says 32, longer ones are met */
#define CBA_DEVICE_MAX     128   /* a device id as text: two hex digits for each byte */
#define CBA_TYPE_MAX       255   /* a device type: its length is one byte in the base64 form */
#define CBA_DISCOVERY_MAX  16384 /* the body of an Autodiscover request, which needs 400 */

#endif
