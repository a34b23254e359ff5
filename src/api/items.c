/* SPDX-License-Identifier: MIT
 *
 * Items of a job: a page of them, one, or all as a manifest. Both lists may be large, so a
 * manifest is read from the store as it is sent.
 */
#include "api/api_impl.h"

#include <string.h>

#define TEXT_MAX ((size_t)512 << 20)

static bool is_item_status(const char *s)
{
	for (size_t i = 0; i < ITEM_STATUSES; i++)
		if (strcmp(s, item_statuses[i]) == 0)
			return true;
	return false;
}

static void respond_text(struct call *c, const struct buf *b)
{
	if (b->full)
		call_fail(c, ERR_MEMORY, "the answer is too large");
	else
		call_respond(c, 200, "application/json", buf_str(b), b->len);
}

/* The query of a list, without its job. false: answered. */
static bool read_query(struct call *c, struct item_query *ret)
{
	struct page page;

	*ret = (struct item_query){ .status = call_query(c, "status"),
		.ref = call_query(c, "ref"),
		.url = call_query(c, "url") };
	if (ret->status && !is_item_status(ret->status)) {
		call_fail(c, ERR_REQUEST_INVALID, "an item has no status '%s'", ret->status);
		return false;
	}
	if (!page_read(c, &page))
		return false;
	ret->after_n = page.after;
	ret->max = page.size + 1; /* one more tells whether there is a next page */
	return true;
}

void items_list(struct call *c)
{
	struct item_query q;
	struct view_links links = call_links(c);
	struct item_row *rows;
	struct job_row *job;
	struct err e = { 0 };
	size_t n;

	if (!read_query(c, &q) || !(job = call_job(c)))
		return;
	q.job_no = job->no;
	if (store_items(c->api->o.store, &q, c->a, &rows, &n, &e) != OK) {
		call_fail_err(c, &e);
		return;
	}
	CLEANUP(buf_done) struct buf b = BUF_INIT(TEXT_MAX);
	size_t shown = n < q.max ? n : q.max - 1;
	buf_puts(&b, "{\"items\":[");
	view_items(rows, shown, job->id, &links, &b);
	buf_putc(&b, ']');
	if (n > shown)
		buf_printf(&b, ",\"next_page_token\":\"%s\"",
			page_token_make(c, rows[shown - 1].n));
	buf_putc(&b, '}');
	respond_text(c, &b);
}

/* {job id}.{n} */
static bool item_number(const char *id, const char *job_id, int64_t *ret)
{
	size_t n = strlen(job_id);

	return strncmp(id, job_id, n) == 0 && id[n] == '.' && id[n + 1] != '0' &&
		view_seq_parse(id + n + 1, ret);
}

void item_get(struct call *c)
{
	struct job_row *job = call_job(c);
	struct view_links links = call_links(c);
	struct item_row *row = NULL;
	struct err e = { 0 };
	int64_t number = 0;
	size_t n = 0;

	if (!job)
		return;
	bool well_formed = item_number(c->args[1], job->id, &number);
	struct item_query q = { .job_no = job->no, .after_n = number - 1, .max = 1 };
	if (well_formed && store_items(c->api->o.store, &q, c->a, &row, &n, &e) != OK)
		call_fail_err(c, &e);
	else if (n == 0 || row->n != number)
		call_fail(c, ERR_NOT_FOUND, "the job has no item '%s'", c->args[1]);
	else
		call_json(c, 200, view_item(row, job->id, &links));
}

/* ---- manifest ------------------------------------------------------------------------------- */

/* In the arena of the request. */
struct manifest {
	struct store *store;
	struct view_manifest text;
};

static enum http_part put_items(void *ctx, struct buf *out)
{
	struct manifest *m = ctx;
	struct err e = { 0 };
	bool more;

	if (view_manifest_next(&m->text, m->store, out, &more, &e) != OK)
		return HTTP_PART_BROKEN;
	return more ? HTTP_PART_MORE : HTTP_PART_LAST;
}

void manifest_get(struct call *c)
{
	struct job_row *job = call_job(c);
	struct manifest *m = arena_alloc(c->a, sizeof(*m));

	if (!job)
		return;
	*m = (struct manifest){ .store = c->api->o.store,
		.text = { .job = job, .links = call_links(c) } };
	call_parts(c, "application/json", put_items, NULL, m);
}
