/* SPDX-License-Identifier: Apache-2.0
 *
 * What threads share, under ThreadSanitizer: the process cache, the flights, the breaker and what is
 * known by all of these, each with what it promises to one thread at a time and then hammered by
 * eight at once. The shared cache is a mock here, for it can have a record at any moment.
 *
 *   threads cache|flight|breaker|knowledge
 *
 * Ends with 0, or with a message and 1, or as ThreadSanitizer does.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_general.h>

#include "cba_breaker.h"
#include "cba_cache.h"
#include "cba_conf.h"
#include "cba_flight.h"
#include "cba_knowledge.h"
#include "cba_report.h"
#include "cba_shared.h"

#define THREADS      8
#define KEYS         16
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "threads.c:%d: not so: %s\n", __LINE__, #condition);                   \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static atomic_llong forward_ms; /* by which the clock of the module is ahead */

/* The linker puts it in the place of clock_gettime (--wrap). */
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    int code = __real_clock_gettime(clock, now);

    now->tv_sec += (time_t)(atomic_load(&forward_ms) / 1000);
    return code;
}

/* Keys that fall into few buckets. */
static const unsigned char *key_of(unsigned number, unsigned char key[CBA_CACHE_KEY])
{
    memset(key, 0, CBA_CACHE_KEY);
    key[0] = (unsigned char)(number % 3);
    key[CBA_CACHE_KEY - 1] = (unsigned char)number;
    return key;
}

static void start(void *(*body)(void *), pthread_t threads[THREADS])
{
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, body, (void *)(i + 1)) == 0);
    }
}

