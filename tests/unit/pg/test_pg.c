/* SPDX-License-Identifier: MIT */
#include "tests/lib/test.h"

#include "base/mem.h"
#include "pg/pg.h"

#include <stdlib.h>

static struct pg *open_one(void)
{
	struct pg *c = NULL;
	struct err e;

	assert_non_null(getenv("TEST_POSTGRES"));
	assert_ok(pg_open(getenv("TEST_POSTGRES"), &c, &e));
	return c;
}

static int64_t number(struct pg *c, const char *text)
{
	struct pg_stmt st = { .text = text };
	struct pg_rows *r = NULL;
	struct err e;

	assert_ok(pg_ask(c, &st, NULL, 0, &r, &e));
	int64_t n = pg_int(r, 0, 0);
	pg_rows_free(r);
	return n;
}

static void run(struct pg *c, const char *text)
{
	struct err e;

	assert_ok(pg_script(c, text, &e));
}

static void post(struct pg *c, const char *text, int64_t must_change)
{
	struct pg_stmt st = { .text = text };
	struct err e;

	assert_ok(pg_post(c, &st, NULL, 0, must_change, &e));
}

static void values_come_back_as_they_went(void **state)
{
	static const unsigned char bytes[] = { 0, 1, 0xff, '\\', '\'' };
	struct pg *c = open_one();
	struct pg_stmt st;
	struct pg_rows *r;
	struct err e;

	(void)state;
	pg_stmt_init(&st, "SELECT $1::bigint, $2::text, $3::bytea, $4::bigint");
	for (int64_t i = INT64_MIN; i < INT64_MAX - (INT64_MAX >> 3); i += INT64_MAX >> 4) {
		size_t n = 0;
		struct pg_value v[] = {
			{ .type = PG_INT, .i = i },
			{ .type = PG_TEXT, .p = "na\xc3\xafve'", .n = 7 },
			{ .type = PG_BYTES, .p = bytes, .n = sizeof bytes },
			{ .type = PG_NULL },
		};
		assert_ok(pg_ask(c, &st, v, 4, &r, &e));
		assert_int_equal(pg_rows_n(r), 1);
		assert_true(pg_int(r, 0, 0) == i);
		assert_string_equal(pg_text(r, 0, 1), "na\xc3\xafve'");
		assert_memory_equal(pg_bytes(r, 0, 2, &n), bytes, sizeof bytes);
		assert_int_equal(n, sizeof bytes);
		assert_true(pg_is_null(r, 0, 3));
		assert_null(pg_text(r, 0, 3));
		pg_rows_free(r);
	}
	pg_free(c);
}

static void any_whole_number_is_read(void **state)
{
	struct pg *c = open_one();

	(void)state;
	assert_int_equal(number(c, "SELECT 7::smallint"), 7);
	assert_int_equal(number(c, "SELECT -7::integer"), -7);
	assert_int_equal(number(c, "SELECT true"), 1);
	assert_int_equal(number(c, "SELECT NULL::bigint"), 0);
	assert_int_equal(number(c, "SELECT 0::numeric"), 0);
	assert_int_equal(number(c, "SELECT 10000::numeric"), 10000);
	assert_int_equal(number(c, "SELECT -123456789::numeric"), -123456789);
	assert_true(number(c,
			    "SELECT sum(n) FROM (VALUES (4611686018427387903::bigint),"
			    " (4611686018427387903)) v (n)") == INT64_MAX - 1);
	pg_free(c);
}

static void posted_statements_run_in_order_and_fail_later(void **state)
{
	struct pg *c = open_one();
	struct err e;

	(void)state;
	run(c, "CREATE TEMP TABLE t (n bigint PRIMARY KEY)");
	for (int i = 0; i < 1000; i++)
		post(c, "INSERT INTO t SELECT coalesce(max(n), 0) + 1 FROM t", 1);
	assert_int_equal(number(c, "SELECT max(n) FROM t"), 1000);
	assert_int_equal(pg_changes(c), 1000);
	post(c, "BEGIN", -1);
	post(c, "INSERT INTO t VALUES (5)", -1);
	post(c, "INSERT INTO t VALUES (2000)", -1);
	assert_err(pg_wait(c, &e), ERR_STORE_UNAVAILABLE);
	assert_int_equal(pg_fault(c), PG_UNIQUE);
	assert_true(pg_in_transaction(c));
	run(c, "ROLLBACK");
	assert_int_equal(number(c, "SELECT count(*) FROM t"), 1000);
	pg_free(c);
}

static void what_must_change_a_row_and_does_not_is_told(void **state)
{
	struct pg *c = open_one();
	struct err e;

	(void)state;
	run(c, "CREATE TEMP TABLE t (n bigint)");
	post(c, "UPDATE t SET n = 1", 1);
	assert_err(pg_wait(c, &e), ERR_STORE_UNAVAILABLE);
	assert_int_equal(pg_fault(c), PG_SURPRISE);
	assert_int_equal(number(c, "SELECT 1"), 1);
	pg_free(c);
}

