/* SPDX-License-Identifier: MIT
 *
 * The eight orientations of EXIF come out upright, on both ways in: a plain JPEG by its planes, and
 * everything else by libvips.
 */
#include "pictures.h"

#include "base/mem.h"

#define VARIANTS                                                                                   \
	"[{\"name\":\"a\",\"width\":61,\"format\":\"png\"},"                                       \
	"{\"name\":\"b\",\"width\":30,\"height\":30,\"format\":\"jpeg\",\"quality\":95},"          \
	"{\"name\":\"c\",\"width\":45,\"format\":\"webp\",\"quality\":95}]"

/* Takes f. */
static void assert_upright(struct file f, int orientation)
{
	struct made m = make(f, VARIANTS);
	if (m.code != OK)
		fail_msg("orientation %d: %s", orientation, m.e.text);
	assert_int_equal(m.header.orientation, orientation);
	assert_int_equal(m.summary.width, 121);
	assert_int_equal(m.summary.height, 83);
	assert_int_equal(m.h[0], 42);
	for (int i = 0; i < 3; i++)
		assert_scene(m.files[i], 14);
	made_and_file_done(&m, &f);
}

static void plain_jpegs_come_out_upright(void **state)
{
	(void)state;
	for (int o = 1; o <= 8; o++)
		assert_upright(jpeg_with_exif(encode(scene_stored(121, 83, o), ".jpg[Q=95]"), o),
			o);
}

static void progressive_jpegs_come_out_upright(void **state)
{
	(void)state;
	for (int o = 1; o <= 8; o++)
		assert_upright(jpeg_with_exif(encode(scene_stored(121, 83, o),
						      ".jpg[Q=95,interlace,subsample-mode=off]"),
				       o),
			o);
}

static void jpegs_with_a_profile_come_out_upright(void **state)
{
	(void)state;
	for (int o = 1; o <= 8; o++) {
		VipsImage *im = scene_stored(121, 83, o), *p3 = NULL;
		assert_int_equal(vips_icc_transform(im, &p3, "p3", "input_profile", "srgb", NULL),
			0);
		g_object_unref(im);
		assert_upright(jpeg_with_exif(encode(p3, ".jpg[Q=95]"), o), o);
	}
}

/* In a TIFF the tag is the file's own. */
static void tiffs_come_out_upright(void **state)
{
	(void)state;
	for (int o = 1; o <= 8; o++) {
		VipsImage *im = scene_stored(121, 83, o);
		vips_image_set_int(im, VIPS_META_ORIENTATION, o);
		assert_upright(encode(im, ".tif"), o);
	}
}

static uint32_t crc(const uint8_t *p, size_t n)
{
	uint32_t c = 0xffffffff;
	for (size_t i = 0; i < n; i++) {
		c ^= p[i];
		for (int k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
	}
	return ~c;
}

static void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

/* PNG has a chunk for EXIF; it stands before the pixels. */
static void pngs_come_out_upright(void **state)
{
	(void)state;
	enum { AFTER_HEADER = 8 + 25 };
	for (int o = 1; o <= 8; o++) {
		struct file x = exif(o), f = encode(scene_stored(121, 83, o), ".png");
		struct file out = { mem_array(f.n + x.n + 12, 1), f.n + x.n + 12 };
		uint8_t *chunk = out.data + AFTER_HEADER;
		memcpy(out.data, f.data, AFTER_HEADER);
		put_be32(chunk, (uint32_t)x.n);
		memcpy(chunk + 4, "eXIf", 4);
		memcpy(chunk + 8, x.data, x.n);
		put_be32(chunk + 8 + x.n, crc(chunk + 4, x.n + 4));
		memcpy(chunk + 12 + x.n, f.data + AFTER_HEADER, f.n - AFTER_HEADER);
		file_done(&x);
		file_done(&f);
		assert_upright(out, o);
	}
}

static void no_sense_is_no_turn(void **state)
{
	(void)state;
	struct file f = jpeg_with_exif(encode(scene(121, 83), ".jpg[Q=95]"), 9);
	struct made m = make_well(f, VARIANTS);
	assert_int_equal(m.header.orientation, 1);
	assert_scene(m.files[0], 14);
	made_and_file_done(&m, &f);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(plain_jpegs_come_out_upright),
	cmocka_unit_test(progressive_jpegs_come_out_upright),
	cmocka_unit_test(jpegs_with_a_profile_come_out_upright),
	cmocka_unit_test(tiffs_come_out_upright),
	cmocka_unit_test(pngs_come_out_upright),
	cmocka_unit_test(no_sense_is_no_turn),
};
TEST_MAIN_WITH(tests, pictures_start)
