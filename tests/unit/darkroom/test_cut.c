/* SPDX-License-Identifier: MIT
 *
 * Cut-outs through real children: what comes out, with a model and without one.
 */
#include "cutting.h"

#include "base/io.h"
#include "base/mem.h"
#include "darkroom/jail.h"

#include <math.h>
#include <stdlib.h>

#define W 600
#define H 400
#define R (H / 4)

static struct darkroom *plain, *matte; /* matte NULL: there is no model to test with */

static int begin(void **state)
{
	(void)state;
	if (vips_init("test") != 0)
		return -1;
	plain = room_with(plain_room());
	matte = matte_room();
	return 0;
}

static int end(void **state)
{
	(void)state;
	darkroom_free(plain);
	darkroom_free(matte);
	vips_shutdown();
	return 0;
}

/* The scene as a file, cut. */
static struct darkroom_cut_result cut_scene(struct darkroom *d, enum scene s, const char *suffix,
	const struct cut *c, enum cut_action action)
{
	struct err e;
	struct darkroom_cut_result r;
	autofd fd = save(scene_of(s, W, H), suffix);
	assert_ok(cut_once(d, fd, -1, c, action, &r, &e));
	assert_int_equal(r.width, W);
	assert_int_equal(r.height, H);
	assert_true(r.thumbhash[0] != '\0' && r.color[0] == '#');
	return r;
}

static void assert_ball(struct darkroom_cut_result *r, double x, double y, double least)
{
	VipsImage *im = open_result(r);
	double iou = overlap(im, x, y, R);
	if (iou < least)
		fail_msg("IoU %.3f", iou);
	g_object_unref(im);
	darkroom_cut_done(r);
}

static void a_model_finds_the_subject(void **state)
{
	(void)state;
	const struct cut c = cut_usual();
	if (!matte)
		return;
	struct darkroom_cut_result r = cut_scene(matte, ON_BLUR, ".jpg[Q=95]", &c, CUT_DO_LOCAL);
	assert_true(r.done && !r.none);
	assert_int_equal(r.engine, CUT_LOCAL);
	assert_int_equal(r.format, FORMAT_JPEG);
	assert_in_range(r.confidence * 100, 80, 100);
	print_message("# confidence %.3f, %lld ms\n", r.confidence, (long long)r.process_ms);
	assert_ball(&r, W / 2.0, H / 2.0, 0.95);
}

static void a_flat_ground_needs_no_model(void **state)
{
	(void)state;
	const struct cut c = cut_usual();
	struct darkroom_cut_result r = cut_scene(plain, ON_WHITE, ".png", &c, CUT_DO_FLAT);
	assert_true(r.done && !r.none);
	assert_int_equal(r.engine, CUT_FLAT);
	assert_true(r.confidence == 1);
	VipsImage *im = open_result(&r);
	assert_int_equal(value_at(im, 0, 0, 3), 0);
	assert_int_equal(value_at(im, 0, 0, 0), 0); /* no white under nothing */
	assert_int_equal(value_at(im, W / 2, H / 2, 3), 255);
	g_object_unref(im);
	assert_ball(&r, W / 2.0, H / 2.0, 0.98);
}

static void what_is_not_flat_is_said_to_be_not(void **state)
{
	(void)state;
	const struct cut c = cut_usual();
	struct darkroom_cut_result r = cut_scene(plain, ON_BLUR, ".jpg", &c, CUT_DO_FLAT);
	assert_false(r.done || r.none || r.has_output);
}

static void auto_takes_the_flat_way_where_it_can(void **state)
{
	(void)state;
	const struct cut c = cut_usual();
	if (!matte)
		return;
	struct darkroom_cut_result r = cut_scene(matte, ON_WHITE, ".png", &c, CUT_DO_AUTO);
	assert_int_equal(r.engine, CUT_FLAT);
	assert_ball(&r, W / 2.0, H / 2.0, 0.98);
	r = cut_scene(matte, ON_BLUR, ".png", &c, CUT_DO_AUTO);
	assert_int_equal(r.engine, CUT_LOCAL);
	assert_ball(&r, W / 2.0, H / 2.0, 0.95);
}

