/* SPDX-License-Identifier: MIT
 *
 * Product shots on a flat ground, drawn with a known alpha, and pictures that are none.
 */
#include "lib/test.h"

#include "base/mem.h"
#include "pictures.h"

#include <math.h>

/* The scene's subject on this ground instead, with noise of ± `noise` levels. */
static struct scene shot(enum subject kind, int w, int h, const int ground[3], int noise)
{
	struct scene s = scene_new(w, h, kind, 1.5, 21);
	for (int c = 0; c < 3; c++)
		for (int y = 0; y < h; y++)
			for (int x = 0; x < w; x++) {
				size_t i = (size_t)y * (size_t)w + (size_t)x;
				double v = s.alpha[i] * s.fore[c][i] +
					(255 - s.alpha[i]) * ground[c];
				v = v / 255 + (noise_at(x, y, (unsigned)c) - 0.5) * 2 * noise;
				s.px[c][i] = (uint8_t)fmin(255, fmax(0, v + 0.5));
			}
	return s;
}

static bool run(const struct scene *s, uint8_t *alpha, uint8_t ground[3])
{
	struct err e;
	bool flat;
	struct matte_planes p = scene_planes(s);
	assert_ok(matte_flat(&p, alpha, &flat, ground, &e));
	return flat;
}

/* Whether the true edge is within 2 pixels. */
static bool at_edge(const struct scene *s, int x, int y)
{
	bool some = false, all = true;
	for (int j = y - 2; j <= y + 2; j++)
		for (int i = x - 2; i <= x + 2; i++) {
			if (i < 0 || j < 0 || i >= s->w || j >= s->h)
				continue;
			uint8_t a = s->alpha[(size_t)j * (size_t)s->w + (size_t)i];
			some |= a > 0;
			all &= a == 255;
		}
	return some && !all;
}

static int worst_outside_edge(const struct scene *s, const uint8_t *alpha)
{
	int worst = 0;
	for (int y = 0; y < s->h; y++)
		for (int x = 0; x < s->w; x++) {
			size_t i = (size_t)y * (size_t)s->w + (size_t)x;
			int d = abs(alpha[i] - s->alpha[i]);
			if (d > worst && !at_edge(s, x, y))
				worst = d;
		}
	return worst;
}

static double edge_error(const struct scene *s, const uint8_t *alpha)
{
	double sum = 0, n = 0;
	for (int y = 0; y < s->h; y++)
		for (int x = 0; x < s->w; x++) {
			size_t i = (size_t)y * (size_t)s->w + (size_t)x;
			if (at_edge(s, x, y)) {
				sum += abs(alpha[i] - s->alpha[i]);
				n++;
			}
		}
	return sum / n;
}

static const int grounds[][3] = { { 255, 255, 255 }, { 235, 238, 240 }, { 20, 90, 200 },
	{ 0, 0, 0 } };

static void alpha_is_exact_outside_the_edge(void **state)
{
	(void)state;
	for (size_t g = 0; g < ARRAY_LEN(grounds); g++)
		for (int kind = SUBJECT_BALL; kind <= SUBJECT_FIGURE; kind++)
			for (int noise = 0; noise <= 3; noise += 3) {
				uint8_t ground[3];
				struct scene s = shot(kind, 300, 240, grounds[g], noise);
				autofree uint8_t *alpha = mem_array(300 * 240, 1);
				assert_true(run(&s, alpha, ground));
				for (int c = 0; c < 3; c++)
					assert_in_range(abs(ground[c] - grounds[g][c]), 0, noise);
				assert_in_range(worst_outside_edge(&s, alpha), 0, 1);
				assert_true(edge_error(&s, alpha) < 12);
				scene_done(&s);
			}
}

static void an_inner_patch_of_the_grounds_colour_stays(void **state)
{
	(void)state;
	uint8_t ground[3];
	struct scene s = shot(SUBJECT_BALL, 300, 240, grounds[0], 0);
	for (int c = 0; c < 3; c++)
		for (int y = 110; y < 130; y++)
			memset(s.px[c] + y * 300 + 140, 255, 30);
	autofree uint8_t *alpha = mem_array(300 * 240, 1);
	assert_true(run(&s, alpha, ground));
	assert_int_equal(alpha[120 * 300 + 155], 255);
	assert_in_range(worst_outside_edge(&s, alpha), 0, 1);
	scene_done(&s);
}

static void the_subject_may_stand_on_the_lower_edge(void **state)
{
	(void)state;
	uint8_t ground[3];
	struct scene s = shot(SUBJECT_BALL, 300, 240, grounds[0], 0);
	s.h = 150; /* cut through the ball */
	autofree uint8_t *alpha = mem_array(300 * 240, 1);
	assert_true(run(&s, alpha, ground));
	assert_in_range(worst_outside_edge(&s, alpha), 0, 1);
	s.h = 240;
	scene_done(&s);
}

