/* SPDX-License-Identifier: Apache-2.0
 *
 * The main() of a fuzz target without libFuzzer: feeds every file named, and every file below every
 * folder named, and of each the truncations and single-byte changes that parsers most often trip
 * over. Each input is a block of exactly its size, so that ASan sees the first byte read beyond it.
 * Prints one TAP line; to have fed no file is a failure.
 */
#define _POSIX_C_SOURCE 200809L

#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The change of single bytes is quadratic in the size: enough for a corpus of small files. */
#define VARIED_BYTES 4096

static size_t files;
static size_t runs;

/* Say what is fed at the moment: after an abort it is the last line of the log. */
static void feed(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size);

    if (copy == NULL) {
        perror("malloc");
        exit(1);
    }
    if (size > 0) {
        memcpy(copy, data, size);
    }
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    runs++;
}

static void feed_variants(uint8_t *data, size_t size)
{
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    size_t n = size < VARIED_BYTES ? size : VARIED_BYTES;

    for (size_t i = 0; i < n; i++) {
        uint8_t saved = data[i];

        feed(data, i);
        for (size_t v = 0; v < sizeof(values); v++) {
            data[i] = values[v];
            feed(data, size);
        }
        data[i] = saved ^ 0x20;
        feed(data, size);
        data[i] = saved;
    }
}

static void feed_file(const char *path, size_t size)
{
    uint8_t *data = malloc(size + 1);
    FILE *file = fopen(path, "rb");

    if (data == NULL || file == NULL || fread(data, 1, size, file) != size) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    (void)fclose(file);
    fprintf(stderr, "# %s\n", path);
    feed(data, size);
    feed_variants(data, size);
    free(data);
    files++;
}

static void feed_path(const char *path);

static void feed_folder(const char *path)
{
    struct dirent **names = NULL;
    int n = scandir(path, &names, NULL, alphasort);

    if (n < 0) {
        perror(path);
        exit(1);
    }
    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] != '.') {
            size_t size = strlen(path) + strlen(names[i]->d_name) + 2;
            char *below = malloc(size);

            if (below == NULL) {
                perror("malloc");
                exit(1);
            }
            (void)snprintf(below, size, "%s/%s", path, names[i]->d_name);
            feed_path(below);
            free(below);
        }
        free(names[i]);
    }
    free(names);
}

static void feed_path(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        perror(path);
        exit(1);
    }
    if (S_ISDIR(st.st_mode)) {
        feed_folder(path);
    } else {
        feed_file(path, (size_t)st.st_size);
    }
}

int main(int argc, char **argv)
{
    printf("1..1\n");
    fflush(stdout);
    for (int i = 1; i < argc; i++) {
        feed_path(argv[i]);
    }
    printf("%sok 1 - %zu files, %zu inputs\n", files > 0 ? "" : "not ", files, runs);
    return files > 0 ? 0 : 1;
}
