/* SPDX-License-Identifier: Apache-2.0
 *
 * A fuzz target, tests/fuzz/fuzz_NOUN.c, is this one function. It is linked twice: with
 * standalone.c for make check, which replays tests/fuzz/corpus/NOUN/, and with libFuzzer for make
 * fuzz.
 */
#ifndef CBA_FUZZ_H
#define CBA_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Feed data[0..size) to the parser; abort() where what it returned breaks a promise. data may be of
 * size 0 and is never NULL. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
