/* SPDX-License-Identifier: Apache-2.0 */
#include "cba_conf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <apr_strings.h>
#include <httpd.h>
#include <http_config.h>
#include <unixd.h>

#define PASSWD_BYTES 16384

/* What the child found. */
struct answer {
    int error;  /* errno; 0: nothing in the way */
    size_t len; /* how much of the path leads to the obstacle */
};

struct cba_user cba_user_of_httpd(apr_pool_t *pool)
{
    struct cba_user user = {.pool = pool, .uid = geteuid(), .gid = getegid(), .root = ""};
    char *buffer = apr_palloc(pool, PASSWD_BYTES);
    struct passwd passwd, *found = NULL;

    user.tried = apr_hash_make(pool);
    if (user.uid == 0 && ap_find_linked_module("mod_unixd.c")) {
        user.uid = ap_unixd_config.user_id;
        user.gid = ap_unixd_config.group_id;
        user.is_another = user.uid != 0;
        if (ap_unixd_config.chroot_dir) {
            user.root = ap_unixd_config.chroot_dir;
        }
    }
    if (!getpwuid_r(user.uid, &passwd, buffer, PASSWD_BYTES, &found) && found) {
        user.name = passwd.pw_name;
    }
    return user;
}

/* "user www-data (uid 33)" */
static const char *shown(const struct cba_user *user)
{
    return apr_psprintf(user->pool, "user %s (uid %lu)", user->name ? user->name : "without a name",
                        (unsigned long)user->uid);
}

/* Where the path is for a child of httpd. */
static char *path_in_root(const struct cba_user *user, const char *path)
{
    return apr_pstrcat(user->pool, user->root, path, NULL);
}

/* As httpd's own children do it; irrevocable. */
static bool become(const struct cba_user *user)
{
    if (!user->is_another) {
        return true;
    }
    if (setgid(user->gid)) {
        return false;
    }
    if (user->name ? initgroups(user->name, user->gid) : setgroups(1, &user->gid)) {
        return false;
    }
    return !setuid(user->uid) && geteuid() == user->uid;
}

/* Walks the path as this process, from where the user's root ends: chroot() is called as root. */
static struct answer try_path(const struct cba_user *user, char *path, enum cba_file_need need)
{
    struct answer answer = {.len = strlen(path)};
    struct stat info;
    int rights = need == CBA_FILE_READ ? R_OK : W_OK | X_OK;

    for (char *slash = strchr(path + strlen(user->root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        answer.error = faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) ? errno : 0;
        answer.len = (size_t)(slash - path);
        *slash = '/';
        if (answer.error) {
            return answer;
        }
    }
    answer.len = strlen(path);
    if (stat(path, &info) || faccessat(AT_FDCWD, path, rights, AT_EACCESS)) {
        answer.error = errno;
    } else if (need == CBA_FILE_DIRECTORY && !S_ISDIR(info.st_mode)) {
        answer.error = ENOTDIR;
    } else if (need == CBA_FILE_READ && S_ISDIR(info.st_mode)) {
        answer.error = EISDIR;
    } else if (need == CBA_FILE_READ && !S_ISREG(info.st_mode)) {
        answer.error = EINVAL;
    }
    return answer;
}

static bool read_answer(int from, struct answer *answer)
{
    ssize_t n;

    do {
        n = read(from, answer, sizeof *answer);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof *answer; /* so little is never split in a pipe */
}

/* In a child, which alone can become somebody else and be thrown away. */
static bool ask_child(const struct cba_user *user, char *path, enum cba_file_need need,
                      struct answer *answer)
{
    int ends[2];
    pid_t child;
    bool good;

    if (pipe2(ends, O_CLOEXEC)) {
        return false;
    }
    child = fork();
    if (child == 0) {
        if (become(user)) {
            *answer = try_path(user, path, need);
            _exit(write(ends[1], answer, sizeof *answer) == (ssize_t)sizeof *answer ? 0 : 1);
        }
        _exit(1);
    }
    close(ends[1]);
    good = child > 0 && read_answer(ends[0], answer);
    close(ends[0]);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR) {
    }
    return good;
}

static const char *obstacle(const struct cba_user *user, char *path, enum cba_file_need need)
{
    char text[128];
    struct answer answer;

    if (path[0] != '/' || strlen(path) >= PATH_MAX) {
        return apr_psprintf(user->pool, "%s is no absolute path or too long a one", path);
    }
    if (!ask_child(user, path, need, &answer)) {
        return apr_psprintf(user->pool, "it could not be tried as %s", shown(user));
    }
    if (!answer.error) {
        return "";
    }
    return apr_psprintf(user->pool, "%s at %.*s for %s",
                        apr_strerror(answer.error, text, sizeof text), (int)answer.len, path,
                        shown(user));
}

const char *cba_file_obstacle(struct cba_user *user, const char *path, enum cba_file_need need)
{
    const char *key = apr_psprintf(user->pool, "%d%s", (int)need, path);
    const char *answer = apr_hash_get(user->tried, key, APR_HASH_KEY_STRING);

    if (!answer) {
        answer = obstacle(user, path_in_root(user, path), need);
        apr_hash_set(user->tried, key, APR_HASH_KEY_STRING, answer);
    }
    return *answer ? answer : NULL;
}

bool cba_file_is_exposed(const struct cba_user *user, const char *path)
{
    struct stat info;

    return !stat(path_in_root(user, path), &info) && S_ISREG(info.st_mode) &&
           (info.st_mode & (S_IROTH | S_IWOTH));
}

/* The directory behind fd, with fd's owner being the user, root or us. */
static const char *take_over(int fd, const struct cba_user *user)
{
    struct stat info;

    if (fstat(fd, &info)) {
        return "it cannot be looked at";
    }
    if (info.st_uid != user->uid && info.st_uid != geteuid()) {
        return "it belongs to another user";
    }
    if (info.st_uid != user->uid && fchown(fd, user->uid, user->gid)) {
        return "its owner cannot be set";
    }
    if ((info.st_mode & 07777) != 0700 && fchmod(fd, 0700)) {
        return "its mode cannot be set";
    }
    return NULL;
}

const char *cba_file_make_directory(const struct cba_user *user, const char *path)
{
    const char *inside = path_in_root(user, path), *wrong;
    char text[128];
    int fd;

    if (mkdir(inside, 0700) && errno != EEXIST) {
        return apr_psprintf(user->pool, "%s cannot be made: %s", inside,
                            apr_strerror(errno, text, sizeof text));
    }
    fd = open(inside, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return apr_psprintf(user->pool, "%s cannot be opened as a directory: %s", inside,
                            apr_strerror(errno, text, sizeof text));
    }
    wrong = take_over(fd, user);
    close(fd);
    return wrong ? apr_psprintf(user->pool, "%s: %s", inside, wrong) : NULL;
}
