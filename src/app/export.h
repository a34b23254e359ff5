/* SPDX-License-Identifier: MIT
 *
 * What `bulb run` leaves in its output folder: the variants under readable names, and manifest.json.
 */
#ifndef BULB_APP_EXPORT_H
#define BULB_APP_EXPORT_H

#include "base/err.h"
#include "base/json.h"
#include "blob/blob.h"

#include <stdint.h>

struct export;
/* dir exists. move: take files out of the blob store instead of copying them (--no-cache). */
struct export *export_new(struct blob *b, const char *dir, const char *name_template, bool move);
void export_free(struct export *x);
/* Before the first item: items of the job as documents, in order; names are given out here so that
 * they do not depend on which picture is ready first. */
void export_plan(struct export *x, int64_t n, const char *url, const char *ref,
	const char *const *variants, const char *const *extensions, size_t variants_n,
	const char *cutout);
/* Write the variants and the cut-out of a succeeded item (a document as in docs/http.md). ERR_SYSTEM. */
enum err_code export_item(struct export *x, int64_t n, const json_t *item, struct err *e)
	MUST_CHECK;
/* Rewrite the links of an item's document to paths relative to the folder. */
void export_relative(const struct export *x, int64_t n, json_t *item);
/* {"bulb", "job", "items"}: takes over items. ERR_SYSTEM. */
enum err_code export_manifest(struct export *x, const json_t *job, json_t *items, struct err *e)
	MUST_CHECK;

#endif
