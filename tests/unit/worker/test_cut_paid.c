/* SPDX-License-Identifier: MIT
 *
 * Cut-outs that cost: what is asked when, what becomes of an answer, what auto does without one.
 */
#include "cutting.h"

#include <unistd.h>

#define PAYS 9000

/* The fakes as they begin. */
static void begin(void)
{
	fake_reset();
	fake_site.provider = "p.example";
}

static int with_provider(void **state)
{
	setup(state);
	begin();
	return 0;
}

static void assert_local(const struct fake_task *t, enum cut_reason reason)
{
	assert_int_equal(t->state, TASK_DONE);
	assert_int_equal(t->cut.state, CUT_SUCCEEDED);
	assert_int_equal(t->cut.product.engine, CUT_LOCAL);
	assert_int_equal(t->cut.reason, reason);
	assert_int_equal(t->cut.product.cost, 0);
	assert_int_equal(t->cut.charge, 0);
	assert_blob(t->cut.product.key, "local cut of photo");
}

static void what_is_bought_is_kept_before_it_is_used(void **state)
{
	(void)state;
	const struct fake_task *t = do_cut("photo", CUT_REMOTE, PAYS);
	const struct cut_product *p = &t->cut.product;
	assert_int_equal(t->state, TASK_DONE);
	assert_int_equal(t->cut.reason, CUT_REASON_ASKED);
	assert_int_equal(p->engine, CUT_REMOTE);
	assert_string_equal(p->ident, "p.example");
	assert_true(p->confidence < 0);
	assert_int_equal(p->cost, 250); /* what it said it cost */
	assert_int_equal(t->cut.charge, 77);
	assert_blob(p->key, "remote cut of answer to photo");
	assert_blob(fake_ledger.blob, "answer to photo");
	assert_int_equal(fake_ledger.cost, 250);
	assert_int_equal(atomic_load(&fake_ledger.bought), 1);
	assert_int_equal(atomic_load(&fake_cuts.local), 0);
	assert_string_equal(fake_provider.sent, "photo");
	assert_string_equal(fake_provider.media_type, "image/jpeg");
}

static void a_picture_that_cannot_be_sent_as_it_is_is_prepared(void **state)
{
	(void)state;
	const struct fake_task *t = do_cut("big photo", CUT_REMOTE, PAYS);
	assert_string_equal(fake_provider.sent, "small of big photo");
	assert_string_equal(fake_provider.media_type, "image/png");
	assert_int_equal(t->cut.original.width, 400); /* and not what was sent */
}

static void what_was_bought_before_is_not_bought_again(void **state)
{
	(void)state;
	struct original answer = stored_original("answer of then");
	fake_ledger.has_answer = true;
	fake_ledger.cost = 500;
	snprintf(fake_ledger.blob, sizeof(fake_ledger.blob), "%s", answer.key);
	const struct fake_task *t = do_cut("photo", CUT_REMOTE, PAYS);
	assert_int_equal(atomic_load(&fake_provider.calls), 0);
	assert_int_equal(atomic_load(&fake_ledger.bought), 0);
	assert_int_equal(t->cut.charge, 77);
	assert_int_equal(t->cut.product.cost, 500);
	assert_blob(t->cut.product.key, "remote cut of answer of then");
}

static void an_answer_whose_blob_is_gone_is_not_the_original_being_lost(void **state)
{
	(void)state;
	fake_ledger.has_answer = true;
	blob_key_new("png", fake_ledger.blob);
	const struct fake_task *t = do_cut("photo", CUT_REMOTE, PAYS);
	assert_int_equal(t->why.code, ERR_MATTE_PROVIDER);
	assert_int_equal(t->laters, 0);
	assert_int_equal(atomic_load(&fake_provider.calls), 0);
	assert_local(do_cut("photo", CUT_AUTO, PAYS), CUT_REASON_PROVIDER_FAILED);
}

