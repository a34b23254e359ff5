/* SPDX-License-Identifier: MIT
 *
 * Resampling as arithmetic: what must come out exactly, and that both inner loops agree.
 */
#include "lib/test.h"

#include "image/picture.h"
#include "image/resample.h"
#include "image/resample_rows.h"

#include <stdlib.h>

static struct plane noise(int w, int h)
{
	struct err e;
	struct plane p;
	uint32_t seed = 1;
	assert_ok(plane_init(&p, w, h, 1, 1, &e));
	for (int i = 0; i < w * h; i++) {
		seed = seed * 1664525 + 1013904223;
		p.px[i] = (uint8_t)(seed >> 24);
	}
	return p;
}

static struct plane slope(int w, int h)
{
	struct err e;
	struct plane p;
	assert_ok(plane_init(&p, w, h, 1, 1, &e));
	for (int i = 0; i < w * h; i++)
		p.px[i] = (uint8_t)(50 + i % w);
	return p;
}

static struct plane resized(const struct plane *from, struct rect r, int w, int h)
{
	struct err e;
	struct plane to;
	assert_ok(plane_init(&to, w, h, 1, 1, &e));
	assert_ok(resample(from, NULL, r, 1, &to, NULL, &e));
	return to;
}

static void the_same_size_is_the_same_picture(void **state)
{
	(void)state;
	struct plane from = noise(67, 41);
	struct plane to = resized(&from, (struct rect){ 0, 0, 67, 41 }, 67, 41);
	assert_memory_equal(from.px, to.px, 67 * 41);
	free(from.px);
	free(to.px);
}

static void a_whole_window_is_a_cut(void **state)
{
	(void)state;
	struct plane from = noise(67, 41);
	struct plane to = resized(&from, (struct rect){ 13, 7, 20, 30 }, 20, 30);
	for (int y = 0; y < 30; y++)
		assert_memory_equal(from.px + (y + 7) * 67 + 13, to.px + y * 20, 20);
	free(from.px);
	free(to.px);
}

static void flat_stays_flat_at_every_size(void **state)
{
	(void)state;
	struct plane from = noise(97, 61);
	memset(from.px, 201, 97 * 61);
	for (int n = 1; n < 300; n += 23) {
		struct plane to = resized(&from, (struct rect){ 0, 0, 97, 61 }, n, n);
		for (int i = 0; i < n * n; i++)
			assert_int_equal(to.px[i], 201);
		free(to.px);
	}
	free(from.px);
}

static void a_slope_keeps_its_place(void **state)
{
	(void)state;
	struct plane from = slope(120, 8);
	struct plane half = resized(&from, (struct rect){ 0, 0, 120, 8 }, 60, 4);
	struct plane twice = resized(&from, (struct rect){ 0, 0, 120, 8 }, 240, 16);
	for (int x = 6; x < 54; x++) /* sample x of half lies between 2x and 2x + 1 */
		assert_in_range(half.px[x], 50 + 2 * x, 50 + 2 * x + 1);
	for (int x = 12; x < 228; x++)
		assert_in_range(twice.px[x], 50 + (x - 1) / 2, 50 + x / 2 + 1);
	free(from.px);
	free(half.px);
	free(twice.px);
}

static void a_window_between_samples_shifts(void **state)
{
	(void)state;
	struct plane from = slope(120, 8);
	struct plane to = resized(&from, (struct rect){ 10.5, 0, 60, 8 }, 60, 8);
	for (int x = 6; x < 54; x++)
		assert_in_range(to.px[x], 60 + x, 61 + x);
	free(from.px);
	free(to.px);
}

static void what_is_transparent_weighs_nothing(void **state)
{
	(void)state;
	struct err e;
	struct picture p, small;
	assert_ok(picture_init(&p, 64, 64, false, 4, &e));
	for (int i = 0; i < 64 * 64; i++)
		for (int k = 0; k < 4; k++) /* opaque 100 next to transparent 255 */
			p.planes[k].px[i] = i % 64 < 33 ? (k == 3 ? 255 : 100) : (k == 3 ? 0 : 255);
	assert_ok(picture_resize(&p, (struct rect){ 0, 0, 64, 64 }, 16, 16, &small, &e));
	for (int i = 0; i < 16 * 16; i++)
		if (small.planes[3].px[i] > 40)
			assert_in_range(small.planes[0].px[i], 90, 110); /* Lanczos rings */
	picture_done(&p);
	picture_done(&small);
}

static void both_inner_loops_agree(void **state)
{
	(void)state;
#ifdef __x86_64__
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
		return; /* there is only one here */
	enum { W = 77, N = 29, TAPS = 16, ROOM = 256 };
	struct plane src = noise(W, 40), alpha = noise(W, 40);
	int start[32], count[32];
	static float weights[32 * TAPS], a[ROOM], b[ROOM];
	for (int i = 0; i < 32; i++) {
		start[i] = i < N ? i : N - 1;
		count[i] = i < N ? 11 : 0;
		for (int t = 0; t < count[i]; t++)
			weights[i * TAPS + t] = (t % 2 ? 1.0f : -0.25f) / 5.0f;
	}
	struct filter f = { N, TAPS, start, count, weights };
	for (int with = 0; with < 2; with++) {
		const struct plane *m = with ? &alpha : NULL;
		uint8_t one[32], other[32];
		resample_rows_plain.columns(&src, m, &f, 3, 5, W - 5, a);
		resample_rows_avx2.columns(&src, m, &f, 3, 5, W - 5, b);
		for (int i = 0; i < W - 5; i++)
			assert_true(a[i] - b[i] < 0.1f && b[i] - a[i] < 0.1f);
		resample_rows_plain.row(a, 0, &f, with ? alpha.px : NULL, one);
		resample_rows_avx2.row(a, 0, &f, with ? alpha.px : NULL, other);
		for (int i = 0; i < N; i++)
			assert_true(abs(one[i] - other[i]) <= 1);
	}
	free(src.px);
	free(alpha.px);
#endif
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_same_size_is_the_same_picture),
	cmocka_unit_test(a_whole_window_is_a_cut),
	cmocka_unit_test(flat_stays_flat_at_every_size),
	cmocka_unit_test(a_slope_keeps_its_place),
	cmocka_unit_test(a_window_between_samples_shifts),
	cmocka_unit_test(what_is_transparent_weighs_nothing),
	cmocka_unit_test(both_inner_loops_agree),
};
TEST_MAIN(tests)
