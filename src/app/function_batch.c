/* SPDX-License-Identifier: MIT
 *
 * A job without a server: as `bulb run`, with a bucket in place of a folder. A store in memory does the
 * work; what outlasts the invocation are the pictures, manifest.json when all is done, and until then
 * rest.json beside it: the request and the items that are done. The id of the batch is that of the
 * first invocation (or of the queue's message), so whoever is delivered twice finds what was done.
 */
#include "app/batch_document.h"
#include "app/function.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "lambda/shape.h"
#include "view/view.h"

#include <string.h>

#define TENANT    1
#define PAGE_ROWS 200
#define STATE_MAX (256 << 20)
#define LOOK_MS   1000 /* a hint may be lost */
#define KEY_ROOM  16

struct batch_run {
	struct function *f;
	const char *id;
	json_t *state; /* {"job", "created_at", "done": {"PLACE": item}, "savings"} */
	struct request *request;
	size_t total;   /* items of the whole request */
	size_t *places; /* of the request's items that are left: which they are in the whole */
	char job_id[JOB_ID_MAX + 1];
	bool has_job;
	size_t before; /* done when we began */
};

/* ---- documents in the bucket ------------------------------------------------------------------ */

static void key_of(const struct batch_run *r, const char *file,
	char ret[MANIFEST_KEY_MAX + KEY_ROOM])
{
	char manifest[MANIFEST_KEY_MAX + 1];
	manifest_key(TENANT, r->id, manifest);
	int folder = (int)(strrchr(manifest, '/') - manifest);
	snprintf(ret, MANIFEST_KEY_MAX + KEY_ROOM, "%.*s/%s", folder, manifest, file);
}

/* *ret is NULL where there is none. */
static enum err_code read_document(struct batch_run *r, const char *file, json_t **ret,
	struct err *e)
{
	char key[MANIFEST_KEY_MAX + KEY_ROOM];
	struct buf text = BUF_INIT(STATE_MAX);
	autofd fd = -1;
	int64_t bytes = 0;
	key_of(r, file, key);
	*ret = NULL;
	enum err_code code = blob_get(r->f->engine.blob, key, &fd, &bytes, e);
	if (code == ERR_BLOB_NOT_FOUND)
		return OK;
	if (code == OK)
		code = io_read_fd(fd, key, STATE_MAX, &text, e);
	if (code == OK)
		code = json_parse(buf_str(&text), text.len, ret, e);
	buf_done(&text);
	return code == OK ? OK : err_wrap(e, "%s", key);
}

static enum err_code write_document(struct batch_run *r, const char *file, const json_t *doc,
	struct err *e)
{
	char key[MANIFEST_KEY_MAX + KEY_ROOM];
	autofree char *text = json_text(doc);
	size_t n = strlen(text);
	autofd fd = -1;
	key_of(r, file, key);
	if (io_memfd("document", &fd, e) != OK || io_write_all(fd, text, n, e) != OK ||
		blob_replace(r->f->engine.blob, key, fd, (int64_t)n, "application/json", e) != OK)
		return e->code;
	return blob_sync(r->f->engine.blob, e);
}

static void drop_state(struct batch_run *r)
{
	char key[MANIFEST_KEY_MAX + KEY_ROOM];
	struct err ignored;
	key_of(r, "rest.json", key);
	(void)!blob_delete(r->f->engine.blob, key, &ignored);
}

static json_t *done_of(const struct batch_run *r)
{
	return json_object_get(r->state, "done");
}

static enum err_code load_state(struct batch_run *r, const json_t *job, struct err *e)
{
	char now[CLOCK_RFC3339_MAX];
	if (read_document(r, "rest.json", &r->state, e) != OK)
		return e->code;
	if (r->state && json_is_object(done_of(r)))
		return OK;
	if (!job)
		return err_set(e, ERR_NOT_FOUND, "/continue: there is no batch '%s'", r->id);
	json_decref(r->state);
	r->state = json_obj();
	clock_format_rfc3339(clock_wall_ms(), now);
	json_put(r->state, "job", json_deep_copy(job));
	json_put_str(r->state, "created_at", now);
	json_put(r->state, "done", json_obj());
	json_put(r->state, "savings", json_obj());
	return OK;
}

/* ---- the request ------------------------------------------------------------------------------ */

static enum err_code first_fault(struct faults *f, struct err *e)
{
	const json_t *first = json_array_get(f->list, 0);
	err_set(e, f->code, "/job%s: %s", json_get_str(first, "pointer", ""),
		json_get_str(first, "detail", ""));
	faults_done(f);
	return e->code;
}

