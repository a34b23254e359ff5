/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share. Everything marked "loop" is touched by the loop's thread only;
 * other threads reach it by posting to the reactor's inbox.
 */
#ifndef BULB_HTTP_HTTP_IMPL_H
#define BULB_HTTP_HTTP_IMPL_H

#include "base/buf.h"
#include "base/io.h"
#include "http/h1.h"
#include "http/http.h"
#include "http/inbox.h"
#include "http/wheel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#define HTTP_READ_BYTES 65536 /* one read; the buffer is shared by all connections of a loop */
#define HTTP_LINGER_MS  2000  /* between our last byte and closing the socket */
#define HTTP_STALL_MS   30000 /* a plain answer of which no byte is taken for so long */

struct conn;

/* ---- a request and its answer -------------------------------------------------------------- */

/* Bytes on their way out: memory first, then a range of a file. */
struct http_out {
	char *data;
	size_t bytes, at;
	int fd; /* -1: none */
	int64_t file_at, file_left;
	bool keep_alive;
	_Atomic size_t
		*answers; /* where `held` is counted as long as this is there; NULL: nowhere */
	size_t held;
};
void http_out_done(struct http_out *o);

enum { PARK_ARMED = 1, PARK_WOKEN = 2 }; /* both: fn may run */
struct http_parked {
	_Atomic unsigned flags;
	_Atomic bool gone;
	void (*fn)(void *ctx, struct http_request *r, bool gone); /* NULL before the first park */
	void *ctx;
	int64_t deadline_ms; /* from when it was parked */
};

/* What a handler left behind when it returned; on the stack of its thread. */
struct turn {
	struct http_request *parked, *streams;
};

struct http_request {
	struct post post;          /* back to the loop, with the answer */
	struct http_request *next; /* in the queue of the request threads */
	struct http_server *server;
	struct reactor *reactor;
	struct conn *conn; /* loop */
	struct h1_message m;
	struct http_field *set; /* http_set, newest first */
	void (*on_answer)(void *ctx, int status);
	void *on_answer_ctx;
	struct http_out out;
	struct http_parked parked;
	http_part_fn *part; /* makes the next part of the answer; NULL: it is whole */
	void (*part_done)(void *ctx); /* or NULL: called as the request goes */
	void *part_ctx;
	struct turn *turn; /* only while a handler runs that has not answered */
	struct http_stream *stream;
};
struct http_request *request_new(struct conn *c, struct h1_message *m); /* takes what m owns */
void http_request_free(struct http_request *r);
/* Hand the answer in r->out to the loop; r is not the caller's any more. */
void request_answered(struct http_request *r);
void request_status(struct http_request *r, int status); /* it will be this one */

/* ---- threads.c: the request threads -------------------------------------------------------- */
struct pool {
	pthread_mutex_t lock;
	pthread_cond_t some;
	struct http_request *head, *tail;
	pthread_t *threads;
	size_t threads_n;
	bool stop;
};
enum err_code pool_start(struct http_server *s, struct err *e) MUST_CHECK;
void pool_add(struct pool *p, struct http_request *r);
void pool_stop(struct pool *p); /* after the last request; joins */
/* Set one of the two park bits; the one who completes them queues the request. */
void park_flag(struct http_request *r, unsigned flag);

/* ---- parts.c -------------------------------------------------------------------------------- */
void parts_next(struct http_request *r); /* on a request thread: make it and hand it over */

/* ---- reactor.c: one loop and its thread ---------------------------------------------------- */
struct reactor {
	struct http_server *server;
	pthread_t thread;
	struct inbox *inbox;
	uv_loop_t loop;
	uv_async_t async;
	uv_idle_t turn; /* active while streams wait for their turn to write */
	uv_timer_t tick;
	uv_poll_t accept;
	bool accepting, draining, stopping;
	int spare_fd;       /* closed to accept, and refuse, when there is no other left */
	struct wheel wheel; /* every connection that is not closed */
	size_t conns;       /* structures, closed ones with a request on a thread included */
	struct http_stream *dirty, **dirty_end;
	struct post drain_post, stop_post;
	char in[HTTP_READ_BYTES];
};
enum err_code reactor_start(struct reactor *rt, struct http_server *s, struct err *e) MUST_CHECK;
void reactor_join(struct reactor *rt);
void server_conn_closed(struct http_server *s); /* one open connection less */
void reactor_conn_gone(struct reactor *rt);     /* a connection structure was freed */

struct http_server {
	struct http_opts o;
	struct pool pool;
	struct reactor *reactors;
	size_t reactors_n;
	struct h1_limits limits;
	_Atomic size_t answers; /* bytes of large answers that are not all sent */
	_Atomic size_t conns;
	size_t conns_shown; /* in the metric; the first reactor's */
	pthread_mutex_t last_lock;
	pthread_cond_t last; /* conns has become 0 */
	_Atomic bool draining;
	_Atomic size_t listeners; /* reactors that accept, and 1 until the server drains: whoever is
	                           * the last closes listen_fd */
	_Atomic int64_t full_logged_ms, refused_logged_ms;
	_Atomic size_t refused; /* since the last of them that was logged */
};
void server_show_conns(struct http_server *s);
void server_leave_listener(struct http_server *s);
/* Strangers cause these lines: at most one in every_ms. */
bool server_may_log(_Atomic int64_t *last_ms, int64_t every_ms);

