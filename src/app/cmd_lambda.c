/* SPDX-License-Identifier: MIT
 *
 * bulb lambda: the same parts as a server's, driven by AWS Lambda's runtime API. Whatever the event, it
 * is answered in time: what does not get done goes on elsewhere. What was done is with the app server
 * or in the bucket before the answer, so an environment may vanish at any moment.
 */
#include "app/cmd.h"
#include "app/function.h"
#include "app/gc.h"
#include "app/say.h"
#include "app/signals.h"
#include "base/clock.h"
#include "base/environment.h"
#include "base/log.h"
#include "lambda/shape.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define API_VARIABLE "AWS_LAMBDA_RUNTIME_API"

/* What an invocation is answered with, and with what if that is too large. */
struct reply {
	json_t *doc, *shorter;
};

/* ---- one kind of event each ------------------------------------------------------------------- */

static enum err_code do_job(struct function *f, const struct invocation *inv, const char *id,
	const json_t *job, struct reply *ret, json_t **ret_rest, struct err *e)
{
	if (f->server && job)
		return server_submit(f->server, job, id, invocation_left_ms(inv), &ret->doc, e);
	return function_batch(f, inv, id, job, &ret->doc, &ret->shorter, ret_rest, e);
}

static enum err_code on_job(struct function *f, const struct invocation *inv, const json_t *event,
	struct reply *ret, struct err *e)
{
	struct continued c = { 0 };
	autojson *rest = NULL;
	const json_t *job = json_object_get(event, "job");
	if (!job && continued_parse(event, &c, e) != OK)
		return e->code;
	if (do_job(f, inv, job ? inv->id : c.id, job, ret, &rest, e) != OK)
		return e->code;
	if (!rest)
		return OK;
	struct err why = { 0 };
	bool continues = function_continue(f, rest, inv->id, &why) == OK;
	if (!continues)
		log_event(LOG_LAMBDA_FAILED, NULL, "request=%s detail=\"%s\"", inv->id, why.text);
	json_put_bool(ret->doc, "continued", continues);
	json_put(ret->doc, "continue", json_incref(json_object_get(rest, "continue")));
	return OK;
}

static enum err_code on_tasks(struct function *f, const struct invocation *inv, const json_t *event,
	struct reply *ret, struct err *e)
{
	return function_task_event(f, inv, event, &ret->doc, e);
}

static enum err_code on_http(struct function *f, const struct invocation *inv, const json_t *event,
	struct reply *ret, struct err *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct gateway_request r = { 0 };
	struct err why = { 0 };
	(void)e;
	if (gateway_parse(event, a, &r, &why) != OK) {
		ret->doc = gateway_problem(&r, 400, &why);
	} else if (!f->server) {
		err_set(&why, ERR_OVERLOADED,
			"this function has no app server to ask: --server (BULB_SERVER) names one");
		ret->doc = gateway_problem(&r, 503, &why);
	} else {
		ret->doc = server_forward(f->server, &r, inv->id, invocation_left_ms(inv));
	}
	return OK;
}

static enum err_code on_schedule(struct function *f, const struct invocation *inv,
	const json_t *event, struct reply *ret, struct err *e)
{
	const struct conf *c = f->conf;
	struct engine g;
	struct gc_report r;
	struct engine_opts o = { .data = c->data,
		.store_url = c->store,
		.blob_url = c->blob,
		.visitor = true };
	(void)inv, (void)event;
	if (c->source[CONF_store] == CONF_DEFAULT)
		return err_set(e, ERR_USAGE,
			"a schedule runs gc, and no store is named to run it on: set BULB_STORE and "
			"BULB_BLOB, or leave it to the app server, which does so every hour by itself");
	if (engine_open(c, &o, &g, e) != OK)
		return e->code;
	enum err_code code = gc_run(g.store, g.blob, -2, false, &r, e);
	engine_close(&g);
	if (code != OK)
		return code;
	ret->doc = json_obj();
	json_put_int(ret->doc, "jobs", r.jobs);
	json_put_int(ret->doc, "originals", r.originals);
	json_put_int(ret->doc, "results", r.results);
	json_put_int(ret->doc, "blobs", r.blobs);
	json_put_int(ret->doc, "orphans", r.orphans);
	return OK;
}

