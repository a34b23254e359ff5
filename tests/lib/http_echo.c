/* SPDX-License-Identifier: MIT
 *
 * A server that uses the http room and nothing else, for the protocol tests: it prints where it
 * listens and serves until SIGTERM. Routes:
 *
 *   /echo            the request as text: method, path, query, every header asked for by ?h=, body
 *   /status?N        an empty answer with that status      /file  ARGV's file, with an ETag
 *   /large?N         N bytes of 'x'                        /set   headers with CR and LF in them
 *   /park?MS         answers after MS, or at GET /unpark   /slow?MS  holds a request thread
 *   /ws              WebSocket: sends every message back; "close N" closes with N
 *   /sse?N           events 1 … N, then the end            /feed  every POST to /publish (WS or SSE)
 *   /flood           WebSocket that always has a next frame
 *   /stats           counters, as "name=value" lines
 */
#include "base/buf.h"
#include "base/mem.h"
#include "http/http.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One reader of anything below; frees itself in closed(). */
struct reader {
	struct http_stream *stream;
	struct http_frame *echo[64]; /* to send, newest last */
	size_t echo_n;
	long next, last; /* /sse */
	size_t at;       /* /feed: position in the log */
	bool end_told;
	enum http_stream_kind kind;
	struct reader *prev, *follow;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t closed;
	struct http_frame *ws[4096], *sse[4096];
	size_t n;
	struct reader *readers;
	struct http_parked *parked;
	_Atomic long closed_client, closed_slow, closed_drain, closed_error, closed_closed, gone;
	_Atomic long open, frames;
	const char *file;
} app = { .lock = PTHREAD_MUTEX_INITIALIZER, .closed = PTHREAD_COND_INITIALIZER };

static void respond_text(struct http_request *r, int status, const char *text)
{
	http_set(r, "Content-Type", "text/plain");
	http_respond(r, status, text, strlen(text));
}

static long query_number(const struct http_request *r)
{
	return http_query(r) ? strtol(http_query(r), NULL, 10) : 0;
}

/* ---- streams ------------------------------------------------------------------------------- */

static void count_closed(const char *why)
{
	if (strcmp(why, "client") == 0)
		app.closed_client++;
	else if (strcmp(why, "slow") == 0)
		app.closed_slow++;
	else if (strcmp(why, "drain") == 0)
		app.closed_drain++;
	else if (strcmp(why, "error") == 0)
		app.closed_error++;
	else
		app.closed_closed++;
}

static void reader_closed(void *ctx, const char *why)
{
	struct reader *rd = ctx;
	count_closed(why);
	for (size_t i = 0; i < rd->echo_n; i++)
		http_frame_unref(rd->echo[i]);
	pthread_mutex_lock(&app.lock);
	if (rd->follow)
		rd->follow->prev = rd->prev;
	if (rd->prev)
		rd->prev->follow = rd->follow;
	else if (app.readers == rd)
		app.readers = rd->follow;
	app.open--;
	pthread_cond_signal(&app.closed);
	pthread_mutex_unlock(&app.lock);
	free(rd);
}

static void no_message(void *ctx, const char *text, size_t n)
{
	(void)ctx, (void)text, (void)n;
}

static struct http_frame *echo_next(void *ctx)
{
	struct reader *rd = ctx;
	if (!rd->echo_n)
		return NULL;
	struct http_frame *f = rd->echo[0];
	memmove(rd->echo, rd->echo + 1, --rd->echo_n * sizeof(*rd->echo));
	return f;
}

static void echo_message(void *ctx, const char *text, size_t n)
{
	struct reader *rd = ctx;
	if (n > 6 && memcmp(text, "close ", 6) == 0)
		http_stream_close(rd->stream, (int)strtol(text + 6, NULL, 10), "as you wish");
	else if (rd->echo_n < 64)
		rd->echo[rd->echo_n++] = http_frame_ws(text, n);
	http_stream_wake(rd->stream);
}

static struct http_frame *count_next(void *ctx)
{
	struct reader *rd = ctx;
	char text[64];
	if (rd->next < rd->last) {
		int n = snprintf(text, sizeof(text), "id: %ld\ndata: %ld\n\n", rd->next + 1,
			rd->next + 1);
		rd->next++;
		return http_frame_raw(text, (size_t)n);
	}
	if (!rd->end_told)
		http_stream_close(rd->stream, 1000, NULL);
	rd->end_told = true;
	return NULL;
}

static struct http_frame *feed_next(void *ctx)
{
	struct reader *rd = ctx;
	struct http_frame *f = NULL;
	pthread_mutex_lock(&app.lock);
	if (rd->at < app.n) {
		f = http_frame_ref(rd->kind == HTTP_STREAM_WS ? app.ws[rd->at] : app.sse[rd->at]);
		rd->at++;
		app.frames++;
	}
	pthread_mutex_unlock(&app.lock);
	return f;
}