static void run_all(void *(*body)(void *))
{
    pthread_t threads[THREADS];

    start(body, threads);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static unsigned chance(unsigned *seed, unsigned limit)
{
    *seed = *seed * 1103515245u + 12345u;
    return (*seed >> 16) % limit;
}

/* A value that knows whose it is; shared by counting, as a ticket is. */
struct value {
    atomic_uint users;
    unsigned number;
};

static atomic_int alive;

static struct value *value_make(unsigned number)
{
    struct value *value = malloc(sizeof *value);

    CHECK(value);
    atomic_init(&value->users, 1);
    value->number = number;
    atomic_fetch_add(&alive, 1);
    return value;
}

static void value_drop(void *data)
{
    struct value *value = data;

    if (atomic_fetch_sub(&value->users, 1) == 1) {
        atomic_fetch_sub(&alive, 1);
        free(value);
    }
}

static void value_take(void *data, void *ctx)
{
    struct value *value = data;

    atomic_fetch_add(&value->users, 1);
    *(struct value **)ctx = value;
}

/* --- the cache --- */

static struct cba_cache *cache;

static int64_t began; /* wall clock */

/* A time in a cache, which judges by the real clocks as well. */
static int64_t at(int64_t seconds)
{
    return began + seconds;
}

static void cache_alone(apr_pool_t *pool)
{
    unsigned char one[CBA_CACHE_KEY], other[CBA_CACHE_KEY];
    struct value *got;

    cache = cba_cache_create(pool, 2, value_drop);
    CHECK(cache);
    key_of(1, one);
    key_of(2, other);
    cba_cache_keep(cache, one, at(100), at(200), value_make(1));
    CHECK(cba_cache_get(cache, one, at(99), value_take, &got));
    value_drop(got);
    CHECK(!cba_cache_get(cache, one, at(100), value_take, &got));
    CHECK(cba_cache_get_old(cache, one, at(100), value_take, &got));
    value_drop(got);
    CHECK(!cba_cache_get_old(cache, one, at(200), value_take, &got));
    cba_cache_prolong(cache, one, at(150));
    CHECK(cba_cache_get(cache, one, at(149), value_take, &got));
    value_drop(got);
    CHECK(!cba_cache_get(cache, one, at(150), value_take, &got));
    cba_cache_prolong(cache, one, at(120)); /* never shortens */
    CHECK(cba_cache_get(cache, one, at(149), value_take, &got));
    value_drop(got);
    cba_cache_prolong(cache, one, at(900)); /* not beyond the end */
    CHECK(!cba_cache_get(cache, one, at(200), value_take, &got));
    CHECK(!cba_cache_get_old(cache, one, at(200), value_take, &got));
    cba_cache_prolong(cache, other, at(900));
    CHECK(!cba_cache_get_old(cache, other, at(0), value_take, &got));
    cba_cache_put(cache, other, at(100), value_make(2));
    CHECK(!cba_cache_get_old(cache, other, at(100), value_take, &got));
    cba_cache_forget(cache, one);
    cba_cache_forget(cache, one);
    CHECK(!cba_cache_get_old(cache, one, at(0), value_take, &got));
    CHECK(atomic_load(&alive) == 1);
}

static void *cache_hammer(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    unsigned char key[CBA_CACHE_KEY];

    for (int i = 0; i < 20000; i++) {
        unsigned number = chance(&seed, KEYS);
        struct value *got = NULL;

        key_of(number, key);
        switch (chance(&seed, 8)) {
        case 0:
            cba_cache_put(cache, key, at(chance(&seed, 100)), value_make(number));
            break;
        case 1:
            cba_cache_keep(cache, key, at(chance(&seed, 50)), at(chance(&seed, 100)),
                           value_make(number));
            break;
        case 2:
            cba_cache_prolong(cache, key, at(chance(&seed, 100)));
            break;
        case 3:
            cba_cache_forget(cache, key);
            break;
        case 4:
            cba_cache_get_old(cache, key, at(chance(&seed, 100)), value_take, &got);
            break;
        default:
            cba_cache_get(cache, key, at(chance(&seed, 100)), value_take, &got);
            break;
        }
        if (got) {
            CHECK(got->number == number);
            value_drop(got);
        }
    }
    return NULL;
}

static void test_cache(void)
{
    apr_pool_t *pool;

    CHECK(apr_pool_create(&pool, NULL) == APR_SUCCESS);
    cache_alone(pool);
    cache = cba_cache_create(pool, KEYS / 2, value_drop);
    CHECK(cache);
    run_all(cache_hammer);
    apr_pool_destroy(pool);
    CHECK(atomic_load(&alive) == 0);
}

/* --- flights --- */

#define PLACES 3

static struct cba_flight *flight;
static atomic_uint works, running, running_of[KEYS];

/* What one thread asks for, and how the work goes if it is this thread's. */
struct wish {
    unsigned number;
    unsigned sleep_ms;
    enum cba_reason reason;
    bool until_late; /* the work takes all of its time, and fails */
    struct cba_deadline deadline;
    struct value *got;
    enum cba_reason outcome;
    struct cba_result result;
};

static enum cba_reason wish_work(void *ctx, struct cba_deadline deadline, void **value,
                                 struct cba_result *result)
{
    struct wish *wish = ctx;
    enum cba_reason reason = wish->reason;

    atomic_fetch_add(&works, 1);
    CHECK(atomic_fetch_add(&running_of[wish->number], 1) == 0);
    CHECK(atomic_fetch_add(&running, 1) < PLACES);
    if (wish->until_late) {
        while (cba_deadline_left_ms(deadline) > 0) {
            usleep(1000);
        }
        reason = CBA_R_KRB_TIMEOUT;
    } else if (wish->sleep_ms) {
        usleep(wish->sleep_ms * 1000);
    }
    atomic_fetch_sub(&running, 1);
    atomic_fetch_sub(&running_of[wish->number], 1);
    if (reason == CBA_R_OK) {
        *value = value_make(wish->number);
    } else {
        cba_result_set(result, "number %u", wish->number);
    }
    return reason;
}

static void wish_take(void *value, void *ctx)
{
    value_take(value, &((struct wish *)ctx)->got);
}

static void *wish_run(void *arg)
{
    struct wish *wish = arg;
    const struct cba_flight_wish real = {
        .deadline = wish->deadline, .work = wish_work, .take = wish_take, .ctx = wish};
    unsigned char key[CBA_CACHE_KEY];

    wish->outcome = cba_flight_run(flight, key_of(wish->number, key), &real, &wish->result);
    if (wish->outcome == CBA_R_OK) {
        CHECK(wish->got && wish->got->number == wish->number);
        value_drop(wish->got);
    }
    return NULL;
}

/* The first ones are under way when the others come. Returns how often somebody worked. */
static unsigned together(struct wish *wishes, size_t count, size_t first)
{
    pthread_t threads[THREADS];

    atomic_store(&works, 0);
    for (size_t i = 0; i < count; i++) {
        CHECK(pthread_create(&threads[i], NULL, wish_run, &wishes[i]) == 0);
        while (i < first && atomic_load(&works) <= i) {
            usleep(1000);
        }
    }
    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK(atomic_load(&alive) == 0);
    return atomic_load(&works);
}

static struct wish a_wish(unsigned number, int ms)
{
    return (struct wish){.number = number, .reason = CBA_R_OK, .deadline = cba_deadline_in_ms(ms)};
}

static void flight_shares(void)
{
    struct wish wishes[THREADS];

    for (size_t i = 0; i < THREADS; i++) {
        wishes[i] = a_wish(1, 20000);
        wishes[i].sleep_ms = 1000;
    }
    CHECK(together(wishes, THREADS, 1) == 1);
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(wishes[i].outcome == CBA_R_OK);
    }
}

