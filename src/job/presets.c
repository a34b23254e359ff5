/* SPDX-License-Identifier: MIT
 *
 * Named recipes. The built-in one goes through the same parser as everyone's, so that its text
 * here is also its documentation.
 */
#include "job/recipe.h"

#include "base/near.h"

#include <string.h>

/* The five copies. thumb is always 150 x 150: it alone may enlarge. */
static const char builtin[] =
	"{\"web\": ["
	"{\"name\": \"thumb\", \"width\": 150, \"height\": 150, \"fit\": \"cover\","
	" \"format\": \"jpeg\", \"quality\": 80},"
	"{\"name\": \"small\", \"width\": 320, \"without_enlargement\": true,"
	" \"format\": \"webp\", \"quality\": 80},"
	"{\"name\": \"medium\", \"width\": 640, \"without_enlargement\": true,"
	" \"format\": \"jpeg\", \"quality\": 80},"
	"{\"name\": \"large\", \"width\": 1280, \"without_enlargement\": true,"
	" \"format\": \"jpeg\", \"quality\": 80},"
	"{\"name\": \"xl\", \"width\": 1920, \"without_enlargement\": true,"
	" \"format\": \"webp\", \"quality\": 80}"
	"]}";

struct preset {
	char *name;
	struct recipe recipe;
};
struct presets {
	struct preset *list;
	size_t n;
};

static struct preset *find(const struct presets *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++) {
		if (strcmp(p->list[i].name, name) == 0)
			return &p->list[i];
	}
	return NULL;
}

static void put(struct presets *p, const char *name, struct recipe recipe)
{
	struct preset *old = find(p, name);
	if (old) {
		recipe_done(&old->recipe);
		old->recipe = recipe;
		return;
	}
	p->list = mem_realloc(p->list, p->n + 1, sizeof(*p->list));
	p->list[p->n++] = (struct preset){ .name = mem_strdup(name), .recipe = recipe };
}

static enum err_code add_one(struct presets *p, const char *name, const json_t *variants,
	struct err *e)
{
	struct recipe r;
	struct err why = { 0 };
	if (recipe_from_json(variants, &r, &why) != OK)
		return err_set(e, ERR_USAGE, "preset '%s': %s", name, why.text);
	put(p, name, r);
	return OK;
}

enum err_code presets_add_json(struct presets *p, const char *text, size_t n, struct err *e)
{
	autojson *doc = NULL;
	struct err why = { 0 };
	if (json_parse(text, n, &doc, &why) != OK)
		return err_set(e, ERR_USAGE, "presets: %s", why.text);
	if (!json_is_object(doc))
		return err_set(e, ERR_USAGE, "presets: must be an object of name: [variants]");
	const char *name;
	json_t *variants;
	json_object_foreach(doc, name, variants)
	{
		enum err_code code = add_one(p, name, variants, e);
		if (code != OK)
			return code;
	}
	return OK;
}

struct presets *presets_new(void)
{
	struct presets *p = mem_new(struct presets);
	struct err e = { 0 };
	if (presets_add_json(p, builtin, strlen(builtin), &e) != OK)
		abort(); /* our own text */
	return p;
}

void presets_free(struct presets *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++) {
		free(p->list[i].name);
		recipe_done(&p->list[i].recipe);
	}
	free(p->list);
	free(p);
}

const struct recipe *presets_find(const struct presets *p, const char *name)
{
	const struct preset *found = find(p, name);
	return found ? &found->recipe : NULL;
}

const char *presets_nearest(const struct presets *p, const char *name)
{
	const char **names = mem_array(p->n, sizeof(*names));
	for (size_t i = 0; i < p->n; i++)
		names[i] = p->list[i].name;
	const char *near = near_find(name, names, p->n);
	free(names);
	return near;
}

json_t *presets_json(const struct presets *p)
{
	json_t *o = json_obj();
	for (size_t i = 0; i < p->n; i++)
		json_put(o, p->list[i].name, recipe_json(&p->list[i].recipe));
	return o;
}
