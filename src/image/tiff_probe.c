/* SPDX-License-Identifier: MIT
 *
 * TIFF 6.0 and BigTIFF: the first directory describes the picture, the chain of directories is
 * counted as far as the limit (a chain that bites its tail ends there too).
 */
#include "image/probe.h"

enum {
	TAG_WIDTH = 256,
	TAG_HEIGHT = 257,
	TAG_BITS = 258,
	TAG_ORIENTATION = 274,
	TAG_SAMPLES = 277,
	TAG_EXTRA = 338,
	ENTRIES_MAX = 4096
};

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
	uint32_t bits, samples;
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
	case TAG_SAMPLES:
		shape->samples = v;
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

enum err_code tiff_probe(struct span s, struct probe *p, struct err *e)
{
	struct tiff t = { .s = s, .little = s.p[0] == 'I' };
	t.big = u16(&t, 2) == 43;
	struct shape shape = { .bits = 1, .samples = 1 };
	uint64_t at = read_directory(&t, word(&t, t.big ? 8 : 4), p, &shape);
	while (at != 0 && p->h.frames <= p->max_frames) {
		p->h.frames++;
		at = read_directory(&t, at, NULL, NULL);
	}
	if (shape.bits > 64 || shape.samples > 32)
		return err_set(e, ERR_DECODE_UNSUPPORTED, "tiff: %u samples of %u bits",
			shape.samples, shape.bits);
	/* a strip or tile may be the whole picture, and libtiff unpacks it into a second copy */
	p->bytes_per_pixel = (int)(2 * shape.samples * ((shape.bits + 7) / 8)) + 4;
	return OK;
}
