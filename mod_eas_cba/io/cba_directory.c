/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_directory.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <ldap.h>

#include "cba_breaker.h"
#include "cba_discovery.h"
#include "cba_ldap.h"

#define SERVERS_MAX 64   /* named ones, or all that DNS ever told */
#define REST_MS     5000 /* a server that failed is left alone so long */
/* A connection lives no longer than this, busy or not: a domain controller closes idle ones after
 * 900 s (MS-ADTS 3.1.1.3.4.6, MaxConnIdleTime), the ticket of its bind ends some day, and the
 * preferred server gets its clients back. */
#define LIFE_MS 600000

struct server {
    struct cba_host *host;
    char *name;
    uint16_t port;
    bool tls;
    atomic_llong rest_until; /* CLOCK_MONOTONIC ms; 0: nothing is wrong with it */
};

/* A pooled connection, or the right to make one. */
struct slot {
    struct cba_ldap *ldap; /* NULL: none yet */
    struct server *server;
    int64_t born_ms;
    struct slot *next;
};

/* The servers to try, in order, as one request sees them. */
struct candidates {
    size_t count;
    struct server *server[SERVERS_MAX];
    bool tried[SERVERS_MAX];
};

struct cba_directory {
    struct cba_login login;
    const char *base; /* NULL: the server's */
    struct cba_service *service;
    struct cba_discovery *discovery; /* NULL: the servers are named */

    struct cba_breaker breaker; /* of all servers together */

    pthread_mutex_t lock; /* never held across traffic */
    pthread_cond_t freed; /* a slot came back */

    struct slot *slots; /* the array */
    struct slot *free;  /* connections first, the one used last on top */
    int connections;

    struct server servers[SERVERS_MAX];
    size_t server_count;
    struct server *order[SERVERS_MAX]; /* the named ones */
    size_t order_count;
};

/* --- making and ending --- */

/* The lock is held, or nobody else knows the directory yet. NULL: out of memory or of places. */
static struct server *server_add(struct cba_directory *directory, const char *name, uint16_t port,
                                 bool tls)
{
    struct server *server;

    for (size_t i = 0; i < directory->server_count; i++) {
        server = &directory->servers[i];
        if (server->port == port && server->tls == tls &&
            cba_span_equal_nocase(cba_span_str(server->name), cba_span_str(name))) {
            return server;
        }
    }
    if (directory->server_count == SERVERS_MAX) {
        return NULL;
    }
    server = &directory->servers[directory->server_count];
    server->host = cba_host_create(name, port);
    if (!server->host) {
        return NULL;
    }
    server->port = port;
    server->tls = tls;
    server->name = strdup(name);
    if (!server->name) {
        cba_host_destroy(server->host);
        return NULL;
    }
    atomic_init(&server->rest_until, 0);
    directory->server_count++;
    return server;
}

static enum cba_reason add_uri(struct cba_directory *directory, const char *uri,
                               struct cba_result *result)
{
    LDAPURLDesc *url = NULL;
    struct server *server = NULL;
    bool tls, ok;

    ok = ldap_url_parse(uri, &url) == LDAP_SUCCESS && url->lud_host && url->lud_host[0] &&
         url->lud_port >= 0 && url->lud_port <= UINT16_MAX &&
         (strcmp(url->lud_scheme, "ldap") == 0 || strcmp(url->lud_scheme, "ldaps") == 0);
    if (ok) {
        tls = strcmp(url->lud_scheme, "ldaps") == 0;
        server = server_add(directory, url->lud_host,
                            (uint16_t)(url->lud_port ? url->lud_port
                                       : tls         ? LDAPS_PORT
                                                     : LDAP_PORT),
                            tls);
    }
    ldap_free_urldesc(url);
    if (!ok) {
        cba_result_set(result, "%s: not of the form ldap://host or ldaps://host", uri);
        return CBA_R_DIR_NO_SERVER;
    }
    if (!server) {
        return directory->server_count == SERVERS_MAX ? CBA_R_DIR_NO_SERVER : CBA_R_LIFE_MEMORY;
    }
    directory->order[directory->order_count++] = server;
    return CBA_R_OK;
}

