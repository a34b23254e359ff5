/* SPDX-License-Identifier: MIT
 *
 * The door of the room: each call packs its arguments for the operation of its name and lets the
 * backend run it in a transaction. What a caller gets is copied out after the commit, never before.
 */
#include "store/operations.h"

#include "base/id.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define SLICE 500 /* items of a job in one commit: a few milliseconds */

static const struct store_impl *const impls[] = { &store_sqlite, &store_memory, &store_postgres,
	&store_postgresql };

enum err_code store_open(const char *url, const struct store_opts *o, struct store **ret,
	struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(impls); i++) {
		size_t n = strlen(impls[i]->scheme);
		struct store *s;
		if (strncmp(url, impls[i]->scheme, n) != 0 || url[n] != ':')
			continue;
		enum err_code code = impls[i]->open(url + n + 1, o, &s, e);
		if (code != OK)
			return code;
		s->impl = impls[i];
		s->opts = *o;
		s->opts.codecs = mem_strdup(o->codecs ? o->codecs : "");
		*ret = s;
		return OK;
	}
	/* what follows the scheme may hold a password */
	return err_set(e, ERR_USAGE, "store '%.*s…': not sqlite:PATH, memory: or postgres://…",
		(int)strcspn(url, ":/"), url);
}

bool store_url_is_shared(const char *url)
{
	return strncmp(url, "postgres:", 9) == 0 || strncmp(url, "postgresql:", 11) == 0;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	char *codecs = (char *)(uintptr_t)s->opts.codecs;
	s->impl->free(s);
	free(codecs);
}

enum err_code store_ping(struct store *s, struct err *e)
{
	return s->impl->write(s, op_ping, NULL, e);
}

/* ---- requests ---- */

static char **extras_of(const struct submit *in)
{
	char **v = mem_array(in->request->items_n + 1, sizeof *v);

	for (size_t i = 0; i < in->request->items_n; i++)
		v[i] = request_item_extra_text(&in->request->items[i], in->seal_key);
	return v;
}

