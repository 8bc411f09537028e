/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_private.h"

#include <apr_strings.h>

#define PER_CLIENT_MAX 8 /* back ends that one client connection may keep open at a time */

struct cba_private {
    struct client *client; /* NULL: for one request only */
    struct cba_private *next;
    apr_pool_t *pool;           /* everything below lives and ends with it */
    const proxy_worker *worker; /* the original: lives as long as this generation of httpd */
    const server_rec *server;
    const char *spn;
    bool busy;
    proxy_worker copy;
    proxy_conn_pool cp;
};

/* What one client connection keeps. Lives in c->pool. */
struct client {
    struct cba_sid owner; /* all of its back-end connections speak for this account */
    struct cba_private *first;
    unsigned count;
};

static void drop(struct client *client, struct cba_private *connection)
{
    struct cba_private **at = &client->first;

    while (*at != connection) {
        at = &(*at)->next;
    }
    *at = connection->next;
    client->count--;
    apr_pool_destroy(connection->pool);
}

static void drop_idle(struct client *client)
{
    struct cba_private *connection = client->first;

    while (connection) {
        struct cba_private *next = connection->next;

        if (!connection->busy) {
            drop(client, connection);
        }
        connection = next;
    }
}

static struct client *client_of(request_rec *r)
{
    conn_rec *c = r->connection;
    struct client *client;

    if (c->master) { /* a stream of HTTP/2: others run beside it on the same client connection */
        return NULL;
    }
    client = ap_get_module_config(c->conn_config, &eas_cba_module);
    if (!client) {
        client = apr_pcalloc(c->pool, sizeof *client);
        ap_set_module_config(c->conn_config, &eas_cba_module, client);
    }
    return client;
}

static struct cba_private *create(apr_pool_t *parent, const server_rec *server,
                                  proxy_worker *worker, const char *spn)
{
    apr_pool_t *pool;
    struct cba_private *connection;

    if (apr_pool_create(&pool, parent) != APR_SUCCESS) {
        return NULL;
    }
    apr_pool_tag(pool, "eas_cba_private");
    connection = apr_pcalloc(pool, sizeof *connection);
    connection->pool = pool;
    connection->worker = worker;
    connection->server = server;
    connection->spn = apr_pstrdup(pool, spn);

    /* Without a reslist (res) mod_proxy takes the one connection in cp->conn, or makes one in
     * cp->pool. Addresses are counted by reference and must outlive the connections that use them:
     * sub-pools end in reverse order of creation. The address that the original worker holds is not
     * ours to share, and its mutex would make all clients wait for one another's name resolution.
     */
    connection->copy = *worker;
    connection->copy.address = NULL;
    connection->copy.cp = &connection->cp;
#if APR_HAS_THREADS
    if (apr_thread_mutex_create(&connection->copy.tmutex, APR_THREAD_MUTEX_DEFAULT, pool) !=
        APR_SUCCESS) {
        apr_pool_destroy(pool);
        return NULL;
    }
#endif
    if (apr_pool_create(&connection->cp.dns_pool, pool) != APR_SUCCESS ||
        apr_pool_create(&connection->cp.pool, pool) != APR_SUCCESS) {
        apr_pool_destroy(pool);
        return NULL;
    }
    connection->busy = true;
    return connection;
}

static struct cba_private *find(struct client *client, request_rec *r, const proxy_worker *worker,
                                const char *spn)
{
    struct cba_private *connection;

    for (connection = client->first; connection; connection = connection->next) {
        if (!connection->busy && connection->worker == worker && connection->server == r->server &&
            !strcmp(connection->spn, spn)) {
            return connection;
        }
    }
    return NULL;
}

struct cba_private *cba_private_take(request_rec *r, const struct cba_account *account,
                                     proxy_worker *worker, const char *spn)
{
    struct client *client = client_of(r);
    struct cba_private *connection;

    if (!client) {
        return create(r->pool, r->server, worker, spn);
    }
    if (!cba_sid_equal(&client->owner, &account->sid)) {
        drop_idle(client);
        if (client->count) { /* one is in use under the other identity, by a request around this
                                one: stay apart from it */
            return create(r->pool, r->server, worker, spn);
        }
        client->owner = account->sid;
    }
    connection = find(client, r, worker, spn);
    if (connection) {
        connection->busy = true;
        return connection;
    }
    if (client->count >= PER_CLIENT_MAX) {
        drop_idle(client);
    }
    connection = create(r->connection->pool, r->server, worker, spn);
    if (connection) {
        connection->client = client;
        connection->next = client->first;
        client->first = connection;
        client->count++;
    }
    return connection;
}

proxy_worker *cba_private_worker(struct cba_private *connection)
{
    return &connection->copy;
}

void cba_private_give_back(struct cba_private *connection, bool keep)
{
    connection->busy = false;
    if (!connection->client) {
        apr_pool_destroy(connection->pool);
    } else if (!keep) {
        drop(connection->client, connection);
    }
}
