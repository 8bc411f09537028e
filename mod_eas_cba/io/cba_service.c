/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_service.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cba_breaker.h"
#include "cba_krb5.h"
#include "cba_limits.h"

/* While the old TGT serves: what a refresh may take of a caller's time, and when to try again. */
#define REFRESH_MS       1500
#define REFRESH_AGAIN_MS 30000
/* After the KDC refused the key: doubled at each refusal. New keys in the keytab end it. */
#define REFUSED_MS        10000
#define REFUSED_DOUBLINGS 5
/* After another refusal of the login. */
#define REFUSED_OTHER_MS 3000
/* A TGT younger than this is not blamed for a refusal. */
#define TGT_BLAME_MS 2000
/* No use is made of the last minutes of a TGT: clocks differ, and Samba takes one that has less
 * than two minutes left for something else. */
#define TGT_LAST_MS 300000

/* Why a login failed. Written by the one who logs in, under the lock. */
struct refusal {
    enum cba_reason reason; /* CBA_R_UNDECIDED: it did not fail */
    struct cba_result result;
};

/* What the KDC had against the gateway, and when it is asked again about the same keys. */
struct backoff {
    struct refusal refusal;
    int64_t until_ms;
    unsigned char keys[CBA_KEYS_DIGEST];
    unsigned doublings;
};

struct cba_service {
    char *keytab;
    char *name;
    char *realm;
    krb5_principal self; /* constant, as all above */
    const char *kdcs[CBA_KDCS_MAX];
    size_t kdc_count;
    struct cba_discovery *discovery; /* of other KDCs */
    struct cba_breaker breaker;

    pthread_mutex_t lock; /* for all below; never held across traffic or file access */
    pthread_cond_t changed;
    krb5_context context; /* for copying and freeing the TGT */
    bool busy;            /* a thread is logging in */
    uint64_t logins;      /* ended, well or not */
    krb5_creds *tgt;
    uint64_t tgt_number; /* which login it is from */
    int64_t tgt_since_ms, tgt_refresh_ms, tgt_until_ms;
    struct refusal last;
    struct backoff backoff;
};

/* --- life --- */

/* Which entry of the keytab is meant by the name, or the first one. */
static enum cba_reason choose(struct cba_service *service, struct cba_krb5 *krb5, const char *name,
                              struct cba_result *result)
{
    krb5_context context = krb5->context;
    struct cba_keys keys = {0};
    krb5_principal wanted = NULL;
    enum cba_reason reason = CBA_R_KRB_KEYTAB;
    krb5_error_code code;
    size_t i;

    code = cba_keys_read(context, service->keytab, NULL, &keys);
    if (code != 0) {
        reason = cba_krb5_fail(krb5, code, CBA_KRB5_KEYTAB, service->keytab, result);
        goto done;
    }
    if (name != NULL) {
        code = krb5_parse_name_flags(context, name, KRB5_PRINCIPAL_PARSE_NO_DEF_REALM, &wanted);
        if (code != 0) {
            reason = cba_krb5_fail(krb5, code, CBA_KRB5_KEYTAB, name, result);
            goto done;
        }
    }
    for (i = 0; i < keys.count; i++) {
        krb5_const_principal principal = keys.entries[i].principal;

        if (wanted == NULL ||
            (wanted->realm.length == 0 &&
             krb5_principal_compare_any_realm(context, principal, wanted)) ||
            krb5_principal_compare(context, principal, wanted)) {
            break;
        }
    }
    if (i == keys.count) {
        cba_result_set(result, "%s has no AES key%s%s", service->keytab, name != NULL ? " of " : "",
                       name != NULL ? name : "");
        goto done;
    }
    code = krb5_copy_principal(service->context, keys.entries[i].principal, &service->self);
    if (code == 0) {
        code = krb5_unparse_name(service->context, service->self, &service->name);
    }
    if (code == 0) {
        service->realm = strndup(service->self->realm.data, service->self->realm.length);
    }
    reason = code == 0 && service->realm != NULL ? CBA_R_OK : CBA_R_LIFE_MEMORY;
done:
    krb5_free_principal(context, wanted);
    cba_keys_free(context, &keys);
    return reason;
}

