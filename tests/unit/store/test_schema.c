/* SPDX-License-Identifier: MIT
 *
 * Data folders of older versions open and go on. schema_1.sql is the text of version 1, as it was.
 */
#include "tests/contract/store_fixture.h"

#include "base/io.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

static char *path_of(struct fixture *f)
{
	return mem_printf("%s/bulb.db", f->dir);
}

static sqlite3 *open_db(struct fixture *f)
{
	autofree char *path = path_of(f);
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	return db;
}

static void run(struct fixture *f, const char *text)
{
	sqlite3 *db = open_db(f);
	char *why = NULL;

	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
	sqlite3_close(db);
}

static const char *ask_db(struct fixture *f, const char *text)
{
	CLEANUP(buf_done) struct buf b = BUF_INIT(1 << 20);
	sqlite3 *db = open_db(f);
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_prepare_v2(db, text, -1, &st, NULL), SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW)
		buf_printf(&b, "%s\n", (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	sqlite3_close(db);
	return arena_strdup(f->a, buf_str(&b));
}

static void make_version_1(struct fixture *f)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT(1 << 20);
	autofree char *path = path_of(f);
	struct err e;

	store_free(f->s);
	f->s = NULL;
	unlink(path);
	assert_ok(io_read_file(SCHEMA_1, 1 << 20, &text, &e));
	run(f, buf_str(&text));
}

static int setup(void **state)
{
	fixture_backend = "sqlite";
	if (fixture_setup(state) != 0)
		return -1;
	make_version_1(*state);
	return 0;
}

/* One job of two items: one is done, one was never planned. */
#define ROWS                                                                                          \
	"INSERT INTO job (no, tenant, id, state, run, seq, hidden, retrying, priority, weight, turn," \
	" keep_source, total, duplicates, fresh, waiting, running, succeeded, failed, canceled,"      \
	" cached, saved_downloads, saved_encodes, saved_paid, progress_ms, progress_hash, request,"   \
	" body_sha256, base_url, created_ms, expires_ms) VALUES (1, 1, 'old', 1, 1, 1, 0, 0, 1, 4,"   \
	" 0, 1, 2, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,"                                            \
	" '{\"variants\":[{\"name\":\"a\",\"width\":10}],\"cache\":\"default\"}', x'00',"             \
	" 'http://localhost', 1, 9999999999999);"                                                     \
	"INSERT INTO event VALUES (1, 1, 0, NULL, 1, '{\"c\":[0,1,2,0,0,0,0,0,0,0,0]}');"             \
	"INSERT INTO item (job, n, url, source_key, state, run, started, tries, made)"                \
	" VALUES (1, 1, 'https://a.test/1', x'11', 2, 1, 1, 1, 1);"                                   \
	"INSERT INTO item (job, n, url, source_key, state, run, started, tries, made)"                \
	" VALUES (1, 2, 'https://a.test/2', x'22', 0, 1, 0, 0, 0);"

static void a_folder_of_version_1_opens_and_goes_on(void **state)
{
	struct fixture *f = *state;
	struct made_job old = { .no = 1, .id = "old" };

	run(f, ROWS);
	fixture_reopen(f);
	assert_string_equal(ask_db(f, "SELECT version FROM meta"), "3\n");
	assert_int_equal(job(f, &old)->counts.succeeded, 1);
	assert_int_equal(job(f, &old)->counts.cutouts.failed, 0);
	assert_int_equal(item(f, &old, 1)->cut, CUT_OFF);
	work(f);
	assert_int_equal(job(f, &old)->state, JOB_SUCCEEDED);
	assert_int_equal(item(f, &old, 2)->variants_n, 1);
	struct made_job m = submit(f,
		"{'urls':['https://a.test/2'],'variants':[{'name':'a',"
		"'width':10}],'background':{'remove':true}}");
	work(f);
	assert_int_equal(job(f, &m)->counts.cutouts.succeeded, 1);
	assert_int_equal(f->encodes, 1);
	fixture_reopen(f); /* and once more */
	assert_int_equal(job(f, &old)->state, JOB_SUCCEEDED);
}

