/* SPDX-License-Identifier: MIT
 *
 * Reading the log: a page of rows, each joined with the immutable rows it names, as of one moment.
 * events.c says what the short names in a row mean.
 */
#include "store/operations.h"
#include "store/read.h"

#include <string.h>

struct page {
	struct tx *t;
	struct arena *a;
	struct read_job job;
	int64_t total, duplicates;
};

static enum err_code read_active(const json_t *list, struct arena *a, struct event_row *ret)
{
	struct active_row *v = arena_alloc(a, (json_array_size(list) + 1) * sizeof *v);
	size_t i;
	json_t *row;

	json_array_foreach(list, i, row) v[i] = (struct active_row){
		.n = json_integer_value(json_array_get(row, 0)),
		.step = (enum task_step)json_integer_value(json_array_get(row, 1)),
		.bytes = json_integer_value(json_array_get(row, 2)),
		.bytes_total = json_integer_value(json_array_get(row, 3)),
	};
	ret->active = v;
	ret->active_n = json_array_size(list);
	return OK;
}

static enum err_code read_job_event(struct page *p, const json_t *doc, struct event_row *ret)
{
	const json_t *c = json_object_get(doc, "c");
	int64_t v[14] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		v[i] = json_integer_value(json_array_get(c, i));
	ret->state = (enum job_state)v[0];
	ret->run = (int)v[1];
	ret->counts = (struct counts){ p->total, p->duplicates, v[2], v[3], v[4], v[5], v[6], v[7],
		{ v[11], v[12], v[13] } };
	ret->savings = (struct savings){ v[8], v[9], v[10] };
	ret->expires_ms = json_get_int(doc, "e", 0);
	return read_active(json_object_get(doc, "a"), p->a, ret);
}

static enum item_state state_of(enum event_type type)
{
	switch (type) {
	case EVENT_ITEM_SUCCEEDED:
		return ITEM_SUCCEEDED;
	case EVENT_ITEM_FAILED:
		return ITEM_FAILED;
	case EVENT_ITEM_CANCELED:
		return ITEM_CANCELED;
	default:
		return ITEM_OPEN;
	}
}

static enum err_code event_outcome(struct page *p, const json_t *doc, const char *name,
	const struct outcome **ret, struct err *e)
{
	const json_t *x = json_object_get(doc, name);
	autofree char *text = x ? json_text(x) : NULL;

	return read_outcome(text, p->a, ret, e);
}

/* As it was known when the event was written. */
static enum err_code read_source(struct page *p, int64_t id, enum original_detail detail,
	const struct original **ret, struct err *e)
{
	enum err_code code = read_original(p->t, id, p->a, ret, e);

	if (code != OK || !*ret)
		return code;
	struct original *then = arena_alloc(p->a, sizeof *then);
	*then = **ret;
	original_unlearn(then, detail);
	*ret = then;
	return OK;
}

static enum err_code read_item_event(struct page *p, const json_t *doc, int64_t n, const char *url,
	const char *extra, struct event_row *ret, struct err *e)
{
	struct item_row *it = arena_alloc(p->a, sizeof *it);
	int64_t original = json_get_int(doc, "o", 0), cache = json_get_int(doc, "h", -1);
	int64_t cut = json_get_int(doc, "k", 0);
	int all = ret->type == EVENT_ITEM_SUCCEEDED ? DETAIL_LOOK : DETAIL_BYTES;
	struct read_job names;

	*it = (struct item_row){
		.n = n,
		.url = arena_strdup(p->a, url),
		.state = state_of(ret->type),
		.step = (enum task_step)json_get_int(doc, "s", STEP_QUEUED),
		.has_cache = cache >= 0 && original,
		.cache = (enum item_cache)(cache < 0 ? 0 : cache),
		.queued_ms = json_get_int(doc, "q", -1),
		.run = (int)json_get_int(doc, "r", 1),
		.tries = (int)json_get_int(doc, "t", 0),
		.cut = (enum cut_state)json_get_int(doc, "u", CUT_OFF),
		.cut_reason = (enum cut_reason)json_get_int(doc, "w", CUT_REASON_ASKED),
	};
	ret->item = it;
	enum err_code code = read_extra(extra, p->a, &p->job, it, &names, e);
	if (code == OK && it->has_cache)
		code = read_source(p, original, (enum original_detail)json_get_int(doc, "d", all),
			&it->source, e);
	if (code == OK)
		code = read_variants(p->t, original, names.apply == CUT_APPLY_CUTOUT ? 0 : cut,
			json_object_get(doc, "v"), &names, p->a, it, e);
	if (code == OK && it->cut != CUT_OFF)
		code = read_cut(p->t, cut, json_get_int(doc, "p", 0) != 0, &names, p->a, it, e);
	if (code == OK)
		code = event_outcome(p, doc, "y", &it->cut_outcome, e);
	return code == OK ? event_outcome(p, doc, "x", &it->outcome, e) : code;
}

