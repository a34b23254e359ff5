/* SPDX-License-Identifier: MIT
 *
 * The threads of push. A few read pages from the store and render them, do what sockets ask for in
 * messages, and probe jobs for waiters; all of that is a queue of chores. One more looks at the
 * clock: once a poll it asks the store for the last sequence of all watched jobs, so that a lost
 * hint costs a second and nothing else, and sends heartbeats.
 */
#include "push/push_impl.h"

#include "base/clock.h"

/* Nearly all are due when they are added, and go to the end. */
void chore_add_at(struct push *p, struct chore *c, int64_t due_ms)
{
	struct link *at;

	if (c->queued && c->due_ms <= due_ms)
		return;
	chore_drop(c);
	c->queued = true;
	c->due_ms = due_ms;
	for (at = p->chores.prev; at != &p->chores; at = at->prev)
		if (LINK_OF(at, struct chore, link)->due_ms <= due_ms)
			break;
	link_add_after(at, &c->link);
	pthread_cond_signal(&p->work);
}

void chore_add(struct push *p, struct chore *c)
{
	chore_add_at(p, c, clock_mono_ms());
}

void chore_drop(struct chore *c)
{
	if (c->queued)
		link_del(&c->link);
	c->queued = false;
}

/* Until there may be one that is due. */
static void await_chore(struct push *p, const struct chore *first, int64_t now_ms)
{
	if (!first) {
		pthread_cond_wait(&p->work, &p->lock);
		return;
	}
	struct timespec until = clock_deadline(first->due_ms - now_ms);
	pthread_cond_clockwait(&p->work, &p->lock, CLOCK_MONOTONIC, &until);
}

static void *chores_main(void *arg)
{
	struct push *p = arg;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		struct link *l = link_first(&p->chores);
		struct chore *c = l ? LINK_OF(l, struct chore, link) : NULL;
		int64_t now = clock_mono_ms();
		if (!c || c->due_ms > now) {
			await_chore(p, c, now);
			continue;
		}
		chore_drop(c);
		c->run(p, c);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* ---- the clock ------------------------------------------------------------------------------ */

static size_t watched_jobs(struct push *p, int64_t **ret)
{
	int64_t *nos = mem_array(p->watches_n + 1, sizeof(*nos));
	size_t n = 0;

	for (size_t i = 0; i < WATCH_BUCKETS; i++)
		for (struct watch *w = p->watches[i]; w; w = w->next)
			nos[n++] = w->no;
	*ret = nos;
	return n;
}

static void poll_store(struct push *p)
{
	autofree int64_t *nos = NULL;
	size_t n = watched_jobs(p, &nos);
	struct err e;

	if (n == 0)
		return;
	pthread_mutex_unlock(&p->lock);
	autofree int64_t *seqs = mem_array(n, sizeof(*seqs));
	enum err_code code = store_seqs(p->o.store, nos, n, seqs, &e);
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < n && code == OK; i++) {
		struct watch *w = watch_find(p, nos[i]);
		if (w && seqs[i] < 0)
			watch_gone(w);
		else if (w)
			watch_news(w, seqs[i]);
	}
}

static void tick_readers(struct push *p)
{
	int64_t mono = clock_mono_ms(), wall = clock_wall_ms();

	for (struct link *l = link_first(&p->readers); l; l = link_next(&p->readers, l))
		reader_tick(LINK_OF(l, struct reader, link), mono, wall);
}

void push_look(struct push *p)
{
	pthread_mutex_lock(&p->lock);
	tick_readers(p);
	pthread_mutex_unlock(&p->lock);
}

