/* SPDX-License-Identifier: MIT
 *
 * bulb serve: the HTTP server in front of the engine, until a signal. SIGTERM drains: readiness turns
 * off, no new work is taken, sockets are closed with 1001, what runs may finish.
 */
#include "api/access.h"
#include "api/api.h"
#include "app/cmd.h"
#include "app/dispatching.h"
#include "app/engine.h"
#include "app/gc_timer.h"
#include "app/say.h"
#include "app/series.h"
#include "app/service.h"
#include "app/systemd.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/metrics.h"
#include "webhooks/webhooks.h"

#include <string.h>

#include <stdio.h>

#define CLOSE_MS 3000 /* streams are closed spread over a second, and answered */

struct serve {
	const struct conf *conf;
	struct engine engine;
	struct access *access;
	struct push *push;
	struct api *api;
	struct http_server *http;
	struct ops ops;
	_Atomic(struct push *) push_there; /* for revocations, which may come before it */
	char url[128];
	struct gc_timer *gc;
	struct webhooks *webhooks;
};

static void news(void *ctx, const struct bus_hint *h)
{
	if (h->job)
		push_news(ctx, h->job, h->seq);
}

static void hint_webhooks(void *ctx, const struct bus_hint *h)
{
	(void)h;
	webhooks_wake(ctx);
}

/* ---- putting it together ---------------------------------------------------------------------- */

/* Whose own links answers carry: the store's, where that was asked for. */
static struct blob *direct_links(const struct serve *s)
{
	return strcmp(s->conf->blob_links, "direct") == 0 ? s->engine.blob : NULL;
}

static struct api_opts api_settings(const struct serve *s)
{
	const struct conf *c = s->conf;
	struct request_limits lim = request_limits_default;
	lim.urls = (size_t)c->max_urls;
	lim.variants = (size_t)c->max_variants;
	lim.refs = (size_t)c->max_refs;
	lim.ref_bytes = (size_t)c->max_ref_bytes;
	lim.url_bytes = (size_t)c->max_url_bytes;
	lim.headers = (size_t)c->max_headers;
	lim.header_bytes = (size_t)c->max_header_bytes;
	lim.metadata_bytes = (size_t)c->max_metadata_bytes;
	lim.tag_bytes = (size_t)c->max_tag_bytes;
	lim.only_presets = c->only_presets;
	return (struct api_opts){
		.store = s->engine.store,
		.blob = s->engine.blob,
		.push = s->push,
		.results = s->engine.results,
		.presets = s->engine.presets,
		.limits = lim,
		.link_key = s->engine.secrets.link_key,
		.seal_key = s->engine.secrets.seal_key,
		.link_ttl_ms = c->link_ttl_ms,
		.token_ttl_ms = c->token_ttl_ms,
		.max_wait_ms = c->max_wait_ms,
		.max_open_items = c->max_open_items,
		.max_cost_month = c->max_cost_month,
		.public_url = c->public_url,
		.events_url = c->events_url,
		.blob_url = c->blob_url,
		.direct_links = direct_links(s),
		.listen_host = c->listen,
		.self_url = s->url,
		.allow_hosts = c->allow_host.v,
		.allow_hosts_n = c->allow_host.n,
		.allow_origins = c->allow_origin.v,
		.allow_origins_n = c->allow_origin.n,
		.trusted_proxies = c->trusted_proxy.v,
		.trusted_proxies_n = c->trusted_proxy.n,
		.access = s->access,
		.signs_webhooks = c->webhook_secret != NULL,
		.open = c->open,
		.not_ready = service_not_ready,
		.ctx = (void *)(uintptr_t)&s->engine,
	};
}

static enum err_code open_listener(const struct conf *c, int *ret_fd, char url[128], struct err *e)
{
	autofd fd = -1;
	if (c->listen_fds > 0)
		fd = systemd_listen_fd();
	if ((fd >= 0 ? http_listen_fd(fd, url, e) : http_listen(c->listen, &fd, url, e)) != OK)
		return e->code;
	*ret_fd = fd_take(&fd);
	return OK;
}

/* Who can reach the server may use it, unless there are keys. */
static enum err_code check_open(const struct serve *s, int fd, struct err *e)
{
	if (s->conf->open || access_is_needed(s->access) || http_listens_on_loopback(fd))
		return OK;
	return err_set(e, ERR_USAGE,
		"%s can be reached from other machines, and no key protects this server: "
		"make one (bulb key add, or --root-key-file), listen on 127.0.0.1, or say --open",
		s->url);
}

static void revoked(void *ctx)
{
	struct serve *s = ctx;
	struct push *p = atomic_load(&s->push_there);
	if (p)
		push_look(p);
}

static enum err_code open_access(struct serve *s, struct err *e)
{
	struct access_opts o = {
		.store = s->engine.store,
		.root_key = s->conf->root_key,
		.link_key = s->engine.secrets.link_key,
		.on_revoked = revoked,
		.ctx = s,
	};
	return access_new(&o, &s->access, e);
}

static enum err_code open_token(void *ctx, const char *token, const char *job,
	struct push_pass *ret)
{
	return api_open_token(((struct serve *)ctx)->api, token, job, ret);
}

