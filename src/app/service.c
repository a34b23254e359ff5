/* SPDX-License-Identifier: MIT
 *
 * The first SIGTERM drains; the second ends the process at once, which loses nothing: that is what
 * the store is for.
 */
#include "app/service.h"

#include "api/api.h"
#include "app/cmd.h"
#include "app/signals.h"
#include "app/systemd.h"
#include "base/io.h"

#include <pthread.h>
#include <unistd.h>

#define OPS_THREADS     2
#define OPS_CONNECTIONS 200
#define OPS_BODY_BYTES  1024

void service_wait(const struct conf *c, struct store *s)
{
	int64_t watchdog_ms = c->watchdog_ms / 2;
	systemd_notify(c->notify_socket, "READY=1");
	while (signals_wait(watchdog_ms > 0 ? watchdog_ms : -1) == 0) {
		/* Any answer is a sign of life: a full disk is not mended by a restart. */
		struct err e = { 0 };
		(void)!store_ping(s, &e);
		systemd_notify(c->notify_socket, "WATCHDOG=1");
	}
}

static void *end_at_once(void *arg)
{
	(void)arg;
	(void)signals_wait(-1);
	_exit(EXIT_INTERRUPTED);
}

void service_stopping(const struct conf *c)
{
	pthread_t second;
	systemd_notify(c->notify_socket, "STOPPING=1");
	if (pthread_create(&second, NULL, end_at_once, NULL) == 0)
		pthread_detach(second);
}

const char *service_not_ready(void *engine, struct err *e)
{
	struct engine *g = engine;
	return g->darkroom && darkroom_check(g->darkroom, e) != OK ? "darkroom" : NULL;
}

/* ---- health and metrics --------------------------------------------------------------------- */

enum err_code ops_start(const struct conf *c, const struct engine *g, struct ops *ret,
	struct err *e)
{
	autofd fd = -1;
	struct api_opts o = {
		.store = g->store,
		.blob = g->blob,
		.presets = g->presets,
		.link_key = g->secrets.link_key,
		.seal_key = g->secrets.seal_key,
		.ops_only = true,
		.not_ready = service_not_ready,
		.ctx = (void *)(uintptr_t)g,
	};
	if (!c->ops_listen)
		return OK;
	if (http_listen(c->ops_listen, &fd, ret->url, e) != OK || api_new(&o, &ret->api, e) != OK)
		return e->code;
	struct http_opts ho = {
		.listen_fd = fd_take(&fd),
		.threads = OPS_THREADS,
		.reactors = 1,
		.max_body_bytes = OPS_BODY_BYTES,
		.max_connections = OPS_CONNECTIONS,
		.handle = api_handle,
		.problem = api_problem,
		.client = api_client,
		.ctx = ret->api,
	};
	return http_server_new(&ho, &ret->http, e);
}

void ops_set_draining(struct ops *o)
{
	if (o->api)
		api_set_draining(o->api);
}

void ops_free(struct ops *o)
{
	http_server_free(o->http);
	api_free(o->api);
	*o = (struct ops){ 0 };
}