static void *clock_main(void *arg)
{
	struct push *p = arg;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		struct timespec until = clock_deadline(p->o.poll_ms);
		pthread_cond_clockwait(&p->tick, &p->lock, CLOCK_MONOTONIC, &until);
		if (p->stop)
			break;
		poll_store(p);
		tick_readers(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* ---- life ----------------------------------------------------------------------------------- */

void push_stop(struct push *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_cond_broadcast(&p->tick);
	pthread_mutex_unlock(&p->lock);
	for (; p->threads_n > 0; p->threads_n--)
		pthread_join(p->threads[p->threads_n - 1], NULL);
}

static enum err_code start_threads(struct push *p, size_t n, struct err *e)
{
	for (; p->threads_n < n; p->threads_n++) {
		void *(*fn)(void *) = p->threads_n == 0 ? clock_main : chores_main;
		int rc = pthread_create(&p->threads[p->threads_n], NULL, fn, p);
		if (rc)
			return err_sys(e, ERR_SYSTEM, rc, "cannot start a push thread");
	}
	return OK;
}

enum err_code push_new(const struct push_opts *o, struct push **ret, struct err *e)
{
	struct push *p = mem_new(struct push);

	p->o = *o;
	p->o.blob_url = p->blob_url = mem_strdup(o->blob_url);
	if (p->o.poll_ms <= 0)
		p->o.poll_ms = 1000;
	if (p->o.cache_bytes == 0)
		p->o.cache_bytes = 64 << 20;
	if (p->o.threads == 0)
		p->o.threads = 1;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->tick, NULL);
	link_init(&p->chores);
	link_init(&p->readers);
	link_init(&p->lru);
	p->threads = mem_array(p->o.threads + 1, sizeof(*p->threads));
	if (start_threads(p, p->o.threads + 1, e) != OK) {
		push_free(p);
		return e ? e->code : ERR_SYSTEM;
	}
	*ret = p;
	return OK;
}

void push_free(struct push *p)
{
	if (!p)
		return;
	push_stop(p);
	while (!link_empty(&p->readers))
		reader_free(LINK_OF(link_first(&p->readers), struct reader, link));
	for (size_t i = 0; i < WATCH_BUCKETS; i++)
		while (p->watches[i]) {
			p->watches[i]->pins = 0;
			watch_free(p->watches[i]);
		}
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->tick);
	pthread_mutex_destroy(&p->lock);
	free(p->threads);
	free(p->blob_url);
	free(p);
}

void push_news(struct push *p, int64_t job_no, int64_t seq)
{
	pthread_mutex_lock(&p->lock);
	struct watch *w = watch_find(p, job_no);
	if (w && seq > 0)
		watch_news(w, seq);
	else if (w)
		chore_add(p, &w->probe);
	pthread_mutex_unlock(&p->lock);
}

/* ---- parked requests ------------------------------------------------------------------------ */

/* On a request thread, once: the wait is over, for whatever reason. */
static void wait_over(void *ctx, struct http_request *r, bool gone)
{
	struct waiter *w = ctx;
	struct push *p = w->watch->push;

	pthread_mutex_lock(&p->lock);
	link_del(&w->link);
	watch_release(w->watch);
	pthread_mutex_unlock(&p->lock);
	w->fn(w->ctx, r, gone);
	free(w);
}

void push_wait(struct push *p, struct http_request *r, int64_t job_no, int64_t after,
	bool ended_only, int64_t ms, void (*fn)(void *ctx, struct http_request *r, bool gone),
	void *ctx)
{
	struct waiter *w = mem_new(struct waiter);

	*w = (struct waiter){ .after = after, .ended_only = ended_only, .fn = fn, .ctx = ctx };
	pthread_mutex_lock(&p->lock);
	w->watch = watch_get(p, job_no);
	watch_heard(w->watch, after);
	link_add_last(&w->watch->waiters, &w->link);
	w->parked = http_park(r, ms, wait_over, w); /* wait_over waits for the mutex */
	watch_wake_waiters(w->watch);
	if (!w->watch->sure)
		chore_add(p, &w->watch->probe);
	pthread_mutex_unlock(&p->lock);
}

/* ---- streams -------------------------------------------------------------------------------- */

void push_watch(struct push *p, struct http_request *r, enum http_stream_kind kind,
	const struct push_reader_opts *o)
{
	struct reader *reader = reader_new(p, kind);

	pthread_mutex_lock(&p->lock);
	reader->heartbeat_ms = kind == HTTP_STREAM_WS ? (int32_t)o->heartbeat_ms : 0;
	if (o->after <= o->job->seq) {
		struct watch *w = watch_get(p, o->job->no);
		watch_describe(w, o->job);
		struct rendition *of = rendition_get(w, o->base_url, o->events_url, kind);
		reader_add_cursor(reader, of, o->after, &o->pass);
	}
	if (reader_start(reader, r) && o->after > o->job->seq)
		reader_close(reader, 1008, "request_after");
	pthread_mutex_unlock(&p->lock);
}