static enum pg_fault fault_of(struct pg *c, const char *state)
{
	autofree char *text =
		mem_printf("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '%s'; END $$", state);
	struct err e;

	assert_int_not_equal(pg_script(c, text, &e), OK);
	assert_non_null(strstr(e.text, state));
	return pg_fault(c);
}

static void faults_are_told_apart(void **state)
{
	struct pg *c = open_one();

	(void)state;
	assert_int_equal(fault_of(c, "40001"), PG_SERIAL);
	assert_int_equal(fault_of(c, "40P01"), PG_DEADLOCK);
	assert_int_equal(fault_of(c, "23505"), PG_UNIQUE);
	assert_int_equal(fault_of(c, "26000"), PG_UNPREPARED);
	assert_int_equal(fault_of(c, "23514"), PG_OTHER);
	assert_int_equal(fault_of(c, "53100"), PG_OTHER);
	assert_int_equal(number(c, "SELECT 1"), 1);
	pg_free(c);
}

static void a_lost_connection_stays_lost(void **state)
{
	struct pg *c = open_one(), *other = open_one();
	struct pg_stmt st = { .text = "SELECT 1" };
	struct pg_rows *r;
	struct err e;

	(void)state;
	autofree char *text = mem_printf("SELECT pg_terminate_backend(%lld)",
		(long long)number(c, "SELECT pg_backend_pid()"));
	run(other, text);
	assert_err(pg_ask(c, &st, NULL, 0, &r, &e), ERR_STORE_UNAVAILABLE);
	assert_int_equal(pg_fault(c), PG_LOST);
	assert_err(pg_post(c, &st, NULL, 0, -1, &e), ERR_STORE_UNAVAILABLE);
	assert_err(pg_wait(c, &e), ERR_STORE_UNAVAILABLE);
	assert_int_equal(pg_fault(c), PG_LOST);
	pg_free(c);
	pg_free(other);
}

static void a_statement_that_a_pooler_forgot_is_told(void **state)
{
	struct pg *c = open_one();
	struct pg_stmt st;
	struct pg_rows *r = NULL;
	struct err e;

	(void)state;
	pg_stmt_init(&st, "SELECT 5");
	assert_ok(pg_ask(c, &st, NULL, 0, &r, &e));
	pg_rows_free(r);
	run(c, "DEALLOCATE ALL");
	assert_err(pg_ask(c, &st, NULL, 0, &r, &e), ERR_STORE_UNAVAILABLE);
	assert_int_equal(pg_fault(c), PG_UNPREPARED);
	pg_free(c);
}

static void no_error_repeats_a_password(void **state)
{
	static const char *const urls[] = {
		"postgres://bulb:opensesame@127.0.0.1:notaport/db",
		"postgres://bulb:opensesame@127.0.0.1:1/db?nonsense=1",
		"postgres://bulb:opensesame@127.0.0.1:1/db",
		"postgres://bulb:opensesame@[::1/db",
	};
	struct pg *c = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		struct err e = { 0 };
		assert_int_not_equal(pg_open(urls[i], &c, &e), OK);
		assert_null(strstr(e.text, "opensesame"));
	}
}

static void note(void *ctx, const char *channel, const char *payload)
{
	snprintf(ctx, 64, "%s:%s", channel, payload);
}

static void a_notification_is_heard(void **state)
{
	struct pg *c = open_one(), *other = open_one();
	char heard[64] = "";
	struct err e;

	(void)state;
	assert_ok(pg_listen(c, "a \"channel\"", &e));
	assert_ok(pg_notify(other, "a \"channel\"", "17 4", &e));
	for (int i = 0; i < 100 && !heard[0]; i++)
		assert_ok(pg_hear(c, 1000, -1, note, heard, &e));
	assert_string_equal(heard, "a \"channel\":17 4");
	pg_free(c);
	pg_free(other);
}

static void the_server_looks_whether_we_are_there(void **state)
{
	struct pg *c = NULL;
	struct err e;

	(void)state;
	assert_ok(pg_open(getenv("TEST_POSTGRES_TCP"), &c, &e));
	assert_int_equal(number(c, "SELECT current_setting('tcp_keepalives_idle')::bigint"), 60);
	assert_int_equal(number(c, "SELECT current_setting('tcp_keepalives_count')::bigint"), 3);
	pg_free(c);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(values_come_back_as_they_went),
	cmocka_unit_test(any_whole_number_is_read),
	cmocka_unit_test(posted_statements_run_in_order_and_fail_later),
	cmocka_unit_test(what_must_change_a_row_and_does_not_is_told),
	cmocka_unit_test(faults_are_told_apart),
	cmocka_unit_test(a_lost_connection_stays_lost),
	cmocka_unit_test(a_statement_that_a_pooler_forgot_is_told),
	cmocka_unit_test(no_error_repeats_a_password),
	cmocka_unit_test(a_notification_is_heard),
	cmocka_unit_test(the_server_looks_whether_we_are_there),
};
TEST_MAIN(tests)
