/* SPDX-License-Identifier: MIT
 *
 * Pictures in, variants out: kinds of sources, colours, alpha, cuts, damage.
 */
#include "pictures.h"

#include "base/mem.h"
#include "image/vips_picture.h"

#define WEB_LIKE                                                                                   \
	"[{\"name\":\"a\",\"width\":40,\"height\":40,\"format\":\"jpeg\",\"quality\":95},"         \
	"{\"name\":\"b\",\"width\":60,\"format\":\"webp\",\"quality\":95},"                        \
	"{\"name\":\"c\",\"width\":80,\"format\":\"png\"},"                                        \
	"{\"name\":\"d\",\"width\":48,\"format\":\"avif\",\"quality\":90,\"effort\":0}]"

/* Every variant of WEB_LIKE shows the scene. Takes f. */
static void assert_made(struct file f, enum format want, int tolerance)
{
	struct made m = make_well(f, WEB_LIKE);
	assert_int_equal(m.header.format, want);
	assert_int_equal(m.count, 4);
	for (int i = 0; i < 4; i++)
		assert_scene(m.files[i], tolerance);
	assert_int_equal(m.summary.width, 160);
	assert_int_equal(m.summary.height, 120);
	assert_true(strlen(m.summary.thumbhash) >= 24);
	assert_int_equal(m.summary.color[0], '#');
	made_and_file_done(&m, &f);
}

static void every_format_is_read(void **state)
{
	(void)state;
	assert_made(encode(scene(160, 120), ".jpg[Q=95]"), FORMAT_JPEG, 12);
	assert_made(encode(scene(160, 120), ".png"), FORMAT_PNG, 12);
	assert_made(encode(scene(160, 120), ".webp[Q=95]"), FORMAT_WEBP, 12);
	assert_made(encode(scene(160, 120), ".webp[lossless]"), FORMAT_WEBP, 12);
	assert_made(encode(scene(160, 120), ".gif"), FORMAT_GIF, 12);
	assert_made(encode(scene(160, 120), ".tif[compression=lzw]"), FORMAT_TIFF, 12);
	assert_made(encode(scene(160, 120), ".tif[compression=jpeg,Q=95]"), FORMAT_TIFF, 16);
	assert_made(encode(scene(160, 120), ".avif[Q=95,effort=0]"), FORMAT_AVIF, 16);
	assert_made(encode(scene(160, 120), ".heic[compression=hevc,Q=95]"), FORMAT_HEIF, 16);
}

static void every_kind_of_jpeg_is_read(void **state)
{
	(void)state;
	static const char *const kinds[] = { ".jpg[Q=95,interlace]",
		".jpg[Q=95,subsample-mode=off]", ".jpg[Q=95,subsample-mode=on]",
		".jpg[Q=95,subsample-mode=on,interlace]", ".jpg[Q=95,optimize-coding]" };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		assert_made(encode(scene(160, 120), kinds[i]), FORMAT_JPEG, 12);
}

static void a_palette_is_read(void **state)
{
	(void)state;
	assert_made(encode(scene(160, 120), ".png[palette]"), FORMAT_PNG, 12);
	assert_made(encode(scene(160, 120), ".png[interlace]"), FORMAT_PNG, 12);
}

static void sixteen_bits_become_eight(void **state)
{
	(void)state;
	static const char *const kinds[] = { ".png", ".tif" };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		VipsImage *im = scene(160, 120), *wide = NULL;
		assert_int_equal(vips_colourspace(im, &wide, VIPS_INTERPRETATION_RGB16, NULL), 0);
		g_object_unref(im);
		assert_made(encode(wide, kinds[i]), i ? FORMAT_TIFF : FORMAT_PNG, 12);
	}
}

