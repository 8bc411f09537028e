/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_answer.h"

#include <apr_buckets.h>
#include <http_connection.h>
#include <http_protocol.h>
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

static int offers_negotiate(void *found, const char *name, const char *value)
{
    (void)name;
    if (cba_challenge_offers(cba_span_str(value), "Negotiate")) {
        *(bool *)found = true;
    }
    return 1;
}

enum cba_reason cba_answer_judge(const request_rec *r, int status)
{
    bool negotiable = false;

    if (status == HTTP_PROXY_AUTHENTICATION_REQUIRED) {
        return CBA_R_BACK_PROXY_CHALLENGE;
    }
    if (status != HTTP_UNAUTHORIZED) {
        return CBA_R_OK;
    }
    apr_table_do(offers_negotiate, &negotiable, r->headers_out, "WWW-Authenticate", NULL);
    return negotiable ? CBA_R_BACK_CHALLENGE : CBA_R_BACK_NO_NEGOTIATE;
}

bool cba_answer_is_challenge(const char *head)
{
    static const char name[] = "\r\nWWW-Authenticate:";
    const char *line, *end = strstr(head, "\r\n\r\n");
    bool negotiable = false;

    if (!end || strncmp(head, "HTTP/1.", 7) || !head[7] || strncmp(head + 8, " 401", 4)) {
        return false;
    }
    for (line = strstr(head, "\r\n"); line && line < end && !negotiable;
         line = strstr(line + 2, "\r\n")) {
        if (!strncasecmp(line, name, sizeof name - 1)) {
            const char *value = line + sizeof name - 1;

            negotiable = cba_challenge_offers(
                cba_span_of(value, (size_t)(strstr(value, "\r\n") - value)), "Negotiate");
        }
    }
    return negotiable;
}

/* mod_proxy says that the back end broke off by an error bucket, and with an EOC bucket that it had
 * not begun to answer and that the phone's connection shall be closed. */
static bool is_broken(apr_bucket_brigade *bb, bool *mute)
{
    bool broken = false;
    apr_bucket *b;

    *mute = false;
    for (b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb); b = APR_BUCKET_NEXT(b)) {
        broken = broken || AP_BUCKET_IS_ERROR(b);
        *mute = *mute || AP_BUCKET_IS_EOC(b);
    }
    return broken;
}

static apr_status_t watch_answer(ap_filter_t *f, apr_bucket_brigade *bb)
{
    struct cba_answer_watch *watch = f->ctx;
    request_rec *r = f->r;

    if (!watch->seen) {
        watch->seen = true;
        watch->reason =
            is_broken(bb, &watch->mute) ? CBA_R_BACK_FAILED : cba_answer_judge(r, r->status);
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
    watch->seen = watch->mute = false;
    watch->reason = CBA_R_OK;
    if (!watch->filtering) {
        ap_add_output_filter_handle(answer_filter, watch, r, r->connection);
        watch->filtering = true;
    }
    if (!watch->headers) {
        watch->headers = apr_table_copy(r->pool, r->headers_out);
        watch->err_headers = apr_table_copy(r->pool, r->err_headers_out);
        watch->trailers = apr_table_copy(r->pool, r->trailers_out);
    }
}

void cba_answer_forget(request_rec *r, struct cba_answer_watch *watch)
{
    /* mod_proxy keeps the Set-Cookie of the table that it finds, so that a cookie of this answer
     * would reach the phone with the next one. */
    r->headers_out = apr_table_copy(r->pool, watch->headers);
    r->err_headers_out = apr_table_copy(r->pool, watch->err_headers);
    r->trailers_out = apr_table_copy(r->pool, watch->trailers);
    r->status = HTTP_OK;
    r->status_line = NULL;
    r->content_type = NULL;
    r->content_encoding = NULL;
    r->content_languages = NULL;
    r->sent_bodyct = 0;
    r->no_cache = 0;
    apr_table_unset(r->notes, "proxy-error-override");
    apr_table_unset(r->notes, "error-notes");
}
