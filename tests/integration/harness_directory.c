/* SPDX-License-Identifier: Apache-2.0
 *
 * The directory without httpd, for tests: reads commands from stdin, one a line, words and
 * blanks, and answers each with one line of fields separated by tabs: reason, milliseconds, detail,
 * and what the command yields. A reason is its symbol of cba_reason.def, or OK. "-" stands for
 * none.
 *
 *   service KEYTAB PRINCIPAL    the gateway's identity
 *   create URIS BASE BIND-DN PASSWORD-FILE CA CONNECTIONS
 *                               URIS separated by commas, or "-" for SRV records
 *   destroy
 *   identity SID UPN            what the certificates of the next commands say
 *   find MS                     yields the number of accounts, whether there are more, and for each
 *                               account sAMAccountName, SID, UPN, domain
 *   ntauth MS                   yields the number of authorities in NTAuthCertificates, and of values
 *                               that are none
 *   group DN MS                 yields the SID of a group
 *   groups SID MS               yields the SIDs of an account's groups
 *   threads N TIMES MS          that in N threads; yields the number of answers with one account,
 *                               and the longest time in ms; detail of the last that failed
 *   open URI CA MS              one connection by keytab; yields its strength in bits
 *   srv DOMAIN MS               yields host:port of each server found
 *   parse HEX DOMAIN            the same from a DNS message
 *   later SECONDS               sets the module's clock forward
 */
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <apr_general.h>
#include <apr_pools.h>
#include <ldap.h>

#include "cba_directory.h"
#include "cba_ldap.h"
#include "cba_srv.h"

#define WORDS   8
#define URIS    8
#define THREADS 64
#define LINE    65536

static struct cba_service *service;
static apr_pool_t *pool; /* the directory's */
static struct cba_directory *directory;
static struct cba_cert cert;
static atomic_long later_s;
static int64_t started_ms;

/* The linker sends the module's calls here (--wrap). */
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    int rc = __real_clock_gettime(clock, now);

    now->tv_sec += atomic_load(&later_s);
    return rc;
}

/* And, under ThreadSanitizer, which does not survive threads that libc starts by itself, look-ups
 * here: they are done on the spot. */
int __wrap_getaddrinfo_a(int mode, struct gaicb *list[], int count, struct sigevent *event);
int __wrap_getaddrinfo_a(int mode, struct gaicb *list[], int count, struct sigevent *event)
{
    struct gaicb *one = list[0];

    (void)mode;
    (void)count;
    (void)event;
    one->__return = getaddrinfo(one->ar_name, one->ar_service, one->ar_request, &one->ar_result);
    return 0;
}

static void begin_answer(enum cba_reason reason, const struct cba_result *result)
{
    printf("%s\t%lld\t", cba_reason_info(reason)->symbol,
           (long long)(cba_deadline_clock_ms() - started_ms));
    for (const char *c = result->detail; *c; c++) {
        putchar(*c == '\t' || *c == '\n' || *c == '\r' ? ' ' : *c);
    }
}

static const char *given(const char *word)
{
    return strcmp(word, "-") == 0 ? NULL : word;
}

static int number(const char *word)
{
    return (int)strtol(word, NULL, 10);
}

static struct cba_deadline in_ms(const char *word)
{
    return cba_deadline_in_ms(number(word));
}

static bool destroy(void)
{
    if (pool) {
        apr_pool_destroy(pool);
        pool = NULL;
        directory = NULL;
    }
    return true;
}

static bool set_service(char **word)
{
    const struct cba_service_conf conf = {.keytab = given(word[1]), .principal = given(word[2])};
    struct cba_result result = {""};
    enum cba_reason reason;

    destroy();
    cba_service_destroy(service);
    service = NULL;
    reason = cba_service_create(&conf, &service, &result);
    begin_answer(reason, &result);
    return true;
}

static bool create(char **word)
{
    struct cba_result result = {""};
    const char *uris[URIS];
    struct cba_directory_conf conf = {
        .uris = uris,
        .base = given(word[2]),
        .bind_dn = given(word[3]),
        .password_file = given(word[4]),
        .ca_file = given(word[5]),
        .connections = number(word[6]),
    };
    char *rest = word[1], *uri;
    enum cba_reason reason;

    while (given(word[1]) && conf.uri_count < URIS && (uri = strsep(&rest, ",")) != NULL) {
        uris[conf.uri_count++] = uri;
    }
    destroy();
    apr_pool_create(&pool, NULL);
    reason = cba_directory_create(pool, &conf, service, &directory, &result);
    begin_answer(reason, &result);
    /* Nothing of the words may be needed any more. */
    for (int i = 1; i <= 5; i++) {
        memset(word[i], 'x', strlen(word[i]));
    }
    return true;
}

