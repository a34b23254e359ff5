/* SPDX-License-Identifier: MIT */
#include "lib/test.h"

#include "job/recipe.h"

#define sniff(bytes) format_sniff(bytes, sizeof(bytes) - 1)

static void each_format_is_known_by_its_first_bytes(void **state)
{
	(void)state;
	assert_int_equal(sniff("\xff\xd8\xff\xe0"), FORMAT_JPEG);
	assert_int_equal(sniff("\x89PNG\r\n\x1a\n"), FORMAT_PNG);
	assert_int_equal(sniff("RIFF\1\2\3\4WEBPVP8 "), FORMAT_WEBP);
	assert_int_equal(sniff("GIF89a"), FORMAT_GIF);
	assert_int_equal(sniff("II*\0"), FORMAT_TIFF);
	assert_int_equal(sniff("MM\0*"), FORMAT_TIFF);
	assert_int_equal(sniff("\0\0\0\x18"
			       "ftypheic"),
		FORMAT_HEIF);
	assert_int_equal(sniff("\0\0\0\x18"
			       "ftypavif"),
		FORMAT_AVIF);
}

static void a_compatible_brand_makes_a_heif_an_avif(void **state)
{
	(void)state;
	assert_int_equal(sniff("\0\0\0\x18"
			       "ftypmif1\0\0\0\0mif1avif"),
		FORMAT_AVIF);
	/* but not one that lies outside its box */
	assert_int_equal(sniff("\0\0\0\x14"
			       "ftypmif1\0\0\0\0mif1avif"),
		FORMAT_HEIF);
}

static void what_is_cut_short_or_something_else_is_none(void **state)
{
	(void)state;
	assert_int_equal(format_sniff("", 0), FORMAT_NONE);
	assert_int_equal(sniff("\xff\xd8"), FORMAT_NONE);
	assert_int_equal(sniff("RIFF\1\2\3\4WAVE"), FORMAT_NONE);
	assert_int_equal(sniff("<svg xmlns="), FORMAT_NONE);
	assert_int_equal(sniff("%PDF-1.7"), FORMAT_NONE);
	assert_int_equal(sniff("push graphic-context"), FORMAT_NONE);
	assert_int_equal(sniff("\0\0\0\x18"
			       "ftypisom"),
		FORMAT_NONE);
	assert_int_equal(sniff("\0\0\0\0"
			       "ftyp"),
		FORMAT_NONE);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(each_format_is_known_by_its_first_bytes),
	cmocka_unit_test(a_compatible_brand_makes_a_heif_an_avif),
	cmocka_unit_test(what_is_cut_short_or_something_else_is_none),
};
TEST_MAIN(tests)