static void where_nothing_is_there_is_no_subject(void **state)
{
	(void)state;
	const struct cut c = cut_usual();
	struct darkroom_cut_result r = cut_scene(plain, JUST_GREY, ".png", &c, CUT_DO_FLAT);
	assert_true(r.done && r.none && !r.has_output);
	static const enum scene empty[] = { JUST_GREY, JUST_NOISE };
	for (size_t i = 0; matte && i < ARRAY_LEN(empty); i++) {
		r = cut_scene(matte, empty[i], ".png", &c, CUT_DO_LOCAL);
		assert_true(r.done && r.none && !r.has_output);
		assert_int_equal(r.engine, CUT_LOCAL);
	}
}

static void a_transparent_ground_is_the_answer_already(void **state)
{
	(void)state;
	const struct cut c = cut_usual();
	VipsImage *was = scene_of(ON_NOTHING, W, H);
	struct darkroom_cut_result r = cut_scene(plain, ON_NOTHING, ".png", &c, CUT_DO_FLAT);
	assert_int_equal(r.engine, CUT_FLAT);
	VipsImage *im = open_result(&r);
	for (int y = 0; y < H; y += 3)
		for (int x = 0; x < W; x++)
			assert_int_equal(value_at(im, x, y, 3), value_at(was, x, y, 3));
	g_object_unref(im);
	darkroom_cut_done(&r);
	if (matte) { /* what was transparent stays so, whatever a model says */
		r = cut_scene(matte, ON_NOTHING, ".png", &c, CUT_DO_LOCAL);
		im = open_result(&r);
		for (int y = 0; y < H; y += 3)
			for (int x = 0; x < W; x++)
				assert_true(value_at(im, x, y, 3) <= value_at(was, x, y, 3));
		g_object_unref(im);
		assert_ball(&r, W / 2.0, H / 2.0, 0.95);
	}
	g_object_unref(was);
}

static void a_crop_is_the_subject_and_its_margin(void **state)
{
	(void)state;
	struct cut c = cut_usual();
	c.crop = true;
	struct {
		int margin;
		bool percent;
		int left, top, w, h;
	} cases[] = {
		{ 0, false, W / 2 - R, H / 2 - R, 2 * R, 2 * R },
		{ 10, false, W / 2 - R - 10, H / 2 - R - 10, 2 * R + 20, 2 * R + 20 },
		{ 25, true, W / 2 - R - 50, H / 2 - R - 50, 2 * R + 100, 2 * R + 100 },
		{ 500, false, 0, 0, W, H }, /* never outside the picture */
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		c.margin = cases[i].margin;
		c.margin_percent = cases[i].percent;
		struct darkroom_cut_result r = cut_scene(plain, ON_NOTHING, ".png", &c,
			CUT_DO_FLAT);
		/* the soft edge is a pixel or two wider on some sides */
		assert_in_range(r.left, fmax(0, cases[i].left - 2), cases[i].left + 2);
		assert_in_range(r.top, fmax(0, cases[i].top - 2), cases[i].top + 2);
		assert_in_range(r.output.width, cases[i].w - 4, cases[i].w + 4);
		assert_in_range(r.output.height, cases[i].h - 4, cases[i].h + 4);
		assert_ball(&r, W / 2.0 - r.left, H / 2.0 - r.top, 0.98);
	}
}

static void a_fill_leaves_no_alpha(void **state)
{
	(void)state;
	struct cut c = cut_usual();
	c.has_fill = true;
	c.fill = (struct rgba){ 10, 200, 30, 255 };
	for (int i = 0; i < 2; i++) {
		c.format = i == 0 ? FORMAT_PNG : FORMAT_WEBP;
		struct darkroom_cut_result r = cut_scene(plain, ON_WHITE, ".png", &c, CUT_DO_FLAT);
		assert_int_equal(r.output.format, c.format);
		VipsImage *im = open_result(&r);
		assert_int_equal(im->Bands, 3);
		assert_in_range(value_at(im, 3, 3, 0), 5, 15);
		assert_in_range(value_at(im, 3, 3, 1), 195, 205);
		assert_in_range(value_at(im, W / 2, H / 2, 0), 100, 200);
		assert_in_range(value_at(im, W / 2, H / 2, 1), 30, 80);
		g_object_unref(im);
		darkroom_cut_done(&r);
	}
}

