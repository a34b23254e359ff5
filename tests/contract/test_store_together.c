/* SPDX-License-Identifier: MIT
 *
 * Several processes on one database (together.h), while connections are cut and the server crashes; and
 * what only such a database can get wrong: deadlocks, commits whose answer is lost, many at the start.
 */
#include "tests/contract/together.h"

#include "tests/contract/pg_proxy.h"

#include "base/metrics.h"
#include "pg/pg.h"
#include "store/sql.h"
#include "store/sql_pg.h"

#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int setup(void **state)
{
	int rc = fixture_setup(state);
	struct fixture *f = *state;

	f->opts.clock_ms = NULL;
	if (rc == 0)
		fixture_reopen(f);
	return rc;
}

static void four_processes_agree(void **state)
{
	together(*state, 250, 0, NULL);
}

static void cut_a_connection(struct fixture *f)
{
	number(f,
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bulb'"
		" AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1");
	usleep(20000);
}

static void lost_connections_lose_nothing(void **state)
{
	together(*state, 250, 0, cut_a_connection);
}

/* In thousandths of a credit: 40 calls, of the 150 that the jobs would like to make. */
#define BUDGET (40LL * CALL_COST)

static void four_processes_buy_under_one_budget(void **state)
{
	struct fixture *f = *state;

	f->opts.max_cost_month = BUDGET;
	fixture_reopen(f);
	ledger_begin(f);
	together(f, 250, BUDGET, cut_a_connection);
	check_money(f, BUDGET);
}

static void crash_the_server(struct fixture *f)
{
	autofree char *command = mem_printf("%s restart immediate >/dev/null",
		getenv("TEST_POSTGRES_CTL"));

	(void)f;
	assert_int_equal(system(command), 0);
	usleep(400000);
}

static void a_server_that_crashes_loses_nothing(void **state)
{
	together(*state, 250, 0, crash_the_server);
}

/* Transactions run again for this reason, as whoever reads /metrics sees it. */
static int retries(const char *reason)
{
	return (int)metric_get(METRIC_RETRIES, reason, NULL, NULL);
}

/* ---- a deadlock, made to order ---- */

struct finisher {
	struct fixture *f;
	struct task task, make;
	pthread_t thread;
};

static void *finish_main(void *ctx)
{
	struct finisher *w = ctx;

	w->make = finish_fetch(w->f, &w->task);
	return NULL;
}

