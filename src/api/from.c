/* SPDX-License-Identifier: MIT
 *
 * "from": a job made of another job's items, so that a front end that wants other variants, or only
 * what failed, need not keep the list. What an item is comes along (URL or cache_key, headers, refs,
 * metadata); what is made of it is for the new job to say. Items are read page by page, because rows
 * carry results that nobody needs here.
 */
#include "api/api_impl.h"

#include "base/digest.h"

#include <string.h>

#define PAGE 500

struct from {
	struct call *c;
	struct request *r;
	struct request_item *items; /* their headers and metadata are owned, their strings r's */
	size_t n, room;
};

/* Headers are taken out of their seal; whoever stores the new items puts them into another. */
static enum err_code open_headers(struct from *fr, const char *sealed, json_t **ret, struct err *e)
{
	size_t n;

	if (!sealed)
		return OK;
	char *text = unseal_text(fr->c->api->o.seal_key, sealed, &n);
	if (!text)
		return err_set(e, ERR_INTERNAL, "an item's headers were sealed under another key");
	enum err_code code = json_parse(text, n, ret, e);
	mem_wipe(text, n);
	free(text);
	return code;
}

static enum err_code add(struct from *fr, const struct item_row *row, struct err *e)
{
	struct arena *a = fr->r->arena;

	if (fr->n == fr->room) {
		fr->room = fr->room ? fr->room * 2 : PAGE;
		fr->items = mem_realloc(fr->items, fr->room, sizeof(*fr->items));
	}
	struct request_item *it = &fr->items[fr->n++];
	*it = (struct request_item){ .url = arena_strdup(a, row->url), .refs_n = row->refs_n };
	memcpy(it->source_key, row->source_key, SHA256_LEN);
	it->refs = arena_alloc(a, (row->refs_n + 1) * sizeof(*it->refs));
	for (size_t i = 0; i < row->refs_n; i++)
		it->refs[i] = arena_strdup(a, row->refs[i]);
	if (row->metadata &&
		json_parse(row->metadata, strlen(row->metadata), &it->metadata, e) != OK)
		return e->code;
	return open_headers(fr, row->headers, &it->headers, e);
}

static enum err_code read_all(struct from *fr, int64_t job_no, struct err *e)
{
	struct item_query q = { .job_no = job_no, .status = fr->r->from_status, .max = PAGE };
	size_t n;

	do {
		CLEANUP(arena_freep) struct arena *a = arena_new();
		struct item_row *rows;
		if (store_items(fr->c->api->o.store, &q, a, &rows, &n, e) != OK)
			return e->code;
		for (size_t i = 0; i < n; i++)
			if (add(fr, &rows[i], e) != OK)
				return e->code;
		if (n > 0)
			q.after_n = rows[n - 1].n;
	} while (n == q.max);
	return OK;
}

static void from_done(struct from *fr)
{
	for (size_t i = 0; i < fr->n; i++) {
		json_decref(fr->items[i].headers);
		json_decref(fr->items[i].metadata);
	}
	free(fr->items);
}

enum err_code from_read(struct call *c, struct request *r, struct faults *f, struct err *e)
{
	struct from fr = { .c = c, .r = r };
	struct job_row *job = NULL;

	if (store_job_find(c->api->o.store, c->tenant, r->from_job, c->a, &job, e) != OK)
		return e->code;
	if (!job) {
		faults_add(f, ERR_NOT_FOUND, "/from/job", "there is no job '%s'", r->from_job);
		return OK;
	}
	enum err_code code = read_all(&fr, job->no, e);
	if (code == OK && fr.n == 0)
		faults_add(f, ERR_REQUEST_INVALID, "/from/status", "no item of that job is %s now",
			r->from_status);
	else if (code == OK)
		(void)request_take_items(r, fr.items, fr.n, &c->api->o.limits, f);
	from_done(&fr);
	return code;
}
