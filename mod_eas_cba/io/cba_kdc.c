/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_kdc.h"

#include <errno.h>
#include <poll.h>
#include <profile.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_errno.h>

#include "cba_host.h"
#include "cba_limits.h"

#define KDC_PORT 88
/* A lost SYN is sent again after a second: one may be lost. */
#define CONNECT_MS 1250
/* What a silent KDC may cost while there are others to ask; never more than half of what is
 * left. */
#define ANSWER_MS   3000
#define AVOID_MS    10000
#define SERVERS_MAX CBA_KDCS_MAX /* asked in one exchange */
#define KNOWN_MAX   64           /* in the process's life */
#define SERVER_MAX  CBA_KDC_TEXT_MAX
/* A ticket with a PAC of 64 KB comes with its evidence ticket inside an answer of some 100 KB. */
#define REPLY_MAX               (1u << 20)
#define KDC_ERR_SVC_UNAVAILABLE 29 /* RFC 4120 7.5.9 */

/* --- the KDCs that this process knows --- */

struct server {
    char text[SERVER_MAX + 1]; /* as configured; "": this place is free, and all behind it */
    struct cba_host *host;     /* for the life of the process */
    int64_t avoid_until_ms;
};

static pthread_mutex_t servers_lock = PTHREAD_MUTEX_INITIALIZER; /* for adding, and for the times */
static struct server servers[KNOWN_MAX];

/* Splits "host", "host:port", "[address]" or "[address]:port"; an address with several colons
 * and no port needs no brackets. */
static bool split(const char *text, char host[SERVER_MAX + 1], uint16_t *port)
{
    const char *end, *digits = NULL;
    unsigned value = 0;

    if (strlen(text) > SERVER_MAX) {
        return false;
    }
    if (text[0] == '[') {
        end = strchr(++text, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':')) {
            return false;
        }
        if (end[1] == ':') {
            digits = end + 2;
        }
    } else {
        end = strchr(text, ':');
        if (end != NULL && strchr(end + 1, ':') == NULL) {
            digits = end + 1;
        } else {
            end = text + strlen(text);
        }
    }
    if (digits != NULL) {
        const char *p;

        for (p = digits; *p >= '0' && *p <= '9' && value <= UINT16_MAX; p++) {
            value = value * 10 + (unsigned)(*p - '0');
        }
        if (*p != '\0' || value == 0 || value > UINT16_MAX) {
            return false;
        }
    }
    memcpy(host, text, (size_t)(end - text));
    host[end - text] = '\0';
    *port = digits == NULL ? KDC_PORT : (uint16_t)value;
    return end > text;
}

/* With the lock held, at the first free place. */
static struct server *add_server(struct server *place, const char *text)
{
    char host[SERVER_MAX + 1];
    uint16_t port;

    if (!split(text, host, &port)) {
        return NULL;
    }
    place->host = cba_host_create(host, port);
    if (place->host == NULL) {
        return NULL;
    }
    memcpy(place->text, text, strlen(text) + 1);
    return place;
}

/* NULL: no host name, no memory, or far more KDCs than any realm has. */
static struct server *find_server(const char *text)
{
    struct server *found = NULL;
    size_t i;

    if (text[0] == '\0') {
        return NULL;
    }
    pthread_mutex_lock(&servers_lock);
    for (i = 0; i < KNOWN_MAX && servers[i].text[0] != '\0' && found == NULL; i++) {
        if (strcmp(servers[i].text, text) == 0) {
            found = &servers[i];
        }
    }
    if (found == NULL && i < KNOWN_MAX) {
        found = add_server(&servers[i], text);
    }
    pthread_mutex_unlock(&servers_lock);
    return found;
}

/* Is it to be asked after the others only? When its time is over, one request tries it, and the
 * others go on avoiding it until that one knows. */
