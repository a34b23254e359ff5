/* SPDX-License-Identifier: MIT
 *
 * What is done to planes in place must be what is done by copying.
 */
#include "pictures.h"

#include "base/mem.h"
#include "image/picture.h"
#include "image/save.h"

#include <math.h>
#include <stdlib.h>

/* Slopes in every plane, so that a sample in the wrong place is seen. */
static struct picture slopes(int w, int h, bool is_ycc, int n)
{
	struct err e;
	struct picture p;
	assert_ok(picture_init(&p, w, h, is_ycc, n, &e));
	for (int i = 0; i < n; i++)
		for (int y = 0; y < p.planes[i].h; y++)
			for (int x = 0; x < p.planes[i].w; x++)
				p.planes[i].px[y * p.planes[i].w + x] = (uint8_t)(40 + 20 * i +
					x * 100 / p.planes[i].w + y * 40 / p.planes[i].h);
	return p;
}

static void assert_same(const struct picture *a, const struct picture *b, int tolerance)
{
	assert_int_equal(a->w, b->w);
	assert_int_equal(a->h, b->h);
	assert_int_equal(a->n, b->n);
	for (int i = 0; i < a->n; i++)
		for (int k = 0; k < a->w * a->h; k++)
			if (abs(a->planes[i].px[k] - b->planes[i].px[k]) > tolerance)
				fail_msg("plane %d, pixel %d: %d and %d", i, k, a->planes[i].px[k],
					b->planes[i].px[k]);
}

static void rgb_in_place_is_what_a_copy_is(void **state)
{
	(void)state;
	struct err e;
	static const int sizes[][2] = { { 1, 1 }, { 2, 2 }, { 3, 5 }, { 64, 48 }, { 101, 67 } };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct picture p = slopes(sizes[i][0], sizes[i][1], true, 3), copy;
		assert_ok(picture_to_rgb(&p, &copy, &e));
		assert_ok(picture_make_rgb(&p, &e));
		assert_false(p.is_ycc);
		/* chroma is widened by another filter, which differs at the edges and on steep slopes */
		assert_same(&p, &copy, sizes[i][0] < 10 ? 60 : 8);
		picture_done(&p);
		picture_done(&copy);
	}
}

static void flat_colours_stay_exact(void **state)
{
	(void)state;
	struct err e;
	struct picture p;
	assert_ok(picture_init(&p, 33, 21, true, 3, &e));
	memset(p.planes[0].px, 76, 33 * 21); /* red, as JFIF has it */
	memset(p.planes[1].px, 85, 17 * 11);
	memset(p.planes[2].px, 255, 17 * 11);
	assert_ok(picture_make_rgb(&p, &e));
	for (int k = 0; k < 33 * 21; k++) {
		assert_int_equal(p.planes[0].px[k], 254);
		assert_int_equal(p.planes[1].px[k], 0);
		assert_int_equal(p.planes[2].px[k], 0);
	}
	picture_done(&p);
}

/* Of chroma half as large: three parts the nearer sample and one part the farther, both ways. */
static int widened(const struct plane *p, int x, int y)
{
	int sum = 0;
	for (int k = 0; k < 4; k++) { /* bits: the farther column, the farther row */
		int i = x / 2 + (k & 1 ? (x % 2 ? 1 : -1) : 0),
		    j = y / 2 + (k & 2 ? (y % 2 ? 1 : -1) : 0);
		i = i < 0 ? 0 : i < p->w ? i : p->w - 1;
		j = j < 0 ? 0 : j < p->h ? j : p->h - 1;
		sum += p->px[j * p->w + i] * (k & 1 ? 1 : 3) * (k & 2 ? 1 : 3);
	}
	return (sum + (x % 2 ? 7 : 8)) >> 4;
}