static void flight_shares_failures(void)
{
    struct wish wishes[THREADS];

    for (size_t i = 0; i < THREADS; i++) {
        wishes[i] = a_wish(2, 20000);
        wishes[i].sleep_ms = 1000;
        wishes[i].reason = CBA_R_KRB_POLICY;
    }
    CHECK(together(wishes, THREADS, 1) == 1);
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(wishes[i].outcome == CBA_R_KRB_POLICY);
        CHECK(strcmp(wishes[i].result.detail, "number 2") == 0);
    }
}

/* Who waits has a deadline of his own. */
static void flight_late(void)
{
    struct wish wishes[2] = {a_wish(3, 20000), a_wish(3, 50)};

    wishes[0].sleep_ms = 500;
    CHECK(together(wishes, 2, 1) == 1);
    CHECK(wishes[0].outcome == CBA_R_OK && wishes[1].outcome == CBA_R_DIR_TIMEOUT);
}

/* That the other one had no time left is no answer for who has. */
static void flight_own_try(void)
{
    struct wish wishes[2] = {a_wish(4, 100), a_wish(4, 20000)};

    wishes[0].until_late = true;
    CHECK(together(wishes, 2, 1) == 2);
    CHECK(wishes[0].outcome == CBA_R_KRB_TIMEOUT && wishes[1].outcome == CBA_R_OK);
}

/* PLACES works at a time, and not one more. */
static void flight_busy(void)
{
    struct wish wishes[PLACES + 2];

    for (unsigned i = 0; i < COUNT(wishes); i++) {
        wishes[i] = a_wish(5 + i, i < PLACES ? 20000 : 100);
        wishes[i].sleep_ms = i < PLACES ? 500 : 0;
    }
    CHECK(together(wishes, COUNT(wishes), PLACES) == PLACES);
    for (unsigned i = 0; i < COUNT(wishes); i++) {
        CHECK(wishes[i].outcome == (i < PLACES ? CBA_R_OK : CBA_R_DIR_BUSY));
    }
}

static void *flight_hammer(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;

    for (int i = 0; i < 2000; i++) {
        struct wish wish = a_wish(chance(&seed, 4), 1 + (int)chance(&seed, 400));

        wish.sleep_ms = chance(&seed, 2);
        wish.reason = chance(&seed, 4) ? CBA_R_OK : CBA_R_KRB_UNREACHABLE;
        wish.until_late = chance(&seed, 400) == 0;
        wish_run(&wish);
    }
    return NULL;
}

static void test_flight(void)
{
    const struct cba_flight_conf conf = {
        .most = PLACES, .busy = CBA_R_DIR_BUSY, .late = CBA_R_DIR_TIMEOUT, .discard = value_drop};
    apr_pool_t *pool;

    CHECK(apr_pool_create(&pool, NULL) == APR_SUCCESS);
    flight = cba_flight_create(pool, &conf);
    CHECK(flight);
    flight_shares();
    flight_shares_failures();
    flight_late();
    flight_own_try();
    flight_busy();
    run_all(flight_hammer);
    CHECK(atomic_load(&alive) == 0);
    apr_pool_destroy(pool);
}

