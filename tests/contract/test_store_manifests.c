/* SPDX-License-Identifier: MIT
 *
 * When a job's manifest is due, and to whom it is lent; what is in it others know.
 */
#include "tests/contract/store_fixture.h"

#define LEASE_MS 60000

static int told; /* hints that something is due */

static void on_manifest(void *ctx)
{
	(void)ctx;
	told++;
}

static int setup(void **state)
{
	struct fixture *f;

	if (fixture_setup(state) != 0)
		return -1;
	f = *state;
	told = 0;
	f->opts.manifests = true;
	f->opts.on_manifest = on_manifest;
	fixture_reopen(f);
	return 0;
}

static struct manifest_due claim_manifest(struct fixture *f, bool deletions)
{
	struct manifest_due d;
	struct err e;

	assert_ok(store_manifest_claim(f->s, LEASE_MS, deletions, f->a, &d, &e));
	return d;
}

static void none_is_due(struct fixture *f)
{
	assert_string_equal(claim_manifest(f, false).key, "");
}

static void done(struct fixture *f, const struct manifest_due *d)
{
	struct err e;

	assert_ok(store_manifest_done(f->s, d, &e));
}

static bool still(struct fixture *f, const struct manifest_due *d)
{
	struct err e;
	bool ret;

	assert_ok(store_manifest_keep(f->s, d, LEASE_MS, &ret, &e));
	return ret;
}

static bool is_named(struct fixture *f, const char *key)
{
	struct err e;
	bool ret;

	assert_ok(store_blobs_named(f->s, &key, 1, &ret, &e));
	return ret;
}

static void it_is_due_when_the_job_has_ended_and_not_before(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit_n(f, "a.test", 2, "");

	plan(f);
	struct task t = claim_one(f), make = finish_fetch(f, &t);
	finish_make(f, &make);
	none_is_due(f);
	assert_int_equal(told, 0);
	work(f);
	assert_true(told > 0);
	struct manifest_due d = claim_manifest(f, false);
	assert_int_equal(d.job->no, m.no);
	assert_int_equal(d.job->state, JOB_SUCCEEDED);
	none_is_due(f); /* it is lent */
	assert_true(still(f, &d));
	done(f, &d);
	assert_false(still(f, &d));
	clock_add(2 * LEASE_MS);
	none_is_due(f);
	assert_true(is_named(f, d.key));
}

static void its_name_is_the_jobs_and_no_two_jobs_have_the_same(void **state)
{
	struct fixture *f = *state;
	struct made_job m;
	struct err e;
	char key[MANIFEST_KEY_MAX + 1], other[MANIFEST_KEY_MAX + 1];

	assert_ok(submit_as(f, "Spring_2026-a", NULL, "{\"urls\":[\"https://a.test/1\"]}", &m));
	work(f);
	assert_string_equal(claim_manifest(f, false).key, "jobs/1/_spring__2026-a/manifest.json");
	manifest_key(1, "a_B", key);
	manifest_key(1, "A_b", other);
	assert_string_not_equal(key, other);
	manifest_key(12, "a_B", other);
	assert_string_not_equal(key, other);
	char longest[JOB_ID_MAX + 1];
	memset(longest, '_', JOB_ID_MAX);
	longest[JOB_ID_MAX] = 0;
	manifest_key(INT64_MAX, longest, key);
	assert_string_equal(strrchr(key, '/'), "/manifest.json");
	assert_int_equal(strlen(key), 5 + 19 + 1 + 2 * JOB_ID_MAX + 14);
}

static void a_writer_that_vanished_is_followed_by_another(void **state)
{
	struct fixture *f = *state;

	submit_n(f, "a.test", 1, "");
	work(f);
	struct manifest_due lost = claim_manifest(f, false);
	clock_add(LEASE_MS - 1);
	none_is_due(f);
	clock_add(1);
	struct manifest_due d = claim_manifest(f, false);
	assert_string_equal(d.key, lost.key);
	done(f, &d);
	assert_false(still(f, &lost));
}

static void one_that_could_not_be_written_waits(void **state)
{
	struct fixture *f = *state;
	struct err e;

	submit_n(f, "a.test", 1, "");
	work(f);
	struct manifest_due d = claim_manifest(f, false);
	assert_ok(store_manifest_later(f->s, &d, 5000, &e));
	none_is_due(f);
	clock_add(5000);
	assert_string_equal(claim_manifest(f, false).key, d.key);
}

