/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_spool.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>
#include <apr_buckets.h>
#include <apr_file_io.h>
#include <apr_shm.h>
#include <apr_strings.h>
#include <http_protocol.h>
#include <util_filter.h>

#define STEP 65536 /* bytes asked for at a time, and read from disk at a time */
#define PROCESSES_MAX                                                                              \
    1024 /* rows: processes of all generations that hold bodies on disk at a time */

/* One process's share of what is on disk. */
struct row {
    _Atomic int64_t pid; /* 0: free */
    _Atomic int64_t bytes;
};

static struct row *rows;   /* shared memory, made before the fork */
static struct row *my_row; /* set in child_init */
static ap_filter_rec_t *spool_filter;

struct cba_spool {
    request_rec *r;
    apr_bucket_brigade *memory;  /* the body's beginning, never handed out itself */
    apr_bucket_brigade *pending; /* what the reader has not had yet */
    apr_file_t *file;            /* the rest, unlinked; NULL: none */
    int64_t in_memory, on_disk;
};

/* The total on disk */

apr_status_t cba_spool_post_config(apr_pool_t *pconf)
{
    apr_shm_t *shm;
    apr_status_t rv = apr_shm_create(&shm, PROCESSES_MAX * sizeof *rows, NULL, pconf);

    if (rv == APR_SUCCESS) {
        rows = apr_shm_baseaddr_get(shm);
        memset(rows, 0, PROCESSES_MAX * sizeof *rows);
    }
    return rv;
}

static bool is_gone(int64_t pid)
{
    return kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

void cba_spool_child_init(apr_pool_t *pchild)
{
    int i;

    (void)pchild;
    for (i = 0; i < PROCESSES_MAX; i++) {
        int64_t pid = atomic_load(&rows[i].pid);

        if (pid && !is_gone(pid)) {
            continue;
        }
        if (atomic_compare_exchange_strong(&rows[i].pid, &pid, (int64_t)getpid())) {
            atomic_store(&rows[i].bytes, 0);
            my_row = &rows[i];
            return;
        }
    }
}

static int64_t sum_of_rows(void)
{
    int64_t sum = 0;
    int i;

    for (i = 0; i < PROCESSES_MAX; i++) {
        int64_t pid = atomic_load(&rows[i].pid);

        if (pid && atomic_load(&rows[i].bytes) && (&rows[i] == my_row || !is_gone(pid))) {
            sum += atomic_load(&rows[i].bytes);
        }
    }
    return sum;
}

/* Reserve first, look afterwards: two that race may both be refused, never both be let in. */
static bool reserve(struct cba_spool *spool, int64_t bytes, int64_t total)
{
    if (!my_row) {
        return false;
    }
    atomic_fetch_add(&my_row->bytes, bytes);
    if (sum_of_rows() > total) {
        atomic_fetch_sub(&my_row->bytes, bytes);
        return false;
    }
    spool->on_disk += bytes;
    return true;
}

static apr_status_t release(void *data)
{
    struct cba_spool *spool = data;

    if (my_row) {
        atomic_fetch_sub(&my_row->bytes, spool->on_disk);
    }
    return APR_SUCCESS;
}

/* Reading ahead */

static enum cba_reason open_file(struct cba_spool *spool, const char *dir,
                                 struct cba_result *result)
{
    char *path = apr_pstrcat(spool->r->pool, dir, "/body.XXXXXX", NULL);
    /* Without APR_FOPEN_XTHREAD: with it a file bucket opens the file again by name, and the name
     * is gone. */
    apr_status_t rv = apr_file_mktemp(
        &spool->file, path, APR_FOPEN_CREATE | APR_FOPEN_READ | APR_FOPEN_WRITE | APR_FOPEN_EXCL,
        spool->r->pool);
    char text[128];

    if (rv != APR_SUCCESS) {
        cba_result_set(result, "%s: %s", dir, apr_strerror(rv, text, sizeof text));
        return CBA_R_REQ_SPOOL_IO;
    }
    apr_file_remove(path, spool->r->pool); /* no file is left behind, however this process ends */
    return CBA_R_OK;
}

static enum cba_reason to_disk(struct cba_spool *spool, const char *data, apr_size_t len,
                               const char *dir, int64_t total, struct cba_result *result)
{
    apr_status_t rv;
    char text[128];

    if (!spool->file) {
        enum cba_reason reason = open_file(spool, dir, result);

        if (reason != CBA_R_OK) {
            return reason;
        }
    }
    if (!reserve(spool, (int64_t)len, total)) {
        return CBA_R_REQ_SPOOL_TOTAL;
    }
    rv = apr_file_write_full(spool->file, data, len, NULL);
    if (rv != APR_SUCCESS) {
        cba_result_set(result, "%s: %s", dir, apr_strerror(rv, text, sizeof text));
        return CBA_R_REQ_SPOOL_IO;
    }
    return CBA_R_OK;
}

static enum cba_reason keep(struct cba_spool *spool, const char *data, apr_size_t len,
                            const struct cba_spool_rule *rule, struct cba_result *result)
{
    if ((int64_t)len > rule->limit - spool->in_memory - spool->on_disk) {
        return CBA_R_REQ_GREW;
    }
    if (!cba_hold_add(rule->hold, (int64_t)len)) {
        return CBA_R_REQ_ACCOUNT_SPOOL;
    }
    if (!spool->file && (int64_t)len <= rule->memory - spool->in_memory) {
        APR_BRIGADE_INSERT_TAIL(
            spool->memory, apr_bucket_heap_create(data, len, NULL, spool->memory->bucket_alloc));
        spool->in_memory += (int64_t)len;
        return CBA_R_OK;
    }
    return to_disk(spool, data, len, rule->dir, rule->total, result);
}

static enum cba_reason broken(apr_status_t rv, struct cba_result *result)
{
    char text[128];

    cba_result_set(result, "%s", apr_strerror(rv, text, sizeof text));
    return APR_STATUS_IS_TIMEUP(rv) ? CBA_R_REQ_BODY_SLOW : CBA_R_REQ_BODY;
}

/* Keeps one brigade's worth. *end: the body is complete. */
static enum cba_reason keep_brigade(struct cba_spool *spool, apr_bucket_brigade *bb,
                                    const struct cba_spool_rule *rule, bool *end,
                                    struct cba_result *result)
{
    apr_bucket *b;

    for (b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb); b = APR_BUCKET_NEXT(b)) {
        enum cba_reason reason;
        const char *data;
        apr_size_t len;
        apr_status_t rv;

        if (APR_BUCKET_IS_EOS(b)) {
            *end = true;
            return CBA_R_OK;
        }
        if (APR_BUCKET_IS_METADATA(b)) {
            continue;
        }
        rv = apr_bucket_read(b, &data, &len, APR_BLOCK_READ);
        if (rv != APR_SUCCESS) {
            return broken(rv, result);
        }
        reason = len ? keep(spool, data, len, rule, result) : CBA_R_OK;
        if (reason != CBA_R_OK) {
            return reason;
        }
    }
    return CBA_R_OK;
}