static enum err_code parse_request(struct batch_run *r, struct err *e)
{
	const struct conf *c = r->f->conf;
	const json_t *job = json_object_get(r->state, "job");
	struct request_limits lim = request_limits_default;
	struct faults f = { 0 };
	lim.urls = (size_t)c->max_urls;
	lim.variants = (size_t)c->max_variants;
	lim.url_bytes = (size_t)c->max_url_bytes;
	if (!request_parse(job, &lim, r->f->engine.presets, &r->request, &f))
		return first_fault(&f, e);
	if (r->request->from_job || r->request->dry_run || json_object_get(job, "webhook"))
		return err_set(e, ERR_REQUEST_UNSUPPORTED,
			"/job: from, dry_run and webhook need an app server (--server)");
	return OK;
}

/* Only what is not done yet stays in it. */
static void reduce_request(struct batch_run *r)
{
	size_t n = 0;
	r->total = r->request->items_n;
	r->places = mem_array(r->total + 1, sizeof(*r->places));
	for (size_t i = 0; i < r->total; i++) {
		char place[24];
		snprintf(place, sizeof(place), "%zu", i);
		if (json_object_get(done_of(r), place))
			continue;
		r->places[n] = i;
		r->request->items[n++] = r->request->items[i];
	}
	r->request->items_n = n;
	r->before = r->total - n;
}

static enum err_code submit(struct batch_run *r, struct err *e)
{
	struct function *f = r->f;
	enum submit_result res;
	int64_t no = 0;
	struct submit in = {
		.tenant = TENANT,
		.request = r->request,
		.base_url = "",
		.seal_key = f->engine.secrets.seal_key,
	};
	if (!f->engine.worker && engine_start(&f->engine, e) != OK)
		return e->code;
	if (store_submit(f->engine.store, &in, &res, r->job_id, &no, e) != OK)
		return e->code;
	r->has_job = true;
	pthread_mutex_lock(&f->lock);
	f->job_no = no;
	f->newest = 0;
	pthread_mutex_unlock(&f->lock);
	return OK;
}

/* ---- waiting ---------------------------------------------------------------------------------- */

/* *ret is NULL when the store has lost it. */
static enum err_code job_now(struct batch_run *r, struct arena *a, struct job_row **ret,
	struct err *e)
{
	if (store_job_find(r->f->engine.store, TENANT, r->job_id, a, ret, e) != OK)
		return e->code;
	return *ret ? OK : err_set(e, ERR_INTERNAL, "the batch is gone from the store");
}

/* Until something happened to the batch, or a moment, or the end of the environment. */
static void wait_for_news(struct function *f, int64_t seen, int64_t until_ms)
{
	int64_t left = until_ms == INT64_MAX ? LOOK_MS : until_ms - clock_mono_ms();
	struct timespec until = clock_deadline(left < LOOK_MS ? left : LOOK_MS);
	pthread_mutex_lock(&f->lock);
	if (f->newest <= seen && !f->stopping)
		(void)pthread_cond_clockwait(&f->changed, &f->lock, CLOCK_MONOTONIC, &until);
	pthread_mutex_unlock(&f->lock);
}

/* true: it has ended by itself. */
static enum err_code follow(struct batch_run *r, int64_t until_ms, bool *ret_ended, struct err *e)
{
	for (;;) {
		CLEANUP(arena_freep) struct arena *a = arena_new();
		struct job_row *job = NULL;
		if (job_now(r, a, &job, e) != OK)
			return e->code;
		*ret_ended = job_has_ended(job->state);
		if (*ret_ended || clock_mono_ms() >= until_ms || function_is_stopping(r->f))
			return OK;
		wait_for_news(r->f, job->seq, until_ms);
	}
}

/* ---- what was done ---------------------------------------------------------------------------- */

static void take_item(struct batch_run *r, const struct item_row *row, const struct view_links *l)
{
	char place[24];
	struct item_row whole = *row;
	if (row->state != ITEM_SUCCEEDED && row->state != ITEM_FAILED)
		return;
	whole.n = (int64_t)r->places[row->n - 1] + 1; /* in the request as it was sent */
	snprintf(place, sizeof(place), "%zu", r->places[row->n - 1]);
	json_put(done_of(r), place, view_item(&whole, r->id, l));
}