static void extras_free(char **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

/* Large jobs are built a slice at a time, so that others' commits come in between. */
static enum err_code submit_in_slices(struct store *s, struct op_submit *op, struct err *e)
{
	size_t n = op->in->request->items_n;
	struct err ignored;
	enum err_code code = s->impl->write(s, op_submit_begin, op, e);

	if (code != OK || op->result == SUBMIT_SAME)
		return code;
	op->built = op->no;
	for (op->from = 0; code == OK && op->from < n; op->from = op->to) {
		op->to = n - op->from > SLICE ? op->from + SLICE : n;
		code = s->impl->write(s, op_submit_slice, op, e);
	}
	if (code == OK)
		code = s->impl->write(s, op_submit_end, op, e);
	if (code != OK || op->result == SUBMIT_SAME)
		(void)!s->impl->write(s, op_submit_drop, op, &ignored);
	return code;
}

/* Texts are made here, on the caller's thread: the writer's time is everybody's. */
enum err_code store_submit(struct store *s, const struct submit *in, enum submit_result *ret,
	char ret_id[JOB_ID_MAX + 1], int64_t *ret_no, struct err *e)
{
	char id[ID_LEN + 1];

	id_new(id);
	autofree char *settings = request_settings_text(in->request);
	autofree char *metadata = in->request->metadata ? json_text(in->request->metadata) : NULL;
	struct op_submit op = {
		.in = in,
		.id = in->id ? in->id : id,
		.build_id = id,
		.settings = settings,
		.metadata = metadata,
		.extras = extras_of(in),
	};
	enum err_code code = in->request->items_n > SLICE ? submit_in_slices(s, &op, e)
							  : s->impl->write(s, op_submit, &op, e);
	extras_free(op.extras, in->request->items_n);
	if (code != OK)
		return code;
	*ret = op.result;
	*ret_no = op.no;
	memcpy(ret_id, op.ret_id, sizeof op.ret_id);
	return OK;
}

enum err_code store_cancel(struct store *s, int64_t tenant, const char *id, enum err_code code,
	struct err *e)
{
	struct op_job op = { .tenant = tenant, .id = id, .code = code };

	assert(code == ERR_CANCELED || code == ERR_DEADLINE);
	return s->impl->write(s, op_cancel, &op, e);
}

enum err_code store_retry(struct store *s, int64_t tenant, const char *id, bool confirm_charge,
	int64_t *ret_items, struct err *e)
{
	struct op_job op = { .tenant = tenant, .id = id, .confirm = confirm_charge };
	enum err_code code = s->impl->write(s, op_retry, &op, e);

	if (code == OK)
		*ret_items = op.items;
	return code;
}

enum err_code store_delete(struct store *s, int64_t tenant, const char *id, bool results,
	struct err *e)
{
	struct op_job op = { .tenant = tenant, .id = id, .results = results };

	return s->impl->write(s, op_delete, &op, e);
}

/* ---- reading ---- */

enum err_code store_job_find(struct store *s, int64_t tenant, const char *id, struct arena *a,
	struct job_row **ret, struct err *e)
{
	struct op_read op = { .arena = a, .tenant = tenant, .id = id };
	enum err_code code = s->impl->read(s, op_job_find, &op, e);

	if (code == OK)
		*ret = op.job_rows;
	return code;
}

enum err_code store_jobs(struct store *s, const struct job_query *q, struct arena *a,
	struct job_row **ret, size_t *ret_n, struct err *e)
{
	struct op_read op = { .arena = a, .jobs = q };
	enum err_code code = s->impl->read(s, op_jobs, &op, e);

	if (code == OK) {
		*ret = op.job_rows;
		*ret_n = op.n;
	}
	return code;
}

enum err_code store_items(struct store *s, const struct item_query *q, struct arena *a,
	struct item_row **ret, size_t *ret_n, struct err *e)
{
	struct op_read op = { .arena = a, .items = q };
	enum err_code code = s->impl->read(s, op_items, &op, e);

	if (code == OK) {
		*ret = op.item_rows;
		*ret_n = op.n;
	}
	return code;
}

enum err_code store_events(struct store *s, int64_t job_no, int64_t after, size_t max,
	size_t max_bytes, struct arena *a, struct event_row **ret, size_t *ret_n, int64_t *ret_last,
	bool *ret_ended, struct err *e)
{
	struct op_read op = {
		.arena = a,
		.no = job_no,
		.after = after,
		.max = max,
		.max_bytes = max_bytes,
	};
	enum err_code code = s->impl->read(s, op_events, &op, e);

	if (code != OK)
		return code;
	*ret = op.event_rows;
	*ret_n = op.n;
	*ret_last = op.last;
	*ret_ended = op.ended;
	return OK;
}

enum err_code store_seqs(struct store *s, const int64_t *job_nos, size_t n, int64_t *ret_seqs,
	struct err *e)
{
	autofree int64_t *seqs = mem_array(n + 1, sizeof *seqs);
	struct op_read op = { .nos = job_nos, .n = n, .seqs = seqs };
	enum err_code code = s->impl->read(s, op_seqs, &op, e);

	if (code == OK)
		memcpy(ret_seqs, seqs, n * sizeof *seqs);
	return code;
}

enum err_code store_queue(struct store *s, struct queue_stats *ret, struct err *e)
{
	struct op_read op = { 0 };
	enum err_code code = s->impl->read(s, op_queue, &op, e);

	if (code == OK)
		*ret = op.queue;
	return code;
}

/* ---- work ---- */

enum err_code store_plan(struct store *s, size_t lanes, bool *ret_more, struct err *e)
{
	struct op_plan op = { .lanes = lanes };
	enum err_code code = s->impl->write(s, op_plan, &op, e);

	if (code == OK)
		*ret_more = op.more;
	return code;
}

enum err_code store_claim(struct store *s, const struct claim *c, struct arena *a,
	struct task **ret, size_t *ret_n, struct err *e)
{
	struct op_claim op = { .claim = c, .arena = a };
	enum err_code code = s->impl->write(s, op_claim, &op, e);

	if (code == OK) {
		*ret = op.tasks;
		*ret_n = op.n;
	}
	return code;
}

enum err_code store_keep(struct store *s, struct task_keep *k, size_t n, int64_t lease_ms,
	struct err *e)
{
	autofree bool *answers = mem_array(2 * n + 1, sizeof *answers);
	struct op_keep op = {
		.k = k,
		.n = n,
		.lease_ms = lease_ms,
		.stale = answers,
		.unwanted = answers + n,
	};
	enum err_code code = s->impl->write(s, op_keep, &op, e);

	for (size_t i = 0; code == OK && i < n; i++) {
		k[i].stale = op.stale[i];
		k[i].unwanted = op.unwanted[i];
	}
	return code;
}

enum err_code store_later(struct store *s, int64_t id, int64_t lease, int64_t until_ms,
	const struct outcome *why, bool crashed, struct err *e)
{
	struct op_end op = {
		.id = id,
		.lease = lease,
		.until_ms = until_ms,
		.outcome = why,
		.crashed = crashed,
	};

	return s->impl->write(s, op_later, &op, e);
}

enum err_code store_finish_fetch(struct store *s, int64_t id, int64_t lease,
	const struct fetched *f, const char *owner, int64_t lease_ms, struct arena *a,
	struct task *ret_make, struct original *ret_original, struct err *e)
{
	struct op_end op = {
		.id = id,
		.lease = lease,
		.fetched = f,
		.owner = owner,
		.lease_ms = lease_ms,
		.arena = a,
	};
	enum err_code code = s->impl->write(s, op_finish_fetch, &op, e);

	if (code == OK) {
		*ret_make = op.make;
		*ret_original = op.original;
	}
	return code;
}

enum err_code store_finish_make(struct store *s, int64_t id, int64_t lease, const struct made *m,
	struct err *e)
{
	struct op_end op = { .id = id, .lease = lease, .made = m };

	return s->impl->write(s, op_finish_make, &op, e);
}

enum err_code store_fail(struct store *s, int64_t id, int64_t lease, const struct outcome *o,
	const struct original *found, struct err *e)
{
	struct op_end op = { .id = id, .lease = lease, .outcome = o, .found = found };

	return s->impl->write(s, op_fail, &op, e);
}

enum err_code store_tick(struct store *s, int64_t *ret_next_ms, struct err *e)
{
	struct op_tick op = { 0 };
	enum err_code code = s->impl->write(s, op_tick, &op, e);

	if (code == OK)
		*ret_next_ms = op.next_ms;
	return code;
}

enum err_code store_recover(struct store *s, int64_t *ret_tasks, struct err *e)
{
	struct op_tick op = { 0 };
	enum err_code code = s->impl->write(s, op_recover, &op, e);

	if (code == OK)
		*ret_tasks = op.tasks;
	return code;
}

/* ---- garbage ---- */

enum err_code store_gc(struct store *s, int64_t keep_results_ms, bool dry, struct gc_report *ret,
	struct err *e)
{
	struct op_gc_step step = {
		.before.keep_ms = keep_results_ms == -2 ? s->opts.keep_results_ms : keep_results_ms,
	};
	enum err_code code = OK;

	step.after = step.before;
	if (dry)
		code = s->impl->read(s, op_gc_count, &step.after, e);
	do {
		if (!dry)
			code = s->impl->write(s, op_gc, &step, e);
		step.before = step.after;
	} while (code == OK && step.after.more);
	if (code == OK)
		*ret = step.after.report;
	return code;
}

enum err_code store_trash_add(struct store *s, const char *const *keys, size_t n, struct err *e)
{
	struct op_blobs op = { .keys = keys, .n = n };

	return s->impl->write(s, op_trash_add, &op, e);
}

enum err_code store_trash_due(struct store *s, size_t max, struct arena *a, const char ***ret,
	size_t *ret_n, struct err *e)
{
	struct op_blobs op = { .max = max, .arena = a };
	enum err_code code = s->impl->read(s, op_trash_due, &op, e);

	if (code == OK) {
		*ret = op.due;
		*ret_n = op.n;
	}
	return code;
}

enum err_code store_trash_gone(struct store *s, const char *const *keys, size_t n, struct err *e)
{
	struct op_blobs op = { .keys = keys, .n = n };

	return s->impl->write(s, op_trash_gone, &op, e);
}

enum err_code store_blobs_named(struct store *s, const char *const *keys, size_t n, bool *ret,
	struct err *e)
{
	autofree bool *named = mem_array(n + 1, sizeof *named);
	struct op_blobs op = { .keys = keys, .n = n, .named = named };
	enum err_code code = s->impl->read(s, op_blobs_named, &op, e);

	if (code == OK)
		memcpy(ret, named, n * sizeof *named);
	return code;
}
