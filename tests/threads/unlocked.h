/* SPDX-License-Identifier: Apache-2.0
 *
 * Included before a file of the module to prove that the test of threads sees what it is there to
 * see: with locks that do not lock, it must fail.
 */
#ifndef UNLOCKED_H
#define UNLOCKED_H

#include <pthread.h>
#include <apr_thread_mutex.h>

static inline int unlocked(void *mutex)
{
    (void)mutex;
    return 0;
}

#define pthread_mutex_lock      unlocked
#define pthread_mutex_unlock    unlocked
#define apr_thread_mutex_lock   unlocked
#define apr_thread_mutex_unlock unlocked

#endif
