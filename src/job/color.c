/* SPDX-License-Identifier: MIT
 *
 * Colours in, one spelling out: what is equal to the eye is equal in the canonical form.
 */
#include "job/color.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	struct rgba color;
} names[] = {
	{ "black", { 0, 0, 0, 255 } },
	{ "silver", { 192, 192, 192, 255 } },
	{ "gray", { 128, 128, 128, 255 } },
	{ "grey", { 128, 128, 128, 255 } },
	{ "white", { 255, 255, 255, 255 } },
	{ "maroon", { 128, 0, 0, 255 } },
	{ "red", { 255, 0, 0, 255 } },
	{ "purple", { 128, 0, 128, 255 } },
	{ "fuchsia", { 255, 0, 255, 255 } },
	{ "magenta", { 255, 0, 255, 255 } },
	{ "green", { 0, 128, 0, 255 } },
	{ "lime", { 0, 255, 0, 255 } },
	{ "olive", { 128, 128, 0, 255 } },
	{ "yellow", { 255, 255, 0, 255 } },
	{ "navy", { 0, 0, 128, 255 } },
	{ "blue", { 0, 0, 255, 255 } },
	{ "teal", { 0, 128, 128, 255 } },
	{ "aqua", { 0, 255, 255, 255 } },
	{ "cyan", { 0, 255, 255, 255 } },
	{ "orange", { 255, 165, 0, 255 } },
	{ "pink", { 255, 192, 203, 255 } },
	{ "brown", { 165, 42, 42, 255 } },
	{ "transparent", { 0, 0, 0, 0 } },
};

static bool parse_hex(const char *s, struct rgba *ret)
{
	size_t n = strlen(s);
	char full[9] = "";
	uint8_t out[4] = { 0, 0, 0, 255 };
	if (n == 3 || n == 4) { /* each digit stands for two */
		for (size_t i = 0; i < n; i++)
			full[2 * i] = full[2 * i + 1] = s[i];
		s = full;
		n *= 2;
	}
	if ((n != 6 && n != 8) || !hex_parse(s, out, n / 2))
		return false;
	*ret = (struct rgba){ out[0], out[1], out[2], out[3] };
	return true;
}

bool color_parse(const char *s, struct rgba *ret)
{
	if (s[0] == '#')
		return parse_hex(s + 1, ret);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcasecmp(s, names[i].name) == 0) {
			*ret = names[i].color;
			return true;
		}
	}
	return false;
}

void color_format(struct rgba c, char out[COLOR_MAX])
{
	int n = snprintf(out, COLOR_MAX, "#%02x%02x%02x", c.r, c.g, c.b);
	if (c.a != 255)
		snprintf(out + n, (size_t)(COLOR_MAX - n), "%02x", c.a);
}

static void read_byte(uint8_t *ret, const json_t *v, const struct at *at, struct faults *f)
{
	int64_t n;
	if (read_int(v, 0, 255, at, f, &n))
		*ret = (uint8_t)n;
}

static void read_r(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	read_byte(&((struct rgba *)dst)->r, v, at, f);
}

static void read_g(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	read_byte(&((struct rgba *)dst)->g, v, at, f);
}

static void read_b(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	read_byte(&((struct rgba *)dst)->b, v, at, f);
}

static void read_alpha(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	double alpha = json_number_value(v);
	if (!json_is_number(v) || alpha < 0 || alpha > 1) {
		at_fault(f, at, ERR_REQUEST_INVALID, "must be a number from 0 to 1");
		return;
	}
	((struct rgba *)dst)->a = (uint8_t)lround(alpha * 255);
}

static const struct member members[] = {
	{ "r", read_r },
	{ "g", read_g },
	{ "b", read_b },
	{ "alpha", read_alpha },
};

bool color_read(const json_t *v, const struct at *at, struct faults *f, struct rgba *ret)
{
	size_t before = f->n;
	struct rgba c = { .a = 255 };
	if (json_is_object(v))
		members_read(v, members, ARRAY_LEN(members), at, &c, f);
	else if (!json_is_string(v) || !color_parse(json_string_value(v), &c))
		at_fault(f, at, ERR_REQUEST_INVALID,
			"must be a colour: '#rgb', '#rrggbb', '#rrggbbaa', a basic name or "
			"{\"r\", \"g\", \"b\", \"alpha\"}");
	if (f->n != before)
		return false;
	*ret = c;
	return true;
}
