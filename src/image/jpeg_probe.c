/* SPDX-License-Identifier: MIT
 *
 * JPEG (ITU-T T.81): size, kind, orientation, and the number of scans, since a small file can make
 * a decoder go over a large picture hundreds of times.
 */
#include "image/probe.h"

enum {
	SOF0 = 0xc0,
	DHT = 0xc4,
	JPG = 0xc8,
	DAC = 0xcc,
	SOF15 = 0xcf,
	RST0 = 0xd0,
	SOI = 0xd8,
	EOI = 0xd9,
	SOS = 0xda,
	APP1 = 0xe1,
	TEM = 0x01,
	SCANS_MAX = 500
};
#define SCANNED_PIXELS_MAX 3e9

/* The next marker at or after `at`; 0 at the end. *ret is where its segment begins. */
static int next_marker(struct span s, size_t at, size_t *ret)
{
	while (at + 1 < s.n) {
		const uint8_t *hit = memchr(s.p + at, 0xff, s.n - at - 1);
		if (!hit)
			return 0;
		at = (size_t)(hit - s.p) + 1;
		int m = s.p[at];
		if (m != 0 && m != 0xff) {
			*ret = at + 1;
			return m;
		}
	}
	return 0;
}

static bool has_no_segment(int m)
{
	return m == TEM || (m >= RST0 && m <= SOI);
}

static enum err_code read_frame(struct span seg, int marker, struct probe *p, struct err *e)
{
	int kind = marker - SOF0, bits = (int)span_u8(seg, 2), parts = (int)span_u8(seg, 7);
	bool known = kind <= 2 || kind == 9 || kind == 10;
	if (!known || bits != 8 || (parts != 1 && parts != 3 && parts != 4))
		return err_set(e, ERR_DECODE_UNSUPPORTED,
			"jpeg: process %d with %d bits and %d components is not read", kind, bits,
			parts);
	if (p->h.width > 0)
		return err_set(e, ERR_DECODE_CORRUPT, "jpeg: two frame headers");
	p->h.height = (int)span_be16(seg, 3);
	p->h.width = (int)span_be16(seg, 5);
	p->h.progressive = kind == 2 || kind == 10;
	if (p->h.height == 0 && p->h.width > 0)
		return err_set(e, ERR_DECODE_UNSUPPORTED, "jpeg: the height is not in the header");
	size_t area = 0,
	       largest = 1; /* samples of a block row, in units of the largest component */
	for (int i = 0; i < parts; i++) {
		uint32_t hv = span_u8(seg, 9 + 3 * (size_t)i);
		size_t samples = (hv >> 4) * (hv & 15);
		area += samples;
		largest = samples > largest ? samples : largest;
	}
	if (p->h.progressive) /* two bytes for each coefficient of the whole picture */
		p->bytes_per_pixel = (int)((2 * area + largest - 1) / largest);
	return OK;
}

static enum err_code check_scans(const struct probe *p, int scans, struct err *e)
{
	double pixels = (double)p->h.width * p->h.height;
	if (scans > SCANS_MAX || (scans > 12 && scans * pixels > SCANNED_PIXELS_MAX))
		return err_set(e, ERR_DECODE_UNSUPPORTED, "jpeg: too many scans (%d)", scans);
	return OK;
}

enum err_code jpeg_probe(struct span s, struct probe *p, struct err *e)
{
	size_t at = 2;
	int m, scans = 0;
	bool has_exif = false;
	while ((m = next_marker(s, at, &at)) != 0 && m != EOI) {
		if (has_no_segment(m))
			continue;
		struct span seg = span_part(s, at, span_be16(s, at));
		bool frame = m >= SOF0 && m <= SOF15 && m != DHT && m != JPG && m != DAC;
		enum err_code code = OK;
		if (frame) {
			code = read_frame(seg, m, p, e);
		} else if (m == SOS) {
			code = check_scans(p, ++scans, e);
		} else if (m == APP1 && !has_exif && span_is(seg, 2, "Exif\0\0", 6)) {
			has_exif = true; /* the first one counts */
			p->h.orientation = exif_orientation(span_part(seg, 8, seg.n));
		}
		if (code != OK)
			return code;
		at += seg.n;
	}
	if (scans == 0)
		return err_set(e, ERR_DECODE_CORRUPT, "jpeg: no picture in it");
	return OK;
}