static void grey_stays_grey(void **state)
{
	(void)state;
	static const char *const kinds[] = { ".jpg[Q=95]", ".jpg[Q=95,interlace]", ".png", ".tif" };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		VipsImage *im = NULL;
		assert_int_equal(vips_black(&im, 160, 120, NULL), 0);
		VipsImage *grey = NULL;
		assert_int_equal(vips_linear1(im, &grey, 1, 100, "uchar", TRUE, NULL), 0);
		g_object_unref(im);
		struct file f = encode(grey, kinds[i]);
		struct made m = make_well(f, WEB_LIKE);
		for (int k = 0; k < 4; k++)
			assert_color(m.files[k], 0.5, 0.5, 100, 100, 100, -1, 2);
		assert_string_equal(m.summary.color, "#646464");
		made_and_file_done(&m, &f);
	}
}

static void cmyk_becomes_rgb(void **state)
{
	(void)state;
	VipsImage *im = scene(160, 120), *cmyk = NULL;
	assert_int_equal(vips_icc_transform(im, &cmyk, "cmyk", "input_profile", "srgb", NULL), 0);
	g_object_unref(im);
	for (int stripped = 0; stripped < 2; stripped++) {
		g_object_ref(cmyk);
		struct file f = encode(cmyk, stripped ? ".jpg[Q=95,strip]" : ".jpg[Q=95]");
		struct made m = make_well(f, WEB_LIKE);
		/* print has no pure colours: these are what sharp makes of the same file */
		assert_color(m.files[2], 0.25, 0.25, 232, 0, 21, -1, 8);
		assert_color(m.files[2], 0.75, 0.25, 191, 207, 0, -1, 8);
		assert_color(m.files[2], 0.25, 0.75, 27, 60, 140, -1, 8);
		assert_color(m.files[2], 0.75, 0.75, 255, 255, 255, -1, 2);
		made_and_file_done(&m, &f);
	}
	g_object_unref(cmyk);
}

static void colours_without_a_profile_are_left_alone(void **state)
{
	(void)state;
	static const char *const kinds[] = { ".png", ".tif", ".webp[lossless]",
		".jpg[Q=100,subsample-mode=off]" };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		VipsImage *im = NULL, *flat = NULL;
		double one[3] = { 1, 1, 1 }, color[3] = { 180, 90, 40 };
		assert_int_equal(vips_black(&im, 64, 64, "bands", 3, NULL), 0);
		assert_int_equal(vips_linear(im, &flat, one, color, 3, "uchar", TRUE, NULL), 0);
		g_object_unref(im);
		flat->Type = VIPS_INTERPRETATION_sRGB;
		struct file f = encode(flat, kinds[i]);
		struct made m = make_well(f,
			"[{\"name\":\"a\",\"width\":32,\"format\":\"png\"},"
			"{\"name\":\"b\",\"width\":32,\"format\":\"jpeg\",\"quality\":95},"
			"{\"name\":\"c\",\"width\":32,\"format\":\"webp\",\"quality\":95}]");
		assert_color(m.files[0], 0.5, 0.5, 180, 90, 40, -1, 2);
		assert_color(m.files[1], 0.5, 0.5, 180, 90, 40, -1, 3);
		assert_color(m.files[2], 0.5, 0.5, 180, 90, 40, -1, 4);
		made_and_file_done(&m, &f);
	}
}

static void a_wide_gamut_becomes_srgb(void **state)
{
	(void)state;
	static const char *const kinds[] = { ".jpg[Q=95]", ".png", ".webp[lossless]", ".tif" };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		VipsImage *im = scene(160, 120), *p3 = NULL;
		assert_int_equal(vips_icc_transform(im, &p3, "p3", "input_profile", "srgb", NULL),
			0);
		g_object_unref(im);
		double *red = NULL;
		int n;
		assert_int_equal(vips_getpoint(p3, &red, &n, 40, 30, NULL), 0);
		assert_true(red[0] < 245 && red[1] > 30); /* sRGB's red is not P3's */
		g_free(red);
		assert_made(encode(p3, kinds[i]),
			(enum format[]){ FORMAT_JPEG, FORMAT_PNG, FORMAT_WEBP, FORMAT_TIFF }[i],
			16);
	}
}