static struct http_frame *flood_next(void *ctx)
{
	static char block[8192];
	(void)ctx;
	memset(block, 'f', sizeof(block));
	return http_frame_ws(block, sizeof(block));
}

static const struct http_stream_ops echo_ops = { echo_next, echo_message, reader_closed };
static const struct http_stream_ops count_ops = { count_next, no_message, reader_closed };
static const struct http_stream_ops feed_ops = { feed_next, no_message, reader_closed };
static const struct http_stream_ops flood_ops = { flood_next, no_message, reader_closed };

/* ?ping=MS&stall=MS */
static int64_t query_ms(const struct http_request *r, const char *name)
{
	const char *p = http_query(r) ? strstr(http_query(r), name) : NULL;
	return p ? strtol(p + strlen(name), NULL, 10) : 0;
}

static void start(struct http_request *r, enum http_stream_kind kind,
	const struct http_stream_ops *ops)
{
	struct reader *rd = mem_new(struct reader);
	const char *protocol = http_header(r, "Sec-WebSocket-Protocol");
	struct http_stream_opts o = { .kind = kind,
		.ops = ops,
		.ctx = rd,
		.max_message = 65536,
		.ping_ms = query_ms(r, "ping="),
		.stall_ms = query_ms(r, "stall="),
		.protocol = protocol && strcmp(protocol, "chat") == 0 ? "chat" : NULL };
	rd->kind = kind;
	rd->last = query_number(r);
	rd->stream = http_stream_start(r, &o);
	if (!rd->stream) {
		free(rd);
		return;
	}
	pthread_mutex_lock(&app.lock);
	app.open++;
	rd->follow = app.readers;
	if (rd->follow)
		rd->follow->prev = rd;
	app.readers = rd;
	pthread_mutex_unlock(&app.lock);
}

static void publish(struct http_request *r)
{
	size_t n;
	const char *body = http_body(r, &n);
	struct buf sse = BUF_INIT(n + 64);
	buf_printf(&sse, "data: %.*s\n\n", (int)n, body);
	pthread_mutex_lock(&app.lock);
	if (app.n < 4096) {
		app.ws[app.n] = http_frame_ws(body, n);
		app.sse[app.n++] = http_frame_raw(sse.data, sse.len);
	}
	for (struct reader *rd = app.readers; rd; rd = rd->follow)
		http_stream_wake(rd->stream);
	pthread_mutex_unlock(&app.lock);
	buf_done(&sse);
	respond_text(r, 202, "published\n");
}

/* ---- plain answers ------------------------------------------------------------------------- */

static void echo(struct http_request *r)
{
	size_t n;
	const char *body = http_body(r, &n);
	struct buf out = BUF_INIT(n + 65536);
	buf_printf(&out, "%s %s", http_method(r), http_path(r));
	if (http_query(r))
		buf_printf(&out, "?%s", http_query(r));
	buf_printf(&out, "\nhost=%s\n", http_header(r, "host"));
	if (http_query(r) && strncmp(http_query(r), "h=", 2) == 0) {
		const char *value = http_header(r, http_query(r) + 2);
		buf_printf(&out, "%s=%s\n", http_query(r) + 2, value ? value : "(none)");
	}
	buf_puts(&out, "\n");
	buf_add(&out, body, n);
	http_set(r, "Content-Type", "text/plain");
	http_respond(r, 200, buf_str(&out), out.len);
	buf_done(&out);
}

static void large(struct http_request *r)
{
	size_t n = (size_t)query_number(r);
	char *data = mem_zalloc(n + 1);
	memset(data, 'x', n);
	http_respond(r, 200, data, n);
	free(data);
}

static void file(struct http_request *r)
{
	int fd = open(app.file, O_RDONLY | O_CLOEXEC);
	http_set(r, "ETag", "\"v1\"");
	http_set(r, "Content-Type", "application/octet-stream");
	http_respond_file(r, fd, (int64_t)lseek(fd, 0, SEEK_END));
}

static void park_done(void *ctx, struct http_request *r, bool gone)
{
	(void)ctx;
	pthread_mutex_lock(&app.lock);
	app.parked = NULL;
	pthread_mutex_unlock(&app.lock);
	app.gone += gone;
	respond_text(r, 200, gone ? "gone\n" : "answered\n");
}

static void park(struct http_request *r)
{
	pthread_mutex_lock(&app.lock);
	app.parked = http_park(r, query_number(r), park_done, NULL);
	pthread_mutex_unlock(&app.lock);
}

static void unpark(struct http_request *r)
{
	pthread_mutex_lock(&app.lock);
	bool some = app.parked;
	if (some)
		http_unpark(app.parked);
	pthread_mutex_unlock(&app.lock);
	respond_text(r, some ? 200 : 404, "");
}