static void start_and_wait_for_a_lock(struct finisher *w, void *(*what)(void *))
{
	assert_int_equal(pthread_create(&w->thread, NULL, what, w), 0);
	while (number(w->f,
		       "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == 0)
		usleep(1000);
}

/* And once. */
static void assert_went_well(struct finisher *w, const struct made_job *m)
{
	finish_make(w->f, &w->make);
	assert_int_equal(job(w->f, m)->state, JOB_SUCCEEDED);
	assert_string_equal(log_of(w->f, m),
		"job.created job.started item.started/1 item.succeeded/1 job.succeeded");
}

static void script(struct pg *c, const char *fmt, long long id)
{
	autofree char *text = mem_printf(fmt, id);
	struct err e;

	assert_ok(pg_script(c, text, &e));
}

/* Between the look for results and the make that is to wait for them, another process's make ends: what a
 * trigger does here. */
static void a_make_that_ended_while_we_looked_is_not_done_again(void **state)
{
	struct fixture *f = *state;
	const char *body = "{'urls':['https://a.test/1'],'variants':[{'name':'a','width':10},"
			   "{'name':'b','width':%d}]}";
	struct err e;
	struct pg *c;

	submit(f, body, 20);
	work(f);
	int encodes = f->encodes;
	assert_ok(pg_open(f->url, &c, &e));
	script(c, "CREATE TABLE aside AS SELECT * FROM result; DELETE FROM result", 0);
	script(c,
		"CREATE FUNCTION end_make() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
		" INSERT INTO result SELECT * FROM aside; DELETE FROM aside; RETURN NEW; END $$;"
		"CREATE TRIGGER end_make BEFORE INSERT ON task FOR EACH ROW WHEN (NEW.kind = 1)"
		" EXECUTE FUNCTION end_make()",
		0);
	struct made_job m = submit(f, body, 20);
	work(f);
	assert_int_equal(job(f, &m)->state, JOB_SUCCEEDED);
	assert_int_equal(f->encodes, encodes);
	assert_int_equal(job(f, &m)->savings.encodes, 2);
	assert_int_equal(number(f, "SELECT count(*) FROM task"), 0);
	/* And where only some of it was made, the rest is. */
	script(c, "INSERT INTO aside SELECT * FROM result; DELETE FROM result", 0);
	struct made_job n = submit(f, body, 30);
	work(f);
	assert_int_equal(job(f, &n)->state, JOB_SUCCEEDED);
	assert_int_equal(f->encodes, encodes + 1);
	assert_int_equal(job(f, &n)->savings.encodes, 1);
	pg_free(c);
}

/* We hold the task and then want the job, the store the other way round. It looks for deadlocks sooner
 * than we do, and gives way. */
static void a_deadlock_is_run_again(void **state)
{
	struct fixture *f = *state;
	struct made_job m;
	struct finisher w = { .f = f, .task = begin(f, &m) };
	int before = retries("deadlock");
	struct err e;
	struct pg *c;

	assert_ok(pg_open(f->url, &c, &e));
	script(c, "SET deadlock_timeout = '%llds'", 60);
	script(c, "BEGIN; SELECT 1 FROM task WHERE id = %lld FOR UPDATE", w.task.id);
	start_and_wait_for_a_lock(&w, finish_main);
	script(c, "SELECT 1 FROM job WHERE no = %lld FOR UPDATE", m.no);
	script(c, "COMMIT", 0);
	pthread_join(w.thread, NULL);
	pg_free(c);
	assert_int_equal(retries("deadlock"), before + 1);
	assert_went_well(&w, &m);
}

/* Where transactions are isolated from each other, one that waited for a row that then changed cannot go on. */
static void a_serialization_failure_is_run_again(void **state)
{
	struct fixture *f = *state;
	int before = retries("serialization");
	struct made_job m;
	struct err e;
	struct pg *c;

	size_t n = strlen(f->url);
	snprintf(f->url + n, sizeof f->url - n, "%s",
		"%20-cdefault_transaction_isolation%3Drepeatable%5C%20read");
	fixture_reopen(f);
	struct finisher w = { .f = f, .task = begin(f, &m) };
	assert_ok(pg_open(f->url, &c, &e));
	script(c, "BEGIN; UPDATE job SET seq = seq WHERE no = %lld", m.no);
	start_and_wait_for_a_lock(&w, finish_main);
	script(c, "COMMIT", 0);
	pthread_join(w.thread, NULL);
	pg_free(c);
	assert_int_equal(retries("serialization"), before + 1);
	assert_went_well(&w, &m);
}

/* ---- two that learn the same at once ---- */

static void *finish_make_main(void *ctx)
{
	struct finisher *w = ctx;
	struct made made = made_of(w->f, &w->make);
	struct err e;

	snprintf(made.original.thumbhash, sizeof made.original.thumbhash, "OURS");
	assert_ok(store_finish_make(w->f->s, w->make.id, w->make.lease, &made, &e));
	return NULL;
}

/* Another process told its readers how the picture looks, when we had read that nobody knew. */
static void what_readers_were_told_of_an_original_stands(void **state)
{
	struct fixture *f = *state;
	struct made_job m;
	struct task fetch = begin(f, &m);
	struct finisher w = { .f = f, .make = finish_fetch(f, &fetch) };
	struct err e;
	struct pg *c;

	assert_ok(pg_open(f->url, &c, &e));
	script(c,
		"BEGIN; UPDATE original SET data = regexp_replace(data, '}$', ',\"thumbhash\":\"THEIRS\"}')",
		0);
	start_and_wait_for_a_lock(&w, finish_make_main);
	script(c, "COMMIT", 0);
	pthread_join(w.thread, NULL);
	pg_free(c);
	assert_int_equal(job(f, &m)->state, JOB_SUCCEEDED);
	assert_string_equal(item(f, &m, 1)->source->thumbhash, "THEIRS");
}

/* ---- statements ---- */

/* A linker may make one literal of equal ones, and need not. */
static void a_text_that_stands_twice_is_prepared_once(void **state)
{
	static const char here[] = "SELECT 7 + $1", there[] = "SELECT 7 + $1";
	struct fixture *f = *state;
	struct sql *db;
	struct err e;

	assert_ptr_not_equal(here, there);
	assert_ok(sql_pg_open(f->url, true, &db, &e));
	for (int64_t i = 0; i < 4; i++) {
		int64_t sum = 0;
		assert_ok(sql_get(db, i % 2 ? there : here, SQL(sql_i(i)), &sum, &e));
		assert_int_equal(sum, 7 + i);
	}
	sql_free(db);
}

/* ---- a commit whose answer is lost ---- */

/* The store, by a way that can break. */
static void reopen_through(struct fixture *f, int port)
{
	snprintf(f->url, sizeof f->url,
		"postgres://bulb@127.0.0.1:%d/postgres?options=-csearch_path%%3D%s", port,
		f->schema);
	fixture_reopen(f);
}

/* Whether it took place or not, it is there once, and so is what follows it. */
static void a_commit_whose_answer_is_lost_is_done_once(void **state)
{
	static const enum proxy_break breaks[] = { PROXY_BEFORE_COMMIT, PROXY_AFTER_COMMIT };
	struct fixture *f = *state;
	int port;
	struct pg_proxy *p = proxy_start(&port);

	reopen_through(f, port);
	for (int i = 0; i < 10; i++) {
		int before = retries("connection");
		proxy_arm(p, breaks[i % 2]);
		(void)submit(f, "{'urls':['https://a.test/%d']}", i);
		assert_int_equal(proxy_breaks(p), 2 * i + 1);
		assert_int_equal(retries("connection") - before,
			breaks[i % 2] == PROXY_BEFORE_COMMIT);
		proxy_arm(p, breaks[i / 2 % 2]);
		work(f);
		assert_int_equal(proxy_breaks(p), 2 * i + 2);
	}
	assert_int_equal(f->downloads, 10);
	assert_int_equal(number(f, "SELECT count(*) FROM job"), 10);
	check_books_of(f);
	store_free(TAKE(&f->s));
	proxy_stop(p);
}

/* ---- many at the start ---- */

struct opener {
	struct fixture *f;
	struct store *s;
	enum err_code code;
	struct err e;
	pthread_t thread;
};

static void *open_main(void *ctx)
{
	struct opener *o = ctx;

	o->code = store_open(o->f->url, &o->f->opts, &o->s, &o->e);
	return NULL;
}

static void the_tables_are_made_once_whoever_comes_first(void **state)
{
	struct fixture *f = *state;
	struct opener o[6];

	store_free(TAKE(&f->s));
	for (int round = 0; round < 5; round++) {
		struct err e;
		struct pg *c;
		assert_ok(pg_open(getenv("TEST_POSTGRES"), &c, &e));
		autofree char *text = mem_printf("DROP SCHEMA \"%s\" CASCADE;"
						 " CREATE SCHEMA \"%s\"",
			f->schema, f->schema);
		assert_ok(pg_script(c, text, &e));
		pg_free(c);
		for (size_t i = 0; i < ARRAY_LEN(o); i++) {
			o[i] = (struct opener){ .f = f };
			assert_int_equal(pthread_create(&o[i].thread, NULL, open_main, &o[i]), 0);
		}
		for (size_t i = 0; i < ARRAY_LEN(o); i++) {
			pthread_join(o[i].thread, NULL);
			if (o[i].code != OK)
				fail_msg("%s", o[i].e.text);
			store_free(o[i].s);
		}
		assert_int_equal(number(f, "SELECT count(*) FROM meta"), 1);
	}
}

static void a_newer_schema_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store *s = NULL;
	struct err e;

	(void)number(f, "UPDATE meta SET version = 1000 RETURNING 1");
	assert_err(store_open(f->url, &f->opts, &s, &e), ERR_STORE_NEWER);
}

static void a_worker_waits_for_the_tables(void **state)
{
	struct fixture *f = *state;
	struct opener worker = { .f = f }, server = { .f = f };
	struct fixture waits = *f;

	store_free(TAKE(&f->s));
	(void)number(f, "ALTER TABLE meta RENAME TO later; SELECT 1");
	waits.opts.await_schema = true;
	worker.f = &waits;
	assert_int_equal(pthread_create(&worker.thread, NULL, open_main, &worker), 0);
	while (number(f,
		       "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_tables%'"
		       " AND pid <> pg_backend_pid() AND state = 'idle'") == 0)
		usleep(1000);
	(void)number(f, "ALTER TABLE later RENAME TO meta; SELECT 1");
	pthread_join(worker.thread, NULL);
	assert_int_equal(worker.code, OK);
	store_free(worker.s);
	open_main(&server);
	assert_int_equal(server.code, OK);
	store_free(server.s);
}

/* ---- a server that forgets ---- */

static void one_that_may_forget_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store *s = NULL;
	struct err e;

	autofree char *weak = mem_printf("%s%%20-csynchronous_commit%%3Doff", f->url);
	assert_err(store_open(weak, &f->opts, &s, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "synchronous_commit"));
	autofree char *allowed = mem_printf("%s&durability=any", weak);
	assert_ok(store_open(allowed, &f->opts, &s, &e));
	store_free(s);
}