static void an_answer_is_kept_however_long_the_disk_is_full(void **state)
{
	(void)state;
	size_t i = add_cut("photo", CUT_REMOTE, PAYS);
	atomic_store(&fake_blobs.bad_puts, 1);
	atomic_store(&fake_blobs.bad_syncs, 1);
	atomic_store(&fake_ledger.away, 1);
	const struct fake_task *t = do_task(i, i);
	assert_int_equal(t->state, TASK_DONE);
	assert_int_equal(t->laters, 0);
	assert_int_equal(atomic_load(&fake_provider.calls), 1);
	assert_int_equal(atomic_load(&fake_ledger.bought), 1);
	assert_int_equal(atomic_load(&fake_ledger.unknown), 0);
	assert_int_equal(atomic_load(&fake_blobs.removed), 2); /* half-stored ones */
	assert_blob(fake_ledger.blob, "answer to photo");
}

static void an_answer_that_cannot_be_kept_until_the_end_is_unknown(void **state)
{
	(void)state;
	size_t i = add_cut("photo", CUT_REMOTE, PAYS);
	atomic_store(&fake_blobs.bad_puts, 1000000);
	struct worker *w = fake_worker(blob, 1);
	while (atomic_load(&fake_blobs.puts) == 0)
		usleep(1000);
	worker_free(w);
	assert_int_equal(atomic_load(&fake_ledger.unknown), 1);
	assert_int_equal(atomic_load(&fake_ledger.bought), 0);
	assert_int_equal(fake_feed.tasks[i].state, TASK_FAILED);
	assert_int_equal(fake_feed.tasks[i].why.code, ERR_MATTE_CHARGE_UNKNOWN);
}

/* Canceled, or the worker about to end, while the call is under way. */
static void a_call_under_way_is_never_dropped(void **state)
{
	(void)state;
	for (int stops = 0; stops < 2; stops++) {
		begin();
		atomic_store(&fake_provider.gate, false);
		size_t i = add_cut("photo", CUT_REMOTE, PAYS);
		struct worker *w = fake_worker(blob, 1);
		while (atomic_load(&fake_provider.calls) == 0)
			usleep(1000);
		pthread_mutex_lock(&fake_feed.lock);
		fake_feed.tasks[i].unwanted = true;
		int keeps = fake_feed.keeps;
		pthread_mutex_unlock(&fake_feed.lock);
		fake_await(fake_feed.keeps > keeps + 1); /* the lane has heard of it */
		atomic_store(&fake_provider.gate, true);
		if (stops)
			worker_stop(w, 0);
		fake_await(fake_feed.tasks[i].untouched > 0);
		worker_free(w);
		assert_int_equal(atomic_load(&fake_ledger.bought), 1);
		assert_blob(fake_ledger.blob, "answer to photo");
		assert_int_equal(atomic_load(&fake_provider.calls), 1);
	}
}

static void a_lease_that_moves_on_during_the_call_loses_no_answer(void **state)
{
	(void)state;
	atomic_store(&fake_provider.gate, false);
	add_cut("photo", CUT_REMOTE, PAYS);
	struct worker *w = fake_worker(blob, 1);
	while (atomic_load(&fake_provider.calls) == 0)
		usleep(1000);
	pthread_mutex_lock(&fake_feed.lock);
	fake_feed.stale_at_keep = true;
	int keeps = fake_feed.keeps;
	pthread_mutex_unlock(&fake_feed.lock);
	fake_await(fake_feed.keeps > keeps);
	atomic_store(&fake_blobs.bad_puts, 1);
	atomic_store(&fake_provider.gate, true);
	worker_stop(w, 20000);
	worker_free(w);
	assert_int_equal(atomic_load(&fake_ledger.bought), 1);
	assert_blob(fake_ledger.blob, "answer to photo");
	assert_int_equal(fake_feed.said, 0); /* of the task: it is another's */
}

