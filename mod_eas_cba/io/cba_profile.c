/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_profile.h"

#include <errno.h>
#include <profile.h>
#include <stdlib.h>
#include <string.h>

/* Never looked up (RFC 6761 6.4). */
#define SOME_KDC "kdc.invalid"

struct overlay {
    unsigned users; /* profiles with this data; all of one context */
    profile_t base;
    char realm[];
};

static long get_values(void *data, const char *const *names, char ***out)
{
    const struct overlay *overlay = data;

    if (names[0] == NULL || strcmp(names[0], "realms") != 0 || names[1] == NULL ||
        strcmp(names[1], overlay->realm) != 0 || names[2] == NULL || strcmp(names[2], "kdc") != 0 ||
        names[3] != NULL) {
        return profile_get_values(overlay->base, names, out);
    }
    *out = calloc(2, sizeof **out);
    if (*out == NULL) {
        return ENOMEM;
    }
    (*out)[0] = strdup(SOME_KDC);
    if ((*out)[0] == NULL) {
        free(*out);
        return ENOMEM;
    }
    return 0;
}

/* Lists of libprofile are made of malloc, too. */
static void free_values(void *data, char **values)
{
    (void)data;
    profile_free_list(values);
}

static void cleanup(void *data)
{
    struct overlay *overlay = data;

    if (--overlay->users == 0) {
        profile_release(overlay->base);
        free(overlay);
    }
}

static long copy(void *data, void **out)
{
    struct overlay *overlay = data;

    overlay->users++;
    *out = overlay;
    return 0;
}

/* At its end profile_iterator frees the iterator and clears the caller's pointer to it: hence the
 * box. */
static long iterator_create(void *data, const char *const *names, int flags, void **out)
{
    void **box = calloc(1, sizeof *box);
    long code;

    if (box == NULL) {
        return ENOMEM;
    }
    code = profile_iterator_create(((struct overlay *)data)->base, names, flags, box);
    if (code != 0) {
        free(box);
        return code;
    }
    *out = box;
    return 0;
}

static long iterator(void *data, void *iter, char **name, char **value)
{
    (void)data;
    return profile_iterator(iter, name, value);
}

static void iterator_free(void *data, void *iter)
{
    (void)data;
    profile_iterator_free(iter);
    free(iter);
}

static void free_string(void *data, char *string)
{
    (void)data;
    profile_release_string(string);
}

/* Takes base over, in any case. */
static krb5_error_code overlay_make(const char *realm, profile_t base, profile_t *out)
{
    struct profile_vtable methods = {
        .minor_ver = 1,
        .get_values = get_values,
        .free_values = free_values,
        .cleanup = cleanup,
        .copy = copy,
        .iterator_create = iterator_create,
        .iterator = iterator,
        .iterator_free = iterator_free,
        .free_string = free_string,
    };
    size_t size = strlen(realm) + 1;
    struct overlay *overlay = calloc(1, sizeof *overlay + size);
    long code;

    if (overlay == NULL) {
        profile_release(base);
        return ENOMEM;
    }
    overlay->users = 1;
    overlay->base = base;
    memcpy(overlay->realm, realm, size);
    code = profile_init_vtable(&methods, overlay, out);
    if (code != 0) {
        cleanup(overlay);
    }
    return (krb5_error_code)code;
}

krb5_error_code cba_profile_context(const char *realm, krb5_context *out)
{
    krb5_context plain = NULL;
    profile_t base = NULL, profile = NULL;
    krb5_error_code code = krb5_init_context(&plain);

    if (code != 0) {
        return code;
    }
    code = krb5_get_profile(plain, &base);
    krb5_free_context(plain);
    if (code == 0) {
        code = overlay_make(realm, base, &profile);
    }
    if (code == 0) {
        code = krb5_init_context_profile(profile, 0, out);
        profile_release(profile);
    }
    return code;
}

enum cba_profile_kdcs cba_profile_kdcs(krb5_context context, const char *realm)
{
    const char *const path[] = {"realms", realm, "kdc", NULL};
    enum cba_profile_kdcs where = CBA_PROFILE_LISTED;
    profile_t profile = NULL;
    char **values = NULL;
    int by_dns = 0;

    if (krb5_get_profile(context, &profile) != 0) {
        return CBA_PROFILE_NOWHERE;
    }
    if (profile_get_values(profile, path, &values) != 0 || values == NULL || values[0] == NULL) {
        profile_get_boolean(profile, "libdefaults", "dns_lookup_kdc", NULL, 1, &by_dns);
        where = by_dns ? CBA_PROFILE_DNS : CBA_PROFILE_NOWHERE;
    }
    profile_free_list(values);
    profile_release(profile);
    return where;
}
