/* SPDX-License-Identifier: MIT
 *
 * The documents of a job, an item and an event, members in the order of docs/http.md. A row holds
 * what happened and keys of immutable blobs; links are made here, at the moment of reading, so that
 * a replay never hands out a dead one. An event's data is made by the functions that answer GET:
 * the two cannot drift apart.
 */
#include "view/view.h"

#include "base/clock.h"
#include "base/digest.h"

#include <math.h>

#define HOUR_MS (60 * 60 * 1000LL)

static void put_time(json_t *o, const char *name, int64_t wall_ms)
{
	char text[CLOCK_RFC3339_MAX];

	clock_format_rfc3339(wall_ms, text);
	json_put_str(o, name, text);
}

/* A number, or null where it is not known (below least). */
static void put_known(json_t *o, const char *name, int64_t v, int64_t least)
{
	json_put(o, name, v < least ? json_null() : json_integer(v));
}

static void put_hex(json_t *o, const char *name, const uint8_t digest[SHA256_LEN])
{
	char hex[HEX_MAX(SHA256_LEN)];

	hex_format(digest, SHA256_LEN, hex);
	json_put_str(o, name, hex);
}

/* Thousandths as credits: a whole number where it is one. */
void view_credits(json_t *o, const char *name, int64_t thousandths)
{
	json_put(o, name, cut_credits_json(thousandths));
}

/* JSON text that we stored ourselves; `dflt` (taken over) where there is none. */
static void put_text(json_t *o, const char *name, const char *text, json_t *dflt)
{
	json_t *v = NULL;

	if (text && json_parse(text, strlen(text), &v, NULL) == OK) {
		json_decref(dflt);
		dflt = v;
	}
	json_put(o, name, dflt);
}

static void put_link(json_t *o, const char *name, const char *key, const struct view_links *l)
{
	autofree char *url = view_blob_link(key, l);

	json_put_str(o, name, url);
}

/* ---- job ------------------------------------------------------------------------------------ */

static json_t *counts_json(const struct counts *c)
{
	json_t *o = json_obj(), *cut = json_obj();

	json_put_int(o, "total", c->total);
	json_put_int(o, "duplicates", c->duplicates);
	json_put_int(o, "queued", c->queued);
	json_put_int(o, "running", c->running);
	json_put_int(o, "succeeded", c->succeeded);
	json_put_int(o, "failed", c->failed);
	json_put_int(o, "canceled", c->canceled);
	json_put_int(o, "cached", c->cached);
	json_put_int(cut, "succeeded", c->cutouts.succeeded);
	json_put_int(cut, "failed", c->cutouts.failed);
	json_put_int(cut, "none", c->cutouts.none);
	json_put(o, "cutouts", cut);
	return o;
}

static json_t *savings_json(const struct savings *s)
{
	json_t *o = json_obj();

	json_put_int(o, "downloads", s->downloads);
	json_put_int(o, "encodes", s->encodes);
	json_put_int(o, "paid_calls", s->paid_calls);
	return o;
}

/* events_url is for sockets: ws for http, wss for https. */
static char *events_url(const struct job_row *j, const struct view_links *l)
{
	int64_t until = (view_link_hour(l->now_ms) + 1) * HOUR_MS + l->token_ttl_ms;
	autofree char *token = l->token
		? mem_strdup(l->token)
		: view_job_token(j->tenant, l->token_key, j->id, until, l->link_key);
	const char *rest = strncmp(l->events_url, "http", 4) == 0 ? l->events_url + 4 : "";

	return mem_printf("ws%s/v1/jobs/%s/events?token=%s", rest, j->id, token);
}

static json_t *links_json(const char *id, const struct view_links *l)
{
	static const char *const names[] = { "items", "events", "cancel", "retry" };
	autofree char *self = mem_printf("%s/v1/jobs/%s", l->base_url, id);
	json_t *o = json_obj();

	json_put_str(o, "self", self);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		autofree char *url = mem_printf("%s/%s", self, names[i]);
		json_put_str(o, names[i], url);
	}
	return o;
}

