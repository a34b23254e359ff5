/* SPDX-License-Identifier: MIT
 *
 * WebP through libwebp itself: the planes of a photo go in as they are (only their range changes,
 * full in JPEG, 16 … 235 in WebP, both BT.601), and RGB is left to libwebp.
 */
#include "image/save.h"

#include "base/mem.h"

#include <string.h>
#include <webp/encode.h>

static void free_webp(void *data)
{
	WebPFree(data);
}

/* v × span/255 + base, in 8 bits. */
static void fill_range(uint8_t table[256], double span, double centre_in, double centre_out)
{
	for (int i = 0; i < 256; i++)
		table[i] = (uint8_t)((i - centre_in) * span / 255 + centre_out + 0.5);
}

static void copy_plane(const struct plane *from, uint8_t *to, int stride, const uint8_t table[256])
{
	for (int y = 0; y < from->h; y++) {
		const uint8_t *in = from->px + (size_t)y * (size_t)from->w;
		uint8_t *out = to + (size_t)y * (size_t)stride;
		for (int x = 0; x < from->w; x++)
			out[x] = table[in[x]];
	}
}

static bool import_ycc(WebPPicture *pic, const struct picture *p)
{
	uint8_t luma[256], chroma[256];
	if (!WebPPictureAlloc(pic))
		return false;
	fill_range(luma, 219, 0, 16);
	fill_range(chroma, 224, 128, 128);
	copy_plane(&p->planes[0], pic->y, pic->y_stride, luma);
	copy_plane(&p->planes[1], pic->u, pic->uv_stride, chroma);
	copy_plane(&p->planes[2], pic->v, pic->uv_stride, chroma);
	return true;
}

/* Even, so that no sample of chroma belongs to two strips. */
enum { STRIP = 64 };

static void copy_rows(const uint8_t *from, int from_stride, uint8_t *to, int to_stride, int y,
	int rows, size_t bytes)
{
	for (int i = 0; i < rows; i++)
		memcpy(to + (ptrdiff_t)(y + i) * to_stride, from + (ptrdiff_t)i * from_stride,
			bytes);
}

/* A strip that was imported becomes the rows of pic from y on. */
static void copy_strip(const WebPPicture *s, WebPPicture *pic, int y)
{
	size_t w = (size_t)s->width, half = (w + 1) / 2;
	if (pic->use_argb) {
		copy_rows((uint8_t *)s->argb, s->argb_stride * 4, (uint8_t *)pic->argb,
			pic->argb_stride * 4, y, s->height, w * 4);
		return;
	}
	int halves = (s->height + 1) / 2;
	copy_rows(s->y, s->y_stride, pic->y, pic->y_stride, y, s->height, w);
	copy_rows(s->u, s->uv_stride, pic->u, pic->uv_stride, y / 2, halves, half);
	copy_rows(s->v, s->uv_stride, pic->v, pic->uv_stride, y / 2, halves, half);
	if (!pic->a)
		return;
	if (s->a) /* an opaque strip has none */
		copy_rows(s->a, s->a_stride, pic->a, pic->a_stride, y, s->height, w);
	else
		memset(pic->a + (ptrdiff_t)y * pic->a_stride, 255,
			(size_t)pic->a_stride * (size_t)s->height);
}

static bool is_opaque(const struct picture *p)
{
	size_t count = (size_t)p->w * (size_t)p->h;
	for (size_t i = 0; p->n == 4 && i < count; i++)
		if (p->planes[3].px[i] != 255)
			return false;
	return true;
}

static bool import_strip(WebPPicture *pic, const struct picture *p, int y, uint8_t *packed)
{
	WebPPicture s;
	if (!WebPPictureInit(&s))
		return false;
	s.use_argb = pic->use_argb;
	s.width = p->w;
	s.height = p->h - y < STRIP ? p->h - y : STRIP;
	for (int i = 0; i < s.height; i++)
		picture_get_row(p, 0, y + i, p->w,
			packed + (size_t)i * (size_t)p->w * (size_t)p->n);
	bool done = p->n == 4 ? WebPPictureImportRGBA(&s, packed, p->w * 4)
			      : WebPPictureImportRGB(&s, packed, p->w * 3);
	if (done)
		copy_strip(&s, pic, y);
	WebPPictureFree(&s);
	return done;
}

/* RGB in strips, as libwebp wants it packed and a packed copy of a large picture is large. */
static bool import_rgb(WebPPicture *pic, const struct picture *p)
{
	autofree uint8_t *packed = mem_try_alloc((size_t)p->w * (size_t)p->n * STRIP);
	pic->colorspace = is_opaque(p) ? WEBP_YUV420 : WEBP_YUV420A;
	if (!packed) {
		pic->error_code = VP8_ENC_ERROR_OUT_OF_MEMORY;
		return false;
	}
	bool done = WebPPictureAlloc(pic);
	for (int y = 0; y < p->h && done; y += STRIP)
		done = import_strip(pic, p, y, packed);
	return done;
}

static enum err_code failed(const WebPPicture *pic, struct err *e)
{
	switch (pic->error_code) {
	case VP8_ENC_ERROR_OUT_OF_MEMORY:
	case VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY:
		return err_set(e, ERR_LIMIT_MEMORY, "webp: out of memory");
	case VP8_ENC_ERROR_BAD_DIMENSION:
		return err_set(e, ERR_ENCODE_FAILED, "webp: %d × %d is over its limit of %d pixels",
			pic->width, pic->height, WEBP_MAX_DIMENSION);
	default:
		return err_set(e, ERR_ENCODE_FAILED, "webp: error %d", (int)pic->error_code);
	}
}

enum err_code webp_save(const struct picture *p, const struct variant *v, struct encoded *ret,
	struct err *e)
{
	WebPConfig config;
	WebPPicture pic;
	WebPMemoryWriter out;
	if (!WebPConfigPreset(&config, WEBP_PRESET_DEFAULT, (float)v->quality) ||
		!WebPPictureInit(&pic))
		return err_set(e, ERR_ENCODE_FAILED, "webp: another version of the library");
	config.method = v->effort;
	config.lossless = v->lossless;
	WebPMemoryWriterInit(&out);
	pic.use_argb = v->lossless;
	pic.width = p->w;
	pic.height = p->h;
	pic.writer = WebPMemoryWrite;
	pic.custom_ptr = &out;
	bool done = (p->is_ycc ? import_ycc(&pic, p) : import_rgb(&pic, p)) &&
		WebPEncode(&config, &pic);
	enum err_code code = done ? OK : failed(&pic, e);
	WebPPictureFree(&pic);
	if (code != OK) {
		WebPMemoryWriterClear(&out);
		return code;
	}
	*ret = (struct encoded){ .data = out.mem, .n = out.size, .free = free_webp };
	return OK;
}
