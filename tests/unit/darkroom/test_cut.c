/* SPDX-License-Identifier: MIT
 *
 * Cut-outs through real children: every action, with a model and without.
 */
#include "cutting.h"

#include "base/io.h"
#include "base/mem.h"

static void a_model_finds_the_subject(void **state)
{
	(void)state;
	struct err e;
	struct darkroom *d = matte_room();
	if (!d)
		return;
	struct darkroom_cut_result r;
	const struct cut c = cut_usual();
	autofd fd = save(scene_of(ON_BLUR, 600, 400), ".jpg[Q=95]");
	assert_ok(cut_once(d, fd, -1, &c, CUT_DO_LOCAL, &r, &e));
	assert_true(r.done && !r.none && r.has_output);
	assert_int_equal(r.engine, CUT_LOCAL);
	assert_int_equal(r.width, 600);
	VipsImage *im = open_result(&r);
	double iou = overlap(im, 300, 200, 100);
	print_message("# IoU %.3f, confidence %.3f, %lld ms\n", iou, r.confidence,
		(long long)r.process_ms);
	assert_true(iou >= 0.9);
	g_object_unref(im);
	darkroom_cut_done(&r);
	darkroom_free(d);
}

static int begin(void **state)
{
	(void)state;
	return vips_init("test");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_model_finds_the_subject),
};

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, begin, NULL);
}
