/* SPDX-License-Identifier: MIT
 *
 * An HTTP/1.1 server with WebSocket (RFC 6455) and server-sent events, on libuv. It has never heard
 * of jobs. One event loop a reactor; a request that has arrived whole is handed to one of a few
 * request threads, which may block; answers and stream wake-ups may come from any thread.
 *
 * Limits (docs/configuration.md): header block 16 KiB and 64 fields (431), URI 8 KiB (414), body by
 * Content-Length before it is read and counted when chunked (413), all bodies in flight together
 * and those of one client (503), large answers that wait for their readers together (503), whole header within 10 s and body
 * at 8 KiB/s + 60 s (408), keep-alive idle 65 s.
 */
#ifndef BULB_HTTP_HTTP_H
#define BULB_HTTP_HTTP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/ip.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_server;
struct http_request;

struct http_field {
	const char *name, *value;
	struct http_field *next;
};
/* A request that is refused by this room: before handle() saw it (parse errors, limits) or when it
 * was to be answered (upgrades, full memory). */
struct http_refusal {
	enum err_code code;
	const char *detail, *request_id;
	const char *origin; /* its Origin, as far as it was read; NULL */
};
struct http_problem {
	const char *body; /* a problem document */
	size_t n;
	const struct http_field *fields; /* beside its Content-Type; NULL: none */
};

/* Who asks: the peer, or whom a proxy that is trusted says it asks for. What the proxies wrote is NULL
 * where they wrote nothing. On a loop's thread; must not block. */
typedef struct ip http_client_fn(void *ctx, const struct ip *peer, const char *forwarded,
	const char *x_forwarded_for, struct arena *a);

struct http_opts {
	int listen_fd;            /* bound and listening; the server closes it */
	size_t threads;           /* request threads */
	size_t reactors;          /* event loops; each accepts from the same descriptor */
	size_t max_body_bytes;    /* 10 MiB */
	size_t max_bodies_bytes;  /* all in flight: 64 MiB; of one client half of it, or one body */
	size_t max_answers_bytes; /* large ones that wait for readers: 256 MiB, or one */
	size_t max_connections;   /* 0: from RLIMIT_NOFILE, 500 kept free */
	int64_t header_ms, body_ms, body_bytes_per_s, idle_ms; /* 0: the defaults above */
	/* On a request thread: must lead to exactly one http_respond*, http_stream_start or
	 * http_park … later one of these. */
	void (*handle)(void *ctx, struct http_request *r);
	/* What a refusal says; from the arena. Any thread, must not block. */
	void (*problem)(void *ctx, const struct http_refusal *q, struct arena *a,
		struct http_problem *ret);
	http_client_fn *client; /* whose share of the bodies' memory is used; NULL: the peer's */
	void *ctx;
};
enum err_code http_listen(const char *addr_port, int *ret_fd, char ret_url[128], struct err *e)
	MUST_CHECK; /* "127.0.0.1:8080", "[::1]:0", ":8080" */
/* A socket that somebody else made, for us: is it one that we can serve? */
enum err_code http_listen_fd(int fd, char ret_url[128], struct err *e) MUST_CHECK;
bool http_listens_on_loopback(int fd);
enum err_code http_server_new(const struct http_opts *o, struct http_server **ret, struct err *e)
	MUST_CHECK; /* starts its threads */
/* Stop listening: who comes now is refused. Idle connections close; streams are closed (WebSocket 1001) spread over a
 * second; requests under way are answered with Connection: close. Returns at once. */
void http_server_drain(struct http_server *s);
/* After a drain: returns when the last connection is gone, or after so long. */
void http_server_wait(struct http_server *s, int64_t ms);
void http_server_free(struct http_server *s); /* ends every connection, joins the threads */

/* ---- the request: valid until it was answered ---------------------------------------------- */
const char *http_method(const struct http_request *r);
const char *http_path(const struct http_request *r);                     /* raw, begins with '/' */
const char *http_query(const struct http_request *r);                    /* or NULL */
const char *http_header(const struct http_request *r, const char *name); /* joined by ", "; NULL */
const char *http_body(const struct http_request *r, size_t *ret_n);
const struct ip *http_peer(const struct http_request *r);
const char *http_request_id(const struct http_request *r); /* X-Request-Id, taken or made */
struct arena *http_arena(struct http_request *r);          /* dies with the request */
bool http_is_websocket(const struct http_request *r);      /* asks for an upgrade to websocket */
int64_t http_started_us(const struct http_request *r);     /* clock_mono_us of its first byte */

/* ---- plain answers: any thread, once ------------------------------------------------------- */
/* A header is kept with the answer; before respond, same thread. */
void http_set(struct http_request *r, const char *name, const char *value);
void http_respond(struct http_request *r, int status, const void *body, size_t n);
/* fn is told the status that goes out, which may be another than was asked for (304, 206, 416, 503,
 * 426 …): once, on the thread that answers, before it does. Request thread. */