static void add_savings(struct batch_run *r, const struct savings *s)
{
	json_t *sum = json_object_get(r->state, "savings");
	const struct {
		const char *name;
		int64_t n;
	} rows[] = { { "downloads", s->downloads }, { "encodes", s->encodes },
		{ "paid_calls", s->paid_calls } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		json_put_int(sum, rows[i].name, json_get_int(sum, rows[i].name, 0) + rows[i].n);
}

static enum err_code collect(struct batch_run *r, struct err *e)
{
	struct store *s = r->f->engine.store;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct view_links l = { .blob_url = r->f->conf->blob_url, .now_ms = clock_wall_ms() };
	struct job_row *job = NULL;
	if (job_now(r, a, &job, e) != OK)
		return e->code;
	struct item_query q = { .job_no = job->no, .max = PAGE_ROWS };
	for (size_t n = q.max; n == q.max;) {
		struct item_row *rows = NULL;
		if (store_items(s, &q, a, &rows, &n, e) != OK)
			return e->code;
		for (size_t i = 0; i < n; i++)
			take_item(r, &rows[i], &l);
		q.after_n = n ? rows[n - 1].n : 0;
	}
	add_savings(r, &job->savings);
	return OK;
}

/* Submits what is left, and takes over what of it gets done in time. */
static enum err_code work(struct batch_run *r, int64_t until_ms, struct err *e)
{
	struct store *s = r->f->engine.store;
	struct err ignored;
	bool ended = false;
	if (r->request->items_n == 0)
		return OK;
	if (submit(r, e) != OK || follow(r, until_ms, &ended, e) != OK)
		return e->code;
	if (!ended && store_cancel(s, TENANT, r->job_id, ERR_CANCELED, e) != OK)
		return e->code;
	enum err_code code = collect(r, e);
	/* With its rows: the pictures are named by the manifest, not by a store that ends. */
	(void)!store_delete(s, TENANT, r->job_id, true, &ignored);
	return code;
}

/* ---- what is said of it ----------------------------------------------------------------------- */

/* One that gets nothing done within a whole invocation never will. */
static void fail_the_rest(struct batch_run *r)
{
	struct outcome late = { .code = ERR_DEADLINE,
		.stage = "process",
		.download_ms = -1,
		.process_ms = -1,
		.store_ms = -1 };
	struct view_links l = { .now_ms = clock_wall_ms() };
	snprintf(late.detail, sizeof(late.detail), "the function's time limit is too short for it");
	for (size_t i = 0; i < r->request->items_n; i++) {
		struct item_row row = { .n = (int64_t)i + 1,
			.url = r->request->items[i].url,
			.refs = r->request->items[i].refs,
			.refs_n = r->request->items[i].refs_n,
			.state = ITEM_FAILED,
			.outcome = &late,
			.queued_ms = -1,
			.run = 1 };
		take_item(r, &row, &l);
	}
}

/* {"job", "manifest": {"key", "blob"}} */
static json_t *short_document(const struct batch_run *r, const json_t *job)
{
	char key[MANIFEST_KEY_MAX + KEY_ROOM];
	json_t *doc = json_obj(), *where = json_obj();
	key_of(r, "manifest.json", key);
	json_put_str(where, "blob", r->f->engine.blob_url);
	json_put_str(where, "key", key);
	json_put(doc, "job", json_deep_copy(job));
	json_put(doc, "manifest", where);
	return doc;
}

/* ---- all of it -------------------------------------------------------------------------------- */

static enum err_code finish(struct batch_run *r, json_t **ret, json_t **ret_short, struct err *e)
{
	autojson *doc = batch_manifest_document(r->id, r->state, r->total, r->request->duplicates);
	if (write_document(r, "manifest.json", doc, e) != OK)
		return e->code;
	drop_state(r);
	*ret_short = short_document(r, json_object_get(doc, "job"));
	*ret = TAKE(&doc);
	return OK;
}

static enum err_code suspend(struct batch_run *r, json_t **ret, json_t **ret_short,
	json_t **ret_rest, struct err *e)
{
	struct continued c = { .leg = 1 };
	autojson *job = batch_job_document(r->id, r->state, r->total, r->request->duplicates);
	if (write_document(r, "rest.json", r->state, e) != OK)
		return e->code;
	snprintf(c.id, sizeof(c.id), "%s", r->id);
	*ret_short = short_document(r, job);
	*ret = json_incref(*ret_short);
	*ret_rest = continued_json(&c);
	return OK;
}

static enum err_code go_on(struct batch_run *r, const struct invocation *inv, const json_t *job,
	json_t **ret, json_t **ret_short, json_t **ret_rest, struct err *e)
{
	if (read_document(r, "manifest.json", ret, e) != OK)
		return e->code;
	if (*ret) { /* it was delivered twice */
		*ret_short = short_document(r, json_object_get(*ret, "job"));
		return OK;
	}
	if (load_state(r, job, e) != OK || parse_request(r, e) != OK)
		return e->code;
	reduce_request(r);
	if (work(r, function_times(inv).hard, e) != OK)
		return e->code;
	size_t done = json_object_size(done_of(r));
	if (done == r->before && done < r->total && !function_is_stopping(r->f))
		fail_the_rest(r);
	if (json_object_size(done_of(r)) == r->total)
		return finish(r, ret, ret_short, e);
	return suspend(r, ret, ret_short, ret_rest, e);
}

enum err_code function_batch(struct function *f, const struct invocation *inv, const char *id,
	const json_t *job, json_t **ret, json_t **ret_short, json_t **ret_rest, struct err *e)
{
	struct batch_run r = { .f = f, .id = id };
	if (function_open(f, NULL, e) != OK)
		return e->code;
	enum err_code code = go_on(&r, inv, job, ret, ret_short, ret_rest, e);
	json_decref(r.state);
	request_free(r.request);
	free(r.places);
	return code;
}
