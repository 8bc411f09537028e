/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_host.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_errno.h>

#define ADDRESSES_MAX 8
#define FRESH_MS      60000 /* addresses are looked up again after this time */
#define AGAIN_MS      5000  /* and so after a look-up that failed */

/* Idle connections must notice a peer that vanished, and remind firewalls on the way that they
 * exist. */
#define KEEPALIVE_IDLE_S     60
#define KEEPALIVE_INTERVAL_S 10
#define KEEPALIVE_PROBES     3
#define UNACKNOWLEDGED_MS    20000

struct address {
    struct sockaddr_storage addr;
    socklen_t len;
    int family;
};

/* A look-up under way. Its memory belongs to the resolver until gai_error() says that it is over.
 */
struct lookup {
    struct gaicb request;
    struct addrinfo hints;
    char port[6];
    unsigned waiting; /* threads */
    char name[];
};

struct cba_host {
    char *name;
    uint16_t port;

    pthread_mutex_t lock;
    struct lookup *lookup; /* NULL: none under way */
    int64_t next_ms;       /* when to look up again */
    int error;             /* of the last look-up, EAI_* */
    size_t count;
    size_t first; /* the address to begin with: the one that answered last */
    struct address addresses[ADDRESSES_MAX];
};

struct cba_host *cba_host_create(const char *name, uint16_t port)
{
    struct cba_host *host = calloc(1, sizeof *host);

    if (!host) {
        return NULL;
    }
    host->name = strdup(name);
    host->port = port;
    if (!host->name || pthread_mutex_init(&host->lock, NULL)) {
        free(host->name);
        free(host);
        return NULL;
    }
    return host;
}

static void lookup_free(struct lookup *lookup)
{
    if (lookup->request.ar_result) {
        freeaddrinfo(lookup->request.ar_result);
    }
    free(lookup);
}

void cba_host_destroy(struct cba_host *host)
{
    if (!host) {
        return;
    }
    if (host->lookup) {
        /* What cannot be cancelled any more is left behind: the resolver's thread still writes to
         * it. */
        if (gai_cancel(&host->lookup->request) != EAI_NOTCANCELED) {
            lookup_free(host->lookup);
        }
    }
    pthread_mutex_destroy(&host->lock);
    free(host->name);
    free(host);
}

const char *cba_host_name(const struct cba_host *host)
{
    return host->name;
}

/* --- names --- */

/* The lock is held. */
static int lookup_start(struct cba_host *host)
{
    size_t size = strlen(host->name) + 1;
    struct lookup *lookup = calloc(1, sizeof *lookup + size);
    struct gaicb *list[1];
    int error;

    if (!lookup) {
        return EAI_MEMORY;
    }
    memcpy(lookup->name, host->name, size);
    snprintf(lookup->port, sizeof lookup->port, "%u", (unsigned)host->port);
    lookup->hints.ai_family = AF_UNSPEC;
    lookup->hints.ai_socktype = SOCK_STREAM;
    lookup->hints.ai_flags = AI_NUMERICSERV;
    lookup->request.ar_name = lookup->name;
    lookup->request.ar_service = lookup->port;
    lookup->request.ar_request = &lookup->hints;
    list[0] = &lookup->request;
    error = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
    if (error) {
        free(lookup);
        return error;
    }
    host->lookup = lookup;
    return 0;
}

/* The lock is held, the look-up is over. */
static void lookup_keep(struct cba_host *host, const struct lookup *lookup, int error)
{
    const struct addrinfo *ai;
    size_t count = 0;

    host->error = error;
    host->next_ms = cba_deadline_clock_ms() + (error ? AGAIN_MS : FRESH_MS);
    if (error) {
        return;
    }
    for (ai = lookup->request.ar_result; ai && count < ADDRESSES_MAX; ai = ai->ai_next) {
        struct address *address = &host->addresses[count];

        if (ai->ai_addrlen > sizeof address->addr) {
            continue;
        }
        memcpy(&address->addr, ai->ai_addr, ai->ai_addrlen);
        address->len = ai->ai_addrlen;
        address->family = ai->ai_family;
        count++;
    }
    host->count = count;
    host->first = 0;
}

/* Waits for the look-up that is under way; the lock is held, but not while waiting. */
static void lookup_wait(struct cba_host *host, struct cba_deadline deadline)
{
    struct lookup *lookup = host->lookup;
    const struct gaicb *list[1] = {&lookup->request};
    int left, error;

    lookup->waiting++;
    while ((error = gai_error(&lookup->request)) == EAI_INPROGRESS &&
           (left = cba_deadline_left_ms(deadline)) > 0) {
        struct timespec timeout = {left / 1000, (long)(left % 1000) * 1000000};

        pthread_mutex_unlock(&host->lock);
        gai_suspend(list, 1, &timeout);
        pthread_mutex_lock(&host->lock);
    }
    lookup->waiting--;
    if (error == EAI_INPROGRESS) {
        return;
    }
    if (host->lookup == lookup) {
        host->lookup = NULL;
        lookup_keep(host, lookup, error);
    }
    if (lookup->waiting == 0) {
        lookup_free(lookup);
    }
}

