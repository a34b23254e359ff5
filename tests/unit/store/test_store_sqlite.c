/* SPDX-License-Identifier: MIT
 *
 * What only the embedded store has: group commit, a lock on the folder, a visitor beside the owner,
 * and a disk that fills or breaks.
 */
#include "tests/contract/store_fixture.h"
#include "tests/lib/disk_vfs.h"

#include "base/metrics.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#define ONE  "{\"urls\":[\"https://a.test/1.jpg\"]}"
#define MANY 200

static int setup(void **state)
{
	fixture_backend = "sqlite";
	return fixture_setup(state);
}

static int teardown(void **state)
{
	int rc = fixture_teardown(state);

	disk_vfs_mend();
	disk_vfs_reboot();
	return rc;
}

/* ---- group commit ---- */

/* Holds the writer after the first commit, as a slow disk would, until everybody is at its door. */
static sem_t gate, at_the_door;
static _Atomic int gate_is_shut;

static void wait_at_gate(void *ctx, int64_t no, int64_t seq)
{
	(void)ctx, (void)no, (void)seq;
	if (gate_is_shut)
		sem_wait(&gate);
	gate_is_shut = 0;
}

static void shut_gate(struct fixture *f)
{
	f->opts.on_news = wait_at_gate;
	fixture_reopen(f);
	sem_init(&gate, 0, 0);
	sem_init(&at_the_door, 0, 0);
	gate_is_shut = 1;
}

static void open_gate(int callers)
{
	for (int i = 0; i < callers; i++)
		sem_wait(&at_the_door);
	sem_post(&gate);
}

struct caller {
	pthread_t thread;
	struct fixture *f;
	const char *cancel; /* an id, or NULL to submit */
	enum err_code code;
};

static void *call(void *arg)
{
	static const uint8_t key[32];
	struct caller *c = arg;
	struct request_item item = { .url = "https://a.test/1" };
	struct request q = { .items = &item, .items_n = 1 };
	struct submit in = { .tenant = 1, .request = &q, .base_url = "", .seal_key = key };
	enum submit_result result;
	char id[JOB_ID_MAX + 1];
	int64_t no;

	sem_post(&at_the_door);
	c->code = c->cancel ? store_cancel(c->f->s, 1, c->cancel, ERR_CANCELED, NULL)
			    : store_submit(c->f->s, &in, &result, id, &no, NULL);
	return NULL;
}

static void start(struct caller *c)
{
	assert_int_equal(pthread_create(&c->thread, NULL, call, c), 0);
}

static double commits(void)
{
	return metric_get(METRIC_COMMITS, NULL, NULL, NULL);
}

static void two_hundred_submits_at_once_cost_at_most_twenty_commits(void **state)
{
	struct fixture *f = *state;
	struct caller c[MANY];
	double before = commits();

	shut_gate(f);
	for (int i = 0; i < MANY; i++) {
		c[i] = (struct caller){ .f = f };
		start(&c[i]);
	}
	open_gate(MANY);
	for (int i = 0; i < MANY; i++) {
		pthread_join(c[i].thread, NULL);
		assert_int_equal(c[i].code, OK);
	}
	assert_true(commits() - before <= 20);
}

static void an_operation_that_fails_leaves_its_neighbours_alone(void **state)
{
	struct fixture *f = *state;
	struct caller first = { .f = f }, c[20];
	struct queue_stats q;
	struct err e;

	shut_gate(f);
	start(&first);
	for (int i = 0; i < 20; i++) {
		c[i] = (struct caller){ .f = f, .cancel = i % 2 ? "nobody" : NULL };
		start(&c[i]);
	}
	open_gate(21);
	pthread_join(first.thread, NULL);
	for (int i = 0; i < 20; i++) {
		pthread_join(c[i].thread, NULL);
		assert_int_equal(c[i].code, i % 2 ? ERR_NOT_FOUND : OK);
	}
	assert_ok(store_queue(f->s, &q, &e));
	assert_int_equal(q.items[PRIORITY_INTERACTIVE], 11);
}

/* ---- the folder ---- */

static void a_data_folder_has_one_owner(void **state)
{
	struct fixture *f = *state;
	struct store *other;
	struct err e;

	assert_err(store_open(f->url, &f->opts, &other, &e), ERR_STORE_IN_USE);
	store_free(f->s);
	f->s = NULL;
	assert_ok(store_open(f->url, &f->opts, &other, &e));
	f->s = other;
}