static char *keytab_name(krb5_context context, const char *keytab)
{
    char name[1024];

    if (keytab != NULL) {
        return strdup(keytab);
    }
    return krb5_kt_default_name(context, name, sizeof name) == 0 ? strdup(name) : NULL;
}

static struct cba_service *allocate(void)
{
    struct cba_service *service = calloc(1, sizeof *service);
    pthread_condattr_t attr;

    if (service == NULL) {
        return NULL;
    }
    if (!cba_breaker_init(&service->breaker)) {
        free(service);
        return NULL;
    }
    pthread_mutex_init(&service->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&service->changed, &attr);
    pthread_condattr_destroy(&attr);
    return service;
}

enum cba_reason cba_service_create(const struct cba_service_conf *conf, struct cba_service **out,
                                   struct cba_result *result)
{
    struct cba_service *service = allocate();
    struct cba_krb5 krb5 = {0};
    enum cba_reason reason = CBA_R_LIFE_MEMORY;

    *out = NULL;
    if (service == NULL) {
        return reason;
    }
    service->kdc_count = conf->kdc_count < CBA_KDCS_MAX ? conf->kdc_count : CBA_KDCS_MAX;
    for (size_t i = 0; i < service->kdc_count; i++) {
        service->kdcs[i] = conf->kdcs[i];
    }
    reason = cba_krb5_begin(&krb5, NULL, cba_deadline_in_ms(0), result);
    if (reason == CBA_R_OK) {
        service->keytab = keytab_name(krb5.context, conf->keytab);
        if (service->keytab == NULL || krb5_init_context(&service->context) != 0) {
            reason = CBA_R_LIFE_MEMORY;
        } else {
            reason = choose(service, &krb5, conf->principal, result);
        }
    } else if (reason == CBA_R_KRB_OTHER) {
        reason = CBA_R_KRB_KEYTAB;
    }
    cba_krb5_end(&krb5);
    if (reason == CBA_R_OK) {
        service->discovery = cba_discovery_create("_kerberos", service->realm);
        reason = service->discovery != NULL ? CBA_R_OK : CBA_R_LIFE_MEMORY;
    }
    if (reason == CBA_R_OK) {
        *out = service;
    } else {
        cba_service_destroy(service);
    }
    return reason;
}

void cba_service_destroy(struct cba_service *service)
{
    if (service == NULL) {
        return;
    }
    if (service->context != NULL) {
        krb5_free_creds(service->context, service->tgt);
        krb5_free_principal(service->context, service->self);
        krb5_free_unparsed_name(service->context, service->name);
        krb5_free_context(service->context);
    }
    cba_discovery_destroy(service->discovery);
    free(service->realm);
    free(service->keytab);
    cba_breaker_destroy(&service->breaker);
    pthread_cond_destroy(&service->changed);
    pthread_mutex_destroy(&service->lock);
    OPENSSL_cleanse(service, sizeof *service);
    free(service);
}

const char *cba_service_principal(const struct cba_service *service)
{
    return service->name;
}

const char *cba_service_realm(const struct cba_service *service)
{
    return service->realm;
}

enum cba_reason cba_service_keys(const struct cba_service *service, struct cba_krb5 *krb5,
                                 struct cba_keys *out, struct cba_result *result)
{
    krb5_error_code code = cba_keys_read(krb5->context, service->keytab, service->self, out);

    if (code != 0) {
        return cba_krb5_fail(krb5, code, CBA_KRB5_KEYTAB, service->keytab, result);
    }
    if (out->count == 0) {
        cba_result_set(result, "%s has no AES key of %s", service->keytab, service->name);
        return CBA_R_KRB_KEYTAB;
    }
    cba_keys_sort(out);
    return CBA_R_OK;
}

struct cba_discovery *cba_service_discovery(const struct cba_service *service)
{
    return service->discovery;
}

