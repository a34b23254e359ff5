/* SPDX-License-Identifier: MIT
 *
 * GIF89a: blocks are walked, not unpacked, so a million frames are counted as fast as memory is
 * read, and no further than the limit.
 */
#include "image/probe.h"

enum { EXTENSION = 0x21, IMAGE = 0x2c, TRAILER = 0x3b, GRAPHIC_CONTROL = 0xf9 };

static size_t table_bytes(uint32_t flags)
{
	return flags & 0x80 ? (size_t)3 << ((flags & 7) + 1) : 0;
}

/* Past a chain of sub-blocks. */
static size_t skip_blocks(struct span s, size_t at)
{
	uint32_t n;
	while ((n = span_u8(s, at)) != 0)
		at += 1 + n;
	return at + 1;
}

/* Decoders enlarge the canvas to hold the first frame, and cut the others off. */
static void grow_canvas(struct span s, size_t at, struct probe *p)
{
	int right = (int)(span_le16(s, at + 1) + span_le16(s, at + 5));
	int bottom = (int)(span_le16(s, at + 3) + span_le16(s, at + 7));
	if (right > p->h.width)
		p->h.width = right;
	if (bottom > p->h.height)
		p->h.height = bottom;
}

enum err_code gif_probe(struct span s, struct probe *p, struct err *e)
{
	p->h.width = (int)span_le16(s, 6);
	p->h.height = (int)span_le16(s, 8);
	p->h.frames = 0;
	size_t at = 13 + table_bytes(span_u8(s, 10));
	while (at < s.n && s.p[at] != TRAILER && p->h.frames <= p->max_frames) {
		if (s.p[at] == EXTENSION) {
			if (span_u8(s, at + 1) == GRAPHIC_CONTROL && span_u8(s, at + 3) & 1)
				p->h.has_alpha = true;
			at = skip_blocks(s, at + 2);
		} else if (s.p[at] == IMAGE) {
			if (p->h.frames++ == 0)
				grow_canvas(s, at, p);
			at = skip_blocks(s, at + 11 + table_bytes(span_u8(s, at + 9)));
		} else {
			break; /* garbage after the last good block: decoders show what came before */
		}
	}
	if (p->h.frames == 0)
		return err_set(e, ERR_DECODE_CORRUPT, "gif: no picture in it");
	p->bytes_per_pixel = 9; /* the canvas, the frame's indices, the row cache over it */
	return OK;
}
