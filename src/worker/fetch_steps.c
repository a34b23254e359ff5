/* SPDX-License-Identifier: MIT
 *
 * The steps of a fetch: ask the source, keep what it sent as it is, say so.
 */
#include "worker/run.h"

#include "base/clock.h"
#include "base/io.h"

#include <stdio.h>
#include <string.h>

#define SNIFF_BYTES 256
#define SLOW_MS     5000 /* of a download: lanes at its host are not free again soon */

static enum err_code open_input(struct run *r, struct err *e)
{
	return fetch_input_parse(r->l->task.input, r->l->arena, &r->asked, e);
}

/* The names and values stay json's; the array is the arena's. */
static enum err_code open_headers(struct run *r, json_t **ret_json, struct net_header **ret,
	size_t *ret_n, struct err *e)
{
	if (!r->asked.headers)
		return OK;
	enum err_code code = fetch_headers_open(r->w->seal_key, r->asked.headers, ret_json, e);
	if (code != OK)
		return code;
	*ret = arena_alloc(r->l->arena, json_object_size(*ret_json) * sizeof(**ret));
	const char *name = NULL;
	json_t *v;
	json_object_foreach(*ret_json, name, v)(
		*ret)[(*ret_n)++] = (struct net_header){ .name = name,
		.value = json_string_value(v) };
	return OK;
}

static enum err_code ask(struct run *r, struct err *e)
{
	autojson *json = NULL;
	struct net_header *headers = NULL;
	size_t n = 0;
	enum err_code code = open_headers(r, &json, &headers, &n, e);
	if (code != OK)
		return code;
	struct fetch_request q = { .url = r->asked.url,
		.headers = headers,
		.headers_n = n,
		.etag = r->asked.has_original ? r->asked.etag : NULL,
		.last_modified = r->asked.has_original ? r->asked.last_modified : NULL,
		.scope = r->l->task.scope,
		.cancel = &r->l->cancel,
		.bytes = &r->l->bytes,
		.bytes_total = &r->l->bytes_total };
	return fetch_get(r->l->fetch, &q, &r->got, e);
}

/* What lanes at this host are in for. */
static void note_host(struct run *r, enum err_code code, int64_t took_ms)
{
	bool answered = code == OK || code == ERR_FETCH_STATUS;
	if (r->l->task.host && code != ERR_CANCELED)
		known_note(r->w, r->l->task.host, answered && took_ms < SLOW_MS);
}

static enum err_code download(struct run *r, struct err *e)
{
	enum err_code code = lane_hold(r->l, 0, e);
	if (code != OK)
		return code;
	int64_t since = clock_mono_ms();
	code = ask(r, e);
	int64_t took_ms = clock_mono_ms() - since;
	run_took(r, &r->outcome.download_ms, took_ms);
	note_host(r, code, took_ms);
	snprintf(r->outcome.final_url, sizeof(r->outcome.final_url), "%s", r->got.final_url);
	r->retry_after_ms = code == OK ? 0 : e->retry_after_ms;
	run_leave_host(r);
	if (code != OK)
		return code;
	r->fd = fd_take(&r->got.fd);
	lane_held(r->l, r->got.not_modified ? 0 : r->got.bytes);
	return OK;
}

static enum err_code keep_original(struct run *r, struct err *e)
{
	if (r->got.not_modified) {
		r->original = r->asked.original;
		r->has_original = true;
		return OK;
	}
	char head[SNIFF_BYTES];
	size_t n = 0;
	int64_t since = clock_mono_ms();
	struct original o = { .bytes = r->got.bytes };
	memcpy(o.sha256, r->got.sha256, sizeof(o.sha256));
	enum err_code code = io_pread(r->fd, head, sizeof(head), 0, &n, e);
	if (code == OK)
		code = run_put(r, r->fd, o.bytes, format_sniff(head, n), "source", o.sha256, o.key,
			e);
	if (code == OK)
		code = run_sync(r, e);
	run_took(r, &r->outcome.store_ms, clock_mono_ms() - since);
	if (code != OK)
		return code;
	r->original = o;
	r->has_original = true;
	return OK;
}

static const char *or_null(const char *s)
{
	return s[0] ? s : NULL;
}

static enum err_code say_fetched(struct run *r, struct err *e)
{
	struct feed *feed = &r->w->o.feed;
	struct fetched f = { .not_modified = r->got.not_modified,
		.original = r->original,
		.etag = or_null(r->got.etag),
		.last_modified = or_null(r->got.last_modified),
		.outcome = r->outcome };
	struct original stands = r->original;
	struct task lent = { 0 };
	enum err_code code = feed->finish_fetch(feed->ctx, r->l->task.id, r->l->task.lease, &f,
		r->w->owner, r->w->o.lease_ms, r->l->arena, &lent, &stands, e);
	if (code != OK)
		return code;
	r->original = stands;
	r->lent = lent;
	return OK;
}

static enum err_code report_fetched(struct run *r, struct err *e)
{
	return run_report(r, say_fetched, e);
}

const struct step fetch_steps[] = {
	{ open_input, STEP_DOWNLOADING, "download" },
	{ download, STEP_DOWNLOADING, "download" },
	{ keep_original, STEP_STORING, "store" },
	{ report_fetched, STEP_STORING, "store" },
	{ 0 },
};
