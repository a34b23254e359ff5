/* SPDX-License-Identifier: MIT
 *
 * The wiring. Hints flow from the store's commits to the bus, and from the bus to whoever has
 * subscribed; the worker is one of them.
 */
#include "app/engine.h"

#include "app/feed_store.h"
#include "app/ledger_store.h"
#include "app/manifests.h"
#include "base/id.h"
#include "base/io.h"
#include "base/log.h"
#include "base/metrics.h"
#include "dispatch/dispatch.h"
#include "image/image.h"

#include <assert.h>
#include <string.h>

#define LINK_HOUR_MS       3600000ll /* links live to the end of an hour, and --link-ttl more */
#define PLAN_WAITING       32
#define LOW_SPEED_BYTES    1024
#define LOW_SPEED_MS       10000
#define PICTURES_PER_CHILD 500
#define SHARED_POLL_MS     1000 /* what a lost hint costs where others commit, too */

static void on_news(void *ctx, int64_t job_no, int64_t seq)
{
	struct engine *g = ctx;
	bus_publish(g->bus, &(struct bus_hint){ .job = job_no, .seq = seq });
}

static void on_work(void *ctx)
{
	struct engine *g = ctx;
	bus_publish(g->bus, &(struct bus_hint){ .work = true });
}

static void on_manifest(void *ctx)
{
	struct engine *g = ctx;
	if (g->manifests)
		manifests_wake(g->manifests);
}

static void on_lost(void *ctx, const char *job_id, int64_t items)
{
	(void)ctx;
	log_event(LOG_STORE_ROWS_LOST, job_id, "items=%lld", (long long)items);
}

static void on_bus(void *ctx, bool up, const char *why)
{
	(void)ctx;
	metric_set(METRIC_BUS_UP, up, NULL, NULL, NULL);
	log_event(up ? LOG_BUS_UP : LOG_BUS_LOST, NULL, "%s", up ? "" : why);
}

static void wake_worker(void *ctx, const struct bus_hint *h)
{
	if (h->work)
		worker_wake(ctx);
}

static void darkroom_died(void *ctx, const char *reason)
{
	(void)ctx;
	metric_add(METRIC_DARKROOM_RESTARTS, 1, reason, NULL, NULL);
	if (strcmp(reason, "lost") == 0)
		log_event(LOG_DARKROOM_LOST, NULL, "the process that forks the children has ended");
	else if (strcmp(reason, "worn") != 0)
		log_event(LOG_DARKROOM_DIED, NULL, "reason=%s", reason);
}

struct bus_opts engine_bus_opts(const struct conf *c)
{
	const char *url = c->bus ? c->bus : "local:";
	return (struct bus_opts){
		.url = strcmp(url, "postgres:") == 0 ? c->store : url,
		.subject = c->bus_subject,
		.user = c->bus_user,
		.creds_file = c->bus_creds,
		.ca_file = c->bus_ca,
		.cert_file = c->bus_cert,
		.key_file = c->bus_cert_key,
	};
}

static enum err_code open_presets(struct engine *g, struct err *e)
{
	g->presets = presets_new();
	if (!g->conf->presets)
		return OK;
	struct buf text = BUF_INIT(1 << 20);
	enum err_code code = io_read_file(g->conf->presets, text.max, &text, e);
	if (code == OK)
		code = presets_add_json(g->presets, buf_str(&text), text.len, e);
	buf_done(&text);
	return code == OK ? OK : err_wrap(e, "--presets %s", g->conf->presets);
}

/* Whoever looks into a bucket needs to be told when a batch is complete. */
static bool wants_manifests(const struct engine *g)
{
	const char *word = g->conf->blob_manifests; /* NULL: auto */
	if (!g->has_manifests)
		return false;
	if (word && strcmp(word, "auto") != 0)
		return strcmp(word, "yes") == 0;
	return strncmp(g->blob_url, "s3:", 3) == 0;
}

static enum err_code open_store(struct engine *g, bool visitor, struct err *e)
{
	const struct conf *c = g->conf;
	struct store_opts o = {
		.fresh_ms = c->fresh_ms,
		.keep_ms = c->keep_ms,
		.keep_results_ms = c->keep_results_ms,
		.link_ms = c->link_ttl_ms + LINK_HOUR_MS,
		.idempotency_ms = c->idempotency_ttl_ms,
		.plan_waiting_min = PLAN_WAITING,
		.share_sources = c->share_cache,
		.manifests = wants_manifests(g),
		.codecs = image_codecs(),
		.cuts = visitor ? NULL : &g->cutting.site,
		.max_cost_month = c->max_cost_month,
		.short_visitor = visitor,
		.await_schema = g->joins,
		.on_news = on_news,
		.on_work = on_work,
		.on_manifest = on_manifest,
		.on_lost = on_lost,
		.ctx = g,
	};
	int64_t back = 0;
	if (store_open(g->store_url, &o, &g->store, e) != OK)
		return e->code;
	if (g->shared && strstr(g->store_url, "durability=any"))
		log_event(LOG_STORE_NOT_DURABLE, NULL, "take it out of --store when it is on again");
	if (visitor || g->shared) /* what others run is not lost */
		return OK;
	if (store_recover(g->store, &back, e) != OK)
		return e->code;
	if (back)
		log_event(LOG_STORE_RECOVERED, NULL, "tasks=%lld", (long long)back);
	return OK;
}

