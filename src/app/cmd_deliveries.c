/* SPDX-License-Identifier: MIT
 *
 * bulb deliveries: the newest webhooks and what became of them; bulb deliveries redeliver ID: send that
 * one again, now.
 */
#include "app/client.h"
#include "app/cmd.h"
#include "app/say.h"
#include "app/table.h"
#include "base/mem.h"
#include "base/url.h"

#include <stdio.h>
#include <string.h>

static void put_row(struct table *t, const json_t *d)
{
	int64_t status = json_get_int(d, "last_status", 0);
	const char *detail = json_get_str(d, "detail", "");
	table_cell(t, "%s", json_get_str(d, "id", "?"));
	table_cell(t, "%s", json_get_str(d, "type", "?"));
	table_cell(t, "%s", json_get_str(d, "status", "?"));
	table_number(t, "%lld", (long long)json_get_int(d, "tries", 0));
	if (status)
		table_number(t, "%lld", (long long)status);
	else
		table_number(t, "-");
	table_cell(t, "%s", json_get_str(d, "next_try_at", "-"));
	table_cell(t, "%.60s", json_get_str(d, "url", "?"));
	table_cell(t, "%.80s", detail);
}

static int print_list(const json_t *list)
{
	static const char *const heads[] = { "ID", "EVENT", "STATUS", "TRIES", "ANSWER", "NEXT TRY",
		"URL", "DETAIL" };
	CLEANUP(table_freep) struct table *t = table_with_heads(heads, ARRAY_LEN(heads));
	for (size_t i = 0; i < json_array_size(list); i++)
		put_row(t, json_array_get(list, i));
	table_print(t, stdout);
	return 0;
}

static int list_deliveries(const struct conf *c, struct client *cl)
{
	struct err e = { 0 };
	autojson *page = NULL;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const char *path = arena_printf(a, "/v1/deliveries?page_size=%lld%s%s%s%s",
		(long long)c->limit, c->status ? "&status=" : "", c->status ? c->status : "",
		c->job ? "&job=" : "", c->job ? c->job : "");
	if (c->job && client_check_jobs(&c->job, 1, &e) != OK)
		return say_error(&e);
	if (client_call(cl, "GET", path, NULL, &page, &e) != OK)
		return say_error(&e);
	const json_t *list = json_object_get(page, "deliveries");
	if (!c->json)
		return print_list(list);
	autofree char *text = json_text(list);
	puts(text);
	return 0;
}

static int send_again(const struct conf *c, struct client *cl, const char *id)
{
	struct err e = { 0 };
	autojson *doc = NULL;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const char *path = arena_printf(a, "/v1/deliveries/%s/redeliver", url_encode(id, false, a));
	if (client_call(cl, "POST", path, NULL, &doc, &e) != OK)
		return say_error(&e);
	autofree char *text = c->json ? json_text(doc) : mem_printf("%s is due", id);
	puts(text);
	return 0;
}

int cmd_deliveries(const struct conf *c)
{
	struct err e = { 0 };
	bool again = c->args.n > 0 && strcmp(c->args.v[0], "redeliver") == 0;
	if (c->args.n > 0 && (!again || c->args.n < 2)) {
		(void)!err_set(&e, ERR_USAGE,
			"bulb deliveries lists them; bulb deliveries redeliver ID sends one again");
		return say_error(&e);
	}
	CLEANUP(client_freep) struct client *cl = client_new(c->server, c->key);
	return again ? send_again(c, cl, c->args.v[1]) : list_deliveries(c, cl);
}
