/* SPDX-License-Identifier: MIT
 *
 * Which profiles say nothing.
 */
#include "pictures.h"

#include "image/icc.h"

static void check(const char *name, bool want)
{
	VipsBlob *blob = NULL;
	size_t n;
	assert_int_equal(vips_profile_load(name, &blob, NULL), 0);
	const void *data = vips_blob_get(blob, &n);
	assert_int_equal(icc_is_srgb(data, n), want);
	for (size_t cut = 0; cut < n; cut += 7) /* cut anywhere: no crash, and mostly no */
		(void)icc_is_srgb(data, cut);
	assert_false(icc_is_srgb(data, 200));
	vips_area_unref((VipsArea *)blob);
}

static void only_srgb_says_nothing(void **state)
{
	(void)state;
	check("srgb", true);
	check("p3", false);
	check("cmyk", false);
	assert_false(icc_is_srgb("", 0));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(only_srgb_says_nothing),
};
TEST_MAIN_WITH(tests, pictures_start)