static void what_cannot_be_composed_now_is_composed_later_without_paying(void **state)
{
	(void)state;
	fake_provider.answer = FAKE_BOMB;
	const struct fake_task *t = do_cut("photo", CUT_REMOTE, PAYS);
	assert_int_equal(t->why.code, ERR_DECODE_CRASHED);
	assert_int_equal(atomic_load(&fake_cuts.composed), 3);
	assert_int_equal(atomic_load(&fake_provider.calls), 1);
	assert_int_equal(atomic_load(&fake_ledger.bought), 1);
}

static void an_answer_that_is_no_picture_fails_and_stays_bought(void **state)
{
	(void)state;
	fake_provider.answer = FAKE_BAD;
	const struct fake_task *t = do_cut("photo", CUT_REMOTE, PAYS);
	assert_int_equal(t->why.code, ERR_MATTE_PROVIDER);
	assert_int_equal(atomic_load(&fake_provider.calls), 1);
	assert_blob(fake_ledger.blob, "bad answer to photo");
}

static void a_provider_that_finds_nothing_costs_nothing(void **state)
{
	(void)state;
	fake_provider.answer = FAKE_FINDS_NONE;
	const struct fake_task *t = do_cut("photo", CUT_REMOTE, PAYS);
	assert_int_equal(t->cut.state, CUT_NONE);
	assert_int_equal(t->cut.charge, 0);
	assert_int_equal(atomic_load(&fake_ledger.refused), 1);
	assert_int_equal(atomic_load(&fake_ledger.bought), 0);
}

static void engine_remote_without_a_provider_is_told_so_at_once(void **state)
{
	(void)state;
	fake_site.provider = NULL;
	const struct fake_task *t = do_cut("photo", CUT_REMOTE, PAYS);
	assert_int_equal(t->why.code, ERR_MATTE_UNAVAILABLE);
	assert_int_equal(t->laters, 0);
}

/* ---- noes ---- */

static void what_the_ledger_refuses_is_final_for_remote(void **state)
{
	(void)state;
	static const enum err_code noes[] = { ERR_MATTE_BUDGET, ERR_MATTE_CHARGE_UNKNOWN };
	for (size_t k = 0; k < ARRAY_LEN(noes); k++) {
		begin();
		fake_ledger.says = noes[k];
		const struct fake_task *t = do_cut("photo", CUT_REMOTE, PAYS);
		assert_int_equal(t->why.code, noes[k]);
		assert_int_equal(t->laters, 0);
		assert_int_equal(atomic_load(&fake_provider.calls), 0);
	}
}

static void what_another_is_buying_is_asked_for_again_soon_without_a_try(void **state)
{
	(void)state;
	fake_ledger.says = ERR_BUSY;
	size_t i = add_cut("photo", CUT_AUTO, PAYS);
	struct worker *w = fake_worker(blob, 1);
	fake_await(fake_feed.tasks[i].untouched > 0);
	worker_stop(w, 20000);
	assert_in_range(fake_feed.tasks[i].waited_ms, 1, 250);
	assert_int_equal(fake_feed.tasks[i].t.tries, 0);
	worker_free(w);
	assert_int_equal(atomic_load(&fake_provider.calls), 0);
}

static void a_store_that_is_away_before_anything_is_paid_gets_the_task_back(void **state)
{
	(void)state;
	fake_ledger.says = ERR_STORE_UNAVAILABLE;
	size_t i = add_cut("photo", CUT_REMOTE, PAYS);
	struct worker *w = fake_worker(blob, 1);
	fake_await(fake_feed.tasks[i].untouched > 0);
	worker_free(w);
	assert_int_equal(fake_feed.tasks[i].t.tries, 0);
}

static void a_refusal_that_may_pass_waits_as_long_as_it_says(void **state)
{
	(void)state;
	fake_provider.answer = FAKE_REFUSES;
	fake_provider.retry_after_ms = 7000;
	for (int k = 0; k < 2; k++) {
		size_t i = add_cut("photo", k ? CUT_AUTO : CUT_REMOTE, PAYS);
		struct worker *w = fake_worker(blob, 1);
		fake_await(fake_feed.tasks[i].laters == 1);
		assert_in_range(fake_feed.tasks[i].waited_ms, 6000, 7000);
		assert_int_equal(fake_feed.tasks[i].t.tries, 1);
		worker_free(w);
	}
}

