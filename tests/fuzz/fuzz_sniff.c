/* SPDX-License-Identifier: MIT
 *
 * A stranger's file, as far as bulb's own readers go: its kind, its header, its orientation, a
 * profile. No library is asked.
 */
#include "image/icc.h"
#include "image/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct image_limits lim = { .max_pixels = 50000000,
		.max_frames = 100,
		.max_bytes_out = 1 << 20 };
	struct variant v = { .width = 100, .height = 100, .format = FORMAT_WEBP };
	struct recipe r = { &v, 1 };
	struct image_header h;
	struct err e;
	enum err_code code = image_probe(data, size, &lim, &r, &h, &e);
	if (code == OK &&
		(h.width <= 0 || h.height <= 0 || h.frames < 1 || h.frames > lim.max_frames ||
			h.orientation < 1 || h.orientation > 8 || h.decode_bytes <= 0 ||
			(int64_t)h.width * h.height > lim.max_pixels))
		__builtin_trap();
	(void)exif_orientation((struct span){ data, size });
	(void)icc_is_srgb(data, size);
	return 0;
}