static bool identity(char **word)
{
    struct cba_result result = {""};

    memset(&cert, 0, sizeof cert);
    if (given(word[1]) && !cba_sid_parse_text(cba_span_str(word[1]), &cert.sid)) {
        return false;
    }
    if (given(word[2])) {
        snprintf(cert.upn, sizeof cert.upn, "%s", word[2]);
    }
    begin_answer(CBA_R_OK, &result);
    return true;
}

static bool find(char **word)
{
    struct cba_answer answer;
    struct cba_result result = {"left over"};
    enum cba_reason reason = cba_directory_find(directory, &cert, in_ms(word[1]), &answer, &result);

    begin_answer(reason, &result);
    printf("\t%u\t%d", answer.count, answer.more);
    for (unsigned i = 0; i < answer.count; i++) {
        const struct cba_account *account = &answer.account[i];
        char sid[CBA_SID_TEXT_MAX + 1];

        cba_sid_format(&account->sid, sid);
        printf("\t%s\t%s\t%s\t%s", account->sam, sid, account->upn, account->domain);
    }
    return true;
}

static bool ntauth(char **word)
{
    struct cba_result result = {"left over"};
    struct cba_ntauth_set *set = NULL;
    enum cba_reason reason = cba_directory_ntauth(directory, in_ms(word[1]), &set, &result);
    size_t count = 0;

    begin_answer(reason, &result);
    if (set) {
        (void)cba_ntauth_set_list(set, &count);
        printf("\t%zu\t%zu", count, cba_ntauth_set_useless(set));
    }
    cba_ntauth_set_unref(set);
    return true;
}

static bool group(char **word)
{
    struct cba_result result = {"left over"};
    char text[CBA_SID_TEXT_MAX + 1];
    struct cba_sid sid;

    begin_answer(cba_directory_group(directory, word[1], in_ms(word[2]), &sid, &result), &result);
    cba_sid_format(&sid, text);
    printf("\t%s", text);
    return true;
}

static bool groups(char **word)
{
    struct cba_result result = {"left over"};
    struct cba_groups *found = NULL;
    struct cba_sid sid;

    if (!cba_sid_parse_text(cba_span_str(word[1]), &sid)) {
        return false;
    }
    begin_answer(cba_directory_groups(directory, &sid, in_ms(word[2]), &found, &result), &result);
    for (size_t at = 0; found && at < found->len; at += sid.len) {
        char text[CBA_SID_TEXT_MAX + 1];

        if (!cba_sid_parse_binary(
                cba_span_of(found->sids + at, 8 + 4 * (size_t)found->sids[at + 1]), &sid)) {
            return false;
        }
        cba_sid_format(&sid, text);
        printf("\t%s", text);
    }
    free(found);
    return true;
}

struct work {
    pthread_t thread;
    int times, ms;
    int good;
    int64_t longest_ms;
    enum cba_reason reason;
    struct cba_result result;
};

static void *work(void *data)
{
    struct work *mine = data;

    mine->reason = CBA_R_OK;
    for (int i = 0; i < mine->times; i++) {
        int64_t begin = cba_deadline_clock_ms(), took;
        struct cba_answer answer;
        struct cba_result result;
        enum cba_reason reason =
            cba_directory_find(directory, &cert, cba_deadline_in_ms(mine->ms), &answer, &result);

        took = cba_deadline_clock_ms() - begin;
        mine->longest_ms = took > mine->longest_ms ? took : mine->longest_ms;
        if (reason != CBA_R_OK) {
            mine->reason = reason;
            mine->result = result;
        } else if (answer.count == 1 && cba_sid_equal(&answer.account[0].sid, &cert.sid)) {
            mine->good++;
        }
    }
    return NULL;
}

static bool threads(char **word)
{
    static struct work works[THREADS];
    struct work all = {.reason = CBA_R_OK};
    int count = number(word[1]);

    if (count > THREADS) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        works[i] = (struct work){.times = number(word[2]), .ms = number(word[3])};
        if (pthread_create(&works[i].thread, NULL, work, &works[i])) {
            return false;
        }
    }
    for (int i = 0; i < count; i++) {
        pthread_join(works[i].thread, NULL);
        all.good += works[i].good;
        all.longest_ms =
            works[i].longest_ms > all.longest_ms ? works[i].longest_ms : all.longest_ms;
        if (works[i].reason != CBA_R_OK) {
            all.reason = works[i].reason;
            all.result = works[i].result;
        }
    }
    begin_answer(all.reason, &all.result);
    printf("\t%d\t%lld", all.good, (long long)all.longest_ms);
    return true;
}