/* --- the breaker --- */

static struct cba_breaker breaker;
static atomic_int probes;

/* True: it let this one through, which found the news. */
static bool go(enum cba_breaker_news news, uint32_t who, const char *cause)
{
    struct cba_result result = {""};
    bool probe;

    if (!cba_breaker_enter(&breaker, &probe, &result)) {
        CHECK(strcmp(result.detail, "cause") == 0);
        return false;
    }
    cba_result_set(&result, "%s", cause);
    cba_breaker_leave(&breaker, probe, news, who, &result);
    return true;
}

static void breaker_alone(void)
{
    const uint32_t alice = cba_breaker_who("alice", 5), bob = cba_breaker_who("bob", 3);
    struct cba_result result = {"cause"};
    bool probe, other;

    CHECK(alice && bob && alice != bob && cba_breaker_who("", 0));
    /* One account alone opens nothing, nor does who had no time. */
    for (int i = 0; i < 5; i++) {
        CHECK(go(CBA_BREAKER_SILENCE, alice, "cause"));
        CHECK(go(CBA_BREAKER_NOTHING, bob, ""));
    }
    CHECK(go(CBA_BREAKER_ANSWER, alice, ""));
    CHECK(go(CBA_BREAKER_SILENCE, bob, "cause"));
    CHECK(go(CBA_BREAKER_ANSWER, alice, ""));
    CHECK(go(CBA_BREAKER_SILENCE, alice, "cause"));
    CHECK(go(CBA_BREAKER_SILENCE, bob, "cause"));
    CHECK(!go(CBA_BREAKER_ANSWER, alice, ""));
    /* One tries, the others are told meanwhile. */
    atomic_fetch_add(&forward_ms, 3000);
    CHECK(cba_breaker_enter(&breaker, &probe, &result) && probe);
    CHECK(!go(CBA_BREAKER_ANSWER, alice, ""));
    cba_breaker_leave(&breaker, probe, CBA_BREAKER_SILENCE, alice, &result);
    CHECK(!go(CBA_BREAKER_ANSWER, alice, ""));
    /* Who tries and finds out nothing leaves it to the next one. */
    atomic_fetch_add(&forward_ms, 3000);
    CHECK(go(CBA_BREAKER_NOTHING, alice, ""));
    CHECK(go(CBA_BREAKER_ANSWER, alice, ""));
    CHECK(go(CBA_BREAKER_ANSWER, alice, ""));
    /* The gateway's own login; and who was under way when it opened does not prolong it. */
    CHECK(cba_breaker_enter(&breaker, &other, &result) && !other);
    CHECK(go(CBA_BREAKER_SILENCE, 0, "cause"));
    CHECK(go(CBA_BREAKER_SILENCE, 0, "cause"));
    CHECK(!go(CBA_BREAKER_ANSWER, 0, ""));
    atomic_fetch_add(&forward_ms, 3000);
    cba_breaker_leave(&breaker, other, CBA_BREAKER_SILENCE, bob, &result);
    CHECK(go(CBA_BREAKER_ANSWER, 0, ""));
}

static void *breaker_hammer(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;

    for (int i = 0; i < 20000; i++) {
        struct cba_result result = {""};
        bool probe;

        if (cba_breaker_enter(&breaker, &probe, &result)) {
            enum cba_breaker_news news =
                chance(&seed, 3) ? CBA_BREAKER_SILENCE : CBA_BREAKER_ANSWER;

            CHECK(!probe || atomic_fetch_add(&probes, 1) == 0);
            cba_result_set(&result, "thread %u", (unsigned)(uintptr_t)arg);
            if (probe) {
                atomic_fetch_sub(&probes, 1);
            }
            cba_breaker_leave(&breaker, probe, news, chance(&seed, 3), &result);
        } else {
            CHECK(strncmp(result.detail, "thread ", 7) == 0);
            atomic_fetch_add(&forward_ms, 1000);
        }
    }
    return NULL;
}

