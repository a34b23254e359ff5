/* SPDX-License-Identifier: MIT
 *
 * The one thing bulb reads from EXIF: which way is up.
 */
#include "image/probe.h"

enum { TAG_ORIENTATION = 0x0112, ENTRIES_MAX = 512 };

int exif_orientation(struct span tiff)
{
	bool little = span_is(tiff, 0, "II*\0", 4);
	if (!little && !span_is(tiff, 0, "MM\0*", 4))
		return 1;
	size_t at = little ? span_le32(tiff, 4) : span_be32(tiff, 4);
	size_t entries = little ? span_le16(tiff, at) : span_be16(tiff, at);
	for (size_t i = 0; i < entries && i < ENTRIES_MAX; i++) {
		size_t entry = at + 2 + 12 * i;
		uint32_t tag = little ? span_le16(tiff, entry) : span_be16(tiff, entry);
		if (tag != TAG_ORIENTATION)
			continue;
		uint32_t v = little ? span_le16(tiff, entry + 8) : span_be16(tiff, entry + 8);
		return v >= 1 && v <= 8 ? (int)v : 1;
	}
	return 1;
}
