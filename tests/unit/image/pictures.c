/* SPDX-License-Identifier: MIT */
#include "pictures.h"

#include "base/mem.h"

#include <stdlib.h>

static const struct image_limits limits = { .max_pixels = 50000000,
	.max_frames = 1000,
	.max_bytes_out = 1 << 26 };
static const uint8_t quarters[4][3] = { { 255, 0, 0 }, { 0, 255, 0 }, { 0, 0, 255 },
	{ 255, 255, 255 } };
const char exif_secret[] = "SECRET-PLACE";

/* The HEVC encoder under libheif, which only tests use, keeps a table for ever. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:x265_malloc";
}

void file_done(struct file *f)
{
	free(f->data);
	*f = (struct file){ 0 };
}

int pictures_start(void **state)
{
	(void)state;
	struct err e;
	return image_init(&e) == OK ? 0 : -1;
}

static VipsImage *from_pixels(const uint8_t *px, int w, int h, int n)
{
	VipsImage *im = vips_image_new_from_memory_copy(px, (size_t)w * (size_t)h * (size_t)n, w, h,
		n, VIPS_FORMAT_UCHAR);
	assert_non_null(im);
	im->Type = VIPS_INTERPRETATION_sRGB;
	return im;
}

VipsImage *scene_stored(int w, int h, int orientation)
{
	static const bool mirror_x[9] = { [2] = 1, [3] = 1, [6] = 1, [7] = 1 };
	static const bool mirror_y[9] = { [3] = 1, [4] = 1, [7] = 1, [8] = 1 };
	bool swap = orientation >= 5;
	int sw = swap ? h : w, sh = swap ? w : h;
	autofree uint8_t *px = mem_array((size_t)w * (size_t)h, 3);
	for (int v = 0; v < sh; v++)
		for (int u = 0; u < sw;
			u++) { /* row 0 and column 0 are the sides that EXIF names */
			int x = swap ? v : u, y = swap ? u : v;
			x = mirror_x[orientation] ? w - 1 - x : x;
			y = mirror_y[orientation] ? h - 1 - y : y;
			memcpy(px + 3 * ((size_t)v * (size_t)sw + (size_t)u),
				quarters[(y >= h / 2) * 2 + (x >= w / 2)], 3);
		}
	return from_pixels(px, sw, sh, 3);
}

VipsImage *scene(int w, int h)
{
	return scene_stored(w, h, 1);
}

VipsImage *scene_alpha(int w, int h, int alpha)
{
	autofree uint8_t *px = mem_array((size_t)w * (size_t)h, 4);
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++) {
			uint8_t *p = px + 4 * ((size_t)y * (size_t)w + (size_t)x);
			memcpy(p, quarters[(y >= h / 2) * 2 + (x >= w / 2)], 3);
			p[3] = x < w / 2 ? 255 : (uint8_t)alpha;
		}
	return from_pixels(px, w, h, 4);
}

struct file encode(VipsImage *im, const char *suffix)
{
	void *data = NULL;
	struct file f = { 0 };
	if (vips_image_write_to_buffer(im, suffix, &data, &f.n, NULL))
		fail_msg("%s: %s", suffix, vips_error_buffer());
	g_object_unref(im);
	f.data = mem_array(f.n, 1);
	memcpy(f.data, data, f.n);
	g_free(data);
	return f;
}

/* Big-endian: an orientation, and a GPS directory with one text in it. */
struct file exif(int orientation)
{
	const uint8_t head[] = { 'M', 'M', 0, '*', 0, 0, 0, 8, 0, 2, 0x01, 0x12, 0, 3, 0, 0, 0, 1,
		0, (uint8_t)orientation, 0, 0,             /* Orientation */
		0x88, 0x25, 0, 4, 0, 0, 0, 1, 0, 0, 0, 38, /* GPS IFD at 38 */
		0, 0, 0, 0, 0, 1, 0, 0x1d, 0, 2, 0, 0, 0, sizeof(exif_secret), 0, 0, 0,
		56, /* GPSDateStamp */
		0, 0, 0, 0 };
	struct file f = { mem_array(sizeof(head) + sizeof(exif_secret), 1),
		sizeof(head) + sizeof(exif_secret) };
	memcpy(f.data, head, sizeof(head));
	memcpy(f.data + sizeof(head), exif_secret, sizeof(exif_secret));
	return f;
}

