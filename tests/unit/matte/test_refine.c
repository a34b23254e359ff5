/* SPDX-License-Identifier: MIT
 *
 * From the model's mask to the picture's alpha.
 */
#include "lib/test.h"

#include "lib/sanitized.h"

#include "base/mem.h"
#include "pictures.h"

#include <math.h>

/* As large as a guide may be, so that the radius is in the guide's pixels. */
static struct matte_model model(int radius, double contrast)
{
	return (struct matte_model){ .w = MATTE_GUIDE_MAX,
		.h = MATTE_GUIDE_MAX,
		.gf_radius = radius,
		.gf_eps = 1e-4,
		.contrast = contrast };
}

/* A mask as a model would give it: the truth, small, and blurred by that. */
static struct matte_mask small_mask(const struct scene *s, int w, int h)
{
	struct matte_mask m = { .w = w, .h = h };
	m.v = mem_array((size_t)w * (size_t)h, sizeof(*m.v));
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++) {
			double sum = 0, n = 0;
			for (int j = y * s->h / h; j < (y + 1) * s->h / h; j++)
				for (int i = x * s->w / w; i < (x + 1) * s->w / w; i++, n++)
					sum += s->alpha[(size_t)j * (size_t)s->w + (size_t)i];
			m.v[(size_t)y * (size_t)w + (size_t)x] = (float)(n > 0 ? sum / n / 255
									       : (x + y) % 2);
		}
	return m;
}

/* Refines with a guide of gw × gh; the caller frees. */
static uint8_t *refine(const struct matte_model *m, const struct matte_mask *mask,
	const struct scene *s, int gw, int gh)
{
	struct err e;
	struct matte_planes p = scene_planes(s), guide;
	autofree uint8_t *planes = scene_guide(s, gw, gh, &guide);
	uint8_t *alpha = mem_array((size_t)s->w * (size_t)s->h, 1);
	assert_non_null(planes);
	assert_ok(matte_refine(m, mask, &guide, &p, alpha, &e));
	return alpha;
}

static double mean_error(const struct scene *s, const uint8_t *alpha)
{
	double sum = 0;
	size_t n = (size_t)s->w * (size_t)s->h;
	for (size_t i = 0; i < n; i++)
		sum += abs(alpha[i] - s->alpha[i]);
	return sum / (double)n / 255;
}

static void the_edge_goes_to_the_pictures(void **state)
{
	(void)state;
	for (int kind = 0; kind < SUBJECTS; kind++) {
		struct scene s = scene_new(960, 640, kind, 2, 3);
		struct matte_mask mask = small_mask(&s, 60, 40); /* 16 pixels each */
		struct matte_model none = model(0, 0), with = model(8, 3);
		autofree uint8_t *plain = refine(&none, &mask, &s, 480, 320),
				 *fine = refine(&with, &mask, &s, 480, 320);
		double before = mean_error(&s, plain), after = mean_error(&s, fine);
		print_message("# subject %d: %.4f -> %.4f\n", kind, before, after);
		assert_true(after < before * 0.6);
		matte_mask_done(&mask);
		scene_done(&s);
	}
}

static void what_is_sure_stays(void **state)
{
	(void)state;
	struct scene s = scene_new(900, 700, SUBJECT_BLOB, 2, 8);
	struct matte_mask mask = small_mask(&s, 90, 70);
	struct matte_model m = model(8, 3);
	autofree uint8_t *alpha = refine(&m, &mask, &s, 450, 350);
	for (int y = 0; y < 70; y++)
		for (int x = 0; x < 90; x++) { /* 10 pixels each; the filter sees 4 of them */
			bool ones = true, zeros = true;
			for (int j = y - 6; j <= y + 6; j++)
				for (int i = x - 6; i <= x + 6; i++) {
					if (i < 0 || j < 0 || i >= 90 || j >= 70)
						continue;
					ones &= mask.v[j * 90 + i] == 1;
					zeros &= mask.v[j * 90 + i] == 0;
				}
			uint8_t v = alpha[(size_t)(y * 10 + 5) * 900 + (size_t)x * 10 + 5];
			if (ones)
				assert_int_equal(v, 255);
			if (zeros)
				assert_int_equal(v, 0);
		}
	matte_mask_done(&mask);
	scene_done(&s);
}

/* The filter by its definition, at one pixel. */
struct exact {
	const uint8_t *rgb;
	const double *p;
	int w, h, r;
	double eps;
};

static void window_fit(const struct exact *f, int x, int y, double out[4])
{
	double n = 0, mean[4] = { 0 }, cov[3][4] = { 0 };
	for (int pass = 0; pass < 2; pass++)
		for (int j = y - f->r; j <= y + f->r; j++)
			for (int i = x - f->r; i <= x + f->r; i++) {
				if (i < 0 || j < 0 || i >= f->w || j >= f->h)
					continue;
				double v[4];
				for (int c = 0; c < 3; c++)
					v[c] = f->rgb[3 * (j * f->w + i) + c] / 255.0;
				v[3] = f->p[j * f->w + i];
				n += pass == 0;
				for (int a = 0; a < 4; a++)
					mean[a] += pass ? 0 : v[a];
				for (int a = 0; pass && a < 3; a++)
					for (int b = 0; b < 4; b++)
						cov[a][b] += (v[a] - mean[a] / n) *
							(v[b] - mean[b] / n) / n;
			}
	for (int a = 0; a < 3; a++)
		cov[a][a] += f->eps;
	for (int a = 0; a < 3; a++) /* Gauss and Jordan */
		for (int b = 0; b < 3; b++) {
			double by = a == b ? 0 : cov[b][a] / cov[a][a];
			for (int c = a; c < 4; c++)
				cov[b][c] -= by * cov[a][c];
		}
	out[3] = mean[3] / n;
	for (int a = 0; a < 3; a++) {
		out[a] = cov[a][3] / cov[a][a];
		out[3] -= out[a] * mean[a] / n;
	}
}

