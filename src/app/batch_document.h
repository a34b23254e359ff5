/* SPDX-License-Identifier: MIT
 *
 * What a batch without a server looks like from outside: the documents of docs/http.md, made from what
 * is kept of it: {"job": the request, "created_at", "savings", "done": {"PLACE": item}}.
 */
#ifndef BULB_APP_BATCH_DOCUMENT_H
#define BULB_APP_BATCH_DOCUMENT_H

#include "base/json.h"

/* items: how many the whole request has; of places 0 … items - 1. */
json_t *batch_job_document(const char *id, const json_t *state, size_t items, size_t duplicates);
/* Every item is done. */
json_t *batch_manifest_document(const char *id, const json_t *state, size_t items,
	size_t duplicates);

#endif
