/* SPDX-License-Identifier: MIT
 *
 * From an event to entries that a worker can be lent, and back: what is not done when the time is over
 * becomes an event again, for another invocation.
 */
#include "lambda/tasks_impl.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/url.h"

#include <errno.h>
#include <string.h>

#define KEY_PREFIX_MAX (BLOB_KEY_MAX - 64) /* what a worker appends is shorter */

struct tasks *tasks_new(const struct tasks_opts *o)
{
	struct tasks *t = mem_new(struct tasks);
	t->blob = o->blob;
	memcpy(t->seal_key, o->seal_key, sizeof(t->seal_key));
	t->codecs = mem_strdup(o->codecs);
	t->last = &t->entries;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->changed, NULL);
	return t;
}

static void forget(struct tasks *t)
{
	for (struct batch *b; (b = t->batches) != NULL;) {
		t->batches = b->next;
		courier_free(b->courier);
		free(b->results);
		arena_free(b->arena);
		free(b);
	}
	t->entries = NULL; /* the arenas' */
	t->last = &t->entries;
	t->open = t->telling = 0;
}

void tasks_free(struct tasks *t)
{
	if (!t)
		return;
	forget(t);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->changed);
	mem_wipe(t->seal_key, sizeof(t->seal_key));
	free(t->codecs);
	free(t);
}

void tasks_begin(struct tasks *t, int64_t give_up_ms)
{
	pthread_mutex_lock(&t->lock);
	while (t->telling > 0)
		pthread_cond_wait(&t->changed, &t->lock);
	forget(t);
	t->give_up_ms = give_up_ms;
	t->stopped = t->closed = t->interrupted = false;
	pthread_mutex_unlock(&t->lock);
}

/* ---- an event --------------------------------------------------------------------------------- */

struct entry *tasks_enter(struct tasks *t, struct batch *b, const struct event_task *task,
	enum entry_state state)
{
	struct entry *x = arena_alloc(b->arena, sizeof(*x));
	struct url url;
	struct err none;
	*x = (struct entry){ .of = b,
		.task = *task,
		.state = state,
		.id = ++t->next_id,
		.lease = state == ENTRY_LENT ? 1 : 0,
		.download_ms = -1 };
	if (task->kind == TASK_FETCH && url_parse(task->url, b->arena, &url, &none) == OK)
		x->host = url.host;
	*t->last = x;
	t->last = &x->next;
	t->open++;
	return x;
}

/* Names are made of it: it has to be one that blobs can have. */
static bool is_prefix(const char *s)
{
	char key[BLOB_KEY_MAX + 1];
	if (strlen(s) > KEY_PREFIX_MAX)
		return false;
	snprintf(key, sizeof(key), "%saa/a.jpg", s);
	return blob_key_is_good(key);
}

static enum err_code check_task(const struct event_task *task, size_t i, struct err *e)
{
	if (task->kind != TASK_FETCH && task->kind != TASK_MAKE)
		return err_set(e, ERR_REQUEST_INVALID, "/tasks/%zu/kind: fetch or make", i);
	if (!task->key_prefix || !is_prefix(task->key_prefix))
		return err_set(e, ERR_REQUEST_INVALID,
			"/tasks/%zu/key_prefix: nothing that names of blobs can begin with", i);
	return OK;
}

static enum err_code read_event(struct batch *b, const json_t *doc, struct err *e)
{
	if (event_parse(doc, b->arena, &b->event, e) != OK)
		return e->code;
	for (size_t i = 0; i < b->event.n; i++)
		if (check_task(&b->event.tasks[i], i, e) != OK)
			return e->code;
	return OK;
}

/* Nobody waits for what is late; such a lease is another's by now. */
static void enter_all(struct tasks *t, struct batch *b)
{
	int64_t now = clock_wall_ms();
	for (size_t i = 0; i < b->event.n; i++) {
		const struct event_task *task = &b->event.tasks[i];
		struct entry *x = tasks_enter(t, b, task, ENTRY_WAITING);
		b->counts.tasks++;
		if (task->deadline_ms && task->deadline_ms <= now)
			tasks_end(t, x, ENTRY_ENDED);
	}
}

enum err_code tasks_add(struct tasks *t, const json_t *event, size_t *ret_no, struct err *e)
{
	struct batch *b = mem_new(struct batch), **last = &t->batches;
	size_t no = 0;
	b->arena = arena_new();
	if (read_event(b, event, e) != OK) {
		arena_free(b->arena);
		free(b);
		return e->code;
	}
	if (b->event.report_url)
		b->courier = courier_new(&(struct courier_opts){ .url = b->event.report_url,
			.prefix = prefix_of(b),
			.blob = t->blob,
			.give_up_ms = t->give_up_ms });
	pthread_mutex_lock(&t->lock);
	for (; *last; last = &(*last)->next)
		no++;
	*last = b;
	enter_all(t, b);
	pthread_mutex_unlock(&t->lock);
	*ret_no = no;
	return OK;
}

const char *prefix_of(const struct batch *b)
{
	return b->event.bucket.prefix ? b->event.bucket.prefix : "";
}