static bool failed_lately(struct server *server)
{
    int64_t now = cba_deadline_clock_ms();
    bool failed;

    pthread_mutex_lock(&servers_lock);
    failed = server->avoid_until_ms > now;
    if (!failed && server->avoid_until_ms != 0) {
        server->avoid_until_ms = now + AVOID_MS;
    }
    pthread_mutex_unlock(&servers_lock);
    return failed;
}

static void remember(struct server *server, bool failed)
{
    pthread_mutex_lock(&servers_lock);
    server->avoid_until_ms = failed ? cba_deadline_clock_ms() + AVOID_MS : 0;
    pthread_mutex_unlock(&servers_lock);
}

/* --- one connection --- */

/* 0: the socket is ready for the events; else an errno, ETIMEDOUT for the deadline. */
static int wait_for(int fd, short events, struct cba_deadline deadline)
{
    struct pollfd entry = {.fd = fd, .events = events};
    int ready;

    do {
        ready = poll(&entry, 1, cba_deadline_left_ms(deadline));
    } while (ready < 0 && errno == EINTR);
    return ready > 0 ? 0 : ready == 0 ? ETIMEDOUT : errno;
}

static int write_all(int fd, const char *data, size_t len, struct cba_deadline deadline)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        int code;

        if (n >= 0) {
            data += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            code = wait_for(fd, POLLOUT, deadline);
            if (code != 0) {
                return code;
            }
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

static int read_all(int fd, char *data, size_t len, struct cba_deadline deadline)
{
    while (len > 0) {
        ssize_t n = recv(fd, data, len, 0);
        int code;

        if (n == 0) {
            return ECONNRESET;
        }
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            code = wait_for(fd, POLLIN, deadline);
            if (code != 0) {
                return code;
            }
        } else if (errno != EINTR) {
            return errno;
        }
        /* A KDC that sends a byte now and then must not go on for ever. */
        if (len > 0 && cba_deadline_left_ms(deadline) == 0) {
            return ETIMEDOUT;
        }
    }
    return 0;
}

/* RFC 4120 7.2.2: four octets of length in network byte order, then the message; the high bit is
 * reserved. */
