/* SPDX-License-Identifier: MIT
 *
 * Nothing is kept on the machine: it is gone at any moment, and another may do the same work at the
 * same time. What has to last is in the bucket, or with the app server.
 */
#include "app/function.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

#define RESERVE_LEAST_MS 800
#define RESERVE_MOST_MS  20000
#define LAST_MS          250 /* before the deadline */
#define INVOKE_MS        5000
#define INVOKE_TRIES     4

struct function_times function_times(const struct invocation *inv)
{
	if (!inv->deadline_ms)
		return (struct function_times){ INT64_MAX, INT64_MAX, INT64_MAX };
	int64_t reserve = inv->limit_ms / 5;
	if (reserve < RESERVE_LEAST_MS)
		reserve = RESERVE_LEAST_MS;
	if (reserve > RESERVE_MOST_MS)
		reserve = RESERVE_MOST_MS;
	return (struct function_times){ .soft = inv->deadline_ms - 2 * reserve,
		.hard = inv->deadline_ms - reserve,
		.last = inv->deadline_ms - LAST_MS };
}

static void news(void *ctx, const struct bus_hint *h)
{
	struct function *f = ctx;
	pthread_mutex_lock(&f->lock);
	if (h->job == f->job_no && h->seq > f->newest) {
		f->newest = h->seq;
		pthread_cond_broadcast(&f->changed);
	}
	pthread_mutex_unlock(&f->lock);
}

enum err_code function_open(struct function *f, const char *blob_url, struct err *e)
{
	bool is_said = f->conf->source[CONF_blob] != CONF_DEFAULT;
	if (f->is_open)
		return OK;
	struct engine_opts o = {
		.data = f->conf->data,
		.store_url = "memory:",
		.blob_url = is_said ? f->conf->blob : blob_url,
		.transient = true,
		.lanes = f->conf->workers,
	};
	if (!o.blob_url)
		return err_set(e, ERR_USAGE,
			"--blob (BULB_BLOB) has to say where the pictures go: s3://BUCKET/PREFIX");
	if (o.lanes == 0)
		return err_set(e, ERR_USAGE, "--workers 0: then there is nothing to do");
	if (engine_open(f->conf, &o, &f->engine, e) != OK)
		return e->code;
	f->is_open = true;
	bus_subscribe(f->engine.bus, news, f);
	return OK;
}

void function_close(struct function *f)
{
	if (f->worker)
		worker_stop(f->worker, 0);
	worker_free(f->worker);
	tasks_free(f->tasks);
	if (f->is_open && f->blob != f->engine.blob)
		blob_free(f->blob);
	if (f->is_open)
		engine_close(&f->engine);
	invoker_free(f->invoker);
	server_free(f->server);
	free(f->place);
	free(f->region);
	free(f->environment);
}

void function_interrupt(struct function *f)
{
	pthread_mutex_lock(&f->lock);
	f->stopping = true;
	if (f->tasks)
		tasks_interrupt(f->tasks);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

bool function_is_stopping(struct function *f)
{
	pthread_mutex_lock(&f->lock);
	bool stopping = f->stopping;
	pthread_mutex_unlock(&f->lock);
	return stopping;
}

static bool may_pass(enum err_code code)
{
	return code == ERR_RATE_LIMITED || code == ERR_OVERLOADED || code == ERR_FETCH_CONNECT ||
		code == ERR_FETCH_TIMEOUT || code == ERR_FETCH_DNS;
}

enum err_code function_continue(struct function *f, const json_t *event, const char *id,
	struct err *e)
{
	autofree char *name = invoke_own_name(f->conf->environment);
	autofree char *text = json_text(event);
	if (!name)
		return err_set(e, ERR_USAGE,
			"AWS_LAMBDA_FUNCTION_NAME is not set: nobody goes on with the rest");
	if (!f->invoker && invoker_new(f->conf->environment, &f->invoker, e) != OK)
		return e->code;
	enum err_code code = ERR_OVERLOADED;
	for (int i = 0; i < INVOKE_TRIES; i++) {
		code = invoke_event(f->invoker, name, text, strlen(text), INVOKE_MS, e);
		if (!may_pass(code))
			break;
	}
	if (code == OK)
		log_event(LOG_LAMBDA_CONTINUES, NULL, "request=%s function=%s", id, name);
	return code == OK ? OK : err_wrap(e, "the rest could not be handed on");
}
