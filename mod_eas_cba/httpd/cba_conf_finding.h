/* SPDX-License-Identifier: Apache-2.0
 *
 * What a check of the configuration found: one line per finding, with the place, what stands there,
 * what it means and what to do. Configuration time only, one thread; everything in the given pool.
 */
#ifndef CBA_CONF_FINDING_H
#define CBA_CONF_FINDING_H

#include "cba_conf_tree.h"
#include "cba_reason.h"

struct cba_findings {
    apr_pool_t *pool;
    apr_array_header_t *said; /* lines that were logged */
    int errors;
};

void cba_findings_begin(struct cba_findings *findings, apr_pool_t *pool);

/* Logs a finding at a place of the configuration (NULL: none in particular) about a subject; detail
 * may be NULL. The same line is logged once, however many servers and sections it concerns. A
 * reason of level ERR counts as an error. */
void cba_findings_add(struct cba_findings *findings, enum cba_reason reason,
                      const ap_directive_t *place, const char *subject, const char *detail);

/* The same about a directive, of which at most `words` words are shown (0: all). */
void cba_findings_add_directive(struct cba_findings *findings, enum cba_reason reason,
                                const struct cba_directive *directive, int words,
                                const char *detail);

/* The same about a directive that is missing from a scope. */
void cba_findings_add_missing(struct cba_findings *findings, enum cba_reason reason,
                              const char *name, const struct cba_scope *scope,
                              const struct cba_scope *section);

#endif