static void webp_keeps_alpha_exactly(void **state)
{
	(void)state;
	struct cut c = cut_usual();
	VipsImage *was = scene_of(ON_NOTHING, W, H);
	c.format = FORMAT_WEBP;
	struct darkroom_cut_result r = cut_scene(plain, ON_NOTHING, ".png", &c, CUT_DO_FLAT);
	VipsImage *im = open_result(&r);
	assert_int_equal(im->Bands, 4);
	for (int y = 0; y < H; y++)
		for (int x = 0; x < W; x++)
			assert_int_equal(value_at(im, x, y, 3), value_at(was, x, y, 3));
	g_object_unref(im);
	g_object_unref(was);
	darkroom_cut_done(&r);
}

static VipsImage *turned(VipsImage *im, int orientation)
{
	VipsImage *copy;
	assert_int_equal(vips_copy(im, &copy, NULL), 0);
	vips_image_set_int(copy, VIPS_META_ORIENTATION, orientation);
	g_object_unref(im);
	return copy;
}

static void a_result_is_upright(void **state)
{
	(void)state;
	struct err e;
	struct darkroom_cut_result r;
	const struct cut c = cut_usual();
	autofd fd = save(turned(scene_of(ON_WHITE, W, H), 6), ".jpg[Q=95]");
	assert_ok(cut_once(plain, fd, -1, &c, CUT_DO_FLAT, &r, &e));
	assert_true(r.done);
	assert_int_equal(r.width, H);
	assert_int_equal(r.height, W);
	assert_ball(&r, H / 2.0, W / 2.0, 0.97);
}

static void every_format_can_be_cut(void **state)
{
	(void)state;
	const struct cut c = cut_usual();
	static const char *const suffixes[] = { ".jpg[Q=95]", ".png", ".webp[Q=95]", ".gif", ".tif",
		".avif[Q=90]" };
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		struct darkroom_cut_result r = cut_scene(plain, ON_WHITE, suffixes[i], &c,
			CUT_DO_FLAT);
		if (!r.done)
			fail_msg("%s: not flat", suffixes[i]);
		assert_ball(&r, W / 2.0, H / 2.0, 0.95);
	}
}

static void a_provider_gets_the_original_or_a_jpeg_of_it(void **state)
{
	(void)state;
	struct err e;
	struct darkroom_cut_result r;
	const struct cut c = cut_usual();
	static const char *const as_they_are[] = { ".jpg", ".png", ".webp" };
	for (size_t i = 0; i < ARRAY_LEN(as_they_are); i++) {
		autofd fd = save(scene_of(ON_BLUR, W, H), as_they_are[i]);
		assert_ok(cut_once(plain, fd, -1, &c, CUT_DO_PREPARE, &r, &e));
		assert_true(r.done && !r.none && !r.has_output);
		assert_int_equal(r.engine, CUT_REMOTE);
		assert_int_equal(r.width, W);
	}
	autofd tiff = save(scene_of(ON_NOTHING, W, H), ".tif");
	autofd lying = save(turned(scene_of(ON_BLUR, W, H), 8), ".jpg");
	const struct {
		int fd, w, h;
	} others[] = { { tiff, W, H }, { lying, H, W } };
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		assert_ok(cut_once(plain, others[i].fd, -1, &c, CUT_DO_PREPARE, &r, &e));
		assert_true(r.has_output);
		assert_int_equal(r.output.format, FORMAT_JPEG);
		assert_int_equal(r.output.width, others[i].w);
		assert_int_equal(r.output.height, others[i].h);
		VipsImage *im = open_result(&r);
		if (others[i].fd == tiff) /* on white */
			assert_in_range(value_at(im, 3, 3, 1), 250, 255);
		g_object_unref(im);
		darkroom_cut_done(&r);
	}
}

static void a_large_original_is_sent_smaller(void **state)
{
	(void)state;
	struct err e;
	struct darkroom_cut_result r;
	const struct cut c = cut_usual();
	autofd fd = save(scene_of(JUST_GREY, 8000, 6400), ".png[compression=1]");
	assert_ok(cut_once(plain, fd, -1, &c, CUT_DO_PREPARE, &r, &e));
	assert_true(r.has_output);
	assert_int_equal(r.width, 8000);
	assert_in_range((int64_t)r.output.width * r.output.height, 24900000, 25000000);
	darkroom_cut_done(&r);
}

