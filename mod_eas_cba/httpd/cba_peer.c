/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_peer.h"

#include <apr_hash.h>
#include <apr_optional_hooks.h>
#include <apr_strings.h>
#include <http_ssl.h>
#include <mod_ssl_openssl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "cba_certificates.h"

/* server_rec -> SSL_CTX with which mod_ssl makes its handshakes. Filled in post_config by the only
 * thread there is, read-only afterwards. */
static apr_hash_t *contexts;

static const char handshake_key[] = "eas_cba_handshake";

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

static SSL *handshake_of(const request_rec *r)
{
    const conn_rec *c = r->connection->master ? r->connection->master : r->connection;
    void *ssl = NULL;

    apr_pool_userdata_get(&ssl, handshake_key, c->pool);
    return ssl;
}

/* Was the handshake made for the virtual host that serves the request? CAs, revocation lists and
 * depth were those of the host that SNI named, or of the first one; the request's Host may name
 * another. mod_ssl compares some of that between the two, which and whether depends on its version
 * and on SSLVHostSNIPolicy. */
static bool is_for_server(const request_rec *r, const SSL *ssl)
{
    const server_rec *server = r->server;
    const SSL_CTX *own = contexts ? apr_hash_get(contexts, &server, sizeof server) : NULL;

    return own && ssl && SSL_get_SSL_CTX(ssl) == own;
}

/* Empty: there was no memory for it. mod_ssl has just written this text, so nothing else lacks. */
static struct cba_span decode(apr_pool_t *pool, const char *pem)
{
    struct cba_span der = {NULL, 0};
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

/* A certificate that a connection showed. */
struct shown {
    X509 *held; /* a reference: while it is held, this address is this certificate; may be NULL */
    struct cba_span der;
    unsigned char key[CBA_CACHE_KEY];
};

static apr_status_t release(void *certificate)
{
    X509_free(certificate);
    return APR_SUCCESS;
}

/* NULL: there is none, or no memory for it. */
static struct shown *show(request_rec *r, apr_pool_t *pool, X509 *held)
{
    const char *pem = lookup(r, "SSL_CLIENT_CERT");
    struct shown *shown;

    if (!*pem) {
        return NULL;
    }
    shown = apr_palloc(pool, sizeof *shown);
    shown->held = held;
    shown->der = decode(pool, pem);
    if (shown->der.len == 0 || !cba_certificates_key(shown->der, shown->key)) {
        return NULL;
    }
    if (held) {
        X509_up_ref(held);
        apr_pool_cleanup_register(pool, held, release, apr_pool_cleanup_null);
    }
    return shown;
}

/* The first certificate of a connection, which mostly is its only one, is kept with it: mod_ssl would
 * write it as text for each request. */
static const struct shown *shown_by(request_rec *r, const SSL *ssl)
{
    static const char key[] = "eas_cba_peer";
    conn_rec *c = r->connection;
    /* A stream of HTTP/2 runs beside the connection's own thread, and has it for one request. */
    X509 *held = ssl && !c->master ? SSL_get0_peer_certificate(ssl) : NULL;
    void *data = NULL;
    const struct shown *kept;

    if (!held) {
        return show(r, r->pool, NULL);
    }
    apr_pool_userdata_get(&data, key, c->pool);
    kept = data;
    if (!kept) {
        kept = show(r, c->pool, held);
        apr_pool_userdata_setn(kept, key, NULL, c->pool);
    }
    /* TLS 1.2 can renegotiate to another one. */
    return !kept || kept->held == held ? kept : show(r, r->pool, NULL);
}

const unsigned char *cba_peer_of(request_rec *r, struct cba_peer *peer)
{
    const struct shown *shown;
    SSL *ssl;

    memset(peer, 0, sizeof *peer);
    peer->tls = is_tls(r);
    if (!peer->tls) {
        return NULL;
    }
    ssl = handshake_of(r);
    peer->astray = !is_for_server(r, ssl);
    peer->verify = cba_span_str(lookup(r, "SSL_CLIENT_VERIFY"));
    shown = shown_by(r, ssl);
    if (shown) {
        peer->der = shown->der;
    }
    return shown ? shown->key : NULL;
}

static int server_begins(server_rec *s, apr_pool_t *pool, int is_proxy, SSL_CTX *context)
{
    const server_rec **key;

    if (!is_proxy && contexts) {
        key = apr_pmemdup(pool, &s, sizeof s);
        apr_hash_set(contexts, key, sizeof *key, context);
    }
    return OK;
}

/* SNI has not been read yet: which context it leads to is asked for at each request. mod_ssl frees
 * the SSL after the connection's last request. */
static int handshake_begins(conn_rec *c, SSL *ssl, int is_proxy)
{
    if (!is_proxy) {
        apr_pool_userdata_setn(ssl, handshake_key, NULL, c->pool);
    }
    return OK;
}

void cba_peer_prepare(apr_pool_t *pconf)
{
    contexts = apr_hash_make(pconf);
}

void cba_peer_register(void)
{
    APR_OPTIONAL_HOOK(ssl, init_server, server_begins, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ssl, pre_handshake, handshake_begins, NULL, NULL, APR_HOOK_MIDDLE);
}
