/* SPDX-License-Identifier: MIT
 *
 * The steps of a cut: the original in memory, its subject from whichever engine is to make it, one
 * blob, the word that it is there. What costs nothing is done here; run_pay does what may cost.
 *
 * auto looks for a flat background first, then asks the model, and is content with what is flat or
 * sure enough. A provider may do better where the model is in doubt or finds nothing: it takes no
 * money for finding nothing either.
 */
#include "worker/run.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/metrics.h"

#include <stdio.h>
#include <string.h>

static enum err_code open_input(struct run *r, struct err *e)
{
	struct cut_input in;
	enum err_code code = cut_input_parse(r->l->task.input, &in, e);
	if (code != OK)
		return code;
	r->cut = in.cut;
	r->original = in.original;
	r->has_original = true;
	return OK;
}

/* ---- what the darkrooms do ---- */

static void learn(struct original *o, const struct darkroom_cut_result *d)
{
	if (d->format == FORMAT_NONE)
		return;
	o->format = d->format;
	o->width = d->width;
	o->height = d->height;
	if (!d->thumbhash[0])
		return;
	memcpy(o->thumbhash, d->thumbhash, sizeof(o->thumbhash));
	memcpy(o->color, d->color, sizeof(o->color));
}

enum err_code run_cut(struct run *r, struct darkroom *d, enum cut_action action, int answer_fd,
	struct darkroom_cut_result *ret, struct err *e)
{
	enum err_code code = darkroom_cut(d, r->l->task.scope, r->fd, answer_fd, &r->cut, action,
		&r->l->cancel, ret, e);
	r->crashed = ret->crashed;
	run_took(r, &r->outcome.process_ms, ret->process_ms);
	r->outcome.cpu_ms += ret->cpu_ms;
	learn(&r->original, ret);
	return code;
}

/* NULL: it is not installed. */
static struct darkroom *matte_of(const struct run *r)
{
	const struct cut_site *s = r->w->o.cuts;
	for (size_t i = 0; s && i < s->models_n; i++)
		if (strcmp(s->models[i].name, r->cut.model) == 0)
			return r->w->o.mattes[i];
	return NULL;
}

static enum err_code no_model(struct run *r, struct err *e)
{
	r->hopeless = true;
	return err_set(e, ERR_MATTE_UNAVAILABLE, "model '%s' is not installed: bulb model add %s",
		r->cut.model, r->cut.model);
}

/* ---- one engine each ---- */

static enum err_code cut_flat(struct run *r, struct err *e)
{
	enum err_code code = run_cut(r, r->w->o.darkroom, CUT_DO_FLAT, -1, &r->piece, e);
	if (code != OK || r->piece.done)
		return code;
	r->hopeless = true;
	return err_set(e, ERR_MATTE_NOT_FLAT, "the background is not flat");
}

static enum err_code cut_local(struct run *r, struct err *e)
{
	struct darkroom *matte = matte_of(r);
	return matte ? run_cut(r, matte, CUT_DO_LOCAL, -1, &r->piece, e) : no_model(r, e);
}

static enum err_code cut_remote(struct run *r, struct err *e)
{
	r->paid_wanted = r->w->o.provider != NULL;
	if (r->paid_wanted)
		return OK;
	r->hopeless = true;
	return err_set(e, ERR_MATTE_UNAVAILABLE,
		"no provider is configured: give the server a --provider-key-file");
}

/* What the model has made, or nothing where there is none, is not good enough by itself. */
static enum err_code ask_more(struct run *r, struct err *e)
{
	bool local = r->piece.done;
	r->paid_wanted = r->w->o.provider && r->cut.max_cost > 0;
	if (r->paid_wanted)
		r->reason = local ? CUT_REASON_UNSURE : CUT_REASON_NO_MODEL;
	else
		r->reason = r->w->o.provider ? CUT_REASON_UNPAID : CUT_REASON_NO_PROVIDER;
	return local || r->paid_wanted ? OK : e->code != OK ? e->code : no_model(r, e);
}

/* A model that cannot be loaded is none; what is wrong with it is said where nothing else helps. */
static enum err_code cut_auto(struct run *r, struct err *e)
{
	struct darkroom *matte = matte_of(r);
	struct err why = { 0 };
	enum err_code code = matte ? run_cut(r, matte, CUT_DO_AUTO, -1, &r->piece, &why) : OK;
	if (code != OK && code != ERR_MATTE_UNAVAILABLE) {
		*e = why;
		return code;
	}
	if (!matte || code != OK) {
		code = run_cut(r, r->w->o.darkroom, CUT_DO_FLAT, -1, &r->piece, e);
		if (code != OK)
			return code;
	}
	*e = why;
	const struct darkroom_cut_result *p = &r->piece;
	bool sure = p->done && !p->none && r->w->o.cuts && p->confidence >= r->w->o.cuts->threshold;
	if (p->done && p->engine == CUT_FLAT)
		r->reason = CUT_REASON_FLAT;
	else if (sure)
		r->reason = CUT_REASON_CONFIDENT;
	else
		return ask_more(r, e);
	return OK;
}