static void a_refusal_that_will_not_pass_fails_at_once(void **state)
{
	(void)state;
	fake_provider.answer = FAKE_REFUSES;
	const struct fake_task *t = do_cut("photo", CUT_REMOTE, PAYS);
	assert_int_equal(t->why.code, ERR_MATTE_PROVIDER);
	assert_string_equal(t->why.detail, "it says no");
	assert_int_equal(t->laters, 0);
	assert_int_equal(atomic_load(&fake_ledger.refused), 1);
}

static void one_that_says_no_time_is_asked_again_as_often_as_tries_go(void **state)
{
	(void)state;
	fake_provider.answer = FAKE_REFUSES;
	fake_provider.retry_after_ms = 0;
	const struct fake_task *t = do_cut("photo", CUT_REMOTE, PAYS);
	assert_int_equal(t->why.code, ERR_MATTE_PROVIDER);
	assert_int_equal(atomic_load(&fake_provider.calls), 4);
}

static void waiting_for_a_rate_limit_is_no_try(void **state)
{
	(void)state;
	atomic_store(&fake_provider.limited, true);
	fake_provider.retry_after_ms = 90000;
	size_t i = add_cut("photo", CUT_REMOTE, PAYS);
	struct worker *w = fake_worker(blob, 1);
	fake_await(fake_feed.tasks[i].untouched == 1);
	assert_in_range(fake_feed.tasks[i].waited_ms, 80000, 90000);
	worker_free(w);
}

static void an_open_breaker_uses_up_tries(void **state)
{
	(void)state;
	atomic_store(&fake_provider.open, true);
	fake_provider.retry_after_ms = 1;
	const struct fake_task *t = do_cut("photo", CUT_REMOTE, PAYS);
	assert_int_equal(t->why.code, ERR_MATTE_PROVIDER);
	assert_int_equal(t->laters, 3);
	assert_int_equal(atomic_load(&fake_ledger.asks), 0);
}

static void a_word_to_the_ledger_is_repeated_until_it_is_heard(void **state)
{
	(void)state;
	static const enum fake_answer answers[] = { FAKE_REFUSES, FAKE_LOSES };
	for (size_t k = 0; k < ARRAY_LEN(answers); k++) {
		begin();
		fake_provider.answer = answers[k];
		atomic_store(&fake_ledger.away, 1);
		const struct fake_task *t = do_cut("photo", CUT_REMOTE, PAYS);
		assert_int_equal(t->state, TASK_FAILED);
		assert_int_equal(atomic_load(&fake_ledger.refused), k == 0);
		assert_int_equal(atomic_load(&fake_ledger.unknown), k == 1);
		assert_int_equal(atomic_load(&fake_provider.calls), 1);
	}
}