static void alpha_is_kept_where_the_format_has_it(void **state)
{
	(void)state;
	static const char *const kinds[] = { ".png", ".webp[lossless]", ".tif" };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct file f = encode(scene_alpha(160, 120, 0), kinds[i]);
		struct made m = make_well(f,
			"[{\"name\":\"a\",\"width\":80,\"format\":\"webp\",\"quality\":95},"
			"{\"name\":\"b\",\"width\":80,\"format\":\"png\"},"
			"{\"name\":\"c\",\"width\":80,\"format\":\"avif\",\"quality\":90,\"effort\":0},"
			"{\"name\":\"d\",\"width\":80,\"format\":\"jpeg\",\"quality\":95,"
			"\"background\":\"#00ffff\"},"
			"{\"name\":\"e\",\"width\":20,\"format\":\"png\"}]");
		assert_true(m.header.has_alpha);
		for (int k = 0; k < 3; k++) {
			assert_color(m.files[k], 0.25, 0.25, 255, 0, 0, 255, 16);
			assert_color(m.files[k], 0.25, 0.75, 0, 0, 255, 255, 16);
		}
		assert_color(m.files[1], 0.75, 0.25, 0, 0, 0, 0, 255);
		assert_color(m.files[4], 0.2, 0.2, 255, 0, 0, 255, 2);
		assert_color(m.files[3], 0.25, 0.25, 255, 0, 0, -1, 12);
		assert_color(m.files[3], 0.75, 0.25, 0, 255, 255, -1, 12);
		made_and_file_done(&m, &f);
	}
}

static void half_transparent_colours_do_not_bleed(void **state)
{
	(void)state;
	struct file f = encode(scene_alpha(160, 120, 128), ".png");
	struct made m = make_well(f,
		"[{\"name\":\"a\",\"width\":40,\"format\":\"png\"},"
		"{\"name\":\"b\",\"width\":40,\"format\":\"jpeg\",\"quality\":95,"
		"\"background\":\"#000\"}]");
	assert_color(m.files[0], 0.75, 0.25, 0, 255, 0, 128, 2);
	assert_color(m.files[1], 0.75, 0.25, 0, 128, 0, -1, 12);
	made_and_file_done(&m, &f);
}

static void bars_have_the_background(void **state)
{
	(void)state;
	struct file f = encode(scene(160, 120), ".jpg[Q=95]");
	struct made m = make_well(f,
		"[{\"name\":\"a\",\"width\":160,\"height\":160,\"fit\":\"contain\",\"format\":\"jpeg\","
		"\"quality\":95,\"background\":\"#ff00ff\"},"
		"{\"name\":\"b\",\"width\":160,\"height\":160,\"fit\":\"contain\",\"format\":\"png\","
		"\"background\":{\"r\":0,\"g\":0,\"b\":0,\"alpha\":0}},"
		"{\"name\":\"c\",\"width\":80,\"format\":\"png\"}]");
	assert_int_equal(m.h[0], 160);
	assert_color(m.files[0], 0.5, 0.05, 255, 0, 255, -1, 12);
	assert_color(m.files[0], 0.25, 0.3, 255, 0, 0, -1, 12);
	assert_color(m.files[1], 0.5, 0.05, 0, 0, 0, 0, 0);
	assert_color(m.files[1], 0.25, 0.3, 255, 0, 0, 255, 12);
	assert_scene(m.files[2], 12); /* bars do not get into the next variant */
	made_and_file_done(&m, &f);
}

