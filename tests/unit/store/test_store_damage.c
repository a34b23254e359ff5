/* SPDX-License-Identifier: MIT
 *
 * What a store makes of a database that somebody else has written to: it refuses one of a newer bulb,
 * and one job that makes no sense never holds up the others. And that we do it no damage ourselves.
 */
#include "tests/contract/store_fixture.h"

#include "base/metrics.h"
#include "store/sql_sqlite.h"

#define ONE "{\"urls\":[\"https://a.test/1.jpg\"]}"
#define TWO "{\"urls\":[\"https://a.test/1.jpg\",\"https://a.test/2.jpg\"]}"

static void spoil(struct fixture *f, const char *text)
{
	autofree char *path = mem_printf("%s/bulb.db", f->dir);
	struct sql_sqlite_opts o = { .path = path, .busy_ms = 1000 };
	struct sql *db;
	struct err e;

	assert_ok(sql_sqlite_open(&o, &db, &e));
	assert_ok(sql_sqlite_script(db, text, &e));
	sql_free(db);
}

static void a_newer_store_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store *other;
	struct err e;

	store_free(f->s);
	f->s = NULL;
	spoil(f, "UPDATE meta SET version = 99");
	assert_err(store_open(f->url, &f->opts, &other, &e), ERR_STORE_NEWER);
}

static void a_job_whose_text_is_damaged_does_not_hold_up_the_others(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, ONE);

	spoil(f, "UPDATE job SET request = '{\"variants\":7}'");
	struct made_job b = submit(f, ONE);
	work(f);
	assert_int_equal(job(f, &a)->state, JOB_CANCELED);
	assert_int_equal(job(f, &b)->state, JOB_SUCCEEDED);
}

/* ---- rows that somebody deleted by hand ---- */

static int64_t lost_items;
static char lost_job[JOB_ID_MAX + 1];

static void on_lost(void *ctx, const char *job_id, int64_t items)
{
	(void)ctx;
	lost_items += items;
	snprintf(lost_job, sizeof lost_job, "%s", job_id);
}

static void hear_of_losses(struct fixture *f)
{
	lost_items = 0;
	f->opts.on_lost = on_lost;
	fixture_reopen(f);
}

static void fresh_items_without_rows_fail_and_hold_up_nobody(void **state)
{
	struct fixture *f = *state;
	struct err e;
	int64_t items = -1;

	hear_of_losses(f);
	struct made_job a = submit(f, ONE), c = submit(f, TWO);
	spoil(f, "DELETE FROM item WHERE n = 1");
	struct made_job b = submit(f, ONE);
	work(f); /* ends: planning does not go round in circles */
	assert_int_equal(job(f, &b)->state, JOB_SUCCEEDED);
	assert_int_equal(job(f, &a)->state, JOB_FAILED);
	assert_int_equal(job(f, &a)->counts.failed, 1);
	assert_int_equal(job(f, &c)->state, JOB_PARTIAL);
	assert_int_equal(job(f, &c)->counts.succeeded, 1);
	assert_int_equal(lost_items, 2);
	assert_int_equal(metric_get(METRIC_ITEM_ERRORS, "work_lost", NULL, NULL), 2);
	assert_ok(store_retry(f->s, 1, a.id, false, &items, &e));
	assert_int_equal(items, 0);
	assert_string_equal(log_of(f, &a), "job.created job.failed"); /* nothing to run again */
}

static void open_items_without_rows_end_with_a_cancel(void **state)
{
	struct fixture *f = *state;
	struct err e;

	hear_of_losses(f);
	struct made_job a = submit(f, ONE);
	plan(f);
	spoil(f, "DELETE FROM item");
	assert_ok(store_cancel(f->s, 1, a.id, ERR_CANCELED, &e));
	tick(f); /* ends */
	assert_int_equal(job(f, &a)->state, JOB_CANCELED);
	assert_int_equal(job(f, &a)->counts.canceled, 1);
	assert_int_equal(lost_items, 1);
	assert_string_equal(lost_job, a.id);
}

static void rows_that_no_count_knows_are_left_alone(void **state)
{
	struct fixture *f = *state;

	struct made_job a = submit(f, ONE);
	spoil(f,
		"INSERT INTO item (job, n, url, source_key, state, run, started, tries, made)"
		" SELECT job, 2, url || '2', source_key, state, run, started, tries, made FROM item");
	struct made_job b = submit(f, "{'urls':['https://b.test/1']}");
	work(f);
	assert_int_equal(job(f, &a)->state, JOB_SUCCEEDED);
	assert_int_equal(job(f, &b)->state, JOB_SUCCEEDED);
}

/* ---- what must never be damaged by us ---- */

static int64_t count(struct fixture *f, const char *text)
{
	autofree char *path = mem_printf("%s/bulb.db", f->dir);
	struct sql_sqlite_opts o = { .path = path, .busy_ms = 1000 };
	struct sql *db;
	struct err e;
	int64_t n = -1;

	assert_ok(sql_sqlite_open(&o, &db, &e));
	assert_ok(sql_get(db, text, SQL_NONE, &n, &e));
	sql_free(db);
	return n;
}

static void no_source_outlives_its_original(void **state)
{
	static const char dangling[] = "SELECT count(*) FROM source WHERE original NOT IN"
				       " (SELECT id FROM original)";
	struct fixture *f = *state;
	struct gc_report r;
	struct err e;

	/* Two URLs of the same bytes, and one that goes with its job. */
	submit(f, "{'urls':['https://a.test/1?bytes=x','https://a.test/2?bytes=x']}");
	struct made_job b = submit(f, "{'urls':['https://a.test/3'],'keep_source':false}");
	work(f);
	assert_int_equal(count(f, "SELECT count(*) FROM source"), 3);
	assert_ok(store_delete(f->s, 1, b.id, true, &e));
	tick(f);
	assert_int_equal(count(f, "SELECT count(*) FROM source"), 2);
	assert_int_equal(count(f, dangling), 0);
	clock_add(f->opts.keep_ms + 1);
	tick(f);
	assert_ok(store_gc(f->s, 0, false, &r, &e));
	assert_int_equal(r.originals, 1);
	assert_int_equal(count(f, "SELECT count(*) FROM source"), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_newer_store_is_refused),
		TEST(a_job_whose_text_is_damaged_does_not_hold_up_the_others),
		TEST(fresh_items_without_rows_fail_and_hold_up_nobody),
		TEST(open_items_without_rows_end_with_a_cancel),
		TEST(rows_that_no_count_knows_are_left_alone),
		TEST(no_source_outlives_its_original),
	};

	fixture_backend = "sqlite";
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
