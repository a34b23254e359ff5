/* SPDX-License-Identifier: MIT
 *
 * ThumbHash, against the reference implementation (npm thumbhash 0.1.1) on formulas that both can
 * draw. The first one also by hand: all white has l = 1, p = q = 0 and no other terms, so
 *   header24 = 63 | 32 << 6 | 32 << 12 (31.5 rounds up) = 0x02083f, no alpha, scales 0
 *   header16 = 7 (lx), not landscape
 * and with a scale of 0 all terms stay 0 (the reference writes the noise of its sums there, which its
 * own decoder multiplies by the 0): 27 of luminance under 7 × 7, 5 and 5 of colour, 4 bits each.
 */
#include "lib/test.h"

#include "base/digest.h"
#include "image/thumbhash.h"

typedef void draw_fn(int x, int y, uint8_t *p);

static void put(uint8_t *p, int r, int g, int b, int a)
{
	p[0] = (uint8_t)r;
	p[1] = (uint8_t)g;
	p[2] = (uint8_t)b;
	p[3] = (uint8_t)a;
}

static void assert_hash(int w, int h, draw_fn *draw, const char *want)
{
	static uint8_t rgba[THUMBHASH_SIDE * THUMBHASH_SIDE * 4];
	uint8_t hash[THUMBHASH_MAX];
	char text[BASE64_MAX(THUMBHASH_MAX)];
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++)
			draw(x, y, rgba + 4 * (y * w + x));
	base64_format(hash, thumbhash(w, h, rgba, hash), text);
	assert_string_equal(text, want);
}

static void draw_white(int x, int y, uint8_t *p)
{
	(void)x;
	(void)y;
	put(p, 255, 255, 255, 255);
}

static void draw_slope(int x, int y, uint8_t *p)
{
	put(p, x * 2, y * 4, 255 - x * 2, 255);
}

static void draw_tall(int x, int y, uint8_t *p)
{
	put(p, x * x % 256, (y * 3 + x) % 256, x * y % 256, 255);
}

static void draw_alpha(int x, int y, uint8_t *p)
{
	put(p, 255 - x, y * 4 % 256, x ^ y, (x * 4 + y) % 256);
}

static void draw_nothing(int x, int y, uint8_t *p)
{
	(void)x;
	(void)y;
	put(p, 0, 0, 0, 0);
}

static void white_is_as_computed_by_hand(void **state)
{
	(void)state;
	uint8_t rgba[8 * 8 * 4], hash[THUMBHASH_MAX];
	for (int i = 0; i < 64; i++)
		draw_white(0, 0, rgba + 4 * i);
	size_t n = thumbhash(8, 8, rgba, hash);
	static const uint8_t head[5] = { 0x3f, 0x08, 0x02, 0x07, 0x00 };
	assert_memory_equal(hash, head, sizeof(head));
	assert_int_equal(n, 5 + (27 + 5 + 5 + 1) / 2);
	for (size_t i = 5; i < n; i++)
		assert_int_equal(hash[i], 0);
}

static void hashes_are_those_of_the_reference(void **state)
{
	(void)state;
	assert_hash(100, 60, draw_slope, "n9YJfJiHh4iAiIiIiIeAdRf4eA==");
	assert_hash(30, 90, draw_tall, "m7cFEg4hYBeIeYNJVZAh8uk=");
}

static void alpha_is_hashed_too(void **state)
{
	(void)state;
	assert_hash(64, 64, draw_alpha, "X7yGJQwYaoiAeYh3iGqgd/h2AExHanh4hw==");
	assert_hash(5, 3, draw_nothing, "AAiCA4AAAAAAAAAAAAAAAAAAAAAAAAA=");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(white_is_as_computed_by_hand),
	cmocka_unit_test(hashes_are_those_of_the_reference),
	cmocka_unit_test(alpha_is_hashed_too),
};
TEST_MAIN(tests)
