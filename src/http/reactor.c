/* SPDX-License-Identifier: MIT
 *
 * One event loop and its thread: accepts, ticks, takes posts from other threads, and gives streams
 * that have something to write their turns, a bounded number each time round, so that a broadcast
 * to ten thousand readers does not hold up a request.
 */
#include "http/http_impl.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 64
#define STREAMS_A_TURN 256

/* ---- accepting ----------------------------------------------------------------------------- */

static void log_full(struct http_server *s, const char *what)
{
	if (server_may_log(&s->full_logged_ms, 10000))
		log_event(LOG_HTTP_FULL, NULL, "connections=%zu reason=\"%s\"",
			atomic_load(&s->conns), what);
}

/* Say why, as far as the socket takes it, and close; nothing was read and nothing is waited for. */
static void refuse_fd(struct reactor *rt, int fd, const char *detail)
{
	struct http_refusal q = { .code = ERR_OVERLOADED, .detail = detail };
	struct http_out o = respond_refusal(rt->server, &q);
	ssize_t n = send(fd, o.data, o.bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)n;
	shutdown(fd, SHUT_WR);
	close(fd);
	http_out_done(&o);
	log_full(rt->server, detail);
}

static int open_spare(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* No descriptor is left: give up the spare one for a moment, or the listener stays readable and the
 * loop spins. Another thread may be quicker to take it; then nobody is accepted until there is a
 * spare one again. */
static bool refuse_with_spare(struct reactor *rt)
{
	fd_close(&rt->spare_fd);
	int fd = accept4(rt->server->o.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		refuse_fd(rt, fd, "no file descriptor is left");
	rt->spare_fd = open_spare();
	if (rt->spare_fd < 0)
		uv_poll_stop(&rt->accept);
	return fd >= 0 && rt->spare_fd >= 0;
}

static bool accept_one(struct reactor *rt)
{
	struct http_server *s = rt->server;
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	int fd = accept4(s->o.listen_fd, (struct sockaddr *)&ss, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		return refuse_with_spare(rt);
	if (fd < 0)
		return errno == EINTR || errno == ECONNABORTED;
	if (atomic_load(&s->conns) >= s->o.max_connections) {
		refuse_fd(rt, fd, "the server has as many connections as it takes");
		return true;
	}
	struct ip peer = { 0 };
	(void)ip_from_sockaddr((struct sockaddr *)&ss, &peer);
	conn_accept(rt, fd, &peer);
	return true;
}

static void on_acceptable(uv_poll_t *h, int status, int events)
{
	struct reactor *rt = h->data;
	(void)events;
	for (int i = 0; status == 0 && i < ACCEPTS_A_TURN && accept_one(rt); i++)
		;
}

static void accept_again(struct reactor *rt)
{
	rt->spare_fd = open_spare();
	if (rt->spare_fd >= 0 && rt->accepting)
		uv_poll_start(&rt->accept, UV_READABLE, on_acceptable);
}

static void stop_accepting(struct reactor *rt)
{
	if (!rt->accepting)
		return;
	rt->accepting = false;
	uv_close((uv_handle_t *)&rt->accept, NULL);
	server_leave_listener(rt->server);
}

/* ---- the end ------------------------------------------------------------------------------- */

static struct http_stream *take_dirty(struct reactor *rt)
{
	struct http_stream *s = rt->dirty;
	if (s) {
		rt->dirty = s->dirty_next;
		s->dirty = false;
	}
	if (!rt->dirty)
		rt->dirty_end = &rt->dirty;
	return s;
}

static void close_if_done(struct reactor *rt)
{
	if (!rt->stopping || rt->conns)
		return;
	for (struct http_stream *s; (s = take_dirty(rt)) != NULL;)
		stream_unref(s);
	inbox_close(rt->inbox);
	uv_close((uv_handle_t *)&rt->async, NULL);
	uv_close((uv_handle_t *)&rt->turn, NULL);
	uv_close((uv_handle_t *)&rt->tick, NULL);
}

void reactor_conn_gone(struct reactor *rt)
{
	rt->conns--;
	close_if_done(rt);
}

static void drain_one(struct timer *t, void *ctx)
{
	(void)ctx;
	conn_drain(container_of(t, struct conn, timer));
}

static void on_drain(struct post *p)
{
	struct reactor *rt = container_of(p, struct reactor, drain_post);
	rt->draining = true;
	stop_accepting(rt);
	wheel_each(&rt->wheel, drain_one, NULL);
}

static void on_stop(struct post *p)
{
	struct reactor *rt = container_of(p, struct reactor, stop_post);
	stop_accepting(rt);
	rt->stopping = rt->draining = true;
	rt->conns++; /* not before the last of them */
	for (struct timer *t; (t = wheel_pop_any(&rt->wheel)) != NULL;)
		conn_stop(container_of(t, struct conn, timer));
	reactor_conn_gone(rt);
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void wake_loop(void *ctx)
{
	struct reactor *rt = ctx;
	uv_async_send(&rt->async);
}

static void on_async(uv_async_t *h)
{
	struct reactor *rt = h->data;
	inbox_run(rt->inbox);
}

static void on_tick(uv_timer_t *h)
{
	struct reactor *rt = h->data;
	int64_t now = (int64_t)uv_now(&rt->loop);
	for (struct timer *t; (t = wheel_pop(&rt->wheel, now)) != NULL;)
		conn_timeout(container_of(t, struct conn, timer));
	if (rt->spare_fd < 0)
		accept_again(rt);
	if (rt == rt->server->reactors)
		server_show_conns(rt->server);
}

static void on_turn(uv_idle_t *h)
{
	struct reactor *rt = h->data;
	for (int i = 0; i < STREAMS_A_TURN && rt->dirty; i++) {
		struct http_stream *s = take_dirty(rt);
		if (s->conn && stream_turn(s))
			stream_dirty(s);
		stream_unref(s);
	}
	if (!rt->dirty)
		uv_idle_stop(h);
}

void stream_dirty(struct http_stream *s)
{
	if (s->dirty || !s->conn)
		return;
	struct reactor *rt = s->conn->reactor;
	if (!rt->dirty)
		uv_idle_start(&rt->turn, on_turn);
	s->dirty = true;
	s->dirty_next = NULL;
	*rt->dirty_end = s;
	rt->dirty_end = &s->dirty_next;
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

static void *reactor_main(void *arg)
{
	struct reactor *rt = arg;
	sigset_t pipe;
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE); /* sendfile has no MSG_NOSIGNAL; libuv's pool inherits this */
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	uv_run(&rt->loop, UV_RUN_DEFAULT);
	return NULL;
}

static void init_handles(struct reactor *rt)
{
	uv_async_init(&rt->loop, &rt->async, on_async);
	uv_idle_init(&rt->loop, &rt->turn);
	uv_timer_init(&rt->loop, &rt->tick);
	rt->async.data = rt->turn.data = rt->tick.data = rt->accept.data = rt;
	uv_timer_start(&rt->tick, on_tick, WHEEL_TICK_MS, WHEEL_TICK_MS);
	if (uv_poll_init(&rt->loop, &rt->accept, rt->server->o.listen_fd) == 0) {
		rt->accepting = true;
		atomic_fetch_add(&rt->server->listeners, 1);
		uv_poll_start(&rt->accept, UV_READABLE, on_acceptable);
	}
}

enum err_code reactor_start(struct reactor *rt, struct http_server *s, struct err *e)
{
	rt->server = s;
	rt->spare_fd = open_spare();
	rt->dirty_end = &rt->dirty;
	rt->drain_post.fn = on_drain;
	rt->stop_post.fn = on_stop;
	int error = uv_loop_init(&rt->loop);
	if (error)
		return err_set(e, ERR_SYSTEM, "event loop: %s", uv_strerror(error));
	wheel_init(&rt->wheel, (int64_t)uv_now(&rt->loop));
	init_handles(rt);
	rt->inbox = inbox_new(wake_loop, rt);
	error = pthread_create(&rt->thread, NULL, reactor_main, rt);
	if (error) {
		stop_accepting(rt);
		return err_sys(e, ERR_SYSTEM, error, "event loop's thread");
	}
	return OK;
}

void reactor_join(struct reactor *rt)
{
	(void)inbox_post(rt->inbox, &rt->stop_post);
	pthread_join(rt->thread, NULL);
	inbox_run(rt->inbox); /* wakes that came too late */
	uv_loop_close(&rt->loop);
	inbox_unref(rt->inbox);
	fd_close(&rt->spare_fd);
}
