/* SPDX-License-Identifier: MIT
 *
 * The subject's own colour at its edge, against subjects whose colour is known.
 */
#include "lib/test.h"

#include "base/mem.h"
#include "pictures.h"

#include <sys/resource.h>

/* Mean difference from the subject's own colour where alpha is neither little nor much. */
static double band_error(const struct scene *s)
{
	double sum = 0, n = 0;
	for (size_t i = 0; i < (size_t)s->w * (size_t)s->h; i++)
		for (int c = 0; c < 3 && s->alpha[i] > 12 && s->alpha[i] < 243; c++, n++)
			sum += abs(s->px[c][i] - s->fore[c][i]);
	assert_true(n > 0);
	return sum / n;
}

static void estimate(struct scene *s)
{
	struct err e;
	assert_ok(matte_foreground(s->px[0], s->px[1], s->px[2], s->alpha, s->w, s->h,
		matte_bounds(s->alpha, s->w, s->h), &e));
}

static void the_error_at_the_edge_is_halved(void **state)
{
	(void)state;
	for (int kind = 0; kind < SUBJECTS; kind++)
		for (int soft = 2; soft <= 32; soft *= 4) {
			struct scene s = scene_new(720, 480, kind, soft, 11);
			double before = band_error(&s);
			estimate(&s);
			double after = band_error(&s);
			print_message("# subject %d, edge of %d px: %.1f -> %.1f\n", kind, soft,
				before, after);
			assert_true(after <= before / 2);
			scene_done(&s);
		}
}

static void only_partial_pixels_change(void **state)
{
	(void)state;
	struct scene s = scene_new(700, 333, SUBJECT_BLOB, 9, 5),
		     t = scene_new(700, 333, SUBJECT_BLOB, 9, 5);
	estimate(&s);
	for (int c = 0; c < 3; c++)
		for (size_t i = 0; i < 700 * 333; i++)
			if (s.alpha[i] == 0 || s.alpha[i] == 255)
				assert_int_equal(s.px[c][i], t.px[c][i]);
	scene_done(&s);
	scene_done(&t);
}

/* Both ways through the code: with tiles (over the coarse size) and without. */
static void odd_sizes_do(void **state)
{
	(void)state;
	static const int sizes[][2] = { { 1, 1 }, { 1, 777 }, { 777, 1 }, { 2, 3 }, { 257, 255 },
		{ 2049, 3 }, { 511, 1025 } };
	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		int w = sizes[k][0], h = sizes[k][1];
		struct scene s = scene_new(w, h, SUBJECT_BALL, 3, 1);
		for (size_t i = 0; i < (size_t)w * (size_t)h; i++)
			s.alpha[i] = (uint8_t)(255 * noise_at((int)i, 0, 3));
		estimate(&s);
		scene_done(&s);
	}
}

static void an_empty_box_is_nothing(void **state)
{
	(void)state;
	struct err e;
	uint8_t v[4] = { 1, 2, 3, 4 }, alpha[4] = { 0 };
	assert_ok(matte_foreground(v, v, v, alpha, 2, 2, matte_bounds(alpha, 2, 2), &e));
	assert_int_equal(v[3], 4);
}

static void bounds_are_those_of_what_shows(void **state)
{
	(void)state;
	uint8_t a[8 * 6] = { 0 };
	a[0] = 2; /* too faint */
	struct matte_box b = matte_bounds(a, 8, 6);
	assert_int_equal(b.w, 0);
	a[2 * 8 + 3] = 3;
	a[4 * 8 + 6] = 255;
	b = matte_bounds(a, 8, 6);
	assert_true(b.x == 3 && b.y == 2 && b.w == 4 && b.h == 3);
	memset(a, 255, sizeof(a));
	b = matte_bounds(a, 8, 6);
	assert_true(b.x == 0 && b.y == 0 && b.w == 8 && b.h == 6);
}

/* 24 MP with a soft edge all over: scratch memory is that of a tile and of the coarse picture. */
static void a_large_picture_takes_little_memory(void **state)
{
	(void)state;
	int w = 6000, h = 4000;
	size_t n = (size_t)w * (size_t)h;
	autofree uint8_t *px = mem_array(n, 1), *alpha = mem_array(n, 1);
	for (size_t i = 0; i < n; i++) {
		alpha[i] = (uint8_t)(i / 97 % 256);
		px[i] = (uint8_t)(i % 251);
	}
	struct rusage before, after;
	getrusage(RUSAGE_SELF, &before);
	struct err e;
	assert_ok(matte_foreground(px, px, px, alpha, w, h, (struct matte_box){ 0, 0, w, h }, &e));
	getrusage(RUSAGE_SELF, &after);
	assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 40 << 10); /* KiB */
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_error_at_the_edge_is_halved),
	cmocka_unit_test(only_partial_pixels_change),
	cmocka_unit_test(odd_sizes_do),
	cmocka_unit_test(an_empty_box_is_nothing),
	cmocka_unit_test(bounds_are_those_of_what_shows),
	cmocka_unit_test(a_large_picture_takes_little_memory),
};
TEST_MAIN(tests)
