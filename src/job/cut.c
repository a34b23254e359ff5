/* SPDX-License-Identifier: MIT
 *
 * What a cut-out is called: its names, its canonical text and the digests that decide which work is
 * the same. A digest covers what made the bytes and how they were finished, never who asked.
 */
#include "job/cut.h"

#include "job/color.h"
#include "job/outcome.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
static const char *const engines[] = {
	[CUT_LOCAL] = "local",
	[CUT_AUTO] = "auto",
	[CUT_REMOTE] = "remote",
	[CUT_FLAT] = "flat",
};
static const char *const applies[] = {
	[CUT_APPLY_CUTOUT] = "cutout",
	[CUT_APPLY_VARIANTS] = "variants",
	[CUT_APPLY_BOTH] = "both",
};
static const char *const states[] = {
	[CUT_OFF] = "off",
	[CUT_WANTED] = "pending",
	[CUT_SUCCEEDED] = "succeeded",
	[CUT_FAILED] = "failed",
	[CUT_NONE] = "none",
};
static const char *const reasons[] = {
	[CUT_REASON_ASKED] = "requested",
	[CUT_REASON_FLAT] = "flat_background",
	[CUT_REASON_CONFIDENT] = "confident",
	[CUT_REASON_UNSURE] = "low_confidence",
	[CUT_REASON_UNPAID] = "no_budget",
	[CUT_REASON_NO_PROVIDER] = "no_provider",
	[CUT_REASON_PROVIDER_FAILED] = "provider_failed",
	[CUT_REASON_CHARGE_UNKNOWN] = "charge_unknown",
	[CUT_REASON_NO_MODEL] = "no_model",
};
/* clang-format on */

const char *cut_engine_name(enum cut_engine e)
{
	assert((size_t)e < ARRAY_LEN(engines));
	return engines[e];
}

const char *cut_apply_name(enum cut_apply a)
{
	assert((size_t)a < ARRAY_LEN(applies));
	return applies[a];
}

const char *cut_state_name(enum cut_state s)
{
	assert((size_t)s < ARRAY_LEN(states));
	return states[s];
}

const char *cut_reason_name(enum cut_reason r)
{
	assert((size_t)r < ARRAY_LEN(reasons));
	return reasons[r];
}

/* ---- canonical text ---- */

/* Everything that is done to the pixels once the mask is there. */
static void put_finish(json_t *o, const struct cut *c)
{
	char fill[COLOR_MAX];

	json_put_str(o, "format", format_name(c->format));
	if (c->has_fill) {
		color_format(c->fill, fill);
		json_put_str(o, "fill", fill);
	} else {
		json_put(o, "fill", json_null());
	}
	json_put_bool(o, "crop", c->crop);
	if (!c->crop)
		return;
	autofree char *percent = mem_printf("%d%%", c->margin);
	if (c->margin_percent)
		json_put_str(o, "margin", percent);
	else
		json_put_int(o, "margin", c->margin);
}

json_t *cut_credits_json(int64_t thousandths)
{
	if (thousandths % CREDIT == 0)
		return json_integer(thousandths / CREDIT);
	return json_real((double)thousandths / CREDIT);
}

json_t *cut_json(const struct cut *c)
{
	json_t *o = json_obj();

	json_put_bool(o, "remove", c->remove);
	if (!c->remove)
		return o;
	json_put_str(o, "engine", cut_engine_name(c->engine));
	json_put_str(o, "model", c->model);
	json_put_str(o, "apply", cut_apply_name(c->apply));
	put_finish(o, c);
	json_put(o, "max_cost", cut_credits_json(c->max_cost));
	json_put_bool(o, "confirm_charge", c->confirm_charge);
	return o;
}

enum err_code cut_from_json(const json_t *doc, struct cut *ret, struct err *e)
{
	struct faults f = { 0 };

	if (cut_parse(doc, "", ret, &f))
		return OK;
	return faults_internal(&f, "background", e);
}

/* ---- digests ---- */

const char *cut_model_ident(const struct cut_site *s, const char *name)
{
	for (size_t i = 0; s && i < s->models_n; i++)
		if (strcmp(s->models[i].name, name) == 0)
			return s->models[i].ident;
	return NULL;
}

