/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_private.h"

#include <apr_strings.h>

#include "cba_parking.h"

#define PER_CLIENT_MAX 8 /* back ends that one client connection may keep open at a time */

struct cba_private {
    struct client *client; /* NULL: for one request only */
    struct cba_private *next;
    apr_pool_t *pool; /* everything below lives and ends with it; nobody's child: it outlives the
                         client connection */
    struct cba_berth berth; /* the worker is the original, of this generation of httpd */
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

static void end(void *connection)
{
    apr_pool_destroy(((struct cba_private *)connection)->pool);
}

void cba_private_child_init(apr_pool_t *pchild)
{
    cba_parking_child_init(pchild, end);
}

/* It belongs to no client connection any more; whoever the next one is, it must be the same account.
 */
static void retire(struct cba_private *connection)
{
    connection->client = NULL;
    connection->next = NULL;
    if (!cba_parking_put(&connection->berth, connection)) {
        end(connection);
    }
}

static void detach(struct cba_private *connection)
{
    struct client *client = connection->client;
    struct cba_private **at = &client->first;

    while (*at != connection) {
        at = &(*at)->next;
    }
    *at = connection->next;
    client->count--;
}

static void retire_idle(struct client *client)
{
    struct cba_private *connection = client->first;

    while (connection) {
        struct cba_private *next = connection->next;

        if (!connection->busy) {
            detach(connection);
            retire(connection);
        }
        connection = next;
    }
}

/* The phone has gone. What is still in use then was left so by a request that did not end. */
static apr_status_t end_client(void *data)
{
    struct client *client = data;

    retire_idle(client);
    while (client->first) {
        struct cba_private *connection = client->first;

        detach(connection);
        end(connection);
    }
    return APR_SUCCESS;
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
        apr_pool_cleanup_register(c->pool, client, end_client, apr_pool_cleanup_null);
        ap_set_module_config(c->conn_config, &eas_cba_module, client);
    }
    return client;
}

static struct cba_private *create(const struct cba_berth *berth, proxy_worker *worker)
{
    apr_pool_t *pool;
    struct cba_private *connection;

    if (apr_pool_create_unmanaged(&pool) != APR_SUCCESS) {
        return NULL;
    }
    apr_pool_tag(pool, "eas_cba_private");
    connection = apr_pcalloc(pool, sizeof *connection);
    connection->pool = pool;
    connection->berth = *berth;
    connection->berth.spn = apr_pstrdup(pool, berth->spn);

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
    return connection;
}

static struct cba_private *find(struct client *client, const struct cba_berth *berth)
{
    struct cba_private *connection;

    for (connection = client->first; connection; connection = connection->next) {
        if (!connection->busy && connection->berth.worker == berth->worker &&
            connection->berth.server == berth->server &&
            !strcmp(connection->berth.spn, berth->spn)) {
            return connection;
        }
    }
    return NULL;
}

/* Makes the client connection, if it can be, one of this account. False: a request under another
 * identity runs around this one; stay apart from it. */
static bool becomes(struct client *client, const struct cba_sid *owner)
{
    if (!cba_sid_equal(&client->owner, owner)) {
        retire_idle(client);
        if (client->count) {
            return false;
        }
        client->owner = *owner;
    }
    return true;
}

struct cba_private *cba_private_take(request_rec *r, const struct cba_account *account,
                                     proxy_worker *worker, const char *spn, bool fresh)
{
    const struct cba_berth berth = {account->sid, worker, r->server, spn};
    struct client *client = client_of(r);
    struct cba_private *connection;

    if (client && !becomes(client, &account->sid)) {
        client = NULL;
    }
    connection = client && !fresh ? find(client, &berth) : NULL;
    if (!connection) {
        if (client && client->count >= PER_CLIENT_MAX) {
            retire_idle(client);
        }
        connection = fresh ? NULL : cba_parking_take(&berth);
        if (!connection) {
            connection = create(&berth, worker);
        }
        if (connection && client) {
            connection->client = client;
            connection->next = client->first;
            client->first = connection;
            client->count++;
        }
    }
    if (connection) {
        connection->busy = true;
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
    if (keep && connection->client) {
        return;
    }
    if (connection->client) {
        detach(connection);
    }
    if (keep) {
        retire(connection);
    } else {
        end(connection);
    }
}
