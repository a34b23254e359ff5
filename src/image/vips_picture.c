/* SPDX-License-Identifier: MIT
 *
 * libvips and the libraries below it report text for people, and only that; what tells codes apart
 * are words that have been in these texts for years. What is not recognised is the file's fault:
 * the header has been read by us before, so the library is there and the size is allowed.
 */
#include "image/vips_picture.h"

#include <string.h>

static const struct {
	const char *words;
	enum err_code code;
} meanings[] = {
	{ "ut of memory", ERR_LIMIT_MEMORY },
	{ "nsufficient memory", ERR_LIMIT_MEMORY },
	{ "allocate memory", ERR_LIMIT_MEMORY },
	{ "emory allocation", ERR_LIMIT_MEMORY },
	{ "nsupported", ERR_DECODE_UNSUPPORTED },
	{ "not supported", ERR_DECODE_UNSUPPORTED },
	{ "No decoding plugin", ERR_DECODE_UNSUPPORTED },
	{ "not configured", ERR_DECODE_UNSUPPORTED },
	{ "unknown class", ERR_DECODE_UNSUPPORTED },
	{ "not found", ERR_DECODE_UNSUPPORTED },
};

/* Without what a terminal or a log could trip over. */
static void copy_line(const char *from, char *to, size_t room)
{
	size_t n = 0;
	for (; *from && *from != '\n' && n + 1 < room; from++)
		to[n++] = *from >= ' ' && *from < 0x7f ? *from : '?';
	to[n] = 0;
}

enum err_code vips_failed(struct err *e, enum err_code other, const char *what)
{
	const char *text = vips_error_buffer(), *hit = NULL;
	enum err_code code = other;
	for (size_t i = 0; i < ARRAY_LEN(meanings) && !hit; i++) {
		hit = strstr(text, meanings[i].words);
		if (hit)
			code = meanings[i].code;
	}
	while (hit && hit > text && hit[-1] != '\n')
		hit--;
	char line[200]; /* the one that tells the code, or the first */
	copy_line(hit ? hit : text, line, sizeof(line));
	vips_error_clear();
	return err_set(e, code, "%s: %s", what, *line ? line : "it could not be read");
}

ON_VIPS_THREAD static int pack_rows(VipsRegion *out, void *seq, void *picture, void *unused,
	gboolean *stop)
{
	(void)seq;
	(void)unused;
	(void)stop;
	VipsRect r = out->valid;
	for (int y = r.top; y < r.top + r.height; y++)
		picture_get_row(picture, r.left, y, r.width, VIPS_REGION_ADDR(out, r.left, y));
	return 0;
}

enum err_code picture_to_vips(const struct picture *p, VipsImage **ret, struct err *e)
{
	VipsImage *im = vips_image_new();
	vips_image_init_fields(im, p->w, p->h, p->n, VIPS_FORMAT_UCHAR, VIPS_CODING_NONE,
		VIPS_INTERPRETATION_sRGB, 1, 1);
	if (vips_image_pipelinev(im, VIPS_DEMAND_STYLE_THINSTRIP, NULL) ||
		vips_image_generate(im, NULL, pack_rows, NULL, (void *)(uintptr_t)p, NULL)) {
		g_object_unref(im);
		return vips_failed(e, ERR_ENCODE_FAILED, "picture");
	}
	*ret = im;
	return OK;
}