const char *const *cba_service_kdcs(const struct cba_service *service, size_t *count)
{
    *count = service->kdc_count;
    return service->kdcs;
}

/* --- login --- */

/* Everything that matters is said here and not left to krb5.conf: without forwardable, S4U2Proxy
 * is refused (MS-SFU 3.2.5.1.2). */
static krb5_error_code login_options(krb5_context context, krb5_get_init_creds_opt **out)
{
    static krb5_enctype aes[] = {ENCTYPE_AES256_CTS_HMAC_SHA1_96, ENCTYPE_AES128_CTS_HMAC_SHA1_96,
                                 ENCTYPE_AES256_CTS_HMAC_SHA384_192,
                                 ENCTYPE_AES128_CTS_HMAC_SHA256_128};
    krb5_error_code code = krb5_get_init_creds_opt_alloc(context, out);

    if (code != 0) {
        return code;
    }
    krb5_get_init_creds_opt_set_forwardable(*out, 1);
    krb5_get_init_creds_opt_set_proxiable(*out, 0);
    krb5_get_init_creds_opt_set_renew_life(*out, 0);
    krb5_get_init_creds_opt_set_canonicalize(*out, 0);
    krb5_get_init_creds_opt_set_address_list(*out, NULL);
    krb5_get_init_creds_opt_set_etype_list(*out, aes, (int)(sizeof aes / sizeof aes[0]));
    return 0;
}

/* Not krb5_get_init_creds_keytab: that repeats what a KDC refused at the "primary" one, which it
 * looks for in DNS, without a deadline. */
static krb5_error_code login_once(krb5_context context, krb5_principal self, krb5_keytab keytab,
                                  krb5_creds **out)
{
    krb5_get_init_creds_opt *options = NULL;
    krb5_init_creds_context login = NULL;
    krb5_creds creds = {0};
    krb5_error_code code = login_options(context, &options);

    if (code == 0) {
        code = krb5_init_creds_init(context, self, NULL, NULL, 0, options, &login);
    }
    if (code == 0) {
        code = krb5_init_creds_set_keytab(context, login, keytab);
    }
    if (code == 0) {
        code = krb5_init_creds_get(context, login);
    }
    if (code == 0) {
        code = krb5_init_creds_get_creds(context, login, &creds);
    }
    if (code == 0) {
        code = krb5_copy_creds(context, &creds, out);
    }
    krb5_free_cred_contents(context, &creds);
    if (login != NULL) {
        krb5_init_creds_free(context, login);
    }
    if (options != NULL) {
        krb5_get_init_creds_opt_free(context, options);
    }
    return code;
}

static bool key_refused(krb5_error_code code)
{
    return code == KRB5KDC_ERR_PREAUTH_FAILED || code == KRB5KRB_AP_ERR_BAD_INTEGRITY;
}

/* With the newest key, and where the KDC does not have it yet, once with the one before. No
 * further: a refused key counts as a wrong password, and enough of them lock the account. */
static enum cba_reason login_with(struct cba_service *service, struct cba_krb5 *krb5,
                                  const struct cba_keys *keys, krb5_creds **out, bool *refused,
                                  struct cba_result *result)
{
    enum cba_reason reason = CBA_R_KRB_LOGIN;
    size_t first = 0, next = 0;
    int attempt;

    *refused = false;
    for (attempt = 0; attempt < 2 && first < keys->count; attempt++, first = next) {
        char what[CBA_DETAIL_MAX + 1];
        krb5_keytab keytab = NULL;
        krb5_error_code code = cba_keys_keytab(krb5->context, keys, first, &next, &keytab);

        if (code == 0) {
            code = login_once(krb5->context, service->self, keytab, out);
            krb5_kt_close(krb5->context, keytab);
        }
        if (code == 0) {
            return CBA_R_OK;
        }
        snprintf(what, sizeof what, "login of %s with kvno %u", service->name,
                 (unsigned)keys->entries[first].vno);
        reason = cba_krb5_fail(krb5, code, CBA_KRB5_LOGIN, what, result);
        *refused = key_refused(code) && reason == CBA_R_KRB_LOGIN;
        if (!*refused) {
            break;
        }
    }
    return reason;
}

