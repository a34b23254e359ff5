/* SPDX-License-Identifier: MIT
 *
 * Counted from the items themselves: several invocations may have had a part in them, at the same time
 * too.
 */
#include "app/batch_document.h"

#include <string.h>

struct tally {
	int64_t succeeded, failed, cached, cut, cut_failed, cut_none;
};

static void count_item(struct tally *t, const json_t *item)
{
	const char *cut = json_get_str(json_object_get(item, "cutout"), "status", "");
	t->succeeded += strcmp(json_get_str(item, "status", ""), "succeeded") == 0;
	t->failed += strcmp(json_get_str(item, "status", ""), "failed") == 0;
	t->cached += strcmp(json_get_str(item, "cache", "miss"), "miss") != 0;
	t->cut += strcmp(cut, "succeeded") == 0;
	t->cut_failed += strcmp(cut, "failed") == 0;
	t->cut_none += strcmp(cut, "none") == 0;
}

static struct tally count_items(const json_t *state)
{
	struct tally t = { 0 };
	const char *place;
	json_t *item;
	json_object_foreach(json_object_get(state, "done"), place, item) count_item(&t, item);
	return t;
}

static const char *status_of(const struct tally *t, int64_t total)
{
	if (t->succeeded + t->failed < total)
		return "running";
	if (t->succeeded == 0)
		return "failed";
	return t->failed > 0 || t->cut_failed > 0 ? "partial" : "succeeded";
}

json_t *batch_job_document(const char *id, const json_t *state, size_t items, size_t duplicates)
{
	struct tally t = count_items(state);
	int64_t total = (int64_t)items;
	const json_t *asked = json_object_get(state, "job");
	json_t *job = json_obj(), *counts = json_obj(), *cuts = json_obj();
	json_t *metadata = json_object_get(asked, "metadata");
	json_put_str(job, "id", id);
	json_put_str(job, "status", status_of(&t, total));
	json_put_str(job, "created_at", json_get_str(state, "created_at", NULL));
	json_put_str(job, "tag", json_get_str(asked, "tag", NULL));
	json_put(job, "metadata", metadata ? json_incref(metadata) : json_obj());
	json_put_int(counts, "total", total);
	json_put_int(counts, "duplicates", (int64_t)duplicates);
	json_put_int(counts, "queued", total - t.succeeded - t.failed);
	json_put_int(counts, "running", 0);
	json_put_int(counts, "succeeded", t.succeeded);
	json_put_int(counts, "failed", t.failed);
	json_put_int(counts, "canceled", 0);
	json_put_int(counts, "cached", t.cached);
	json_put_int(cuts, "succeeded", t.cut);
	json_put_int(cuts, "failed", t.cut_failed);
	json_put_int(cuts, "none", t.cut_none);
	json_put(counts, "cutouts", cuts);
	json_put(job, "counts", counts);
	json_put(job, "savings", json_incref(json_object_get(state, "savings")));
	return job;
}

json_t *batch_manifest_document(const char *id, const json_t *state, size_t items,
	size_t duplicates)
{
	json_t *list = json_arr(), *doc = json_obj();
	for (size_t i = 0; i < items; i++) {
		char place[24];
		snprintf(place, sizeof(place), "%zu", i);
		json_push(list,
			json_incref(json_object_get(json_object_get(state, "done"), place)));
	}
	json_put_str(doc, "bulb", BULB_VERSION);
	json_put(doc, "job", batch_job_document(id, state, items, duplicates));
	json_put(doc, "items", list);
	return doc;
}