static void every_fit_gives_its_size_and_its_part(void **state)
{
	(void)state;
	struct file f = encode(scene(160, 120), ".jpg[Q=95]");
	struct made m = make_well(f,
		"[{\"name\":\"a\",\"width\":40,\"height\":100,\"position\":\"west\",\"format\":\"png\"},"
		"{\"name\":\"b\",\"width\":40,\"height\":100,\"position\":\"east\",\"format\":\"png\"},"
		"{\"name\":\"c\",\"width\":100,\"height\":20,\"position\":\"south\",\"format\":\"png\"},"
		"{\"name\":\"d\",\"width\":40,\"height\":100,\"fit\":\"fill\",\"format\":\"png\"},"
		"{\"name\":\"e\",\"width\":40,\"height\":100,\"fit\":\"inside\",\"format\":\"png\"},"
		"{\"name\":\"f\",\"width\":40,\"height\":100,\"fit\":\"outside\",\"format\":\"png\"}]");
	static const int sizes[][2] = { { 40, 100 }, { 40, 100 }, { 100, 20 }, { 40, 100 },
		{ 40, 30 }, { 133, 100 } };
	for (int i = 0; i < 6; i++) {
		assert_int_equal(m.w[i], sizes[i][0]);
		assert_int_equal(m.h[i], sizes[i][1]);
	}
	assert_color(m.files[0], 0.5, 0.25, 255, 0, 0, -1, 12);
	assert_color(m.files[0], 0.5, 0.75, 0, 0, 255, -1, 12);
	assert_color(m.files[1], 0.5, 0.25, 0, 255, 0, -1, 12);
	assert_color(m.files[2], 0.25, 0.5, 0, 0, 255, -1, 12);
	for (int i = 3; i < 6; i++)
		assert_scene(m.files[i], 12);
	made_and_file_done(&m, &f);
}

/* Grey everywhere, but for a patch of saturated checks in the lower right. */
static VipsImage *patch(void)
{
	enum { W = 240, H = 120 };
	autofree uint8_t *px = mem_array((size_t)W * H, 3);
	for (int y = 0; y < H; y++)
		for (int x = 0; x < W; x++) {
			uint8_t *p = px + 3 * (y * W + x);
			bool in = x >= 190 && x < 230 && y >= 40 && y < 100;
			bool check = (x / 3 + y / 3) % 2;
			p[0] = in ? 255 : 128;
			p[1] = in ? check * 160 : 128;
			p[2] = in ? 0 : 128;
		}
	VipsImage *im = vips_image_new_from_memory_copy(px, (size_t)W * H * 3, W, H, 3,
		VIPS_FORMAT_UCHAR);
	im->Type = VIPS_INTERPRETATION_sRGB;
	return im;
}

static void a_searched_cut_holds_what_is_interesting(void **state)
{
	(void)state;
	static const char *const kinds[] = { ".jpg[Q=95]", ".png" };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct file f = encode(patch(), kinds[i]);
		struct made m = make_well(f,
			"[{\"name\":\"a\",\"width\":60,\"height\":60,\"position\":\"entropy\","
			"\"format\":\"png\"},{\"name\":\"b\",\"width\":60,\"height\":60,"
			"\"position\":\"attention\",\"format\":\"png\"},"
			"{\"name\":\"c\",\"width\":60,\"height\":60,\"format\":\"png\"}]");
		for (int k = 0; k < 2; k++) {
			struct made again = make(m.files[k],
				"[{\"name\":\"a\",\"width\":1,\"height\":1,\"format\":\"png\"}]");
			assert_int_equal(m.w[k], 60);
			assert_int_equal(again.code, OK);
			/* the mean of the cut is not grey: red stands out */
			assert_color(again.files[0], 0, 0, 190, 120, 80, -1, 60);
			made_done(&again);
		}
		assert_color(m.files[2], 0.5, 0.5, 128, 128, 128, -1, 3);
		made_and_file_done(&m, &f);
	}
}

static void nothing_grows_when_told_not_to(void **state)
{
	(void)state;
	struct file f = encode(scene(160, 120), ".jpg[Q=95]");
	struct made m = make_well(f,
		"[{\"name\":\"a\",\"width\":640,\"format\":\"png\",\"without_enlargement\":true},"
		"{\"name\":\"b\",\"width\":320,\"format\":\"webp\",\"quality\":95}]");
	assert_int_equal(m.w[0], 160);
	assert_int_equal(m.h[0], 120);
	assert_int_equal(m.w[1], 320);
	assert_int_equal(m.h[1], 240);
	assert_scene(m.files[0], 12);
	assert_scene(m.files[1], 12);
	made_and_file_done(&m, &f);
}

