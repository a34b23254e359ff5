/* SPDX-License-Identifier: MIT
 *
 * bulb work: the engine without a server, for a cluster that shares a database. It finds its work
 * there, and answers nobody but who asks for its health. SIGTERM drains it as it does serve: what is
 * left is given back and done by another.
 */
#include "app/cmd.h"
#include "app/dispatching.h"
#include "app/engine.h"
#include "app/say.h"
#include "app/series.h"
#include "app/service.h"
#include "base/log.h"
#include "base/metrics.h"

#include <stdio.h>

static enum err_code start(const struct conf *c, struct engine *g, struct ops *ops, struct err *e)
{
	struct engine_opts o = {
		.data = c->data,
		.store_url = c->store,
		.blob_url = c->blob,
		.lanes = c->workers,
		.wait_for_blobs = true,
		.manifests = true,
		.keeps_secret = true,
		.joins = true,
	};
	if (c->workers == 0 && !c->dispatch)
		return err_set(e, ERR_USAGE, "--workers 0: then there is nothing to do");
	if (engine_open(c, &o, g, e) != OK || ops_start(c, g, ops, e) != OK)
		return e->code;
	if (engine_start(g, e) != OK)
		return e->code;
	return dispatching_start(g, NULL, e);
}

int cmd_work(const struct conf *c)
{
	struct engine g = { 0 };
	struct ops ops = { 0 };
	struct err e = { 0 };
	metric_set(METRIC_BUILD_INFO, 1, BULB_VERSION, NULL, NULL);
	series_begin();
	if (start(c, &g, &ops, &e) != OK) {
		ops_free(&ops);
		engine_close(&g);
		return say_error(&e);
	}
	printf("health and metrics on %s\n", ops.url);
	fflush(stdout);
	log_event(LOG_WORK_START, NULL, "lanes=%lld ops=%s", (long long)c->workers, ops.url);
	service_wait(c, g.store);
	log_event(LOG_SERVE_DRAIN, NULL, "busy=%zu", g.worker ? worker_busy(g.worker) : (size_t)0);
	service_stopping(c);
	ops_set_draining(&ops);
	engine_stop(&g, c->drain_ms);
	ops_free(&ops); /* it reads the store, which is closed next */
	engine_close(&g);
	log_event(LOG_WORK_STOP, NULL, "nothing was lost");
	return 0;
}
