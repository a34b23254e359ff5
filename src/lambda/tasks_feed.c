/* SPDX-License-Identifier: MIT
 *
 * The feed itself. What the store does in a transaction is a report here: a fetch that is told may be
 * answered by the make that follows it, if nobody has made it of the same bytes before; a late or
 * forged report is a lease that has moved on, and what was written for it is dropped.
 *
 * Tries are counted here while the invocation lasts. What could only be tried again after its end is
 * given back to the server, which counts it.
 */
#include "base/clock.h"
#include "base/log.h"
#include "lambda/tasks_impl.h"

#include <string.h>

#define CRASHES_MAX 3

/* The entry that a lane has, if it still has it. */
static struct entry *lent(struct tasks *t, int64_t id, int64_t lease)
{
	for (struct entry *x = t->entries; x; x = x->next)
		if (x->id == id)
			return x->lease == lease && x->state == ENTRY_LENT ? x : NULL;
	return NULL;
}

static enum err_code stale(struct err *e)
{
	return err_set(e, ERR_STORE_STALE, "the invocation that had the task is over");
}

/* ---- lending ---------------------------------------------------------------------------------- */

static json_t *headers_json(const struct event_task *task)
{
	json_t *o = json_obj();
	for (size_t i = 0; i < task->headers_n; i++)
		json_put_str(o, task->headers[i].name, task->headers[i].value);
	return o;
}

static char *fetch_input(const struct event_task *task, const uint8_t seal_key[32])
{
	autofree char *sealed = NULL;
	if (task->headers_n > 0) {
		autojson *headers = headers_json(task);
		char *text = json_text(headers);
		sealed = seal_text(seal_key, text, strlen(text));
		mem_wipe(text, strlen(text));
		free(text);
	}
	struct fetch_input in = { .url = task->url,
		.headers = sealed,
		.etag = task->etag,
		.last_modified = task->last_modified,
		.has_original = task->etag || task->last_modified,
		.original = task->source };
	return fetch_input_text(&in);
}

char *entry_input(const struct entry *x, const uint8_t seal_key[32])
{
	if (x->task.kind == TASK_FETCH)
		return fetch_input(&x->task, seal_key);
	struct make_input in = { .original = x->task.source, .recipe = x->task.recipe };
	return make_input_text(&in);
}

static struct task task_of(struct tasks *t, const struct entry *x, struct arena *a)
{
	autofree char *input = entry_input(x, t->seal_key);
	return (struct task){ .id = x->id,
		.lease = x->lease,
		.kind = x->task.kind,
		.host = arena_strdup(a, x->host),
		.input = arena_strdup(a, input),
		.tries = x->tries,
		.crashes = x->crashes,
		.key_prefix = arena_strdup(a, x->task.key_prefix) };
}

static size_t count(const char *host, const char *const *hosts, size_t n)
{
	size_t found = 0;
	for (size_t i = 0; i < n; i++)
		found += strcmp(hosts[i], host) == 0;
	return found;
}

static bool may_go(const struct claim *c, const char *host, const struct task *given, size_t n)
{
	size_t there = host ? count(host, c->at_hosts, c->at_hosts_n) : 0;
	if (!host)
		return true;
	for (size_t i = 0; i < n; i++)
		there += given[i].host && strcmp(given[i].host, host) == 0;
	return count(host, c->full_hosts, c->full_hosts_n) == 0 &&
		(c->per_host == 0 || there < c->per_host);
}

static enum err_code claim(void *ctx, const struct claim *c, struct arena *a, struct task **ret,
	size_t *ret_n, struct err *e)
{
	struct tasks *t = ctx;
	int64_t now = clock_wall_ms();
	struct task *given = arena_alloc(a, (c->max + 1) * sizeof(*given));
	size_t n = 0;
	(void)e;
	pthread_mutex_lock(&t->lock);
	for (struct entry *x = t->entries; x && n < c->max && !t->stopped; x = x->next) {
		if (x->state != ENTRY_WAITING || x->until_ms > now || !may_go(c, x->host, given, n))
			continue;
		x->state = ENTRY_LENT;
		x->lease++;
		given[n++] = task_of(t, x, a);
	}
	pthread_mutex_unlock(&t->lock);
	*ret = given;
	*ret_n = n;
	return OK;
}

