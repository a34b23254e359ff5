/* SPDX-License-Identifier: MIT
 *
 * What an item's row keeps beside its URL. Most items have nothing here, and then the column is
 * empty. Headers are secrets: they are sealed before they become part of any text.
 */
#include "job/request.h"

#include <string.h>

static void put_refs(json_t *o, const struct request_item *it)
{
	json_t *refs = json_arr();
	for (size_t i = 0; i < it->refs_n; i++)
		json_push(refs, json_string(it->refs[i]));
	json_put(o, "refs", refs);
}

static void put_headers(json_t *o, const struct request_item *it, const uint8_t seal_key[32])
{
	char *plain = json_text(it->headers);
	autofree char *sealed = seal_text(seal_key, plain, strlen(plain));
	mem_wipe(plain, strlen(plain));
	free(plain);
	json_put_str(o, "headers", sealed);
}

char *request_item_extra_text(const struct request_item *it, const uint8_t seal_key[32])
{
	autojson *o = json_obj();
	if (it->refs_n)
		put_refs(o, it);
	if (it->headers)
		put_headers(o, it, seal_key);
	if (it->recipe)
		json_put(o, "variants", recipe_json(it->recipe));
	if (it->cut)
		json_put(o, "background", cut_json(it->cut));
	if (it->metadata)
		json_put(o, "metadata", json_incref(it->metadata));
	return json_object_size(o) ? json_text(o) : NULL;
}

enum err_code item_extra_parse(const char *text, struct item_extra *ret, struct err *e)
{
	struct item_extra x = { 0 };
	autojson *doc = NULL;
	if (!text || !text[0]) {
		*ret = x;
		return OK;
	}
	if (json_parse(text, strlen(text), &doc, e) != OK || !json_is_object(doc))
		return err_set(e, ERR_INTERNAL, "item: its text in the store is no JSON object");
	const json_t *cut = json_object_get(doc, "background");
	x.has_cut = cut != NULL;
	if (cut) {
		enum err_code code = cut_from_json(cut, &x.cut, e);
		if (code != OK)
			return code;
	}
	const json_t *variants = json_object_get(doc, "variants");
	if (variants) {
		enum err_code code = recipe_from_json(variants, &x.recipe, e);
		if (code != OK)
			return code;
	}
	x.refs = json_object_get(doc, "refs");
	x.headers = json_get_str(doc, "headers", NULL);
	x.metadata = json_object_get(doc, "metadata");
	x.doc = TAKE(&doc);
	*ret = x;
	return OK;
}

void item_extra_done(struct item_extra *x)
{
	recipe_done(&x->recipe);
	json_decref(x->doc);
	*x = (struct item_extra){ 0 };
}
