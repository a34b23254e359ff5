/* SPDX-License-Identifier: MIT
 *
 * What hostile and broken files get: one clear code each, from the header alone.
 */
#include "pictures.h"

#include "base/mem.h"
#include "image/probe.h"

#define SMALL "[{\"name\":\"a\",\"width\":10,\"format\":\"png\"}]"

/* Takes f. */
static void assert_refused(struct file f, enum err_code want)
{
	struct made m = make(f, SMALL);
	if (m.code != want)
		fail_msg("%s instead of %s: %s", err_name(m.code), err_name(want),
			m.code ? m.e.text : "");
	made_and_file_done(&m, &f);
}

static struct file bytes(const void *data, size_t n)
{
	struct file f = { mem_array(n + 1, 1), n };
	memcpy(f.data, data, n);
	return f;
}

#define TEXT(s) bytes(s, sizeof(s) - 1)

static void what_is_no_image_is_refused_by_name(void **state)
{
	(void)state;
	assert_refused(TEXT(""), ERR_FETCH_NOT_IMAGE);
	assert_refused(bytes("\0\0\0\0\0\0\0\0", 8), ERR_FETCH_NOT_IMAGE);
	assert_refused(TEXT("<!doctype html><title>404</title>"), ERR_FETCH_NOT_IMAGE);
	assert_refused(TEXT("<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), ERR_FETCH_NOT_IMAGE);
	assert_refused(TEXT("%PDF-1.7\n"), ERR_FETCH_NOT_IMAGE);
	assert_refused(TEXT("push graphic-context\nviewbox 0 0 640 480\n"), ERR_FETCH_NOT_IMAGE);
	assert_refused(TEXT("8BPS\0\1"), ERR_FETCH_NOT_IMAGE);
	assert_refused(TEXT("\0\0\0\x18"
			    "ftypisom\0\0\2\0isomiso2mp41"),
		ERR_FETCH_NOT_IMAGE);
}

static void a_header_without_a_picture_is_corrupt(void **state)
{
	(void)state;
	assert_refused(TEXT("\xff\xd8\xff"), ERR_DECODE_CORRUPT);
	assert_refused(TEXT("\x89PNG\r\n\x1a\n"), ERR_DECODE_CORRUPT);
	assert_refused(TEXT("GIF89a"), ERR_DECODE_CORRUPT);
	assert_refused(TEXT("RIFF\0\0\0\0WEBP"), ERR_DECODE_CORRUPT);
	assert_refused(TEXT("II*\0"), ERR_DECODE_CORRUPT);
	assert_refused(TEXT("MM\0*\xff\xff\xff\xff"), ERR_DECODE_CORRUPT);
	assert_refused(TEXT("\0\0\0\x14"
			    "ftypheic\0\0\0\0mif1"),
		ERR_DECODE_CORRUPT);
	assert_refused(TEXT("GIF89a<script>alert(1)</script>//"), ERR_DECODE_CORRUPT);
}

static void a_picture_larger_than_the_limit_is_refused_unread(void **state)
{
	(void)state;
	struct file png = encode(scene(8, 8), ".png");
	static const uint8_t size[8] = { 0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30 }; /* 30,000 each way */
	memcpy(png.data + 16, size, sizeof(size));
	assert_refused(png, ERR_LIMIT_PIXELS);

	struct file jpeg = encode(scene(8, 8), ".jpg[interlace]");
	for (size_t i = 0; i + 9 < jpeg.n; i++)
		if (jpeg.data[i] == 0xff && jpeg.data[i + 1] == 0xc2)
			memset(jpeg.data + i + 5, 0xff, 4);
	assert_refused(jpeg, ERR_LIMIT_PIXELS);
	assert_refused(TEXT("GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\1\0\1\0\0\2\2\x44\1\0;"),
		ERR_LIMIT_PIXELS);
}

static void frames_are_counted_no_further_than_the_limit(void **state)
{
	(void)state;
	struct file f = gif_frames(1000);
	struct made m = make_well(f, SMALL);
	assert_int_equal(m.header.frames, 1000);
	assert_color(m.files[0], 0, 0, 200, 100, 50, -1, 2); /* the first one is what is used */
	made_and_file_done(&m, &f);
	assert_refused(gif_frames(1001), ERR_LIMIT_FRAMES);
	assert_refused(gif_frames(1000000), ERR_LIMIT_FRAMES);
}

/* A directory whose next directory is itself. */
static void a_tiff_that_bites_its_tail_ends(void **state)
{
	(void)state;
	static const uint8_t loop[] = { 'I', 'I', '*', 0, 8, 0, 0, 0, 2, 0, 0, 1, 3, 0, 1, 0, 0, 0,
		4, 0, 0, 0, 1, 1, 3, 0, 1, 0, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0 };
	assert_refused(bytes(loop, sizeof(loop)), ERR_LIMIT_FRAMES);
}

static struct file png_with(const char *type, size_t n, size_t before)
{
	struct file f = encode(scene(8, 8), ".png");
	struct file out = { mem_array(f.n + n + 12, 1), f.n + n + 12 };
	uint8_t *chunk = out.data + before;
	memcpy(out.data, f.data, before);
	const uint8_t head[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
		(uint8_t)n };
	memcpy(chunk, head, 4);
	memcpy(chunk + 4, type, 4);
	memcpy(chunk + 12 + n, f.data + before, f.n - before);
	file_done(&f);
	return out;
}

static void a_png_that_packs_too_much_is_refused(void **state)
{
	(void)state;
	assert_refused(png_with("IDAT", 300000, 33), ERR_DECODE_CORRUPT);
	assert_refused(png_with("zTXt", 400000, 33), ERR_DECODE_UNSUPPORTED);
	assert_refused(png_with("iTXt", 400000, 33), ERR_DECODE_UNSUPPORTED);
}

static void a_jpeg_of_a_thousand_scans_is_refused(void **state)
{
	(void)state;
	static const uint8_t scan[] = { 0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0 };
	struct file f = encode(scene(8, 8), ".jpg[interlace]");
	struct file out = { mem_array(f.n + 1000 * sizeof(scan), 1), f.n - 2 };
	memcpy(out.data, f.data, f.n - 2); /* without its end marker */
	for (int i = 0; i < 1000; i++, out.n += sizeof(scan))
		memcpy(out.data + out.n, scan, sizeof(scan));
	file_done(&f);
	assert_refused(out, ERR_DECODE_UNSUPPORTED);
}

static void what_a_decoder_cannot_do_is_said(void **state)
{
	(void)state;
	struct file f = encode(scene(8, 8), ".jpg");
	for (size_t i = 0; i + 9 < f.n; i++)
		if (f.data[i] == 0xff && f.data[i + 1] == 0xc0)
			f.data[i + 4] = 12; /* bits a sample */
	assert_refused(f, ERR_DECODE_UNSUPPORTED);
}

static void a_header_is_read_without_decoding(void **state)
{
	(void)state;
	static const struct {
		const char *kind;
		enum format format;
	} kinds[] = { { ".jpg", FORMAT_JPEG }, { ".jpg[interlace]", FORMAT_JPEG },
		{ ".png", FORMAT_PNG }, { ".webp", FORMAT_WEBP },
		{ ".webp[lossless]", FORMAT_WEBP }, { ".gif", FORMAT_GIF }, { ".tif", FORMAT_TIFF },
		{ ".tif[bigtiff]", FORMAT_TIFF }, { ".avif[effort=0]", FORMAT_AVIF },
		{ ".heic[compression=hevc]", FORMAT_HEIF } };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct file f = encode(scene(200, 120), kinds[i].kind);
		struct made m = make(f, SMALL);
		assert_int_equal(m.header.format, kinds[i].format);
		assert_int_equal(m.header.width, 200);
		assert_int_equal(m.header.height, 120);
		assert_int_equal(m.header.frames, 1);
		assert_int_equal(m.header.progressive, i == 1);
		assert_true(m.header.decode_bytes > 200 * 120);
		made_and_file_done(&m, &f);
	}
}

static void a_small_variant_needs_less_memory_than_a_large_one(void **state)
{
	(void)state;
	struct file f = encode(scene(3000, 2000), ".jpg");
	struct made small = make(f, "[{\"name\":\"a\",\"width\":100,\"format\":\"jpeg\"}]");
	struct made large = make(f, "[{\"name\":\"a\",\"width\":2000,\"format\":\"jpeg\"}]");
	assert_true(small.header.decode_bytes < large.header.decode_bytes);
	made_done(&small);
	made_done(&large);
	file_done(&f);
}

/* 100 MP with all its coefficients in memory. */
static void a_progressive_jpeg_is_weighed_by_its_coefficients(void **state)
{
	(void)state;
	static const uint8_t head[] = { 0xff, 0xd8, 0xff, 0xc2, 0, 17, 8, 0x27, 0x10, 0x27, 0x10, 3,
		1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0, 0xff, 0xda, 0, 2 };
	struct image_limits lim = { 200000000, 1, 1 << 20 };
	struct variant v = { .width = 100, .format = FORMAT_JPEG };
	struct recipe r = { &v, 1 };
	struct image_header h;
	struct err e;
	assert_ok(image_probe(head, sizeof(head), &lim, &r, &h, &e));
	assert_true(h.progressive);
	assert_true(h.decode_bytes >= 300000000);
}

static void a_variant_that_no_memory_holds_asks_for_more_than_there_is(void **state)
{
	(void)state;
	struct file f = encode(scene(1, 3000), ".png");
	struct image_limits lim = { 200000000, 1, 1 << 20 };
	struct variant v = { .width = 65535,
		.height = 65535,
		.fit = FIT_OUTSIDE,
		.format = FORMAT_AVIF };
	struct recipe r = { &v, 1 };
	struct image_header h;
	struct err e;
	assert_ok(image_probe(f.data, f.n, &lim, &r, &h, &e));
	assert_true(h.decode_bytes > (int64_t)1 << 40);
	file_done(&f);
}

static void orientation_is_read_from_either_byte_order(void **state)
{
	(void)state;
	struct file big = exif(6);
	assert_int_equal(exif_orientation((struct span){ big.data, big.n }), 6);
	for (size_t n = 0; n < big.n; n++) /* cut anywhere, it is read or it is not */
		assert_true(exif_orientation((struct span){ big.data, n }) == (n > 19 ? 6 : 1));
	file_done(&big);
	static const uint8_t little[] = { 'I', 'I', '*', 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0,
		0, 0, 8, 0, 0, 0 };
	assert_int_equal(exif_orientation((struct span){ little, sizeof(little) }), 8);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_is_no_image_is_refused_by_name),
	cmocka_unit_test(a_header_without_a_picture_is_corrupt),
	cmocka_unit_test(a_picture_larger_than_the_limit_is_refused_unread),
	cmocka_unit_test(frames_are_counted_no_further_than_the_limit),
	cmocka_unit_test(a_tiff_that_bites_its_tail_ends),
	cmocka_unit_test(a_png_that_packs_too_much_is_refused),
	cmocka_unit_test(a_jpeg_of_a_thousand_scans_is_refused),
	cmocka_unit_test(what_a_decoder_cannot_do_is_said),
	cmocka_unit_test(a_header_is_read_without_decoding),
	cmocka_unit_test(a_small_variant_needs_less_memory_than_a_large_one),
	cmocka_unit_test(a_progressive_jpeg_is_weighed_by_its_coefficients),
	cmocka_unit_test(a_variant_that_no_memory_holds_asks_for_more_than_there_is),
	cmocka_unit_test(orientation_is_read_from_either_byte_order),
};
TEST_MAIN_WITH(tests, pictures_start)
