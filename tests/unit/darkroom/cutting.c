/* SPDX-License-Identifier: MIT */
#include "cutting.h"

#include "base/io.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* Channels of the ball: red, shaded from its upper left. */
static const double ball[3][2] = { { 200, 60 }, { 40, 40 }, { 30, 30 } };

static VipsImage *ground(enum scene s, int w, int h)
{
	VipsImage *noise, *out, *bands[3], *joined;
	if (s == ON_WHITE || s == ON_NOTHING || s == JUST_GREY) {
		double v = s == JUST_GREY ? 128 : 255;
		assert_int_equal(vips_black(&noise, w, h, "bands", 3, NULL), 0);
		assert_int_equal(vips_linear1(noise, &out, 1, v, NULL), 0);
		g_object_unref(noise);
		return out;
	}
	for (int i = 0; i < 3; i++) {
		int grain = s == JUST_NOISE ? 1 : 8;
		assert_int_equal(vips_gaussnoise(&noise, w / grain + 1, h / grain + 1, "mean",
					 100.0 + 20 * i, "sigma", 30.0, NULL),
			0);
		assert_int_equal(vips_resize(noise, &out, grain, NULL), 0);
		assert_int_equal(vips_extract_area(out, &bands[i], 0, 0, w, h, NULL), 0);
		g_object_unref(noise);
		g_object_unref(out);
	}
	assert_int_equal(vips_bandjoin(bands, &joined, 3, NULL), 0);
	for (int i = 0; i < 3; i++)
		g_object_unref(bands[i]);
	return joined;
}

/* Distance of each pixel from the middle, as an 8-bit mask with a soft edge of one pixel. */
static void draw_ball(uint8_t *px, int w, int h, int n)
{
	double radius = h / 4.0;
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++) {
			double dx = x - w / 2.0, dy = y - h / 2.0;
			double in = fmin(1, fmax(0, radius + 0.5 - hypot(dx, dy)));
			double shade = 0.5 - (dx + dy) / (4 * radius);
			uint8_t *p = px + ((size_t)y * (size_t)w + (size_t)x) * (size_t)n;
			for (int i = 0; i < 3; i++) {
				double color = ball[i][0] * shade + ball[i][1];
				if (n == 4)
					p[i] = (uint8_t)fmin(255, color);
				else
					p[i] = (uint8_t)(p[i] * (1 - in) + fmin(255, color) * in);
			}
			if (n == 4)
				p[3] = (uint8_t)(255 * in + 0.5);
		}
}

VipsImage *scene_of(enum scene s, int w, int h)
{
	VipsImage *under = ground(s, w, h), *bytes, *with = NULL, *out;
	assert_int_equal(vips_cast_uchar(under, &bytes, NULL), 0);
	if (s == ON_NOTHING)
		assert_int_equal(vips_bandjoin_const1(bytes, &with, 0, NULL), 0);
	size_t size;
	VipsImage *from = with ? with : bytes;
	uint8_t *px = vips_image_write_to_memory(from, &size);
	if (s == ON_BLUR || s == ON_WHITE || s == ON_NOTHING)
		draw_ball(px, w, h, from->Bands);
	out = vips_image_new_from_memory_copy(px, size, w, h, from->Bands, VIPS_FORMAT_UCHAR);
	out->Type = VIPS_INTERPRETATION_sRGB;
	g_free(px);
	g_object_unref(under);
	g_object_unref(bytes);
	if (with)
		g_object_unref(with);
	return out;
}

int sealed(const void *data, size_t n)
{
	struct err e;
	int fd = -1;
	assert_ok(io_memfd("picture", &fd, &e));
	assert_ok(io_write_all(fd, data, n, &e));
	assert_ok(io_seal(fd, &e));
	return fd;
}

int save(VipsImage *im, const char *suffix)
{
	void *data;
	size_t n;
	if (vips_image_write_to_buffer(im, suffix, &data, &n, NULL) != 0)
		fail_msg("%s", vips_error_buffer());
	int fd = sealed(data, n);
	g_free(data);
	g_object_unref(im);
	return fd;
}

const char *model_folder(void)
{
	const char *folder = getenv("TEST_MODELS");
	if (!folder)
		print_message("# skipped: TEST_MODELS does not name a folder with a model\n");
	return folder;
}

const char *runtime_path(void)
{
	static char path[4096];
	snprintf(path, sizeof(path), "%s/libonnxruntime.so", model_folder());
	return path;
}

char *manifest_path(void)
{
	return mem_printf("%s/fast.json", model_folder());
}

struct darkroom_opts plain_room(void)
{
	return (struct darkroom_opts){ .exe = REAL_BULB,
		.children = 1,
		.memory_bytes = (int64_t)1 << 30,
		.item_ms = 60000,
		.max_pixels = 120000000,
		.max_frames = 1000,
		.max_bytes_out = 256 << 20,
		.pictures_per_child = 100 };
}

struct darkroom *room_with(struct darkroom_opts o)
{
	struct err e;
	struct darkroom *d = NULL;
	assert_ok(darkroom_new(&o, &d, &e));
	return d;
}

struct darkroom *matte_room(void)
{
	if (!model_folder())
		return NULL;
	struct darkroom_opts o = plain_room();
	autofree char *manifest = manifest_path();
	o.runtime = runtime_path();
	o.model = manifest;
	o.threads = 2;
	return room_with(o);
}

struct cut cut_usual(void)
{
	return (struct cut){ .remove = true,
		.engine = CUT_LOCAL,
		.model = "fast",
		.format = FORMAT_PNG };
}

enum err_code cut_once(struct darkroom *d, int fd, int answer, const struct cut *c,
	enum cut_action action, struct darkroom_cut_result *ret, struct err *e)
{
	return darkroom_cut(d, 1, fd, answer, c, action, NULL, ret, e);
}

VipsImage *open_result(const struct darkroom_cut_result *r)
{
	struct err e;
	size_t n;
	assert_true(r->has_output);
	char *data = g_malloc((size_t)r->output.bytes);
	assert_ok(io_pread(r->output.fd, data, (size_t)r->output.bytes, 0, &n, &e));
	VipsImage *im = vips_image_new_from_buffer(data, n, "", NULL), *copy;
	if (!im)
		fail_msg("%s", vips_error_buffer());
	copy = vips_image_copy_memory(im);
	g_object_unref(im);
	g_free(data);
	assert_int_equal(copy->Xsize, r->output.width);
	assert_int_equal(copy->Ysize, r->output.height);
	return copy;
}

int value_at(VipsImage *im, int x, int y, int band)
{
	return *(VIPS_IMAGE_ADDR(im, x, y) + band);
}

double overlap(VipsImage *im, double cx, double cy, double radius)
{
	double both = 0, either = 0;
	assert_int_equal(im->Bands, 4);
	for (int y = 0; y < im->Ysize; y++)
		for (int x = 0; x < im->Xsize; x++) {
			bool is = value_at(im, x, y, 3) >= 128;
			bool should = hypot(x - cx, y - cy) <= radius;
			both += is && should;
			either += is || should;
		}
	return either > 0 ? both / either : 0;
}
