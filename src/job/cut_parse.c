/* SPDX-License-Identifier: MIT
 *
 * The member `background`, read by a table like every other object of a request. What joins several
 * members is looked at when all are read.
 */
#include "job/color.h"
#include "job/cut.h"
#include "job/members.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_MODEL      "fast"
#define MODEL_CHARS        "abcdefghijklmnopqrstuvwxyz0123456789_-"
#define MARGIN_PERCENT_MAX 50
#define COST_MAX           1000000 /* credits */

struct reading {
	struct cut c;
	bool has_remove, has_margin;
};

static void read_remove(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct reading *to = dst;

	to->has_remove = true;
	(void)read_bool(v, at, f, &to->c.remove);
}

static void read_engine(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	static const enum cut_engine which[] = { CUT_LOCAL, CUT_AUTO, CUT_REMOTE, CUT_FLAT };
	const char *names[ARRAY_LEN(which)];

	for (size_t i = 0; i < ARRAY_LEN(which); i++)
		names[i] = cut_engine_name(which[i]);
	size_t i = read_name(v, names, ARRAY_LEN(names), at, f);
	if (i < ARRAY_LEN(names))
		((struct reading *)dst)->c.engine = which[i];
}

static void read_model(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct cut *c = &((struct reading *)dst)->c;
	const char *s;

	if (!read_str(v, CUT_MODEL_MAX, at, f, &s))
		return;
	if (s[strspn(s, MODEL_CHARS)] != '\0')
		at_fault(f, at, ERR_REQUEST_INVALID,
			"only a-z, 0-9, '_' and '-' may stand in the name of a model");
	else
		snprintf(c->model, sizeof c->model, "%s", s);
}

static void read_apply(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	const char *names[] = { cut_apply_name(CUT_APPLY_CUTOUT),
		cut_apply_name(CUT_APPLY_VARIANTS), cut_apply_name(CUT_APPLY_BOTH) };
	size_t i = read_name(v, names, ARRAY_LEN(names), at, f);

	if (i < ARRAY_LEN(names))
		((struct reading *)dst)->c.apply = (enum cut_apply)i;
}

static void read_format(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	static const char *const names[] = { "png", "webp" };
	static const enum format which[] = { FORMAT_PNG, FORMAT_WEBP };
	size_t i = read_name(v, names, ARRAY_LEN(names), at, f);

	if (i < ARRAY_LEN(names))
		((struct reading *)dst)->c.format = which[i];
}

static void read_fill(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct cut *c = &((struct reading *)dst)->c;

	if (!color_read(v, at, f, &c->fill))
		return;
	if (c->fill.a != 255)
		at_fault(f, at, ERR_REQUEST_INVALID,
			"must be opaque: without a fill the cut-out keeps its alpha");
	c->has_fill = true;
}

static void read_crop(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)read_bool(v, at, f, &((struct reading *)dst)->c.crop);
}

/* "12%" */
static bool percent_parse(const char *s, int *ret)
{
	size_t digits = strspn(s, "0123456789");

	if (digits < 1 || digits > 2 || strcmp(s + digits, "%") != 0)
		return false;
	*ret = (int)strtol(s, NULL, 10);
	return *ret <= MARGIN_PERCENT_MAX;
}

static void read_margin(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct reading *to = dst;
	int64_t n;

	to->has_margin = true;
	if (json_is_string(v)) {
		to->c.margin_percent = true;
		if (!percent_parse(json_string_value(v), &to->c.margin))
			at_fault(f, at, ERR_REQUEST_INVALID,
				"must be pixels, 0 to %d, or a text from '0%%' to '%d%%'",
				CUT_MARGIN_MAX, MARGIN_PERCENT_MAX);
	} else if (read_int(v, 0, CUT_MARGIN_MAX, at, f, &n)) {
		to->c.margin = (int)n;
	}
}

static void read_max_cost(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	double credits = json_number_value(v), thousandths = round(credits * CREDIT);

	if (!json_is_number(v))
		at_fault(f, at, ERR_REQUEST_INVALID, "must be a number: the provider's credits");
	else if (!(credits >= 0 && credits <= COST_MAX))
		at_fault(f, at, ERR_REQUEST_INVALID, "must be 0 to %d credits", COST_MAX);
	else if (fabs(credits * CREDIT - thousandths) > 1e-6 * CREDIT)
		at_fault(f, at, ERR_REQUEST_INVALID,
			"costs are counted in thousandths of a credit");
	else
		((struct reading *)dst)->c.max_cost = (int64_t)thousandths;
}

static void read_confirm(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)read_bool(v, at, f, &((struct reading *)dst)->c.confirm_charge);
}

static const struct member members[] = {
	{ "remove", read_remove },
	{ "engine", read_engine },
	{ "model", read_model },
	{ "apply", read_apply },
	{ "format", read_format },
	{ "fill", read_fill },
	{ "crop", read_crop },
	{ "margin", read_margin },
	{ "max_cost", read_max_cost },
	{ "confirm_charge", read_confirm },
};

static void check(struct reading *r, const struct at *at, struct faults *f)
{
	struct at remove = { .up = at, .name = "remove" }, margin = { .up = at, .name = "margin" };

	if (!r->has_remove)
		at_fault(f, &remove, ERR_REQUEST_INVALID,
			"must say true, for the background to be removed, or false");
	if (r->has_margin && !r->c.crop)
		at_fault(f, &margin, ERR_REQUEST_INVALID,
			"is left around the subject by 'crop': true");
	if (r->c.margin == 0)
		r->c.margin_percent = false;
	/* Nobody sees the file: variants are made from it, and none of it may be lost. */
	if (r->c.apply == CUT_APPLY_VARIANTS)
		r->c.format = FORMAT_PNG;
}

bool cut_parse(const json_t *background, const char *pointer, struct cut *ret, struct faults *f)
{
	struct reading r = { .c = { .model = DEFAULT_MODEL, .format = FORMAT_PNG } };
	struct at at = { .name = pointer };
	size_t before = f->n;

	members_read(background, members, ARRAY_LEN(members), &at, &r, f);
	if (f->n == before)
		check(&r, &at, f);
	if (f->n != before)
		return false;
	*ret = r.c.remove ? r.c : (struct cut){ 0 };
	return true;
}