static void test_breaker(void)
{
    CHECK(cba_breaker_init(&breaker));
    breaker_alone();
    run_all(breaker_hammer);
    cba_breaker_destroy(&breaker);
}

/* --- knowledge --- */

static atomic_int account_s, stale_s, asked, reported, stored;
static _Thread_local unsigned dice; /* of this thread; 0: the shared cache has nothing */

int64_t cba_srv_ttl_account(const struct cba_srv_conf *conf)
{
    (void)conf;
    return dice && chance(&dice, 3) == 0 ? 0 : atomic_load(&account_s);
}

int64_t cba_srv_ttl_negative(const struct cba_srv_conf *conf)
{
    return cba_srv_ttl_account(conf);
}

int64_t cba_srv_stale(const struct cba_srv_conf *conf)
{
    (void)conf;
    return atomic_load(&stale_s);
}

void cba_report_often(const server_rec *s, enum cba_reason reason, const struct cba_result *result)
{
    (void)s;
    (void)result;
    CHECK(reason == CBA_R_DIR_KEPT);
    atomic_fetch_add(&reported, 1);
}

/* Its content: the number that the key is made of. */
bool cba_shared_get(struct cba_shared *shared, const unsigned char key[CBA_RECORD_KEY],
                    enum cba_record_type type, int64_t lifetime, int64_t known,
                    struct cba_shared_record *record)
{
    (void)shared;
    (void)lifetime;
    CHECK(type == CBA_RECORD_GROUP && known <= apr_time_sec(apr_time_now()));
    if (!dice || chance(&dice, 2)) {
        return false;
    }
    record->memory = malloc(1);
    CHECK(record->memory);
    record->memory[0] = key[CBA_CACHE_KEY - 1];
    record->content = cba_span_of(record->memory, 1);
    record->issued = apr_time_sec(apr_time_now());
    record->until = record->issued + 100;
    return true;
}

void cba_shared_release(struct cba_shared_record *record)
{
    free(record->memory);
}

void cba_shared_put(struct cba_shared *shared, const unsigned char key[CBA_RECORD_KEY],
                    enum cba_record_type type, const struct cba_record_times *times,
                    struct cba_span content)
{
    (void)shared;
    CHECK(type == CBA_RECORD_GROUP && times->until >= times->issued);
    CHECK(content.len == 1 && content.ptr[0] == key[CBA_CACHE_KEY - 1]);
    atomic_fetch_add(&stored, 1);
}

void cba_shared_complain(const struct cba_shared *shared, enum cba_reason reason,
                         const struct cba_result *result)
{
    (void)shared;
    (void)reason;
    (void)result;
    CHECK(!"complained");
}

static bool number_is_not(const void *value)
{
    return *(const unsigned *)value % 2;
}

static size_t number_write(const void *value, unsigned char *out)
{
    *out = (unsigned char)*(const unsigned *)value;
    return 1;
}

static enum cba_reason number_read(struct cba_span content, void **value)
{
    unsigned *number = malloc(sizeof *number);

    CHECK(number && content.len == 1);
    *number = content.ptr[0];
    *value = number;
    return CBA_R_OK;
}

struct question {
    unsigned number, got;
    enum cba_reason reason; /* of the answer */
};

static enum cba_reason number_ask(void *ctx, struct cba_deadline deadline, void **value,
                                  struct cba_result *result)
{
    const struct question *question = ctx;
    unsigned char content = (unsigned char)question->number;

    (void)deadline;
    (void)result;
    atomic_fetch_add(&asked, 1);
    return question->reason == CBA_R_OK ? number_read(cba_span_of(&content, 1), value)
                                        : question->reason;
}

static void number_take(const void *value, void *ctx)
{
    ((struct question *)ctx)->got = *(const unsigned *)value;
}

static struct cba_knowledge *knowledge;

static enum cba_reason know(unsigned number, enum cba_reason reason)
{
    struct question question = {number, 0, reason};
    const struct cba_knowledge_wish wish = {.deadline = cba_deadline_in_ms(20000),
                                            .ask = number_ask,
                                            .take = number_take,
                                            .ctx = &question};
    struct cba_result result = {""};
    unsigned char key[CBA_CACHE_KEY];
    enum cba_reason outcome = cba_knowledge_get(knowledge, key_of(number, key), &wish, &result);

