/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <unistd.h>

static void what_may_pass_is_tried_again(void **state)
{
	(void)state;
	atomic_store(&fake_sources.failures, 2);
	const struct fake_task *f = do_fetch_and_make("http://h.example/503");
	assert_int_equal(f->state, TASK_DONE);
	assert_int_equal(f->laters, 2);
	assert_int_equal(f->t.tries, 2);
	assert_int_equal(atomic_load(&fake_sources.asked), 3);
}

static void it_fails_at_the_last_try(void **state)
{
	(void)state;
	atomic_store(&fake_sources.failures, -1);
	const struct fake_task *f = do_fetch("http://h.example/503");
	assert_int_equal(f->state, TASK_FAILED);
	assert_int_equal(f->finishes, 1);
	assert_int_equal(atomic_load(&fake_sources.asked), 4);
	assert_int_equal(f->why.code, ERR_FETCH_STATUS);
	assert_int_equal(f->why.source_status, 503);
	assert_string_equal(f->why.stage, "download");
	assert_string_equal(f->why.final_url, "https://cdn.example/final");
	assert_string_equal(f->why.detail, "the source answered 503");
	assert_false(f->has_found);
}

static void what_will_not_pass_fails_at_once(void **state)
{
	(void)state;
	const struct fake_task *f = do_fetch("http://h.example/404");
	assert_int_equal(f->state, TASK_FAILED);
	assert_int_equal(f->why.source_status, 404);
	assert_int_equal(atomic_load(&fake_sources.asked), 1);
	assert_int_equal(f->laters, 0);
	assert_int_equal(atomic_load(&fake_sources.hosts), 0);
}

static void retry_after_is_honoured(void **state)
{
	(void)state;
	atomic_store(&fake_sources.failures, -1);
	atomic_store(&fake_sources.retry_after_ms, 7000);
	size_t i = fake_add_fetch("http://h.example/503", NULL, NULL);
	struct worker *w = fake_worker(blob, 1);
	fake_await(fake_feed.tasks[i].laters == 1);
	assert_true(fake_feed.tasks[i].waited_ms > 6000);
	assert_true(fake_feed.tasks[i].waited_ms <= 7000);
	worker_free(w);
}

static void a_source_that_cannot_be_decoded_is_kept_and_named(void **state)
{
	(void)state;
	const struct fake_task *f = do_fetch_and_make("http://h.example/corrupt"), *m = f + 1;
	assert_int_equal(f->state, TASK_DONE);
	assert_int_equal(m->state, TASK_FAILED);
	assert_int_equal(m->why.code, ERR_DECODE_CORRUPT);
	assert_string_equal(m->why.stage, "process");
	assert_true(m->has_found);
	assert_string_equal(m->found.key, f->fetched.original.key);
	assert_int_equal(m->found.format, FORMAT_JPEG);
	assert_int_equal(m->found.width, 40);
	assert_blob(m->found.key, "http://h.example/corrupt");
	assert_int_equal(fake_feed.trashed_n, 0);
}

static void a_crash_is_told_as_one_and_the_feed_counts_to_three(void **state)
{
	(void)state;
	struct original o = stored_original("crash");
	size_t i = fake_add_make(&o);
	struct worker *w = fake_worker_with(blob, 1, 0, 1); /* tries do not count crashes */
	const struct fake_task *m = ended(i);
	worker_free(w);
	assert_int_equal(m->state, TASK_FAILED);
	assert_int_equal(m->t.crashes, 3);
	assert_int_equal(atomic_load(&fake_pictures.processed), 3);
	assert_int_equal(m->why.code, ERR_DECODE_CRASHED);
}

static void trouble_with_the_darkroom_passes(void **state)
{
	(void)state;
	atomic_store(&fake_pictures.troubles, 1);
	const struct fake_task *m = do_make("trouble");
	assert_int_equal(m->state, TASK_DONE);
	assert_int_equal(m->laters, 1);
	assert_int_equal(m->why.code, ERR_DARKROOM);
}

static void blobs_that_could_not_be_made_durable_are_dropped_and_written_again(void **state)
{
	(void)state;
	atomic_store(&fake_blobs.bad_syncs, 1);
	const struct fake_task *m = do_make("picture");
	assert_int_equal(m->state, TASK_DONE);
	assert_int_equal(m->why.code, ERR_BLOB_IO);
	assert_string_equal(m->why.stage, "store");
	assert_int_equal(fake_feed.trashed_n, 2);
	for (size_t p = 0; p < 2; p++) {
		assert_string_not_equal(m->products[p].key, fake_feed.trashed[0]);
		assert_string_not_equal(m->products[p].key, fake_feed.trashed[1]);
	}
}

