/* SPDX-License-Identifier: MIT
 *
 * The words of a recipe: fits, positions and formats. They are sharp's, aliases included, so that
 * a team can move its options over as they stand.
 */
#include "job/words.h"

#include <assert.h>
#include <string.h>

/* clang-format off */
static const char *const fits[] = {
	[FIT_COVER] = "cover",
	[FIT_CONTAIN] = "contain",
	[FIT_FILL] = "fill",
	[FIT_INSIDE] = "inside",
	[FIT_OUTSIDE] = "outside",
};
/* clang-format on */
/* The first spelling of each is the canonical one. */
/* clang-format off */
static const char *const position_names[] = {
	"center", "centre", "north", "top", "northeast", "right top", "top right", "east", "right",
	"southeast", "right bottom", "bottom right", "south", "bottom", "southwest", "left bottom",
	"bottom left", "west", "left", "northwest", "left top", "top left", "entropy", "attention",
};
/* clang-format on */
/* clang-format off */
static const enum position positions[] = {
	POSITION_CENTRE, POSITION_CENTRE, POSITION_NORTH, POSITION_NORTH, POSITION_NORTHEAST,
	POSITION_NORTHEAST, POSITION_NORTHEAST, POSITION_EAST, POSITION_EAST, POSITION_SOUTHEAST,
	POSITION_SOUTHEAST, POSITION_SOUTHEAST, POSITION_SOUTH, POSITION_SOUTH, POSITION_SOUTHWEST,
	POSITION_SOUTHWEST, POSITION_SOUTHWEST, POSITION_WEST, POSITION_WEST, POSITION_NORTHWEST,
	POSITION_NORTHWEST, POSITION_NORTHWEST, POSITION_ENTROPY, POSITION_ATTENTION,
};
/* clang-format on */
static_assert(ARRAY_LEN(position_names) == ARRAY_LEN(positions), "one position a name");

static const struct {
	const char *name, *extension, *media_type;
} formats[] = {
	[FORMAT_NONE] = { "none", "bin", "application/octet-stream" },
	[FORMAT_JPEG] = { "jpeg", "jpg", "image/jpeg" },
	[FORMAT_PNG] = { "png", "png", "image/png" },
	[FORMAT_WEBP] = { "webp", "webp", "image/webp" },
	[FORMAT_GIF] = { "gif", "gif", "image/gif" },
	[FORMAT_TIFF] = { "tiff", "tif", "image/tiff" },
	[FORMAT_AVIF] = { "avif", "avif", "image/avif" },
	[FORMAT_HEIF] = { "heif", "heic", "image/heif" },
};
static const struct format_rules rules[] = {
	[FORMAT_JPEG] = { .quality = 80,
		.effort = -1,
		.has_progressive = true,
		.side_max = VARIANT_SIDE_MAX },
	[FORMAT_PNG] = { .effort_max = 10,
		.effort = 7,
		.has_progressive = true,
		.has_alpha = true,
		.side_max = VARIANT_SIDE_MAX },
	[FORMAT_WEBP] = { .quality = 80,
		.effort_max = 6,
		.effort = 4,
		.has_lossless = true,
		.has_alpha = true,
		.side_max = 16383 },
	[FORMAT_AVIF] = { .quality = 50,
		.effort_max = 9,
		.effort = 2,
		.has_lossless = true,
		.has_alpha = true,
		.side_max = VARIANT_SIDE_MAX },
};

const char *fit_name(enum fit f)
{
	assert((size_t)f < ARRAY_LEN(fits));
	return fits[f];
}

const char *position_name(enum position p)
{
	for (size_t i = 0; i < ARRAY_LEN(positions); i++) {
		if (positions[i] == p)
			return position_names[i];
	}
	assert(!"a position without a name");
	return NULL;
}

bool fit_read(const json_t *v, const struct at *at, struct faults *f, enum fit *ret)
{
	size_t i = read_name(v, fits, ARRAY_LEN(fits), at, f);
	if (i == ARRAY_LEN(fits))
		return false;
	*ret = (enum fit)i;
	return true;
}

bool position_read(const json_t *v, const struct at *at, struct faults *f, enum position *ret)
{
	size_t i = read_name(v, position_names, ARRAY_LEN(position_names), at, f);
	if (i == ARRAY_LEN(positions))
		return false;
	*ret = positions[i];
	return true;
}

bool output_format_read(const json_t *v, const struct at *at, struct faults *f, enum format *ret)
{
	static const char *const written[] = { "jpeg", "jpg", "png", "webp", "avif" };
	static const enum format which[] = { FORMAT_JPEG, FORMAT_JPEG, FORMAT_PNG, FORMAT_WEBP,
		FORMAT_AVIF };
	static const char *const later[] = { "gif", "tiff", "tif", "jxl", "heif", "heic" };
	const char *s = json_string_value(v);
	for (size_t i = 0; s && i < ARRAY_LEN(later); i++) {
		if (strcmp(s, later[i]) == 0) {
			at_fault(f, at, ERR_REQUEST_UNSUPPORTED,
				"writing '%s' is not there yet: jpeg, png, webp and avif are", s);
			return false;
		}
	}
	size_t i = read_name(v, written, ARRAY_LEN(written), at, f);
	if (i == ARRAY_LEN(written))
		return false;
	*ret = which[i];
	return true;
}

const struct format_rules *format_rules(enum format f)
{
	assert((size_t)f < ARRAY_LEN(rules) && rules[f].side_max);
	return &rules[f];
}

const char *format_name(enum format f)
{
	assert((size_t)f < ARRAY_LEN(formats));
	return formats[f].name;
}

const char *format_extension(enum format f)
{
	assert((size_t)f < ARRAY_LEN(formats));
	return formats[f].extension;
}

const char *format_media_type(enum format f)
{
	assert((size_t)f < ARRAY_LEN(formats));
	return formats[f].media_type;
}

bool format_parse(const char *s, enum format *ret)
{
	for (size_t i = FORMAT_JPEG; i < ARRAY_LEN(formats); i++) {
		if (strcmp(s, formats[i].name) == 0 || strcmp(s, formats[i].extension) == 0) {
			*ret = (enum format)i;
			return true;
		}
	}
	return false;
}
