/* SPDX-License-Identifier: MIT
 *
 * Accepting jobs, recognising repeated ones, and listing them.
 */
#include "tests/contract/store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#define ONE "{\"urls\":[\"https://a.test/1.jpg\"]}"
#define TWO "{\"urls\":[\"https://a.test/2.jpg\"]}"

static void one_key_and_one_body_make_one_job(void **state)
{
	struct fixture *f = *state;
	struct made_job a, b;
	struct err e = { 0 };

	assert_ok(submit_as(f, NULL, "k1", ONE, &a));
	assert_ok(submit_as(f, NULL, "k1", ONE, &b));
	assert_int_equal(a.result, SUBMIT_CREATED);
	assert_int_equal(b.result, SUBMIT_SAME);
	assert_int_equal(a.no, b.no);
	assert_string_equal(a.id, b.id);
	assert_err(submit_as(f, NULL, "k1", TWO, &b), ERR_REQUEST_IDEMPOTENCY);
}

static void a_key_is_remembered_for_its_time_only(void **state)
{
	struct fixture *f = *state;
	struct made_job a, b;
	struct err e = { 0 };

	assert_ok(submit_as(f, NULL, "k1", ONE, &a));
	clock_add(f->opts.idempotency_ms - 1);
	assert_ok(submit_as(f, NULL, "k1", ONE, &b));
	assert_int_equal(b.result, SUBMIT_SAME);
	clock_add(1);
	assert_ok(submit_as(f, NULL, "k1", TWO, &b));
	assert_int_equal(b.result, SUBMIT_CREATED);
	assert_int_not_equal(a.no, b.no);
	clock_add(f->opts.idempotency_ms);
	tick(f);
	assert_ok(submit_as(f, NULL, "k1", ONE, &b));
	assert_int_equal(b.result, SUBMIT_CREATED);
}

static void an_own_id_belongs_to_one_body(void **state)
{
	struct fixture *f = *state;
	struct made_job a, b;
	struct err e = { 0 };

	assert_ok(submit_as(f, "mine", NULL, ONE, &a));
	assert_string_equal(a.id, "mine");
	assert_ok(submit_as(f, "mine", NULL, ONE, &b));
	assert_int_equal(b.result, SUBMIT_SAME);
	assert_int_equal(a.no, b.no);
	assert_err(submit_as(f, "mine", NULL, TWO, &b), ERR_JOB_EXISTS);
}

/* Whoever only asks whether a request was made before makes none. */
static void a_request_that_must_be_known_makes_no_job(void **state)
{
	struct fixture *f = *state;
	struct request r = { .arena = f->a };
	struct submit in = { .tenant = 1,
		.idempotency_key = "k1",
		.request = &r,
		.base_url = "",
		.known_only = true };
	struct made_job a;
	struct err e = { 0 };

	sha256_of("body", 4, in.body_sha256);
	assert_err(store_submit(f->s, &in, &a.result, a.id, &a.no, &e), ERR_NOT_FOUND);
	in.known_only = false;
	assert_ok(store_submit(f->s, &in, &a.result, a.id, &a.no, &e));
	in.known_only = true;
	assert_ok(store_submit(f->s, &in, &a.result, a.id, &a.no, &e));
	assert_int_equal(a.result, SUBMIT_SAME);
	in.idempotency_key = "k2";
	assert_err(store_submit(f->s, &in, &a.result, a.id, &a.no, &e), ERR_NOT_FOUND);
}

/* What another job needs to be made of the same items. */
static void items_tell_their_identity_and_their_sealed_headers(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f,
		"{'urls':[{'url':'https://a.test/1','headers':{'x-a':'b'}},"
		"{'url':'https://a.test/2','cache_key':'k'}]}");
	struct made_job b = submit(f, "{'urls':[{'url':'https://a.test/other','cache_key':'k'}]}");

	assert_non_null(item(f, &a, 1)->headers);
	assert_null(strstr(item(f, &a, 1)->headers, "x-a"));
	assert_null(item(f, &a, 2)->headers);
	assert_memory_equal(item(f, &a, 2)->source_key, item(f, &b, 1)->source_key, SHA256_LEN);
	assert_memory_not_equal(item(f, &a, 1)->source_key, item(f, &b, 1)->source_key, SHA256_LEN);
}

static void a_full_queue_takes_nothing_more(void **state)
{
	struct fixture *f = *state;
	struct request_item items[3] = {
		{ .url = "https://a.test/1" },
		{ .url = "https://a.test/2" },
		{ .url = "https://a.test/3" },
	};
	struct request q = { .items = items, .items_n = 2, .priority = PRIORITY_NORMAL };
	struct submit in = { .tenant = 1, .request = &q, .base_url = "", .max_open_items = 4 };
	enum submit_result result;
	char id[JOB_ID_MAX + 1];
	int64_t no;
	struct err e;

	assert_ok(store_submit(f->s, &in, &result, id, &no, &e));
	q.items_n = 3;
	assert_err(store_submit(f->s, &in, &result, id, &no, &e), ERR_QUEUE_FULL);
	q.items_n = 2;
	assert_ok(store_submit(f->s, &in, &result, id, &no, &e));
}