static apr_status_t destroy(void *data)
{
    struct cba_directory *directory = data;

    cba_discovery_destroy(directory->discovery);
    for (int i = 0; i < directory->connections; i++) {
        cba_ldap_close(directory->slots[i].ldap);
    }
    for (size_t i = 0; i < directory->server_count; i++) {
        cba_host_destroy(directory->servers[i].host);
        free(directory->servers[i].name);
    }
    cba_breaker_destroy(&directory->breaker);
    pthread_cond_destroy(&directory->freed);
    pthread_mutex_destroy(&directory->lock);
    return APR_SUCCESS;
}

static bool init_locks(struct cba_directory *directory)
{
    pthread_condattr_t attr;
    bool ok;

    if (pthread_condattr_init(&attr)) {
        return false;
    }
    ok = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
         pthread_mutex_init(&directory->lock, NULL) == 0 &&
         pthread_cond_init(&directory->freed, &attr) == 0 && cba_breaker_init(&directory->breaker);
    pthread_condattr_destroy(&attr);
    return ok;
}

static const char *copy(apr_pool_t *pool, const char *text)
{
    return text ? apr_pstrdup(pool, text) : NULL;
}

enum cba_reason cba_directory_create(apr_pool_t *pool, const struct cba_directory_conf *conf,
                                     struct cba_service *service, struct cba_directory **out,
                                     struct cba_result *result)
{
    struct cba_directory *directory = apr_pcalloc(pool, sizeof *directory);
    enum cba_reason reason = CBA_R_OK;

    if (!directory || !cba_conn_prepare() || !init_locks(directory)) {
        return CBA_R_LIFE_MEMORY;
    }
    directory->service = service;
    directory->base = copy(pool, conf->base);
    directory->login = (struct cba_login){
        .bind_dn = copy(pool, conf->bind_dn),
        .password_file = copy(pool, conf->password_file),
        .ca_file = copy(pool, conf->ca_file),
    };
    directory->connections = conf->connections > 0 ? conf->connections : 1;
    directory->slots = apr_pcalloc(pool, (size_t)directory->connections * sizeof *directory->slots);
    for (int i = 0; i < directory->connections; i++) {
        directory->slots[i].next = directory->free;
        directory->free = &directory->slots[i];
    }
    if (conf->uri_count > SERVERS_MAX) {
        cba_result_set(result, "more than %d servers", SERVERS_MAX);
        reason = CBA_R_DIR_NO_SERVER;
    } else if (conf->uri_count == 0) {
        directory->discovery = cba_discovery_create("_ldap", cba_service_realm(service));
        reason = directory->discovery ? CBA_R_OK : CBA_R_LIFE_MEMORY;
    }
    for (size_t i = 0; reason == CBA_R_OK && i < conf->uri_count; i++) {
        reason = add_uri(directory, conf->uris[i], result);
    }
    if (reason != CBA_R_OK) {
        destroy(directory);
        return reason;
    }
    apr_pool_cleanup_register(pool, directory, destroy, apr_pool_cleanup_null);
    *out = directory;
    return CBA_R_OK;
}

/* --- waiting --- */

/* Waits for a change; the lock is held before and after. False: the deadline is over. */
static bool wait_for(struct cba_directory *directory, pthread_cond_t *change,
                     struct cba_deadline deadline)
{
    struct timespec at = {(time_t)(deadline.at_ms / 1000), (long)(deadline.at_ms % 1000) * 1000000};

    return pthread_cond_timedwait(change, &directory->lock, &at) != ETIMEDOUT;
}

/* --- the pool --- */

static bool outlived(const struct slot *slot, int64_t now)
{
    return now - slot->born_ms > LIFE_MS;
}

/* A slot for the caller alone. NULL: none came back by the deadline. */
static struct slot *slot_take(struct cba_directory *directory, struct cba_deadline deadline)
{
    struct slot *slot;

    pthread_mutex_lock(&directory->lock);
    while (!directory->free && wait_for(directory, &directory->freed, deadline)) {
        ;
    }
    /* What comes back in the last moment is for somebody who can still use it. */
    slot = cba_deadline_left_ms(deadline) > 0 ? directory->free : NULL;
    if (slot) {
        directory->free = slot->next;
    } else if (directory->free) {
        pthread_cond_signal(&directory->freed); /* it was meant for one who waits */
    }
    pthread_mutex_unlock(&directory->lock);
    return slot;
}

static void slot_close(struct slot *slot)
{
    cba_ldap_close(slot->ldap);
    slot->ldap = NULL;
    slot->server = NULL;
}

/* Unlinks a slot with a connection that has outlived its time; NULL: there is none. The lock is
 * held. */
