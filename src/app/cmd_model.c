/* SPDX-License-Identifier: MIT
 *
 * bulb model add: install a model; bulb model list: what is installed, under which licence, and
 * whether its files are what they should be.
 */
#include "app/cmd.h"
#include "app/model_add.h"
#include "app/models.h"
#include "app/say.h"
#include "app/signals.h"
#include "app/table.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static void list_row(struct table *t, const struct models_one *one, const char *state)
{
	const struct matte_model *m = &one->model;
	table_cell(t, "%s", m->name);
	table_cell(t, "%s", m->id);
	table_number(t, "%.1f", (double)m->bytes / 1e6);
	table_cell(t, "%s", m->licence[0] ? m->licence : "not said");
	table_cell(t, "%s", m->commercial_ok ? "yes" : "not said to be");
	table_cell(t, "%s", one->file);
	table_cell(t, "%s", state);
}

static json_t *list_json(const struct models_one *one, const char *state)
{
	const struct matte_model *m = &one->model;
	json_t *o = json_obj();
	json_put_str(o, "name", m->name);
	json_put_str(o, "id", m->id);
	json_put_int(o, "bytes", m->bytes);
	json_put_str(o, "licence", m->licence[0] ? m->licence : NULL);
	json_put_bool(o, "commercial_ok", m->commercial_ok);
	json_put_str(o, "file", one->file);
	json_put_str(o, "state", state);
	return o;
}

static void print_json(const struct models *found, const char *const *states)
{
	autojson *doc = json_obj();
	json_t *list = json_arr();
	for (size_t i = 0; i < found->n; i++)
		json_push(list, list_json(&found->v[i], states[i]));
	json_put_str(doc, "runtime", found->runtime);
	json_put(doc, "models", list);
	autofree char *text = json_text(doc);
	puts(text);
}

static void print_table(const struct models *found, const char *const *states)
{
	static const char *const heads[] = { "NAME", "ID", "MB", "LICENCE", "COMMERCIAL USE",
		"FILE", "STATE" };
	CLEANUP(table_freep) struct table *t = table_with_heads(heads, ARRAY_LEN(heads));
	for (size_t i = 0; i < found->n; i++)
		list_row(t, &found->v[i], states[i]);
	if (found->n)
		table_print(t, stdout);
	printf("runtime: %s\n", found->runtime ? found->runtime : "none");
	if (!found->runtime || !models_get(found, "fast"))
		puts("bulb model add fast installs what is missing");
}

static int list(const struct conf *c)
{
	CLEANUP(models_done) struct models found = { 0 };
	CLEANUP(arena_freep) struct arena *a = arena_new();
	int faults = 0;
	models_find(c->models, &found);
	const char **states = arena_alloc(a, (found.n + 1) * sizeof(*states));
	for (size_t i = 0; i < found.n; i++) {
		struct err e = { 0 };
		bool good = models_check(&found.v[i], &e) == OK;
		states[i] = good ? "ok" : arena_strdup(a, e.text);
		faults += !good;
	}
	if (c->json)
		print_json(&found, states);
	else
		print_table(&found, states);
	if (found.fault)
		fprintf(stderr, "bulb: %s\n", found.fault);
	return faults || found.fault ? 1 : 0;
}

int cmd_model(const struct conf *c)
{
	struct err e = { 0 };
	bool add = strcmp(c->args.v[0], "add") == 0;
	if (!add && strcmp(c->args.v[0], "list") != 0)
		err_set(&e, ERR_USAGE, "model '%s': add or list", c->args.v[0]);
	else if (c->args.n != (add ? 2 : 1))
		err_set(&e, ERR_USAGE,
			add ? "model add: which one?" : "model list takes nothing more");
	if (e.code != OK)
		return say_error(&e);
	signals_default();
	if (!add)
		return list(c);
	return model_add(c, c->args.v[1], &e) == OK ? 0 : say_error(&e);
}
