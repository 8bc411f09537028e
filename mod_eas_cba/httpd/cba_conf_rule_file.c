/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_conf_rule.h"

#include <apr_strings.h>
#include <krb5.h>

#include "cba_conf.h"
#include "cba_seal.h"
#include "cba_shared.h"
#include "cba_store.h"

#define KEYTAB_NAME_MAX 4096

/* A file, and what speaks of it. */
struct named {
    const struct cba_directive *by; /* NULL: krb5's default */
    const char *path;
};

static void add(const struct cba_case *c, enum cba_reason reason, const struct named *file,
                const char *detail)
{
    if (file->by) {
        cba_findings_add_directive(c->findings, reason, file->by, 0, detail);
    } else {
        cba_findings_add(c->findings, reason, c->section->node,
                         apr_psprintf(c->pool, "no EASCertAuthKeytab for %s, krb5's default is %s",
                                      cba_scope_show(c->pool, c->section), file->path),
                         detail);
    }
}

static void check_file(const struct cba_case *c, const struct named *file, enum cba_reason reason,
                       bool is_secret)
{
    const char *obstacle = cba_file_obstacle(c->user, file->path, CBA_FILE_READ);

    if (obstacle) {
        add(c, reason, file, obstacle);
    }
    if (is_secret && cba_file_is_exposed(c->user, file->path)) {
        add(c, CBA_R_CONF_EXPOSED, file, NULL);
    }
}

/* What krb5 uses when nobody names a keytab. NULL: krb5 cannot say, and *wrong says why. */
static const char *default_name(apr_pool_t *pool, const char **wrong)
{
    char *name = apr_palloc(pool, KEYTAB_NAME_MAX);
    krb5_context context = NULL;
    krb5_error_code code = krb5_init_context(&context);
    const char *text;

    if (!code) {
        code = krb5_kt_default_name(context, name, KEYTAB_NAME_MAX);
    }
    if (code) {
        text = krb5_get_error_message(context, code);
        *wrong = apr_pstrdup(pool, text);
        krb5_free_error_message(context, text);
    }
    if (context) {
        krb5_free_context(context);
    }
    return code ? NULL : name;
}

/* Its path, if it is a file. */
static const char *default_keytab(apr_pool_t *pool, const char **wrong)
{
    const char *name = default_name(pool, wrong);

    if (name && (!strncmp(name, "FILE:", 5) || !strncmp(name, "WRFILE:", 7))) {
        return strchr(name, ':') + 1;
    }
    return name && name[0] == '/' ? name : NULL;
}

static void check_keytab(const struct cba_case *c)
{
    const char *wrong = NULL;
    struct named file = {cba_server_last(c->server, "EASCertAuthKeytab"),
                         cba_srv_keytab(cba_conf_srv(c->server->server))};

    if (!file.path) {
        file.path = default_keytab(c->pool, &wrong);
    }
    if (file.path) {
        check_file(c, &file, CBA_R_CONF_KEYTAB, true);
    } else if (wrong) {
        file.path = "unknown";
        add(c, CBA_R_CONF_KEYTAB, &file, wrong);
    }
}

/* Read as whoever starts httpd, before its children become the User: they get it by memory. */
static void check_cache_key(const struct cba_case *c)
{
    const struct named file = {cba_server_last(c->server, "EASCertAuthCacheKey"),
                               cba_srv_cache_key(cba_conf_srv(c->server->server))};
    struct cba_seal seal;
    const char *wrong;

    if (!file.path) {
        return;
    }
    wrong = cba_shared_read_key(c->pool, file.path, &seal);
    cba_seal_wipe(&seal);
    if (wrong) {
        add(c, CBA_R_CONF_CACHE_KEY, &file, wrong);
    }
    if (cba_file_is_exposed(c->user, file.path)) {
        add(c, CBA_R_CONF_EXPOSED, &file, NULL);
    }
}

static void check_cache(const struct cba_case *c)
{
    const struct cba_srv_conf *conf = cba_conf_srv(c->server->server);
    const struct cba_directive *by = cba_server_last(c->server, "EASCertAuthCache");
    enum cba_store_kind kind;
    const char *args;

    if (!cba_store_parse(c->pool, cba_srv_cache(conf), &kind, &args)) {
        return; /* the directive was refused */
    }
    if (!cba_store_available(kind)) {
        if (by) {
            cba_findings_add_directive(c->findings, CBA_R_CONF_CACHE_PROVIDER, by, 0,
                                       "its module is not loaded");
        } else {
            cba_findings_add_missing(c->findings, CBA_R_WARN_CACHE_NONE, "EASCertAuthCache",
                                     c->server, c->section);
        }
    }
    if (kind > CBA_STORE_SHMCB && !cba_srv_cache_key(conf)) {
        cba_findings_add_directive(c->findings, CBA_R_WARN_CACHE_KEY, by, 0, NULL);
    }
    check_cache_key(c);
}

void cba_rule_files(const struct cba_case *c)
{
    const struct cba_srv_conf *conf = cba_conf_srv(c->server->server);
    const struct named ca = {cba_server_last(c->server, "EASCertAuthLDAPCA"),
                             cba_srv_ldap_ca(conf)};
    const struct named password = {cba_server_last(c->server, "EASCertAuthLDAPBind"),
                                   cba_srv_bind_file(conf)};
    const struct named spool = {cba_server_last(c->server, "EASCertAuthSpool"),
                                cba_srv_spool_dir(conf)};
    const char *obstacle;

    check_keytab(c);
    check_cache(c);
    if (ca.path) {
        check_file(c, &ca, CBA_R_CONF_SECRET_FILE, false);
    }
    if (password.path && *password.path) {
        check_file(c, &password, CBA_R_CONF_SECRET_FILE, true);
    }
    if (spool.path) {
        obstacle = cba_file_obstacle(c->user, spool.path, CBA_FILE_DIRECTORY);
        if (obstacle) {
            add(c, CBA_R_CONF_SPOOL, &spool, obstacle);
        }
    }
}
