/* SPDX-License-Identifier: MIT
 *
 * There is no thread here: the first of those who have something to tell carries it for all that came
 * since the last call went out, as many as one report may hold.
 *
 * What a server refuses for good (a forged or late report) is no reason to try again; everything else
 * is, a wrong address too: the server may be in the middle of an upgrade.
 */
#include "lambda/courier.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/io.h"
#include "base/log.h"
#include "lambda/call.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#define CONNECT_MS   3000
#define ANSWER_MS    10000
#define PAUSE_MS     200
#define PAUSE_MAX_MS 5000

struct letter {
	const struct report_result *result;
	const char *secret;
	struct told told;
	bool done;
	struct letter *next;
};

struct courier {
	char *url, *prefix;
	struct blob *blob;
	struct net_client *net; /* of whoever is sending */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct letter *first, **last; /* waiting */
	bool sending;
	int64_t give_up_ms;
};

struct courier *courier_new(const struct courier_opts *o)
{
	struct courier *c = mem_new(struct courier);
	c->url = mem_strdup(o->url);
	c->prefix = mem_strdup(o->prefix);
	c->blob = o->blob;
	c->net = call_client_new();
	c->give_up_ms = o->give_up_ms;
	c->last = &c->first;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	return c;
}

void courier_free(struct courier *c)
{
	if (!c)
		return;
	net_client_free(c->net);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->changed);
	free(c->url);
	free(c->prefix);
	free(c);
}