static enum err_code plan(void *ctx, size_t lanes, bool *ret_more, struct err *e)
{
	(void)ctx, (void)lanes, (void)e;
	*ret_more = false;
	return OK;
}

static enum err_code tick(void *ctx, int64_t *ret_next_ms, struct err *e)
{
	struct tasks *t = ctx;
	int64_t now = clock_wall_ms(), next = INT32_MAX;
	(void)e;
	pthread_mutex_lock(&t->lock);
	for (const struct entry *x = t->entries; x; x = x->next)
		if (x->state == ENTRY_WAITING && x->until_ms > now && x->until_ms - now < next)
			next = x->until_ms - now;
	pthread_mutex_unlock(&t->lock);
	*ret_next_ms = next;
	return OK;
}

static enum err_code keep(void *ctx, struct task_keep *k, size_t n, int64_t lease_ms, struct err *e)
{
	struct tasks *t = ctx;
	(void)lease_ms, (void)e;
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < n; i++) {
		const struct entry *x = t->entries;
		while (x && x->id != k[i].id)
			x = x->next;
		bool is_his = x && x->lease == k[i].lease &&
			(x->state == ENTRY_LENT || x->state == ENTRY_TELLING);
		k[i].stale = !is_his && !(x && x->state == ENTRY_ENDED);
	}
	pthread_mutex_unlock(&t->lock);
	return OK;
}

static enum err_code trash(void *ctx, const char *const *keys, size_t n, struct err *e)
{
	struct tasks *t = ctx;
	for (size_t i = 0; i < n; i++)
		if (blob_delete(t->blob, keys[i], e) != OK)
			return e->code;
	return OK;
}

/* ---- telling ---------------------------------------------------------------------------------- */

/* What the server said, in the batch's arena; NULL: nothing. Under the lock. */
static const struct report_answer *read_told(struct batch *b, const struct told *told)
{
	struct report_answer *v = NULL;
	size_t n = 0;
	struct err e = { 0 };
	const char *prefix = b->event.bucket.prefix ? b->event.bucket.prefix : "";
	if (!told->answer ||
		report_answers_parse(told->answer, prefix, b->arena, &v, &n, &e) != OK || n != 1)
		return NULL;
	return v;
}

static bool is_taken(const struct report_answer *v)
{
	return v && (v->verdict == REPORT_RECORDED || v->verdict == REPORT_REPEATED);
}

static void count_told(struct batch *b, const struct told *told, const struct report_answer *v)
{
	if (told->left)
		b->counts.left++;
	else if (is_taken(v))
		b->counts.told++;
	else
		b->counts.refused++;
	if (!told->left && (!v || v->verdict == REPORT_REFUSED))
		log_event(LOG_LAMBDA_REPORT_REFUSED, NULL, "detail=\"%s\"",
			v && v->why ? v->why : "the answer makes no sense");
}

/* The entry's report; ends it. Under the lock, which is given up meanwhile. *ret_answer lives as long
 * as the batch, and is NULL where there is none. ERR_STORE_STALE: it was not taken. */
static enum err_code tell(struct tasks *t, struct entry *x, const struct report_result *r,
	const struct report_answer **ret_answer, struct err *e)
{
	struct batch *b = x->of;
	struct told told = { 0 };
	*ret_answer = NULL;
	if (!b->courier) {
		batch_note(b, r);
		b->counts.told++;
		tasks_end(t, x, ENTRY_ENDED);
		return OK;
	}
	x->state = ENTRY_TELLING;
	t->telling++;
	pthread_mutex_unlock(&t->lock);
	courier_tell(b->courier, r, &x->task.secret, 1, &told);
	pthread_mutex_lock(&t->lock);
	t->telling--;
	*ret_answer = read_told(b, &told);
	count_told(b, &told, *ret_answer);
	json_decref(told.answer);
	bool stands = told.left || is_taken(*ret_answer);
	tasks_end(t, x, ENTRY_ENDED);
	return stands ? OK : err_set(e, ERR_STORE_STALE, "the server did not take the result");
}