/* refused: the KDC did not take the keys. */
static void note_backoff(struct cba_service *service, enum cba_reason reason, bool refused,
                         const unsigned char keys[CBA_KEYS_DIGEST], const struct cba_result *result)
{
    struct backoff *backoff = &service->backoff;
    int64_t now = cba_deadline_clock_ms();

    if (memcmp(backoff->keys, keys, CBA_KEYS_DIGEST) != 0) {
        memset(backoff, 0, sizeof *backoff);
        memcpy(backoff->keys, keys, CBA_KEYS_DIGEST);
    }
    backoff->refusal = (struct refusal){reason, *result};
    if (refused) {
        backoff->until_ms = now + ((int64_t)REFUSED_MS << backoff->doublings);
        if (backoff->doublings < REFUSED_DOUBLINGS) {
            backoff->doublings++;
        }
    } else if (reason == CBA_R_KRB_LOGIN) {
        backoff->until_ms = now + REFUSED_OTHER_MS;
    } else {
        backoff->until_ms = now;
    }
}

/* Takes the TGT over. Refresh between 40 and 50 % of its life, so that neither threads nor
 * processes log in all at once. */
static void note_tgt(struct cba_service *service, krb5_creds *tgt)
{
    int64_t now = cba_deadline_clock_ms();
    krb5_timestamp since = tgt->times.starttime != 0 ? tgt->times.starttime : tgt->times.authtime;
    /* By how long it is from the KDC's point of view, so that a clock that is off does not
     * matter. Unsigned: past 2038. */
    int64_t life_ms = (int64_t)(uint32_t)(tgt->times.endtime - since) * 1000;
    unsigned char jitter = 0;

    if (RAND_bytes(&jitter, 1) != 1) {
        jitter = 128;
    }
    krb5_free_creds(service->context, service->tgt);
    service->tgt = tgt;
    service->tgt_number = service->logins;
    service->tgt_since_ms = now;
    service->tgt_refresh_ms = now + life_ms * (400 + jitter * 100 / 256) / 1000;
    service->tgt_until_ms = now + life_ms - (life_ms / 2 < TGT_LAST_MS ? life_ms / 2 : TGT_LAST_MS);
    memset(&service->last, 0, sizeof service->last);
    memset(&service->backoff, 0, sizeof service->backoff);
}

/* Without the lock; by one thread at a time, which is why it may read the back-off. *tried: the KDC
 * was asked. */
static enum cba_reason login(struct cba_service *service, struct cba_krb5 *krb5, krb5_creds **out,
                             bool *refused, unsigned char digest[CBA_KEYS_DIGEST], bool *tried,
                             struct cba_result *result)
{
    const struct backoff *backoff = &service->backoff;
    struct cba_keys keys = {0};
    enum cba_reason reason = cba_service_keys(service, krb5, &keys, result);

    *refused = *tried = false;
    if (reason != CBA_R_OK) {
        return reason;
    }
    if (!cba_keys_digest(&keys, digest)) {
        reason = CBA_R_LIFE_MEMORY;
    } else if (cba_deadline_clock_ms() < backoff->until_ms &&
               memcmp(backoff->keys, digest, CBA_KEYS_DIGEST) == 0) {
        *result = backoff->refusal.result;
        reason = backoff->refusal.reason;
    } else {
        *tried = true;
        reason = login_with(service, krb5, &keys, out, refused, result);
    }
    cba_keys_free(krb5->context, &keys);
    return reason;
}

/* With the lock held on entry and exit, not between. */
static enum cba_reason login_unlocked(struct cba_service *service, struct cba_krb5 *krb5,
                                      struct cba_result *result)
{
    unsigned char digest[CBA_KEYS_DIGEST] = {0};
    struct cba_deadline whole = krb5->kdc.deadline;
    krb5_creds *tgt = NULL, *copy = NULL;
    bool refused, tried;
    enum cba_reason reason;