/* Copies the host's addresses, the one to begin with first. */
static enum cba_reason resolve(struct cba_host *host, struct cba_deadline deadline,
                               struct address *addresses, size_t *count, struct cba_result *result)
{
    struct cba_deadline soon = cba_deadline_within(deadline, 0);
    bool stale;
    int error = 0;

    pthread_mutex_lock(&host->lock);
    stale = cba_deadline_clock_ms() >= host->next_ms;
    if (!host->lookup && stale) {
        error = lookup_start(host);
        /* Whoever has addresses waits for better ones only a moment. */
        soon = cba_deadline_within(deadline, host->count > 0 ? 250 : INT32_MAX);
    } else if (host->count == 0) {
        soon = deadline;
    }
    if (host->lookup) {
        lookup_wait(host, soon);
    }
    *count = host->count;
    for (size_t i = 0; i < host->count; i++) {
        addresses[i] = host->addresses[(host->first + i) % host->count];
    }
    if (!error) {
        error = host->lookup ? EAI_INPROGRESS : host->error;
    }
    pthread_mutex_unlock(&host->lock);
    if (*count > 0) {
        return CBA_R_OK;
    }
    if (error == EAI_MEMORY) {
        return CBA_R_LIFE_MEMORY;
    }
    if (error == EAI_INPROGRESS) {
        cba_result_set(result, "%s: DNS did not answer in time", host->name);
        return CBA_R_DIR_TIMEOUT;
    }
    cba_result_set(result, "%s: %s", host->name, error ? gai_strerror(error) : "no address");
    return CBA_R_DIR_UNREACHABLE;
}

/* Address i of those that resolve() gave did not answer: the next one begins next time. */
static void begin_elsewhere(struct cba_host *host, const struct address *failed)
{
    pthread_mutex_lock(&host->lock);
    if (host->count > 1) {
        const struct address *first = &host->addresses[host->first];

        if (first->len == failed->len && memcmp(&first->addr, &failed->addr, first->len) == 0) {
            host->first = (host->first + 1) % host->count;
        }
    }
    pthread_mutex_unlock(&host->lock);
}

/* --- connections --- */

static void set_options(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS},
    };

    /* Each is a help, none a need: every wait has its own end. */
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                         sizeof options[i].value);
    }
}

/* errno of the attempt, 0: connected. */
static int connect_address(const struct address *address, struct cba_deadline deadline, int *out)
{
    int fd = socket(address->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    int error = 0, ready;
    socklen_t len = sizeof error;

    if (fd < 0) {
        return errno;
    }
    set_options(fd);
    if (connect(fd, (const struct sockaddr *)&address->addr, address->len)) {
        error = errno;
    }
    if (error == EINPROGRESS || error == EINTR) {
        do {
            ready = poll(&wait, 1, cba_deadline_left_ms(deadline));
        } while (ready < 0 && errno == EINTR);
        if (ready == 0) {
            error = ETIMEDOUT;
        } else if (ready < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len)) {
            error = errno;
        }
    }
    if (error) {
        close(fd);
        return error;
    }
    *out = fd;
    return 0;
}

enum cba_reason cba_host_connect(struct cba_host *host, struct cba_deadline deadline, int *fd,
                                 struct cba_result *result)
{
    struct address addresses[ADDRESSES_MAX];
    size_t count;
    char text[128];
    int error = ETIMEDOUT;
    enum cba_reason reason = resolve(host, deadline, addresses, &count, result);

    if (reason != CBA_R_OK) {
        return reason;
    }
    for (size_t i = 0; i < count && cba_deadline_left_ms(deadline) > 0; i++) {
        /* A silent address leaves the next ones their share of the time. */
        int share = cba_deadline_left_ms(deadline) / (int)(count - i);

        error = connect_address(&addresses[i], cba_deadline_in_ms(share), fd);
        if (!error) {
            return CBA_R_OK;
        }
        begin_elsewhere(host, &addresses[i]);
    }
    cba_result_set(result, "%s: connect: %s", host->name, apr_strerror(error, text, sizeof text));
    return error == ETIMEDOUT ? CBA_R_DIR_TIMEOUT : CBA_R_DIR_UNREACHABLE;
}
