/* SPDX-License-Identifier: MIT
 *
 * Both come from one small copy of the picture: its ThumbHash, and the mean of the colours in the
 * fullest of 4096 bins (16 steps a channel). A mean over everything would be mud.
 */
#include "image/placeholder.h"

#include "base/digest.h"
#include "base/mem.h"
#include "image/thumbhash.h"

#include <stdio.h>

enum { BINS = 16 * 16 * 16, OPAQUE = 128 };

struct bin {
	uint32_t n, sum[3];
};

static void dominant(const uint8_t *rgba, size_t count, char color[8])
{
	autofree struct bin *bins = mem_array(BINS, sizeof(*bins));
	const struct bin *fullest = &bins[0];
	for (size_t i = 0; i < count; i++, rgba += 4) {
		struct bin *b = &bins[rgba[0] >> 4 << 8 | rgba[1] >> 4 << 4 | rgba[2] >> 4];
		if (rgba[3] < OPAQUE)
			continue;
		b->n++;
		for (int k = 0; k < 3; k++)
			b->sum[k] += rgba[k];
		if (b->n > fullest->n)
			fullest = b;
	}
	uint32_t n = fullest->n > 0 ? fullest->n : 1, half = n / 2;
	snprintf(color, 8, "#%02x%02x%02x", (fullest->sum[0] + half) / n & 255,
		(fullest->sum[1] + half) / n & 255, (fullest->sum[2] + half) / n & 255);
}

/* At most 100 × 100 of the shape that full_w × full_h has, RGBA. */
static enum err_code shrink(const struct picture *p, int full_w, int full_h, struct picture *ret,
	struct err *e)
{
	int there = p->w > p->h ? p->w : p->h, longest = full_w > full_h ? full_w : full_h;
	double scale = (there < THUMBHASH_SIDE ? there : THUMBHASH_SIDE) / (double)longest;
	int w = (int)(full_w * scale + 0.5), h = (int)(full_h * scale + 0.5);
	struct picture small = { 0 }, rgb = { 0 };
	enum err_code code = picture_resize(p, (struct rect){ 0, 0, p->w, p->h }, w < 1 ? 1 : w,
		h < 1 ? 1 : h, &small, e);
	if (code == OK)
		code = picture_to_rgb(&small, &rgb, e);
	if (code == OK) /* a canvas of nothing under it: the easy way to four channels */
		code = picture_embed(&rgb, 0, 0, rgb.w, rgb.h, (struct rgba){ 0 }, ret, e);
	picture_done(&small);
	picture_done(&rgb);
	return code;
}

enum err_code placeholder_make(const struct picture *p, struct image_summary *ret, struct err *e)
{
	struct picture small;
	autofree uint8_t *rgba = NULL;
	enum err_code code = shrink(p, ret->width, ret->height, &small, e);
	if (code != OK)
		return code;
	code = picture_pack(&small, &rgba, e);
	if (code == OK) {
		uint8_t hash[THUMBHASH_MAX];
		size_t n = thumbhash(small.w, small.h, rgba, hash);
		base64_format(hash, n, ret->thumbhash);
		dominant(rgba, (size_t)small.w * (size_t)small.h, ret->color);
	}
	picture_done(&small);
	return code;
}