    CHECK(outcome != CBA_R_OK || question.got == number);
    return outcome;
}

static void knowledge_alone(void)
{
    dice = 0;
    atomic_store(&account_s, 100);
    CHECK(know(1, CBA_R_OK) == CBA_R_OK && know(2, CBA_R_OK) == CBA_R_OK);
    CHECK(know(1, CBA_R_OK) == CBA_R_OK && know(2, CBA_R_OK) == CBA_R_OK);
    CHECK(atomic_load(&asked) == 2 && atomic_load(&stored) == 2);
    /* What fails is not remembered. */
    CHECK(know(3, CBA_R_DIR_SEARCH) == CBA_R_DIR_SEARCH);
    CHECK(know(3, CBA_R_OK) == CBA_R_OK && atomic_load(&asked) == 4);

    /* At their end at once: old values serve in an outage, and where there is no other answer. */
    atomic_store(&account_s, 0);
    CHECK(know(4, CBA_R_OK) == CBA_R_OK);
    CHECK(know(4, CBA_R_DIR_TIMEOUT) == CBA_R_DIR_TIMEOUT);
    atomic_store(&stale_s, 100);
    CHECK(know(6, CBA_R_OK) == CBA_R_OK);
    CHECK(know(6, CBA_R_DIR_SEARCH) == CBA_R_DIR_SEARCH && atomic_load(&reported) == 0);
    CHECK(know(6, CBA_R_DIR_TIMEOUT) == CBA_R_OK && atomic_load(&reported) == 1);
    /* Of what is not, nothing old is kept. */
    CHECK(know(7, CBA_R_OK) == CBA_R_OK && know(7, CBA_R_DIR_TIMEOUT) == CBA_R_DIR_TIMEOUT);
}

static void *knowledge_hammer(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;

    dice = seed;
    for (int i = 0; i < 5000; i++) {
        enum cba_reason reason = chance(&seed, 4) ? CBA_R_OK : CBA_R_DIR_UNREACHABLE;
        enum cba_reason outcome = know(8 + chance(&seed, KEYS), reason);

        CHECK(outcome == CBA_R_OK || outcome == CBA_R_DIR_UNREACHABLE);
    }
    return NULL;
}

static void test_knowledge(void)
{
    static const struct cba_flight_conf searches = {.most = PLACES,
                                                    .busy = CBA_R_DIR_BUSY,
                                                    .late = CBA_R_DIR_TIMEOUT,
                                                    .discard = cba_knowledge_drop};
    static const struct cba_knowledge_kind numbers = {.record = CBA_RECORD_GROUP,
                                                      .record_max = 1,
                                                      .most = KEYS / 3,
                                                      .most_nots = KEYS / 3,
                                                      .is_not = number_is_not,
                                                      .write = number_write,
                                                      .read = number_read};
    static struct cba_srv_conf conf;
    apr_pool_t *pool;

    CHECK(apr_pool_create(&pool, NULL) == APR_SUCCESS);
    conf.shared = (struct cba_shared *)&conf; /* there is one */
    flight = cba_flight_create(pool, &searches);
    knowledge = flight ? cba_knowledge_create(pool, NULL, &conf, flight, &numbers) : NULL;
    CHECK(knowledge);
    knowledge_alone();
    atomic_store(&account_s, 100);
    run_all(knowledge_hammer);
    apr_pool_destroy(pool);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {{"cache", test_cache},
                 {"flight", test_flight},
                 {"breaker", test_breaker},
                 {"knowledge", test_knowledge}};

    apr_initialize();
    began = apr_time_sec(apr_time_now());
    for (size_t i = 0; i < COUNT(tests); i++) {
        if (argc == 2 && strcmp(argv[1], tests[i].name) == 0) {
            tests[i].run();
            apr_terminate();
            return 0;
        }
    }
    fprintf(stderr, "usage: threads cache|flight|breaker|knowledge\n");
    return 2;
}