static void a_retry_takes_it_back_and_its_end_makes_it_due_again(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, "{'urls':['https://a.test/1','https://a.test/fail']}");

	work(f);
	struct manifest_due first = claim_manifest(f, false);
	assert_int_equal(retry(f, &m), 1);
	assert_false(still(f, &first)); /* it was being written */
	clock_add(2 * LEASE_MS);
	none_is_due(f);
	work(f);
	struct manifest_due second = claim_manifest(f, false);
	assert_int_equal(second.job->run, 2);
	done(f, &first); /* who did not look, and wrote the old one late */
	done(f, &second);
	struct manifest_due again = claim_manifest(f, false);
	assert_int_equal(again.job->run, 2);
	done(f, &again);
	none_is_due(f);
}

static void one_that_is_written_too_late_while_the_job_runs_again_waits_for_its_end(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit(f, "{'urls':['https://a.test/1','https://a.test/fail']}");

	work(f);
	struct manifest_due first = claim_manifest(f, false);
	retry(f, &m);
	done(f, &first);
	none_is_due(f);
	work(f);
	assert_int_equal(claim_manifest(f, false).job->run, 2);
}

static void it_goes_with_its_job(void **state)
{
	struct fixture *f = *state;
	struct made_job m = submit_n(f, "a.test", 1, "");

	work(f);
	struct manifest_due d = claim_manifest(f, false);
	done(f, &d);
	assert_string_equal(claim_manifest(f, true).key, "");
	del(f, &m, false);
	struct manifest_due gone = claim_manifest(f, true);
	assert_string_equal(gone.key, d.key);
	assert_null(gone.job);
	assert_true(is_named(f, d.key));
	done(f, &gone);
	assert_false(is_named(f, d.key));
	none_is_due(f);
	done(f, &d); /* and what a slow writer left goes, too */
	gone = claim_manifest(f, true);
	assert_string_equal(gone.key, d.key);
	done(f, &gone);
	assert_false(is_named(f, d.key));
}

static void it_goes_when_the_jobs_time_is_over(void **state)
{
	struct fixture *f = *state;

	submit_n(f, "a.test", 1, "");
	work(f);
	struct manifest_due d = claim_manifest(f, false);
	done(f, &d);
	clock_add(f->opts.keep_ms + 1);
	tick(f);
	assert_string_equal(claim_manifest(f, true).key, d.key);
}

static void a_name_that_is_used_again_has_the_new_jobs_manifest(void **state)
{
	struct fixture *f = *state;
	const char *body = "{\"urls\":[\"https://a.test/1\"]}";
	struct made_job a, b;
	struct err e;

	assert_ok(submit_as(f, "mine", NULL, body, &a));
	work(f);
	struct manifest_due first = claim_manifest(f, false);
	done(f, &first);
	del(f, &a, false);
	struct manifest_due gone = claim_manifest(f, true);
	assert_ok(submit_as(f, "mine", NULL, "{\"urls\":[\"https://a.test/2\"]}", &b));
	work(f);
	assert_false(
		still(f, &gone)); /* the new one has ended: nothing is to be deleted any more */
	none_is_due(f);           /* but whoever deletes may be at it */
	done(f, &gone);
	struct manifest_due second = claim_manifest(f, false);
	assert_int_equal(second.job->no, b.no);
	done(f, &second);
	tick(f);
	none_is_due(f);
	assert_true(is_named(f, second.key));
}

static void none_is_due_where_none_is_wanted(void **state)
{
	struct fixture *f = *state;

	f->opts.manifests = false;
	fixture_reopen(f);
	struct made_job m = submit_n(f, "a.test", 1, "");
	work(f);
	none_is_due(f);
	retry(f, &m);
	del(f, &m, false);
	none_is_due(f);
}

#define MANIFEST_TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

STORE_TEST_MAIN(MANIFEST_TEST(it_is_due_when_the_job_has_ended_and_not_before),
	MANIFEST_TEST(its_name_is_the_jobs_and_no_two_jobs_have_the_same),
	MANIFEST_TEST(a_writer_that_vanished_is_followed_by_another),
	MANIFEST_TEST(one_that_could_not_be_written_waits),
	MANIFEST_TEST(a_retry_takes_it_back_and_its_end_makes_it_due_again),
	MANIFEST_TEST(one_that_is_written_too_late_while_the_job_runs_again_waits_for_its_end),
	MANIFEST_TEST(it_goes_with_its_job), MANIFEST_TEST(it_goes_when_the_jobs_time_is_over),
	MANIFEST_TEST(a_name_that_is_used_again_has_the_new_jobs_manifest),
	MANIFEST_TEST(none_is_due_where_none_is_wanted))
