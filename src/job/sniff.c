/* SPDX-License-Identifier: MIT
 *
 * What a file is, from its first bytes alone and decided by us: a library that is asked to guess
 * runs every parser it has over a stranger's bytes, ImageMagick's among them. The worker names blobs
 * by it, the darkroom chooses its decoder by it.
 */
#include "job/recipe.h"

#include <string.h>

#define BRANDS_END 256 /* how far into the ftyp box brands are looked at */

struct head {
	const uint8_t *p;
	size_t n;
};

static bool is_at(struct head h, size_t at, const char *magic, size_t len)
{
	return at <= h.n && len <= h.n - at && memcmp(h.p + at, magic, len) == 0;
}

/* The brands of ISO/IEC 23000-12 (HEIF) and of AVIF 1.1. */
static enum format brand_format(struct head h, size_t at)
{
	static const char heif[][5] = { "heic", "heix", "hevc", "hevx", "heim", "heis", "hevm",
		"hevs", "mif1", "mif2", "msf1" };
	if (is_at(h, at, "avif", 4) || is_at(h, at, "avis", 4))
		return FORMAT_AVIF;
	for (size_t i = 0; i < ARRAY_LEN(heif); i++) {
		if (is_at(h, at, heif[i], 4))
			return FORMAT_HEIF;
	}
	return FORMAT_NONE;
}

/* A file is AVIF when any of its brands says so. */
static enum format sniff_boxes(struct head h)
{
	if (!is_at(h, 4, "ftyp", 4))
		return FORMAT_NONE;
	enum format found = brand_format(h, 8);
	size_t box = (size_t)h.p[0] << 24 | (size_t)h.p[1] << 16 | (size_t)h.p[2] << 8 | h.p[3];
	if (box < h.n)
		h.n = box;
	for (size_t at = 16; at + 4 <= h.n && at < BRANDS_END && found != FORMAT_AVIF; at += 4) {
		enum format f = brand_format(h, at);
		if (f != FORMAT_NONE)
			found = f;
	}
	return found;
}

enum format format_sniff(const void *data, size_t n)
{
	struct head h = { data, n };
	if (is_at(h, 0, "\xff\xd8\xff", 3))
		return FORMAT_JPEG;
	if (is_at(h, 0, "\x89PNG\r\n\x1a\n", 8))
		return FORMAT_PNG;
	if (is_at(h, 0, "RIFF", 4) && is_at(h, 8, "WEBP", 4))
		return FORMAT_WEBP;
	if (is_at(h, 0, "GIF87a", 6) || is_at(h, 0, "GIF89a", 6))
		return FORMAT_GIF;
	if (is_at(h, 0, "II*\0", 4) || is_at(h, 0, "MM\0*", 4) || is_at(h, 0, "II+\0", 4) ||
		is_at(h, 0, "MM\0+", 4))
		return FORMAT_TIFF;
	return sniff_boxes(h);
}
