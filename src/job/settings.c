/* SPDX-License-Identifier: MIT
 *
 * What the store keeps of a job besides its items, as one text column: written once when the job
 * is submitted, read whenever its items are planned.
 */
#include "job/request.h"

#include <string.h>

static const char *const modes[] = {
	[CACHE_MODE_DEFAULT] = "default",
	[CACHE_MODE_RELOAD] = "reload",
	[CACHE_MODE_ONLY] = "only_if_cached",
};

char *request_settings_text(const struct request *r)
{
	autojson *o = json_obj();
	json_put(o, "variants", recipe_json(&r->recipe));
	if (r->preset)
		json_put_str(o, "preset", r->preset);
	if (r->cut.remove)
		json_put(o, "background", cut_json(&r->cut));
	json_put_str(o, "cache", modes[r->cache]);
	json_put_str(o, "priority", priority_name(r->priority));
	json_put_int(o, "deadline_ms", r->deadline_ms);
	json_put_bool(o, "keep_source", r->keep_source);
	if (r->metadata)
		json_put(o, "metadata", json_incref(r->metadata));
	return json_text(o);
}

static enum cache_mode mode_parse(const char *s)
{
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (strcmp(s, modes[i]) == 0)
			return (enum cache_mode)i;
	}
	return CACHE_MODE_DEFAULT;
}

enum err_code job_settings_parse(const char *text, struct job_settings *ret, struct err *e)
{
	autojson *doc = NULL;
	if (json_parse(text, strlen(text), &doc, e) != OK || !json_is_object(doc))
		return err_set(e, ERR_INTERNAL, "job: its settings are no JSON object");
	struct job_settings s = { .cache = mode_parse(json_get_str(doc, "cache", "")),
		.priority = PRIORITY_NORMAL,
		.deadline_ms = json_get_int(doc, "deadline_ms", 0),
		.keep_source = json_get_bool(doc, "keep_source", true) };
	(void)priority_parse(json_get_str(doc, "priority", ""), &s.priority);
	const json_t *cut = json_object_get(doc, "background");
	enum err_code code = cut ? cut_from_json(cut, &s.cut, e) : OK;
	if (code == OK)
		code = recipe_from_json(json_object_get(doc, "variants"), &s.recipe, e);
	if (code != OK)
		return code;
	json_t *metadata = json_object_get(doc, "metadata");
	s.metadata = json_is_object(metadata) ? json_incref(metadata) : NULL;
	*ret = s;
	return OK;
}

void job_settings_done(struct job_settings *s)
{
	recipe_done(&s->recipe);
	json_decref(s->metadata);
	*s = (struct job_settings){ 0 };
}
