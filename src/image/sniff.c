/* SPDX-License-Identifier: MIT
 *
 * What a file is, from its first bytes alone and decided by us: a library that is asked to guess
 * runs every parser it has over a stranger's bytes, ImageMagick's among them.
 */
#include "image/image.h"

#include "image/span.h"

/* The brands of ISO/IEC 23000-12 (HEIF) and of AVIF 1.1; a file is AVIF when any brand says so. */
static enum format brand_format(struct span s, size_t at)
{
	static const char heif[][5] = { "heic", "heix", "hevc", "hevx", "heim", "heis", "hevm",
		"hevs", "mif1", "mif2", "msf1" };
	if (span_is(s, at, "avif", 4) || span_is(s, at, "avis", 4))
		return FORMAT_AVIF;
	for (size_t i = 0; i < sizeof(heif) / sizeof(heif[0]); i++)
		if (span_is(s, at, heif[i], 4))
			return FORMAT_HEIF;
	return FORMAT_NONE;
}

static enum format sniff_boxes(struct span s)
{
	if (!span_is(s, 4, "ftyp", 4))
		return FORMAT_NONE;
	enum format found = brand_format(s, 8);
	struct span box = span_part(s, 0, span_be32(s, 0));
	for (size_t at = 16; at + 4 <= box.n && at < 256 && found != FORMAT_AVIF; at += 4) {
		enum format f = brand_format(box, at);
		if (f != FORMAT_NONE)
			found = f;
	}
	return found;
}

enum format image_sniff(const void *data, size_t n)
{
	struct span s = { data, n };
	if (span_is(s, 0, "\xff\xd8\xff", 3))
		return FORMAT_JPEG;
	if (span_is(s, 0, "\x89PNG\r\n\x1a\n", 8))
		return FORMAT_PNG;
	if (span_is(s, 0, "RIFF", 4) && span_is(s, 8, "WEBP", 4))
		return FORMAT_WEBP;
	if (span_is(s, 0, "GIF87a", 6) || span_is(s, 0, "GIF89a", 6))
		return FORMAT_GIF;
	if (span_is(s, 0, "II*\0", 4) || span_is(s, 0, "MM\0*", 4) ||
		span_is(s, 0, "II+\0", 4) || span_is(s, 0, "MM\0+", 4))
		return FORMAT_TIFF;
	return sniff_boxes(s);
}
