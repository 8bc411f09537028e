/* SPDX-License-Identifier: Apache-2.0
 *
 * The directory without a server: reads commands from stdin, one a line, and answers each with lines of fields separated by tabs, the
 * last one "." alone. What the module does in a request, this does on a line.
 *
 *   keytab FILE PRINCIPAL     the gateway's identity; before everything else
 *   uri URI                   adds a server
 *   base DN, bind DN FILE, ca FILE, connections N
 *   create                    makes the directory of the above; a former one is destroyed
 *   sid SID, upn UPN          the identity of the next find ("-": none)
 *   find MILLISECONDS [THREADS [TIMES]]
 *                             reason, milliseconds, count, more, then for each account sAMAccountName, SID, UPN and domain; then the detail
 *   strength URI              reason, bits of SASL protection, detail
 *   srv DOMAIN MILLISECONDS   reason, milliseconds, host:port ..., detail
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_pools.h>
#include <ldap.h>

#include "cba_directory.h"
#include "cba_escape.h"
#include "cba_ldap.h"
#include "cba_srv.h"

#define URIS_MAX 8
#define THREADS_MAX 64

static struct {
    apr_pool_t *pool;         /* of the directory */
    char *uris[URIS_MAX];
    struct cba_directory_conf conf;
    struct cba_service *service;
    struct cba_directory *directory;
    struct cba_cert cert;
    int deadline_ms, times;
} the;

static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

static const char *symbol(enum cba_reason reason)
{
    return cba_reason_info(reason)->symbol;
}

static void print_escaped(const char *text)
{
    char escaped[1024];

    printf("\t%s", cba_escape_log(cba_span_str(text), escaped, sizeof escaped));
}

static const char *keep(const char *text)
{
    return text && strcmp(text, "-") != 0 ? strdup(text) : NULL;
}

static void die(const char *what)
{
    fprintf(stderr, "harness_directory: %s\n", what);
    exit(2);
}

static void find_once(void)
{
    struct cba_answer answer;
    struct cba_result result = {""};
    int64_t start = cba_deadline_clock_ms();
    enum cba_reason reason =
        cba_directory_find(the.directory, &the.cert, cba_deadline_in_ms(the.deadline_ms), &answer, &result);

    pthread_mutex_lock(&output);
    printf("%s\t%d\t%u\t%d", symbol(reason), (int)(cba_deadline_clock_ms() - start), answer.count, answer.more);
    for (unsigned i = 0; i < answer.count; i++) {
        char sid[CBA_SID_TEXT_MAX + 1];

        cba_sid_format(&answer.account[i].sid, sid);
        print_escaped(answer.account[i].sam);
        print_escaped(sid);
        print_escaped(answer.account[i].upn);
        print_escaped(answer.account[i].domain);
    }
    print_escaped(result.detail);
    putchar('\n');
    pthread_mutex_unlock(&output);
}

static void *find_thread(void *unused)
{
    (void)unused;
    for (int i = 0; i < the.times; i++) {
        find_once();
    }
    return NULL;
}

static void find(int threads)
{
    pthread_t thread[THREADS_MAX];

    if (!the.directory || threads > THREADS_MAX) {
        die("find before create, or too many threads");
    }
    for (int i = 0; i < threads; i++) {
        if (pthread_create(&thread[i], NULL, find_thread, NULL)) {
            die("no thread");
        }
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(thread[i], NULL);
    }
}

static void create(void)
{
    struct cba_result result = {""};
    enum cba_reason reason;

    if (the.pool) {
        apr_pool_destroy(the.pool);
        the.directory = NULL;
    }
    apr_pool_create(&the.pool, NULL);
    reason = cba_directory_create(the.pool, &the.conf, the.service, &the.directory, &result);
    printf("%s", symbol(reason));
    print_escaped(result.detail);
    putchar('\n');
    /* The strings were copied; nothing of them may be needed any more. */
    for (size_t i = 0; i < the.conf.uri_count; i++) {
        free(the.uris[i]);
    }
    free((char *)(uintptr_t)the.conf.base);
    free((char *)(uintptr_t)the.conf.bind_dn);
    free((char *)(uintptr_t)the.conf.password_file);
    free((char *)(uintptr_t)the.conf.ca_file);
    memset(&the.conf, 0, sizeof the.conf);
    the.conf.uris = (const char *const *)(uintptr_t)the.uris;
    the.conf.connections = 8;
}