    service->busy = true;
    /* While the old one serves, a refresh must leave time for what the caller came for. */
    if (service->tgt != NULL) {
        int left = cba_deadline_left_ms(whole);

        krb5->kdc.deadline =
            cba_deadline_within(whole, left / 2 < REFRESH_MS ? left / 2 : REFRESH_MS);
    }
    pthread_mutex_unlock(&service->lock);
    reason = login(service, krb5, &tgt, &refused, digest, &tried, result);
    krb5->kdc.deadline = whole;
    pthread_mutex_lock(&service->lock);
    service->logins++;
    if (reason == CBA_R_OK && krb5_copy_creds(service->context, tgt, &copy) != 0) {
        reason = CBA_R_LIFE_MEMORY;
    }
    if (reason == CBA_R_OK) {
        note_tgt(service, copy);
    } else {
        service->last = (struct refusal){reason, *result};
        if (tried) {
            note_backoff(service, reason, refused, digest, result);
        }
    }
    if (reason != CBA_R_OK && service->tgt != NULL) {
        service->tgt_refresh_ms = cba_deadline_clock_ms() + REFRESH_AGAIN_MS;
    }
    krb5_free_creds(krb5->context, tgt);
    service->busy = false;
    pthread_cond_broadcast(&service->changed);
    return reason;
}

/* With the lock held: waits for another thread's login. False: the deadline came first. */
static bool wait_for_login(struct cba_service *service, struct cba_deadline deadline)
{
    struct timespec until = {.tv_sec = (time_t)(deadline.at_ms / 1000),
                             .tv_nsec = (long)(deadline.at_ms % 1000) * 1000000};
    uint64_t seen = service->logins;

    while (service->busy && service->logins == seen) {
        if (pthread_cond_timedwait(&service->changed, &service->lock, &until) == ETIMEDOUT) {
            return false;
        }
    }
    return true;
}

/* With the lock held: makes sure that there is a TGT. */
static enum cba_reason ensure_tgt(struct cba_service *service, struct cba_krb5 *krb5,
                                  struct cba_result *result)
{
    for (;;) {
        int64_t now = cba_deadline_clock_ms();

        if (service->tgt != NULL && now >= service->tgt_until_ms) {
            krb5_free_creds(service->context, service->tgt);
            service->tgt = NULL;
        }
        if (service->tgt != NULL && (now < service->tgt_refresh_ms || service->busy)) {
            return CBA_R_OK;
        }
        if (!service->busy) {
            enum cba_reason reason = login_unlocked(service, krb5, result);

            return service->tgt != NULL ? CBA_R_OK : reason;
        }
        if (!wait_for_login(service, krb5->kdc.deadline)) {
            cba_result_set(result, "the login of %s took too long", service->name);
            return CBA_R_KRB_TIMEOUT;
        }
        /* What the KDC said to the other thread holds for this one; that the other ran out of
         * time does not. */
        if (service->tgt == NULL && !service->busy && service->last.reason != CBA_R_UNDECIDED &&
            service->last.reason != CBA_R_KRB_TIMEOUT) {
            *result = service->last.result;
            return service->last.reason;
        }
    }
}

/* A ccache of the caller's own with the TGT and nothing else. */
static enum cba_reason tgt_ccache(struct cba_service *service, struct cba_krb5 *krb5,
                                  krb5_ccache *out, uint64_t *number, struct cba_result *result)
{
    enum cba_reason reason;
    krb5_creds *tgt = NULL;
    krb5_error_code code = 0;

    pthread_mutex_lock(&service->lock);
    reason = ensure_tgt(service, krb5, result);
    if (reason == CBA_R_OK) {
        *number = service->tgt_number;
        code = krb5_copy_creds(krb5->context, service->tgt, &tgt);
    }
    pthread_mutex_unlock(&service->lock);
    if (reason != CBA_R_OK) {
        return reason;
    }
    krb5->kdc.outcome = CBA_KDC_NONE; /* whatever a failed refresh left there */
    if (code == 0) {
        code = krb5_cc_new_unique(krb5->context, "MEMORY", NULL, out);
    }
    if (code == 0) {
        code = krb5_cc_initialize(krb5->context, *out, service->self);
        if (code == 0) {
            code = krb5_cc_store_cred(krb5->context, *out, tgt);
        }
        if (code != 0) {
            krb5_cc_destroy(krb5->context, *out);
        }
    }
    krb5_free_creds(krb5->context, tgt);
    return code == 0 ? CBA_R_OK
                     : cba_krb5_fail(krb5, code, CBA_KRB5_SERVICE, "credential cache", result);
}

