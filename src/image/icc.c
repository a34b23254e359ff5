/* SPDX-License-Identifier: MIT
 *
 * Most profiles in photos are sRGB's own, in one of a dozen spellings. Turning sRGB into sRGB costs
 * as much as any other transform and changes nothing but the last bit, so these are recognised by
 * their primaries (adapted to D50, as ICC.1 has them) and their name, and skipped.
 */
#include "image/icc.h"

#include "image/span.h"

#include <math.h>

enum { TAGS_MAX = 100, TAG_TABLE = 128 };

static bool find_tag(struct span icc, const char *name, struct span *ret)
{
	uint32_t n = span_be32(icc, TAG_TABLE);
	for (uint32_t i = 0; i < n && i < TAGS_MAX; i++) {
		size_t at = TAG_TABLE + 4 + 12 * (size_t)i;
		if (span_is(icc, at, name, 4)) {
			*ret = span_part(icc, span_be32(icc, at + 4), span_be32(icc, at + 8));
			return true;
		}
	}
	return false;
}

/* An XYZ tag: three signed 16.16 numbers after 8 bytes. */
static bool is_xyz(struct span icc, const char *name, const double want[3])
{
	struct span tag;
	if (!find_tag(icc, name, &tag) || tag.n < 20)
		return false;
	for (int i = 0; i < 3; i++) {
		double v = (int32_t)span_be32(tag, 8 + 4 * (size_t)i) / 65536.0;
		if (fabs(v - want[i]) > 0.003)
			return false;
	}
	return true;
}

/* Does the description hold "sRGB", as ASCII (version 2) or as UTF-16 (version 4)? */
static bool is_named_srgb(struct span icc)
{
	struct span tag;
	return find_tag(icc, "desc", &tag) &&
		(memmem(tag.p, tag.n, "sRGB", 4) || memmem(tag.p, tag.n, "s\0R\0G\0B", 7));
}

bool icc_is_srgb(const void *profile, size_t n)
{
	static const double red[3] = { 0.4361, 0.2225, 0.0139 };
	static const double green[3] = { 0.3851, 0.7169, 0.0971 };
	static const double blue[3] = { 0.1431, 0.0606, 0.7141 };
	struct span icc = { profile, n };
	return span_is(icc, 16, "RGB ", 4) && is_xyz(icc, "rXYZ", red) &&
		is_xyz(icc, "gXYZ", green) && is_xyz(icc, "bXYZ", blue) && is_named_srgb(icc);
}