/* ---- a pooler in between ---- */

static pid_t pooler;

/* Also after a failure. */
static int stop_pooler(void **state)
{
	if (pooler > 0) {
		kill(pooler, SIGINT);
		waitpid(pooler, NULL, 0);
		pooler = 0;
	}
	return fixture_teardown(state);
}

static void start_pooler(struct fixture *f, int *ret_port)
{
	autofree char *conf = mem_printf("%s/pgbouncer.ini", f->dir);
	struct pg_proxy *p = proxy_start(ret_port); /* a port that was free a moment ago */

	proxy_stop(p);
	FILE *out = fopen(conf, "w");
	assert_non_null(out);
	fprintf(out,
		"[databases]\npostgres = host=127.0.0.1 port=%s user=bulb\n[pgbouncer]\n"
		"listen_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\nauth_type = any\n"
		"pool_mode = transaction\ndefault_pool_size = 5\nmax_client_conn = 500\n%s",
		getenv("TEST_POSTGRES_PORT"), *ret_port, getuid() == 0 ? "user = postgres\n" : "");
	fclose(out);
	assert_int_equal(chmod(f->dir, 0755), 0);
	char name[] = "/usr/sbin/pgbouncer", quiet[] = "-q";
	char *argv[] = { name, quiet, conf, NULL };
	assert_int_equal(posix_spawn(&pooler, name, NULL, NULL, argv, environ), 0);
}

