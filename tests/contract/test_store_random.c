/* SPDX-License-Identifier: MIT
 *
 * Whatever happens in whatever order: jobs that share URLs, bytes and variants, workers that
 * finish, fail, crash, come late or vanish, callers that cancel, retry and delete, collections in
 * between. After each run the books must balance: logs without gaps, one end for each item and run,
 * every blob that is named is there, no budget is overdrawn, and in the end nothing is left behind.
 */
#include "tests/contract/store_fixture.h"

#include <sqlite3.h>
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
/* Calls that the provider charged, in all runs. */
static int64_t called;

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

static void put_background(struct world *w, struct buf *b)
{
	static const char *const engines[] = { "local", "auto", "remote", "flat" };
	static const char *const applies[] = { "cutout", "cutout", "variants", "both" };

	buf_printf(b,
		"'background':{'remove':true,'engine':'%s','apply':'%s','max_cost':%d,"
		"'crop':%s,'confirm_charge':%s}",
		engines[below(w, 4)], applies[below(w, 4)], (int)below(w, 4),
		below(w, 2) ? "true" : "false", below(w, 4) ? "false" : "true");
}

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
	buf_puts(&b, "],");
	if (below(w, 2)) {
		put_background(w, &b);
		buf_putc(&b, ',');
	}
	buf_puts(&b, "'urls':[");
	for (uint64_t i = 0; i < n; i++) {
		buf_printf(&b, "%s{'url':'https://a.test/%d?bytes=%d'", i ? "," : "",
			(int)below(w, 8), (int)below(w, 3));
		if (below(w, 6) == 0) {
			buf_putc(&b, ',');
			put_background(w, &b);
		}
		buf_putc(&b, '}');
	}
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
		code = store_retry(w->f->s, 1, w->jobs[i].id, below(w, 2), &n, &e);
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

/* What is left of a paid call: 0 nothing, 1 to finish the cut. */
static enum err_code buy(struct world *w, const struct task *t, int64_t *ret_charge)
{
	struct charge_answer a;
	char key[64];
	struct err e;
	enum err_code code = ask(w->f, t, &a);

	*ret_charge = a.charge;
	if (code != OK || a.bought)
		return code;
	snprintf(key, sizeof key, "raw/%lld", (long long)a.charge);
	switch (below(w, 6)) {
	case 0: /* dies before the call */
		return ERR_WORK_LOST;
	case 1: /* dies after it */
		called++;
		return ERR_WORK_LOST;
	case 2:
		assert_ok(store_charge_refused(w->f->s, a.charge, &e));
		return ERR_MATTE_PROVIDER;
	case 3:
		called++;
		assert_ok(store_charge_unknown(w->f->s, a.charge, &e));
		return ERR_MATTE_CHARGE_UNKNOWN;
	default:
		called++;
		blob_written(w, key);
		bought(w->f, a.charge, key);
		return OK;
	}
}

static enum cut_engine engine_for(struct world *w, const struct cut *c)
{
	if (c->engine == CUT_AUTO)
		return below(w, 2) ? CUT_FLAT : CUT_LOCAL;
	return c->engine;
}

static void end_cut(struct world *w, const struct task *t)
{
	struct cut_input in = cut_input_of(w->f, t);
	enum cut_engine engine = engine_for(w, &in.cut);
	enum err_code code = OK;
	int64_t charge = 0;
	struct err e;

	assert_true(blob_find(w, in.original.key) != SIZE_MAX); /* its input is there */
	if (engine == CUT_REMOTE)
		code = buy(w, t, &charge);
	if (code == ERR_WORK_LOST || code == ERR_STORE_STALE)
		return;
	if (code == ERR_BUSY) {
		code = store_later(w->f->s, t->id, t->lease, clock_now() + 1000, NULL, false, &e);
		assert_true(code == OK || code == ERR_STORE_STALE);
		return;
	}
	if (code != OK) {
		code = fail_cut(w->f, t, code);
		assert_true(code == OK || code == ERR_STORE_STALE);
		return;
	}
	struct cut_made m = cut_made_of(w->f, t, engine, (double)below(w, 10) / 10);
	m.charge = charge;
	if (below(w, 6) == 0)
		m.state = CUT_NONE;
	else
		blob_written(w, m.product.key);
	code = store_finish_cut(w->f->s, t->id, t->lease, &m, &e);
	assert_true(code == OK || code == ERR_STORE_STALE);
	if (code != OK && m.state == CUT_SUCCEEDED)
		not_named(w, m.product.key);
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

static void end_task(struct world *w, const struct task *t)
{
	if (t->kind == TASK_FETCH)
		end_fetch(w, t);
	else if (t->kind == TASK_CUT)
		end_cut(w, t);
	else
		end_make(w, t);
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
		code = fail_with(w->f, &t,
			below(w, 4) ? ERR_FETCH_STATUS : ERR_MATTE_CHARGE_UNKNOWN);
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
		end_task(w, &t);
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
		assert_int_not_equal(it->cut, CUT_WANTED);
	}
	assert_int_equal(it->cut == CUT_SUCCEEDED, it->cutout != NULL);
	if (it->cutout)
		assert_true(blob_find(w, it->cutout->key) != SIZE_MAX);
	if (it->cut == CUT_FAILED || it->cut == CUT_NONE)
		assert_non_null(it->cut_outcome);
}