/* ---- a queue's messages ----------------------------------------------------------------------- */

static void fail_message(struct message *m, const struct err *why)
{
	m->failed = true;
	log_event(LOG_LAMBDA_FAILED, NULL, "message=%s code=%s detail=\"%s\"", m->id,
		err_name(why->code), why->text);
}

/* What is not done goes back to the queue. A message has one id however often it is delivered. */
static void do_job_message(struct function *f, const struct invocation *inv, struct message *m)
{
	struct reply r = { 0 };
	autojson *rest = NULL;
	struct err e = { 0 };
	enum err_code code = OK;
	if (clock_mono_ms() >= function_times(inv).hard)
		code = err_set(&e, ERR_LIMIT_TIME, "no time was left to begin");
	else
		code = do_job(f, inv, m->id, json_object_get(m->event, "job"), &r, &rest, &e);
	if (code == OK && rest)
		code = err_set(&e, ERR_LIMIT_TIME,
			"the time is over; the rest is done at the next delivery");
	if (code != OK)
		fail_message(m, &e);
	json_decref(r.doc);
	json_decref(r.shorter);
}

static void do_task_messages(struct function *f, const struct invocation *inv, struct messages *all)
{
	struct task_event *v = mem_array(all->n + 1, sizeof(*v));
	struct message **of = mem_array(all->n + 1, sizeof(struct message *));
	size_t n = 0;
	for (size_t i = 0; i < all->n; i++) {
		if (!all->v[i].event || all->v[i].shape != SHAPE_TASKS)
			continue;
		of[n] = &all->v[i];
		v[n++].event = all->v[i].event;
	}
	function_tasks(f, inv, v, n);
	for (size_t i = 0; i < n; i++) {
		if (v[i].why.code == OK && (!v[i].begun || v[i].rest))
			err_set(&v[i].why, ERR_LIMIT_TIME, "the time is over");
		if (v[i].why.code != OK)
			fail_message(of[i], &v[i].why);
	}
	task_events_done(v, n);
	free(of);
	free(v);
}

static enum err_code on_queue(struct function *f, const struct invocation *inv, const json_t *event,
	struct reply *ret, struct err *e)
{
	struct messages all;
	if (messages_parse(event, &all, e) != OK)
		return e->code;
	do_task_messages(f, inv, &all);
	for (size_t i = 0; i < all.n; i++) {
		if (!all.v[i].event)
			fail_message(&all.v[i], &all.v[i].why);
		else if (all.v[i].shape == SHAPE_JOB)
			do_job_message(f, inv, &all.v[i]);
	}
	ret->doc = messages_answer(&all);
	messages_done(&all);
	return OK;
}

/* ---- invocations ------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	enum err_code (*go)(struct function *f, const struct invocation *inv, const json_t *event,
		struct reply *ret, struct err *e);
} shapes[] = {
	[SHAPE_JOB] = { "job", on_job },
	[SHAPE_TASKS] = { "tasks", on_tasks },
	[SHAPE_CONTINUE] = { "continue", on_job },
	[SHAPE_HTTP] = { "http", on_http },
	[SHAPE_QUEUE] = { "sqs", on_queue },
	[SHAPE_SCHEDULE] = { "schedule", on_schedule },
};

static enum err_code do_event(struct function *f, const struct invocation *inv,
	const char **ret_name, struct reply *ret, struct err *e)
{
	autojson *event = NULL;
	enum shape shape;
	if (json_parse(buf_str(&inv->event), inv->event.len, &event, e) != OK ||
		shape_of(event, &shape, e) != OK)
		return e->code;
	*ret_name = shapes[shape].name;
	return shapes[shape].go(f, inv, event, ret, e);
}

/* Over Lambda's limit the short form goes out, or at least the fault. */
static enum err_code answer(struct function *f, const char *id, const struct reply *r,
	struct err *e)
{
	const json_t *forms[] = { r->doc, r->shorter };
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		autofree char *text = forms[i] ? json_text(forms[i]) : NULL;
		bool taken = false;
		if (text && runtime_answer(f->runtime, id, text, strlen(text), &taken, e) != OK)
			return e->code;
		if (taken)
			return OK;
	}
	struct err why;
	err_set(&why, ERR_REQUEST_TOO_LARGE, "the answer is over Lambda's 6 MB");
	return runtime_fault(f->runtime, id, &why, e);
}

