/* SPDX-License-Identifier: MIT
 *
 * WebP (RFC 9649): a RIFF of chunks; VP8X gives the canvas, VP8 and VP8L carry a size of their own.
 */
#include "image/probe.h"

enum { FLAG_ALPHA = 0x10 };

static void read_chunk(struct span s, size_t at, uint32_t length, struct probe *p)
{
	struct span c = span_part(s, at + 8, length);
	if (span_is(s, at, "VP8X", 4)) {
		p->h.has_alpha = span_u8(c, 0) & FLAG_ALPHA;
		p->h.width = (int)(1 + (span_le32(c, 4) & 0xffffff));
		p->h.height = (int)(1 + (span_le16(c, 7) | span_u8(c, 9) << 16));
	} else if (span_is(s, at, "VP8 ", 4) && p->h.width == 0) {
		p->h.width = (int)(span_le16(c, 6) & 0x3fff);
		p->h.height = (int)(span_le16(c, 8) & 0x3fff);
	} else if (span_is(s, at, "VP8L", 4) && p->h.width == 0) {
		uint32_t v = span_le32(c, 1);
		p->h.width = (int)(1 + (v & 0x3fff));
		p->h.height = (int)(1 + (v >> 14 & 0x3fff));
		p->h.has_alpha = v >> 28 & 1;
	} else if (span_is(s, at, "ANMF", 4)) {
		p->h.frames++;
	} else if (span_is(s, at, "EXIF", 4)) {
		bool prefixed = span_is(c, 0, "Exif\0\0", 6);
		p->h.orientation = exif_orientation(span_part(c, prefixed ? 6 : 0, c.n));
	}
}

enum err_code webp_probe(struct span s, struct probe *p, struct err *e)
{
	(void)e;
	p->h.frames = 0;
	size_t at = 12;
	while (at + 8 <= s.n && p->h.frames <= p->max_frames) {
		uint32_t length = span_le32(s, at + 4);
		read_chunk(s, at, length, p);
		at += 8 + (size_t)length + (length & 1);
	}
	if (p->h.frames == 0)
		p->h.frames = 1;
	p->bytes_per_pixel = 8; /* the frame, and for lossless the decoder's own copy */
	return OK;
}
