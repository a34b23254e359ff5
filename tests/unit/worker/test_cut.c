/* SPDX-License-Identifier: MIT
 *
 * Cut-outs that cost nothing, and what they leave to others.
 */
#include "cutting.h"

static void the_model_cuts_out_and_its_file_is_durable(void **state)
{
	(void)state;
	const struct fake_task *t = do_cut("photo", CUT_LOCAL, 0);
	const struct cut_product *p = &t->cut.product;
	uint8_t digest[SHA256_LEN];
	struct cut c = asked(CUT_LOCAL, 0);
	assert_int_equal(t->state, TASK_DONE);
	assert_int_equal(t->cut.state, CUT_SUCCEEDED);
	assert_int_equal(t->cut.reason, CUT_REASON_ASKED);
	assert_int_equal(p->engine, CUT_LOCAL);
	assert_string_equal(p->ident, "u2netp");
	assert_true(p->confidence == 0.5);
	assert_int_equal(p->left, 3);
	assert_int_equal(p->top, 2);
	assert_int_equal(p->width, 30);
	assert_int_equal(p->cost, 0);
	assert_int_equal(t->cut.charge, 0);
	assert_true(cut_digest(&c, CUT_LOCAL, &fake_site, digest));
	assert_memory_equal(p->digest, digest, SHA256_LEN);
	sha256_of("local cut of photo", 18, digest);
	assert_memory_equal(p->sha256, digest, SHA256_LEN);
	assert_blob(p->key, "local cut of photo");
	assert_int_equal(atomic_load(&fake_blobs.syncs), 1);
	assert_int_equal(t->cut.original.format, FORMAT_JPEG);
	assert_int_equal(t->cut.original.width, 400);
	assert_int_equal(t->cut.outcome.process_ms, 7);
	assert_true(t->cut.outcome.store_ms >= 0);
}

static void a_picture_without_a_subject_is_no_failure(void **state)
{
	(void)state;
	const struct fake_task *t = do_cut("empty", CUT_LOCAL, 0);
	assert_int_equal(t->state, TASK_DONE);
	assert_int_equal(t->cut.state, CUT_NONE);
	assert_string_equal(t->cut.outcome.stage, "cut");
	assert_int_equal(atomic_load(&fake_blobs.puts), 0);
}

static void a_flat_ground_needs_no_model(void **state)
{
	(void)state;
	fake_site.models_n = 0;
	const struct fake_task *t = do_cut("flat", CUT_FLAT, 0);
	assert_int_equal(t->cut.state, CUT_SUCCEEDED);
	assert_int_equal(t->cut.product.engine, CUT_FLAT);
	assert_string_equal(t->cut.product.ident, "");
	assert_blob(t->cut.product.key, "flat cut of flat");
}

static void engine_flat_fails_at_once_where_the_ground_is_not(void **state)
{
	(void)state;
	const struct fake_task *t = do_cut("photo", CUT_FLAT, 0);
	assert_int_equal(t->state, TASK_FAILED);
	assert_int_equal(t->why.code, ERR_MATTE_NOT_FLAT);
	assert_string_equal(t->why.detail, "the background is not flat");
	assert_string_equal(t->why.stage, "cut");
	assert_int_equal(t->laters, 0);
	assert_int_equal(atomic_load(&fake_cuts.local), 0);
}

static void a_model_that_is_not_there_is_named_at_once(void **state)
{
	(void)state;
	fake_site.models_n = 0;
	const struct fake_task *t = do_cut("photo", CUT_LOCAL, 0);
	assert_int_equal(t->why.code, ERR_MATTE_UNAVAILABLE);
	assert_string_equal(t->why.detail, "model 'fast' is not installed: bulb model add fast");
	assert_int_equal(t->laters, 0);
}

static void a_model_that_cannot_be_loaded_is_tried_again(void **state)
{
	(void)state;
	atomic_store(&fake_cuts.model_is_broken, true);
	const struct fake_task *t = do_cut("photo", CUT_LOCAL, 0);
	assert_int_equal(t->why.code, ERR_MATTE_UNAVAILABLE);
	assert_string_equal(t->why.detail, "the model's file is damaged");
	assert_int_equal(t->laters, 3);
}

static void a_crash_of_a_model_is_told_as_one(void **state)
{
	(void)state;
	const struct fake_task *t = do_cut("crash", CUT_LOCAL, 0);
	assert_int_equal(t->why.code, ERR_DECODE_CRASHED);
	assert_int_equal(t->t.crashes, 3);
	assert_int_equal(atomic_load(&fake_cuts.local), 3);
}

static void a_cut_that_nobody_wants_any_more_is_dropped(void **state)
{
	(void)state;
	struct cut c = asked(CUT_LOCAL, 0);
	struct original o = stored_original("slow");
	size_t i = fake_add_cut(&o, &c);
	fake_feed.tasks[i].unwanted = true;
	struct worker *w = fake_worker(blob, 1);
	fake_await(fake_feed.tasks[i].untouched > 0);
	worker_free(w);
	assert_int_equal(fake_feed.tasks[i].finishes, 0);
	assert_int_equal(fake_feed.tasks[i].t.tries, 0);
}

/* ---- auto, without money ---- */