static struct slot *slot_outlived(struct cba_directory *directory, int64_t now)
{
    for (struct slot **at = &directory->free; *at && (*at)->ldap; at = &(*at)->next) {
        struct slot *slot = *at;

        if (outlived(slot, now)) {
            *at = slot->next;
            return slot;
        }
    }
    return NULL;
}

/* Puts a slot back: with a connection on top, without one to the end, so that connections are used
 * before new ones are made. */
static void slot_give(struct cba_directory *directory, struct slot *slot)
{
    int64_t now = cba_deadline_clock_ms();
    struct slot **at;

    while (slot) {
        pthread_mutex_lock(&directory->lock);
        at = &directory->free;
        while (!slot->ldap && *at) {
            at = &(*at)->next;
        }
        slot->next = *at;
        *at = slot;
        pthread_cond_signal(&directory->freed);
        /* Those at the bottom are never used again after a busy hour, and would never end. */
        slot = slot_outlived(directory, now);
        pthread_mutex_unlock(&directory->lock);
        if (slot) {
            slot_close(slot);
        }
    }
}

/* --- servers --- */

static void server_failed(struct server *server)
{
    atomic_store(&server->rest_until, cba_deadline_clock_ms() + REST_MS);
}

static void server_answered(struct server *server)
{
    atomic_store(&server->rest_until, 0);
}

/* Is it this server's turn? When its rest is over, one request tries it, and the others go on
 * leaving it alone until that one knows. */
static bool server_rested(struct server *server)
{
    long long until = atomic_load(&server->rest_until);
    int64_t now = cba_deadline_clock_ms();

    if (until == 0) {
        return true;
    }
    return now >= until &&
           atomic_compare_exchange_strong(&server->rest_until, &until, now + REST_MS);
}

static enum cba_reason list_found(struct cba_directory *directory, struct cba_deadline deadline,
                                  struct candidates *list, struct cba_result *result)
{
    struct cba_srv found[CBA_SRV_MAX];
    size_t count;
    enum cba_reason reason =
        cba_discovery_get(directory->discovery, deadline, found, &count, result);

    if (reason != CBA_R_OK) {
        return reason;
    }
    pthread_mutex_lock(&directory->lock);
    for (size_t i = 0; i < count; i++) {
        struct server *server = server_add(directory, found[i].host, found[i].port, false);

        if (server) {
            list->server[list->count++] = server;
        }
    }
    pthread_mutex_unlock(&directory->lock);
    /* Servers without memory for them are no servers. */
    return list->count > 0 ? CBA_R_OK : CBA_R_LIFE_MEMORY;
}

static enum cba_reason list_servers(struct cba_directory *directory, struct cba_deadline deadline,
                                    struct candidates *list, struct cba_result *result)
{
    memset(list, 0, sizeof *list);
    if (directory->discovery) {
        return list_found(directory, deadline, list, result);
    }
    list->count = directory->order_count;
    memcpy(list->server, directory->order, list->count * sizeof list->server[0]);
    return CBA_R_OK;
}

/* The next server to try: first those that nothing is wrong with, then, better than nothing, the
 * others. */
static struct server *next_server(struct candidates *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!list->tried[i] && server_rested(list->server[i])) {
            list->tried[i] = true;
            return list->server[i];
        }
    }
    for (size_t i = 0; i < list->count; i++) {
        if (!list->tried[i]) {
            list->tried[i] = true;
            return list->server[i];
        }
    }
    return NULL;
}

static size_t untried(const struct candidates *list)
{
    size_t count = 0;

    for (size_t i = 0; i < list->count; i++) {
        count += !list->tried[i];
    }
    return count;
}

/* --- one request --- */

/* What one attempt may take of the time when more others may have to follow: the first ones get the
 * most, each gets some. */
static struct cba_deadline share_of(struct cba_deadline deadline, size_t others)
{
    return cba_deadline_within(deadline,
                               cba_deadline_left_ms(deadline) / (others < 2 ? (int)others + 1 : 3));
}

/* Would another server give a better answer? */
static bool others_may_do_better(const struct cba_directory *directory, enum cba_reason reason)
{
    switch (reason) {
    case CBA_R_DIR_UNREACHABLE:
    case CBA_R_DIR_TIMEOUT:
    case CBA_R_DIR_TLS:
    case CBA_R_DIR_SEARCH:
    case CBA_R_DIR_ANSWER:
    case CBA_R_KRB_SPN_UNKNOWN: /* the ldap/ SPN of this server */
    case CBA_R_KRB_ENCTYPE:
    case CBA_R_KRB_TOKEN:
    case CBA_R_KRB_TIMEOUT: /* of its share; a silent KDC is not asked again at once */
        return true;
    case CBA_R_DIR_BIND:
        /* A wrong password is wrong everywhere, and each try counts towards the lock-out of the
         * account. */
        return directory->login.bind_dn == NULL;
    default:
        return false;
    }
}

