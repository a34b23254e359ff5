/* SPDX-License-Identifier: MIT
 *
 * A server's beginning and end. Ending has an order: the loops first, each when its last connection
 * structure is gone, which is when the last request was answered; then the request threads, which
 * by then have nothing to do.
 */
#include "http/http_impl.h"

#include "base/clock.h"
#include "base/metrics.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static size_t default_connections(void)
{
	struct rlimit rl = { 0 };
	if (getrlimit(RLIMIT_NOFILE, &rl) || rl.rlim_cur == RLIM_INFINITY)
		return 100000;
	return rl.rlim_cur > 1000 ? (size_t)rl.rlim_cur - 500 : (size_t)rl.rlim_cur / 2;
}

static void fill_defaults(struct http_opts *o)
{
	o->threads = o->threads ? o->threads : 4;
	o->reactors = o->reactors ? o->reactors : 1;
	o->max_body_bytes = o->max_body_bytes ? o->max_body_bytes : 10 << 20;
	o->max_bodies_bytes = o->max_bodies_bytes ? o->max_bodies_bytes : 64 << 20;
	o->max_answers_bytes = o->max_answers_bytes ? o->max_answers_bytes : 256 << 20;
	o->max_connections = o->max_connections ? o->max_connections : default_connections();
	o->header_ms = o->header_ms ? o->header_ms : 10000;
	o->body_ms = o->body_ms ? o->body_ms : 60000;
	o->body_bytes_per_s = o->body_bytes_per_s ? o->body_bytes_per_s : 8192;
	o->idle_ms = o->idle_ms ? o->idle_ms : 65000;
}

/* Inherited by every accepted socket. The timeout ends what sends only a comment now and then to a
 * peer that is no more; it is longer than the patience with a slow reader. */
static void set_options(int fd)
{
	int on = 1;
	unsigned ms = 120000;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

enum err_code http_server_new(const struct http_opts *o, struct http_server **ret, struct err *e)
{
	struct http_server *s = mem_new(struct http_server);
	s->o = *o;
	pthread_mutex_init(&s->last_lock, NULL);
	pthread_cond_init(&s->last, NULL);
	fill_defaults(&s->o);
	s->limits.max_body = s->o.max_body_bytes;
	bodies_init(&s->limits.bodies, s->o.max_bodies_bytes, s->o.max_body_bytes);
	s->limits.client = o->client;
	s->limits.ctx = o->ctx;
	set_options(o->listen_fd);
	atomic_store(&s->listeners, 1);
	s->reactors = mem_array(s->o.reactors, sizeof(*s->reactors));
	atomic_store(&s->full_logged_ms, INT64_MIN / 2);
	atomic_store(&s->refused_logged_ms, INT64_MIN / 2);
	enum err_code code = pool_start(s, e);
	for (; !code && s->reactors_n < s->o.reactors; s->reactors_n += !code)
		code = reactor_start(&s->reactors[s->reactors_n], s, e);
	if (code) {
		http_server_free(s);
		return code;
	}
	*ret = s;
	return OK;
}

void server_show_conns(struct http_server *s)
{
	size_t now = atomic_load(&s->conns);
	if (now != s->conns_shown)
		metric_add(METRIC_CONNECTIONS, (double)now - (double)s->conns_shown, NULL, NULL,
			NULL);
	s->conns_shown = now;
}

bool server_may_log(_Atomic int64_t *last_ms, int64_t every_ms)
{
	int64_t now = clock_mono_ms(), last = atomic_load(last_ms);
	return now - last >= every_ms && atomic_compare_exchange_strong(last_ms, &last, now);
}

/* A connection that nobody will accept must be refused: left in the queue of an open listener, its
 * client would wait until the process ends. */
void server_leave_listener(struct http_server *s)
{
	if (atomic_fetch_sub(&s->listeners, 1) == 1)
		close(s->o.listen_fd);
}

void http_server_drain(struct http_server *s)
{
	if (atomic_exchange(&s->draining, true))
		return;
	for (size_t i = 0; i < s->reactors_n; i++)
		(void)inbox_post(s->reactors[i].inbox, &s->reactors[i].drain_post);
	server_leave_listener(s);
}

void server_conn_closed(struct http_server *s)
{
	if (atomic_fetch_sub(&s->conns, 1) != 1)
		return;
	pthread_mutex_lock(&s->last_lock);
	pthread_cond_broadcast(&s->last);
	pthread_mutex_unlock(&s->last_lock);
}

void http_server_wait(struct http_server *s, int64_t ms)
{
	struct timespec until = clock_deadline(ms);
	int timed_out = 0;
	pthread_mutex_lock(&s->last_lock);
	while (atomic_load(&s->conns) && !timed_out)
		timed_out = pthread_cond_clockwait(&s->last, &s->last_lock, CLOCK_MONOTONIC,
			&until);
	pthread_mutex_unlock(&s->last_lock);
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	bool listens = !atomic_exchange(&s->draining, true);
	for (size_t i = 0; i < s->reactors_n; i++)
		reactor_join(&s->reactors[i]);
	pool_stop(&s->pool);
	server_show_conns(s);
	if (listens)
		server_leave_listener(s);
	pthread_cond_destroy(&s->last);
	pthread_mutex_destroy(&s->last_lock);
	free(s->reactors);
	free(s);
}