static void duplicates_are_counted(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f,
		"{'urls':['https://a.test/1','HTTPS://A.test:443/1',"
		"{'url':'https://a.test/1','ref':'x'},'https://a.test/2']}");

	assert_int_equal(job(f, &a)->counts.total, 2);
	assert_int_equal(job(f, &a)->counts.duplicates, 2);
	assert_string_equal(item(f, &a, 1)->url, "https://a.test/1");
	assert_string_equal(item(f, &a, 1)->refs[0], "x");
	assert_string_equal(item(f, &a, 2)->url, "https://a.test/2");
}

static void jobs_are_listed_newest_first_by_page_state_and_tag(void **state)
{
	struct fixture *f = *state;
	struct job_query q = { .tenant = 1, .state = -1, .max = 2 };
	struct made_job a = submit(f, ONE),
			b = submit(f, "{'urls':['https://a.test/2'],'tag':'t'}"),
			c = submit(f, "{'urls':['https://a.test/3'],'metadata':{'k':1}}");
	struct job_row *rows;
	struct err e;
	size_t n;

	assert_ok(store_jobs(f->s, &q, f->a, &rows, &n, &e));
	assert_int_equal(n, 2);
	assert_string_equal(rows[0].id, c.id);
	assert_string_equal(rows[0].metadata, "{\"k\":1}");
	assert_string_equal(rows[1].id, b.id);
	q.before_no = rows[1].no;
	assert_ok(store_jobs(f->s, &q, f->a, &rows, &n, &e));
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].id, a.id);
	q = (struct job_query){ .tenant = 1, .state = -1, .tag = "t", .max = 9 };
	assert_ok(store_jobs(f->s, &q, f->a, &rows, &n, &e));
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].tag, "t");
	work(f);
	q = (struct job_query){ .tenant = 1, .state = JOB_QUEUED, .max = 9 };
	assert_ok(store_jobs(f->s, &q, f->a, &rows, &n, &e));
	assert_int_equal(n, 0);
	q.tenant = 2;
	q.state = -1;
	assert_ok(store_jobs(f->s, &q, f->a, &rows, &n, &e));
	assert_int_equal(n, 0);
}

static void another_tenant_sees_no_job(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, ONE);
	struct job_row *j;
	struct err e;

	assert_ok(store_job_find(f->s, 2, a.id, f->a, &j, &e));
	assert_null(j);
	assert_err(store_cancel(f->s, 2, a.id, ERR_CANCELED, &e), ERR_NOT_FOUND);
	assert_err(store_delete(f->s, 2, a.id, false, &e), ERR_NOT_FOUND);
}

static void items_are_found_by_status_ref_and_url(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f,
		"{'urls':['https://a.test/1',"
		"{'url':'https://a.test/fail','ref':'r'},'https://a.test/3']}");
	struct item_query q = { .job_no = a.no, .max = 10, .status = "queued" };
	struct item_row *rows;
	struct err e;
	size_t n;

	assert_ok(store_items(f->s, &q, f->a, &rows, &n, &e));
	assert_int_equal(n, 3);
	plan(f);
	(void)claim_one(f);
	q.status = "downloading";
	assert_ok(store_items(f->s, &q, f->a, &rows, &n, &e));
	assert_int_equal(n, 1);
	work(f);
	q.status = "failed";
	assert_ok(store_items(f->s, &q, f->a, &rows, &n, &e));
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].n, 2);
	q = (struct item_query){ .job_no = a.no, .max = 10, .ref = "r" };
	assert_ok(store_items(f->s, &q, f->a, &rows, &n, &e));
	assert_int_equal(n, 1);
	q = (struct item_query){ .job_no = a.no,
		.max = 10,
		.url = "https://a.test/3",
		.after_n = 1 };
	assert_ok(store_items(f->s, &q, f->a, &rows, &n, &e));
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].n, 3);
}

static void the_queue_is_counted_by_priority(void **state)
{
	struct fixture *f = *state;
	struct queue_stats q;
	struct err e;

	clock_set(5000);
	submit(f, "{'urls':['https://a.test/1','https://a.test/2'],'priority':'bulk'}");
	clock_set(9000);
	submit(f, "{'urls':['https://a.test/3'],'priority':'interactive'}");
	submit(f, "{'urls':['https://a.test/4'],'priority':'bulk'}");
	assert_ok(store_queue(f->s, &q, &e));
	assert_int_equal(q.items[PRIORITY_BULK], 3);
	assert_int_equal(q.items[PRIORITY_INTERACTIVE], 1);
	assert_int_equal(q.items[PRIORITY_NORMAL], 0);
	assert_int_equal(q.oldest_ms[PRIORITY_BULK], 5000);
	assert_int_equal(q.oldest_ms[PRIORITY_NORMAL], 0);
	work(f);
	assert_ok(store_queue(f->s, &q, &e));
	assert_int_equal(q.items[PRIORITY_BULK], 0);
}

