/* SPDX-License-Identifier: MIT
 *
 * A manifest, piece by piece: a job of ten thousand items is never in memory as a whole, however many
 * read it. An item is a JSON tree only until it is text.
 */
#include "view/view.h"

#define PAGE 16 /* items in memory at a time, for each reader */

static void put_json(struct buf *b, json_t *doc)
{
	autofree char *text = json_text(doc);

	json_decref(doc);
	buf_puts(b, text);
}

void view_items(const struct item_row *rows, size_t n, const char *job_id,
	const struct view_links *l, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_putc(out, ',');
		put_json(out, view_item(&rows[i], job_id, l));
	}
}

static void put_head(const struct view_manifest *m, struct buf *out)
{
	buf_puts(out, "{\"bulb\":");
	json_quote(out, BULB_VERSION);
	buf_puts(out, ",\"job\":");
	put_json(out, m->kept ? view_job_kept(m->job, &m->links) : view_job(m->job, &m->links));
	buf_puts(out, ",\"items\":[");
}

enum err_code view_manifest_next(struct view_manifest *m, struct store *s, struct buf *out,
	bool *ret_more, struct err *e)
{
	struct item_query q = { .job_no = m->job->no, .after_n = m->after_n, .max = PAGE };
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct item_row *rows;
	size_t n;

	if (store_items(s, &q, a, &rows, &n, e) != OK)
		return e->code;
	if (m->after_n == 0)
		put_head(m, out);
	else if (n > 0)
		buf_putc(out, ',');
	view_items(rows, n, m->job->id, &m->links, out);
	*ret_more = n == q.max;
	if (*ret_more)
		m->after_n = rows[n - 1].n;
	else
		buf_puts(out, "]}");
	return OK;
}