static enum cba_reason read_all(struct cba_spool *spool, const struct cba_spool_rule *rule,
                                struct cba_result *result)
{
    request_rec *r = spool->r;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    enum cba_reason reason = CBA_R_OK;
    bool end = false;

    while (!end && reason == CBA_R_OK) {
        apr_status_t rv =
            ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, APR_BLOCK_READ, STEP);

        if (rv != APR_SUCCESS) {
            reason = broken(rv, result);
        } else if (APR_BRIGADE_EMPTY(bb)) {
            reason = broken(APR_EOF, result);
        } else {
            reason = keep_brigade(spool, bb, rule, &end, result);
        }
        apr_brigade_cleanup(bb);
    }
    return reason;
}

/* A length that is announced and too large is refused before a byte is read (and before "100
 * Continue"). */
static enum cba_reason check_announced(request_rec *r, int64_t limit)
{
    const char *announced = apr_table_get(r->headers_in, "Content-Length");
    apr_off_t length;

    if (!announced || apr_table_get(r->headers_in, "Transfer-Encoding")) {
        return CBA_R_OK;
    }
    if (!ap_parse_strict_length(&length, announced)) {
        return CBA_R_REQ_BODY;
    }
    return length > limit ? CBA_R_REQ_ANNOUNCED : CBA_R_OK;
}

/* Content filters have had the body once and have state: they must not see it again. Ours takes
 * their place, below AP_FTYPE_CONNECTION and as a protocol filter, because mod_proxy_http spools
 * once more if it finds any other. */
static void take_over(struct cba_spool *spool)
{
    request_rec *r = spool->r;

    while (r->input_filters->frec->ftype < AP_FTYPE_CONNECTION) {
        ap_remove_input_filter(r->input_filters);
    }
    ap_add_input_filter_handle(spool_filter, spool, r, r->connection);
    /* Nobody has sent "100 Continue" for an empty body; the back end is not to be asked for it. */
    r->expecting_100 = 0;
    if (spool->in_memory + spool->on_disk || apr_table_get(r->headers_in, "Content-Length") ||
        apr_table_get(r->headers_in, "Transfer-Encoding")) {
        apr_table_unset(r->headers_in, "Transfer-Encoding");
        apr_table_setn(r->headers_in, "Content-Length",
                       apr_psprintf(r->pool, "%" APR_INT64_T_FMT,
                                    (apr_int64_t)(spool->in_memory + spool->on_disk)));
    }
    cba_spool_rewind(spool);
}