static void what_was_accepted_is_there_after_a_restart(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, ONE);
	int64_t tasks;
	struct err e;

	plan(f);
	(void)claim_one(f);
	fixture_reopen(f);
	assert_ok(store_recover(f->s, &tasks, &e));
	assert_int_equal(tasks, 1);
	work(f);
	assert_int_equal(job(f, &m)->state, JOB_SUCCEEDED);
	assert_string_equal(log_of(f, &m),
		"job.created job.started item.started/1 item.succeeded/1 job.succeeded");
}

static void a_codec_upgrade_makes_variants_anew(void **state)
{
	struct fixture *f = *state;

	submit(f, "{'urls':['https://a.test/1'],'variants':[{'name':'a','width':10}]}");
	work(f);
	f->opts.codecs = "test-codecs 2";
	fixture_reopen(f);
	struct made_job b = submit(f,
		"{'urls':['https://a.test/1'],"
		"'variants':[{'name':'a','width':10}]}");
	plan(f);
	assert_int_equal(claim_one(f).kind, TASK_MAKE);
	assert_int_equal(job(f, &b)->state, JOB_RUNNING);
}

static void a_visitor_works_beside_the_owner(void **state)
{
	struct fixture *f = *state;
	struct store_opts o = f->opts;
	struct store *visitor;
	struct gc_report r;
	struct made_job m = submit(f, ONE);
	struct err e;

	work(f);
	o.short_visitor = true;
	o.on_news = NULL;
	assert_ok(store_open(f->url, &o, &visitor, &e));
	assert_ok(store_delete(f->s, 1, m.id, false, &e));
	assert_ok(store_gc(visitor, 0, false, &r, &e));
	assert_int_equal(r.originals, 1);
	assert_int_equal(r.results, 5);
	submit(f, ONE);
	work(f);
	assert_ok(store_ping(visitor, &e));
	store_free(visitor);
	submit(f, ONE);
}

static void nobody_else_may_read_the_files(void **state)
{
	static const char *const parts[] = { "", "-wal", ".lock" };
	struct fixture *f = *state;
	struct stat st;

	submit(f, ONE);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		autofree char *path = mem_printf("%s/bulb.db%s", f->dir, parts[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 077, 0);
	}
}

static void urls_that_name_no_store_are_refused(void **state)
{
	struct fixture *f = *state;
	struct store *s;
	struct err e;

	assert_err(store_open("mysql://x", &f->opts, &s, &e), ERR_USAGE);
	assert_err(store_open("sqlite:", &f->opts, &s, &e), ERR_USAGE);
	assert_err(store_open("memory:x", &f->opts, &s, &e), ERR_USAGE);
	assert_err(store_open("sqlite:/tmp/x?synchronous=off", &f->opts, &s, &e), ERR_USAGE);
	assert_err(store_open("sqlite:/proc/nowhere/x.db", &f->opts, &s, &e), e.code);
}

/* ---- a bad disk ---- */

static void on_bad_disk(struct fixture *f)
{
	disk_vfs_set(DISK_LOSES_ALL, 1);
	snprintf(f->url, sizeof f->url, "sqlite:%s/bad.db?vfs=" DISK_VFS_NAME, f->dir);
	fixture_reopen(f);
}

static void a_full_disk_is_told_and_mends_itself(void **state)
{
	struct fixture *f = *state;
	struct made_job a, b;
	struct err e = { 0 };

	on_bad_disk(f);
	a = submit(f, ONE);
	disk_vfs_fill_after(0);
	for (int i = 0; i < 3; i++) {
		assert_err(submit_as(f, "b", NULL, ONE, &b), ERR_STORE_UNAVAILABLE);
		assert_err(store_ping(f->s, &e), ERR_STORE_UNAVAILABLE);
		assert_int_equal(job(f, &a)->state, JOB_QUEUED); /* reading goes on */
	}
	disk_vfs_mend();
	assert_ok(store_ping(f->s, &e));
	assert_ok(submit_as(f, "b", NULL, ONE, &b));
	assert_int_equal(b.result, SUBMIT_CREATED);
	work(f);
	assert_int_equal(job(f, &a)->state, JOB_SUCCEEDED);
	assert_int_equal(job(f, &b)->state, JOB_SUCCEEDED);
}

/* Fail at every write in turn, and every time ask for the same job again. */
static void fails_at_every_write(struct fixture *f, void (*harm)(int64_t writes))
{
	for (int n = 0; n < 60; n++) {
		char id[16];
		struct made_job m = { 0 }, again;
		struct err e = { 0 };
		snprintf(id, sizeof id, "job-%d", n);
		harm(n % 20);
		enum err_code code = submit_as(f, id, NULL, ONE, &m);
		disk_vfs_mend();
		assert_true(code == OK || code == ERR_STORE_UNAVAILABLE);
		assert_ok(submit_as(f, id, NULL, ONE, &again));
		if (code == OK)
			assert_int_equal(again.no, m.no);
		assert_string_equal(log_of(f, &again), "job.created");
	}
	work(f);
}

