/* SPDX-License-Identifier: MIT
 *
 * Whatever happens in whatever order: jobs that share URLs, bytes and variants, workers that
 * finish, fail, crash, come late or vanish, callers that cancel, retry and delete, collections in
 * between. After each run the books must balance: logs without gaps, one end for each item and run,
 * every blob that is named is there, and in the end nothing is left behind.
 */
#include "tests/contract/store_fixture.h"

#include <stdlib.h>

#define RUNS  25
#define STEPS 250
#define JOBS  60
#define TASKS 40
#define BLOBS 20000

struct world {
	struct fixture *f;
	uint64_t dice;
	struct made_job jobs[JOBS];
	bool deleted[JOBS];
	size_t jobs_n;
	struct task held[TASKS];
	size_t held_n;
	char *blobs[BLOBS]; /* written and not deleted */
	size_t blobs_n;
};

static uint64_t below(struct world *w, uint64_t n)
{
	w->dice ^= w->dice << 13;
	w->dice ^= w->dice >> 7;
	w->dice ^= w->dice << 17;
	return w->dice % n;
}

/* ---- blobs ---- */

static void blob_written(struct world *w, const char *key)
{
	assert_in_range(w->blobs_n, 0, BLOBS - 1);
	w->blobs[w->blobs_n++] = mem_strdup(key);
}

static size_t blob_find(const struct world *w, const char *key)
{
	for (size_t i = 0; i < w->blobs_n; i++)
		if (strcmp(w->blobs[i], key) == 0)
			return i;
	return SIZE_MAX;
}

static void blob_deleted(struct world *w, const char *key)
{
	size_t i = blob_find(w, key);

	if (i == SIZE_MAX)
		return;
	free(w->blobs[i]);
	w->blobs[i] = w->blobs[--w->blobs_n];
}

static void empty_trash(struct world *w)
{
	const char **keys;
	struct err e;
	size_t n = trash(w->f, &keys);

	for (size_t i = 0; i < n; i++)
		blob_deleted(w, keys[i]);
	assert_ok(store_trash_gone(w->f->s, keys, n, &e));
}

static void not_named(struct world *w, const char *key)
{
	struct err e;

	assert_ok(store_trash_add(w->f->s, &key, 1, &e));
}

/* ---- what callers do ---- */

static void do_submit(struct world *w)
{
	static const char *const caches[] = { "default", "default", "reload", "only_if_cached" };
	CLEANUP(buf_done) struct buf b = BUF_INIT(65536);
	uint64_t n = 1 + below(w, 6);

	if (w->jobs_n == JOBS)
		return;
	buf_printf(&b, "{'cache':'%s','keep_source':%s,'variants':[", caches[below(w, 4)],
		below(w, 4) ? "true" : "false");
	for (uint64_t i = 0, v = 1 + below(w, 3); i < v; i++)
		buf_printf(&b, "%s{'name':'v%d','width':%d}", i ? "," : "", (int)i,
			(int)(10 + below(w, 4)));
	buf_puts(&b, "],'urls':[");
	for (uint64_t i = 0; i < n; i++)
		buf_printf(&b, "%s'https://a.test/%d?bytes=%d'", i ? "," : "", (int)below(w, 8),
			(int)below(w, 3));
	buf_puts(&b, "]}");
	w->jobs[w->jobs_n++] = submit(w->f, "%s", buf_str(&b));
}

static void do_to_job(struct world *w, int what)
{
	struct err e;
	int64_t n;

	if (w->jobs_n == 0)
		return;
	size_t i = below(w, w->jobs_n);
	enum err_code code = ERR_NOT_FOUND;
	if (what == 0)
		code = store_cancel(w->f->s, 1, w->jobs[i].id, ERR_CANCELED, &e);
	else if (what == 1)
		code = store_retry(w->f->s, 1, w->jobs[i].id, false, &n, &e);
	else
		code = store_delete(w->f->s, 1, w->jobs[i].id, below(w, 2), &e);
	assert_true((code == ERR_NOT_FOUND) == w->deleted[i]);
	assert_true(
		code == OK || code == ERR_NOT_FOUND || (what == 1 && code == ERR_JOB_NOT_ENDED));
	w->deleted[i] |= what == 2;
}