void batch_note(struct batch *b, const struct report_result *r)
{
	if (b->results_n == b->results_cap) {
		b->results_cap = b->results_cap ? 2 * b->results_cap : 16;
		b->results = mem_realloc(b->results, b->results_cap, sizeof(*b->results));
	}
	b->results[b->results_n++] = *r;
}

static struct report_result given_back(const struct entry *x)
{
	return (struct report_result){ .task = x->task.task,
		.status = REPORT_LATER,
		.outcome = { .download_ms = -1, .process_ms = -1, .store_ms = -1 } };
}

static struct batch *batch_get(struct tasks *t, size_t no)
{
	struct batch *b = t->batches;
	while (no-- > 0)
		b = b->next;
	return b;
}

/* ---- its end ---------------------------------------------------------------------------------- */

void tasks_end(struct tasks *t, struct entry *x, enum entry_state state)
{
	x->state = state;
	x->of->counts.back += state == ENTRY_BACK;
	t->open--;
	pthread_cond_broadcast(&t->changed);
}

bool tasks_wait(struct tasks *t, int64_t until_ms)
{
	pthread_mutex_lock(&t->lock);
	while (t->open > 0 && !t->interrupted) {
		int64_t left = until_ms == INT64_MAX ? INT32_MAX : until_ms - clock_mono_ms();
		struct timespec until = clock_deadline(left);
		if (left <= 0 ||
			(pthread_cond_clockwait(&t->changed, &t->lock, CLOCK_MONOTONIC, &until) ==
					ETIMEDOUT &&
				until_ms != INT64_MAX))
			break;
	}
	bool is_done = t->open == 0;
	pthread_mutex_unlock(&t->lock);
	return is_done;
}

void tasks_interrupt(struct tasks *t)
{
	pthread_mutex_lock(&t->lock);
	t->interrupted = t->stopped = true;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

void tasks_stop(struct tasks *t)
{
	pthread_mutex_lock(&t->lock);
	t->stopped = true;
	pthread_mutex_unlock(&t->lock);
}

/* An interrupted invocation may still wait for what is being told. */
void tasks_close(struct tasks *t)
{
	pthread_mutex_lock(&t->lock);
	t->stopped = t->closed = true;
	t->interrupted = false;
	for (struct entry *x = t->entries; x; x = x->next)
		if (x->state == ENTRY_WAITING || x->state == ENTRY_LENT)
			tasks_end(t, x, ENTRY_BACK);
	for (struct batch *b = t->batches; b; b = b->next)
		if (b->courier)
			courier_hurry(b->courier);
	pthread_mutex_unlock(&t->lock);
}

json_t *tasks_rest(struct tasks *t, size_t no)
{
	pthread_mutex_lock(&t->lock);
	struct batch *b = batch_get(t, no);
	struct event rest = b->event;
	rest.tasks = arena_alloc(b->arena, (b->counts.back + 1) * sizeof(*rest.tasks));
	rest.n = 0;
	for (const struct entry *x = t->entries; x && b->courier; x = x->next)
		if (x->of == b && x->state == ENTRY_BACK)
			rest.tasks[rest.n++] = x->task;
	json_t *doc = rest.n > 0 ? event_json(&rest) : NULL;
	pthread_mutex_unlock(&t->lock);
	return doc;
}

/* Nobody else touches entries that were taken back. */
void tasks_return(struct tasks *t, size_t no, int64_t give_up_ms)
{
	struct batch *b = batch_get(t, no);
	size_t n = 0;
	if (!b->courier || b->counts.back == 0)
		return;
	struct report_result *r = mem_array(b->counts.back, sizeof(*r));
	const char **secrets = mem_array(b->counts.back, sizeof(*secrets));
	struct told *told = mem_array(b->counts.back, sizeof(*told));
	for (const struct entry *x = t->entries; x; x = x->next) {
		if (x->of != b || x->state != ENTRY_BACK)
			continue;
		secrets[n] = x->task.secret;
		r[n++] = given_back(x);
	}
	struct courier *c = courier_new(&(struct courier_opts){ .url = b->event.report_url,
		.prefix = prefix_of(b),
		.blob = t->blob,
		.give_up_ms = give_up_ms });
	courier_tell(c, r, secrets, n, told);
	courier_free(c);
	while (n-- > 0)
		json_decref(told[n].answer);
	free(told);
	free(secrets);
	free(r);
}

struct tasks_counts tasks_counts(struct tasks *t, size_t no)
{
	pthread_mutex_lock(&t->lock);
	struct tasks_counts counts = batch_get(t, no)->counts;
	pthread_mutex_unlock(&t->lock);
	return counts;
}

json_t *tasks_results(struct tasks *t, size_t no)
{
	json_t *doc = NULL;
	pthread_mutex_lock(&t->lock);
	struct batch *b = batch_get(t, no);
	for (const struct entry *x = t->entries; x && !b->courier; x = x->next) {
		struct report_result back = given_back(x);
		if (x->of == b && x->state == ENTRY_BACK)
			batch_note(b, &back);
	}
	struct report r = { .is_list = true, .results = b->results, .n = b->results_n };
	if (!b->courier)
		doc = report_json(&r, prefix_of(b));
	pthread_mutex_unlock(&t->lock);
	return doc;
}