static void check_items(struct world *w, const struct made_job *m)
{
	struct item_query q = { .job_no = m->no, .max = 100 };
	struct item_row *rows;
	int64_t count[5] = { 0 }, cuts[CUT_NONE + 1] = { 0 };
	size_t n;
	struct err e;

	assert_ok(store_items(w->f->s, &q, w->f->a, &rows, &n, &e));
	for (size_t i = 0; i < n; i++) {
		check_item(w, &rows[i]);
		count[rows[i].state]++;
		cuts[rows[i].cut]++;
	}
	struct counts c = job(w->f, m)->counts;
	assert_int_equal(c.total, n);
	assert_int_equal(c.queued + c.running, count[ITEM_FRESH] + count[ITEM_OPEN]);
	assert_int_equal(c.succeeded, count[ITEM_SUCCEEDED]);
	assert_int_equal(c.failed, count[ITEM_FAILED]);
	assert_int_equal(c.canceled, count[ITEM_CANCELED]);
	assert_int_equal(c.cutouts.succeeded, cuts[CUT_SUCCEEDED]);
	assert_int_equal(c.cutouts.failed, cuts[CUT_FAILED]);
	assert_int_equal(c.cutouts.none, cuts[CUT_NONE]);
}

/* events() has seen to it that numbers have no gap. */
static void check_log(struct world *w, const struct made_job *m)
{
	bool started[8][64] = { 0 }, ended[8][64] = { 0 }, told[8][64] = { 0 }, over = false;
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
		} else if (ev[i].type == EVENT_ITEM_PROGRESS) {
			assert_false(told[k][run]);
			assert_int_equal(ev[i].item->cut, CUT_WANTED);
			assert_true(ev[i].item->variants_n > 0);
			told[k][run] = started[k][run];
			assert_true(told[k][run]);
		} else {
			ended[k][run] = true;
		}
	}
	assert_int_equal(over, job_has_ended(job(w->f, m)->state));
}

static void check_budgets(struct world *w)
{
	autofree char *path = mem_printf("%s/bulb.db", w->f->dir);
	sqlite3 *db;
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(
		sqlite3_prepare_v2(db,
			"SELECT count(*) FROM job WHERE spent + reserved + unknown > max_cost"
			" OR spent < 0 OR reserved < 0 OR unknown < 0",
			-1, &st, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(st, 0), 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
}

/* Every call that the provider charged is spent, unknown or still open; nothing is forgotten. */
static void check_money(struct world *w)
{
	struct usage_row u = usage(w->f), *rows;
	int64_t reserved = 0;
	size_t n;
	struct err e;

	assert_ok(store_usage(w->f->s, 1, 0, INT64_MAX, w->f->a, &rows, &n, &reserved, &e));
	assert_true(u.spent + u.unknown + reserved >= called * CALL_COST);
	assert_int_equal(u.spent, u.paid_calls * CALL_COST);
	assert_int_equal(u.unknown, u.unknown_calls * CALL_COST);
	assert_true(u.spent <= called * CALL_COST);
	if (strcmp(fixture_backend, "sqlite") == 0)
		check_budgets(w);
}

static void check(struct world *w)
{
	check_money(w);
	for (size_t i = 0; i < w->jobs_n; i++) {
		if (w->deleted[i])
			continue;
		check_items(w, &w->jobs[i]);
		check_log(w, &w->jobs[i]);
	}
}

static void let_everything_end(struct world *w)
{
	for (int i = 0; i < 25; i++) {
		clock_add(60001);
		tick(w->f);
		plan(w->f);
		do_claim(w);
		while (w->held_n > 0) {
			struct task t = take(w);
			if (!is_held(w, &t))
				continue;
			end_task(w, &t);
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