/* Is it the TGT that the KDC did not like? Then it is thrown away, unless somebody has got a new
 * one meanwhile, and true is returned. */
static bool blame_tgt(struct cba_service *service, uint64_t number, krb5_error_code code)
{
    bool again;

    if (code != KRB5KRB_AP_ERR_TKT_EXPIRED && code != KRB5KRB_AP_ERR_TKT_NYV &&
        code != KRB5KRB_AP_ERR_BAD_INTEGRITY && code != KRB5KRB_AP_ERR_MODIFIED &&
        code != KRB5KRB_AP_ERR_BADKEYVER && code != KRB5KDC_ERR_TGT_REVOKED &&
        code != KRB5_CC_NOTFOUND) {
        return false;
    }
    pthread_mutex_lock(&service->lock);
    again = service->tgt == NULL || service->tgt_number != number;
    if (!again && cba_deadline_clock_ms() - service->tgt_since_ms > TGT_BLAME_MS) {
        krb5_free_creds(service->context, service->tgt);
        service->tgt = NULL;
        again = true;
    }
    pthread_mutex_unlock(&service->lock);
    return again;
}

/* Which account's fault a failure may be: the gateway's own login is nobody's. */
static uint32_t who_failed(const struct cba_krb5 *krb5, bool logged_in)
{
    return logged_in ? krb5->who : 0;
}

static enum cba_breaker_news news_of(const struct cba_krb5 *krb5, enum cba_reason reason, bool fair)
{
    if (reason == CBA_R_KRB_UNREACHABLE || reason == CBA_R_KRB_TIMEOUT) {
        return fair ? CBA_BREAKER_SILENCE : CBA_BREAKER_NOTHING;
    }
    return krb5->kdc.outcome == CBA_KDC_ANSWERED ? CBA_BREAKER_ANSWER : CBA_BREAKER_NOTHING;
}

/* *logged_in: there was a TGT, and the KDC was asked for something else than that. */
static enum cba_reason exchange(struct cba_service *service, struct cba_krb5 *krb5,
                                enum cba_krb5_stage stage, const char *what, cba_service_fn fn,
                                void *arg, krb5_creds **out, bool *logged_in,
                                struct cba_result *result)
{
    int attempt;

    for (attempt = 0;; attempt++) {
        krb5_ccache ccache = NULL;
        uint64_t number = 0;
        krb5_error_code code;
        enum cba_reason reason = tgt_ccache(service, krb5, &ccache, &number, result);

        *logged_in = reason == CBA_R_OK;
        if (reason != CBA_R_OK) {
            return reason;
        }
        *out = NULL;
        krb5->kdc.outcome = CBA_KDC_NONE;
        krb5->kdc.status = 0;
        code = fn(krb5->context, ccache, service->self, arg, out);
        if (code != 0) /* before the context forgets the text */ {
            reason = cba_krb5_fail(krb5, code, stage, what, result);
        }
        krb5_cc_destroy(krb5->context, ccache);
        if (code == 0 || attempt > 0 || !blame_tgt(service, number, code)) {
            return reason;
        }
    }
}

enum cba_reason cba_service_exchange(struct cba_service *service, struct cba_krb5 *krb5,
                                     enum cba_krb5_stage stage, const char *what, cba_service_fn fn,
                                     void *arg, krb5_creds **out, struct cba_result *result)
{
    bool fair = cba_deadline_left_ms(krb5->kdc.deadline) >= CBA_BREAKER_FAIR_MS;
    bool probe, logged_in = false;
    enum cba_reason reason;

    if (!cba_breaker_enter(&service->breaker, &probe, result)) {
        return CBA_R_KRB_OUTAGE;
    }
    reason = exchange(service, krb5, stage, what, fn, arg, out, &logged_in, result);
    cba_breaker_leave(&service->breaker, probe, news_of(krb5, reason, fair),
                      who_failed(krb5, logged_in), result);
    return reason;
}