void http_on_answer(struct http_request *r, void (*fn)(void *ctx, int status), void *ctx);
/* An answer of any length, of which no more is in memory than the part in hand: fn appends one to out
 * (some 64 KiB), is called again when the socket has taken it, and not any more after LAST, nor
 * when the client has gone. BROKEN ends the connection, so that the client sees that it has not
 * got all. ctx lives in the request's arena. fn runs on request threads, one at a time. done (or NULL) is
 * the last call with ctx, once, whatever became of the answer; on any thread. */
enum http_part { HTTP_PART_MORE, HTTP_PART_LAST, HTTP_PART_BROKEN };
typedef enum http_part http_part_fn(void *ctx, struct buf *out);
void http_respond_parts(struct http_request *r, int status, http_part_fn *fn,
	void (*done)(void *ctx), void *ctx);
/* A range of a file; the server owns fd from here. HEAD, If-None-Match on the ETag that was set,
 * Range (one range; 206, 416) are the server's work. */
void http_respond_file(struct http_request *r, int fd, int64_t bytes);
/* Answer later, from any thread: fn runs on a request thread after http_unpark, or by itself when
 * deadline_ms (from now) passed, the server drains, or the client went away (gone = true: answer
 * all the same, it is thrown away). Exactly once, and not before the function that called this
 * (handle, or another park's fn) has returned, so that it can store the http_parked; that function
 * leaves r alone from here. No thread is held meanwhile, and the body is gone. Request thread. */
struct http_parked;
struct http_parked *http_park(struct http_request *r, int64_t deadline_ms,
	void (*fn)(void *ctx, struct http_request *r, bool gone), void *ctx);
void http_unpark(struct http_parked *p); /* any thread, any number of times until fn ran */

/* ---- streams: WebSocket and server-sent events --------------------------------------------- */
/* Bytes ready for the wire (a WebSocket frame with its header, or an SSE block), shared by all
 * streams that send it. */
struct http_frame;
struct http_frame *http_frame_ws(const void *text, size_t n);  /* one text frame */
struct http_frame *http_frame_raw(const void *data, size_t n); /* as it is: SSE */
struct http_frame *http_frame_ref(struct http_frame *f);
void http_frame_unref(struct http_frame *f); /* thread-safe, the last one frees */
size_t http_frame_bytes(const struct http_frame *f);

struct http_stream;
enum http_stream_kind { HTTP_STREAM_WS, HTTP_STREAM_SSE };
/* All on the stream's loop thread; none may block. */
struct http_stream_ops {
	/* The socket takes bytes: the next frame (a reference that the stream takes over), or NULL
	 * when there is none now; http_stream_wake calls again. */
	struct http_frame *(*next)(void *ctx);
	/* A whole text message arrived (WebSocket only; binary is closed with 1003 by us). */
	void (*message)(void *ctx, const char *text, size_t n);
	/* The last call: the stream is gone. why: "client", "slow", "drain", "error", "closed". */
	void (*closed)(void *ctx, const char *why);
};
struct http_stream_opts {
	enum http_stream_kind kind;
	const struct http_stream_ops *ops;
	void *ctx;
	size_t max_message;   /* of received text; more is closed with 1009 */
	int64_t ping_ms;      /* WebSocket: server ping; SSE: comment line. 20 s / 15 s */
	int64_t stall_ms;     /* no byte taken for so long while something waits: 1013. 30 s */
	const char *protocol; /* Sec-WebSocket-Protocol to answer with, or NULL */
};
/* Answer the request by becoming a stream: 101 after the handshake rules (else 426 or 400, and
 * NULL returned), or 200 text/event-stream (NULL for HEAD, which has no body). The stream lives
 * until `closed`, which comes exactly once; no callback comes before the function that called this
 * (handle, or a park's fn) has returned, so that it can store the stream. Request thread. */
struct http_stream *http_stream_start(struct http_request *r, const struct http_stream_opts *o);
/* There may be a next frame. Any thread, also from within the callbacks; never blocks. Only until
 * closed was called: the caller orders that itself (a wake after it is its bug), unless it holds.
 */
void http_stream_wake(struct http_stream *s);
/* Keep the memory of s valid for wake and close after `closed`; they do nothing then. */
void http_stream_hold(struct http_stream *s);
void http_stream_drop(struct http_stream *s);
/* Close after the frames that were handed out: WebSocket with code and reason, SSE by its end.
 * Any thread. */
void http_stream_close(struct http_stream *s, int code, const char *reason);
/* Milliseconds since something was last sent, for heartbeats. Loop thread. */
int64_t http_stream_idle_ms(const struct http_stream *s);

#endif