/* ---- what workers do ---- */

static void do_claim(struct world *w)
{
	struct task *t;
	size_t n = claim(w->f, 1 + below(w, 4), &t);

	for (size_t i = 0; i < n && w->held_n < TASKS; i++)
		w->held[w->held_n++] = t[i];
}

static struct task take(struct world *w)
{
	size_t i = below(w, w->held_n);
	struct task t = w->held[i];

	w->held[i] = w->held[--w->held_n];
	return t;
}

static void end_fetch(struct world *w, const struct task *t)
{
	struct fetched r = fetched_of(w->f, t);
	struct original stands;
	struct task make;
	struct err e;

	if (!r.not_modified)
		blob_written(w, r.original.key);
	enum err_code code = store_finish_fetch(w->f->s, t->id, t->lease, &r,
		below(w, 2) ? "x" : NULL, 60000, w->f->a, &make, &stands, &e);
	assert_true(code == OK || code == ERR_STORE_STALE);
	if (code != OK && !r.not_modified)
		not_named(w, r.original.key);
	if (code == OK && make.id && w->held_n < TASKS)
		w->held[w->held_n++] = make;
}

static void end_make(struct world *w, const struct task *t)
{
	struct made m = made_of(w->f, t);
	struct err e;

	assert_true(blob_find(w, m.original.key) != SIZE_MAX); /* its input is there */
	for (size_t i = 0; i < m.n; i++)
		blob_written(w, m.products[i].key);
	enum err_code code = store_finish_make(w->f->s, t->id, t->lease, &m, &e);
	assert_true(code == OK || code == ERR_STORE_STALE);
	for (size_t i = 0; code != OK && i < m.n; i++)
		not_named(w, m.products[i].key);
}

static bool is_held(struct world *w, const struct task *t)
{
	struct task_keep k = {
		.id = t->id,
		.lease = t->lease,
		.step = STEP_PROCESSING,
		.bytes = 1,
		.bytes_total = 2,
	};
	struct err e;

	assert_ok(store_keep(w->f->s, &k, 1, 60000, &e));
	return !k.stale && !k.unwanted;
}

static void do_end(struct world *w)
{
	struct outcome why = { .code = ERR_FETCH_TIMEOUT, .stage = "download" };
	enum err_code code = OK;

	if (w->held_n == 0)
		return;
	struct task t = take(w);
	switch (below(w, 8)) {
	case 0:
		code = fail_with(w->f, &t, ERR_FETCH_STATUS);
		break;
	case 1:
		code = store_later(w->f->s, t.id, t.lease, clock_now() + 1000,
			below(w, 2) ? &why : NULL, below(w, 2), &w->f->e);
		break;
	case 2: /* vanishes */
		break;
	default:
		if (!is_held(w, &t))
			break;
		if (t.kind == TASK_FETCH)
			end_fetch(w, &t);
		else
			end_make(w, &t);
	}
	assert_true(code == OK || code == ERR_STORE_STALE);
}

static void do_gc(struct world *w)
{
	struct gc_report r;
	struct err e;

	assert_ok(store_gc(w->f->s, 0, false, &r, &e));
	empty_trash(w);
}

static void step(struct world *w)
{
	uint64_t what = below(w, 40);

	if (what < 6)
		do_submit(w);
	else if (what < 14)
		plan(w->f);
	else if (what < 22)
		do_claim(w);
	else if (what < 33)
		do_end(w);
	else if (what < 36)
		do_to_job(w, (int)what - 33);
	else if (what < 37)
		do_gc(w);
	else if (what < 39)
		tick(w->f);
	else
		clock_add((int64_t)below(w, 90000));
	if (below(w, 100) == 0)
		clock_add(w->f->opts.fresh_ms);
}

/* ---- the books ---- */

static void check_item(struct world *w, const struct item_row *it)
{
	if (it->source && it->source->key[0])
		assert_true(blob_find(w, it->source->key) != SIZE_MAX);
	for (size_t i = 0; i < it->variants_n; i++)
		assert_true(blob_find(w, it->variants[i].product.key) != SIZE_MAX);
	if (it->state == ITEM_SUCCEEDED) {
		assert_true(it->variants_n > 0);
		assert_non_null(it->source);
	}
}

