/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_answer.h"

#include <apr_buckets.h>
#include <util_filter.h>

#include "cba_request.h"

static ap_filter_rec_t *answer_filter;

static int is_challenge(void *names, const char *name, const char *value)
{
    (void)value;
    if (cba_header_is_challenge(cba_span_str(name))) {
        APR_ARRAY_PUSH((apr_array_header_t *)names, const char *) = name;
    }
    return 1;
}

static void drop_challenges(request_rec *r)
{
    apr_array_header_t *names = apr_array_make(r->pool, 4, sizeof(const char *));
    int i;

    apr_table_do(is_challenge, names, r->headers_out, NULL);
    apr_table_do(is_challenge, names, r->err_headers_out, NULL);
    for (i = 0; i < names->nelts; i++) {
        apr_table_unset(r->headers_out, APR_ARRAY_IDX(names, i, const char *));
        apr_table_unset(r->err_headers_out, APR_ARRAY_IDX(names, i, const char *));
    }
}

static apr_status_t watch_answer(ap_filter_t *f, apr_bucket_brigade *bb)
{
    struct cba_answer_watch *watch = f->ctx;
    request_rec *r = f->r;

    if (!watch->seen) {
        watch->seen = true;
        watch->reason = r->status == HTTP_UNAUTHORIZED ? CBA_R_BACK_CHALLENGE
                        : r->status == HTTP_PROXY_AUTHENTICATION_REQUIRED
                            ? CBA_R_BACK_PROXY_CHALLENGE
                            : CBA_R_OK;
    }
    if (watch->reason != CBA_R_OK) {
        apr_brigade_cleanup(bb); /* swallowed to its end, so that mod_proxy is done with it */
        return APR_SUCCESS;
    }
    drop_challenges(r);
    watch->filtering = false;
    ap_remove_output_filter(f);
    return ap_pass_brigade(f->next, bb);
}

void cba_answer_register(void)
{
    /* Before AP_FTYPE_RESOURCE, so that no other filter (CACHE, DEFLATE, headers) sees an answer
     * that is withheld. */
    answer_filter =
        ap_register_output_filter("EAS_CBA_ANSWER", watch_answer, NULL, AP_FTYPE_RESOURCE - 10);
}

void cba_answer_watch(request_rec *r, struct cba_answer_watch *watch)
{
    watch->seen = false;
    watch->reason = CBA_R_OK;
    if (!watch->filtering) {
        ap_add_output_filter_handle(answer_filter, watch, r, r->connection);
        watch->filtering = true;
    }
}

void cba_answer_forget(request_rec *r, const struct cba_answer_watch *watch)
{
    if (!watch->seen) {
        return;
    }
    /* What mod_proxy took over from the answer. Its Set-Cookie in particular would reach the phone
     * with the next one. */
    apr_table_clear(r->headers_out);
    r->status = HTTP_OK;
    r->status_line = NULL;
    r->content_type = NULL;
    r->content_encoding = NULL;
    r->content_languages = NULL;
    r->sent_bodyct = 0;
    r->no_cache = 0;
}
