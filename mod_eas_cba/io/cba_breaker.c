/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_breaker.h"

#include <string.h>

#include "cba_deadline.h"

bool cba_breaker_init(struct cba_breaker *breaker)
{
    memset(breaker, 0, sizeof *breaker);
    return pthread_mutex_init(&breaker->lock, NULL) == 0;
}

void cba_breaker_destroy(struct cba_breaker *breaker)
{
    pthread_mutex_destroy(&breaker->lock);
}

bool cba_breaker_enter(struct cba_breaker *breaker, bool *probe, struct cba_result *result)
{
    bool may = true;

    *probe = false;
    pthread_mutex_lock(&breaker->lock);
    if (breaker->open) {
        may = *probe = !breaker->probing && cba_deadline_clock_ms() >= breaker->until_ms;
        breaker->probing = breaker->probing || may;
        if (!may) {
            memcpy(result->detail, breaker->cause, sizeof result->detail);
        }
    }
    pthread_mutex_unlock(&breaker->lock);
    return may;
}

/* The lock is held. */
static void note_silence(struct cba_breaker *breaker, bool probe, uint32_t who,
                         const struct cba_result *cause)
{
    /* Those that began before it opened have nothing new to say. */
    if (breaker->open ? probe : breaker->failed && (who == 0 || who != breaker->who)) {
        breaker->open = true;
        breaker->until_ms = cba_deadline_clock_ms() + CBA_BREAKER_MS;
    }
    breaker->failed = true;
    breaker->who = who;
    memcpy(breaker->cause, cause->detail, sizeof breaker->cause);
}

void cba_breaker_leave(struct cba_breaker *breaker, bool probe, enum cba_breaker_news news,
                       uint32_t who, const struct cba_result *cause)
{
    pthread_mutex_lock(&breaker->lock);
    if (news == CBA_BREAKER_ANSWER) {
        breaker->open = breaker->failed = false;
    } else if (news == CBA_BREAKER_SILENCE) {
        note_silence(breaker, probe, who, cause);
    }
    if (probe) {
        breaker->probing = false;
    }
    pthread_mutex_unlock(&breaker->lock);
}

uint32_t cba_breaker_who(const void *name, size_t len)
{
    const unsigned char *byte = name;
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ byte[i]) * 16777619u;
    }
    return hash ? hash : 1;
}