/* Names, types and defaults of all columns, and all indexes, in an order of no meaning. */
#define SHAPE                                                                                           \
	"SELECT m.name || '.' || c.name || ' ' || c.type || c.\"notnull\" || c.pk"                      \
	" FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"                     \
	" UNION ALL SELECT m.name || ' on ' || m.tbl_name || ' ' || coalesce(group_concat(c.name), '')" \
	" FROM sqlite_master m, pragma_index_info(m.name) c WHERE m.type = 'index' GROUP BY m.name"     \
	" ORDER BY 1"

static void a_step_leads_to_the_tables_of_a_new_store(void **state)
{
	struct fixture *f = *state;
	autofree char *path = path_of(f);

	fixture_reopen(f);
	const char *migrated = ask_db(f, SHAPE);
	store_free(f->s);
	f->s = NULL;
	unlink(path);
	fixture_reopen(f);
	assert_string_equal(migrated, ask_db(f, SHAPE));
	assert_non_null(strstr(migrated, "charge_live"));
}

static void a_step_that_fails_leaves_everything_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct err e;

	run(f, "CREATE TABLE usage (mine INTEGER)"); /* where ours is to be */
	assert_err(store_open(f->url, &f->opts, &f->s, &e), ERR_INTERNAL);
	f->s = NULL;
	assert_string_equal(ask_db(f, "SELECT version FROM meta"), "1\n");
	assert_string_equal(ask_db(f,
				    "SELECT count(*) FROM pragma_table_info('job')"
				    " WHERE name = 'max_cost'"),
		"0\n");
	run(f, "DROP TABLE usage");
	fixture_reopen(f);
	assert_string_equal(ask_db(f, "SELECT version FROM meta"), "3\n");
}

static void a_newer_folder_is_refused(void **state)
{
	struct fixture *f = *state;
	struct err e;

	run(f, "UPDATE meta SET version = 4");
	assert_err(store_open(f->url, &f->opts, &f->s, &e), ERR_STORE_NEWER);
	f->s = NULL;
	assert_string_equal(ask_db(f, "SELECT version FROM meta"), "4\n");
}

/* ---- what plain jobs pay for all this ---- */

static void plain_jobs_write_nothing_of_cut_outs(void **state)
{
	struct fixture *f = *state;

	fixture_reopen(f);
	run(f,
		"CREATE TABLE seen (n INTEGER); INSERT INTO seen VALUES (0);"
		"CREATE TRIGGER a AFTER UPDATE OF cut_state ON item BEGIN UPDATE seen SET n = n + 1; END;"
		"CREATE TRIGGER b AFTER UPDATE OF max_cost ON job BEGIN UPDATE seen SET n = n + 1; END;"
		"CREATE TRIGGER c AFTER INSERT ON charge BEGIN UPDATE seen SET n = n + 1; END;");
	submit(f,
		"{'urls':['https://a.test/1','https://a.test/fail'],'variants':[{'name':'a',"
		"'width':10}]}");
	work(f);
	assert_string_equal(ask_db(f, "SELECT n FROM seen"), "0\n");
	assert_string_equal(ask_db(f, "SELECT jobs || items || downloads || encodes FROM usage"),
		"1211\n");
	submit(f,
		"{'urls':['https://a.test/2'],'variants':[{'name':'a','width':10}],"
		"'background':{'remove':true}}");
	work(f);
	assert_string_not_equal(ask_db(f, "SELECT n FROM seen"), "0\n");
}

#define SCHEMA_TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		SCHEMA_TEST(a_folder_of_version_1_opens_and_goes_on),
		SCHEMA_TEST(a_step_leads_to_the_tables_of_a_new_store),
		SCHEMA_TEST(a_step_that_fails_leaves_everything_as_it_was),
		SCHEMA_TEST(a_newer_folder_is_refused),
		SCHEMA_TEST(plain_jobs_write_nothing_of_cut_outs),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