static enum err_code read_row(struct page *p, struct sql_rows *r, struct event_row *ret,
	size_t *ret_bytes, struct err *e)
{
	const char *text = sql_text(r, 4), *url = sql_text(r, 5), *extra = sql_text(r, 6);
	autojson *doc = NULL;
	enum err_code code = json_parse(text, strlen(text), &doc, e);

	if (code != OK)
		return err_set(e, ERR_INTERNAL, "event %lld: bad data", (long long)sql_int(r, 0));
	*ret = (struct event_row){
		.seq = sql_int(r, 0),
		.type = (enum event_type)sql_int(r, 1),
		.at_ms = sql_int(r, 3),
	};
	*ret_bytes += strlen(text) + (url ? strlen(url) : 0) + (extra ? strlen(extra) : 0);
	if (!event_type_is_item(ret->type))
		return read_job_event(p, doc, ret);
	return read_item_event(p, doc, sql_int(r, 2), url, extra, ret, e);
}

static enum err_code find_log(struct op_read *op, struct page *p, bool *ret_there, struct err *e)
{
	struct sql_rows r = sql_query(p->t->db,
		"SELECT seq, state, total, duplicates FROM job WHERE no = $1 AND hidden = 0"
		" AND (ended_ms IS NULL OR expires_ms > $2)",
		SQL(sql_i(op->no), sql_i(p->t->now_ms)), e);

	*ret_there = sql_next(&r);
	if (*ret_there) {
		op->last = sql_int(&r, 0);
		op->ended = job_has_ended((enum job_state)sql_int(&r, 1));
		p->total = sql_int(&r, 2);
		p->duplicates = sql_int(&r, 3);
	}
	return sql_end(&r);
}

static enum err_code read_page(struct op_read *op, struct page *p, struct err *e)
{
	size_t bytes = 0;
	struct sql_rows r = sql_query(p->t->db,
		"SELECT e.seq, e.type, e.item, e.at_ms, e.data, i.url, i.extra FROM event e"
		" LEFT JOIN item i ON i.job = e.job AND i.n = e.item"
		" WHERE e.job = $1 AND e.seq > $2 ORDER BY e.seq LIMIT $3",
		SQL(sql_i(op->no), sql_i(op->after), sql_i((int64_t)op->max)), e);

	while (op->n < op->max && (op->n == 0 || bytes < op->max_bytes) && sql_next(&r)) {
		r.code = read_row(p, &r, &op->event_rows[op->n], &bytes, e);
		op->n++;
	}
	return sql_end(&r);
}

enum err_code op_events(struct tx *t, void *arg, struct err *e)
{
	struct op_read *op = arg;
	struct page p = { .t = t, .a = op->arena };
	bool there;
	enum err_code code = find_log(op, &p, &there, e);

	if (code == OK && !there)
		return err_set(e, ERR_NOT_FOUND, "the log of job %lld is gone", (long long)op->no);
	op->n = 0;
	if (code != OK || op->after >= op->last)
		return code;
	if ((int64_t)op->max > op->last - op->after)
		op->max = (size_t)(op->last - op->after);
	op->event_rows = arena_alloc(op->arena, (op->max + 1) * sizeof *op->event_rows);
	code = read_job_names(t, op->no, op->arena, &p.job, e);
	return code == OK ? read_page(op, &p, e) : code;
}