static void auto_never_fails_because_of_the_provider(void **state)
{
	(void)state;
	static const struct {
		enum fake_answer answer;
		enum err_code ledger;
		bool limited, open;
		int64_t retry_after_ms;
		enum cut_reason reason;
	} rows[] = {
		{ .ledger = ERR_MATTE_BUDGET, .reason = CUT_REASON_UNPAID },
		{ .ledger = ERR_MATTE_CHARGE_UNKNOWN, .reason = CUT_REASON_CHARGE_UNKNOWN },
		{ FAKE_LOSES, .reason = CUT_REASON_CHARGE_UNKNOWN },
		{ FAKE_REFUSES, .retry_after_ms = -1, .reason = CUT_REASON_PROVIDER_FAILED },
		{ FAKE_REFUSES, .retry_after_ms = 0, .reason = CUT_REASON_PROVIDER_FAILED },
		{ FAKE_REFUSES, .retry_after_ms = 61000, .reason = CUT_REASON_PROVIDER_FAILED },
		{ .limited = true, .retry_after_ms = 61000, .reason = CUT_REASON_PROVIDER_FAILED },
		{ .open = true, .retry_after_ms = 5000, .reason = CUT_REASON_PROVIDER_FAILED },
		{ FAKE_BAD, .reason = CUT_REASON_PROVIDER_FAILED },
		{ FAKE_BOMB, .reason = CUT_REASON_PROVIDER_FAILED },
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		begin();
		fake_provider.answer = rows[k].answer;
		fake_provider.retry_after_ms = rows[k].retry_after_ms;
		atomic_store(&fake_provider.limited, rows[k].limited);
		atomic_store(&fake_provider.open, rows[k].open);
		fake_ledger.says = rows[k].ledger;
		print_message("# row %zu\n", k);
		const struct fake_task *t = do_cut("photo", CUT_AUTO, PAYS);
		assert_local(t, rows[k].reason);
		assert_int_equal(t->laters, 0);
	}
}

static void auto_without_a_model_fails_with_what_the_provider_said(void **state)
{
	(void)state;
	fake_site.models_n = 0;
	fake_provider.answer = FAKE_REFUSES;
	const struct fake_task *t = do_cut("photo", CUT_AUTO, PAYS);
	assert_int_equal(t->why.code, ERR_MATTE_PROVIDER);
	assert_string_equal(t->why.detail, "it says no");
}

static void the_local_cut_out_that_loses_is_not_stored(void **state)
{
	(void)state;
	const struct fake_task *t = do_cut("photo", CUT_AUTO, PAYS);
	assert_int_equal(t->cut.reason, CUT_REASON_UNSURE);
	assert_int_equal(t->cut.product.engine, CUT_REMOTE);
	assert_int_equal(atomic_load(&fake_blobs.puts), 2); /* the answer, the cut-out */
}

#define paid_test(f) cmocka_unit_test_setup_teardown(f, with_provider, teardown)

static const struct CMUnitTest tests[] = {
	paid_test(what_is_bought_is_kept_before_it_is_used),
	paid_test(a_picture_that_cannot_be_sent_as_it_is_is_prepared),
	paid_test(what_was_bought_before_is_not_bought_again),
	paid_test(an_answer_whose_blob_is_gone_is_not_the_original_being_lost),
	paid_test(an_answer_is_kept_however_long_the_disk_is_full),
	paid_test(an_answer_that_cannot_be_kept_until_the_end_is_unknown),
	paid_test(a_call_under_way_is_never_dropped),
	paid_test(a_lease_that_moves_on_during_the_call_loses_no_answer),
	paid_test(what_cannot_be_composed_now_is_composed_later_without_paying),
	paid_test(an_answer_that_is_no_picture_fails_and_stays_bought),
	paid_test(a_provider_that_finds_nothing_costs_nothing),
	paid_test(engine_remote_without_a_provider_is_told_so_at_once),
	paid_test(what_the_ledger_refuses_is_final_for_remote),
	paid_test(what_another_is_buying_is_asked_for_again_soon_without_a_try),
	paid_test(a_store_that_is_away_before_anything_is_paid_gets_the_task_back),
	paid_test(a_refusal_that_may_pass_waits_as_long_as_it_says),
	paid_test(a_refusal_that_will_not_pass_fails_at_once),
	paid_test(one_that_says_no_time_is_asked_again_as_often_as_tries_go),
	paid_test(waiting_for_a_rate_limit_is_no_try),
	paid_test(an_open_breaker_uses_up_tries),
	paid_test(a_word_to_the_ledger_is_repeated_until_it_is_heard),
	paid_test(auto_never_fails_because_of_the_provider),
	paid_test(auto_without_a_model_fails_with_what_the_provider_said),
	paid_test(the_local_cut_out_that_loses_is_not_stored),
};
TEST_MAIN(tests)