static void open_fetch(struct engine *g, bool allow_files)
{
	const struct conf *c = g->conf;
	struct fetch_opts o = {
		.guard = { .allow = c->allow_address.v, .allow_n = c->allow_address.n },
		.sources = c->allow_source.v,
		.sources_n = c->allow_source.n,
		.max_bytes = c->max_source_bytes,
		.connect_ms = c->fetch_connect_timeout_ms,
		.total_ms = c->fetch_timeout_ms,
		.low_speed_bytes = LOW_SPEED_BYTES,
		.low_speed_ms = LOW_SPEED_MS,
		.per_host = (size_t)c->per_host,
		.allow_files = allow_files,
	};
	g->fetch = fetch_new(&o);
}

static enum err_code open_darkrooms(struct engine *g, struct err *e)
{
	const struct conf *c = g->conf;
	struct darkroom_opts o = {
		.children = (size_t)c->darkrooms,
		.memory_bytes = c->darkroom_memory_bytes,
		.item_ms = c->item_timeout_ms,
		.max_pixels = c->max_pixels,
		.max_frames = (int)c->max_frames,
		.max_bytes_out = c->max_output_bytes,
		.pictures_per_child = PICTURES_PER_CHILD,
		.on_died = darkroom_died,
		.ctx = g,
	};
	if (darkroom_new(&o, &g->darkroom, e) != OK)
		return e->code;
	return cutting_open_darkrooms(&g->cutting, c, &o, e);
}

enum err_code engine_worker(struct engine *g, const struct feed *feed, struct blob *blob,
	struct worker **ret, struct err *e)
{
	struct worker_opts o = {
		.feed = *feed,
		.blob = blob,
		.fetch = g->fetch,
		.darkroom = g->darkroom,
		.cuts = &g->cutting.site,
		.cut_places = cutting_places(&g->cutting, g->conf),
		.provider = g->cutting.provider,
		.ledger = ledger_of_store(g->store),
		.seal_key = g->secrets.seal_key,
		.codecs = image_codecs(),
		.only_cuts = g->conf->dispatch != NULL,
		.lanes = (size_t)g->lanes,
		.per_host = (size_t)g->conf->per_host,
		.lease_ms = g->conf->lease_ms,
		.max_tries = (int)g->conf->max_tries,
		.max_held_bytes = g->conf->held_memory_bytes,
		.blob_key = g->conf->blob_key,
		.wait_for_blobs = g->wait_for_blobs,
		.poll_ms = g->shared ? SHARED_POLL_MS : 0,
	};
	static_assert(sizeof(o.mattes) == sizeof(g->cutting.mattes), "a darkroom a model");
	memcpy(o.mattes, g->cutting.mattes, sizeof(o.mattes));
	return worker_new(&o, ret, e);
}

static enum err_code open_worker(struct engine *g, struct err *e)
{
	struct feed feed = feed_of_store(g->store);
	if (engine_worker(g, &feed, g->blob, &g->worker, e) != OK)
		return e->code;
	bus_subscribe(g->bus, wake_worker, g->worker);
	return OK;
}

struct blob_opts engine_blob_opts(const struct conf *c)
{
	return (struct blob_opts){
		.environment = c->environment,
		.s3_style = c->s3_style,
		.s3_encryption = c->s3_encryption,
		.s3_kms_key = c->s3_kms_key,
		.s3_storage_class = c->s3_storage_class,
	};
}

static enum err_code open_blobs(struct engine *g, struct err *e)
{
	const struct conf *c = g->conf;
	struct blob_opts o = engine_blob_opts(c);
	if (c->blob_key && blob_key_check(c->blob_key, e) != OK)
		return e->code;
	return blob_open_with(g->blob_url, &o, &g->blob, e);
}

/* "postgres:" is the bus of the store's own database. */
static enum err_code open_bus(struct engine *g, struct err *e)
{
	struct bus_opts o = engine_bus_opts(g->conf);
	o.on_state = on_bus;
	if (o.url == g->conf->store && !g->shared)
		return err_set(e, ERR_USAGE, "--bus postgres: goes with --store postgres://…");
	return bus_open(&o, &g->bus, e);
}

static enum err_code made_up_secrets(struct engine *g, struct err *e)
{
	uint8_t root[32];
	char text[HEX_MAX(sizeof(root))];
	random_bytes(root, sizeof(root));
	hex_format(root, sizeof(root), text);
	enum err_code code = secrets_from_text(text, &g->secrets, e);
	mem_wipe(root, sizeof(root));
	mem_wipe(text, sizeof(text));
	return code;
}

