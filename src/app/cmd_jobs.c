/* SPDX-License-Identifier: MIT
 *
 * bulb jobs: the newest jobs; bulb jobs JOB: its items, what was made of each, and how long it took.
 */
#include "app/client.h"
#include "app/cmd.h"
#include "app/say.h"
#include "app/table.h"
#include "base/mem.h"
#include "base/url.h"

#include <string.h>

static void jobs_row(struct table *t, const json_t *job)
{
	const json_t *n = json_object_get(job, "counts");
	table_cell(t, "%s", json_get_str(job, "id", "?"));
	table_cell(t, "%s", json_get_str(job, "status", "?"));
	table_number(t, "%lld", (long long)json_get_int(n, "total", 0));
	table_number(t, "%lld", (long long)json_get_int(n, "succeeded", 0));
	table_number(t, "%lld", (long long)json_get_int(n, "failed", 0));
	table_number(t, "%lld", (long long)json_get_int(n, "cached", 0));
	table_cell(t, "%s", json_get_str(job, "created_at", "?"));
	table_cell(t, "%s", json_get_str(job, "tag", ""));
}

static int list_jobs(const struct conf *c, struct client *cl)
{
	static const char *const heads[] = { "ID", "STATUS", "ITEMS", "DONE", "FAILED", "CACHED",
		"CREATED", "TAG" };
	struct err e = { 0 };
	autojson *page = NULL;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const char *path = arena_printf(a, "/v1/jobs?page_size=%lld%s%s%s%s", (long long)c->limit,
		c->status ? "&status=" : "", c->status ? c->status : "", c->tag ? "&tag=" : "",
		c->tag ? url_encode(c->tag, false, a) : "");
	if (client_call(cl, "GET", path, NULL, &page, &e) != OK)
		return say_error(&e);
	const json_t *jobs = json_object_get(page, "jobs");
	if (c->json) {
		autofree char *text = json_text(jobs);
		puts(text);
		return 0;
	}
	CLEANUP(table_freep) struct table *t = table_with_heads(heads, ARRAY_LEN(heads));
	for (size_t i = 0; i < json_array_size(jobs); i++)
		jobs_row(t, json_array_get(jobs, i));
	table_print(t, stdout);
	return 0;
}

static void bytes_text(char out[24], int64_t n)
{
	if (n >= 10 << 20)
		snprintf(out, 24, "%lld MB", (long long)(n >> 20));
	else if (n >= 1 << 20)
		snprintf(out, 24, "%.1f MB", (double)n / (1 << 20));
	else
		snprintf(out, 24, "%lld KB", (long long)((n + 1023) >> 10));
}

static void item_row(struct table *t, const json_t *item)
{
	const json_t *source = json_object_get(item, "source");
	const json_t *variants = json_object_get(item, "variants");
	const json_t *ms = json_object_get(item, "timing_ms");
	const char *url = json_get_str(item, "url", "?"), *slash = strrchr(url, '/');
	int64_t made = 0;
	char bytes[24];
	for (size_t i = 0; i < json_array_size(variants); i++)
		made += json_get_int(json_array_get(variants, i), "bytes", 0);
	table_cell(t, "%.40s", slash && slash[1] ? slash + 1 : url);
	table_cell(t, "%s", json_get_str(item, "status", "?"));
	table_cell(t, "%s", json_get_str(item, "cache", "-"));
	table_number(t, "%lldx%lld", (long long)json_get_int(source, "width", 0),
		(long long)json_get_int(source, "height", 0));
	bytes_text(bytes, json_get_int(source, "bytes", 0));
	table_number(t, "%s", bytes);
	table_number(t, "%zu", json_array_size(variants));
	bytes_text(bytes, made);
	table_number(t, "%s", bytes);
	table_number(t, "%lld ms", (long long)json_get_int(ms, "download", 0));
	table_number(t, "%lld ms", (long long)json_get_int(ms, "process", 0));
	table_cell(t, "%s", json_get_str(json_object_get(item, "error"), "code", ""));
}

static enum err_code add_items(struct client *cl, const char *job, struct table *t, struct err *e)
{
	autofree char *token = NULL;
	do {
		autojson *page = NULL;
		autofree char *path = mem_printf("/v1/jobs/%s/items?page_size=1000%s%s", job,
			token ? "&page_token=" : "", token ? token : "");
		if (client_call(cl, "GET", path, NULL, &page, e) != OK)
			return e->code;
		const json_t *items = json_object_get(page, "items");
		for (size_t i = 0; i < json_array_size(items); i++)
			item_row(t, json_array_get(items, i));
		free(token);
		token = mem_strdup(json_get_str(page, "next_page_token", NULL));
	} while (token);
	return OK;
}

static void print_sum(const json_t *job)
{
	const json_t *n = json_object_get(job, "counts"), *s = json_object_get(job, "savings");
	printf("%s: %lld items, %lld succeeded, %lld failed, %lld cached; saved %lld downloads and %lld "
	       "encodes\n",
		json_get_str(job, "status", "?"), (long long)json_get_int(n, "total", 0),
		(long long)json_get_int(n, "succeeded", 0), (long long)json_get_int(n, "failed", 0),
		(long long)json_get_int(n, "cached", 0), (long long)json_get_int(s, "downloads", 0),
		(long long)json_get_int(s, "encodes", 0));
}

static int show_job(const struct conf *c, struct client *cl, const char *id)
{
	static const char *const heads[TABLE_COLUMNS] = { "PICTURE", "STATUS", "CACHE", "PIXELS",
		"BYTES", "MADE", "BYTES", "DOWNLOAD", "PROCESS", "ERROR" };
	struct err e = { 0 };
	autojson *job = NULL;
	autofree char *path = mem_printf("/v1/jobs/%s", id);
	if (client_call(cl, "GET", path, NULL, &job, &e) != OK)
		return say_error(&e);
	if (c->json) {
		autofree char *text = json_text(job);
		puts(text);
		return 0;
	}
	CLEANUP(table_freep) struct table *t = table_new(TABLE_COLUMNS);
	for (size_t i = 0; i < TABLE_COLUMNS; i++)
		table_cell(t, "%s", heads[i]);
	if (add_items(cl, id, t, &e) != OK)
		return say_error(&e);
	table_print(t, stdout);
	print_sum(job);
	return 0;
}

int cmd_jobs(const struct conf *c)
{
	struct err e = { 0 };
	if (client_check_jobs(c->args.v, c->args.n, &e) != OK)
		return say_error(&e);
	CLEANUP(client_freep) struct client *cl = client_new(c->server, c->key);
	return c->args.n ? show_job(c, cl, c->args.v[0]) : list_jobs(c, cl);
}
