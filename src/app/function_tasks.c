/* SPDX-License-Identifier: MIT
 *
 * Tasks that an event brings. The worker is kept from one invocation to the next as long as their
 * blobs stay in one place, which a server of the same team does not change.
 */
#include "app/function.h"

#include "base/clock.h"
#include "base/environment.h"
#include "base/log.h"
#include "image/image.h"

#include <string.h>

#define UNKNOWN_MS (5 * 60 * 1000ll) /* reports are sent for, where no deadline is known */

/* ---- where the blobs are ---------------------------------------------------------------------- */

/* NULL: the event does not say. The caller frees. */
static char *place_of(const json_t *event)
{
	const json_t *bucket = json_object_get(event, "bucket");
	const char *name = json_get_str(bucket, "name", NULL);
	return name ? mem_printf("s3://%s/%s", name, json_get_str(bucket, "prefix", "")) : NULL;
}

/* The environment with another AWS_REGION; its strings are those of the old one and `*ret_region`. */
static char **with_region(char *const *envp, const char *region, char **ret_region)
{
	static const char name[] = "AWS_REGION=";
	size_t n = 0, at = 0;
	while (envp[n])
		n++;
	char **copy = mem_array(n + 2, sizeof(*copy));
	*ret_region = mem_printf("%s%s", name, region);
	copy[at++] = *ret_region;
	for (size_t i = 0; i < n; i++)
		if (strncmp(envp[i], name, strlen(name)) != 0)
			copy[at++] = envp[i];
	return copy;
}

static void leave_place(struct function *f)
{
	if (f->worker)
		worker_stop(f->worker, 0);
	worker_free(TAKE(&f->worker));
	pthread_mutex_lock(&f->lock);
	struct tasks *tasks = TAKE(&f->tasks);
	pthread_mutex_unlock(&f->lock);
	tasks_free(tasks);
	if (f->blob != f->engine.blob)
		blob_free(f->blob);
	f->blob = NULL;
	free(TAKE(&f->place));
	free(TAKE(&f->region));
	free(TAKE(&f->environment));
}

static enum err_code open_blob(struct function *f, const char *url, const char *region,
	struct err *e)
{
	const char *own = environment_get(f->conf->environment, "AWS_REGION");
	struct blob_opts o = engine_blob_opts(f->conf);
	bool same_region = !region || (own && strcmp(own, region) == 0);
	if (same_region && strcmp(url, f->engine.blob_url) == 0) {
		f->blob = f->engine.blob;
		return OK;
	}
	if (!same_region) {
		f->environment = with_region(f->conf->environment, region, &f->region);
		o.environment = f->environment;
	}
	return blob_open_with(url, &o, &f->blob, e);
}

static enum err_code open_worker(struct function *f, struct err *e)
{
	struct tasks *tasks = tasks_new(&(struct tasks_opts){ .blob = f->blob,
		.seal_key = f->engine.secrets.seal_key,
		.codecs = image_codecs() });
	struct feed feed = tasks_feed(tasks);
	pthread_mutex_lock(&f->lock);
	f->tasks = tasks;
	pthread_mutex_unlock(&f->lock);
	return engine_worker(&f->engine, &feed, f->blob, &f->worker, e);
}

static enum err_code go_to_place(struct function *f, const json_t *event, struct err *e)
{
	const char *region = json_get_str(json_object_get(event, "bucket"), "region", NULL);
	autofree char *said = place_of(event);
	if (function_open(f, said, e) != OK)
		return e->code;
	const char *url = said ? said : f->engine.blob_url;
	if (f->place && strcmp(f->place, url) == 0)
		return OK;
	leave_place(f);
	if (open_blob(f, url, region, e) != OK || open_worker(f, e) != OK) {
		leave_place(f);
		return e->code;
	}
	f->place = mem_strdup(url);
	return OK;
}

/* ---- one place's events ----------------------------------------------------------------------- */

static bool is_here(const struct function *f, const json_t *event)
{
	autofree char *said = place_of(event);
	return strcmp(said ? said : f->engine.blob_url, f->place) == 0;
}