enum cba_reason cba_spool_read(request_rec *r, const struct cba_spool_rule *rule,
                               struct cba_spool **out, struct cba_result *result)
{
    struct cba_spool *spool;
    enum cba_reason reason = check_announced(r, rule->limit);

    if (reason != CBA_R_OK) {
        return reason;
    }
    spool = apr_pcalloc(r->pool, sizeof *spool);
    spool->r = r;
    spool->memory = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    spool->pending = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_pool_cleanup_register(r->pool, spool, release, apr_pool_cleanup_null);
    /* A subrequest has no body, and mod_proxy_http sends none with it. Its input filters are those of
     * the main request: their content is not ours to take, and they cannot be removed from here. */
    if (!r->main) {
        reason = read_all(spool, rule, result);
        if (reason != CBA_R_OK) {
            return reason;
        }
        take_over(spool);
    }
    *out = spool;
    return CBA_R_OK;
}

void cba_spool_rewind(struct cba_spool *spool)
{
    apr_bucket *b;

    apr_brigade_cleanup(spool->pending);
    for (b = APR_BRIGADE_FIRST(spool->memory); b != APR_BRIGADE_SENTINEL(spool->memory);
         b = APR_BUCKET_NEXT(b)) {
        apr_bucket *copy;

        /* Heap buckets are counted by reference: no byte is copied. Their copy cannot fail. */
        if (apr_bucket_copy(b, &copy) == APR_SUCCESS) {
            APR_BRIGADE_INSERT_TAIL(spool->pending, copy);
        }
    }
    if (spool->on_disk) { /* a new bucket each time: reading one uses it up */
        apr_bucket *file =
            apr_brigade_insert_file(spool->pending, spool->file, 0, spool->on_disk, spool->r->pool);

        /* A file that is mapped ends the process where its disk fails. */
        apr_bucket_file_enable_mmap(file, 0);
        apr_bucket_file_set_buf_size(file, STEP);
    }
    APR_BRIGADE_INSERT_TAIL(spool->pending, apr_bucket_eos_create(spool->pending->bucket_alloc));
}

bool cba_spool_is_given(const struct cba_spool *spool)
{
    return APR_BRIGADE_EMPTY(spool->pending);
}

static apr_status_t give_body(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode,
                              apr_read_type_e block, apr_off_t readbytes)
{
    struct cba_spool *spool = f->ctx;
    apr_bucket *end;
    apr_status_t rv;

    (void)block;
    if (mode == AP_MODE_SPECULATIVE || mode == AP_MODE_GETLINE || mode == AP_MODE_EATCRLF ||
        mode == AP_MODE_INIT) {
        return APR_ENOTIMPL;
    }
    if (APR_BRIGADE_EMPTY(
            spool->pending)) { /* httpd asks again to discard what is left: there is nothing */
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(bb->bucket_alloc));
        return APR_SUCCESS;
    }
    if (mode == AP_MODE_EXHAUSTIVE) {
        APR_BRIGADE_CONCAT(bb, spool->pending);
        return APR_SUCCESS;
    }
    /* A file is read in large steps, not in what mod_proxy asks for (8 KB, in two calls each). */
    if (APR_BUCKET_IS_FILE(APR_BRIGADE_FIRST(spool->pending))) {
        const char *data;
        apr_size_t len;

        rv = apr_bucket_read(APR_BRIGADE_FIRST(spool->pending), &data, &len, APR_BLOCK_READ);
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    rv = apr_brigade_partition(spool->pending, readbytes, &end);
    if (rv != APR_SUCCESS && rv != APR_INCOMPLETE) {
        return rv;
    }
    while (APR_BRIGADE_FIRST(spool->pending) != end) {
        apr_bucket *b = APR_BRIGADE_FIRST(spool->pending);

        APR_BUCKET_REMOVE(b);
        APR_BRIGADE_INSERT_TAIL(bb, b);
    }
    if (end != APR_BRIGADE_SENTINEL(spool->pending) && APR_BUCKET_IS_EOS(end)) {
        APR_BUCKET_REMOVE(end);
        APR_BRIGADE_INSERT_TAIL(bb, end);
    }
    return APR_SUCCESS;
}

void cba_spool_register(void)
{
    spool_filter = ap_register_input_filter("EAS_CBA_SPOOL", give_body, NULL, AP_FTYPE_PROTOCOL);
}
