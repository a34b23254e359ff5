/* SPDX-License-Identifier: MIT
 *
 * TIFF 6.0 and BigTIFF: the first directory describes the picture, the chain of directories is
 * counted as far as the limit (a chain that bites its tail ends there too).
 */
#include "image/probe.h"

#include <math.h>

enum {
	TAG_WIDTH = 256,
	TAG_HEIGHT = 257,
	TAG_BITS = 258,
	TAG_COMPRESSION = 259,
	TAG_PHOTOMETRIC = 262,
	TAG_ORIENTATION = 274,
	TAG_SAMPLES = 277,
	TAG_ROWS = 278, /* of a strip */
	TAG_PLANAR = 284,
	TAG_TILE_WIDTH = 322,
	TAG_TILE_HEIGHT = 323,
	TAG_EXTRA = 338,
	ENTRIES_MAX = 4096
};
enum { COMPRESSION_NONE = 1, COMPRESSION_LAST = 8, COMPRESSION_PACKBITS = 32773 };
enum { PHOTOMETRIC_GREY = 1, PHOTOMETRIC_RGB = 2, PHOTOMETRIC_YCBCR = 6, PLANAR_SEPARATE = 2 };

struct tiff {
	struct span s;
	bool little, big;
};

static uint32_t u16(const struct tiff *t, size_t at)
{
	return t->little ? span_le16(t->s, at) : span_be16(t->s, at);
}

static uint32_t u32(const struct tiff *t, size_t at)
{
	return t->little ? span_le32(t->s, at) : span_be32(t->s, at);
}

/* An offset or a count: 8 bytes in BigTIFF. */
static uint64_t word(const struct tiff *t, size_t at)
{
	if (!t->big)
		return u32(t, at);
	return t->little ? span_le64(t->s, at) : span_be64(t->s, at);
}

/* The first value of an entry that holds SHORTs or LONGs. */
static uint32_t value(const struct tiff *t, size_t entry)
{
	bool is_short = u16(t, entry + 2) == 3;
	uint64_t count = word(t, entry + 4);
	size_t at = entry + (t->big ? 12 : 8), room = t->big ? 8 : 4;
	if (count * (is_short ? 2 : 4) > room)
		at = word(t, at);
	return is_short ? u16(t, at) : u32(t, at);
}

struct shape {
	uint32_t bits, samples, compression, photometric, rows, planar, tile_w, tile_h;
};

static void read_entry(const struct tiff *t, size_t entry, struct probe *p, struct shape *shape)
{
	uint32_t v = value(t, entry);
	switch (u16(t, entry)) {
	case TAG_WIDTH:
		p->h.width = v > INT32_MAX ? 0 : (int)v;
		break;
	case TAG_HEIGHT:
		p->h.height = v > INT32_MAX ? 0 : (int)v;
		break;
	case TAG_BITS:
		shape->bits = v;
		break;
	case TAG_COMPRESSION:
		shape->compression = v;
		break;
	case TAG_PHOTOMETRIC:
		shape->photometric = v;
		break;
	case TAG_SAMPLES:
		shape->samples = v;
		break;
	case TAG_ROWS:
		shape->rows = v;
		break;
	case TAG_PLANAR:
		shape->planar = v;
		break;
	case TAG_TILE_WIDTH:
		shape->tile_w = v;
		break;
	case TAG_TILE_HEIGHT:
		shape->tile_h = v;
		break;
	case TAG_ORIENTATION:
		p->h.orientation = v >= 1 && v <= 8 ? (int)v : 1;
		break;
	case TAG_EXTRA:
		p->h.has_alpha = true;
		break;
	}
}

/* Reads the directory at `at` if p is given; returns the offset of the next one, 0 at the end. */
static uint64_t read_directory(const struct tiff *t, uint64_t at, struct probe *p,
	struct shape *shape)
{
	uint64_t n = t->big ? word(t, at) : u16(t, at);
	size_t head = t->big ? 8 : 2, size = t->big ? 20 : 12;
	if (at > t->s.n || n == 0 || n > ENTRIES_MAX)
		return 0;
	for (uint64_t i = 0; p && i < n; i++)
		read_entry(t, at + head + i * size, p, shape);
	return word(t, at + head + n * size);
}