static void every_write_may_find_the_disk_full(void **state)
{
	struct fixture *f = *state;

	on_bad_disk(f);
	fails_at_every_write(f, disk_vfs_fill_after);
}

static void every_write_and_sync_may_fail(void **state)
{
	struct fixture *f = *state;

	on_bad_disk(f);
	fails_at_every_write(f, disk_vfs_break_after);
}

static int64_t open_items(struct fixture *f)
{
	struct queue_stats q;
	struct err e;

	assert_ok(store_queue(f->s, &q, &e));
	return q.items[PRIORITY_NORMAL];
}

static void a_large_job_is_there_whole_or_not_at_all(void **state)
{
	CLEANUP(buf_done) struct buf body = BUF_INIT(1 << 20);
	struct fixture *f = *state;
	struct err e = { 0 };
	int failures = 0;

	on_bad_disk(f);
	buf_puts(&body, "{\"urls\":[");
	for (int i = 0; i < 1200; i++)
		buf_printf(&body, "%s\"https://a.test/%d\"", i ? "," : "", i);
	buf_puts(&body, "]}");
	for (int n = 0; n < 40; n++) {
		char id[16];
		struct made_job m, again;
		snprintf(id, sizeof id, "job-%d", n);
		disk_vfs_fill_after(n * 5);
		enum err_code code = submit_as(f, id, NULL, buf_str(&body), &m);
		disk_vfs_mend();
		assert_int_equal(open_items(f), code == OK ? 1200 : 0);
		failures += code != OK;
		assert_ok(submit_as(f, id, NULL, buf_str(&body), &again));
		assert_int_equal(open_items(f), 1200);
		assert_int_equal(item(f, &again, 1200)->n, 1200);
		assert_ok(store_delete(f->s, 1, id, false, &e));
	}
	assert_in_range(failures, 5, 39);
	clock_add(3600 * 1000);
	tick(f);
	claim_none(f);
	assert_int_equal(open_items(f), 0);
}

/* ---- the write-ahead log ---- */

static atomic_bool reading;

static void *read_on(void *arg)
{
	struct fixture *f = arg;
	int64_t no = 1;

	while (reading) {
		CLEANUP(arena_freep) struct arena *a = arena_new();
		struct item_query q = { .job_no = no, .max = 1000 };
		struct item_row *rows;
		struct err e;
		size_t n;
		assert_ok(store_items(f->s, &q, a, &rows, &n, &e));
	}
	return NULL;
}

static int64_t log_bytes(const struct fixture *f)
{
	autofree char *path = mem_printf("%s/bulb.db-wal", f->dir);
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : 0;
}

/* A log that is read at every moment cannot begin anew by itself. */
static void readers_without_a_pause_do_not_make_the_log_grow(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_done) struct buf b = BUF_INIT(1 << 20);
	pthread_t threads[6];
	int64_t most = 0;

	buf_puts(&b, "{'urls':[");
	for (int i = 0; i < 400; i++)
		buf_printf(&b, "%s'https://a.test/%d.jpg'", i ? "," : "", i);
	buf_puts(&b, "]}");
	submit(f, "%s", buf_str(&b));
	reading = true;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, f), 0);
	for (int i = 0; i < 500; i++) {
		submit(f, "%s", buf_str(&b));
		most = log_bytes(f) > most ? log_bytes(f) : most;
	}
	reading = false;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	assert_in_range(most, 0, 40 << 20);
}

#define SQLITE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		SQLITE_TEST(two_hundred_submits_at_once_cost_at_most_twenty_commits),
		SQLITE_TEST(an_operation_that_fails_leaves_its_neighbours_alone),
		SQLITE_TEST(a_data_folder_has_one_owner),
		SQLITE_TEST(what_was_accepted_is_there_after_a_restart),
		SQLITE_TEST(a_codec_upgrade_makes_variants_anew),
		SQLITE_TEST(a_visitor_works_beside_the_owner),
		SQLITE_TEST(nobody_else_may_read_the_files),
		SQLITE_TEST(urls_that_name_no_store_are_refused),
		SQLITE_TEST(a_full_disk_is_told_and_mends_itself),
		SQLITE_TEST(every_write_may_find_the_disk_full),
		SQLITE_TEST(every_write_and_sync_may_fail),
		SQLITE_TEST(readers_without_a_pause_do_not_make_the_log_grow),
		SQLITE_TEST(a_large_job_is_there_whole_or_not_at_all),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