/* ---- conn.c: one connection (loop) --------------------------------------------------------- */
enum conn_state {
	CONN_READ,  /* a request, or waiting for one */
	CONN_BUSY,  /* a request thread has the request */
	CONN_WRITE, /* the answer goes out */
	CONN_STREAM,
	CONN_LINGER, /* all was sent: read and forget until the other side closes */
	CONN_CLOSED,
};
/* What a connection needs only while it speaks plain HTTP. */
struct plain {
	struct h1 *h1;
	struct buf rest; /* bytes that came after the request in hand */
	struct http_out out;
	struct http_request
		*parts;   /* of whose answer `out` is a part; NULL: it is all, or the last */
	int64_t since_ms; /* of the phase: header, body, idle, no progress in writing */
	uv_fs_t file_op;  /* a sendfile under way */
	bool file_busy;
};
struct conn {
	uv_poll_t poll;
	struct timer timer;
	struct reactor *reactor;
	struct plain *plain; /* NULL once it is a stream */
	struct http_stream *stream;
	struct http_request *parked; /* CONN_BUSY: only its park may be touched from here */
	int fd;
	uint8_t interest; /* uv_poll events asked for */
	uint8_t state;
	uint8_t refs; /* handle, request on a thread, file operation */
};
void conn_accept(struct reactor *rt, int fd, const struct ip *peer);
void conn_close(struct conn *c, const char *why); /* why: what a stream's closed() is told */
void conn_unref(struct conn *c);
void conn_timeout(struct conn *c);
void conn_drain(struct conn *c);
void conn_want(struct conn *c, int events);
void conn_due(struct conn *c, int64_t at_ms);
void conn_upgrade(struct conn *c, struct http_stream *s); /* from plain HTTP to a stream */
void conn_linger(struct conn *c, int64_t ms);
void conn_stop(struct conn *c);   /* the server ends */
void conn_answer(struct post *p); /* of a request: write r->out or open r->stream */
void conn_parked(struct conn *c, struct http_request *r, int64_t deadline_ms);
void conn_written(struct conn *c); /* the whole answer was taken by the kernel */
static inline int64_t conn_now(const struct conn *c)
{
	return (int64_t)uv_now(&c->reactor->loop);
}

/* ---- conn_write.c -------------------------------------------------------------------------- */
void conn_write(struct conn *c); /* as much of plain->out as the socket takes */

/* ---- respond.c ----------------------------------------------------------------------------- */
/* The head of an answer. body_bytes < 0: no Content-Length. */
void respond_head(struct http_request *r, int status, int64_t body_bytes, bool keep_alive,
	struct buf *out);
/* A whole refusal without a request behind it; the caller frees. request_id "" or NULL: one is made.
 */
struct http_out respond_refusal(struct http_server *s, const struct http_refusal *q);
/* The same for a request that a handler has; r is not the caller's any more. */
void request_refuse(struct http_request *r, enum err_code code, const char *detail);
bool etag_matches(const char *list, const char *etag); /* If-None-Match, weak comparison */

/* ---- stream.c, stream_write.c: (loop unless http.h says otherwise) ------------------------- */
struct http_stream {
	struct post wake;
	struct inbox *inbox; /* one reference */
	_Atomic unsigned refs;
	_Atomic bool woken; /* the wake is in the inbox */
	_Atomic bool over;  /* closed() was called or is about to be */
	uint8_t kind;
	bool dirty;   /* in the reactor's list, which holds a reference */
	bool blocked; /* the socket is full: wait until it takes bytes again */
	bool ping_due;
	struct conn *conn;                 /* NULL before it is open and after it is gone */
	const struct http_stream_ops *ops; /* NULL once it has ended: only the rest is written */
	void *ctx;
	struct http_stream *dirty_next;
	struct http_frame **queue;       /* handed out and not all sent; NULL when there are none */
	uint32_t queue_n, queue_at;      /* frames; bytes sent of the first */
	struct http_frame *pong, *close; /* to send: an answer to the latest ping; the last frame */
	struct ws_recv *rx;              /* a message that has arrived in part, or NULL */
	uint32_t max_message, ping_ms, stall_ms, linger_ms;
	int64_t received_ms, sent_ms, moved_ms; /* last byte in, frame handed out, byte taken */
	int64_t ping_at_ms, end_ms;             /* end_ms: patience with an ended stream */
};
void stream_open(struct conn *c, struct http_request *r); /* frees r */
void stream_unref(struct http_stream *s);
void stream_dirty(struct http_stream *s);
bool stream_turn(struct http_stream *s); /* write a share; true: it wants another turn */
void stream_received(struct http_stream *s, const char *data, size_t n);
void stream_timeout(struct http_stream *s);
void stream_plan(struct http_stream *s); /* set the connection's timer */
/* No more frames are asked for; closed(why) is called; what was handed out goes out, then the
 * Close frame (code 0: without a body), then the connection ends. */
void stream_end(struct http_stream *s, int code, const char *reason, const char *why);
void stream_gone(struct http_stream *s, const char *why); /* the connection is closed */
void stream_slow(struct http_stream *s);                  /* it took nothing for too long */
void stream_writable(struct http_stream *s);

/* ---- frame.c ------------------------------------------------------------------------------- */
struct http_frame {
	_Atomic unsigned refs;
	uint32_t bytes;
	char data[];
};
struct http_frame *frame_control(unsigned opcode, const void *payload, size_t n);
struct http_frame *frame_close(int code, const char *reason);

/* ---- ws_handshake.c ------------------------------------------------------------------------ */
#define WS_ACCEPT_MAX 32
/* RFC 6455 §4.2: OK and the Sec-WebSocket-Accept value, or why not. */
enum err_code ws_handshake(const struct http_request *r, char accept[WS_ACCEPT_MAX], struct err *e)
	MUST_CHECK;

#endif
