/* SPDX-License-Identifier: MIT
 *
 * PNG (ISO/IEC 15948). Deflate packs up to 1:1032, so what is packed is held against what the
 * header says it should become: more picture data than the picture has, or more packed text than
 * any camera or editor writes, is a bomb.
 */
#include "image/probe.h"

enum { FLAG_COLOUR = 2, FLAG_ALPHA = 4, PALETTE = 3 };
#define TEXT_MAX    (128u << 10) /* packed bytes of zTXt and iTXt together */
#define PROFILE_MAX (4u << 20)
#define SLACK       (64u << 10)

static int channels(uint32_t colour)
{
	switch (colour) {
	case 0:
	case PALETTE:
		return 1;
	case 2:
		return 3;
	case 4:
		return 2;
	case 6:
		return 4;
	default:
		return 0;
	}
}

struct sums {
	uint64_t picture, text, profile;
};

static void read_chunk(struct span s, size_t at, uint32_t length, struct probe *p, struct sums *sum)
{
	if (span_is(s, at + 4, "IDAT", 4))
		sum->picture += length;
	else if (span_is(s, at + 4, "zTXt", 4) || span_is(s, at + 4, "iTXt", 4))
		sum->text += length;
	else if (span_is(s, at + 4, "iCCP", 4))
		sum->profile += length;
	else if (span_is(s, at + 4, "tRNS", 4))
		p->h.has_alpha = true;
	else if (span_is(s, at + 4, "eXIf", 4))
		p->h.orientation = exif_orientation(span_part(s, at + 8, length));
	else if (span_is(s, at + 4, "acTL", 4))
		p->h.frames = 1; /* APNG: the still picture is what is read */
}

static enum err_code check_sums(const struct sums *sum, double raw, struct err *e)
{
	if (sum->picture == 0)
		return err_set(e, ERR_DECODE_CORRUPT, "png: no picture in it");
	if ((double)sum->picture > raw * 1.125 + SLACK)
		return err_set(e, ERR_DECODE_CORRUPT,
			"png: more data than the picture has pixels for");
	if (sum->text > TEXT_MAX || sum->profile > PROFILE_MAX)
		return err_set(e, ERR_DECODE_UNSUPPORTED, "png: over %u bytes of packed text",
			sum->text > TEXT_MAX ? TEXT_MAX : PROFILE_MAX);
	return OK;
}

enum err_code png_probe(struct span s, struct probe *p, struct err *e)
{
	uint32_t bits = span_u8(s, 24), colour = span_u8(s, 25);
	int n = channels(colour);
	if (!span_is(s, 12, "IHDR", 4) || n == 0 || bits > 16)
		return err_set(e, ERR_DECODE_CORRUPT, "png: the header is damaged");
	uint32_t w = span_be32(s, 16), h = span_be32(s, 20);
	if (w > INT32_MAX || h > INT32_MAX)
		return err_set(e, ERR_DECODE_CORRUPT, "png: the header is damaged");
	p->h.width = (int)w;
	p->h.height = (int)h;
	p->h.has_alpha = (colour & FLAG_ALPHA) && colour != PALETTE;
	p->h.progressive = span_u8(s, 28) == 1;
	if (p->h.progressive) /* interlaced: the decoder holds the whole picture */
		p->bytes_per_pixel = bits == 16 ? 8 : 4;
	struct sums sum = { 0 };
	size_t at = 8;
	while (at + 12 <= s.n && !span_is(s, at + 4, "IEND", 4)) {
		uint32_t length = span_be32(s, at);
		read_chunk(s, at, length, p, &sum);
		at += 12 + (size_t)length;
	}
	double raw = (double)h * (1 + (double)w * n * bits / 8);
	return check_sums(&sum, p->h.progressive ? 2 * raw + 8.0 * h : raw, e);
}
