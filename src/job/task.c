/* SPDX-License-Identifier: MIT
 *
 * What a task is told, as text: the store writes it, a worker reads it, possibly one of another
 * version on another machine.
 */
#include "job/task.h"

#include <string.h>

static enum err_code parse_object(const char *text, json_t **ret, struct err *e)
{
	autojson *doc = NULL;
	if (json_parse(text, strlen(text), &doc, e) != OK || !json_is_object(doc))
		return err_set(e, ERR_INTERNAL, "task: its input is no JSON object");
	*ret = TAKE(&doc);
	return OK;
}

static enum err_code get_original(const json_t *doc, struct original *ret, struct err *e)
{
	const json_t *o = json_object_get(doc, "original");
	autofree char *text = o ? json_text(o) : mem_strdup("null");
	return original_parse(text, ret, e);
}

char *task_ref(const char *input, struct arena *a)
{
	autojson *doc = NULL;
	struct err none;
	if (parse_object(input, &doc, &none) != OK)
		return NULL;
	return arena_strdup(a, json_get_str(doc, "ref", NULL));
}

char *fetch_input_text(const struct fetch_input *in)
{
	autojson *o = json_obj();
	json_put_str(o, "url", in->url);
	if (in->headers)
		json_put_str(o, "headers", in->headers);
	if (in->etag)
		json_put_str(o, "etag", in->etag);
	if (in->last_modified)
		json_put_str(o, "last_modified", in->last_modified);
	if (in->ref)
		json_put_str(o, "ref", in->ref);
	if (in->has_original)
		json_put(o, "original", original_json(&in->original));
	return json_text(o);
}

enum err_code fetch_input_parse(const char *text, struct arena *a, struct fetch_input *ret,
	struct err *e)
{
	autojson *doc = NULL;
	enum err_code code = parse_object(text, &doc, e);
	if (code != OK)
		return code;
	struct fetch_input in = { .has_original = json_is_object(
					  json_object_get(doc, "original")) };
	if (in.has_original) {
		code = get_original(doc, &in.original, e);
		if (code != OK)
			return code;
	}
	in.url = arena_strdup(a, json_get_str(doc, "url", NULL));
	if (!in.url)
		return err_set(e, ERR_INTERNAL, "task: its input has no url");
	in.headers = arena_strdup(a, json_get_str(doc, "headers", NULL));
	in.etag = arena_strdup(a, json_get_str(doc, "etag", NULL));
	in.ref = arena_strdup(a, json_get_str(doc, "ref", NULL));
	in.last_modified = arena_strdup(a, json_get_str(doc, "last_modified", NULL));
	*ret = in;
	return OK;
}

enum err_code fetch_headers_open(const uint8_t seal_key[32], const char *sealed, json_t **ret,
	struct err *e)
{
	size_t n = 0;
	char *text = unseal_text(seal_key, sealed, &n);
	if (!text)
		return err_set(e, ERR_INTERNAL, "the item's headers were sealed under another key");
	enum err_code code = json_parse(text, n, ret, e);
	mem_wipe(text, n);
	free(text);
	return code == OK ? OK : err_set(e, ERR_INTERNAL, "the item's headers are no JSON");
}

char *make_input_text(const struct make_input *in)
{
	autojson *o = json_obj();
	json_put(o, "original", original_json(&in->original));
	json_put(o, "variants", recipe_json(&in->recipe));
	if (in->ref)
		json_put_str(o, "ref", in->ref);
	return json_text(o);
}

enum err_code make_input_parse(const char *text, struct make_input *ret, struct err *e)
{
	autojson *doc = NULL;
	struct make_input in = { 0 };
	enum err_code code = parse_object(text, &doc, e);
	if (code == OK)
		code = get_original(doc, &in.original, e);
	if (code == OK)
		code = recipe_from_json(json_object_get(doc, "variants"), &in.recipe, e);
	if (code == OK)
		*ret = in;
	return code;
}

char *cut_input_text(const struct cut_input *in)
{
	autojson *o = json_obj();
	json_put(o, "original", original_json(&in->original));
	json_put(o, "cut", cut_json(&in->cut));
	if (in->ref)
		json_put_str(o, "ref", in->ref);
	return json_text(o);
}

enum err_code cut_input_parse(const char *text, struct cut_input *ret, struct err *e)
{
	autojson *doc = NULL;
	struct cut_input in = { 0 };
	enum err_code code = parse_object(text, &doc, e);
	if (code == OK)
		code = get_original(doc, &in.original, e);
	if (code == OK)
		code = cut_from_json(json_object_get(doc, "cut"), &in.cut, e);
	if (code == OK)
		*ret = in;
	return code;
}