/* --- the gateway's own tickets --- */

static krb5_error_code own_ticket(krb5_context context, krb5_ccache ccache,
                                  krb5_const_principal self, void *arg, krb5_creds **out)
{
    krb5_creds wanted = {0};
    krb5_principal client = NULL;
    krb5_error_code code = krb5_copy_principal(context, self, &client);

    if (code != 0) {
        return code;
    }
    wanted.client = client;
    wanted.server = arg;
    code = krb5_get_credentials(context, KRB5_GC_CANONICALIZE | KRB5_GC_NO_STORE, ccache, &wanted,
                                out);
    krb5_free_principal(context, client);
    return code;
}

/* A new MEMORY ccache with this one ticket. */
static krb5_error_code ticket_ccache(krb5_context context, krb5_creds *creds,
                                     char name[CBA_CCACHE_NAME_MAX + 1])
{
    krb5_ccache ccache = NULL;
    char *full = NULL;
    krb5_error_code code = krb5_cc_new_unique(context, "MEMORY", NULL, &ccache);

    if (code != 0) {
        return code;
    }
    code = krb5_cc_initialize(context, ccache, creds->client);
    if (code == 0) {
        code = krb5_cc_store_cred(context, ccache, creds);
    }
    if (code == 0) {
        code = krb5_cc_get_full_name(context, ccache, &full);
    }
    if (code == 0 && strlen(full) > CBA_CCACHE_NAME_MAX) {
        code = ENAMETOOLONG;
    }
    if (code == 0) {
        memcpy(name, full, strlen(full) + 1);
        krb5_cc_close(context, ccache);
    } else {
        krb5_cc_destroy(context, ccache);
    }
    krb5_free_string(context, full);
    return code;
}

enum cba_reason cba_service_ticket(struct cba_service *service, const char *spn,
                                   struct cba_deadline deadline,
                                   char ccache[CBA_CCACHE_NAME_MAX + 1], struct cba_result *result)
{
    struct cba_krb5 krb5;
    krb5_principal server = NULL;
    krb5_creds *creds = NULL;
    char what[CBA_DETAIL_MAX + 1];
    krb5_error_code code;
    enum cba_reason reason = cba_krb5_begin(&krb5, service, deadline, result);

    ccache[0] = '\0';
    if (reason != CBA_R_OK) {
        return reason;
    }
    reason = cba_krb5_spn(krb5.context, spn, service->realm, &server, result);
    if (reason != CBA_R_OK) {
        goto done;
    }
    snprintf(what, sizeof what, "ticket of %s to %s", service->name, spn);
    reason = cba_service_exchange(service, &krb5, CBA_KRB5_SERVICE, what, own_ticket, server,
                                  &creds, result);
    if (reason != CBA_R_OK) {
        goto done;
    }
    reason = cba_krb5_check(krb5.context, creds, server, result);
    if (reason != CBA_R_OK) {
        goto done;
    }
    code = ticket_ccache(krb5.context, creds, ccache);
    if (code != 0) {
        reason = cba_krb5_fail(&krb5, code, CBA_KRB5_TOKEN, what, result);
    }
done:
    krb5_free_creds(krb5.context, creds);
    krb5_free_principal(krb5.context, server);
    cba_krb5_end(&krb5);
    return reason;
}

void cba_service_ticket_discard(const char *ccache)
{
    krb5_context context = NULL;
    krb5_ccache handle = NULL;

    if (ccache == NULL || ccache[0] == '\0' || krb5_init_context(&context) != 0) {
        return;
    }
    if (krb5_cc_resolve(context, ccache, &handle) == 0) {
        krb5_cc_destroy(context, handle);
    }
    krb5_free_context(context);
}