/* Says what happened at each server, as far as there is room. */
static void append(struct cba_result *all, const struct cba_result *one)
{
    struct cba_result before = *all;

    cba_result_set(all, "%s%s%s", before.detail, before.detail[0] && one->detail[0] ? "; " : "",
                   one->detail);
}

/* What is asked of a connection: by put, which is given the question. */
struct question {
    enum cba_reason (*put)(struct cba_ldap *ldap, const struct question *question,
                           struct cba_deadline deadline, struct cba_result *result);
    const struct cba_cert *cert; /* accounts */
    struct cba_answer *answer;
    struct cba_ntauth_set **set; /* NTAuth */
    const char *dn;              /* a group */
    struct cba_sid *group;
    const struct cba_sid *account; /* its groups */
    struct cba_groups **groups;
};

/* Asks the slot's connection. Afterwards it is NULL unless it may be used again. */
static enum cba_reason ask(struct slot *slot, const struct question *question,
                           struct cba_deadline deadline, struct cba_result *result)
{
    enum cba_reason reason = question->put(slot->ldap, question, deadline, result);

    if (!cba_ldap_usable(slot->ldap)) {
        slot_close(slot);
    }
    return reason;
}

/* Servers one after the other until one answers or the time is over. *opened: there was a connection
 * to one of them. */
static enum cba_reason ask_anew(struct cba_directory *directory, struct slot *slot,
                                const struct question *question, struct cba_deadline deadline,
                                bool *opened, struct cba_result *result)
{
    struct cba_result one = {""};
    struct candidates list;
    struct server *server;
    enum cba_reason reason = list_servers(directory, deadline, &list, &one);

    if (reason != CBA_R_OK) {
        append(result, &one);
        return reason;
    }
    reason = CBA_R_DIR_TIMEOUT;
    while (cba_deadline_left_ms(deadline) > 0 && (server = next_server(&list)) != NULL) {
        struct cba_deadline share = share_of(deadline, untried(&list));

        one = (struct cba_result){""};
        reason = cba_ldap_open(server->host, server->tls, &directory->login, directory->base,
                               directory->service, share, &slot->ldap, &one);
        if (reason == CBA_R_OK) {
            *opened = true;
            slot->server = server;
            slot->born_ms = cba_deadline_clock_ms();
            reason = ask(slot, question, share, &one);
        }
        if (slot->ldap) {
            server_answered(server);
            break;
        }
        if (!others_may_do_better(directory, reason)) {
            break;
        }
        if (reason != CBA_R_KRB_TIMEOUT) {
            server_failed(server);
        }
        append(result, &one);
        one = (struct cba_result){""};
    }
    append(result, &one);
    return reason;
}

/* On the slot's connection, or on a new one. *opened: see ask_anew. */
static enum cba_reason ask_by(struct cba_directory *directory, struct slot *slot,
                              const struct question *question, struct cba_deadline deadline,
                              bool *opened, struct cba_result *result)
{
    enum cba_reason reason = CBA_R_UNDECIDED;

    if (slot->ldap && (outlived(slot, cba_deadline_clock_ms()) || !cba_ldap_alive(slot->ldap))) {
        slot_close(slot);
    }
    if (slot->ldap) {
        struct server *server = slot->server;

        /* A connection from the pool may have died unseen: at most half of the time, and a new one
         * is tried. */
        reason = ask(slot, question,
                     share_of(deadline, directory->discovery ? 2 : directory->order_count), result);
        if (!slot->ldap && reason == CBA_R_DIR_TIMEOUT) {
            server_failed(server);
        }
    }
    if (!slot->ldap) {
        reason = ask_anew(directory, slot, question, deadline, opened, result);
    }
    return reason;
}

/* A search that takes too long may be that one search's fault; that nobody can be reached is not. */
static enum cba_breaker_news news_of(enum cba_reason reason, bool opened, bool fair)
{
    if (opened || reason == CBA_R_OK) {
        return CBA_BREAKER_ANSWER;
    }
    return fair && (reason == CBA_R_DIR_UNREACHABLE || reason == CBA_R_DIR_TIMEOUT)
               ? CBA_BREAKER_SILENCE
               : CBA_BREAKER_NOTHING;
}

