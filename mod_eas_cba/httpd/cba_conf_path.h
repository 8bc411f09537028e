/* SPDX-License-Identifier: Apache-2.0
 *
 * Which URLs a section and another path have in common, and which back-end addresses are the same
 * virtual directory. Whether two regular expressions share a URL cannot be decided from their texts
 * by simple means: a rough answer errs to "they do". Configuration time only, one thread.
 */
#ifndef CBA_CONF_PATH_H
#define CBA_CONF_PATH_H

#include "cba_conf_tree.h"

enum cba_meeting {
    CBA_MEET_NOT,    /* nothing in common */
    CBA_MEET_INSIDE, /* the path has some of the section's URLs, perhaps all */
    CBA_MEET_COVERS  /* the path has all of the section's URLs, for certain */
};

/* A section and a path without a pattern, as in <Location /x> or ProxyPass /x. */
enum cba_meeting cba_meet_prefix(apr_pool_t *pool, const struct cba_scope *section,
                                 const char *prefix);

/* A section and a regular expression, as in <LocationMatch> or ProxyPassMatch. */
enum cba_meeting cba_meet_pattern(apr_pool_t *pool, const struct cba_scope *section,
                                  const char *pattern);

/* A section and another one. */
enum cba_meeting cba_meet_section(apr_pool_t *pool, const struct cba_scope *section,
                                  const struct cba_scope *other);

/* The longest part of a regular expression that stands for itself; "" if there is none. */
const char *cba_pattern_literal(apr_pool_t *pool, const char *pattern);

/* The path that a section or (with is_pattern) a regular expression is about: a path as it is,
 * without what follows its first wildcard; of a regular expression the longest part that stands for
 * itself.
 * "" if that is no path. */
const char *cba_path_literal(apr_pool_t *pool, const char *name, bool is_pattern);

/* Is the whole of prefix the beginning of path, up to the end of a segment? Letters have their
 * case. */
bool cba_path_begins(const char *path, const char *prefix);

/* Does the section match its paths whatever their case, and whatever follows them? */
bool cba_section_has_every_spelling(const struct cba_scope *section);

/* Is one of the paths of these URLs below the other, or the same, on the same scheme and host?
 * Letters have no case, as with IIS; what follows a '$' is left out. */
bool cba_url_meets(apr_pool_t *pool, const char *a, const char *b);

/* Is prefix the URL, or the URL up to the end of a segment? Letters have no case. */
bool cba_url_begins(const char *url, const char *prefix);

#endif
