/* SPDX-License-Identifier: MIT
 *
 * How far a picture may be shrunk while it is decoded, and which decoder does it.
 */
#include "image/load.h"

#include "image/geometry.h"

double load_scale(const struct image_header *h, const struct recipe *r)
{
	bool swap = h->orientation >= 5;
	int w = swap ? h->height : h->width, high = swap ? h->width : h->height;
	double most = 0;
	for (size_t i = 0; i < r->n; i++) {
		struct geometry g = geometry_of(&r->variants[i], w, high);
		double x = (double)g.scaled_w / w, y = (double)g.scaled_h / high;
		most = x > most ? x : most;
		most = y > most ? y : most;
	}
	return most > 1 ? 1 : most;
}

enum err_code load_picture(const void *data, size_t n, const struct image_header *h, double scale,
	struct loaded *ret, struct err *e)
{
	struct loaded l = { 0 };
	bool plain = false;
	enum err_code code = OK;
	if (h->format == FORMAT_JPEG)
		code = jpeg_load(data, n, scale, &l, &plain, e);
	if (code == OK && !plain)
		code = vips_load(data, n, h, scale, &l, e);
	if (code == OK)
		code = picture_orient(&l.picture, h->orientation, e);
	if (code != OK) {
		picture_done(&l.picture);
		return code;
	}
	if (h->orientation >= 5) {
		int w = l.w;
		l.w = l.h;
		l.h = w;
	}
	*ret = l;
	return OK;
}
