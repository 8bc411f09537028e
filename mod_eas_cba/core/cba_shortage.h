/* SPDX-License-Identifier: Apache-2.0
 *
 * Shortage of memory inside of OpenSSL: its parsers answer "no" to a damaged certificate and to one
 * that they had no memory for, and only the thread's queue of errors tells the two apart. Plain
 * values; any thread, begin and end on the same one.
 */
#ifndef CBA_SHORTAGE_H
#define CBA_SHORTAGE_H

#include <stdbool.h>
#include <openssl/err.h>

struct cba_shortage {
    bool alone; /* nobody's errors were there before */
};

/* Before calls to OpenSSL. */
static inline struct cba_shortage cba_shortage_begin(void)
{
    struct cba_shortage watch = {ERR_peek_error() == 0};

    ERR_set_mark();
    return watch;
}

/* After them. True: memory ran out meanwhile, and whatever they answered is not to be believed.
 * Nobody else's errors are lost, none of ours are left to mod_ssl. */
static inline bool cba_shortage_end(struct cba_shortage watch)
{
    bool seen = ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;

    /* Below the last error only those can be looked at that are taken out, oldest first. */
    while (watch.alone && !seen && ERR_peek_error() != 0) {
        seen = ERR_GET_REASON(ERR_get_error()) == ERR_R_MALLOC_FAILURE;
    }
    if (watch.alone) {
        ERR_clear_error();
    } else {
        ERR_pop_to_mark();
    }
    return seen;
}

#endif