static enum err_code start_http(const struct conf *c, int fd, struct api *api,
	struct http_server **ret, struct err *e)
{
	struct http_opts o = {
		.listen_fd = fd,
		.threads = (size_t)c->threads,
		.reactors = (size_t)c->reactors,
		.max_body_bytes = (size_t)c->max_body_bytes,
		.max_connections = (size_t)c->max_connections,
		.handle = api_handle,
		.problem = api_problem,
		.client = api_client,
		.ctx = api,
	};
	return http_server_new(&o, ret, e);
}

#define WEBHOOK_TRY_MS  15000
#define WEBHOOK_POLL_MS 1000
#define WEBHOOK_SHARE   8 /* of the lanes, one host has at most so many-th */

static enum err_code start_webhooks(struct serve *s, struct err *e)
{
	const struct conf *c = s->conf;
	struct webhooks_opts o = {
		.store = s->engine.store,
		.guard = { .allow = c->allow_address.v, .allow_n = c->allow_address.n },
		.seal_key = s->engine.secrets.seal_key,
		.secrets = c->webhook_secret,
		.lanes = (size_t)c->webhook_lanes,
		.per_host = ((size_t)c->webhook_lanes + WEBHOOK_SHARE - 1) / WEBHOOK_SHARE,
		.timeout_ms = WEBHOOK_TRY_MS,
		.poll_ms = WEBHOOK_POLL_MS,
		.events_url = c->events_url,
		.blob_url = c->blob_url,
		.direct_links = direct_links(s),
		.link_key = s->engine.secrets.link_key,
		.link_ttl_ms = c->link_ttl_ms,
	};
	if (webhooks_schedule_parse(c->webhook_schedule.v, c->webhook_schedule.n, &o.schedule, e) !=
			OK ||
		webhooks_new(&o, &s->webhooks, e) != OK)
		return e->code;
	bus_subscribe(s->engine.bus, hint_webhooks, s->webhooks);
	return OK;
}

static enum err_code start(struct serve *s, struct err *e)
{
	const struct conf *c = s->conf;
	struct engine_opts eo = {
		.data = c->data,
		.store_url = c->store,
		.blob_url = c->blob,
		.lanes = c->workers,
		.wait_for_blobs = true,
		.manifests = true,
		.keeps_secret = true,
	};
	int fd = -1;
	if (open_listener(c, &fd, s->url, e) != OK || engine_open(c, &eo, &s->engine, e) != OK ||
		open_access(s, e) != OK || check_open(s, fd, e) != OK)
		return e->code;
	struct push_opts po = {
		.store = s->engine.store,
		.threads = 2,
		.cache_bytes = 64 << 20,
		.poll_ms = 1000,
		.link_key = s->engine.secrets.link_key,
		.link_ttl_ms = c->link_ttl_ms,
		.blob_url = c->blob_url,
		.direct_links = direct_links(s),
		.open_token = open_token,
		.ctx = s,
	};
	if (push_new(&po, &s->push, e) != OK)
		return e->code;
	atomic_store(&s->push_there, s->push);
	bus_subscribe(s->engine.bus, news, s->push);
	struct api_opts ao = api_settings(s);
	if (start_webhooks(s, e) != OK || api_new(&ao, &s->api, e) != OK ||
		engine_start(&s->engine, e) != OK || ops_start(c, &s->engine, &s->ops, e) != OK)
		return e->code;
	if (start_http(c, fd, s->api, &s->http, e) != OK ||
		dispatching_start(&s->engine, s->url, e) != OK)
		return e->code;
	s->gc = gc_timer_new(s->engine.store, s->engine.blob, s->engine.results,
		gc_first_ms(c->gc_every_ms), c->gc_every_ms);
	return OK;
}

static void drain(struct serve *s)
{
	log_event(LOG_SERVE_DRAIN, NULL, "busy=%zu",
		s->engine.worker ? worker_busy(s->engine.worker) : (size_t)0);
	int64_t end_ms = clock_mono_ms() + s->conf->drain_ms;
	service_stopping(s->conf);
	api_set_draining(s->api);
	ops_set_draining(&s->ops);
	http_server_drain(s->http);
	webhooks_drain(s->webhooks);
	engine_stop(&s->engine, s->conf->drain_ms);
	webhooks_stop(s->webhooks, end_ms - clock_mono_ms());
	http_server_wait(s->http, CLOSE_MS);
	gc_timer_free(TAKE(&s->gc));
}

static void close_all(struct serve *s)
{
	http_server_free(s->http);
	ops_free(&s->ops);
	access_stop(s->access);
	push_stop(s->push);
	webhooks_stop(s->webhooks,
		0); /* all read the store, which is closed next; then come no hints */
	engine_close(&s->engine);
	webhooks_free(s->webhooks);
	push_free(s->push);
	api_free(s->api);
	access_free(s->access);
}

int cmd_serve(const struct conf *c)
{
	struct serve s = { .conf = c };
	struct err e = { 0 };
	metric_set(METRIC_BUILD_INFO, 1, BULB_VERSION, NULL, NULL);
	series_begin();
	if (start(&s, &e) != OK) {
		close_all(&s);
		return say_error(&e);
	}
	printf("listening on %s\n", s.url);
	if (s.ops.http)
		printf("health and metrics on %s\n", s.ops.url);
	fflush(stdout);
	log_event(LOG_SERVE_START, NULL, "url=%s data=%s", s.url, c->data);
	service_wait(c, s.engine.store);
	drain(&s);
	close_all(&s);
	log_event(LOG_SERVE_STOP, NULL, "nothing was lost");
	return 0;
}
