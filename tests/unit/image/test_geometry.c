/* SPDX-License-Identifier: MIT
 *
 * Sizes and cuts, against what sharp made of the same words.
 */
#include "lib/test.h"

#include "image/geometry.h"

static const struct {
	int w, h, ask_w, ask_h;
	enum fit fit;
	bool small_only;
	int want_w, want_h;
} sizes[] = {
#define S(w, h, aw, ah, fit, small, rw, rh) { w, h, aw, ah, FIT_##fit, small, rw, rh },
#include "sharp_sizes.def"
#undef S
};

static void sizes_are_those_of_sharp(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct variant v = { .width = sizes[i].ask_w,
			.height = sizes[i].ask_h,
			.fit = sizes[i].fit,
			.without_enlargement = sizes[i].small_only };
		struct geometry g = geometry_of(&v, sizes[i].w, sizes[i].h);
		if (g.out_w != sizes[i].want_w || g.out_h != sizes[i].want_h)
			fail_msg(
				"row %zu: %d x %d asked %d x %d fit %d small %d: %d x %d, not %d x %d",
				i, sizes[i].w, sizes[i].h, v.width, v.height, v.fit,
				v.without_enlargement, g.out_w, g.out_h, sizes[i].want_w,
				sizes[i].want_h);
	}
}

/* sharp on 101 × 67, where nothing is scaled: left and top of the cut, or of the picture in bars. */
static const struct {
	enum fit fit;
	int w, h, where[9][2]; /* centre, north, northeast, … northwest */
} cuts[] = {
	{ FIT_COVER, 50, 67,
		{ { 26, 0 }, { 26, 0 }, { 51, 0 }, { 51, 0 }, { 51, 0 }, { 26, 0 }, { 0, 0 },
			{ 0, 0 }, { 0, 0 } } },
	{ FIT_COVER, 101, 30,
		{ { 0, 19 }, { 0, 0 }, { 0, 0 }, { 0, 19 }, { 0, 37 }, { 0, 37 }, { 0, 37 },
			{ 0, 19 }, { 0, 0 } } },
	{ FIT_CONTAIN, 151, 67,
		{ { 25, 0 }, { 25, 0 }, { 50, 0 }, { 50, 0 }, { 50, 0 }, { 25, 0 }, { 0, 0 },
			{ 0, 0 }, { 0, 0 } } },
	{ FIT_CONTAIN, 101, 98,
		{ { 0, 15 }, { 0, 0 }, { 0, 0 }, { 0, 15 }, { 0, 31 }, { 0, 31 }, { 0, 31 },
			{ 0, 15 }, { 0, 0 } } },
	{ FIT_CONTAIN, 150, 67,
		{ { 24, 0 }, { 24, 0 }, { 49, 0 }, { 49, 0 }, { 49, 0 }, { 24, 0 }, { 0, 0 },
			{ 0, 0 }, { 0, 0 } } },
};

static void every_position_cuts_where_sharp_cuts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++)
		for (int p = POSITION_CENTRE; p <= POSITION_NORTHWEST; p++) {
			struct variant v = { .width = cuts[i].w,
				.height = cuts[i].h,
				.fit = cuts[i].fit,
				.position = (enum position)p };
			struct geometry g = geometry_of(&v, 101, 67);
			int sign = cuts[i].fit == FIT_CONTAIN ? -1 : 1;
			assert_int_equal(g.left, sign * cuts[i].where[p][0]);
			assert_int_equal(g.top, sign * cuts[i].where[p][1]);
			assert_int_equal(g.has_bars, cuts[i].fit == FIT_CONTAIN);
		}
}

static void only_a_cut_is_searched_for(void **state)
{
	(void)state;
	struct variant v = { .width = 50, .height = 50, .position = POSITION_ATTENTION };
	assert_true(geometry_of(&v, 101, 67).is_searched);
	assert_false(geometry_of(&v, 60, 60).is_searched);
	v.fit = FIT_CONTAIN;
	assert_false(geometry_of(&v, 101, 67).is_searched);
	v.fit = FIT_COVER;
	v.height = 0;
	assert_false(geometry_of(&v, 101, 67).is_searched);
}

static void no_side_is_ever_empty(void **state)
{
	(void)state;
	struct variant v = { .width = 1 };
	struct geometry g = geometry_of(&v, 30000, 2);
	assert_int_equal(g.out_w, 1);
	assert_int_equal(g.out_h, 1);
	v = (struct variant){ .width = 10, .height = 10, .fit = FIT_INSIDE };
	g = geometry_of(&v, 1, 65535);
	assert_int_equal(g.out_w, 1);
	assert_int_equal(g.out_h, 10);
}

static void sizes_beyond_all_memory_are_still_numbers(void **state)
{
	(void)state;
	struct variant v = { .width = 65535, .height = 65535, .fit = FIT_OUTSIDE };
	struct geometry g = geometry_of(&v, 1, 50000000);
	assert_int_equal(g.out_w, 65535);
	assert_int_equal(g.out_h, 1000000000);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(sizes_are_those_of_sharp),
	cmocka_unit_test(every_position_cuts_where_sharp_cuts),
	cmocka_unit_test(only_a_cut_is_searched_for),
	cmocka_unit_test(no_side_is_ever_empty),
	cmocka_unit_test(sizes_beyond_all_memory_are_still_numbers),
};
TEST_MAIN(tests)
