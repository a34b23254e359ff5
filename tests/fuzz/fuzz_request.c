/* SPDX-License-Identifier: MIT
 *
 * The body of POST /v1/jobs: text, JSON, request, and what the store keeps of it, read back.
 */
#include "job/request.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_item(const struct request_item *it)
{
	static const uint8_t key[32] = { 1 };
	struct err e = { 0 };
	autofree char *text = request_item_extra_text(it, key);
	struct item_extra x;
	assert(item_extra_parse(text, &x, &e) == OK);
	assert(json_array_size(x.refs) == it->refs_n);
	assert(x.recipe.n == (it->recipe ? it->recipe->n : 0));
	item_extra_done(&x);
}

static void check(const struct request *r)
{
	struct err e = { 0 };
	assert((r->items_n > 0) == (r->from_job == NULL) && r->recipe.n > 0);
	autofree char *text = request_settings_text(r);
	struct job_settings s;
	assert(job_settings_parse(text, &s, &e) == OK);
	assert(s.recipe.n == r->recipe.n && s.priority == r->priority && s.cache == r->cache);
	job_settings_done(&s);
	for (size_t i = 0; i < r->items_n; i++)
		check_item(&r->items[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct presets *presets;
	if (!presets)
		presets = presets_new();
	autojson *body = NULL;
	struct err e = { 0 };
	if (json_parse((const char *)data, size, &body, &e) != OK)
		return 0;
	struct request *r = NULL;
	struct faults f = { 0 };
	if (request_parse(body, &request_limits_default, presets, &r, &f))
		check(r);
	else
		assert(!r && f.n > 0 && json_array_size(f.list) > 0);
	request_free(r);
	faults_done(&f);
	return 0;
}
