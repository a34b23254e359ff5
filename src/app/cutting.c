/* SPDX-License-Identifier: MIT
 *
 * Nothing here is needed for anything else: without a model, without a runtime and without a key
 * all is as it was, and only what asks for a cut-out hears what is missing. What is wrong with a
 * model's file is said once at the start; its darkroom says it to each item that wants it, and takes
 * the file as soon as it is mended.
 */
#include "app/cutting.h"

#include "base/log.h"
#include "base/metrics.h"
#include "image/image.h"

#include <assert.h>
#include <string.h>

#define PLACES_MIN       2
#define PLACES_PROVIDER  8 /* calls at a time; each takes seconds */
#define BREAKER_FAILURES 5
#define BREAKER_MS       30000

/* ---- the provider ---- */

/* "ok" is no news, and what a call's failure was is in the item's line. */
static void on_call(void *ctx, const char *outcome, int64_t credits)
{
	struct cutting *g = ctx;
	metric_add(METRIC_PROVIDER_CALLS, 1, outcome, NULL, NULL);
	metric_add(METRIC_PROVIDER_CREDITS, (double)credits / CREDIT, NULL, NULL, NULL);
	bool open = provider_is_open(g->provider);
	if (open && !atomic_exchange(&g->breaker_open, true))
		log_event(LOG_PROVIDER_BREAKER, NULL, "provider=%s last=%s", g->site.provider,
			outcome);
	else if (!open)
		atomic_store(&g->breaker_open, false);
}

/* Its address may be any: whoever runs the server has written it. */
static enum err_code open_provider(struct cutting *g, const struct conf *c, struct err *e)
{
	static const struct net_guard no_guard = { .off = true };
	struct provider_opts o = {
		.url = c->provider_url,
		.key = c->provider_key,
		.guard = &no_guard,
		.timeout_ms = c->provider_timeout_ms,
		.megapixels_per_minute = (double)c->provider_rate,
		.breaker_failures = BREAKER_FAILURES,
		.breaker_ms = BREAKER_MS,
		.on_call = on_call,
		.ctx = g,
	};
	if (!c->provider_key)
		return OK;
	if (provider_new(&o, &g->provider, e) != OK)
		return e->code;
	g->site.provider = provider_host(g->provider);
	return OK;
}

/* ---- models ---- */

static void say_unusable(const char *what, const char *why)
{
	log_event(LOG_MODEL_UNUSABLE, NULL, "model=%s detail=\"%s\"", what, why);
}

static bool is_usable(const struct cutting *g, const struct models_one *m)
{
	if (!g->models.runtime)
		say_unusable(m->model.name, MODELS_RUNTIME " is not there: bulb model add fast");
	else if (g->site.models_n == ARRAY_LEN(g->site.models))
		say_unusable(m->model.name, "there are too many");
	else
		return true;
	return false;
}

static void find_models(struct cutting *g, const char *dir)
{
	struct err e = { 0 };
	models_find(dir, &g->models);
	if (g->models.fault)
		say_unusable("?", g->models.fault);
	for (size_t i = 0; i < g->models.n; i++) {
		const struct models_one *m = &g->models.v[i];
		if (!is_usable(g, m))
			continue;
		if (models_check(m, &e) != OK)
			say_unusable(m->model.name, e.text);
		struct cut_model *to = &g->site.models[g->site.models_n++];
		static_assert(sizeof(to->name) >= sizeof(m->model.name), "any model's name fits");
		memcpy(to->name, m->model.name, sizeof(m->model.name));
		models_ident(&m->model, to->ident, sizeof(to->ident));
	}
}

enum err_code cutting_open(const struct conf *c, struct cutting *ret, struct err *e)
{
	*ret = (struct cutting){ .site = {
					 .codecs = image_codecs(),
					 .call_cost = c->provider_cost,
					 .threshold = (double)c->matte_threshold / 1000,
				 } };
	find_models(ret, c->models);
	return open_provider(ret, c, e);
}

enum err_code cutting_open_darkrooms(struct cutting *g, const struct conf *c,
	const struct darkroom_opts *plain, struct err *e)
{
	struct darkroom_opts o = *plain;
	enum err_code code = OK;
	o.children = (size_t)c->matte_processes;
	o.runtime = g->models.runtime;
	o.threads = (int)c->matte_threads;
	for (size_t i = 0; code == OK && i < g->site.models_n; i++) {
		o.model = models_get(&g->models, g->site.models[i].name)->manifest;
		code = darkroom_new(&o, &g->mattes[i], e);
	}
	return code;
}

size_t cutting_places(const struct cutting *g, const struct conf *c)
{
	size_t n = g->site.models_n * (size_t)c->matte_processes;
	if (g->provider)
		n += PLACES_PROVIDER;
	return n > PLACES_MIN ? n : PLACES_MIN;
}

void cutting_close(struct cutting *g)
{
	for (size_t i = 0; i < ARRAY_LEN(g->mattes); i++)
		darkroom_free(TAKE(&g->mattes[i]));
	provider_free(TAKE(&g->provider));
	models_done(&g->models);
	g->site = (struct cut_site){ 0 };
}