static void options_reach_the_encoders(void **state)
{
	(void)state;
	struct file f = encode(scene(160, 120), ".png");
	struct made m = make_well(f,
		"[{\"name\":\"a\",\"width\":80,\"format\":\"jpeg\",\"progressive\":true},"
		"{\"name\":\"b\",\"width\":80,\"format\":\"png\",\"progressive\":true},"
		"{\"name\":\"c\",\"width\":160,\"format\":\"webp\",\"lossless\":true},"
		"{\"name\":\"d\",\"width\":80,\"format\":\"jpeg\",\"quality\":20},"
		"{\"name\":\"e\",\"width\":80,\"format\":\"jpeg\",\"quality\":95}]");
	struct made a = make(m.files[0], "[{\"name\":\"a\",\"width\":10,\"format\":\"png\"}]");
	struct made b = make(m.files[1], "[{\"name\":\"a\",\"width\":10,\"format\":\"png\"}]");
	assert_true(a.header.progressive);
	assert_true(b.header.progressive);
	assert_memory_equal(m.files[2].data + 12, "VP8L", 4);
	assert_scene(m.files[2], 0);
	assert_true(m.files[3].n < m.files[4].n);
	made_done(&a);
	made_done(&b);
	made_and_file_done(&m, &f);
}

static void what_is_cut_short_is_corrupt(void **state)
{
	(void)state;
	static const char *const kinds[] = { ".jpg[Q=90]", ".jpg[Q=90,interlace]", ".png", ".gif",
		".webp", ".tif", ".avif[effort=0]", ".heic[compression=hevc]" };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		VipsImage *noise = NULL, *bytes = NULL;
		assert_int_equal(vips_gaussnoise(&noise, 200, 200, "mean", 128.0, "sigma", 40.0,
					 NULL),
			0);
		assert_int_equal(vips_cast_uchar(noise, &bytes, NULL), 0);
		g_object_unref(noise);
		VipsImage *rgb = NULL;
		VipsImage *bands[3] = { bytes, bytes, bytes };
		assert_int_equal(vips_bandjoin(bands, &rgb, 3, NULL), 0);
		g_object_unref(bytes);
		rgb->Type = VIPS_INTERPRETATION_sRGB;
		struct file f = encode(rgb, kinds[i]);
		size_t whole = f.n;
		f.n = whole * 6 / 10;
		struct made m = make(f, WEB_LIKE);
		if (m.code != ERR_DECODE_CORRUPT)
			fail_msg("%s: %s %s", kinds[i], err_name(m.code), m.e.text);
		made_and_file_done(&m, &f);
	}
}

static void garbage_after_the_picture_is_ignored(void **state)
{
	(void)state;
	static const char *const kinds[] = { ".jpg[Q=95]", ".png", ".gif", ".webp[Q=95]" };
	static const enum format formats[] = { FORMAT_JPEG, FORMAT_PNG, FORMAT_GIF, FORMAT_WEBP };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct file f = encode(scene(160, 120), kinds[i]);
		static const char tail[] = "\xff\xd8\xff<?php evil(); ?>PK\x03\x04 GIF89a";
		f.data = mem_realloc(f.data, f.n + sizeof(tail), 1);
		memcpy(f.data + f.n, tail, sizeof(tail));
		f.n += sizeof(tail);
		assert_made(f, formats[i], 12);
	}
}

static bool refuse(void *ctx, const struct image_variant *v)
{
	(void)v;
	++*(int *)ctx;
	return false;
}

static enum err_code make_with(int64_t max_out, int *calls, struct err *e)
{
	struct file f = encode(scene(160, 120), ".jpg");
	struct variant v[2] = { { .name = "a", .width = 80, .format = FORMAT_JPEG, .quality = 80 },
		{ .name = "b", .width = 40, .format = FORMAT_WEBP, .quality = 80, .effort = 4 } };
	struct recipe r = { v, 2 };
	struct image_limits lim = { 1000000, 10, max_out };
	struct image_header h;
	struct image_summary sum;
	enum err_code code = image_probe(f.data, f.n, &lim, &r, &h, e);
	if (code == OK)
		code = image_make(f.data, f.n, &h, &lim, &r, refuse, calls, &sum, e);
	file_done(&f);
	return code;
}