static void a_blob_that_cannot_be_written_ends_the_attempt(void **state)
{
	(void)state;
	atomic_store(&fake_blobs.bad_puts, 1);
	const struct fake_task *f = do_fetch_and_make("http://h.example/a");
	assert_int_equal(f->state, TASK_DONE);
	assert_int_equal(f->laters, 1);
	assert_int_equal(atomic_load(&fake_sources.asked), 2);
}

static void where_blobs_are_waited_for_a_full_disk_costs_no_try(void **state)
{
	(void)state;
	atomic_store(&fake_blobs.bad_puts, 3);
	atomic_store(&fake_blobs.bad_syncs, 1);
	size_t i = fake_add_fetch("http://h.example/a", NULL, NULL);
	struct worker *w = fake_worker_waiting(blob, 1);
	const struct fake_task *f = ended(i), *m = ended(i + 1);
	worker_free(w);
	assert_int_equal(f->state, TASK_DONE);
	assert_int_equal(m->state, TASK_DONE);
	assert_int_equal(f->laters + m->laters, 0);
	assert_int_equal(atomic_load(&fake_sources.asked), 1);
	assert_int_equal(fake_feed.trashed_n, 0);
	assert_int_equal(atomic_load(&fake_blobs.removed), 4); /* nothing half-stored stays */
	assert_blob(f->fetched.original.key, "http://h.example/a");
}

static void a_worker_that_ends_does_not_wait_for_blobs(void **state)
{
	(void)state;
	atomic_store(&fake_blobs.bad_puts, 1000000);
	size_t i = fake_add_fetch("http://h.example/a", NULL, NULL);
	struct worker *w = fake_worker_waiting(blob, 1);
	while (atomic_load(&fake_blobs.puts) == 0)
		usleep(1000);
	worker_free(w);
	assert_int_equal(fake_feed.tasks[i].untouched, 1);
	assert_int_equal(fake_feed.tasks[i].t.tries, 0);
}

static void an_original_that_is_gone_fails_the_make(void **state)
{
	(void)state;
	struct original gone = { .bytes = 5 }, dropped = { .bytes = 5 };
	blob_key_new("jpg", gone.key);
	size_t i = fake_add_make(&gone), j = fake_add_make(&dropped);
	struct worker *w = fake_worker(blob, 1);
	assert_int_equal(ended(i)->why.code, ERR_BLOB_NOT_FOUND);
	assert_int_equal(ended(j)->why.code, ERR_BLOB_NOT_FOUND);
	worker_free(w);
}

static void headers_sealed_under_another_key_are_never_sent(void **state)
{
	(void)state;
	size_t i = fake_add_fetch("http://h.example/a", "AAAA", NULL);
	struct worker *w = fake_worker_with(blob, 1, 0, 1);
	assert_int_equal(ended(i)->why.code, ERR_INTERNAL);
	worker_free(w);
	assert_int_equal(atomic_load(&fake_sources.asked), 0);
}

/* ---- the store ---- */

static void a_store_that_takes_no_writes_is_told_again_and_nothing_is_done_twice(void **state)
{
	(void)state;
	fake_feed.unavailable = 3;
	const struct fake_task *f = do_fetch_and_make("http://h.example/a"), *m = f + 1;
	assert_int_equal(f->state, TASK_DONE);
	assert_int_equal(f->laters, 0);
	assert_int_equal(m->state, TASK_DONE);
	assert_int_equal(fake_feed.said, 5); /* three in vain, fetch, make */
	assert_int_equal(atomic_load(&fake_sources.asked), 1);
	assert_int_equal(atomic_load(&fake_pictures.processed), 1);
	assert_blob(f->fetched.original.key, "http://h.example/a");
	assert_int_equal(fake_feed.trashed_n, 0);
}

static void a_failure_is_told_again_too(void **state)
{
	(void)state;
	fake_feed.unavailable = 2;
	const struct fake_task *f = do_fetch("http://h.example/404");
	assert_int_equal(f->state, TASK_FAILED);
	assert_int_equal(f->finishes, 1);
	assert_int_equal(fake_feed.said, 3);
}

