/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_shared.h"

#include <stdlib.h>
#include <apr_file_io.h>
#include <apr_strings.h>
#include <openssl/crypto.h>

#include "cba_conf.h"
#include "cba_report.h"
#include "cba_seal.h"
#include "cba_store.h"

#define KEPT       "mod_eas_cba-cache-key-" CBA_VERSION
#define SEALED_MAX (CBA_RECORD_MAX + CBA_SEAL_EXTRA)

_Static_assert(CBA_STORE_KEY == CBA_RECORD_KEY, "records are stored under their key");

struct cba_shared {
    struct cba_store *store;
    const struct cba_seal *seal;
    server_rec *server; /* for the log */
};

/* --- setting up --- */

static apr_status_t wipe(void *seal)
{
    cba_seal_wipe(seal);
    return APR_SUCCESS;
}

const char *cba_shared_read_key(apr_pool_t *pool, const char *path, struct cba_seal *seal)
{
    char text[CBA_SEAL_FILE + 1], why[120];
    apr_size_t len = 0;
    apr_file_t *file;
    const char *wrong;
    apr_status_t status = apr_file_open(&file, path, APR_FOPEN_READ, APR_FPROT_OS_DEFAULT, pool);

    memset(seal, 0, sizeof *seal);
    if (status == APR_SUCCESS) {
        status = apr_file_read_full(file, text, sizeof text, &len);
        apr_file_close(file);
    }
    if (status != APR_SUCCESS && status != APR_EOF) {
        return apr_pstrdup(pool, apr_strerror(status, why, sizeof why));
    }
    wrong = cba_seal_parse(cba_span_of(text, len), seal);
    OPENSSL_cleanse(text, sizeof text);
    return wrong;
}

static const struct cba_seal *file_seal(const char *path, server_rec *s, apr_pool_t *pconf)
{
    struct cba_seal *seal = apr_palloc(pconf, sizeof *seal);
    const char *wrong = cba_shared_read_key(pconf, path, seal);
    struct cba_result result = {""};

    if (wrong) {
        cba_result_set(&result, "%s: %s", path, wrong);
        cba_report_server(s, CBA_R_CONF_CACHE_KEY, &result);
        return NULL;
    }
    apr_pool_cleanup_register(pconf, seal, wipe, apr_pool_cleanup_null);
    return seal;
}

static const struct cba_seal *random_seal(server_rec *s)
{
    struct cba_seal *seal = ap_retained_data_get(KEPT);

    if (!seal) {
        /* Not wiped: when the process's pool ends, this module is no longer loaded. */
        seal = ap_retained_data_create(KEPT, sizeof *seal);
    }
    if (!seal->count && !cba_seal_random(seal)) {
        cba_report_server(s, CBA_R_LIFE_MEMORY, NULL);
        return NULL;
    }
    return seal;
}

static apr_status_t set_up(struct cba_srv_conf *conf, server_rec *s, server_rec *main_server,
                           apr_pool_t *pconf, apr_pool_t *ptemp)
{
    const char *path = cba_srv_cache_key(conf), *args;
    struct cba_shared *shared = apr_pcalloc(pconf, sizeof *shared);
    enum cba_store_kind kind;
    apr_status_t status;

    if (!cba_store_parse(ptemp, cba_srv_cache(conf), &kind, &args)) {
        return APR_EINVAL; /* the directive would have been refused */
    }
    status = cba_store_open(kind, args, main_server, pconf, &shared->store);
    if (status != APR_SUCCESS || !shared->store) {
        return status;
    }
    shared->server = s;
    shared->seal = path ? file_seal(path, s, pconf) : random_seal(s);
    conf->shared = shared;
    return shared->seal ? APR_SUCCESS : APR_EGENERAL;
}

apr_status_t cba_shared_post_config(apr_pool_t *pconf, apr_pool_t *ptemp, server_rec *s)
{
    server_rec *one;

    for (one = s; one; one = one->next) {
        struct cba_srv_conf *conf = cba_conf_srv(one);
        apr_status_t status = conf->protects ? set_up(conf, one, s, pconf, ptemp) : APR_SUCCESS;

        if (status != APR_SUCCESS) {
            return status;
        }
    }
    cba_store_settle(s, ptemp);
    return APR_SUCCESS;
}

void cba_shared_child_init(apr_pool_t *pchild, server_rec *s)
{
    for (; s; s = s->next) {
        struct cba_srv_conf *conf = cba_conf_srv(s);
        apr_status_t status =
            conf->shared ? cba_store_child_init(conf->shared->store, pchild) : APR_SUCCESS;

        if (status != APR_SUCCESS) {
            struct cba_result result = {""};
            char why[120];

            cba_result_set(&result, "mutex: %s", apr_strerror(status, why, sizeof why));
            cba_shared_complain(conf->shared, CBA_R_CACHE_DOWN, &result);
            conf->shared = NULL;
        }
    }
}

/* --- records --- */

void cba_shared_complain(const struct cba_shared *shared, enum cba_reason reason,
                         const struct cba_result *result)
{
    cba_report_often(shared->server, reason, result);
}

