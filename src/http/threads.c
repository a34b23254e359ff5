/* SPDX-License-Identifier: MIT
 *
 * Request threads: a queue that is never longer than the number of connections, because each
 * connection has at most one request here, and a few threads that may block.
 *
 * A request that parks holds no thread. Two things must have happened before its fn runs: the
 * function that parked it has returned (so that it could store the http_parked somewhere), and
 * somebody woke it. Each sets a bit; whoever sets the second one queues the request.
 */
#include "http/http_impl.h"

void pool_add(struct pool *p, struct http_request *r)
{
	pthread_mutex_lock(&p->lock);
	r->next = NULL;
	if (p->tail)
		p->tail->next = r;
	else
		p->head = r;
	p->tail = r;
	pthread_cond_signal(&p->some);
	pthread_mutex_unlock(&p->lock);
}

static struct http_request *pool_take(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	while (!p->head && !p->stop)
		pthread_cond_wait(&p->some, &p->lock);
	struct http_request *r = p->head;
	if (r) {
		p->head = r->next;
		if (!p->head)
			p->tail = NULL;
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

void park_flag(struct http_request *r, unsigned flag)
{
	unsigned before = atomic_fetch_or(&r->parked.flags, flag);
	if ((before | flag) == (PARK_ARMED | PARK_WOKEN) && before != (before | flag))
		pool_add(&r->server->pool, r);
}

struct http_parked *http_park(struct http_request *r, int64_t deadline_ms,
	void (*fn)(void *ctx, struct http_request *r, bool gone), void *ctx)
{
	r->parked.fn = fn;
	r->parked.ctx = ctx;
	r->parked.deadline_ms = deadline_ms;
	atomic_store(&r->parked.flags, 0);
	h1_body_done(&r->m, &r->server->limits); /* others wait for its place */
	r->turn->parked = r;
	return &r->parked;
}

void http_unpark(struct http_parked *p)
{
	park_flag(container_of(p, struct http_request, parked), PARK_WOKEN);
}

/* Tells the loop of a deadline to keep and a client to watch. */
struct park_post {
	struct post post;
	struct http_request *r;
};

static void park_arrived(struct post *p)
{
	struct http_request *r = container_of(p, struct park_post, post)->r;
	conn_parked(r->conn, r, r->parked.deadline_ms);
	free(container_of(p, struct park_post, post));
}

/* The handler has returned. The post goes first: once armed, r may be answered and gone at any
 * moment, and the loop takes posts in order. */
static void arm(struct http_request *r)
{
	struct park_post *p = mem_new(struct park_post);
	p->post.fn = park_arrived;
	p->r = r;
	(void)inbox_post(r->reactor->inbox, &p->post); /* open as long as there are requests */
	park_flag(r, PARK_ARMED);
}

static void *thread_main(void *arg)
{
	struct http_server *s = arg;
	for (struct http_request *r; (r = pool_take(&s->pool)) != NULL;) {
		struct turn turn = { NULL, NULL };
		r->turn = &turn;
		if (r->part)
			parts_next(r);
		else if (r->parked.fn)
			r->parked.fn(r->parked.ctx, r, atomic_load(&r->parked.gone));
		else
			s->o.handle(s->o.ctx, r);
		/* r may be gone by now, unless it is in turn */
		if (turn.parked)
			arm(turn.parked);
		else if (turn.streams)
			request_answered(turn.streams);
	}
	return NULL;
}

enum err_code pool_start(struct http_server *s, struct err *e)
{
	struct pool *p = &s->pool;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->some, NULL);
	p->threads = mem_array(s->o.threads, sizeof(*p->threads));
	for (; p->threads_n < s->o.threads; p->threads_n++) {
		int error = pthread_create(&p->threads[p->threads_n], NULL, thread_main, s);
		if (error)
			return err_sys(e, ERR_SYSTEM, error, "request thread");
	}
	return OK;
}

void pool_stop(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->some);
	pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < p->threads_n; i++)
		pthread_join(p->threads[i], NULL);
	free(p->threads);
	pthread_cond_destroy(&p->some);
	pthread_mutex_destroy(&p->lock);
}
