/* SPDX-License-Identifier: Apache-2.0
 *
 * Configuration: what the directives of cba_directives.def say. Written while the configuration is
 * read, merged by httpd, read-only from then on; pools are httpd's configuration pools. Members are
 * raw and may be unset: request code reads them through the getters, which know the defaults.
 */
#ifndef CBA_CONF_H
#define CBA_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <apr_tables.h>

#include "cba_module.h"
#include "cba_decision.h"

#define CBA_KIND_NUMBER int64_t
#define CBA_KIND_TEXT   const char *
#define CBA_KIND_LIST   const apr_array_header_t *
#define CBA_KIND_RULES  const apr_array_header_t *

struct cba_dir_conf {
#define CBA_DIRECTIVE_SRV(name, args, kind, field, preset, help)
#define CBA_MEMBER_SRV(kind, field, preset)
#define CBA_DIRECTIVE_DIR(name, args, kind, field, preset, help) CBA_KIND_##kind field;
#define CBA_MEMBER_DIR(kind, field, preset)                      CBA_KIND_##kind field;
#include "cba_directives.def"
#undef CBA_DIRECTIVE_DIR
#undef CBA_MEMBER_DIR
#undef CBA_DIRECTIVE_SRV
#undef CBA_MEMBER_SRV
};

struct cba_gateway;
struct cba_shared;

struct cba_srv_conf {
#define CBA_DIRECTIVE_DIR(name, args, kind, field, preset, help)
#define CBA_MEMBER_DIR(kind, field, preset)
#define CBA_DIRECTIVE_SRV(name, args, kind, field, preset, help) CBA_KIND_##kind field;
#define CBA_MEMBER_SRV(kind, field, preset)                      CBA_KIND_##kind field;
#include "cba_directives.def"
#undef CBA_DIRECTIVE_DIR
#undef CBA_MEMBER_DIR
#undef CBA_DIRECTIVE_SRV
#undef CBA_MEMBER_SRV
    const apr_array_header_t *spn_sections; /* struct cba_spn_entry: EASCertAuthSPN in <Proxy> */
    bool protects;             /* a protected Location stands in this server or applies to it */
    struct cba_shared *shared; /* set in post_config; NULL: there is none */
    struct cba_gateway *_Atomic gateway; /* of this process; NULL: it could not be set up yet */
    apr_pool_t *late;                    /* what it lives in, if that was after child_init */
    int64_t again_ms;                    /* when it is tried again */
};

/* Getters: cba_dir_<field>(conf) and cba_srv_<field>(conf); a default where the administrator said
 * nothing. */
#define CBA_DIRECTIVE_DIR(name, args, kind, field, preset, help)                                   \
    CBA_KIND_##kind cba_dir_##field(const struct cba_dir_conf *conf);
#define CBA_MEMBER_DIR(kind, field, preset)                                                        \
    CBA_KIND_##kind cba_dir_##field(const struct cba_dir_conf *conf);
#define CBA_DIRECTIVE_SRV(name, args, kind, field, preset, help)                                   \
    CBA_KIND_##kind cba_srv_##field(const struct cba_srv_conf *conf);
#define CBA_MEMBER_SRV(kind, field, preset)                                                        \
    CBA_KIND_##kind cba_srv_##field(const struct cba_srv_conf *conf);
#include "cba_directives.def"
#undef CBA_DIRECTIVE_DIR
#undef CBA_MEMBER_DIR
#undef CBA_DIRECTIVE_SRV
#undef CBA_MEMBER_SRV

/* The rules for the decision, from a Location's configuration. */
struct cba_rules cba_conf_rules(const struct cba_dir_conf *conf);

/* The spool directory: as configured, else eas_cba in httpd's runtime directory. */
const char *cba_conf_spool_path(apr_pool_t *pool, const struct cba_srv_conf *conf);

const struct cba_dir_conf *cba_conf_dir(const request_rec *r);
struct cba_srv_conf *cba_conf_srv(const server_rec *s);

/* For the module record. */
void *cba_conf_dir_create(apr_pool_t *pconf, char *dir);
void *cba_conf_dir_merge(apr_pool_t *pconf, void *base, void *add);
void *cba_conf_srv_create(apr_pool_t *pconf, server_rec *s);
void *cba_conf_srv_merge(apr_pool_t *pconf, void *base, void *add);
extern const command_rec cba_conf_commands[];

#endif