/* A child makes many pictures: what libvips murmured about one is not the next one's error. */
static void warnings_stay_with_their_picture(void **state)
{
	(void)state;
	VipsImage *im = scene(160, 120), *cmyk = NULL;
	assert_int_equal(vips_icc_transform(im, &cmyk, "cmyk", "input_profile", "srgb", NULL), 0);
	g_object_unref(im);
	struct file f = encode(cmyk, ".jpg[Q=95,strip]");
	const uint8_t *table = memmem(f.data, f.n, "\xff\xdb", 2);
	assert_non_null(table);
	size_t at = (size_t)(table - f.data), more = 5;
	f.data = mem_realloc(f.data, f.n + more, 1);
	memmove(f.data + at + more, f.data + at, f.n - at);
	memset(f.data + at, 0, more);
	f.n += more;
	struct made m = make_well(f, WEB_LIKE);
	assert_string_equal(vips_error_buffer(), "");
	made_and_file_done(&m, &f);
}

static void an_error_is_the_line_that_tells_its_kind(void **state)
{
	(void)state;
	struct err e;
	vips_error("source", "bad seek to 99");
	vips_error("heif", "Memory allocation error");
	assert_int_equal(vips_failed(&e, ERR_DECODE_CORRUPT, "decode"), ERR_LIMIT_MEMORY);
	assert_string_equal(e.text, "decode: heif: Memory allocation error");
	vips_error("source", "bad seek to 99");
	vips_error("source", "bad seek to 100");
	assert_int_equal(vips_failed(&e, ERR_DECODE_CORRUPT, "decode"), ERR_DECODE_CORRUPT);
	assert_string_equal(e.text, "decode: source: bad seek to 99");
	vips_error("VipsIcc", "Read from memory error. Got 0 bytes"); /* of a damaged profile */
	assert_int_equal(vips_failed(&e, ERR_DECODE_CORRUPT, "decode"), ERR_DECODE_CORRUPT);
}

static void a_sink_that_refuses_ends_it(void **state)
{
	(void)state;
	struct err e;
	int calls = 0;
	assert_err(make_with(1 << 20, &calls, &e), ERR_INTERNAL);
	assert_int_equal(calls, 1);
}

static void too_large_a_result_is_refused(void **state)
{
	(void)state;
	struct err e;
	int calls = 0;
	assert_err(make_with(100, &calls, &e), ERR_LIMIT_OUTPUT);
	assert_int_equal(calls, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_format_is_read),
	cmocka_unit_test(every_kind_of_jpeg_is_read),
	cmocka_unit_test(a_palette_is_read),
	cmocka_unit_test(sixteen_bits_become_eight),
	cmocka_unit_test(grey_stays_grey),
	cmocka_unit_test(cmyk_becomes_rgb),
	cmocka_unit_test(colours_without_a_profile_are_left_alone),
	cmocka_unit_test(a_wide_gamut_becomes_srgb),
	cmocka_unit_test(alpha_is_kept_where_the_format_has_it),
	cmocka_unit_test(half_transparent_colours_do_not_bleed),
	cmocka_unit_test(bars_have_the_background),
	cmocka_unit_test(every_fit_gives_its_size_and_its_part),
	cmocka_unit_test(a_searched_cut_holds_what_is_interesting),
	cmocka_unit_test(nothing_grows_when_told_not_to),
	cmocka_unit_test(options_reach_the_encoders),
	cmocka_unit_test(what_is_cut_short_is_corrupt),
	cmocka_unit_test(garbage_after_the_picture_is_ignored),
	cmocka_unit_test(warnings_stay_with_their_picture),
	cmocka_unit_test(an_error_is_the_line_that_tells_its_kind),
	cmocka_unit_test(a_sink_that_refuses_ends_it),
	cmocka_unit_test(too_large_a_result_is_refused),
};
TEST_MAIN_WITH(tests, pictures_start)