static void blobs_are_not_dropped_when_an_unanswered_finish_may_have_been_done(void **state)
{
	(void)state;
	fake_feed.unavailable = 1;
	fake_feed.unavailable_but_done = true;
	struct original o = stored_original("picture");
	fake_add_make(&o);
	struct worker *w = fake_worker(blob, 1);
	fake_await(fake_feed.said > 0); /* the next call, or a beat, is answered: stale */
	worker_stop(w, 5000);
	worker_free(w);
	assert_int_equal(fake_feed.trashed_n, 0);
}

static void a_stale_lease_drops_what_was_written(void **state)
{
	(void)state;
	fake_feed.stale_at_finish = true;
	struct original o = stored_original("picture");
	size_t i = fake_add_make(&o);
	struct worker *w = fake_worker(blob, 1);
	fake_await(fake_feed.trashed_n == 2);
	worker_stop(w, 5000);
	worker_free(w);
	assert_int_equal(fake_feed.said, 1); /* and nothing else */
	assert_int_equal(fake_feed.tasks[i].laters, 0);
	for (size_t k = 0; k < 2; k++) {
		autofree char *written = fake_blob_text(blob, fake_feed.trashed[k]);
		assert_non_null(written);
	}
}

static void a_stale_answer_to_a_beat_stops_the_work_without_a_word(void **state)
{
	(void)state;
	fake_feed.stale_at_keep = true;
	size_t i = fake_add_fetch("http://h.example/slow", NULL, NULL);
	struct worker *w = fake_worker(blob, 1);
	fake_await(fake_feed.keeps > 0);
	worker_stop(w, 5000);
	worker_free(w);
	assert_int_equal(fake_feed.said, 0);
	assert_int_equal(fake_feed.tasks[i].state, TASK_RUNNING); /* with the other owner */
	assert_int_equal(atomic_load(&fake_sources.hosts), 0);
}

static void unwanted_work_stops_and_is_given_back_untouched(void **state)
{
	(void)state;
	size_t i = fake_add_fetch("http://h.example/slow", NULL, NULL);
	fake_feed.tasks[i].unwanted = true;
	struct worker *w = fake_worker(blob, 1);
	fake_await(fake_feed.tasks[i].untouched > 0);
	assert_int_equal(fake_feed.tasks[i].t.tries, 0);
	worker_free(w);
	assert_int_equal(fake_feed.tasks[i].finishes, 0);
}

static void a_store_that_is_away_is_asked_again_for_work(void **state)
{
	(void)state;
	fake_feed.down = true;
	size_t i = fake_add_fetch("http://h.example/a", NULL, NULL);
	struct worker *w = fake_worker(blob, 1);
	pthread_mutex_lock(&fake_feed.lock);
	fake_feed.down = false;
	pthread_mutex_unlock(&fake_feed.lock);
	assert_int_equal(ended(i)->state, TASK_DONE);
	ended(i + 1);
	worker_free(w);
}

static const struct CMUnitTest tests[] = {
	worker_test(what_may_pass_is_tried_again),
	worker_test(it_fails_at_the_last_try),
	worker_test(what_will_not_pass_fails_at_once),
	worker_test(retry_after_is_honoured),
	worker_test(a_source_that_cannot_be_decoded_is_kept_and_named),
	worker_test(a_crash_is_told_as_one_and_the_feed_counts_to_three),
	worker_test(trouble_with_the_darkroom_passes),
	worker_test(blobs_that_could_not_be_made_durable_are_dropped_and_written_again),
	worker_test(a_blob_that_cannot_be_written_ends_the_attempt),
	worker_test(where_blobs_are_waited_for_a_full_disk_costs_no_try),
	worker_test(a_worker_that_ends_does_not_wait_for_blobs),
	worker_test(an_original_that_is_gone_fails_the_make),
	worker_test(headers_sealed_under_another_key_are_never_sent),
	worker_test(a_store_that_takes_no_writes_is_told_again_and_nothing_is_done_twice),
	worker_test(a_failure_is_told_again_too),
	worker_test(blobs_are_not_dropped_when_an_unanswered_finish_may_have_been_done),
	worker_test(a_stale_lease_drops_what_was_written),
	worker_test(a_stale_answer_to_a_beat_stops_the_work_without_a_word),
	worker_test(unwanted_work_stops_and_is_given_back_untouched),
	worker_test(a_store_that_is_away_is_asked_again_for_work),
};
TEST_MAIN(tests)
