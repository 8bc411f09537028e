/* SPDX-License-Identifier: Apache-2.0
 *
 * A circuit breaker: while nobody answers at the other side, requests are told so at once instead of
 * waiting for it one after the other. It opens when two requests in a row found nobody, for
 * CBA_BREAKER_MS; then one request tries, and what it finds closes or opens it again. What the
 * other side answers, whatever it is, closes it: nothing that one account does can open it. Any
 * thread.
 */
#ifndef CBA_BREAKER_H
#define CBA_BREAKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "cba_reason.h"

#define CBA_BREAKER_MS 2000
/* Who had less time than this proves nothing by having got no answer. */
#define CBA_BREAKER_FAIR_MS 950

/* What a request found. */
enum cba_breaker_news {
    CBA_BREAKER_NOTHING, /* it did not get so far, or had no fair time */
    CBA_BREAKER_ANSWER,
    CBA_BREAKER_SILENCE /* unreachable, or no answer in time */
};

struct cba_breaker {
    pthread_mutex_t lock; /* for all below */
    bool failed;          /* the last request with news found nobody */
    uint32_t who;         /* whose it was */
    bool open;
    bool probing;     /* one request is trying */
    int64_t until_ms; /* open: when one may try; CLOCK_MONOTONIC */
    char cause[CBA_DETAIL_MAX + 1];
};

bool cba_breaker_init(struct cba_breaker *breaker); /* false: out of resources */
void cba_breaker_destroy(struct cba_breaker *breaker);

/* May this request go on? True: it must say what it found by cba_breaker_leave, with the same
 * *probe. False: result has the cause. */
bool cba_breaker_enter(struct cba_breaker *breaker, bool *probe, struct cba_result *result);

/* who: the account that was asked about, as cba_breaker_who says it; 0: none. Two failures of one
 * account are one. cause: of a silence. */
void cba_breaker_leave(struct cba_breaker *breaker, bool probe, enum cba_breaker_news news,
                       uint32_t who, const struct cba_result *cause);

/* Different for different names but for chance, never 0. */
uint32_t cba_breaker_who(const void *name, size_t len);

#endif