static int converse(int fd, const krb5_data *message, struct cba_deadline deadline,
                    krb5_data *reply)
{
    unsigned char head[4] = {(unsigned char)(message->length >> 24),
                             (unsigned char)(message->length >> 16),
                             (unsigned char)(message->length >> 8), (unsigned char)message->length};
    uint32_t len;
    int code = write_all(fd, (const char *)head, sizeof head, deadline);

    if (code == 0) {
        code = write_all(fd, message->data, message->length, deadline);
    }
    if (code == 0) {
        code = read_all(fd, (char *)head, sizeof head, deadline);
    }
    if (code != 0) {
        return code;
    }
    len = (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
    if (len == 0 || len > REPLY_MAX) {
        return EMSGSIZE;
    }
    reply->data = malloc(len);
    if (reply->data == NULL) {
        return ENOMEM;
    }
    reply->length = len;
    code = read_all(fd, reply->data, len, deadline);
    if (code != 0) {
        free(reply->data);
        reply->data = NULL;
        reply->length = 0;
    }
    return code;
}

/* One more KDC that failed, and how. */
static void add_failure(struct cba_result *result, const char *server, const char *how)
{
    struct cba_result before = *result;

    cba_result_set(result, "%s%sKDC %s: %s", before.detail, before.detail[0] != '\0' ? "; " : "",
                   server, how);
}

/* One KDC. False: *result says why; *broke: it had taken the connection, and ended it before its
 * answer was whole. */
static bool ask(const struct server *server, const krb5_data *message, struct cba_deadline deadline,
                krb5_data *reply, bool *broke, struct cba_result *result)
{
    struct cba_result why = {""};
    char text[128];
    int fd = -1, code;

    if (cba_host_connect(server->host, cba_deadline_within(deadline, CONNECT_MS), &fd, &why) !=
        CBA_R_OK) {
        size_t name = strlen(cba_host_name(server->host));

        /* What it says begins with the host's name. */
        add_failure(result, server->text,
                    strncmp(why.detail, cba_host_name(server->host), name) == 0
                        ? why.detail + name + strspn(why.detail + name, ": ")
                        : why.detail);
        return false;
    }
    code = converse(fd, message, deadline, reply);
    close(fd);
    *broke = code == ECONNRESET || code == EPIPE;
    if (code != 0) {
        add_failure(result, server->text, apr_strerror(code, text, sizeof text));
    }
    return code == 0;
}

/* --- the exchange --- */

uint32_t cba_kdc_status(const krb5_data *e_data)
{
    /* KERB-ERROR-DATA ::= SEQUENCE { data-type [1] INTEGER, data-value [2] OCTET STRING }, type
     * KERB_ERR_TYPE_EXTENDED (3), value KERB_EXT_ERROR { status, reserved, flags },
     * little-endian (MS-KILE 2.2.1 and 2.2.2). DER: one form only. */
    static const unsigned char head[] = {0x30, 0x15, 0xa1, 0x03, 0x02, 0x01,
                                         0x03, 0xa2, 0x0e, 0x04, 0x0c};
    const unsigned char *p;

    if (e_data->length != sizeof head + 12 || memcmp(e_data->data, head, sizeof head) != 0) {
        return 0;
    }
    p = (const unsigned char *)e_data->data + sizeof head;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* False: the KDC says that it is out of service, so another one is to be asked (as libkrb5
 * does). */
static bool in_service(krb5_context context, struct cba_kdc *kdc, krb5_data *reply)
{
    krb5_error *error = NULL;
    bool good;

    /* [APPLICATION 30], RFC 4120 5.9.1 */
    if (reply->length == 0 || (unsigned char)reply->data[0] != 0x7e ||
        krb5_rd_error(context, reply, &error) != 0) {
        return true;
    }
    kdc->status = cba_kdc_status(&error->e_data);
    good = error->error != KDC_ERR_SVC_UNAVAILABLE;
    krb5_free_error(context, error);
    return good;
}

/* *broke: as ask() says. */
static bool try_server(krb5_context context, struct cba_kdc *kdc, struct server *server, bool last,
                       const krb5_data *message, krb5_data *reply, bool *broke)
{
    int left = cba_deadline_left_ms(kdc->deadline);
    struct cba_deadline deadline = kdc->deadline;

    if (!last) {
        deadline = cba_deadline_within(deadline, left / 2 < ANSWER_MS ? left / 2 : ANSWER_MS);
    }
    *broke = false;
    if (ask(server, message, deadline, reply, broke, &kdc->result)) {
        if (in_service(context, kdc, reply)) {
            remember(server, false);
            return true;
        }
        add_failure(&kdc->result, server->text, "it says that it is out of service");
        krb5_free_data_contents(context, reply);
    }
    remember(server, true);
    return false;
}

/* Those that did not fail lately first, in order; then the others, in order, for they are better
 * than none. */
static size_t sort_servers(struct cba_kdc *kdc, const char *const *texts, size_t count,
                           struct server *order[SERVERS_MAX])
{
    struct server *avoid[SERVERS_MAX];
    size_t good = 0, bad = 0, i;

    for (i = 0; i < count && good + bad < SERVERS_MAX; i++) {
        struct server *server = find_server(texts[i]);

        if (server == NULL) {
            add_failure(&kdc->result, texts[i], "not a host name");
        } else if (failed_lately(server)) {
            avoid[bad++] = server;
        } else {
            order[good++] = server;
        }
    }
    for (i = 0; i < bad; i++) {
        order[good + i] = avoid[i];
    }
    return good + bad;
}

/* When all have failed, the first one that had broken off is asked once more: a process of a KDC may
 * have ended with the connection, and another one have taken its place. It may have worked on the
 * request, but nothing comes of that but a ticket that nobody has; a KDC that takes the same request
 * for a replay says so, which is no worse than no answer. */
static bool try_servers(krb5_context context, struct cba_kdc *kdc, const char *const *texts,
                        size_t count, const krb5_data *message, krb5_data *reply)
{
    struct server *order[SERVERS_MAX], *broken = NULL;
    size_t i, n = sort_servers(kdc, texts, count, order);
    bool broke;

    for (i = 0; i < n && cba_deadline_left_ms(kdc->deadline) > 0; i++) {
        if (try_server(context, kdc, order[i], i + 1 == n, message, reply, &broke)) {
            return true;
        }
        if (broke && !broken) {
            broken = order[i];
        }
    }
    return broken && cba_deadline_left_ms(kdc->deadline) > 0 &&
           try_server(context, kdc, broken, true, message, reply, &broke);
}

/* What krb5.conf lists for the realm, less the entries that are not plain hosts (MS-KKDCP
 * proxies by https). */
static char **configured(krb5_context context, const krb5_data *realm)
{
    profile_t profile = NULL;
    char **values = NULL;
    char name[CBA_DOMAIN_MAX + 1];
    const char *const path[] = {"realms", name, "kdc", NULL};
    size_t i, n = 0;

    if (realm->length > CBA_DOMAIN_MAX || krb5_get_profile(context, &profile) != 0) {
        return NULL;
    }
    memcpy(name, realm->data, realm->length);
    name[realm->length] = '\0';
    if (profile_get_values(profile, path, &values) != 0) {
        values = NULL;
    }
    profile_release(profile);
    for (i = 0; values != NULL && values[i] != NULL; i++) {
        if (strncmp(values[i], "https://", 8) == 0) {
            profile_release_string(values[i]);
        } else {
            values[n++] = values[i];
        }
    }
    if (values != NULL) {
        values[n] = NULL;
    }
    return values;
}

static krb5_error_code exchange(krb5_context context, struct cba_kdc *kdc, const char *const *texts,
                                size_t count, const krb5_data *message, krb5_data **out)
{
    krb5_data *reply = calloc(1, sizeof *reply);

    if (reply == NULL) {
        return ENOMEM;
    }
    kdc->outcome = CBA_KDC_ANSWERED;
    kdc->result.detail[0] = '\0';
    if (try_servers(context, kdc, texts, count, message, reply)) {
        *out = reply; /* libkrb5 frees it */
        return 0;
    }
    free(reply);
    kdc->outcome = cba_deadline_left_ms(kdc->deadline) == 0 ? CBA_KDC_LATE : CBA_KDC_UNREACHABLE;
    if (kdc->result.detail[0] == '\0') {
        cba_result_set(&kdc->result, "no time was left to ask a KDC");
    }
    return KRB5_KDC_UNREACH;
}

static bool has_servers_of(const struct cba_kdc *kdc, const krb5_data *realm)
{
    return kdc->server_count > 0 && strlen(kdc->realm) == realm->length &&
           memcmp(kdc->realm, realm->data, realm->length) == 0;
}

static krb5_error_code send_hook(krb5_context context, void *data, const krb5_data *realm,
                                 const krb5_data *message, krb5_data **new_message,
                                 krb5_data **new_reply)
{
    struct cba_kdc *kdc = data;
    char **values;
    size_t count = 0;
    krb5_error_code code = 0;

    (void)new_message;
    kdc->outcome = CBA_KDC_NONE;
    kdc->status = 0;
    if (has_servers_of(kdc, realm)) {
        return exchange(context, kdc, kdc->servers, kdc->server_count, message, new_reply);
    }
    values = configured(context, realm);
    while (values != NULL && values[count] != NULL) {
        count++;
    }
    /* Neither an error nor a reply: libkrb5 goes on with its own transport, for other
     * realms, locator plugins and https proxies. Then its time limits hold, and the deadline does
     * not. */
    if (count > 0) {
        code = exchange(context, kdc, (const char *const *)values, count, message, new_reply);
    }
    profile_free_list(values);
    return code;
}

void cba_kdc_attach(krb5_context context, struct cba_kdc *kdc)
{
    kdc->outcome = CBA_KDC_NONE;
    kdc->status = 0;
    krb5_set_kdc_send_hook(context, send_hook, kdc);
}