/* Only who has an embedded store's lock may make its secret: two that start at once would keep two. */
static enum err_code open_secrets(struct engine *g, struct err *e)
{
	if (g->conf->secret)
		return secrets_from_text(g->conf->secret, &g->secrets, e);
	if (g->transient)
		return made_up_secrets(g, e);
	return secrets_load(g->data, &g->secrets, e);
}

static void open_results(struct engine *g)
{
	const struct conf *c = g->conf;
	struct results_opts o = {
		.store = g->store,
		.blob = g->blob,
		.report_key = g->secrets.report_key,
		.seal_key = g->secrets.seal_key,
		.limits = {
			.max_bytes = c->max_source_bytes,
			.max_pixels = c->max_pixels,
			.max_frames = c->max_frames,
			.max_output_bytes = c->max_output_bytes,
			.fetch_ms = c->fetch_timeout_ms,
			.item_ms = c->item_timeout_ms,
		},
		.max_tries = (int)c->max_tries,
	};
	g->results = results_new(&o);
}

static enum err_code check_places(const struct engine *g, const struct engine_opts *o,
	struct err *e)
{
	if (o->joins && !g->shared)
		return err_set(e, ERR_USAGE,
			"bulb work joins a cluster, so --store is postgres://…; the database '%s' belongs "
			"to one server, which works for itself",
			g->store_url);
	if (g->shared && !o->visitor && !g->conf->secret)
		return err_set(e, ERR_USAGE,
			"--secret-file is needed: all that share a database must sign and seal alike "
			"(openssl rand -hex 32 makes one)");
	return OK;
}

static enum err_code open_rooms(struct engine *g, const struct engine_opts *o, struct err *e)
{
	if (check_places(g, o, e) != OK || net_init(e) != OK)
		return e->code;
	if (!g->shared && !g->transient && io_mkdirs(g->data, 0700, e) != OK)
		return e->code;
	if (open_bus(g, e) != OK || open_presets(g, e) != OK)
		return e->code;
	if (!o->visitor && cutting_open(g->conf, &g->cutting, e) != OK)
		return e->code;
	if (open_store(g, o->visitor, e) != OK || open_blobs(g, e) != OK)
		return e->code;
	if (o->visitor || open_secrets(g, e) != OK)
		return o->visitor ? OK : e->code;
	if (o->keeps_secret &&
		store_use(g->store, g->secrets.fingerprint, g->conf->new_secret, e) != OK)
		return e->code;
	open_results(g);
	if (!o->lanes)
		return OK;
	open_fetch(g, o->allow_files);
	return open_darkrooms(g, e);
}

enum err_code engine_open(const struct conf *c, const struct engine_opts *o, struct engine *ret,
	struct err *e)
{
	*ret = (struct engine){ .conf = c };
	ret->data = mem_strdup(o->data);
	ret->store_url = o->store_url ? mem_strdup(o->store_url)
				      : mem_printf("sqlite:%s/bulb.db", o->data);
	ret->blob_url = o->blob_url ? mem_strdup(o->blob_url)
				    : mem_printf("file:%s/blobs", o->data);
	ret->lanes = o->visitor ? 0 : o->lanes;
	ret->wait_for_blobs = o->wait_for_blobs;
	ret->joins = o->joins;
	ret->transient = o->transient;
	ret->has_manifests = o->manifests;
	ret->shared = store_url_is_shared(ret->store_url);
	if (open_rooms(ret, o, e) != OK) {
		engine_close(ret);
		return e->code;
	}
	return OK;
}

/* Also where none is wanted any more: what an earlier process left to be done is done. */
static void start_manifests(struct engine *g)
{
	struct manifests_opts o = {
		.store = g->store,
		.blob = g->blob,
		.blob_url = g->conf->blob_url,
		.lease_ms = g->conf->lease_ms,
		.poll_ms = SHARED_POLL_MS,
	};
	g->manifests = manifests_new(&o);
}

enum err_code engine_start(struct engine *g, struct err *e)
{
	if (g->has_manifests)
		start_manifests(g);
	return g->lanes ? open_worker(g, e) : OK;
}

void engine_stop(struct engine *g, int64_t wait_ms)
{
	if (g->dispatch)
		dispatch_stop(g->dispatch);
	if (!g->worker)
		return;
	worker_drain(g->worker);
	worker_stop(g->worker, wait_ms);
}

void engine_close(struct engine *g)
{
	/* The store's last hints still wake the worker, and so do others' hints until the bus is gone:
	 * its threads end first, its memory last. */
	if (g->worker)
		worker_stop(g->worker, 0);
	if (g->dispatch)
		dispatch_stop(g->dispatch);
	manifests_stop(g->manifests);
	results_free(g->results);
	store_free(g->store);
	manifests_free(g->manifests);
	bus_free(g->bus);
	dispatch_free(g->dispatch);
	worker_free(g->worker);
	darkroom_free(g->darkroom);
	cutting_close(&g->cutting);
	fetch_free(g->fetch);
	blob_free(g->blob);
	presets_free(g->presets);
	secrets_wipe(&g->secrets);
	free(g->data);
	free(g->store_url);
	free(g->blob_url);
	*g = (struct engine){ 0 };
}
