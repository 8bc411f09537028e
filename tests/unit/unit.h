/* SPDX-License-Identifier: Apache-2.0
 *
 * What every unit test includes first: cmocka, whose header wants four others before it.
 *
 * A program tests one noun and has one group (one cmocka_run_group_tests in main): its output is
 * TAP in make check, where a second group would be a second plan. It runs under ASan and UBSan. Run
 * by hand, tests/unit/test_NOUN prints cmocka's own format.
 */
#ifndef CBA_UNIT_H
#define CBA_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The file tests/NAME in a block of exactly its size, so that ASan sees the first byte read beyond
 * it. The caller frees it. A file that cannot be read fails the test. */
static inline unsigned char *unit_file_read(const char *name, size_t *len)
{
    char path[4096];
    unsigned char *data;
    FILE *file;
    long size;
    int n = snprintf(path, sizeof(path), "%s/%s", CBA_TESTS_DIR, name);

    assert_in_range(n, 1, sizeof(path) - 1);
    file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("%s cannot be opened", path);
    }
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size = ftell(file);
    assert_true(size >= 0);
    assert_int_equal(fseek(file, 0, SEEK_SET), 0);
    data = malloc((size_t)size);
    assert_non_null(data);
    *len = fread(data, 1, (size_t)size, file);
    assert_int_equal(*len, (size_t)size);
    (void)fclose(file);
    return data;
}

#endif