static json_t *job_json(const struct job_row *j, const struct view_links *l, bool with_events_url)
{
	json_t *o = json_obj();

	json_put_str(o, "id", j->id);
	json_put_str(o, "status", job_state_name(j->state));
	put_time(o, "created_at", j->created_ms);
	put_time(o, "expires_at", j->expires_ms);
	json_put_str(o, "tag", j->tag);
	put_text(o, "metadata", j->metadata, json_obj());
	json_put(o, "counts", counts_json(&j->counts));
	json_put(o, "savings", savings_json(&j->savings));
	if (!l->base_url)
		return o;
	if (with_events_url) {
		autofree char *url = events_url(j, l);
		json_put_str(o, "events_url", url);
	}
	json_put(o, "links", links_json(j->id, l));
	return o;
}

json_t *view_job(const struct job_row *j, const struct view_links *l)
{
	return job_json(j, l, true);
}

json_t *view_job_kept(const struct job_row *j, const struct view_links *l)
{
	return job_json(j, l, false);
}

/* ---- item ----------------------------------------------------------------------------------- */

static json_t *source_json(const struct original *s, const struct view_links *l)
{
	json_t *o = json_obj();

	json_put_str(o, "key", s->key[0] ? s->key : NULL);
	if (s->key[0])
		put_link(o, "url", s->key, l);
	else
		json_put_str(o, "url", NULL);
	put_hex(o, "sha256", s->sha256);
	json_put_int(o, "bytes", s->bytes);
	json_put_str(o, "format", s->format == FORMAT_NONE ? NULL : format_name(s->format));
	put_known(o, "width", s->width, 1);
	put_known(o, "height", s->height, 1);
	return o;
}

static json_t *placeholder_json(const struct original *s)
{
	json_t *o;

	if (!s || (!s->thumbhash[0] && !s->color[0]))
		return json_null();
	o = json_obj();
	json_put_str(o, "thumbhash", s->thumbhash[0] ? s->thumbhash : NULL);
	json_put_str(o, "color", s->color[0] ? s->color : NULL);
	return o;
}

static json_t *variant_json_of(const struct variant_row *v, const struct view_links *l)
{
	json_t *o = json_obj();

	json_put_str(o, "name", v->name);
	json_put_str(o, "key", v->product.key);
	put_link(o, "url", v->product.key, l);
	json_put_str(o, "format", format_name(v->product.format));
	json_put_int(o, "width", v->product.width);
	json_put_int(o, "height", v->product.height);
	json_put_int(o, "bytes", v->product.bytes);
	put_hex(o, "sha256", v->product.sha256);
	return o;
}

static json_t *timing_json(const struct item_row *it)
{
	const struct outcome *w = it->outcome;
	json_t *o = json_obj();

	put_known(o, "queued", it->queued_ms, 0);
	put_known(o, "download", w ? w->download_ms : -1, 0);
	put_known(o, "process", w ? w->process_ms : -1, 0);
	put_known(o, "store", w ? w->store_ms : -1, 0);
	return o;
}

/* A problem that names the item it is of. */
static json_t *problem_of(const struct item_row *it, const struct outcome *w, const char *job_id,
	const struct view_links *l)
{
	json_t *o = view_error(w, l);

	autofree char *instance = mem_printf("/v1/jobs/%s/items/%s.%lld", job_id, job_id,
		(long long)it->n);
	json_put_str(o, "instance", instance);
	return o;
}

/* An item that may yet succeed shows no error, whatever its last attempt met. */
static json_t *item_error(const struct item_row *it, const char *job_id, const struct view_links *l)
{
	bool ended_badly = it->state == ITEM_FAILED || it->state == ITEM_CANCELED;

	if (!ended_badly || !it->outcome || it->outcome->code == OK)
		return json_null();
	return problem_of(it, it->outcome, job_id, l);
}

/* The file itself, unless only the variants made from it were asked for. */
static void put_cut_file(json_t *o, const struct item_row *it, const struct view_links *l)
{
	const struct cut_product *p = it->cutout;

	if (!it->cut_hidden) {
		json_put_str(o, "key", p->key);
		put_link(o, "url", p->key, l);
		json_put_str(o, "format", format_name(p->format));
	}
	json_put_int(o, "width", p->width);
	json_put_int(o, "height", p->height);
	json_put_int(o, "left", p->left);
	json_put_int(o, "top", p->top);
	if (!it->cut_hidden) {
		json_put_int(o, "bytes", p->bytes);
		put_hex(o, "sha256", p->sha256);
	}
}

