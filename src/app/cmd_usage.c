/* SPDX-License-Identifier: MIT
 *
 * bulb usage: what a server did for its caller by days, what was paid, and what the caches saved.
 */
#include "app/client.h"
#include "app/cmd.h"
#include "app/say.h"
#include "app/table.h"
#include "base/mem.h"
#include "base/url.h"

#include <assert.h>
#include <stdio.h>

static void put_row(struct table *t, const char *date, const json_t *work, const json_t *o)
{
	static const char *const members[] = { "jobs", "items", "downloads", "encodes", "cutouts",
		"paid_calls" };
	const json_t *credits = json_object_get(o, "credits");
	const json_t *saved = json_object_get(o, "saved");
	table_cell(t, "%s", date);
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		table_number(t, "%lld", (long long)json_get_int(work, members[i], 0));
	table_number(t, "%g", json_get_num(credits, "spent", 0));
	table_number(t, "%g", json_get_num(credits, "unknown", 0));
	table_number(t, "%g", json_get_num(saved, "credits", 0));
}

static void print_table(const json_t *doc)
{
	static const char *const heads[] = { "DAY", "JOBS", "ITEMS", "DOWNLOADS", "ENCODES",
		"CUT-OUTS", "PAID", "CREDITS", "UNKNOWN", "SAVED" };
	static_assert(ARRAY_LEN(heads) <= TABLE_COLUMNS, "a table has room for them");
	CLEANUP(table_freep) struct table *t = table_with_heads(heads, ARRAY_LEN(heads));
	const json_t *days = json_object_get(doc, "days");
	for (size_t i = 0; i < json_array_size(days); i++) {
		const json_t *day = json_array_get(days, i);
		put_row(t, json_get_str(day, "date", "?"), day, day);
	}
	put_row(t, "total", json_object_get(doc, "totals"), doc);
	table_print(t, stdout);
}

static void print_sums(const json_t *doc)
{
	const json_t *saved = json_object_get(doc, "saved");
	const json_t *credits = json_object_get(doc, "credits");
	const json_t *limit = json_object_get(credits, "limit");
	printf("\nsaved: %lld downloads, %lld encodes, %lld paid calls\n",
		(long long)json_get_int(saved, "downloads", 0),
		(long long)json_get_int(saved, "encodes", 0),
		(long long)json_get_int(saved, "paid_calls", 0));
	printf("credits: %g spent, %g unknown, %g reserved", json_get_num(credits, "spent", 0),
		json_get_num(credits, "unknown", 0), json_get_num(credits, "reserved", 0));
	if (json_is_number(limit))
		printf(", at most %g in a month", json_number_value(limit));
	putchar('\n');
}

static void print_limits(json_t *limits)
{
	const char *name;
	const json_t *l;
	json_object_foreach(limits, name, l)
	{
		printf("limit: %s %.12g", name, json_get_num(l, "limit", 0));
		if (json_object_get(l, "left"))
			printf(", %.12g left", json_get_num(l, "left", 0));
		putchar('\n');
	}
}

int cmd_usage(const struct conf *c)
{
	struct err e = { 0 };
	autojson *doc = NULL;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	CLEANUP(client_freep) struct client *cl = client_new(c->server, c->key);
	const char *path = arena_printf(a, "/v1/usage%s%s%s%s", c->since ? "?from=" : "",
		c->since ? url_encode(c->since, false, a) : "",
		c->until ? (c->since ? "&to=" : "?to=") : "",
		c->until ? url_encode(c->until, false, a) : "");
	if (client_call(cl, "GET", path, NULL, &doc, &e) != OK)
		return say_error(&e);
	if (c->json) {
		autofree char *text = json_text(doc);
		puts(text);
		return 0;
	}
	print_table(doc);
	print_sums(doc);
	print_limits(json_object_get(doc, "limits"));
	return 0;
}