static void auto_says_which_engine_it_took_and_why(void **state)
{
	(void)state;
	static const struct {
		const char *picture, *provider;
		int64_t max_cost;
		bool model;
		enum cut_state state;
		enum cut_engine engine;
		enum cut_reason reason;
	} rows[] = {
		{ "flat", NULL, 0, true, CUT_SUCCEEDED, CUT_FLAT, CUT_REASON_FLAT },
		{ "flat", NULL, 0, false, CUT_SUCCEEDED, CUT_FLAT, CUT_REASON_FLAT },
		{ "flat", "p.example", 9000, false, CUT_SUCCEEDED, CUT_FLAT, CUT_REASON_FLAT },
		{ "blank", "p.example", 9000, true, CUT_NONE, CUT_FLAT, CUT_REASON_FLAT },
		{ "sure", "p.example", 9000, true, CUT_SUCCEEDED, CUT_LOCAL, CUT_REASON_CONFIDENT },
		{ "photo", NULL, 9000, true, CUT_SUCCEEDED, CUT_LOCAL, CUT_REASON_NO_PROVIDER },
		{ "photo", "p.example", 0, true, CUT_SUCCEEDED, CUT_LOCAL, CUT_REASON_UNPAID },
		{ "empty", "p.example", 0, true, CUT_NONE, CUT_LOCAL, CUT_REASON_UNPAID },
		{ "photo", "p.example", 9000, true, CUT_SUCCEEDED, CUT_REMOTE, CUT_REASON_UNSURE },
		{ "empty", "p.example", 9000, true, CUT_SUCCEEDED, CUT_REMOTE, CUT_REASON_UNSURE },
		{ "photo", "p.example", 9000, false, CUT_SUCCEEDED, CUT_REMOTE,
			CUT_REASON_NO_MODEL },
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		fake_reset();
		fake_site.models_n = rows[k].model;
		fake_site.provider = rows[k].provider;
		const struct fake_task *t = do_cut(rows[k].picture, CUT_AUTO, rows[k].max_cost);
		print_message("# row %zu\n", k);
		assert_int_equal(t->state, TASK_DONE);
		assert_int_equal(t->cut.state, rows[k].state);
		assert_int_equal(t->cut.reason, rows[k].reason);
		if (t->cut.state == CUT_SUCCEEDED)
			assert_int_equal(t->cut.product.engine, rows[k].engine);
		assert_int_equal(atomic_load(&fake_provider.calls), rows[k].engine == CUT_REMOTE);
	}
}

static void auto_without_anything_that_could_says_what_to_install(void **state)
{
	(void)state;
	fake_site.models_n = 0;
	const struct fake_task *t = do_cut("photo", CUT_AUTO, 0);
	assert_int_equal(t->why.code, ERR_MATTE_UNAVAILABLE);
	assert_non_null(strstr(t->why.detail, "bulb model add fast"));
	assert_int_equal(t->laters, 0);
}

static void auto_takes_a_flat_ground_also_when_the_model_is_broken(void **state)
{
	(void)state;
	atomic_store(&fake_cuts.model_is_broken, true);
	const struct fake_task *t = do_cut("flat", CUT_AUTO, 0);
	assert_int_equal(t->cut.product.engine, CUT_FLAT);
	t = do_cut("photo", CUT_AUTO, 0);
	assert_string_equal(t->why.detail, "the model's file is damaged");
}

/* ---- lanes ---- */

static void cuts_leave_lanes_to_others(void **state)
{
	(void)state;
	struct cut c = asked(CUT_LOCAL, 0);
	struct original slow = stored_original("slow"), plain = stored_original("picture");
	for (int i = 0; i < 6; i++)
		fake_add_cut(&slow, &c);
	struct worker *w = fake_worker(blob, 4); /* two places for cuts */
	fake_await(fake_feed.cuts_at_once == 2);
	size_t make = fake_add_make(&plain);
	worker_wake(w);
	assert_int_equal(ended(make)->state, TASK_DONE);
	fake_await(fake_feed.cuts_refused);
	atomic_store(&fake_pictures.gate, true);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(ended(i)->state, TASK_DONE);
	worker_free(w);
	assert_int_equal(fake_feed.cuts_at_once, 2);
	assert_in_range(atomic_load(&fake_cuts.most_inside), 1, 2);
}

static void one_lane_of_several_is_never_for_cuts(void **state)
{
	(void)state;
	struct cut c = asked(CUT_LOCAL, 0);
	struct original slow = stored_original("slow"), plain = stored_original("picture");
	for (int i = 0; i < 3; i++)
		fake_add_cut(&slow, &c);
	struct worker *w = fake_worker(blob, 2);
	fake_await(fake_feed.cuts_at_once == 1);
	size_t make = fake_add_make(&plain);
	worker_wake(w);
	assert_int_equal(ended(make)->state, TASK_DONE);
	assert_int_equal(fake_feed.cuts_at_once, 1);
	worker_free(w);
}

static const struct CMUnitTest tests[] = {
	worker_test(the_model_cuts_out_and_its_file_is_durable),
	worker_test(a_picture_without_a_subject_is_no_failure),
	worker_test(a_flat_ground_needs_no_model),
	worker_test(engine_flat_fails_at_once_where_the_ground_is_not),
	worker_test(a_model_that_is_not_there_is_named_at_once),
	worker_test(a_model_that_cannot_be_loaded_is_tried_again),
	worker_test(a_crash_of_a_model_is_told_as_one),
	worker_test(a_cut_that_nobody_wants_any_more_is_dropped),
	worker_test(auto_says_which_engine_it_took_and_why),
	worker_test(auto_without_anything_that_could_says_what_to_install),
	worker_test(auto_takes_a_flat_ground_also_when_the_model_is_broken),
	worker_test(cuts_leave_lanes_to_others),
	worker_test(one_lane_of_several_is_never_for_cuts),
};
TEST_MAIN(tests)