static void set_busy(struct function *f, bool busy)
{
	pthread_mutex_lock(&f->lock);
	f->busy = busy;
	pthread_mutex_unlock(&f->lock);
}

static enum err_code take_one(struct function *f, struct err *e)
{
	struct invocation inv;
	struct reply r = { 0 };
	struct err why = { 0 };
	const char *name = "none";
	if (runtime_next(f->runtime, &inv, e) != OK)
		return e->code;
	set_busy(f, true);
	int64_t since = clock_mono_ms();
	enum err_code done = do_event(f, &inv, &name, &r, &why);
	enum err_code code = done == OK ? answer(f, inv.id, &r, e)
					: runtime_fault(f->runtime, inv.id, &why, e);
	log_event(done == OK ? LOG_LAMBDA_DONE : LOG_LAMBDA_FAILED, NULL,
		"request=%s shape=%s ms=%lld code=%s detail=\"%s\"", inv.id, name,
		(long long)(clock_mono_ms() - since), err_name(done), done == OK ? "" : why.text);
	json_decref(r.doc);
	json_decref(r.shorter);
	invocation_done(&inv);
	set_busy(f, false);
	return code;
}

/* ---- the environment's life ------------------------------------------------------------------- */

/* Idle, nothing is to be saved. At work, what is being done is handed on; Lambda waits half a second. */
static void *await_end(void *function)
{
	struct function *f = function;
	for (;;) {
		(void)signals_wait(-1);
		function_interrupt(f);
		pthread_mutex_lock(&f->lock);
		bool busy = f->busy;
		pthread_mutex_unlock(&f->lock);
		if (!busy) {
			log_event(LOG_LAMBDA_STOP, NULL, "idle");
			_exit(0);
		}
	}
	return NULL;
}

static enum err_code start(struct function *f, struct err *e)
{
	const struct conf *c = f->conf;
	pthread_t thread;
	if (c->source[CONF_server] != CONF_DEFAULT)
		f->server = server_new(c->server, c->key);
	else if (c->source[CONF_blob] != CONF_DEFAULT && function_open(f, NULL, e) != OK)
		return e->code;
	if (pthread_create(&thread, NULL, await_end, f) == 0)
		pthread_detach(thread);
	return OK;
}

void cmd_lambda_fault(char *const *envp, const struct err *why)
{
	const char *api = environment_get(envp, API_VARIABLE);
	struct err ignored;
	if (!api || net_init(&ignored) != OK)
		return;
	struct runtime *r = runtime_new(api);
	(void)!runtime_fault(r, NULL, why, &ignored);
	runtime_free(r);
}

int cmd_lambda(const struct conf *c)
{
	static struct function f = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER }; /* its threads end with the process */
	const char *api = environment_get(c->environment, API_VARIABLE);
	struct err e = { 0 };
	f.conf = c;
	if (!api) {
		err_set(&e, ERR_USAGE,
			API_VARIABLE " is not set: bulb lambda runs where AWS Lambda starts it");
		return say_error(&e);
	}
	if (net_init(&e) != OK || start(&f, &e) != OK) {
		cmd_lambda_fault(c->environment, &e);
		return say_error(&e);
	}
	f.runtime = runtime_new(api);
	bool extension = runtime_register(f.runtime);
	log_event(LOG_LAMBDA_START, NULL, "server=%s extension=%s", f.server ? c->server : "none",
		extension ? "yes" : "no");
	enum err_code code = OK;
	while (code == OK && !function_is_stopping(&f))
		code = take_one(&f, &e);
	function_close(&f);
	runtime_free(f.runtime);
	log_event(LOG_LAMBDA_STOP, NULL, "detail=\"%s\"", code == OK ? "" : e.text);
	return code == OK ? 0 : say_error(&e);
}
