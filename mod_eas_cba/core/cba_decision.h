/* SPDX-License-Identifier: Apache-2.0
 *
 * The decision: who reads whose mail. Two functions over a table of ports: what the gateway knows
 * about a request and its certificate, the rules of its Location, and what directory and KDC
 * answer, become one reason. The ports are bound by the server to the real directory and KDC, by
 * the tests to fakes. Nothing is kept between calls; any thread that the ports can stand.
 */
#ifndef CBA_DECISION_H
#define CBA_DECISION_H

#include "cba_mapping.h"
#include "cba_query.h"
#include "cba_request.h"

/* The rules of one Location. Read-only during a decision. */
struct cba_rules {
    enum cba_protocol protocol;
    bool enforce;              /* refuse what is malformed by that protocol; else remark on it */
    uint32_t commands;         /* set of ActiveSync commands that are let through */
    bool user_match;           /* the user that an ActiveSync query names must be the account */
    unsigned methods;          /* set of enum cba_method that may grant */
    bool strong;               /* refuse weak mappings */
    const char *const *usages; /* wanted extended key usages, dotted */
    size_t usage_count;
    bool ntauth; /* the issuing CA must be in the forest's NTAuthCertificates */
};

/* The TLS peer, as mod_ssl verified it. Spans are borrowed. */
struct cba_peer {
    bool tls;               /* the connection is TLS */
    bool astray;            /* ... set up for another virtual host than the request's */
    struct cba_span verify; /* SSL_CLIENT_VERIFY: "SUCCESS", "NONE", "GENEROUS" or "FAILED:..." */
    struct cba_span der; /* the client certificate; empty: none, or with SUCCESS no memory for it */
};

/* What the S4U2Self exchange yielded, for the decision: the evidence itself stays with the port. */
struct cba_evidence_facts {
    char client[CBA_SAM_MAX + 1];   /* client name of the ticket, without the realm */
    char realm[CBA_DOMAIN_MAX + 1]; /* its realm */
    struct cba_sid sid;             /* from the verified PAC; len 0: the PAC has none */
    bool groups_known;              /* the verified PAC says in which groups the account is */
    bool protected_user;            /* Protected Users is one of them, nested or not */
};

/* What the forest says of a certificate's issuer. Zeroed: nobody may issue. */
struct cba_ntauth_facts {
    bool any;    /* NTAuthCertificates names at least one CA */
    bool issued; /* one of them, valid now, issued this certificate */
};

struct cba_ports {
    void *ctx;
    /* The facts of a certificate, as cba_cert_parse gives them or gave them for the same bytes
     * before; NULL: cba_cert_parse itself. */
    enum cba_reason (*parse)(void *ctx, struct cba_span der, struct cba_cert *cert,
                             struct cba_result *result);
    /* Facts of the accounts that the certificate's identities resolve to. CBA_R_OK, or DIR_*,
     * ACC_INCOMPLETE, ACC_MALFORMED, MAP_NO_IDENTITY, CERT_LIMIT, LIFE_*. */
    enum cba_reason (*find)(void *ctx, const struct cba_cert *cert, struct cba_answer *answer,
                            struct cba_result *result);
    /* S4U2Self for sam@REALM (MS-SFU 3.1.5.1.1), its PAC verified. CBA_R_OK or KRB_*, LIFE_*. */
    enum cba_reason (*evidence)(void *ctx, const struct cba_account *account,
                                struct cba_evidence_facts *facts, struct cba_result *result);
    /* S4U2Proxy with that evidence to the SPN (MS-SFU 3.1.5.2.1). CBA_R_OK or KRB_*, LIFE_*. */
    enum cba_reason (*ticket)(void *ctx, const char *spn, struct cba_result *result);
    /* Is the issuer of this certificate (der, parsed as cert) in NTAuthCertificates? CBA_R_OK with
     * *facts, or DIR_*, KRB_* (of the gateway's own login), LIFE_*. */
    enum cba_reason (*ntauth)(void *ctx, struct cba_span der, const struct cba_cert *cert,
                              struct cba_ntauth_facts *facts, struct cba_result *result);
};

/* The outcome for one request. Zeroed means undecided, which is a refusal. */
struct cba_decision {
    enum cba_reason reason;
    enum cba_method method;              /* which identity granted, or was concerned */
    char issuer[CBA_NAME_TEXT_MAX + 1];  /* of the certificate, for the log; "": not parsed */
    char serial[2 * CBA_SERIAL_MAX + 1]; /* likewise */
    bool weak;                           /* let in by what KB5014754 calls weak */
    bool has_account;                    /* account is set: the one let in, or the one refused */
    struct cba_account account;
    struct cba_result result; /* detail for the log */
    struct cba_query query;   /* ActiveSync: what the query says, as far as it was understood */
    /* A message for the log that refuses nothing, with its detail; UNDECIDED: none. */
    enum cba_reason remark;
    struct cba_result remark_result;
};

/* May this request be proxied, and as whom? now: seconds since 1970. Fills *out and returns
 * out->reason. Reads no body, writes nothing else. Uses ports->parse, ports->find and, where the
 * rules say so, ports->ntauth. */
enum cba_reason cba_decision_access(const struct cba_request *request, const struct cba_peer *peer,
                                    const struct cba_rules *rules, int64_t now,
                                    const struct cba_ports *ports, struct cba_decision *out);

/* Get a ticket for this account to this SPN: evidence, its client name and SID compared with the
 * account, then the ticket. Uses ports->evidence and ports->ticket, the latter only when all three
 * agree (names but for ASCII case; KRB_CLIENT_NAME, KRB_PAC_MISSING, KRB_PAC_SID) and the account is
 * known not to be in Protected Users (KRB_PAC_MISSING, KRB_PROTECTED). CBA_R_OK or KRB_*, LIFE_*.
 */
enum cba_reason cba_decision_delegate(const struct cba_account *account, const char *spn,
                                      const struct cba_ports *ports, struct cba_result *result);

#endif