/* Text that has to live as long as the batch. */
static const char *kept(struct entry *x, const char *s)
{
	return arena_strdup(x->of->arena, s);
}

/* ---- a fetch ---------------------------------------------------------------------------------- */

/* No server says what now: the event did. */
static void go_on_alone(struct tasks *t, struct entry *x, const struct fetched *f, struct arena *a,
	struct task *ret_make)
{
	x->task.kind = TASK_MAKE;
	x->task.source = x->source = f->original;
	x->etag = kept(x, f->etag);
	x->last_modified = kept(x, f->last_modified);
	x->download_ms = f->outcome.download_ms;
	x->host = NULL;
	*ret_make = task_of(t, x, a);
}

static enum err_code told_fetched(struct tasks *t, struct entry *x, const struct fetched *f,
	struct arena *a, struct task *ret_make, struct original *ret_original, struct err *e)
{
	struct report_result r = { .task = x->task.task,
		.status = f->not_modified ? REPORT_NOT_MODIFIED : REPORT_FETCHED,
		.has_source = !f->not_modified,
		.source = f->original,
		.etag = kept(x, f->etag),
		.last_modified = kept(x, f->last_modified),
		.outcome = f->outcome };
	const struct report_answer *v;
	if (tell(t, x, &r, &v, e) != OK)
		return e->code;
	if (v && v->source)
		*ret_original = *v->source;
	if (v && v->next && v->next->kind == TASK_MAKE && v->next->has_source) {
		struct entry *make = tasks_enter(t, x->of, v->next, ENTRY_LENT);
		if (t->closed)
			tasks_end(t, make, ENTRY_BACK);
		else
			*ret_make = task_of(t, make, a);
	}
	return OK;
}

static enum err_code finish_fetch(void *ctx, int64_t id, int64_t lease, const struct fetched *f,
	const char *owner, int64_t lease_ms, struct arena *a, struct task *ret_make,
	struct original *ret_original, struct err *e)
{
	struct tasks *t = ctx;
	(void)owner, (void)lease_ms;
	*ret_make = (struct task){ 0 };
	pthread_mutex_lock(&t->lock);
	struct entry *x = lent(t, id, lease);
	enum err_code code = x ? OK : stale(e);
	if (x && !x->of->courier && x->task.recipe.n > 0)
		go_on_alone(t, x, f, a, ret_make);
	else if (x)
		code = told_fetched(t, x, f, a, ret_make, ret_original, e);
	pthread_mutex_unlock(&t->lock);
	return code;
}

/* ---- a make ----------------------------------------------------------------------------------- */

/* By the worker's own digests, which know other codecs than the server's may. Two that differ in
 * their name only have one digest; taken: not to be found again. */
static const struct variant *variant_of(const struct tasks *t, const struct entry *x,
	const struct product *p, bool *taken, size_t *ret_i)
{
	uint8_t digest[VARIANT_DIGEST_LEN];
	for (size_t i = 0; i < x->task.recipe.n; i++) {
		variant_digest(&x->task.recipe.variants[i], t->codecs, digest);
		if (taken[i] || memcmp(digest, p->recipe, sizeof(digest)) != 0)
			continue;
		taken[i] = true;
		*ret_i = i;
		return &x->task.recipe.variants[i];
	}
	return NULL;
}

static size_t variants_of(const struct tasks *t, const struct entry *x, const struct made *m,
	struct report_variant *ret)
{
	autofree bool *taken = mem_array(x->task.recipe.n + 1, sizeof(*taken));
	for (size_t i = 0; i < m->n; i++) {
		size_t at = 0;
		const struct variant *v = variant_of(t, x, &m->products[i], taken, &at);
		ret[i] = (struct report_variant){ .name = v ? v->name : NULL,
			.product = m->products[i] };
		if (!v || !x->task.digests)
			continue;
		ret[i].has_recipe = true;
		memcpy(ret[i].product.recipe, x->task.digests[at], VARIANT_DIGEST_LEN);
	}
	return m->n;
}