static void a_page_of_events_is_bounded_and_knows_the_end(void **state)
{
	struct fixture *f = *state;
	struct made_job a = submit(f, "{'urls':['https://a.test/1','https://a.test/2']}");
	struct event_row *rows;
	int64_t last;
	bool ended;
	size_t n;
	struct err e;

	assert_ok(store_events(f->s, a.no, 0, 10, 1000, f->a, &rows, &n, &last, &ended, &e));
	assert_int_equal(n, 1);
	assert_false(ended);
	work(f);
	assert_ok(store_events(f->s, a.no, 2, 2, 1 << 20, f->a, &rows, &n, &last, &ended, &e));
	assert_int_equal(n, 2);
	assert_int_equal(rows[0].seq, 3);
	assert_int_equal(last, 7);
	assert_true(ended);
	assert_ok(store_events(f->s, a.no, 0, 100, 1, f->a, &rows, &n, &last, &ended, &e));
	assert_int_equal(n, 1);
	assert_ok(store_events(f->s, a.no, 7, 100, 1000, f->a, &rows, &n, &last, &ended, &e));
	assert_int_equal(n, 0);
	assert_int_equal(last, 7);
	assert_err(store_events(f->s, a.no + 1, 0, 9, 9, f->a, &rows, &n, &last, &ended, &e),
		ERR_NOT_FOUND);
	int64_t nos[] = { a.no + 1, a.no }, seqs[2];
	assert_ok(store_seqs(f->s, nos, 2, seqs, &e));
	assert_int_equal(seqs[0], -1);
	assert_int_equal(seqs[1], 7);
}

static void every_commit_tells_who_may_care(void **state)
{
	struct fixture *f = *state;

	submit(f, ONE);
	assert_int_equal(f->news, 1);
	assert_true(f->works > 0);
	work(f);
	assert_true(f->news > 2);
}

/* ---- a large job, built in slices ---- */

struct ticker {
	struct fixture *f;
	pthread_t thread;
	atomic_bool stop;
};

/* Ten minutes pass between any two commits. */
static void *tick_and_leap(void *ctx)
{
	struct ticker *k = ctx;
	struct err e;

	for (int i = 0; !atomic_load(&k->stop); i++) {
		int64_t next;
		(void)!store_tick(k->f->s, &next, &e);
		if (i < 1000)
			clock_add(11 * 60 * 1000);
	}
	return NULL;
}

static char *body_of(size_t urls)
{
	struct buf b = BUF_INIT(1 << 20);

	buf_puts(&b, "{\"urls\":[");
	for (size_t i = 0; i < urls; i++)
		buf_printf(&b, "%s\"https://a.test/%zu\"", i ? "," : "", i);
	buf_puts(&b, "]}");
	char *text = mem_strdup(buf_str(&b));
	buf_done(&b);
	return text;
}

static void a_job_that_takes_too_long_to_take_in_is_there_whole_or_not_at_all(void **state)
{
	struct fixture *f = *state;
	struct ticker k = { .f = f };
	struct made_job a;
	autofree char *body = body_of(10000);

	assert_int_equal(pthread_create(&k.thread, NULL, tick_and_leap, &k), 0);
	enum err_code code = submit_as(f, NULL, NULL, body, &a);
	atomic_store(&k.stop, true);
	pthread_join(k.thread, NULL);
	if (code == OK) {
		assert_int_equal(job(f, &a)->counts.queued, 10000);
		assert_string_equal(item(f, &a, 10000)->url, "https://a.test/9999");
	} else {
		assert_int_equal(code, ERR_OVERLOADED);
	}
}

static void a_store_can_be_pinged(void **state)
{
	struct fixture *f = *state;
	struct err e;

	assert_ok(store_ping(f->s, &e));
}

STORE_TEST_MAIN(TEST(one_key_and_one_body_make_one_job),
	TEST(a_key_is_remembered_for_its_time_only), TEST(an_own_id_belongs_to_one_body),
	TEST(a_request_that_must_be_known_makes_no_job),
	TEST(items_tell_their_identity_and_their_sealed_headers),
	TEST(a_full_queue_takes_nothing_more), TEST(duplicates_are_counted),
	TEST(jobs_are_listed_newest_first_by_page_state_and_tag), TEST(another_tenant_sees_no_job),
	TEST(items_are_found_by_status_ref_and_url), TEST(the_queue_is_counted_by_priority),
	TEST(a_page_of_events_is_bounded_and_knows_the_end), TEST(every_commit_tells_who_may_care),
	TEST(a_job_that_takes_too_long_to_take_in_is_there_whole_or_not_at_all),
	TEST(a_store_can_be_pinged))
