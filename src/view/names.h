/* SPDX-License-Identifier: MIT
 *
 * File names in an output folder or an archive, from a template: {name} {variant} {ext} {ref} {index} {sha256}.
 * Names never leave the output folder: what a URL or ref brings in is cut down to harmless bytes.
 */
#ifndef BULB_VIEW_NAMES_H
#define BULB_VIEW_NAMES_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct name_parts {
	const char *url; /* {name} is its last path segment without the extension */
	const char *ref; /* or NULL: {ref} is then {name} */
	const char *variant, *ext;
	int64_t index;      /* from 1 */
	const char *sha256; /* hex of the original, or NULL while it is not known */
};

/* ERR_USAGE for an unknown {word}, a template that is absolute, has "..", or lacks {variant}. */
enum err_code name_template_check(const char *tmpl, struct err *e) MUST_CHECK;
bool name_template_needs(const char *tmpl, const char *word);
char *name_make(const char *tmpl, const struct name_parts *p); /* the caller frees */

/* Names given out so far; a name that was taken gets -2, -3 … before its extension. */
struct name_set;
struct name_set *name_set_new(void);
void name_set_free(struct name_set *s);
char *name_set_take(struct name_set *s, const char *wanted); /* the caller frees */

#endif
