/* SPDX-License-Identifier: MIT
 *
 * A list of variants: what is taken has a JSON form that gives the same variants and digests back.
 */
#include "job/recipe.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct variant *a, const struct variant *b)
{
	uint8_t da[VARIANT_DIGEST_LEN], db[VARIANT_DIGEST_LEN];
	variant_digest(a, "codecs", da);
	variant_digest(b, "codecs", db);
	assert(memcmp(da, db, sizeof(da)) == 0);
	assert(strcmp(a->name, b->name) == 0);
}

static void check(const struct recipe *r)
{
	autojson *list = recipe_json(r);
	struct err e = { 0 };
	struct recipe again = { 0 };
	assert(recipe_from_json(list, &again, &e) == OK);
	assert(again.n == r->n);
	for (size_t i = 0; i < r->n; i++)
		check_same(&r->variants[i], &again.variants[i]);
	recipe_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autojson *list = NULL;
	struct err e = { 0 };
	if (json_parse((const char *)data, size, &list, &e) != OK)
		return 0;
	struct recipe r = { 0 };
	struct faults f = { 0 };
	if (recipe_parse(list, "/variants", &r, &f))
		check(&r);
	else
		assert(f.n > 0);
	recipe_done(&r);
	faults_done(&f);
	return 0;
}