/* Sessions are lent a transaction at a time: search_path comes from the database, then. */
static void a_pooler_may_stand_in_between(void **state)
{
	struct fixture *f = *state;
	int port;

	if (access("/usr/sbin/pgbouncer", X_OK) != 0)
		skip();
	store_free(TAKE(&f->s));
	autofree char *text =
		mem_printf("ALTER DATABASE postgres SET search_path = \"%s\"; SELECT 1", f->schema);
	(void)number(f, text);
	start_pooler(f, &port);
	snprintf(f->url, sizeof f->url, "postgres://bulb@127.0.0.1:%d/postgres", port);
	for (int i = 0; !f->s && i < 500; i++, usleep(10000))
		(void)!store_open(f->url, &f->opts, &f->s, &f->e);
	if (!f->s)
		fail_msg("%s", f->e.text);
	together(f, 150, 0, NULL);
	store_free(TAKE(&f->s));
	(void)number(f, "ALTER DATABASE postgres RESET search_path; SELECT 1");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_tables_are_made_once_whoever_comes_first, setup,
			fixture_teardown),
		cmocka_unit_test_setup_teardown(a_newer_schema_is_refused, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_worker_waits_for_the_tables, setup,
			fixture_teardown),
		cmocka_unit_test_setup_teardown(one_that_may_forget_is_refused, setup,
			fixture_teardown),
		cmocka_unit_test_setup_teardown(a_pooler_may_stand_in_between, setup, stop_pooler),
		cmocka_unit_test_setup_teardown(what_readers_were_told_of_an_original_stands, setup,
			fixture_teardown),
		cmocka_unit_test_setup_teardown(four_processes_agree, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(lost_connections_lose_nothing, setup,
			fixture_teardown),
		cmocka_unit_test_setup_teardown(a_server_that_crashes_loses_nothing, setup,
			fixture_teardown),
		cmocka_unit_test_setup_teardown(four_processes_buy_under_one_budget, setup,
			fixture_teardown),
		cmocka_unit_test_setup_teardown(a_deadlock_is_run_again, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_serialization_failure_is_run_again, setup,
			fixture_teardown),
		cmocka_unit_test_setup_teardown(a_make_that_ended_while_we_looked_is_not_done_again,
			setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_text_that_stands_twice_is_prepared_once, setup,
			fixture_teardown),
		cmocka_unit_test_setup_teardown(a_commit_whose_answer_is_lost_is_done_once, setup,
			fixture_teardown),
	};

	if (argc == 6 && strcmp(argv[1], "child") == 0)
		return child_main(argv[2], (uint64_t)atoll(argv[3]), atoi(argv[4]), atoll(argv[5]));
	fixture_backend = "postgres";
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