static void complain_of_store(const struct cba_shared *shared, apr_status_t status)
{
    struct cba_result result = {""};
    char why[120];

    if (APR_STATUS_IS_ENOSPC(status)) {
        return; /* mod_socache_shmcb has said so */
    }
    cba_result_set(&result, "%s", apr_strerror(status, why, sizeof why));
    cba_shared_complain(shared, CBA_R_CACHE_DOWN, &result);
}

/* CBA_R_OK: it serves. CBA_R_UNDECIDED: an ordinary miss. */
static enum cba_reason reason_of(enum cba_record_age age)
{
    switch (age) {
    case CBA_RECORD_SERVES:
        return CBA_R_OK;
    case CBA_RECORD_SPENT:
        return CBA_R_UNDECIDED; /* nothing to speak of */
    case CBA_RECORD_SUPERSEDED:
        return CBA_R_CACHE_OLDER;
    default:
        return CBA_R_CACHE_TIME;
    }
}

/* The record out of its seal, if it may serve. */
static enum cba_reason open_record(const struct cba_shared *shared, const unsigned char *key,
                                   enum cba_record_type type, int64_t lifetime, int64_t known,
                                   struct cba_span sealed, struct cba_shared_record *record,
                                   struct cba_result *result)
{
    int64_t now = apr_time_sec(apr_time_now());
    struct cba_record_times times;
    enum cba_reason reason;

    record->memory = malloc(sealed.len + 1);
    if (!record->memory) {
        return CBA_R_LIFE_MEMORY;
    }
    reason = cba_seal_open(shared->seal, key, type, sealed, record->memory, &record->size);
    if (reason != CBA_R_OK) {
        return reason;
    }
    record->content = cba_span_of(record->memory, record->size);
    if (!cba_record_take_head(&record->content, type, &times)) {
        return CBA_R_CACHE_FORMAT;
    }
    record->issued = times.issued;
    reason = reason_of(cba_record_judge(&times, now, lifetime, known, &record->until));
    if (reason != CBA_R_OK) {
        cba_result_set(result, "%lld s old, to serve for %lld s", (long long)(now - times.issued),
                       (long long)(times.until - times.issued));
    }
    return reason;
}

bool cba_shared_get(struct cba_shared *shared, const unsigned char key[CBA_RECORD_KEY],
                    enum cba_record_type type, int64_t lifetime, int64_t known,
                    struct cba_shared_record *record)
{
    unsigned char *sealed = shared ? malloc(SEALED_MAX) : NULL;
    enum cba_reason reason = CBA_R_UNDECIDED;
    struct cba_result result = {""};
    unsigned len = SEALED_MAX;
    apr_status_t status;

    memset(record, 0, sizeof *record);
    if (!sealed) {
        return false;
    }
    status = cba_store_get(shared->store, shared->server, key, sealed, &len);
    if (status == APR_SUCCESS) {
        reason = open_record(shared, key, type, lifetime, known, cba_span_of(sealed, len), record,
                             &result);
        if (reason != CBA_R_OK) {
            if (reason != CBA_R_UNDECIDED) {
                cba_shared_complain(shared, reason, &result);
            }
            cba_shared_release(record);
        }
    } else if (status != APR_NOTFOUND) {
        complain_of_store(shared, status);
    }
    free(sealed);
    return reason == CBA_R_OK;
}

void cba_shared_release(struct cba_shared_record *record)
{
    if (!record->memory) {
        return;
    }
    OPENSSL_cleanse(record->memory, record->size); /* a ticket, perhaps */
    free(record->memory);
    memset(record, 0, sizeof *record);
}

void cba_shared_put(struct cba_shared *shared, const unsigned char key[CBA_RECORD_KEY],
                    enum cba_record_type type, const struct cba_record_times *times,
                    struct cba_span content)
{
    size_t plain = CBA_RECORD_HEAD + content.len, sealed;
    unsigned char *memory;
    apr_status_t status;

    /* mod_socache_redis refuses what has less than a second. */
    if (!shared || times->until - apr_time_sec(apr_time_now()) < 2) {
        return;
    }
    memory = content.len <= CBA_RECORD_MAX - CBA_RECORD_HEAD
                 ? malloc(plain + plain + CBA_SEAL_EXTRA)
                 : NULL;
    if (!memory) {
        return;
    }
    cba_record_put_head(type, times, memory);
    memcpy(memory + CBA_RECORD_HEAD, content.ptr, content.len);
    sealed = cba_seal_close(shared->seal, key, type, cba_span_of(memory, plain), memory + plain,
                            plain + CBA_SEAL_EXTRA);
    OPENSSL_cleanse(memory, plain);
    status = sealed ? cba_store_put(shared->store, shared->server, key, times->until,
                                    memory + plain, (unsigned)sealed)
                    : APR_EGENERAL;
    if (status != APR_SUCCESS) {
        complain_of_store(shared, status);
    }
    free(memory);
}

void cba_shared_remove(struct cba_shared *shared, const unsigned char key[CBA_RECORD_KEY])
{
    apr_status_t status =
        shared ? cba_store_remove(shared->store, shared->server, key) : APR_SUCCESS;

    if (status != APR_SUCCESS) {
        complain_of_store(shared, status);
    }
}
