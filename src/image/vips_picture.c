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

enum err_code picture_to_vips(const struct picture *p, uint8_t **ret_packed, VipsImage **ret,
	struct err *e)
{
	enum err_code code = picture_pack(p, ret_packed, e);
	if (code != OK)
		return code;
	size_t bytes = (size_t)p->w * (size_t)p->h * (size_t)p->n;
	VipsImage *im = vips_image_new_from_memory(*ret_packed, bytes, p->w, p->h, p->n,
		VIPS_FORMAT_UCHAR);
	if (!im)
		return vips_failed(e, ERR_ENCODE_FAILED, "picture");
	im->Type = VIPS_INTERPRETATION_sRGB;
	*ret = im;
	return OK;
}
