/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_srv.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <arpa/nameser.h>
#include <netdb.h>
#include <openssl/rand.h>
#include <resolv.h>

#define ANSWER_MAX 16384 /* some hundred records */
#define TRY_S      1     /* one name server may take */

/* Is host inside the domain, or the domain itself? A trailing dot was never there (dn_expand leaves
 * it out). */
static bool inside(const char *host, const char *domain)
{
    size_t host_len = strlen(host), len = strlen(domain);
    const char *tail;

    if (host_len < len || len == 0) {
        return false;
    }
    tail = host + host_len - len;
    return cba_span_equal_nocase(cba_span_str(tail), cba_span_str(domain)) &&
           (host_len == len || tail[-1] == '.');
}

/* What may stand in a URL and an SPN without a second thought. dn_expand escapes everything else by
 * a backslash. */
static bool plain_name(const char *host)
{
    for (const char *c = host; *c; c++) {
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
              *c == '-' || *c == '.' || *c == '_')) {
            return false;
        }
    }
    return *host != '\0' && *host != '-' && *host != '.';
}

bool cba_srv_parse(struct cba_span answer, const char *domain, struct cba_srv servers[CBA_SRV_MAX],
                   size_t *count)
{
    ns_msg msg;
    ns_rr rr;

    *count = 0;
    if (answer.len > ANSWER_MAX || ns_initparse(answer.ptr, (int)answer.len, &msg)) {
        return false;
    }
    for (int i = 0; i < ns_msg_count(msg, ns_s_an) && *count < CBA_SRV_MAX; i++) {
        struct cba_srv *server = &servers[*count];
        const unsigned char *data;

        if (ns_parserr(&msg, ns_s_an, i, &rr)) {
            return false;
        }
        if (ns_rr_type(rr) != ns_t_srv || ns_rr_class(rr) != ns_c_in) {
            continue; /* a CNAME on the way */
        }
        /* priority, weight, port, target (RFC 2782) */
        data = ns_rr_rdata(rr);
        if (ns_rr_rdlen(rr) < 7 || dn_expand(ns_msg_base(msg), ns_msg_end(msg), data + 6,
                                             server->host, sizeof server->host) < 0) {
            return false;
        }
        server->priority = (uint16_t)(data[0] << 8 | data[1]);
        server->weight = (uint16_t)(data[2] << 8 | data[3]);
        server->port = (uint16_t)(data[4] << 8 | data[5]);
        if (server->port != 0 && plain_name(server->host) && inside(server->host, domain)) {
            (*count)++;
        }
    }
    return true;
}

/* A number below limit; the choice need not be unpredictable, only spread. */
static unsigned chance(unsigned limit)
{
    unsigned value = 0;

    (void)RAND_bytes((unsigned char *)&value, sizeof value);
    return limit ? value % limit : 0;
}

static void swap(struct cba_srv *a, struct cba_srv *b)
{
    struct cba_srv keep = *a;

    *a = *b;
    *b = keep;
}

/* RFC 2782's order: from those of the lowest priority that are left, each by chance in proportion
 * to its weight. */
static void order(struct cba_srv *servers, size_t count)
{
    for (size_t at = 0; at + 1 < count; at++) {
        unsigned lowest = UINT16_MAX, sum = 0, pick;

        for (size_t i = at; i < count; i++) {
            lowest = servers[i].priority < lowest ? servers[i].priority : lowest;
        }
        /* A weight of 0 has a small chance, too. */
        for (size_t i = at; i < count; i++) {
            sum += servers[i].priority == lowest ? servers[i].weight + 1u : 0;
        }
        pick = chance(sum);
        for (size_t i = at; i < count; i++) {
            unsigned weight = servers[i].priority == lowest ? servers[i].weight + 1u : 0;

            if (pick < weight) {
                swap(&servers[at], &servers[i]);
                break;
            }
            pick -= weight;
        }
    }
}

/* One question to as many name servers as the time allows. Length of the answer; -1: none, *gone
 * where the name does not exist. */
static int ask(const char *name, struct cba_deadline deadline, unsigned char answer[ANSWER_MAX],
               bool *gone)
{
    struct __res_state state;
    int len = -1, most = cba_deadline_left_ms(deadline) / (TRY_S * 1000);

    memset(&state, 0, sizeof state);
    *gone = false;
    if (res_ninit(&state)) {
        return -1;
    }
    state.retrans = TRY_S;
    state.retry = 1;
    if (state.nscount > most) {
        state.nscount = most > 0 ? most : 1;
    }
    len = res_nquery(&state, name, ns_c_in, ns_t_srv, answer, ANSWER_MAX);
    if (len < 0) {
        *gone = state.res_h_errno == HOST_NOT_FOUND || state.res_h_errno == NO_DATA;
    }
    res_nclose(&state);
    return len > ANSWER_MAX ? -1 : len;
}

enum cba_reason cba_srv_find(const char *service, const char *domain, struct cba_deadline deadline,
                             struct cba_srv servers[CBA_SRV_MAX], size_t *count,
                             struct cba_result *result)
{
    /* Domain controllers first; a domain that has none registered there may still have servers. */
    static const char *const prefixes[] = {"_tcp.dc._msdcs", "_tcp"};
    unsigned char answer[ANSWER_MAX];
    char name[CBA_DOMAIN_MAX + 48];

    *count = 0;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        bool gone = false;
        int len = snprintf(name, sizeof name, "%s.%s.%s", service, prefixes[i], domain);

        if (len < 0 || (size_t)len >= sizeof name) {
            break;
        }
        len = ask(name, deadline, answer, &gone);
        if (len < 0 && !gone) {
            cba_result_set(result, "SRV %s: no name server answered", name);
            return CBA_R_DIR_TIMEOUT;
        }
        if (len >= 0 && !cba_srv_parse(cba_span_of(answer, (size_t)len), domain, servers, count)) {
            cba_result_set(result, "SRV %s: the answer is malformed", name);
            return CBA_R_DIR_NO_SERVER;
        }
        if (*count > 0) {
            order(servers, *count);
            return CBA_R_OK;
        }
    }
    cba_result_set(result, "SRV %s: no server inside the domain", name);
    return CBA_R_DIR_NO_SERVER;
}