static void add_all(struct function *f, struct task_event *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i].begun || v[i].why.code != OK || !is_here(f, v[i].event))
			continue;
		struct err why = { 0 };
		if (tasks_add(f->tasks, v[i].event, &v[i].no, &why) == OK)
			v[i].begun = true;
		else
			v[i].why = why;
	}
}

static void wait_for_all(struct function *f, const struct function_times *times)
{
	worker_wake(f->worker);
	if (tasks_wait(f->tasks, times->soft))
		return;
	tasks_stop(f->tasks);
	if (tasks_wait(f->tasks, times->hard))
		return;
	tasks_close(f->tasks);
	(void)tasks_wait(f->tasks, times->last);
}

static void collect(struct function *f, struct task_event *v, size_t n, const bool *before)
{
	for (size_t i = 0; i < n; i++) {
		if (!v[i].begun || before[i])
			continue;
		v[i].counts = tasks_counts(f->tasks, v[i].no);
		v[i].results = tasks_results(f->tasks, v[i].no);
		v[i].rest = tasks_rest(f->tasks, v[i].no);
	}
}

/* Events in the place of v[first], with all that are there too. */
static void do_place(struct function *f, const struct function_times *times, struct task_event *v,
	size_t n, size_t first)
{
	autofree bool *before = mem_array(n, sizeof(*before));
	for (size_t i = 0; i < n; i++)
		before[i] = v[i].begun;
	struct err why = { 0 };
	if (go_to_place(f, v[first].event, &why) != OK) {
		v[first].why = why;
		return;
	}
	tasks_begin(f->tasks,
		times->hard == INT64_MAX ? clock_mono_ms() + UNKNOWN_MS : times->hard);
	if (function_is_stopping(f))
		tasks_interrupt(f->tasks);
	add_all(f, v, n);
	wait_for_all(f, times);
	collect(f, v, n, before);
}

void function_tasks(struct function *f, const struct invocation *inv, struct task_event *v,
	size_t n)
{
	struct function_times times = function_times(inv);
	for (size_t i = 0; i < n; i++)
		if (!v[i].begun && v[i].why.code == OK && clock_mono_ms() < times.soft)
			do_place(f, &times, v, n, i);
}

void task_events_done(struct task_event *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_decref(v[i].rest);
		json_decref(v[i].results);
	}
}

/* ---- one that came by itself ------------------------------------------------------------------ */

/* An invocation that got nothing done would be followed by another like it: the server is told to
 * lend its tasks again, which it counts. */
static bool hand_on(struct function *f, const struct invocation *inv, const struct task_event *v)
{
	struct err e = { 0 };
	bool got_on = v->counts.told + v->counts.left > 0;
	if (got_on && function_continue(f, v->rest, inv->id, &e) == OK)
		return true;
	if (got_on)
		log_event(LOG_LAMBDA_FAILED, NULL, "request=%s detail=\"%s\"", inv->id, e.text);
	tasks_return(f->tasks, v->no, function_times(inv).last);
	return false;
}

static json_t *summary(const struct tasks_counts *c, bool continues)
{
	json_t *o = json_obj();
	json_put_int(o, "tasks", (int64_t)c->tasks);
	json_put_int(o, "reported", (int64_t)c->told);
	json_put_int(o, "left", (int64_t)c->left);
	json_put_int(o, "refused", (int64_t)c->refused);
	json_put_int(o, "continued", continues ? (int64_t)c->back : 0);
	json_put_int(o, "returned", continues ? 0 : (int64_t)c->back);
	return o;
}

enum err_code function_task_event(struct function *f, const struct invocation *inv,
	const json_t *event, json_t **ret, struct err *e)
{
	struct task_event v = { .event = event };
	function_tasks(f, inv, &v, 1);
	if (v.begun) {
		bool continues = v.rest && hand_on(f, inv, &v);
		*ret = v.results ? json_incref(v.results) : summary(&v.counts, continues);
	} else if (v.why.code == OK) {
		err_set(&v.why, ERR_LIMIT_TIME, "no time was left to begin");
	}
	task_events_done(&v, 1);
	*e = v.why;
	return v.why.code;
}