static double exact_at(const struct exact *f, int x, int y)
{
	double sum = 0, n = 0;
	for (int j = y - f->r; j <= y + f->r; j++)
		for (int i = x - f->r; i <= x + f->r; i++) {
			double c[4];
			if (i < 0 || j < 0 || i >= f->w || j >= f->h)
				continue;
			window_fit(f, i, j, c);
			sum += c[3];
			for (int k = 0; k < 3; k++)
				sum += c[k] * f->rgb[3 * (y * f->w + x) + k] / 255.0;
			n++;
		}
	return fmin(1, fmax(0, sum / n));
}

static void the_filter_is_the_one_of_the_paper(void **state)
{
	(void)state;
	struct scene s = scene_new(150, 90, SUBJECT_BLOB, 6, 2);
	struct matte_mask mask = small_mask(&s, 150, 90);
	struct matte_model m = model(4, 0);
	autofree uint8_t *alpha = refine(&m, &mask, &s, 150, 90), *rgb = scene_pack(&s, 150, 90);
	autofree double *p = mem_array(150 * 90, sizeof(*p));
	for (size_t i = 0; i < 150 * 90; i++)
		p[i] = (double)mask.v[i];
	struct exact f = { rgb, p, 150, 90, 4, 1e-4 };
	for (int y = 0; y < 90; y += 7)
		for (int x = 0; x < 150; x += 7)
			assert_in_range(fabs(alpha[y * 150 + x] - 255 * exact_at(&f, x, y)) * 100,
				0, 150);
	matte_mask_done(&mask);
	scene_done(&s);
}

static void strange_sizes_do(void **state)
{
	(void)state;
	static const int sizes[][4] = { { 1, 1, 1, 1 }, { 1, 999, 1, 500 }, { 999, 1, 999, 1 },
		{ 3000, 2, 1024, 1 }, { 65, 67, 65, 67 }, { 131, 64, 130, 63 },
		{ 5, 4000, 2, 1024 } };
	for (size_t k = 0; k < ARRAY_LEN(sizes); k++)
		for (int radius = 0; radius <= 40; radius += 20) {
			const int *z = sizes[k];
			struct scene s = scene_new(z[0], z[1], SUBJECT_BALL, 3, 6);
			struct matte_mask mask = small_mask(&s, 32, 32);
			struct matte_model m = model(radius, 3);
			for (size_t i = 0; i < 32 * 32; i++)
				mask.v[i] = k % 2 ? 1 : mask.v[i];
			autofree uint8_t *alpha = refine(&m, &mask, &s, z[2], z[3]);
			for (size_t i = 0; k % 2 && i < (size_t)z[0] * (size_t)z[1]; i++)
				assert_int_equal(alpha[i], 255);
			matte_mask_done(&mask);
			scene_done(&s);
		}
}

static void a_guide_larger_than_the_picture_is_refused(void **state)
{
	(void)state;
	struct err e;
	float v[4] = { 0 };
	uint8_t px[16] = { 0 };
	struct matte_mask mask = { .v = v, .w = 2, .h = 2 };
	struct matte_planes p = { px, px, px, 2, 2 }, guide = { px, px, px, 4, 4 };
	struct matte_model m = model(8, 3);
	assert_err(matte_refine(&m, &mask, &guide, &p, px, &e), ERR_MATTE_FAILED);
}

static void an_absurd_mask_is_out_of_memory(void **state)
{
	(void)state;
	if (SANITIZED)
		skip(); /* it ends the process instead */
	struct err e;
	float v[4] = { 0 };
	uint8_t px[16] = { 0 };
	struct matte_mask mask = { .v = v, .w = 1 << 24, .h = 1 << 24 };
	struct matte_planes p = { px, px, px, 4, 4 };
	struct matte_model m = model(8, 3);
	assert_err(matte_refine(&m, &mask, &p, &p, px, &e), ERR_LIMIT_MEMORY);
	assert_non_null(strstr(e.text, "memory"));
}

static void a_guide_is_no_smaller_than_the_mask(void **state)
{
	(void)state;
	const int cases[][3] = { { 320, 320, 640 }, { 640, 640, 640 }, { 320, 800, 800 },
		{ 800, 320, 800 }, { 1024, 1024, 1024 }, { 2048, 2048, MATTE_GUIDE_MAX } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct matte_model m = { .w = cases[i][0], .h = cases[i][1] };
		assert_int_equal(matte_guide_side(&m), cases[i][2]);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_edge_goes_to_the_pictures),
	cmocka_unit_test(what_is_sure_stays),
	cmocka_unit_test(a_guide_is_no_smaller_than_the_mask),
	cmocka_unit_test(the_filter_is_the_one_of_the_paper),
	cmocka_unit_test(strange_sizes_do),
	cmocka_unit_test(an_absurd_mask_is_out_of_memory),
	cmocka_unit_test(a_guide_larger_than_the_picture_is_refused),
};
TEST_MAIN(tests)
