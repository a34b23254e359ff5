/* SPDX-License-Identifier: MIT
 *
 * WebP through libwebp itself: the planes of a photo go in as they are (only their range changes,
 * full in JPEG, 16 … 235 in WebP, both BT.601), and RGB is left to libwebp.
 */
#include "image/save.h"

#include "base/mem.h"

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

static bool import(WebPPicture *pic, const struct picture *p, struct err *e)
{
	if (p->is_ycc)
		return import_ycc(pic, p);
	autofree uint8_t *packed = NULL;
	if (picture_pack(p, &packed, e) != OK)
		return false;
	return p->n == 4 ? WebPPictureImportRGBA(pic, packed, p->w * 4)
			 : WebPPictureImportRGB(pic, packed, p->w * 3);
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
	bool done = import(&pic, p, e) && WebPEncode(&config, &pic);
	enum err_code code = done ? OK : failed(&pic, e);
	WebPPictureFree(&pic);
	if (code != OK) {
		WebPMemoryWriterClear(&out);
		return code;
	}
	*ret = (struct encoded){ .data = out.mem, .n = out.size, .free = free_webp };
	return OK;
}