static void chroma_of_half_the_size_is_widened_as_decoders_do(void **state)
{
	(void)state;
	struct err e;
	struct picture p, ycc;
	uint32_t noise = 1;
	assert_ok(picture_init(&p, 203, 51, true, 3, &e));
	assert_ok(picture_init(&ycc, 203, 51, true, 3, &e));
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < p.planes[i].w * p.planes[i].h; k++) {
			noise = noise * 1664525 + 1013904223;
			p.planes[i].px[k] = ycc.planes[i].px[k] = (uint8_t)(noise >> 24);
		}
	assert_ok(picture_make_rgb(&p, &e));
	for (int y = 0; y < 51; y++)
		for (int x = 0; x < 203; x++) {
			int k = y * 203 + x, light = ycc.planes[0].px[k];
			int cb = widened(&ycc.planes[1], x, y) - 128,
			    cr = widened(&ycc.planes[2], x, y) - 128;
			double want[3] = { light + 1.402 * cr,
				light - 0.344136 * cb - 0.714136 * cr, light + 1.772 * cb };
			for (int i = 0; i < 3; i++)
				assert_true(fabs(fmin(255, fmax(0, want[i])) - p.planes[i].px[k]) <
					0.51);
		}
	picture_done(&p);
	picture_done(&ycc);
}

static void a_crop_in_place_keeps_its_window(void **state)
{
	(void)state;
	struct picture whole = slopes(50, 40, false, 4), p = slopes(50, 40, false, 4);
	picture_crop(&p, 7, 3, 20, 30);
	assert_int_equal(p.w, 20);
	assert_int_equal(p.h, 30);
	for (int i = 0; i < 4; i++)
		for (int y = 0; y < 30; y++)
			for (int x = 0; x < 20; x++)
				assert_int_equal(p.planes[i].px[y * 20 + x],
					whole.planes[i].px[(y + 3) * 50 + x + 7]);
	picture_crop(&p, 0, 0, 20, 30); /* all of it */
	assert_int_equal(p.w, 20);
	picture_done(&p);
	picture_done(&whole);
}

static void laid_in_place_is_flattened(void **state)
{
	(void)state;
	struct err e;
	const struct rgba c = { 10, 200, 30, 255 };
	struct picture p = slopes(40, 30, false, 4), copy;
	assert_ok(picture_flatten(&p, c, &copy, &e));
	picture_lay_on(&p, c);
	assert_same(&p, &copy, 0);
	picture_done(&p);
	picture_done(&copy);
}

/* Strips have 64 rows: heights around that, and an opaque strip among others. */
static void a_webp_made_of_strips_has_no_seams(void **state)
{
	(void)state;
	struct err e;
	static const int heights[] = { 1, 63, 64, 65, 129, 200 };
	for (size_t i = 0; i < ARRAY_LEN(heights); i++)
		for (int lossless = 0; lossless < 2; lossless++) {
			int h = heights[i];
			struct picture p = slopes(70, h, false, 4);
			for (int k = 0; k < 70 * h; k++)
				p.planes[3].px[k] = k / 70 < 64 ? 255 : p.planes[3].px[k];
			const struct variant v = { .format = FORMAT_WEBP,
				.quality = 95,
				.effort = 4,
				.lossless = lossless };
			struct encoded f = { 0 };
			assert_ok(save_picture(&p, &v, &f, &e));
			VipsImage *im = vips_image_new_from_buffer(f.data, f.n, "", NULL), *mem;
			assert_non_null(im);
			mem = vips_image_copy_memory(im);
			assert_int_equal(mem->Bands, h > 64 ? 4 : 3);
			for (int y = 0; y < h; y++)
				for (int x = 0; x < 70; x++) {
					const uint8_t *px = VIPS_IMAGE_ADDR(mem, x, y);
					for (int b = 0; b < mem->Bands; b++)
						assert_in_range(px[b] + 20,
							p.planes[b].px[y * 70 + x] +
								(b == 3 || lossless ? 20 : 0),
							p.planes[b].px[y * 70 + x] +
								(b == 3 || lossless ? 20 : 40));
				}
			g_object_unref(im);
			g_object_unref(mem);
			encoded_done(&f);
			picture_done(&p);
		}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(rgb_in_place_is_what_a_copy_is),
	cmocka_unit_test(flat_colours_stay_exact),
	cmocka_unit_test(chroma_of_half_the_size_is_widened_as_decoders_do),
	cmocka_unit_test(a_crop_in_place_keeps_its_window),
	cmocka_unit_test(laid_in_place_is_flattened),
	cmocka_unit_test(a_webp_made_of_strips_has_no_seams),
};

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, pictures_start, NULL);
}