static void limits_hold_for_cut_outs_too(void **state)
{
	(void)state;
	struct err e;
	struct darkroom_cut_result r;
	const struct cut c = cut_usual();
	autofd fd = save(scene_of(ON_NOTHING, W, H), ".png");
	struct darkroom_opts small[3] = { plain_room(), plain_room(), plain_room() };
	small[0].max_pixels = W * H - 1;
	small[1].memory_bytes = 16 << 20;
	small[2].max_bytes_out = 1000;
	const enum err_code codes[] = { ERR_LIMIT_PIXELS, ERR_LIMIT_MEMORY, ERR_LIMIT_OUTPUT };
	for (size_t i = 0; i < ARRAY_LEN(small); i++) {
		struct darkroom *d = room_with(small[i]);
		assert_err(cut_once(d, fd, -1, &c, CUT_DO_FLAT, &r, &e), codes[i]);
		assert_false(r.has_output || r.crashed);
		darkroom_free(d);
	}
	autofd text = sealed("hello", 5), empty = sealed("", 0);
	assert_err(cut_once(plain, text, -1, &c, CUT_DO_FLAT, &r, &e), ERR_FETCH_NOT_IMAGE);
	assert_err(cut_once(plain, empty, -1, &c, CUT_DO_FLAT, &r, &e), ERR_FETCH_NOT_IMAGE);
	assert_err(cut_once(plain, text, -1, &c, CUT_DO_PREPARE, &r, &e), ERR_FETCH_NOT_IMAGE);
}

static void a_damaged_picture_ends_as_one(void **state)
{
	(void)state;
	struct err e;
	struct darkroom_cut_result r;
	const struct cut c = cut_usual();
	autofd whole = save(scene_of(ON_WHITE, W, H), ".png");
	size_t n, size = (size_t)io_size(whole);
	autofree char *data = mem_zalloc(size);
	assert_ok(io_pread(whole, data, size, 0, &n, &e));
	autofd half = sealed(data, size / 2);
	assert_err(cut_once(plain, half, -1, &c, CUT_DO_FLAT, &r, &e), ERR_DECODE_CORRUPT);
	assert_int_equal(r.format, FORMAT_PNG);
}

static void without_a_model_there_is_no_local_cut_out(void **state)
{
	(void)state;
	struct err e;
	struct darkroom_cut_result r;
	const struct cut c = cut_usual();
	autofd fd = save(scene_of(ON_BLUR, W, H), ".jpg");
	assert_err(cut_once(plain, fd, -1, &c, CUT_DO_LOCAL, &r, &e), ERR_MATTE_UNAVAILABLE);
	r = cut_scene(plain, ON_WHITE, ".jpg", &c, CUT_DO_FLAT); /* and nothing else is away */
	darkroom_cut_done(&r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_model_finds_the_subject),
	cmocka_unit_test(a_flat_ground_needs_no_model),
	cmocka_unit_test(what_is_not_flat_is_said_to_be_not),
	cmocka_unit_test(auto_takes_the_flat_way_where_it_can),
	cmocka_unit_test(where_nothing_is_there_is_no_subject),
	cmocka_unit_test(a_transparent_ground_is_the_answer_already),
	cmocka_unit_test(a_crop_is_the_subject_and_its_margin),
	cmocka_unit_test(a_fill_leaves_no_alpha),
	cmocka_unit_test(webp_keeps_alpha_exactly),
	cmocka_unit_test(a_result_is_upright),
	cmocka_unit_test(every_format_can_be_cut),
	cmocka_unit_test(a_provider_gets_the_original_or_a_jpeg_of_it),
	cmocka_unit_test(a_large_original_is_sent_smaller),
	cmocka_unit_test(limits_hold_for_cut_outs_too),
	cmocka_unit_test(a_damaged_picture_ends_as_one),
	cmocka_unit_test(without_a_model_there_is_no_local_cut_out),
};

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, begin, end);
}