struct file jpeg_with_exif(struct file f, int orientation)
{
	struct file x = exif(orientation);
	size_t length = 2 + 6 + x.n;
	const uint8_t marker[] = { 0xff, 0xe1, (uint8_t)(length >> 8), (uint8_t)length, 'E', 'x',
		'i', 'f', 0, 0 };
	struct file out = { mem_array(f.n + sizeof(marker) + x.n, 1), f.n + sizeof(marker) + x.n };
	memcpy(out.data, f.data, 2);
	memcpy(out.data + 2, marker, sizeof(marker));
	memcpy(out.data + 2 + sizeof(marker), x.data, x.n);
	memcpy(out.data + 2 + sizeof(marker) + x.n, f.data + 2, f.n - 2);
	file_done(&x);
	file_done(&f);
	return out;
}

struct file gif_frames(int frames)
{
	static const uint8_t head[] = { 'G', 'I', 'F', '8', '9', 'a', 1, 0, 1, 0, 0x80, 0, 0, 200,
		100, 50, 0, 0, 0 };
	static const uint8_t frame[] = { 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 0x01, 0 };
	struct file f = { 0 };
	f.n = sizeof(head) + (size_t)frames * sizeof(frame) + 1;
	f.data = mem_array(f.n, 1);
	memcpy(f.data, head, sizeof(head));
	for (int i = 0; i < frames; i++)
		memcpy(f.data + sizeof(head) + (size_t)i * sizeof(frame), frame, sizeof(frame));
	f.data[f.n - 1] = 0x3b;
	return f;
}

static bool keep(void *ctx, const struct image_variant *v)
{
	struct made *m = ctx;
	m->files[v->index] = (struct file){ mem_array(v->bytes, 1), v->bytes };
	memcpy(m->files[v->index].data, v->data, v->bytes);
	m->formats[v->index] = v->format;
	m->w[v->index] = v->width;
	m->h[v->index] = v->height;
	m->count++;
	return true;
}

struct made make(struct file f, const char *variants)
{
	struct made m = { 0 };
	struct recipe r = { 0 };
	struct faults faults = { 0 };
	json_t *j = json_loads(variants, 0, NULL);
	assert_non_null(j);
	assert_true(recipe_parse(j, "/variants", &r, &faults));
	m.code = image_probe(f.data, f.n, &limits, &r, &m.header, &m.e);
	if (m.code == OK)
		m.code = image_make(f.data, f.n, &m.header, &limits, &r, keep, &m, &m.summary,
			&m.e);
	recipe_done(&r);
	json_decref(j);
	return m;
}

struct made make_well(struct file f, const char *variants)
{
	struct made m = make(f, variants);
	if (m.code != OK)
		fail_msg("%s: %s", err_name(m.code), m.e.text);
	return m;
}

void made_done(struct made *m)
{
	for (int i = 0; i < VARIANTS_MAX; i++)
		file_done(&m->files[i]);
}

void made_and_file_done(struct made *m, struct file *f)
{
	made_done(m);
	file_done(f);
}

void assert_color(struct file f, double x, double y, int r, int g, int b, int a, int tolerance)
{
	const int want[4] = { r, g, b, a };
	double *got = NULL;
	int n = 0;
	VipsImage *im = vips_image_new_from_buffer(f.data, f.n, "", NULL);
	assert_non_null(im);
	int px = (int)(x * vips_image_get_width(im)), py = (int)(y * vips_image_get_height(im));
	assert_int_equal(vips_getpoint(im, &got, &n, px, py, NULL), 0);
	assert_true(n == 3 || n == 4);
	for (int i = 0; i < 3 + (a >= 0); i++) {
		int v = i < n ? (int)got[i] : 255;
		if (abs(v - want[i]) > tolerance)
			fail_msg("at %d, %d channel %d is %d instead of %d", px, py, i, v, want[i]);
	}
	g_free(got);
	g_object_unref(im);
}

void assert_scene(struct file f, int tolerance)
{
	for (int i = 0; i < 4; i++)
		assert_color(f, i % 2 ? 0.75 : 0.25, i / 2 ? 0.75 : 0.25, quarters[i][0],
			quarters[i][1], quarters[i][2], -1, tolerance);
}
