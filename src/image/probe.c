/* SPDX-License-Identifier: MIT
 *
 * From bytes to a header that has passed every limit, and to what decoding will take: the darkroom
 * admits a picture by that number before a decoder sees it.
 */
#include "image/probe.h"

#include "image/geometry.h"
#include "image/load.h"

#include <math.h>

static probe_fn *const readers[] = {
	[FORMAT_JPEG] = jpeg_probe,
	[FORMAT_PNG] = png_probe,
	[FORMAT_WEBP] = webp_probe,
	[FORMAT_GIF] = gif_probe,
	[FORMAT_TIFF] = tiff_probe,
	[FORMAT_AVIF] = heif_probe,
	[FORMAT_HEIF] = heif_probe,
};

static enum err_code check_limits(const struct image_header *h, const struct image_limits *lim,
	struct err *e)
{
	if (h->width <= 0 || h->height <= 0)
		return err_set(e, ERR_DECODE_CORRUPT, "the header says %d × %d pixels", h->width,
			h->height);
	if ((int64_t)h->width * h->height > lim->max_pixels)
		return err_set(e, ERR_LIMIT_PIXELS, "%d × %d pixels, over the limit of %lld",
			h->width, h->height, (long long)lim->max_pixels);
	if (h->frames > lim->max_frames)
		return err_set(e, ERR_LIMIT_FRAMES, "over %d frames", lim->max_frames);
	return OK;
}

/* The encoder keeps what it is about to write, and noise in high quality is much of it. */
static double webp_bytes(const struct variant *v)
{
	enum { LOSSLESS = 70, LOSSY = 13, MODEST_QUALITY = 80 };
	if (v->lossless)
		return LOSSLESS;
	return v->quality > MODEST_QUALITY ? LOSSY + (v->quality - MODEST_QUALITY) / 2.0 : LOSSY;
}

/* Pixels that one variant holds at a time, and bytes each of them takes while it is encoded. */
static double variant_bytes(const struct variant *v, int w, int h)
{
	struct geometry g = geometry_of(v, w, h);
	double scaled = (double)g.scaled_w * g.scaled_h, out = (double)g.out_w * g.out_h;
	switch (v->format) {
	case FORMAT_AVIF:
		return 4 * scaled + 90 * out;
	case FORMAT_WEBP:
		return 4 * scaled + webp_bytes(v) * out;
	default:
		return 4 * scaled + 10 * out;
	}
}

/* Lines that libvips keeps between its steps while a picture streams through them, and bytes a pixel
 * of them: measured on pictures of 8600 and of 40000 pixels a line. */
enum { LINES = 1024, LINE_BYTES = 7 };

static double streaming(const struct probe *p)
{
	if (p->h.format == FORMAT_JPEG)
		return 0;
	double lines = p->h.height < LINES ? p->h.height : LINES;
	return p->h.width * lines * (p->line_bytes > 0 ? p->line_bytes : LINE_BYTES);
}

#define BYTES_MOST 1e18 /* a picture that asks for more gets none in any case */

static int64_t estimate(const struct probe *p, const struct recipe *r)
{
	double overhead = 16
		<< 20; /* libraries, their tables, stacks, and the file's own buffers */
	bool swap = p->h.orientation >= 5;
	int w = swap ? p->h.height : p->h.width, h = swap ? p->h.width : p->h.height;
	double pixels = (double)w * h, most = 0;
	for (size_t i = 0; r && i < r->n; i++) {
		double bytes = variant_bytes(&r->variants[i], w, h);
		most = bytes > most ? bytes : most;
	}
	double scale = r ? load_scale(&p->h, r) : 1;
	double read = pixels * scale * scale * 4; /* its planes */
	double held = pixels * p->bytes_per_pixel + p->buffer_bytes + streaming(p);
	return (int64_t)fmin(overhead + held + read + most, BYTES_MOST);
}

enum format image_sniff(const void *data, size_t n)
{
	return format_sniff(data, n);
}

enum err_code image_probe(const void *data, size_t n, const struct image_limits *lim,
	const struct recipe *r, struct image_header *ret, struct err *e)
{
	struct probe p = { .h = { .format = format_sniff(data, n), .frames = 1, .orientation = 1 },
		.max_frames = lim->max_frames };
	if (p.h.format == FORMAT_NONE)
		return err_set(e, ERR_FETCH_NOT_IMAGE, "the bytes are not those of an image");
	enum err_code code = readers[p.h.format]((struct span){ data, n }, &p, e);
	if (code == OK)
		code = check_limits(&p.h, lim, e);
	if (code != OK)
		return code;
	p.h.decode_bytes = estimate(&p, r);
	*ret = p.h;
	return OK;
}