static void put_cut_maker(json_t *o, const struct cut_product *p, enum cut_reason reason)
{
	autofree char *engine = mem_printf("%s%s%s", cut_engine_name(p->engine),
		p->ident[0] ? ":" : "", p->ident);

	json_put_str(o, "engine", engine);
	json_put(o, "confidence",
		p->confidence < 0 ? json_null() : json_real(round(p->confidence * 1000) / 1000));
	view_credits(o, "cost", p->cost);
	json_put_str(o, "reason", cut_reason_name(reason));
}

static json_t *cutout_json(const struct item_row *it, const char *job_id,
	const struct view_links *l)
{
	bool ended = it->state != ITEM_FRESH && it->state != ITEM_OPEN;
	bool without = it->cut == CUT_FAILED || it->cut == CUT_NONE;
	json_t *o;

	if (it->cut == CUT_OFF || (it->cut == CUT_WANTED && ended)) /* it will not come */
		return json_null();
	o = json_obj();
	json_put_str(o, "status", cut_state_name(it->cut));
	if (it->cut == CUT_SUCCEEDED && it->cutout) {
		put_cut_file(o, it, l);
		put_cut_maker(o, it->cutout, it->cut_reason);
	}
	json_put(o, "error",
		without && it->cut_outcome ? problem_of(it, it->cut_outcome, job_id, l)
					   : json_null());
	return o;
}

static json_t *refs_json(const struct item_row *it)
{
	json_t *list = json_arr();

	for (size_t i = 0; i < it->refs_n; i++)
		json_push(list, json_string(it->refs[i]));
	return list;
}

json_t *view_item(const struct item_row *it, const char *job_id, const struct view_links *l)
{
	autofree char *id = mem_printf("%s.%lld", job_id, (long long)it->n);
	json_t *o = json_obj(), *variants = json_arr();

	for (size_t i = 0; i < it->variants_n; i++)
		json_push(variants, variant_json_of(&it->variants[i], l));
	json_put_str(o, "id", id);
	json_put_str(o, "url", it->url);
	json_put(o, "refs", refs_json(it));
	if (it->metadata)
		put_text(o, "metadata", it->metadata, json_null());
	json_put_str(o, "status", item_status_name(it->state, it->step));
	json_put_str(o, "cache", it->has_cache ? item_cache_name(it->cache) : NULL);
	json_put(o, "source", it->source ? source_json(it->source, l) : json_null());
	json_put(o, "placeholder", placeholder_json(it->source));
	json_put(o, "variants", variants);
	json_put(o, "cutout", cutout_json(it, job_id, l));
	json_put(o, "timing_ms", timing_json(it));
	json_put_int(o, "run", it->run);
	json_put_int(o, "tries", it->tries);
	json_put(o, "error", item_error(it, job_id, l));
	return o;
}

/* ---- errors --------------------------------------------------------------------------------- */

json_t *view_problem(enum err_code code, const char *detail, const char *instance,
	const char *base_url)
{
	autofree char *type = mem_printf("%s/errors/%s", base_url ? base_url : "", err_name(code));
	json_t *o = json_obj();

	json_put_str(o, "type", type);
	json_put_str(o, "title", err_title(code));
	json_put_int(o, "status", err_http(code));
	json_put_str(o, "detail", detail && detail[0] ? detail : err_hint(code));
	if (instance)
		json_put_str(o, "instance", instance);
	json_put_str(o, "code", err_name(code));
	return o;
}

json_t *view_error(const struct outcome *w, const struct view_links *l)
{
	/* instance is filled in by whoever knows the item; its place is kept. */
	json_t *o = view_problem(w->code, w->detail, "", l->base_url);

	json_put_str(o, "stage", w->stage);
	json_put_bool(o, "retryable", err_retryable(w->code));
	if (w->source_status)
		json_put_int(o, "source_status", w->source_status);
	if (w->final_url[0])
		json_put_str(o, "final_url", w->final_url);
	return o;
}

