/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_peer.h"

#include <apr_strings.h>
#include <http_ssl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

static const char *lookup(request_rec *r, const char *name)
{
    const char *value = ap_ssl_var_lookup(r->pool, r->server, r->connection, r, name);

    return value ? value : "";
}

static bool is_tls(request_rec *r)
{
    /* The streams of HTTP/2 are connections of their own; TLS is their master's. */
    return ap_ssl_conn_is_ssl(r->connection) ||
           (r->connection->master && ap_ssl_conn_is_ssl(r->connection->master));
}

static struct cba_span decode(apr_pool_t *pool, const char *pem)
{
    struct cba_span der = {NULL,
                           0}; /* mod_ssl has just written this text: nothing but memory lacks */
    unsigned char *data = NULL;
    char *name = NULL, *header = NULL;
    long len = 0;
    BIO *bio = BIO_new_mem_buf(pem, -1);

    if (bio && PEM_read_bio(bio, &name, &header, &data, &len) && len > 0) {
        der = cba_span_of(apr_pmemdup(pool, data, (apr_size_t)len), (size_t)len);
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    BIO_free(bio);
    ERR_clear_error();
    return der;
}

/* The first certificate of a connection, which mostly is its only one: mod_ssl gives it as text at
 * each request. Lives in c->pool. */
struct shown {
    const char *pem;
    struct cba_span der;
};

static struct cba_span der_of(request_rec *r, const char *pem)
{
    static const char key[] = "eas_cba_peer";
    conn_rec *c = r->connection;
    void *data = NULL;
    struct shown *shown;

    if (c->master) { /* a stream of HTTP/2: for one request */
        return decode(r->pool, pem);
    }
    apr_pool_userdata_get(&data, key, c->pool);
    shown = data;
    if (!shown) {
        struct cba_span der = decode(c->pool, pem);

        if (der.len == 0) {
            return der;
        }
        shown = apr_palloc(c->pool, sizeof *shown);
        shown->pem = apr_pstrdup(c->pool, pem);
        shown->der = der;
        apr_pool_userdata_setn(shown, key, NULL, c->pool);
    }
    /* TLS 1.2 can renegotiate to another one. */
    return strcmp(shown->pem, pem) ? decode(r->pool, pem) : shown->der;
}

void cba_peer_of(request_rec *r, struct cba_peer *peer)
{
    const char *pem;

    memset(peer, 0, sizeof *peer);
    peer->tls = is_tls(r);
    if (!peer->tls) {
        return;
    }
    peer->verify = cba_span_str(lookup(r, "SSL_CLIENT_VERIFY"));
    pem = lookup(r, "SSL_CLIENT_CERT");
    if (*pem) {
        peer->der = der_of(r, pem);
    }
}
