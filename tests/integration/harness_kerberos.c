/* SPDX-License-Identifier: Apache-2.0
 *
 * The Kerberos floor without httpd, for tests: reads commands from stdin, one a line, and answers
 * each with one line: reason, milliseconds, detail, and what the command yields. Words and fields
 * are separated by tabs. A reason is its symbol of cba_reason.def, or OK.
 *
 *   create KEYTAB PRINCIPAL [KDC]...
 *                               "-" for none; yields principal, realm
 *   destroy
 *   self SAM REALM MS           yields client, realm, SID; the evidence is kept
 *   proxy SPN MS                yields client, end; the ticket is kept
 *   token [HEX]                 application data of channel bindings; yields the token
 *   own SPN MS                  yields the tickets in the ccache
 *   threads N ROUNDS SAM REALM SPN MS
 *                               the whole way in N threads; yields the number of good rounds, the
 *                               longest one in ms, and a token
 *   tokens N ROUNDS             tokens of the kept ticket in N threads; yields the good ones
 *   ticket BYTES SECONDS        keeps a ticket of its own making, so large, good for so long
 *   carry SAM REALM SPN [BYTES] writes the kept ticket out and reads it back in its place, of its bytes
 *                               so many (all); yields client, end, and its length
 *   clock MS                    our monotonic clock goes forward; libkrb5's stays
 *   errors                      yields every reason by stage and error
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cba_krb5.h"
#include "cba_s4u.h"
#include "cba_service.h"
#include "cba_sid.h"
#include "cba_ticket.h"

#define WORDS   8
#define THREADS 64

static struct cba_service *service;
static struct cba_evidence *evidence;
static struct cba_ticket *ticket;
static int64_t started_ms;
static atomic_llong forward_ms;

/* The linker puts it in the place of clock_gettime (--wrap), in our objects alone. */
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    int code = __real_clock_gettime(clock, now);

    now->tv_sec += (time_t)(atomic_load(&forward_ms) / 1000);
    return code;
}

static const char *symbol(enum cba_reason reason)
{
    return cba_reason_info(reason)->symbol;
}

static void answer(enum cba_reason reason, const struct cba_result *result)
{
    printf("%s\t%lld\t%s", symbol(reason), (long long)(cba_deadline_clock_ms() - started_ms),
           result->detail);
}

static struct cba_deadline in_ms(const char *word)
{
    return cba_deadline_in_ms(strtoll(word, NULL, 10));
}

static const char *given(const char *word)
{
    return strcmp(word, "-") == 0 ? NULL : word;
}

/* --- one thing at a time --- */

static void do_create(char **word, struct cba_result *result)
{
    static char kdcs[WORDS][128];
    const char *list[WORDS];
    struct cba_service_conf conf = {
        .keytab = given(word[1]), .principal = given(word[2]), .kdcs = list};
    enum cba_reason reason;

    /* The service keeps the pointers, and word[] is of this line. */
    for (char **kdc = word + 3; *kdc != NULL; kdc++) {
        snprintf(kdcs[conf.kdc_count], sizeof kdcs[0], "%s", *kdc);
        list[conf.kdc_count] = kdcs[conf.kdc_count];
        conf.kdc_count++;
    }
    reason = cba_service_create(&conf, &service, result);

    answer(reason, result);
    if (reason == CBA_R_OK) {
        printf("\t%s\t%s", cba_service_principal(service), cba_service_realm(service));
    }
}

static void forget(void)
{
    cba_evidence_free(evidence);
    evidence = NULL;
    cba_ticket_unref(ticket);
    ticket = NULL;
}

static void do_destroy(struct cba_result *result)
{
    forget();
    cba_service_destroy(service);
    service = NULL;
    answer(CBA_R_OK, result);
}

static void do_self(char **word, struct cba_result *result)
{
    struct cba_evidence_facts facts;
    char sid[CBA_SID_TEXT_MAX + 1];
    enum cba_reason reason;

    cba_evidence_free(evidence);
    reason = cba_s4u_self(service, word[1], word[2], in_ms(word[3]), &evidence, &facts, result);
    cba_sid_format(&facts.sid, sid);
    answer(reason, result);
    printf("\t%s\t%s\t%s", facts.client, facts.realm, sid);
}