/* ---- events --------------------------------------------------------------------------------- */

static json_t *active_json(const struct active_row *a, const char *job_id)
{
	autofree char *id = mem_printf("%s.%lld", job_id, (long long)a->n);
	json_t *o = json_obj();

	json_put_str(o, "id", id);
	json_put_str(o, "stage", item_status_name(ITEM_OPEN, a->step));
	put_known(o, "bytes", a->bytes, 0);
	put_known(o, "bytes_total", a->bytes_total, 0);
	return o;
}

/* The job as it was then: what never changes from its row, what does from the event. */
static json_t *job_then(const struct event_row *ev, const struct job_row *job,
	const struct view_links *l)
{
	struct job_row then = *job;
	json_t *o;

	then.state = ev->state;
	then.run = ev->run;
	then.counts = ev->counts;
	then.savings = ev->savings;
	if (ev->expires_ms)
		then.expires_ms = ev->expires_ms;
	o = job_json(&then, l, false);
	if (ev->type != EVENT_JOB_PROGRESS)
		return o;
	json_t *active = json_arr();
	for (size_t i = 0; i < ev->active_n; i++)
		json_push(active, active_json(&ev->active[i], job->id));
	json_put(o, "active", active);
	return o;
}

/* Cut one list to its first half; false when nothing is left of it. */
static bool halve(json_t *list)
{
	size_t n = json_array_size(list);

	if (n == 0)
		return false;
	for (size_t i = n; i > n / 2; i--)
		json_array_remove(list, i - 1);
	return true;
}

/* References go first: a client knows them. */
static char *cut_text(json_t *doc, json_t *data, size_t max)
{
	char *text = json_text(doc);

	while (strlen(text) > max) {
		json_put_bool(data, "truncated", true);
		if (!halve(json_object_get(data, "refs")) &&
			!halve(json_object_get(data, "variants")))
			break;
		free(text);
		text = json_text(doc);
	}
	return text;
}

static json_t *event_json(const struct event_row *ev, const char *job_id, const struct job_row *job,
	const struct view_links *l)
{
	json_t *doc = json_obj();
	bool of_item = event_type_is_item(ev->type) && ev->item;
	json_t *data = of_item ? view_item(ev->item, job_id, l) : job_then(ev, job, l);
	char seq[24];

	view_seq(ev->seq, seq);
	autofree char *id = mem_printf("%s.%s", job_id, seq);
	autofree char *source = mem_printf("/v1/jobs/%s", job_id);
	json_put_str(doc, "specversion", "1.0");
	json_put_str(doc, "id", id);
	json_put_str(doc, "source", source);
	json_put_str(doc, "type", event_type_name(ev->type));
	if (of_item)
		json_put(doc, "subject", json_incref(json_object_get(data, "id")));
	put_time(doc, "time", ev->at_ms);
	json_put_str(doc, "sequence", seq);
	json_put(doc, "data", data);
	return doc;
}

/* Gateways take frames of 32 KiB. */
void view_event(const struct event_row *ev, const char *job_id, const struct job_row *job,
	const struct view_links *l, struct buf *out)
{
	autojson *doc = event_json(ev, job_id, job, l);
	autofree char *text = cut_text(doc, json_object_get(doc, "data"), VIEW_EVENT_MAX);

	buf_puts(out, text);
}

/* Who gets no more than this knows no address to ask for the rest. */
void view_webhook(const struct event_row *ev, const char *job_id, const struct job_row *job,
	const struct view_links *l, struct buf *out)
{
	autojson *doc = event_json(ev, job_id, job, l);
	json_t *data = json_object_get(doc, "data");

	if (!json_object_get(data, "links")) {
		autofree char *items = mem_printf("%s/v1/jobs/%s/items", l->base_url, job_id);
		json_t *links = json_obj();
		json_put_str(links, "items", items);
		json_put(data, "links", links);
	}
	autofree char *text = cut_text(doc, data, VIEW_WEBHOOK_MAX);
	buf_puts(out, text);
}