static enum err_code finish_make(void *ctx, int64_t id, int64_t lease, const struct made *m,
	struct err *e)
{
	struct tasks *t = ctx;
	const struct report_answer *v;
	pthread_mutex_lock(&t->lock);
	struct entry *x = lent(t, id, lease);
	enum err_code code = x ? OK : stale(e);
	if (x) {
		struct report_result r = { .task = x->task.task,
			.status = REPORT_SUCCEEDED,
			.has_source = true,
			.source = m->original,
			.etag = x->etag,
			.last_modified = x->last_modified,
			.outcome = m->outcome };
		r.outcome.download_ms = x->download_ms;
		r.variants = arena_alloc(x->of->arena, (m->n + 1) * sizeof(*r.variants));
		r.variants_n = variants_of(t, x, m, r.variants);
		code = tell(t, x, &r, &v, e);
	}
	pthread_mutex_unlock(&t->lock);
	return code;
}

static enum err_code finish_cut(void *ctx, int64_t id, int64_t lease, const struct cut_made *m,
	struct err *e)
{
	(void)ctx, (void)id, (void)lease, (void)m;
	return err_set(e, ERR_INTERNAL, "cut-outs are not made by tasks of an event");
}

/* ---- what did not work ------------------------------------------------------------------------ */

static enum err_code tell_fault(struct tasks *t, struct entry *x, enum report_status status,
	const struct outcome *why, const struct original *found, int64_t after_ms, struct err *e)
{
	const struct report_answer *v;
	struct report_result r = { .task = x->task.task,
		.status = status,
		.has_source = found && found->key[0],
		.outcome = *why,
		.after_ms = after_ms };
	if (r.has_source)
		r.source = *found;
	r.outcome.stage = kept(x, why->stage);
	return tell(t, x, &r, &v, e);
}

static enum err_code fail(void *ctx, int64_t id, int64_t lease, const struct outcome *o,
	const struct original *found, struct err *e)
{
	struct tasks *t = ctx;
	pthread_mutex_lock(&t->lock);
	struct entry *x = lent(t, id, lease);
	enum err_code code = x ? tell_fault(t, x, REPORT_FAILED, o, found, 0, e) : stale(e);
	pthread_mutex_unlock(&t->lock);
	return code;
}

static void put_back(struct tasks *t, struct entry *x, int64_t until_ms)
{
	x->state = ENTRY_WAITING;
	x->until_ms = until_ms;
	pthread_cond_broadcast(&t->changed);
}

static enum err_code try_again(struct tasks *t, struct entry *x, int64_t until_ms,
	const struct outcome *why, bool crashed, struct err *e)
{
	int64_t wait_ms = until_ms - clock_wall_ms();
	struct outcome o = *why;
	x->crashes += crashed;
	x->tries += !crashed;
	if (x->crashes >= CRASHES_MAX) {
		o.code = ERR_DECODE_CRASHED;
		return tell_fault(t, x, REPORT_FAILED, &o, NULL, 0, e);
	}
	if (x->of->courier && clock_mono_ms() + wait_ms >= t->give_up_ms)
		return tell_fault(t, x, REPORT_LATER, &o, NULL, wait_ms, e);
	put_back(t, x, until_ms);
	return OK;
}

static enum err_code later(void *ctx, int64_t id, int64_t lease, int64_t until_ms,
	const struct outcome *why, bool crashed, struct err *e)
{
	struct tasks *t = ctx;
	pthread_mutex_lock(&t->lock);
	struct entry *x = lent(t, id, lease);
	enum err_code code = x ? OK : stale(e);
	if (x && why)
		code = try_again(t, x, until_ms, why, crashed, e);
	else if (x)
		put_back(t, x, until_ms);
	pthread_mutex_unlock(&t->lock);
	return code;
}

struct feed tasks_feed(struct tasks *t)
{
	return (struct feed){
		.ctx = t,
		.plan = plan,
		.tick = tick,
		.claim = claim,
		.keep = keep,
		.later = later,
		.finish_fetch = finish_fetch,
		.finish_make = finish_make,
		.finish_cut = finish_cut,
		.fail = fail,
		.trash = trash,
	};
}