static void stats(struct http_request *r)
{
	char text[512];
	pthread_mutex_lock(&app.lock);
	int parked = app.parked != NULL;
	pthread_mutex_unlock(&app.lock);
	snprintf(text, sizeof(text),
		"open=%ld\nclient=%ld\nslow=%ld\ndrain=%ld\nerror=%ld\nclosed=%ld\ngone=%ld\n"
		"frames=%ld\nparked=%d\n",
		app.open, app.closed_client, app.closed_slow, app.closed_drain, app.closed_error,
		app.closed_closed, app.gone, app.frames, parked);
	respond_text(r, 200, text);
}

static void set(struct http_request *r)
{
	http_set(r, "X-Evil", "a\r\nX-Injected: b");
	respond_text(r, 200, "set\n");
}

static void status(struct http_request *r)
{
	http_respond(r, (int)query_number(r), "", 0);
}

static void slow(struct http_request *r)
{
	usleep((useconds_t)query_number(r) * 1000);
	respond_text(r, 200, "slow\n");
}

static void ws(struct http_request *r)
{
	start(r, HTTP_STREAM_WS, &echo_ops);
}

static void sse(struct http_request *r)
{
	start(r, HTTP_STREAM_SSE, &count_ops);
}

static void feed(struct http_request *r)
{
	start(r, http_is_websocket(r) ? HTTP_STREAM_WS : HTTP_STREAM_SSE, &feed_ops);
}

static void flood(struct http_request *r)
{
	start(r, HTTP_STREAM_WS, &flood_ops);
}

static const struct {
	const char *path;
	void (*fn)(struct http_request *r);
} routes[] = {
	{ "/echo", echo },
	{ "/large", large },
	{ "/file", file },
	{ "/park", park },
	{ "/unpark", unpark },
	{ "/stats", stats },
	{ "/set", set },
	{ "/status", status },
	{ "/slow", slow },
	{ "/ws", ws },
	{ "/sse", sse },
	{ "/feed", feed },
	{ "/flood", flood },
	{ "/publish", publish },
};

static void handle(void *ctx, struct http_request *r)
{
	(void)ctx;
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		if (strcmp(http_path(r), routes[i].path) == 0) {
			routes[i].fn(r);
			return;
		}
	}
	respond_text(r, 404, "no such route\n");
}

static void problem(void *ctx, const struct http_refusal *q, struct arena *a,
	struct http_problem *ret)
{
	(void)ctx;
	ret->body = arena_printf(a, "{\"code\":\"%s\",\"detail\":\"%s\",\"instance\":\"%s\"}",
		err_name(q->code), q->detail, q->request_id);
	ret->n = strlen(ret->body);
}

/* Arguments: NAME=NUMBER for the numbers of http_opts, file=PATH. */
static void parse_args(struct http_opts *o, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *value = strchr(argv[i], '=');
		if (!value)
			continue;
		*value++ = '\0';
		long n = strtol(value, NULL, 10);
		if (strcmp(argv[i], "file") == 0)
			app.file = value;
		else if (strcmp(argv[i], "threads") == 0)
			o->threads = (size_t)n;
		else if (strcmp(argv[i], "reactors") == 0)
			o->reactors = (size_t)n;
		else if (strcmp(argv[i], "max_body") == 0)
			o->max_body_bytes = (size_t)n;
		else if (strcmp(argv[i], "max_bodies") == 0)
			o->max_bodies_bytes = (size_t)n;
		else if (strcmp(argv[i], "max_connections") == 0)
			o->max_connections = (size_t)n;
		else if (strcmp(argv[i], "header_ms") == 0)
			o->header_ms = n;
		else if (strcmp(argv[i], "body_ms") == 0)
			o->body_ms = n;
		else if (strcmp(argv[i], "body_bytes_per_s") == 0)
			o->body_bytes_per_s = n;
		else if (strcmp(argv[i], "idle_ms") == 0)
			o->idle_ms = n;
	}
}

int main(int argc, char **argv)
{
	struct http_opts o = { .threads = 4, .reactors = 1, .handle = handle, .problem = problem };
	struct http_server *s;
	struct err e = { 0 };
	char url[128];
	sigset_t set_of_signals;
	int got;
	sigemptyset(&set_of_signals);
	sigaddset(&set_of_signals, SIGTERM);
	sigaddset(&set_of_signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set_of_signals, NULL);
	app.file = argv[0];
	parse_args(&o, argc, argv);
	if (http_listen("127.0.0.1:0", &o.listen_fd, url, &e) || http_server_new(&o, &s, &e)) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	printf("listening on %s\n", url);
	fflush(stdout);
	sigwait(&set_of_signals, &got);
	http_server_drain(s);
	pthread_mutex_lock(&app.lock);
	while (app.open)
		pthread_cond_wait(&app.closed, &app.lock);
	pthread_mutex_unlock(&app.lock);
	http_server_free(s);
	printf("stopped\n");
	for (size_t i = 0; i < app.n; i++) {
		http_frame_unref(app.ws[i]);
		http_frame_unref(app.sse[i]);
	}
	return 0;
}