static void do_proxy(char **word, struct cba_result *result)
{
    enum cba_reason reason;

    cba_ticket_unref(ticket);
    reason = cba_s4u_proxy(service, evidence, word[1], in_ms(word[2]), &ticket, result);
    answer(reason, result);
    if (reason == CBA_R_OK) {
        printf("\t%s\t%lld", cba_ticket_client(ticket), (long long)cba_ticket_expires(ticket));
    }
}

static size_t from_hex(const char *hex, unsigned char *out, size_t size)
{
    size_t n = 0;
    unsigned value;

    while (hex[0] != '\0' && hex[1] != '\0' && n < size) {
        char pair[3] = {hex[0], hex[1], '\0'};

        value = (unsigned)strtoul(pair, NULL, 16);
        out[n++] = (unsigned char)value;
        hex += 2;
    }
    return n;
}

static void do_token(char **word, struct cba_result *result)
{
    unsigned char bindings[256];
    size_t len = word[1] != NULL ? from_hex(word[1], bindings, sizeof bindings) : 0;
    char *base64;
    enum cba_reason reason = cba_ticket_token(ticket, cba_span_of(bindings, len), &base64, result);

    answer(reason, result);
    printf("\t%s", base64 != NULL ? base64 : "");
    cba_token_free(base64);
}

/* What the shared cache does with a ticket. */
static void do_carry(char **word, struct cba_result *result)
{
    struct cba_ticket *read = NULL;
    unsigned char *bytes;
    size_t len, given_len;
    enum cba_reason reason = cba_ticket_export(ticket, &bytes, &len, result);

    if (reason == CBA_R_OK) {
        /* A block of its own, so that ASan sees the first byte read beyond it. */
        unsigned char *exact;

        given_len = word[4] != NULL ? strtoul(word[4], NULL, 10) : len;
        exact = malloc(given_len);
        memcpy(exact, bytes, given_len);
        reason = cba_ticket_import(cba_span_of(exact, given_len), word[1], word[2], word[3],
                                   cba_service_realm(service), &read, result);
        free(exact);
    }
    cba_ticket_bytes_free(bytes, len);
    answer(reason, result);
    if (reason == CBA_R_OK) {
        cba_ticket_unref(ticket);
        ticket = read;
        printf("\t%s\t%lld\t%zu", cba_ticket_client(ticket), (long long)cba_ticket_expires(ticket),
               len);
    }
}

/* Every ticket in a ccache, by libkrb5's own means. */
static void list(const char *name)
{
    krb5_context context;
    krb5_ccache ccache;
    krb5_cc_cursor cursor;
    krb5_creds creds;
    char *client, *server;

    if (krb5_init_context(&context) != 0 || krb5_cc_resolve(context, name, &ccache) != 0) {
        return;
    }
    if (krb5_cc_start_seq_get(context, ccache, &cursor) == 0) {
        while (krb5_cc_next_cred(context, ccache, &cursor, &creds) == 0) {
            krb5_unparse_name(context, creds.client, &client);
            krb5_unparse_name(context, creds.server, &server);
            printf("\t%s>%s", client, server);
            krb5_free_unparsed_name(context, client);
            krb5_free_unparsed_name(context, server);
            krb5_free_cred_contents(context, &creds);
        }
        krb5_cc_end_seq_get(context, ccache, &cursor);
    }
    krb5_cc_close(context, ccache);
    krb5_free_context(context);
}

static void do_own(char **word, struct cba_result *result)
{
    char ccache[CBA_CCACHE_NAME_MAX + 1];
    enum cba_reason reason = cba_service_ticket(service, word[1], in_ms(word[2]), ccache, result);

    answer(reason, result);
    if (reason == CBA_R_OK) {
        list(ccache);
        cba_service_ticket_discard(ccache);
        list(ccache); /* nothing any more */
    }
}

/* --- many at once --- */

struct load {
    char **word;
    int rounds;
    atomic_int good;
    atomic_llong longest_ms;
    pthread_mutex_t lock; /* for the rest */
    struct cba_result result;
    enum cba_reason reason; /* of a round that failed */
    char *token;
};

