/* SPDX-License-Identifier: MIT
 *
 * Nothing of what a source carries beside its pixels reaches a variant: where it was taken, by
 * whom, its thumbnail, its profile.
 */
#include "pictures.h"

#include "base/mem.h"

#define VARIANTS                                                                                   \
	"[{\"name\":\"a\",\"width\":80,\"format\":\"jpeg\"},{\"name\":\"b\",\"width\":80,"         \
	"\"format\":\"webp\"},{\"name\":\"c\",\"width\":80,\"format\":\"png\"},"                   \
	"{\"name\":\"d\",\"width\":80,\"format\":\"avif\",\"effort\":0},"                          \
	"{\"name\":\"e\",\"width\":80,\"format\":\"webp\",\"lossless\":true},"                     \
	"{\"name\":\"f\",\"width\":60,\"height\":60,\"position\":\"attention\","                   \
	"\"format\":\"jpeg\",\"progressive\":true}]"

static bool holds(struct file f, const char *text)
{
	return memmem(f.data, f.n, text, strlen(text)) != NULL;
}

static void assert_bare(struct file f, const char *kind)
{
	static const char *const traces[] = { exif_secret, "Exif", "EXIF", "eXIf", "GPS", "XMP",
		"xmp", "x:xmpmeta", "ICC_PROFILE", "ICCP", "iCCP", "acsp", "prof", "Photoshop",
		"tEXt", "iTXt", "zTXt", "VP8X" };
	struct made m = make(f, VARIANTS);
	if (m.code != OK)
		fail_msg("%s: %s", kind, m.e.text);
	for (int i = 0; i < m.count; i++)
		for (size_t k = 0; k < ARRAY_LEN(traces); k++)
			if (holds(m.files[i], traces[k]))
				fail_msg("%s: variant %d holds %s", kind, i, traces[k]);
	made_done(&m);
}

/* All that libvips writes from fields of an image, into any format. */
static VipsImage *laden(void)
{
	VipsImage *im = scene(160, 120), *p3 = NULL;
	assert_int_equal(vips_icc_transform(im, &p3, "p3", "input_profile", "srgb", NULL), 0);
	g_object_unref(im);
	struct file x = exif(1);
	autofree uint8_t *block = mem_array(x.n + 6, 1);
	memcpy(block, "Exif\0\0", 6);
	memcpy(block + 6, x.data, x.n);
	vips_image_set_blob_copy(p3, VIPS_META_EXIF_NAME, block, x.n + 6);
	vips_image_set_string(p3, "exif-ifd0-Artist", exif_secret);
	static const char xmp[] = "<x:xmpmeta>SECRET-PLACE</x:xmpmeta>";
	vips_image_set_blob_copy(p3, VIPS_META_XMP_NAME, xmp, sizeof(xmp));
	vips_image_set_blob_copy(p3, VIPS_META_IPTC_NAME, xmp, sizeof(xmp));
	file_done(&x);
	return p3;
}

static void the_place_of_a_photo_stays_behind(void **state)
{
	(void)state;
	struct file f = jpeg_with_exif(encode(scene(160, 120), ".jpg[Q=95]"), 1);
	assert_true(holds(f, exif_secret)); /* so that the test can fail */
	assert_bare(f, "jpeg by its planes");
	file_done(&f);
}

static void no_format_keeps_what_it_was_given(void **state)
{
	(void)state;
	static const char *const kinds[] = { ".jpg", ".png", ".webp", ".tif", ".avif[effort=0]",
		".heic[compression=hevc]" };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct file f = encode(laden(), kinds[i]);
		assert_true(holds(f, "acsp") || holds(f, "iCCP"));
		assert_bare(f, kinds[i]);
		file_done(&f);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_place_of_a_photo_stays_behind),
	cmocka_unit_test(no_format_keeps_what_it_was_given),
};
TEST_MAIN_WITH(tests, pictures_start)
