/* SPDX-License-Identifier: MIT
 *
 * bulb run: one batch here and now. The same engine as the server's, with a terminal in place of
 * HTTP: the job is submitted to a store in DIR/.bulb, and its event log is read as any reader would.
 */
#include "app/cmd.h"
#include "app/engine.h"
#include "app/export.h"
#include "app/inputs.h"
#include "view/names.h"
#include "app/say.h"
#include "app/show.h"
#include "app/signals.h"
#include "base/clock.h"
#include "base/io.h"
#include "view/view.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define TENANT      1
#define PAGE_ROWS   200
#define PAGE_BYTES  (256 << 10)
#define PATIENCE_MS 10000 /* with a disk that takes nothing */

struct run {
	const struct conf *conf;
	struct engine engine;
	struct export *out;
	struct show *show;
	struct request *request;
	char id[JOB_ID_MAX + 1];
	int64_t no, after;
	atomic_bool stop;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int64_t newest;  /* sequence that the store has told of */
	int64_t well_ms; /* monotonic: when something could last be written */
};

static void news(void *ctx, const struct bus_hint *h)
{
	struct run *r = ctx;
	if (!h->job)
		return;
	pthread_mutex_lock(&r->lock);
	if (h->seq > r->newest)
		r->newest = h->seq;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static struct view_links links(const struct run *r)
{
	return (struct view_links){
		.base_url = "",
		.events_url = "",
		.blob_url = "",
		.link_key = r->engine.secrets.link_key,
		.now_ms = clock_wall_ms(),
	};
}

/* ---- beginning ------------------------------------------------------------------------------ */

static enum err_code print_faults(struct faults *f, struct err *e)
{
	for (size_t i = 1; i < json_array_size(f->list); i++) {
		const json_t *x = json_array_get(f->list, i);
		fprintf(stderr, "bulb: %s: %s\n", json_get_str(x, "pointer", ""),
			json_get_str(x, "detail", ""));
	}
	const json_t *first = json_array_get(f->list, 0);
	err_set(e, ERR_USAGE, "%s: %s", json_get_str(first, "pointer", ""),
		json_get_str(first, "detail", ""));
	faults_done(f);
	return e->code;
}

static enum err_code check_request(struct run *r, const json_t *body, struct err *e)
{
	struct request_limits lim = request_limits_default;
	struct faults f = { 0 };
	lim.urls = (size_t)r->conf->max_urls;
	lim.variants = (size_t)r->conf->max_variants;
	lim.allow_files = true;
	if (!request_parse(body, &lim, r->engine.presets, &r->request, &f))
		return print_faults(&f, e);
	if (r->request->from_job)
		return err_set(e, ERR_USAGE, "/from: only a server has other jobs: give urls");
	return OK;
}

static void plan_names(struct run *r)
{
	for (size_t i = 0; i < r->request->items_n; i++) {
		const struct request_item *it = &r->request->items[i];
		const struct recipe *recipe = it->recipe ? it->recipe : &r->request->recipe;
		const struct cut *cut = it->cut ? it->cut : &r->request->cut;
		bool shown = cut->remove && cut->apply != CUT_APPLY_VARIANTS;
		const char *names[VARIANTS_MAX], *exts[VARIANTS_MAX];
		for (size_t v = 0; v < recipe->n; v++) {
			names[v] = recipe->variants[v].name;
			exts[v] = format_extension(recipe->variants[v].format);
		}
		export_plan(r->out, (int64_t)i + 1, it->url, it->refs_n ? it->refs[0] : NULL, names,
			exts, recipe->n, shown ? format_extension(cut->format) : NULL);
	}
}

static enum err_code drop_jobs(struct store *s, enum job_state state, struct err *e)
{
	struct job_query q = { .tenant = TENANT, .state = (int)state, .max = PAGE_ROWS };
	for (size_t n = q.max; n > 0;) {
		CLEANUP(arena_freep) struct arena *a = arena_new();
		struct job_row *rows = NULL;
		if (store_jobs(s, &q, a, &rows, &n, e) != OK)
			return e->code;
		for (size_t i = 0; i < n; i++)
			if (store_delete(s, TENANT, rows[i].id, false, e) != OK)
				return e->code;
	}
	return OK;
}

/* Of runs that were cut off. What they did is remembered; what they did not do is asked for again,
 * or not wanted any more. */
static enum err_code drop_unfinished(struct store *s, struct err *e)
{
	enum err_code code = drop_jobs(s, JOB_QUEUED, e);
	return code == OK ? drop_jobs(s, JOB_RUNNING, e) : code;
}

static enum err_code submit(struct run *r, struct err *e)
{
	enum submit_result res;
	struct submit in = {
		.tenant = TENANT,
		.request = r->request,
		.base_url = "",
		.seal_key = r->engine.secrets.seal_key,
	};
	return store_submit(r->engine.store, &in, &res, r->id, &r->no, e);
}

static enum err_code begin(struct run *r, struct err *e)
{
	const struct conf *c = r->conf;
	autojson *body = NULL;
	if (name_template_check(c->name, e) != OK || inputs_body(c, true, &body, e) != OK ||
		io_mkdirs(c->output, 0755, e) != OK)
		return e->code;
	autofree char *data = mem_printf("%s/.bulb", c->output);
	struct engine_opts o = {
		.data = data,
		.store_url = c->no_cache ? "memory:" : NULL,
		.lanes = c->workers,
		.allow_files = true,
	};
	if (engine_open(c, &o, &r->engine, e) != OK || check_request(r, body, e) != OK)
		return e->code;
	r->out = export_new(r->engine.blob, c->output, c->name, c->no_cache);
	r->show = show_new(c->json, c->no_color);
	plan_names(r);
	bus_subscribe(r->engine.bus, news, r);
	if (drop_unfinished(r->engine.store, e) != OK || engine_start(&r->engine, e) != OK)
		return e->code;
	return submit(r, e);
}

/* ---- following the log ---------------------------------------------------------------------- */

static enum err_code take_event(struct run *r, const struct event_row *ev,
	const struct job_row *job, struct err *e)
{
	struct view_links l = links(r);
	struct buf text = BUF_INIT(1 << 20);
	enum err_code code = OK;
	if (ev->type == EVENT_ITEM_SUCCEEDED) {
		autojson *item = view_item(ev->item, r->id, &l);
		code = export_item(r->out, ev->item->n, item, e);
	}
	view_event(ev, r->id, job, &l, &text);
	show_event(r->show, buf_str(&text), text.len);
	buf_done(&text);
	r->after = ev->seq;
	return code;
}

static enum err_code take_page(struct run *r, bool *ret_over, struct err *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct job_row *job = NULL;
	struct event_row *rows = NULL;
	size_t n = 0;
	int64_t last = 0;
	bool ended = false;
	if (store_job_find(r->engine.store, TENANT, r->id, a, &job, e) != OK)
		return e->code;
	if (!job)
		return err_set(e, ERR_GONE, "the job is gone from the store");
	if (store_events(r->engine.store, r->no, r->after, PAGE_ROWS, PAGE_BYTES, a, &rows, &n,
		    &last, &ended, e) != OK)
		return e->code;
	for (size_t i = 0; i < n; i++)
		if (take_event(r, &rows[i], job, e) != OK)
			return e->code;
	*ret_over = ended && r->after == last;
	return OK;
}

/* false when a second passed without any. */
static bool wait_for_news(struct run *r)
{
	struct timespec until = clock_deadline(1000);
	pthread_mutex_lock(&r->lock);
	if (r->newest <= r->after)
		(void)pthread_cond_clockwait(&r->changed, &r->lock, CLOCK_MONOTONIC, &until);
	bool came = r->newest > r->after;
	pthread_mutex_unlock(&r->lock);
	return came;
}

/* A server waits for a full disk to be emptied; whoever sits before a terminal wants to be told. */
static enum err_code check_disk(struct run *r, struct err *e)
{
	if (store_ping(r->engine.store, e) == OK && blob_check(r->engine.blob, e) == OK) {
		r->well_ms = clock_mono_ms();
		return OK;
	}
	return clock_mono_ms() - r->well_ms < PATIENCE_MS ? OK : e->code;
}

static enum err_code follow(struct run *r, struct err *e)
{
	r->well_ms = clock_mono_ms();
	for (bool over = false; !over;) {
		if (atomic_load(&r->stop))
			return err_set(e, ERR_CANCELED,
				"interrupted; a second run goes on from here");
		if (!wait_for_news(r) && check_disk(r, e) != OK)
			return e->code;
		if (take_page(r, &over, e) != OK)
			return e->code;
	}
	return OK;
}

/* ---- ending --------------------------------------------------------------------------------- */

static enum err_code write_manifest(struct run *r, struct err *e)
{
	struct view_links l = links(r);
	autojson *items = json_arr();
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct job_row *job = NULL;
	struct item_query q = { .job_no = r->no, .max = PAGE_ROWS };
	for (size_t n = q.max; n == q.max;) {
		struct item_row *rows = NULL;
		if (store_items(r->engine.store, &q, a, &rows, &n, e) != OK)
			return e->code;
		for (size_t i = 0; i < n; i++) {
			json_t *item = view_item(&rows[i], r->id, &l);
			export_relative(r->out, rows[i].n, item);
			json_push(items, item);
			q.after_n = rows[i].n;
		}
	}
	if (store_job_find(r->engine.store, TENANT, r->id, a, &job, e) != OK)
		return e->code;
	if (!job)
		return err_set(e, ERR_GONE, "the job is gone from the store");
	autojson *doc = view_job(job, &l);
	return export_manifest(r->out, doc, TAKE(&items), e);
}

/* Without a cache nothing is remembered: the folder held only what was on its way. */
static void forget(const struct run *r)
{
	autofree char *dir = mem_printf("%s/.bulb", r->conf->output);
	io_remove_tree(dir);
}

static void end(struct run *r)
{
	engine_stop(&r->engine, 0);
	engine_close(&r->engine);
	export_free(r->out);
	show_free(r->show);
	request_free(r->request);
}

int cmd_run(const struct conf *c)
{
	struct run r = {
		.conf = c,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
	};
	struct err e = { 0 };
	int status = 1;
	signals_stop_flag(&r.stop);
	if (begin(&r, &e) == OK && follow(&r, &e) == OK && write_manifest(&r, &e) == OK)
		status = show_exit_code(r.show);
	else if (e.code == ERR_CANCELED)
		status = EXIT_INTERRUPTED;
	else
		status = say_error(&e);
	end(&r);
	if (c->no_cache)
		forget(&r);
	return status;
}