static enum cba_reason whole_way(char **word, char **token, struct cba_result *result)
{
    struct cba_evidence *own = NULL;
    struct cba_evidence_facts facts;
    struct cba_ticket *made = NULL;
    struct cba_deadline deadline = in_ms(word[6]);
    enum cba_reason reason =
        cba_s4u_self(service, word[3], word[4], deadline, &own, &facts, result);

    if (reason == CBA_R_OK) {
        reason = cba_s4u_proxy(service, own, word[5], deadline, &made, result);
    }
    if (reason == CBA_R_OK) {
        reason = cba_ticket_token(made, cba_span_of(NULL, 0), token, result);
    }
    cba_ticket_unref(made);
    cba_evidence_free(own);
    return reason;
}

static void finish(struct load *load, enum cba_reason reason, const struct cba_result *result,
                   int64_t ms, char *token)
{
    long long longest = atomic_load(&load->longest_ms);

    while (ms > longest && !atomic_compare_exchange_weak(&load->longest_ms, &longest, ms)) {
    }
    if (reason == CBA_R_OK) {
        atomic_fetch_add(&load->good, 1);
    }
    pthread_mutex_lock(&load->lock);
    if (reason != CBA_R_OK) {
        load->reason = reason;
        load->result = *result;
    }
    if (load->token == NULL) {
        load->token = token;
        token = NULL;
    }
    pthread_mutex_unlock(&load->lock);
    cba_token_free(token);
}

static void *way_thread(void *arg)
{
    struct load *load = arg;
    int i;

    for (i = 0; i < load->rounds; i++) {
        struct cba_result result = {""};
        char *token = NULL;
        int64_t since = cba_deadline_clock_ms();
        enum cba_reason reason = whole_way(load->word, &token, &result);

        finish(load, reason, &result, cba_deadline_clock_ms() - since, token);
    }
    return NULL;
}

static void *token_thread(void *arg)
{
    struct load *load = arg;
    int i;

    for (i = 0; i < load->rounds; i++) {
        struct cba_result result = {""};
        struct cba_ticket *own = cba_ticket_ref(ticket);
        char *token = NULL;
        enum cba_reason reason = cba_ticket_token(own, cba_span_of(NULL, 0), &token, &result);

        cba_ticket_unref(own);
        finish(load, reason, &result, 0, token);
    }
    return NULL;
}

