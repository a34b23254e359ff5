/* SPDX-License-Identifier: MIT
 *
 * What a child says of a cut-out is believed only if it is an answer to what was asked.
 */
#include "pool.h"

#include "base/io.h"

static enum err_code cut(struct room *r, const char *act, enum cut_action action,
	struct darkroom_cut_result *ret, struct err *e)
{
	const struct cut c = { .remove = true,
		.engine = CUT_FLAT,
		.model = "fast",
		.format = FORMAT_PNG };
	autofd fd = picture(act);
	return darkroom_cut(r->d, 1, fd, -1, &c, action, NULL, ret, e);
}

static void an_answer_to_the_question_is_taken(void **state)
{
	(void)state;
	struct room r;
	struct err e;
	struct darkroom_cut_result res;
	open_room(&r, usual());
	assert_ok(cut(&r, "cuts well", CUT_DO_FLAT, &res, &e));
	assert_true(res.done && !res.none && res.has_output && res.confidence == 1);
	assert_int_equal(res.engine, CUT_FLAT);
	assert_int_equal(res.output.format, FORMAT_PNG);
	assert_string_equal(res.thumbhash, "AAAA");
	assert_int_equal(io_size(res.output.fd), res.output.bytes);
	darkroom_cut_done(&res);
	assert_false(res.has_output);
	darkroom_cut_done(&res); /* again is nothing */
	close_room(&r);
}

/* The child dies of it, the picture ends as crashed, and the pool is as good as before. */
static void assert_refused(struct room *r, const char *act, enum cut_action action,
	const char *word)
{
	struct err e;
	struct darkroom_cut_result res;
	r->reasons[0] = '\0';
	assert_err(cut(r, act, action, &res, &e), ERR_DECODE_CRASHED);
	if (!strstr(e.text, word))
		fail_msg("%s: no '%s' in: %s", act, word, e.text);
	assert_string_equal(r->reasons, "protocol ");
	assert_true(res.crashed && !res.has_output);
	assert_good(r);
}

static void anything_else_is_refused(void **state)
{
	(void)state;
	struct room r;
	open_room(&r, usual());
	assert_refused(&r, "cuts by another", CUT_DO_FLAT, "another engine");
	assert_refused(&r, "cuts well", CUT_DO_LOCAL, "another engine");
	assert_refused(&r, "cuts well", CUT_DO_PREPARE, "another format");
	assert_refused(&r, "cuts without output", CUT_DO_FLAT, "after 0 outputs");
	assert_refused(&r, "cuts twice", CUT_DO_FLAT, "nobody asked");
	assert_refused(&r, "cuts into another format", CUT_DO_FLAT, "another format");
	assert_refused(&r, "cuts nothing and sends it", CUT_DO_FLAT, "after 1 outputs");
	assert_refused(&r, "cuts what is not flat", CUT_DO_FLAT, "after 1 outputs");
	assert_refused(&r, "cuts outside", CUT_DO_FLAT, "without a size");
	assert_refused(&r, "ends a cut as a job", CUT_DO_FLAT, "out of turn");
	assert_refused(&r, "hash in html", CUT_DO_FLAT, "ThumbHash");
	close_room(&r);
}

static void a_job_is_not_ended_as_a_cut(void **state)
{
	(void)state;
	struct room r;
	struct err e;
	struct darkroom_result res;
	open_room(&r, usual());
	assert_err(process(&r, "cuts well", &res, &e), ERR_DECODE_CRASHED);
	assert_int_equal(res.n, 0);
	assert_good(&r);
	close_room(&r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_answer_to_the_question_is_taken),
	cmocka_unit_test(anything_else_is_refused),
	cmocka_unit_test(a_job_is_not_ended_as_a_cut),
};
TEST_MAIN(tests)