/* A strip or tile as it is in the file; the rarer decoders hold another copy of what they unpack, and
 * their windows. */
static double packed_bytes(const struct shape *shape, double unpacked, size_t file)
{
	enum { WINDOW_BYTES = 16 << 20 };
	double raw = unpacked < (double)file ? unpacked : (double)file;
	if (shape->compression <= COMPRESSION_LAST || shape->compression == COMPRESSION_PACKBITS)
		return raw; /* nothing, fax, LZW, JPEG, deflate */
	return raw + unpacked + WINDOW_BYTES;
}

/* Two rows of tiles, and what one is read into and turned from. */
static double tile_bytes(const struct shape *shape, size_t file, double pixel,
	const struct probe *p)
{
	enum { TILE_MOST = 100000000 }; /* a larger one is refused */
	double tile = fmin(pixel * shape->tile_w * shape->tile_h, TILE_MOST);
	double rows = fmin(2.0 * shape->tile_h, p->h.height);
	return rows * pixel * p->h.width + 2 * tile + packed_bytes(shape, tile, file);
}

/* Strips are read by the line, unless they are short or their planes or colours lie apart: these are
 * unpacked whole, into a strip of pixels, and one of samples before where they must be converted. */
static double strip_bytes(const struct shape *shape, size_t file, double pixel,
	const struct probe *p)
{
	enum { SHORT_ROWS = 128 }; /* they are among the lines between steps */
	bool planes = shape->planar == PLANAR_SEPARATE;
	bool plain = shape->bits >= 8 &&
		(shape->photometric == PHOTOMETRIC_GREY || shape->photometric == PHOTOMETRIC_RGB);
	double strip = pixel * p->h.width * fmin(shape->rows, p->h.height);
	double unpacked = planes ? strip / shape->samples : strip;
	double packed = packed_bytes(shape, unpacked, file);
	if (!planes && shape->compression == COMPRESSION_NONE)
		packed = 0; /* straight to where the pixels go */
	if (!planes && shape->photometric != PHOTOMETRIC_YCBCR && shape->rows > SHORT_ROWS)
		return packed;
	if (shape->rows <= SHORT_ROWS)
		return packed;
	return (plain ? 1 : 2) * strip + (planes ? unpacked : 0) + packed;
}

/* What libvips (tiff2vips) and libtiff hold of a picture that streams. */
static void weigh(const struct shape *shape, size_t file, struct probe *p)
{
	uint32_t sample = (shape->bits + 7) / 8;
	double pixel = (double)sample * shape->samples;
	bool tiled = shape->tile_w > 0 && shape->tile_h > 0;
	p->line_bytes = tiled ? 2 : 2.6 + 0.6 * pixel + (p->h.has_alpha ? 0.8 : 0);
	p->buffer_bytes = tiled ? tile_bytes(shape, file, pixel, p)
				: strip_bytes(shape, file, pixel, p);
}

enum err_code tiff_probe(struct span s, struct probe *p, struct err *e)
{
	struct tiff t = { .s = s, .little = s.p[0] == 'I' };
	t.big = u16(&t, 2) == 43;
	struct shape shape = { .bits = 1, .samples = 1, .compression = 1, .rows = UINT32_MAX };
	uint64_t at = read_directory(&t, word(&t, t.big ? 8 : 4), p, &shape);
	while (at != 0 && p->h.frames <= p->max_frames) {
		p->h.frames++;
		at = read_directory(&t, at, NULL, NULL);
	}
	if (shape.bits > 64 || shape.samples == 0 || shape.samples > 32)
		return err_set(e, ERR_DECODE_UNSUPPORTED, "tiff: %u samples of %u bits",
			shape.samples, shape.bits);
	weigh(&shape, s.n, p);
	return OK;
}