static void do_threads(char **word, void *(*work)(void *), struct cba_result *result)
{
    struct load load = {.word = word, .reason = CBA_R_OK};
    pthread_t threads[THREADS];
    int n = (int)strtol(word[1], NULL, 10), i, count = 0;

    load.rounds = (int)strtol(word[2], NULL, 10);
    pthread_mutex_init(&load.lock, NULL);
    for (i = 0; i < n && i < THREADS; i++) {
        if (pthread_create(&threads[count], NULL, work, &load) == 0) {
            count++;
        }
    }
    for (i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    *result = load.result;
    answer(load.reason, result);
    printf("\t%d\t%lld\t%s", atomic_load(&load.good), atomic_load(&load.longest_ms),
           load.token != NULL ? load.token : "");
    cba_token_free(load.token);
    pthread_mutex_destroy(&load.lock);
}

/* --- without a KDC --- */

static void do_errors(struct cba_result *result)
{
    static const char *const stages[] = {"keytab", "login", "self", "proxy", "service", "token"};
    size_t stage;
    krb5_error_code code;

    answer(CBA_R_OK, result);
    for (stage = 0; stage < sizeof stages / sizeof stages[0]; stage++) {
        /* The protocol's numbers (RFC 4120 7.5.9). */
        for (code = 1; code < 80; code++) {
            printf("\t%s %d %s", stages[stage], (int)code,
                   symbol(cba_krb5_reason(KRB5KDC_ERR_NONE + code, (enum cba_krb5_stage)stage)));
        }
    }
}

/* Exported by libkrb5, in no public header. */
krb5_error_code encode_krb5_ticket(const krb5_ticket *ticket, krb5_data **out);

/* A ticket that nobody can read, as large as wanted: what a token costs does not depend on who
 * made it. */
static void do_ticket(char **word, struct cba_result *result)
{
    struct cba_krb5 krb5;
    krb5_creds creds = {0};
    krb5_ticket made = {0};
    krb5_data *der = NULL;
    size_t size = strtoul(word[1], NULL, 10);
    enum cba_reason reason = cba_krb5_begin(&krb5, NULL, cba_deadline_in_ms(0), result);

    if (reason != CBA_R_OK) {
        answer(reason, result);
        return;
    }
    cba_ticket_unref(ticket);
    ticket = NULL;
    krb5_parse_name(krb5.context, "alice@CONTOSO.TEST", &creds.client);
    krb5_parse_name(krb5.context, "HTTP/cas1.contoso.test@CONTOSO.TEST", &creds.server);
    krb5_c_make_random_key(krb5.context, ENCTYPE_AES256_CTS_HMAC_SHA1_96, &creds.keyblock);
    creds.times.starttime = creds.times.authtime = (krb5_timestamp)time(NULL) - 3600;
    creds.times.endtime = (krb5_timestamp)(time(NULL) + strtol(word[2], NULL, 10));
    made.server = creds.server;
    made.enc_part.enctype = ENCTYPE_AES256_CTS_HMAC_SHA1_96;
    made.enc_part.kvno = 1;
    made.enc_part.ciphertext.data = calloc(1, size);
    made.enc_part.ciphertext.length = (unsigned)size;
    if (encode_krb5_ticket(&made, &der) == 0) {
        creds.ticket = *der;
        reason = cba_ticket_create(krb5.context, &creds, &ticket, result);
    }
    answer(reason, result);
    free(made.enc_part.ciphertext.data);
    creds.ticket = (krb5_data){0};
    krb5_free_data(krb5.context, der);
    krb5_free_cred_contents(krb5.context, &creds);
    cba_krb5_end(&krb5);
}

/* --- commands --- */

static bool needs(char **word, int count, bool object, const char *name)
{
    return strcmp(word[0], name) == 0 && object && word[count] != NULL;
}

static void run(char **word)
{
    struct cba_result result = {""};

    if (needs(word, 2, service == NULL, "create")) {
        do_create(word, &result);
    } else if (needs(word, 0, service != NULL, "destroy")) {
        do_destroy(&result);
    } else if (needs(word, 3, service != NULL, "self")) {
        do_self(word, &result);
    } else if (needs(word, 2, evidence != NULL, "proxy")) {
        do_proxy(word, &result);
    } else if (needs(word, 0, ticket != NULL, "token")) {
        do_token(word, &result);
    } else if (needs(word, 2, service != NULL, "own")) {
        do_own(word, &result);
    } else if (needs(word, 6, service != NULL, "threads")) {
        do_threads(word, way_thread, &result);
    } else if (needs(word, 2, ticket != NULL, "tokens")) {
        do_threads(word, token_thread, &result);
    } else if (needs(word, 2, true, "ticket")) {
        do_ticket(word, &result);
    } else if (needs(word, 3, true, "carry")) {
        do_carry(word, &result);
    } else if (needs(word, 1, true, "clock")) {
        answer(CBA_R_OK, &result);
        atomic_fetch_add(&forward_ms, strtoll(word[1], NULL, 10));
    } else if (needs(word, 0, true, "errors")) {
        do_errors(&result);
    } else {
        printf("?\t0\tnot possible: %s", word[0]);
    }
    printf("\n");
    fflush(stdout);
}

int main(void)
{
    static char line[4096];

    while (fgets(line, sizeof line, stdin) != NULL) {
        char *word[WORDS + 1] = {NULL}, *rest = line;
        int n = 0;

        line[strcspn(line, "\n")] = '\0';
        while (n < WORDS && (word[n] = strtok_r(n == 0 ? line : NULL, "\t", &rest)) != NULL) {
            n++;
        }
        started_ms = cba_deadline_clock_ms();
        if (n > 0) {
            run(word);
        }
    }
    forget();
    cba_service_destroy(service);
    return 0;
}