/* Grey under the subject that fades within 30 levels goes with the ground. */
static void a_soft_shadow_is_ground(void **state)
{
	(void)state;
	uint8_t ground[3];
	struct scene s = shot(SUBJECT_FIGURE, 300, 240, grounds[0], 1);
	for (int y = 0; y < 240; y++)
		for (int x = 0; x < 300; x++) {
			size_t i = (size_t)y * 300 + (size_t)x;
			double d = hypot((x - 150) / 2.2, y - 195);
			double dark = s.alpha[i] ? 0 : 28 * fmax(0, 1 - d / 35);
			for (int c = 0; c < 3; c++)
				s.px[c][i] = (uint8_t)fmax(0, s.px[c][i] - dark);
		}
	autofree uint8_t *alpha = mem_array(300 * 240, 1);
	assert_true(run(&s, alpha, ground));
	assert_in_range(worst_outside_edge(&s, alpha), 0, 1);
	scene_done(&s);
}

static void a_picture_of_one_colour_is_flat_and_empty(void **state)
{
	(void)state;
	uint8_t ground[3];
	struct scene s = shot(SUBJECT_BALL, 60, 40, grounds[1], 0);
	for (int c = 0; c < 3; c++)
		memset(s.px[c], 200, 60 * 40);
	autofree uint8_t *alpha = mem_array(60 * 40, 1);
	assert_true(run(&s, alpha, ground));
	assert_int_equal(ground[1], 200);
	for (size_t i = 0; i < 60 * 40; i++)
		assert_int_equal(alpha[i], 0);
	scene_done(&s);
}

static void other_grounds_are_not_flat(void **state)
{
	(void)state;
	uint8_t ground[3];
	autofree uint8_t *alpha = mem_array(300 * 240, 1);
	for (int kind = 0; kind < SUBJECTS; kind++) { /* as of a photograph */
		struct scene s = scene_new(300, 240, kind, 2, 4);
		assert_false(run(&s, alpha, ground));
		scene_done(&s);
	}
	for (int how = 0; how < 5; how++) {
		struct scene s = shot(SUBJECT_BALL, 300, 240, grounds[1], 0);
		for (int c = 0; c < 3; c++)
			for (int y = 0; y < 240; y++)
				for (int x = 0; x < 300; x++) {
					size_t i = (size_t)y * 300 + (size_t)x;
					double r = hypot(x - 150, y - 120) / 190;
					double minus[5] = { y / 4.0, x / 3.0, 120 * r * r,
						60 * noise_at(x, y, 1),
						60 * noise_at(x / 9, y / 9, 1) };
					if (s.alpha[i] < 128)
						s.px[c][i] = (uint8_t)(s.px[c][i] * 0.9 -
							minus[how]);
				}
		if (run(&s, alpha, ground))
			fail_msg("ground %d is called flat", how);
		scene_done(&s);
	}
}

/* The border is even, but the rim of what stands on it is a slope: a glow, say. */
static void a_slope_is_no_edge(void **state)
{
	(void)state;
	uint8_t ground[3];
	struct scene s = shot(SUBJECT_BALL, 300, 240, grounds[2], 0);
	for (int c = 0; c < 3; c++)
		for (int y = 0; y < 240; y++)
			for (int x = 0; x < 300; x++)
				s.px[c][y * 300 + x] = (uint8_t)fmin(255,
					grounds[2][c] +
						200 * fmax(0, 1 - hypot(x - 150, y - 120) / 100));
	autofree uint8_t *alpha = mem_array(300 * 240, 1);
	assert_false(run(&s, alpha, ground));
	scene_done(&s);
}

static void strange_sizes_do(void **state)
{
	(void)state;
	static const int sizes[][2] = { { 1, 1 }, { 1, 500 }, { 500, 1 }, { 7, 9 }, { 8, 8 },
		{ 2000, 8 } };
	for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
		uint8_t ground[3];
		int w = sizes[k][0], h = sizes[k][1];
		struct scene s = shot(SUBJECT_BALL, w, h, grounds[0], 2);
		autofree uint8_t *alpha = mem_array((size_t)w * (size_t)h, 1);
		bool flat = run(&s, alpha, ground);
		if (w < 8 || h < 8)
			assert_false(flat);
		scene_done(&s);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(alpha_is_exact_outside_the_edge),
	cmocka_unit_test(an_inner_patch_of_the_grounds_colour_stays),
	cmocka_unit_test(the_subject_may_stand_on_the_lower_edge),
	cmocka_unit_test(a_soft_shadow_is_ground),
	cmocka_unit_test(a_picture_of_one_colour_is_flat_and_empty),
	cmocka_unit_test(other_grounds_are_not_flat),
	cmocka_unit_test(a_slope_is_no_edge),
	cmocka_unit_test(strange_sizes_do),
};
TEST_MAIN(tests)