static void strength(const char *uri)
{
    struct cba_ldap_conf conf = {the.conf.base, the.conf.bind_dn, the.conf.password_file, the.conf.ca_file};
    struct cba_result result = {""};
    struct cba_ldap *ldap = NULL;
    LDAPURLDesc *url = NULL;
    struct cba_host *host;
    enum cba_reason reason;

    if (ldap_url_parse(uri, &url) != LDAP_SUCCESS || !(host = cba_host_create(url->lud_host, (uint16_t)url->lud_port))) {
        die("strength: URI");
    }
    reason = cba_ldap_open(host, strcmp(url->lud_scheme, "ldaps") == 0, &conf, the.service, cba_deadline_in_ms(5000), &ldap,
                           &result);
    printf("%s\t%u", symbol(reason), ldap ? cba_ldap_strength(ldap) : 0);
    print_escaped(result.detail);
    putchar('\n');
    cba_ldap_close(ldap);
    cba_host_destroy(host);
    ldap_free_urldesc(url);
}

static void srv(const char *domain, int ms)
{
    struct cba_srv servers[CBA_SRV_MAX];
    struct cba_result result = {""};
    int64_t start = cba_deadline_clock_ms();
    size_t count = 0;
    enum cba_reason reason = cba_srv_find(domain, cba_deadline_in_ms(ms), servers, &count, &result);

    printf("%s\t%d", symbol(reason), (int)(cba_deadline_clock_ms() - start));
    for (size_t i = 0; i < count; i++) {
        printf("\t%s:%u", servers[i].host, (unsigned)servers[i].port);
    }
    print_escaped(result.detail);
    putchar('\n');
}

static void keytab(const char *file, const char *principal)
{
    struct cba_result result = {""};
    enum cba_reason reason = cba_service_create(file, principal, &the.service, &result);

    printf("%s", symbol(reason));
    print_escaped(result.detail);
    putchar('\n');
}

static void identity_sid(const char *text)
{
    memset(&the.cert.sid, 0, sizeof the.cert.sid);
    if (strcmp(text, "-") != 0 && !cba_sid_parse_text(cba_span_str(text), &the.cert.sid)) {
        die("not a SID");
    }
}

static void identity_upn(const char *text)
{
    snprintf(the.cert.upn, sizeof the.cert.upn, "%s", strcmp(text, "-") == 0 ? "" : text);
}

static int number(const char *text, int otherwise)
{
    return text ? (int)strtol(text, NULL, 10) : otherwise;
}

static void obey(char *line)
{
    char *word[4] = {NULL}, *rest = line;
    size_t count = 0;

    /* The last word may hold blanks: a DN. */
    while (count < 3 && (word[count] = strsep(&rest, " ")) != NULL) {
        count++;
    }
    word[3] = rest;
    if (count < 1) {
        return;
    }
    if (strcmp(word[0], "keytab") == 0) {
        keytab(word[1], word[2]);
    } else if (strcmp(word[0], "uri") == 0 && the.conf.uri_count < URIS_MAX) {
        the.uris[the.conf.uri_count++] = strdup(word[1]);
    } else if (strcmp(word[0], "base") == 0) {
        the.conf.base = keep(word[1]);
    } else if (strcmp(word[0], "bind") == 0) {
        the.conf.bind_dn = keep(word[1]);
        the.conf.password_file = keep(word[2]);
    } else if (strcmp(word[0], "ca") == 0) {
        the.conf.ca_file = keep(word[1]);
    } else if (strcmp(word[0], "connections") == 0) {
        the.conf.connections = number(word[1], 1);
    } else if (strcmp(word[0], "create") == 0) {
        create();
    } else if (strcmp(word[0], "sid") == 0) {
        identity_sid(word[1]);
    } else if (strcmp(word[0], "upn") == 0) {
        identity_upn(word[1]);
    } else if (strcmp(word[0], "find") == 0) {
        the.deadline_ms = number(word[1], 5000);
        the.times = number(word[3], 1);
        find(number(word[2], 1));
    } else if (strcmp(word[0], "strength") == 0) {
        strength(word[1]);
    } else if (strcmp(word[0], "srv") == 0) {
        srv(word[1], number(word[2], 5000));
    } else {
        die("unknown command");
    }
}

int main(void)
{
    char line[4096];

    if (apr_initialize()) {
        die("APR");
    }
    the.conf.uris = (const char *const *)(uintptr_t)the.uris;
    the.conf.connections = 8;
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        obey(line);
        puts(".");
        fflush(stdout);
    }
    if (the.pool) {
        apr_pool_destroy(the.pool);
    }
    cba_service_destroy(the.service);
    apr_terminate();
    return 0;
}