static void check_items(struct world *w, const struct made_job *m)
{
	struct item_query q = { .job_no = m->no, .max = 100 };
	struct item_row *rows;
	int64_t count[5] = { 0 };
	size_t n;
	struct err e;

	assert_ok(store_items(w->f->s, &q, w->f->a, &rows, &n, &e));
	for (size_t i = 0; i < n; i++) {
		check_item(w, &rows[i]);
		count[rows[i].state]++;
	}
	struct counts c = job(w->f, m)->counts;
	assert_int_equal(c.total, n);
	assert_int_equal(c.queued + c.running, count[ITEM_FRESH] + count[ITEM_OPEN]);
	assert_int_equal(c.succeeded, count[ITEM_SUCCEEDED]);
	assert_int_equal(c.failed, count[ITEM_FAILED]);
	assert_int_equal(c.canceled, count[ITEM_CANCELED]);
}

/* events() has seen to it that numbers have no gap. */
static void check_log(struct world *w, const struct made_job *m)
{
	bool started[8][64] = { 0 }, ended[8][64] = { 0 }, over = false;
	size_t n;
	struct event_row *ev = events(w->f, m, &n);

	assert_int_equal(ev[0].type, EVENT_JOB_CREATED);
	for (size_t i = 1; i < n; i++) {
		assert_true(!over || ev[i].type == EVENT_JOB_RETRIED);
		over = event_type_ends_job(ev[i].type);
		if (!ev[i].item)
			continue;
		int64_t k = ev[i].item->n;
		int run = ev[i].item->run % 64;
		assert_in_range(k, 1, 7);
		assert_false(ended[k][run]);
		if (ev[i].type == EVENT_ITEM_STARTED) {
			assert_false(started[k][run]);
			started[k][run] = true;
		} else {
			ended[k][run] = true;
		}
	}
	assert_int_equal(over, job_has_ended(job(w->f, m)->state));
}

static void check(struct world *w)
{
	for (size_t i = 0; i < w->jobs_n; i++) {
		if (w->deleted[i])
			continue;
		check_items(w, &w->jobs[i]);
		check_log(w, &w->jobs[i]);
	}
}

static void let_everything_end(struct world *w)
{
	for (int i = 0; i < 12; i++) {
		clock_add(60001);
		tick(w->f);
		plan(w->f);
		do_claim(w);
		while (w->held_n > 0) {
			struct task t = take(w);
			if (!is_held(w, &t))
				continue;
			if (t.kind == TASK_FETCH)
				end_fetch(w, &t);
			else
				end_make(w, &t);
			plan(w->f);
			do_claim(w);
		}
	}
	for (size_t i = 0; i < w->jobs_n; i++)
		if (!w->deleted[i])
			assert_true(job_has_ended(job(w->f, &w->jobs[i])->state));
}

static void leave_nothing_behind(struct world *w)
{
	struct err e;

	for (size_t i = 0; i < w->jobs_n; i++)
		if (!w->deleted[i])
			assert_ok(store_delete(w->f->s, 1, w->jobs[i].id, false, &e));
	tick(w->f);
	clock_add(3600 * 1000);
	do_gc(w);
	clock_add(w->f->opts.link_ms);
	empty_trash(w);
	assert_int_equal(w->blobs_n, 0);
}

static void the_books_balance_whatever_happens(void **state)
{
	for (uint64_t seed = 1; seed <= RUNS; seed++) {
		struct world w = { .f = *state, .dice = seed * 0x9e3779b97f4a7c15u };
		print_message("# seed %llu\n", (unsigned long long)seed);
		for (int i = 0; i < STEPS; i++) {
			step(&w);
			if (i % 50 == 0)
				check(&w);
		}
		check(&w);
		let_everything_end(&w);
		check(&w);
		leave_nothing_behind(&w);
	}
}

STORE_TEST_MAIN(TEST(the_books_balance_whatever_happens))
