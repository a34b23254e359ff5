/* SPDX-License-Identifier: MIT
 *
 * What the operator's machines ask: alive, ready, figures. Readiness writes to the disk and may
 * start a process, and anyone may ask for it: one look serves everybody for a second, and while
 * somebody looks the others get the answer before.
 */
#include "api/api_impl.h"

#include "base/clock.h"
#include "base/metrics.h"

#include <stdio.h>
#include <string.h>

#define READY_MS      1000
#define METRICS_BYTES ((size_t)8 << 20)

void presets_get(struct call *c)
{
	call_json(c, 200, presets_json(c->api->o.presets));
}

void health_get(struct call *c)
{
	json_t *doc = json_obj();

	json_put_str(doc, "status", "ok");
	json_put_str(doc, "version", BULB_VERSION);
	call_json(c, 200, doc);
}

/* ---- readiness ------------------------------------------------------------------------------ */

/* The part that does not work, and why; NULL when all do. */
static const char *failing_part(const struct api *a, struct err *e)
{
	if (store_ping(a->o.store, e) != OK)
		return "store";
	if (blob_check(a->o.blob, e) != OK)
		return "blob";
	return a->o.not_ready ? a->o.not_ready(a->o.ctx, e) : NULL;
}

/* Under the lock, which is given up meanwhile. */
static void look(struct api *a)
{
	struct err e = { 0 };

	a->looking = true;
	pthread_mutex_unlock(&a->ready_lock);
	const char *part = failing_part(a, &e);
	pthread_mutex_lock(&a->ready_lock);
	snprintf(a->ready_part, sizeof(a->ready_part), "%s", part ? part : "");
	snprintf(a->ready_detail, sizeof(a->ready_detail), "%s", part ? e.text : "");
	a->ready_ms = clock_mono_ms();
	a->looking = false;
}

void ready_get(struct call *c)
{
	struct api *a = c->api;
	json_t *doc = json_obj();
	char part[sizeof(a->ready_part)], detail[sizeof(a->ready_detail)];

	pthread_mutex_lock(&a->ready_lock);
	if (!a->looking && clock_mono_ms() - a->ready_ms >= READY_MS)
		look(a);
	memcpy(part, a->ready_part, sizeof(part));
	memcpy(detail, a->ready_detail, sizeof(detail));
	pthread_mutex_unlock(&a->ready_lock);
	if (atomic_load(&a->draining)) {
		snprintf(part, sizeof(part), "draining");
		snprintf(detail, sizeof(detail), "%s", err_title(ERR_SHUTTING_DOWN));
	}
	json_put_str(doc, "status", part[0] ? "unready" : "ready");
	if (part[0]) {
		http_set(c->r, "Retry-After", "1");
		json_put_str(doc, "failing", part);
		json_put_str(doc, "detail", detail);
	}
	call_json(c, part[0] ? 503 : 200, doc);
}

/* ---- metrics -------------------------------------------------------------------------------- */

/* Gauges that only the store knows. When it is away the others are still worth having. */
static void set_queue_gauges(struct api *a)
{
	struct queue_stats q;
	struct err e;
	int64_t now = clock_wall_ms();

	if (store_queue(a->o.store, &q, &e) != OK)
		return;
	for (int p = PRIORITY_INTERACTIVE; p <= PRIORITY_BULK; p++) {
		const char *name = priority_name((enum priority)p);
		double age = q.oldest_ms[p] ? (double)(now - q.oldest_ms[p]) / 1000 : 0;
		metric_set(METRIC_QUEUE_ITEMS, (double)q.items[p], name, NULL, NULL);
		metric_set(METRIC_QUEUE_OLDEST, age, name, NULL, NULL);
	}
}

void metrics_get(struct call *c)
{
	CLEANUP(buf_done) struct buf b = BUF_INIT(METRICS_BYTES);

	set_queue_gauges(c->api);
	metrics_render(&b);
	call_respond(c, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&b), b.len);
}