static enum cba_reason ask_somebody(struct cba_directory *directory,
                                    const struct question *question, struct cba_deadline deadline,
                                    struct cba_result *result)
{
    struct slot *slot = slot_take(directory, deadline);
    bool fair = cba_deadline_left_ms(deadline) >= CBA_BREAKER_FAIR_MS;
    bool probe, opened = false;
    enum cba_reason reason;

    if (!slot) {
        cba_result_set(result, "all %d connections to the directory are in use",
                       directory->connections);
        return CBA_R_DIR_TIMEOUT;
    }
    if (!cba_breaker_enter(&directory->breaker, &probe, result)) {
        slot_give(directory, slot);
        return CBA_R_DIR_OUTAGE;
    }
    reason = ask_by(directory, slot, question, deadline, &opened, result);
    cba_breaker_leave(&directory->breaker, probe, news_of(reason, opened, fair), 0, result);
    slot_give(directory, slot);
    if (reason == CBA_R_OK) {
        result->detail[0] = '\0'; /* what failed on the way does not belong to the answer */
    }
    return reason;
}

static enum cba_reason put_certificate(struct cba_ldap *ldap, const struct question *question,
                                       struct cba_deadline deadline, struct cba_result *result)
{
    return cba_ldap_find(ldap, question->cert, deadline, question->answer, result);
}

enum cba_reason cba_directory_find(struct cba_directory *directory, const struct cba_cert *cert,
                                   struct cba_deadline deadline, struct cba_answer *answer,
                                   struct cba_result *result)
{
    const struct question question = {.put = put_certificate, .cert = cert, .answer = answer};
    char filter[CBA_FILTER_MAX + 1];
    enum cba_reason reason;

    memset(answer, 0, sizeof *answer);
    result->detail[0] = '\0';
    /* A certificate without an identity costs no server anything. */
    reason = cba_mapping_filter(cert, "", filter);
    if (reason != CBA_R_OK) {
        return reason;
    }
    return ask_somebody(directory, &question, deadline, result);
}

static enum cba_reason put_ntauth(struct cba_ldap *ldap, const struct question *question,
                                  struct cba_deadline deadline, struct cba_result *result)
{
    cba_ntauth_set_unref(*question->set); /* of a connection that was lost with its answer */
    *question->set = NULL;
    return cba_ldap_ntauth(ldap, deadline, question->set, result);
}

enum cba_reason cba_directory_ntauth(struct cba_directory *directory, struct cba_deadline deadline,
                                     struct cba_ntauth_set **out, struct cba_result *result)
{
    const struct question question = {.put = put_ntauth, .set = out};
    enum cba_reason reason;

    *out = NULL;
    result->detail[0] = '\0';
    reason = ask_somebody(directory, &question, deadline, result);
    return reason == CBA_R_DIR_SEARCH || reason == CBA_R_DIR_ANSWER ? CBA_R_DIR_NTAUTH : reason;
}

static enum cba_reason put_group(struct cba_ldap *ldap, const struct question *question,
                                 struct cba_deadline deadline, struct cba_result *result)
{
    return cba_ldap_group(ldap, question->dn, deadline, question->group, result);
}

enum cba_reason cba_directory_group(struct cba_directory *directory, const char *dn,
                                    struct cba_deadline deadline, struct cba_sid *out,
                                    struct cba_result *result)
{
    const struct question question = {.put = put_group, .dn = dn, .group = out};

    *out = (struct cba_sid){0};
    result->detail[0] = '\0';
    return ask_somebody(directory, &question, deadline, result);
}

static enum cba_reason put_groups(struct cba_ldap *ldap, const struct question *question,
                                  struct cba_deadline deadline, struct cba_result *result)
{
    free(*question->groups); /* of a connection that was lost with its answer */
    *question->groups = NULL;
    return cba_ldap_groups(ldap, question->account, deadline, question->groups, result);
}

enum cba_reason cba_directory_groups(struct cba_directory *directory, const struct cba_sid *account,
                                     struct cba_deadline deadline, struct cba_groups **out,
                                     struct cba_result *result)
{
    const struct question question = {.put = put_groups, .account = account, .groups = out};

    *out = NULL;
    result->detail[0] = '\0';
    return ask_somebody(directory, &question, deadline, result);
}