void courier_hurry(struct courier *c)
{
	pthread_mutex_lock(&c->lock);
	c->give_up_ms = 0;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

static int64_t left_ms(struct courier *c)
{
	pthread_mutex_lock(&c->lock);
	int64_t ms = c->give_up_ms - clock_mono_ms();
	pthread_mutex_unlock(&c->lock);
	return ms;
}

/* false: there is no time for another try. */
static bool pause_for(struct courier *c, int64_t ms)
{
	struct timespec until = clock_deadline(ms);
	pthread_mutex_lock(&c->lock);
	bool is_late = clock_mono_ms() + ms >= c->give_up_ms;
	while (!is_late &&
		pthread_cond_clockwait(&c->changed, &c->lock, CLOCK_MONOTONIC, &until) != ETIMEDOUT)
		is_late = c->give_up_ms == 0;
	pthread_mutex_unlock(&c->lock);
	return !is_late;
}

/* ---- one report ------------------------------------------------------------------------------- */

struct bag {
	struct letter *letters[REPORT_RESULTS_MAX];
	const char *secrets[REPORT_RESULTS_MAX];
	struct report report;
	char id[ID_LEN + 1];
	struct arena *arena;
	int64_t retry_after_ms;
	size_t tries;
};

static void take_retry_after(void *ctx, const char *name, const char *value)
{
	if (strcasecmp(name, "Retry-After") == 0)
		((struct bag *)ctx)->retry_after_ms = net_retry_after(value);
}

static json_t *alone(json_t *answer)
{
	json_t *list = json_arr(), *doc = json_obj();
	json_push(list, json_incref(answer));
	json_put(doc, "results", list);
	return doc;
}

/* One verdict on all, where the server gave none on each. */
static void answer_all(struct bag *b, enum report_verdict v, const char *why)
{
	for (size_t i = 0; i < b->report.n; i++) {
		json_t *one = json_obj();
		json_put_str(one, "task", b->report.results[i].task);
		json_put_str(one, "status", report_verdict_name(v));
		if (why)
			json_put_str(one, "why", why);
		b->letters[i]->told.answer = alone(one);
		json_decref(one);
	}
}

/* false: that is no answer to this report. */
static bool answer_each(struct bag *b, const json_t *doc)
{
	const json_t *list = json_object_get(doc, "results");
	if (json_array_size(list) != b->report.n)
		return false;
	for (size_t i = 0; i < b->report.n; i++)
		if (strcmp(json_get_str(json_array_get(list, i), "task", ""),
			    b->report.results[i].task) != 0)
			return false;
	for (size_t i = 0; i < b->report.n; i++)
		b->letters[i]->told.answer = alone(json_array_get(list, i));
	return true;
}

/* true: it is answered, for good or ill. */
static bool read_answer(struct bag *b, int status, const struct buf *body)
{
	autojson *doc = NULL;
	struct err e = { 0 };
	bool is_json = json_parse(buf_str(body), body->len, &doc, &e) == OK;
	if (status == 409 && b->report.n == 1)
		answer_all(b, REPORT_STALE, NULL);
	else if (status == 200)
		return is_json && answer_each(b, doc);
	else if (status == 400 || status == 401 || status == 403 || status == 413 || status == 422)
		answer_all(b, REPORT_REFUSED,
			json_get_str(doc, "detail", err_title(ERR_AUTH_REQUIRED)));
	else
		return false;
	return true;
}

/* false: there is nothing that could be sent. */
static bool sign(struct courier *c, struct bag *b, struct report_letter *ret)
{
	struct err e = { 0 };
	if (report_sign(&b->report, c->prefix, b->secrets, b->id, clock_wall_ms(), b->arena, ret,
		    &e) == OK)
		return true;
	answer_all(b, REPORT_REFUSED, e.text);
	return false;
}

static bool send_once(struct courier *c, struct bag *b, int64_t ms)
{
	struct report_letter l;
	struct call_answer a;
	struct err e = { 0 };
	if (!sign(c, b, &l))
		return true;
	const struct net_header h[] = { { "Content-Type", "application/json" },
		{ "webhook-id", l.id }, { "webhook-timestamp", l.time_s },
		{ "webhook-signature", l.signatures } };
	enum err_code code = call_do(c->net,
		&(struct call){ "POST", c->url, h, ARRAY_LEN(h), l.body, l.body_n,
			ms < CONNECT_MS ? ms : CONNECT_MS, ms < ANSWER_MS ? ms : ANSWER_MS,
			.on_header = take_retry_after, .ctx = b },
		&a, &e);
	bool is_answered = code == OK && read_answer(b, a.status, &a.body);
	if (!is_answered && b->tries++ == 0)
		log_event(LOG_LAMBDA_REPORT_WAITS, NULL, "results=%zu status=%d detail=\"%s\"",
			b->report.n, code == OK ? a.status : 0, code == OK ? "" : e.text);
	call_done(&a);
	return is_answered;
}

static enum err_code put_text(struct courier *c, const char *key, const char *text, struct err *e)
{
	autofd fd = -1;
	size_t n = strlen(text);
	if (io_memfd("report", &fd, e) != OK || io_write_all(fd, text, n, e) != OK ||
		blob_put(c->blob, key, fd, (int64_t)n, "application/json", e) != OK)
		return e->code;
	return blob_sync(c->blob, e);
}

/* The server looks there when a lease ends. */
static void leave(struct courier *c, struct bag *b)
{
	struct report_letter l;
	struct task_name name;
	struct err e = { 0 };
	char key[REPORT_LEFT_MAX];
	if (!sign(c, b, &l))
		return;
	for (size_t i = 0; i < b->report.n; i++)
		b->letters[i]->told.left = true;
	if (!task_name_parse(b->report.results[0].task, &name)) {
		log_event(LOG_LAMBDA_REPORT_LOST, NULL,
			"results=%zu detail=\"no place for task '%s'\"", b->report.n,
			b->report.results[0].task);
		return;
	}
	report_left_key(&name, key);
	autofree char *text = report_left_text(&l);
	enum err_code code = put_text(c, key, text, &e);
	log_event(code == OK ? LOG_LAMBDA_REPORT_LEFT : LOG_LAMBDA_REPORT_LOST, NULL,
		"results=%zu key=%s detail=\"%s\"", b->report.n, key, code == OK ? "" : e.text);
}

static void deliver(struct courier *c, struct bag *b)
{
	for (int64_t pause = PAUSE_MS;; pause = pause < PAUSE_MAX_MS ? pause * 2 : pause) {
		int64_t ms = left_ms(c);
		if (ms > 0 && send_once(c, b, ms))
			return;
		int64_t wait = b->retry_after_ms
			? b->retry_after_ms
			: pause / 2 + (int64_t)random_below((uint64_t)pause);
		b->retry_after_ms = 0;
		if (ms <= 0 || !pause_for(c, wait < 1 ? 1 : wait))
			break;
	}
	leave(c, b);
}

/* ---- those who have something to tell --------------------------------------------------------- */

/* Under the lock: as many as one report holds. */
static struct bag *pack(struct courier *c)
{
	struct bag *b = mem_new(struct bag);
	b->arena = arena_new();
	b->report.is_list = true;
	b->report.results = arena_alloc(b->arena, REPORT_RESULTS_MAX * sizeof(*b->report.results));
	id_new(b->id);
	for (struct letter *l; (l = c->first) != NULL && b->report.n < REPORT_RESULTS_MAX;) {
		c->first = l->next;
		b->letters[b->report.n] = l;
		b->secrets[b->report.n] = l->secret;
		b->report.results[b->report.n++] = *l->result;
	}
	if (c->first == NULL)
		c->last = &c->first;
	return b;
}

/* Under the lock, which is given up meanwhile. */
static void carry(struct courier *c)
{
	struct bag *b = pack(c);
	c->sending = true;
	pthread_mutex_unlock(&c->lock);
	deliver(c, b);
	pthread_mutex_lock(&c->lock);
	c->sending = false;
	for (size_t i = 0; i < b->report.n; i++)
		b->letters[i]->done = true;
	arena_free(b->arena);
	free(b);
	pthread_cond_broadcast(&c->changed);
}

static bool all_done(const struct letter *l, size_t n)
{
	while (n > 0 && l[n - 1].done)
		n--;
	return n == 0;
}

void courier_tell(struct courier *c, const struct report_result *r, const char *const *secrets,
	size_t n, struct told *ret)
{
	struct letter *l = mem_array(n, sizeof(*l));
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < n; i++) {
		l[i] = (struct letter){ .result = &r[i], .secret = secrets[i] };
		*c->last = &l[i];
		c->last = &l[i].next;
	}
	while (!all_done(l, n)) {
		if (!c->sending)
			carry(c);
		else
			pthread_cond_wait(&c->changed, &c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	for (size_t i = 0; i < n; i++)
		ret[i] = l[i].told;
	free(l);
}