/* What stands behind an engine of its own: the same engine with another one makes other bytes. */
static const char *ident_of(const struct cut *c, enum cut_engine engine, const struct cut_site *s)
{
	if (engine == CUT_LOCAL)
		return cut_model_ident(s, c->model);
	if (engine == CUT_REMOTE)
		return s ? s->provider : NULL;
	return "";
}

static void digest_text(const char *text, uint8_t out[SHA256_LEN])
{
	sha256_of(text, strlen(text), out);
}

static const char *codecs_of(const struct cut_site *s)
{
	return s && s->codecs ? s->codecs : "";
}

bool cut_digest(const struct cut *c, enum cut_engine engine, const struct cut_site *s,
	uint8_t out[SHA256_LEN])
{
	const char *ident = ident_of(c, engine, s);

	assert(engine != CUT_AUTO);
	if (!ident)
		return false;
	autojson *o = json_obj();
	put_finish(o, c);
	autofree char *finish = json_text_sorted(o);
	autofree char *text = mem_printf("cut %d\n%s\n%s:%s\n%s", CUT_REV, codecs_of(s),
		cut_engine_name(engine), ident, finish);
	digest_text(text, out);
	return true;
}

void cut_task_digest(const struct cut *c, const struct cut_site *s, uint8_t out[SHA256_LEN])
{
	bool has_model = c->engine == CUT_LOCAL || c->engine == CUT_AUTO;
	bool has_price = c->engine == CUT_REMOTE || c->engine == CUT_AUTO;
	const char *ident = has_model ? cut_model_ident(s, c->model) : NULL;
	autojson *o = json_obj();

	put_finish(o, c);
	autofree char *finish = json_text_sorted(o);
	autofree char *text = mem_printf("cut task %d\n%s\n%s\n%s %s\n%s\n%s", CUT_REV,
		codecs_of(s), cut_engine_name(c->engine), has_model ? c->model : "",
		ident ? ident : "", has_price && c->max_cost > 0 ? "paid" : "free", finish);
	digest_text(text, out);
}

void cut_charge_digest(const struct cut_site *s, uint8_t out[SHA256_LEN])
{
	autofree char *text = mem_printf("charge\n%s", s && s->provider ? s->provider : "");

	digest_text(text, out);
}

/* ---- what was made ---- */

json_t *cut_product_json(const struct cut_product *p)
{
	struct product file = {
		.format = p->format,
		.width = p->width,
		.height = p->height,
		.bytes = p->bytes,
	};
	snprintf(file.key, sizeof file.key, "%s", p->key);
	memcpy(file.sha256, p->sha256, sizeof file.sha256);
	json_t *o = product_json(&file);
	json_put_int(o, "left", p->left);
	json_put_int(o, "top", p->top);
	json_put_str(o, "engine", cut_engine_name(p->engine));
	json_put_str(o, "ident", p->ident);
	json_put(o, "confidence", json_real(p->confidence));
	json_put_int(o, "cost", p->cost);
	return o;
}

static enum cut_engine engine_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(engines); i++)
		if (strcmp(engines[i], name) == 0)
			return (enum cut_engine)i;
	return CUT_LOCAL;
}

enum err_code cut_product_parse(const char *text, struct cut_product *ret, struct err *e)
{
	struct product file;
	autojson *o = NULL;
	enum err_code code = product_parse(text, &file, e);

	if (code == OK)
		code = json_parse(text, strlen(text), &o, e);
	if (code != OK)
		return code;
	struct cut_product p = {
		.bytes = file.bytes,
		.format = file.format,
		.width = file.width,
		.height = file.height,
		.left = (int)json_get_int(o, "left", 0),
		.top = (int)json_get_int(o, "top", 0),
		.engine = engine_parse(json_get_str(o, "engine", "")),
		.confidence = -1,
		.cost = json_get_int(o, "cost", 0),
	};
	const json_t *confidence = json_object_get(o, "confidence");
	if (json_is_number(confidence))
		p.confidence = json_number_value(confidence);
	snprintf(p.key, sizeof p.key, "%s", file.key);
	snprintf(p.ident, sizeof p.ident, "%s", json_get_str(o, "ident", ""));
	memcpy(p.sha256, file.sha256, sizeof p.sha256);
	*ret = p;
	return OK;
}