static bool open_one(char **word)
{
    struct cba_login login = {.ca_file = given(word[2])};
    struct cba_result result = {""};
    struct cba_ldap *ldap = NULL;
    LDAPURLDesc *url = NULL;
    struct cba_host *host;
    enum cba_reason reason;

    if (ldap_url_parse(word[1], &url) != LDAP_SUCCESS) {
        return false;
    }
    host = cba_host_create(url->lud_host, (uint16_t)url->lud_port);
    reason = cba_ldap_open(host, strcmp(url->lud_scheme, "ldaps") == 0, &login, NULL, service,
                           in_ms(word[3]), &ldap, &result);
    begin_answer(reason, &result);
    printf("\t%u", ldap ? cba_ldap_strength(ldap) : 0);
    cba_ldap_close(ldap);
    cba_host_destroy(host);
    ldap_free_urldesc(url);
    return true;
}

static void print_servers(const struct cba_srv *servers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        printf("\t%s:%u", servers[i].host, (unsigned)servers[i].port);
    }
}

static bool srv(char **word)
{
    struct cba_srv servers[CBA_SRV_MAX];
    struct cba_result result = {""};
    size_t count = 0;

    begin_answer(cba_srv_find("_ldap", word[1], in_ms(word[2]), servers, &count, &result), &result);
    print_servers(servers, count);
    return true;
}

static bool parse(char **word)
{
    struct cba_srv servers[CBA_SRV_MAX];
    struct cba_result result = {""};
    size_t len = strlen(word[1]) / 2, count = 0;
    unsigned char *message = malloc(len); /* of its exact size, so that a byte too far is seen */
    bool ok;

    for (size_t i = 0; i < len; i++) {
        char hex[3] = {word[1][2 * i], word[1][2 * i + 1], '\0'};

        message[i] = (unsigned char)strtol(hex, NULL, 16);
    }
    ok = cba_srv_parse(cba_span_of(message, len), word[2], servers, &count);
    free(message);
    begin_answer(ok ? CBA_R_OK : CBA_R_DIR_NO_SERVER, &result);
    print_servers(servers, ok ? count : 0);
    return true;
}

static bool later(char **word)
{
    struct cba_result result = {""};

    atomic_fetch_add(&later_s, number(word[1]));
    started_ms = cba_deadline_clock_ms();
    begin_answer(CBA_R_OK, &result);
    return true;
}

static bool end(char **word)
{
    struct cba_result result = {""};

    (void)word;
    destroy();
    begin_answer(CBA_R_OK, &result);
    return true;
}

static const struct command {
    const char *name;
    size_t words;
    bool needs_directory;
    bool (*run)(char **word);
} commands[] = {
    {"service", 3, false, set_service}, {"create", 7, false, create}, {"destroy", 1, false, end},
    {"identity", 3, false, identity},   {"find", 2, true, find},      {"threads", 4, true, threads},
    {"open", 4, false, open_one},       {"srv", 3, false, srv},       {"parse", 3, false, parse},
    {"later", 2, false, later},         {"ntauth", 2, true, ntauth},
    {"group", 3, true, group},          {"groups", 3, true, groups},
};

static bool obey(char **word, size_t count)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        const struct command *command = &commands[i];

        if (strcmp(command->name, word[0]) == 0) {
            return count == command->words && (directory || !command->needs_directory) &&
                   command->run(word);
        }
    }
    return false;
}

int main(void)
{
    static char line[LINE];

    if (apr_initialize()) {
        return EXIT_FAILURE;
    }
    while (fgets(line, sizeof line, stdin)) {
        char *word[WORDS] = {NULL}, *rest = line;
        size_t count = 0;

        line[strcspn(line, "\n")] = '\0';
        while (count < WORDS && (word[count] = strsep(&rest, "\t")) != NULL) {
            count++;
        }
        started_ms = cba_deadline_clock_ms();
        if (!obey(word, count)) {
            printf("?\t0\tnot understood, or not now");
        }
        putchar('\n');
        fflush(stdout);
    }
    destroy();
    cba_service_destroy(service);
    apr_terminate();
    return EXIT_SUCCESS;
}
