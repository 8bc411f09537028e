/* SPDX-License-Identifier: Apache-2.0
 *
 * Load for measurements with bodies: keeps connections with client certificates open and sends on
 * each of them one whole request after the other, head and body in one piece and without Nagle's
 * delay (ab(1) sends them apart, and each request then waits for a delayed acknowledgement).
 *
 *     uploader ADDRESS PORT HOST PATH BODY REQUESTS CONNECTIONS PHONE.PEM...
 *
 * Connects, sends one request on each connection, says "ready" and waits for a line on its standard
 * input; then sends REQUESTS of them, all connections together, and prints: requests a second,
 * milliseconds at 50 % and at 99 %, and how many were not answered by a whole 2xx. The server's
 * certificate is not looked at. One thread for each connection.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 16384
#define NEVER    1e9 /* milliseconds of a request that failed */

struct load {
    struct sockaddr_in address;
    const char *host;
    char *request; /* head and body */
    size_t len;
    long requests;
    double *ms; /* of each request */
    atomic_long next, bad;
    pthread_barrier_t warm, go;
};

struct client {
    pthread_t thread;
    struct load *load;
    SSL_CTX *tls;
};

static void give_up(const char *what)
{
    fprintf(stderr, "uploader: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static SSL *open_connection(const struct client *client)
{
    const struct load *load = client->load;
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    struct timeval patience = {.tv_sec = 60};
    SSL *ssl = SSL_new(client->tls);

    if (fd < 0 || !ssl || connect(fd, (const void *)&load->address, sizeof load->address)) {
        give_up("cannot connect");
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    SSL_set_fd(ssl, fd);
    SSL_set_tlsext_host_name(ssl, load->host);
    if (SSL_connect(ssl) != 1) {
        give_up("no TLS");
    }
    return ssl;
}

static void close_connection(SSL *ssl)
{
    int fd = SSL_get_fd(ssl);

    SSL_free(ssl);
    close(fd);
}

/* What follows a header field's name, in a head that ends with NUL; NULL: there is none. */
static const char *field(const char *head, const char *name)
{
    const char *line;

    for (line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (!strncasecmp(line + 2, name, strlen(name)) && line[2 + strlen(name)] == ':') {
            return line + 3 + strlen(name);
        }
    }
    return NULL;
}

/* Reads one whole answer, whose length must be announced. *kept: the connection stays. */
static bool read_answer(SSL *ssl, bool *kept)
{
    char head[HEAD_MAX + 1], rest[HEAD_MAX];
    const char *value, *end = NULL;
    size_t have = 0, left;
    bool good;

    *kept = false;
    while (!end) {
        int got = have < HEAD_MAX ? SSL_read(ssl, head + have, (int)(HEAD_MAX - have)) : 0;

        if (got <= 0) {
            return false;
        }
        have += (size_t)got;
        head[have] = 0;
        end = strstr(head, "\r\n\r\n");
    }
    head[end - head + 2] = 0; /* nothing of the body is taken for a field */
    value = field(head, "Content-Length");
    if (!value) {
        return false;
    }
    left = (size_t)strtoul(value, NULL, 10);
    have -= (size_t)(end + 4 - head);
    left = have < left ? left - have : 0;
    while (left > 0) {
        int got = SSL_read(ssl, rest, (int)(left < sizeof rest ? left : sizeof rest));

        if (got <= 0) {
            return false;
        }
        left -= (size_t)got;
    }
    value = field(head, "Connection");
    *kept = !value || !strstr(value, "close");
    good = !strncmp(head, "HTTP/1.1 2", 10);
    return good;
}

static bool one_request(const struct client *client, SSL **ssl)
{
    const struct load *load = client->load;
    size_t written;
    bool kept = false;
    bool good =
        SSL_write_ex(*ssl, load->request, load->len, &written) == 1 && read_answer(*ssl, &kept);

    if (!kept) {
        close_connection(*ssl);
        *ssl = open_connection(client);
    }
    return good;
}

static void *play(void *data)
{
    struct client *client = data;
    struct load *load = client->load;
    SSL *ssl = open_connection(client);
    long number;

    if (!one_request(client, &ssl)) {
        atomic_fetch_add(&load->bad, 1);
    }
    pthread_barrier_wait(&load->warm);
    pthread_barrier_wait(&load->go);
    while ((number = atomic_fetch_add(&load->next, 1)) < load->requests) {
        double begin = now_ms();
        bool good = one_request(client, &ssl);

        load->ms[number] = good ? now_ms() - begin : NEVER;
        atomic_fetch_add(&load->bad, !good);
    }
    close_connection(ssl);
    return NULL;
}

/* Head and body of the request, in one piece. */
static void make_request(struct load *load, const char *path, const char *file)
{
    FILE *body = fopen(file, "rb");
    long size = -1;
    int head;

    if (!body || fseek(body, 0, SEEK_END) || (size = ftell(body)) < 0) {
        give_up(file);
    }
    rewind(body);
    load->request = malloc(HEAD_MAX + (size_t)size);
    if (!load->request) {
        give_up("no memory");
    }
    head = snprintf(load->request, HEAD_MAX,
                    "POST %s HTTP/1.1\r\nHost: %s\r\nMS-ASProtocolVersion: 14.1\r\n"
                    "Content-Type: application/vnd.ms-sync.wbxml\r\nContent-Length: %ld\r\n\r\n",
                    path, load->host, size);
    if (head < 0 || head >= HEAD_MAX ||
        fread(load->request + head, 1, (size_t)size, body) != (size_t)size) {
        give_up(file);
    }
    load->len = (size_t)head + (size_t)size;
    fclose(body);
}

static SSL_CTX *make_tls(const char *phone)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

    if (!tls || SSL_CTX_use_certificate_chain_file(tls, phone) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, phone, SSL_FILETYPE_PEM) != 1) {
        give_up(phone);
    }
    return tls;
}

static int by_size(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;

    return a < b ? -1 : a > b;
}

int main(int argc, char **argv)
{
    static struct load load = {.address = {.sin_family = AF_INET}};
    int count, i;
    struct client *clients;
    double begin, seconds;

    if (argc < 9 || inet_pton(AF_INET, argv[1], &load.address.sin_addr) != 1) {
        give_up("ADDRESS PORT HOST PATH BODY REQUESTS CONNECTIONS PHONE.PEM...");
    }
    signal(SIGPIPE, SIG_IGN);
    load.address.sin_port = htons((uint16_t)atoi(argv[2]));
    load.host = argv[3];
    make_request(&load, argv[4], argv[5]);
    load.requests = atol(argv[6]);
    count = atoi(argv[7]);
    clients = calloc(count > 0 ? (size_t)count : 1, sizeof *clients);
    load.ms = load.requests > 0 ? calloc((size_t)load.requests, sizeof *load.ms) : NULL;
    if (!clients || !load.ms || count < 1) {
        give_up("REQUESTS and CONNECTIONS are numbers above 0");
    }
    pthread_barrier_init(&load.warm, NULL, (unsigned)count + 1);
    pthread_barrier_init(&load.go, NULL, (unsigned)count + 1);
    for (i = 0; i < count; i++) {
        clients[i] = (struct client){.load = &load, .tls = make_tls(argv[8 + i % (argc - 8)])};
        if (pthread_create(&clients[i].thread, NULL, play, &clients[i])) {
            give_up("no thread");
        }
    }
    pthread_barrier_wait(&load.warm);
    puts("ready");
    fflush(stdout);
    (void)getchar();
    begin = now_ms();
    pthread_barrier_wait(&load.go);
    for (i = 0; i < count; i++) {
        pthread_join(clients[i].thread, NULL);
    }
    seconds = (now_ms() - begin) / 1e3;
    qsort(load.ms, (size_t)load.requests, sizeof *load.ms, by_size);
    printf("%f %f %f %ld\n", (double)load.requests / seconds, load.ms[load.requests / 2],
           load.ms[load.requests * 99 / 100], atomic_load(&load.bad));
    return 0;
}