static enum err_code cut_out(struct run *r, struct err *e)
{
	static enum err_code (*const engines[])(struct run * r, struct err * e) = {
		[CUT_LOCAL] = cut_local,
		[CUT_AUTO] = cut_auto,
		[CUT_REMOTE] = cut_remote,
		[CUT_FLAT] = cut_flat,
	};
	r->reason = CUT_REASON_ASKED;
	return engines[r->cut.engine](r, e);
}

static enum err_code pay(struct run *r, struct err *e)
{
	enum err_code code = r->paid_wanted ? run_pay(r, e) : OK;
	if (code != OK)
		return code;
	fd_close(&r->fd);
	lane_held(r->l, 0);
	if (!r->piece.none && !r->piece.has_output)
		return err_set(e, ERR_DARKROOM, "darkroom: no cut-out and no word of why");
	return OK;
}

/* ---- the result ---- */

/* What made it, as people read it: "u2netp" of "u2netp@309c…". */
static void name_engine(const struct run *r, struct cut_product *p)
{
	const struct cut_site *s = r->w->o.cuts;
	const char *ident = "";
	if (p->engine == CUT_LOCAL)
		ident = cut_model_ident(s, r->cut.model);
	else if (p->engine == CUT_REMOTE)
		ident = s->provider;
	snprintf(p->ident, sizeof(p->ident), "%.*s", (int)strcspn(ident, "@"), ident);
}

static enum err_code describe(struct run *r, struct cut_product *p, struct err *e)
{
	const struct darkroom_cut_result *d = &r->piece;
	*p = (struct cut_product){ .bytes = d->output.bytes,
		.format = d->output.format,
		.width = d->output.width,
		.height = d->output.height,
		.left = d->left,
		.top = d->top,
		.engine = d->engine,
		.confidence = d->confidence,
		.cost = r->cost };
	if (!cut_digest(&r->cut, d->engine, r->w->o.cuts, p->digest))
		return err_set(e, ERR_INTERNAL, "a cut-out of engine '%s', which is not here",
			cut_engine_name(d->engine));
	name_engine(r, p);
	return sha256_fd(d->output.fd, p->sha256, e);
}

static enum err_code store_cutout(struct run *r, struct err *e)
{
	if (r->piece.none)
		return OK;
	int64_t since = clock_mono_ms();
	struct cut_product *p = &r->cutout;
	enum err_code code = describe(r, p, e);
	if (code == OK)
		code = run_put(r, r->piece.output.fd, p->bytes, p->format, "cutout", p->sha256,
			p->key, e);
	if (code == OK)
		code = run_sync(r, e);
	run_took(r, &r->outcome.store_ms, clock_mono_ms() - since);
	return code;
}

static enum err_code say_cut(struct run *r, struct err *e)
{
	struct feed *feed = &r->w->o.feed;
	struct cut_made m = { .original = r->original,
		.state = r->piece.none ? CUT_NONE : CUT_SUCCEEDED,
		.reason = r->reason,
		.product = r->cutout,
		.charge = r->charge,
		.outcome = r->outcome };
	if (r->piece.none) /* it was found out there, not here */
		m.outcome.stage = "cut";
	return feed->finish_cut(feed->ctx, r->l->task.id, r->l->task.lease, &m, e);
}

static enum err_code report_cut(struct run *r, struct err *e)
{
	enum err_code code = run_report(r, say_cut, e);
	if (code == OK)
		metric_add(METRIC_CUTOUTS, 1,
			cut_state_name(r->piece.none ? CUT_NONE : CUT_SUCCEEDED),
			cut_engine_name(r->piece.engine), NULL);
	return code;
}

const struct step cut_steps[] = {
	{ open_input, STEP_PROCESSING, "cut" },
	{ run_get_original, STEP_PROCESSING, "cut" },
	{ cut_out, STEP_PROCESSING, "cut" },
	{ pay, STEP_PROCESSING, "cut" },
	{ store_cutout, STEP_STORING, "store" },
	{ report_cut, STEP_STORING, "store" },
	{ 0 },
};
