/* SPDX-License-Identifier: Apache-2.0
 *
 * For LD_PRELOAD: lets memory run out in the module under test, takes file descriptors away from an
 * httpd and steps its wall clock, while it runs. All of it is told through a file that all processes map: see lab/preload.py, which has
 * the same layout.
 *
 * Memory: an allocation that is made by the module, or by a library that it called, fails if `budget`
 * allows it and if the place that asked (its last callers, up to `depth`) was never refused before. So
 * request after request runs into another place, until there is none left.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PLACES 65536
#define FRAMES 40

struct control {
    _Atomic int64_t clock_seconds; /* added to the wall clock */
    _Atomic int64_t budget;        /* allocations that may still fail */
    _Atomic int64_t failed;        /* that did */
    _Atomic int64_t depth;         /* callers that make a place */
    _Atomic int64_t files;         /* file descriptors that there are; 0: as many as ever */
    _Atomic int64_t trace;         /* 1: each is shown in the error log */
    _Atomic uint64_t places[PLACES];
};

static struct control *control;
static _Thread_local int busy;
static uintptr_t module_begin, module_end;

static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);

/* What dlsym() may want before the functions are known; never freed. */
static char early[65536] __attribute__((aligned(16)));
static size_t early_used;

static void *early_alloc(size_t size)
{
    void *room = early + early_used;

    early_used += (size + 15) & ~(size_t)15;
    return early_used <= sizeof early ? room : NULL;
}

static void find_next(void)
{
    static int finding;

    if (next_realloc || finding) {
        return;
    }
    finding = 1;
    *(void **)&next_malloc = dlsym(RTLD_NEXT, "malloc");
    *(void **)&next_calloc = dlsym(RTLD_NEXT, "calloc");
    *(void **)&next_realloc = dlsym(RTLD_NEXT, "realloc");
    finding = 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("PRELOAD_FILE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *frames[4];
    void *map;

    find_next();
    backtrace(frames, 4); /* its first call loads a library */
    if (fd < 0) {
        return;
    }
    map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    control = map == MAP_FAILED ? NULL : map;
}

static int find_module(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    (void)data;
    if (!info->dlpi_name || !strstr(info->dlpi_name, "/mod_eas_cba.so")) {
        return 0;
    }
    module_begin = UINTPTR_MAX;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t at = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

        if (info->dlpi_phdr[i].p_type == PT_LOAD) {
            module_begin = at < module_begin ? at : module_begin;
            module_end = at + info->dlpi_phdr[i].p_memsz;
        }
    }
    return 1;
}

static int is_new(uint64_t place)
{
    for (size_t i = 0; i < PLACES; i++) {
        _Atomic uint64_t *at = &control->places[(place + i) % PLACES];
        uint64_t there = 0;

        if (atomic_compare_exchange_strong(at, &there, place)) {
            return 1;
        }
        if (there == place) {
            return 0;
        }
    }
    return 0;
}

/* APR and the dynamic loader end a process that gets no memory: that is theirs. */
static int ends_the_process(void *caller)
{
    Dl_info info;

    return dladdr(caller, &info) && info.dli_fname &&
           (strstr(info.dli_fname, "/ld-linux") || strstr(info.dli_fname, "libapr"));
}

static int is_of_module(void *caller)
{
    return (uintptr_t)caller >= module_begin && (uintptr_t)caller < module_end;
}

/* MIT krb5 1.20 frees twice what it could not copy there (krb5_get_credentials, by which GSSAPI takes
 * the ticket from its cache): that crash is its own, and is not what is looked for. */
static int is_spared(void *caller)
{
    Dl_info info;

    return dladdr(caller, &info) && info.dli_sname &&
           !strcmp(info.dli_sname, "krb5_get_credentials");
}

static int decide(void **frames, int count)
{
    uint64_t place = 14695981039346656037u;
    int ours = 0, i;

    if (!module_end) {
        dl_iterate_phdr(find_module, NULL);
    }
    for (i = 0; i < count; i++) {
        ours |= is_of_module(frames[i]);
    }
    for (i = 0; i < count && i < 3; i++) {
        if (ends_the_process(frames[i])) {
            return 0;
        }
    }
    if (!ours) {
        return 0;
    }
    for (i = 0; i < count && !is_of_module(frames[i]); i++) {
        if (is_spared(frames[i])) {
            return 0;
        }
    }
    for (i = 0; i < count && i < atomic_load(&control->depth); i++) {
        place = (place ^ (uintptr_t)frames[i]) * 1099511628211u;
    }
    if (!is_new(place | 1) || atomic_fetch_sub(&control->budget, 1) <= 0) {
        return 0;
    }
    atomic_fetch_add(&control->failed, 1);
    return 1;
}

static void *library_of(void *caller)
{
    Dl_info info;

    return dladdr(caller, &info) ? info.dli_fbase : NULL;
}

/* How many of the frames are this library's, and those of a sanitizer's backtrace(). */
static int own_frames(void **frames, int count)
{
    void *own = library_of((void *)(uintptr_t)&library_of);
    int skip = 0;

    for (int i = 0; i < count && i < 6; i++) {
        if (library_of(frames[i]) == own) {
            skip = i + 1;
        }
    }
    return skip;
}

static int fails(void)
{
    void *frames[FRAMES];
    int count, failing, skip;

    if (!control || busy || atomic_load(&control->budget) <= 0) {
        return 0;
    }
    busy = 1;
    count = backtrace(frames, FRAMES);
    skip = own_frames(frames, count);
    failing = decide(frames + skip, count - skip);
    busy = 0;
    if (failing) {
        if (control->trace) {
            backtrace_symbols_fd(frames, count, 2);
        }
        errno = ENOMEM;
    }
    return failing;
}

__attribute__((noinline)) void *malloc(size_t size)
{
    find_next();
    return !next_malloc ? early_alloc(size) : fails() ? NULL : next_malloc(size);
}

__attribute__((noinline)) void *calloc(size_t count, size_t size)
{
    find_next();
    return !next_calloc ? early_alloc(count * size) : fails() ? NULL : next_calloc(count, size);
}

__attribute__((noinline)) void *realloc(void *old, size_t size)
{
    find_next();
    return !next_realloc ? early_alloc(size) : fails() ? NULL : next_realloc(old, size);
}

/* The clock, and what is done when somebody looks at it, as each request does. */

static void limit_files(int64_t most)
{
    static _Atomic int64_t limited;
    struct rlimit limit;

    if (atomic_exchange(&limited, most) != most && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = most ? (rlim_t)most : limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int64_t step(void)
{
    if (!control) {
        return 0;
    }
    limit_files(atomic_load(&control->files));
    return atomic_load(&control->clock_seconds);
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    static int (*next)(clockid_t, struct timespec *);
    int status;

    if (!next) {
        *(void **)&next = dlsym(RTLD_NEXT, "clock_gettime");
    }
    status = next(id, now);
    if (status == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        now->tv_sec += step();
    }
    return status;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (out) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}
