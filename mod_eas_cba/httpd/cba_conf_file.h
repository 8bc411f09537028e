/* SPDX-License-Identifier: Apache-2.0
 *
 * Files, as seen by the user that httpd will run as. Configuration time only, before httpd has
 * threads or children.
 */
#ifndef CBA_CONF_FILE_H
#define CBA_CONF_FILE_H

#include <stdbool.h>
#include <apr_hash.h>
#include <sys/types.h>

/* Who httpd's children will be. */
struct cba_user {
    apr_pool_t *pool; /* for everything that is returned about files, too */
    uid_t uid;
    gid_t gid;
    const char *name;  /* login name, for its groups; NULL if the uid has none */
    const char *root;  /* ChrootDir, or "" */
    bool is_another;   /* not the one who runs this */
    apr_hash_t *tried; /* what cba_file_obstacle() found: need and path -> answer */
};

/* User and Group of the configuration that has just been read; without root's rights it is this
 * process's own user. */
struct cba_user cba_user_of_httpd(apr_pool_t *pool);

enum cba_file_need {
    CBA_FILE_READ,     /* a file with contents, to read */
    CBA_FILE_DIRECTORY /* a directory, to make files in */
};

/* May the user do that? NULL: yes. Otherwise what is in the way, for messages: "Permission denied
 * at /etc/secret". The kernel is asked, in a child process that becomes the user: groups, access
 * lists and every directory on the way count as they will. What was asked once is remembered with
 * the user. */
const char *cba_file_obstacle(struct cba_user *user, const char *path, enum cba_file_need need);

/* May everybody on the machine read or change the file? A file that cannot be looked at: no. */
bool cba_file_is_exposed(const struct cba_user *user, const char *path);

/* Makes the directory for the user alone (mode 0700), or makes an existing one that is the user's
 * or root's so. NULL: it is there. Otherwise what is in the way. Nothing is followed or taken over
 * that belongs to somebody else. */
const char *cba_file_make_directory(const struct cba_user *user, const char *path);

#endif
