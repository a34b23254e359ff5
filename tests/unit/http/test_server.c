/* SPDX-License-Identifier: MIT
 *
 * A whole server in this process: what its callbacks may rely on, what other threads may do at any
 * time, and what an idle stream costs.
 */
#include "lib/sanitized.h"
#include "lib/test.h"

#include "http/http.h"

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/metrics.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define LARGE ((size_t)16 << 20) /* more than two sockets' buffers take */
#define HANDSHAKE                                                                                  \
	"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"             \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

static struct {
	struct http_server *server;
	uint16_t port;
	_Atomic int parts, opened, closed, frames, parked, answered, gone, returned_first;
	_Atomic bool returned, go;
	_Atomic(const char *) why;
	_Atomic(struct http_stream *) stream;
	_Atomic int to_send; /* frames the next stream may still send */
} app;

/* ---- the application ----------------------------------------------------------------------- */

static struct http_frame *next(void *ctx)
{
	(void)ctx;
	if (app.to_send <= 0)
		return NULL;
	app.to_send--;
	app.frames++;
	return http_frame_ws("tick", 4);
}

static void message(void *ctx, const char *text, size_t n)
{
	(void)ctx, (void)text, (void)n;
}

static void closed(void *ctx, const char *why)
{
	(void)ctx;
	if (!app.returned)
		app.returned_first = -1;
	app.why = why;
	app.closed++;
}

static const struct http_stream_ops ops = { next, message, closed };

static void park_done(void *ctx, struct http_request *r, bool gone)
{
	(void)ctx;
	app.answered++;
	app.gone += gone;
	http_respond(r, 200, "parked", 6);
}

/* Three parts; "/parts?broken" has two of them, and "/parts?endless" no last one. */
static enum http_part make_part(void *ctx, struct buf *out)
{
	const char *query = ctx;
	int n = ++app.parts;
	if (query && strcmp(query, "endless") == 0) {
		for (int i = 0; i < 65536; i++)
			buf_putc(out, 'e');
		return HTTP_PART_MORE;
	}
	if (query && n == 3)
		return HTTP_PART_BROKEN;
	buf_printf(out, "part %d;", n);
	return n < 3 ? HTTP_PART_MORE : HTTP_PART_LAST;
}

static void handle(void *ctx, struct http_request *r)
{
	(void)ctx;
	struct http_stream_opts o = { .kind = HTTP_STREAM_WS, .ops = &ops };
	if (strcmp(http_path(r), "/ws-late") == 0) {
		app.parked++;
		while (!app.go)
			usleep(500);
	}
	if (strncmp(http_path(r), "/ws", 3) == 0) {
		struct http_stream *s = http_stream_start(r, &o);
		assert_non_null(s);
		http_stream_hold(s);
		struct http_stream *before = atomic_exchange(&app.stream, s);
		if (before)
			http_stream_drop(before);
		app.opened++;
		app.returned = true;
	} else if (strcmp(http_path(r), "/park") == 0) {
		(void)http_park(r, 60000, park_done, NULL);
		app.parked++;
	} else if (strcmp(http_path(r), "/park-twice") == 0) {
		http_unpark(http_park(r, 60000, park_done, NULL));
	} else if (strcmp(http_path(r), "/parts") == 0) {
		http_respond_parts(r, 200, make_part, (void *)http_query(r));
	} else if (strcmp(http_path(r), "/large") == 0) {
		autofree char *body = mem_zalloc(LARGE);
		http_respond(r, 200, body, LARGE);
	} else {
		http_respond(r, 200, "ok", 2);
	}
}

static void problem(void *ctx, const struct http_refusal *q, struct arena *a,
	struct http_problem *ret)
{
	(void)ctx, (void)a;
	ret->body = err_name(q->code);
	ret->n = strlen(ret->body);
}

static int setup(void **state)
{
	(void)state;
	struct http_opts o = { .threads = 3,
		.reactors = 2,
		.handle = handle,
		.problem = problem,
		.max_answers_bytes = LARGE + LARGE / 2,
		.max_bodies_bytes = 100 };
	char url[128];
	struct err e = { 0 };
	memset(&app, 0, sizeof(app));
	assert_ok(http_listen("127.0.0.1:0", &o.listen_fd, url, &e));
	assert_ok(http_server_new(&o, &app.server, &e));
	app.port = (uint16_t)strtol(strrchr(url, ':') + 1, NULL, 10);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	http_server_free(app.server);
	struct http_stream *s = atomic_exchange(&app.stream, NULL);
	if (s)
		http_stream_drop(s);
	return 0;
}

/* ---- the client ---------------------------------------------------------------------------- */

static void ask(int fd, const char *text)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons(app.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static int dial(const char *text)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ask(fd, text);
	return fd;
}

/* Reads until `until` has come or the other side has ended; the whole text. */
static void read_until(int fd, const char *until, struct buf *all)
{
	char block[4096];
	while (!until || !memmem(buf_str(all), all->len, until, strlen(until))) {
		ssize_t n = recv(fd, block, sizeof(block), 0);
		if (n <= 0)
			return;
		buf_add(all, block, (size_t)n);
	}
}

static void assert_answer(int fd, const char *end)
{
	struct buf all = BUF_INIT(1 << 20);
	read_until(fd, end, &all);
	if (!memmem(buf_str(&all), all.len, end, strlen(end)))
		fail_msg("no '%s' in '%s'", end, buf_str(&all));
	buf_done(&all);
}

/* Spins politely until the loop's thread has done what it was told. */
static void await(_Atomic int *what, int at_least)
{
	for (int i = 0; *what < at_least && i < 20000; i++)
		usleep(500);
	assert_true(*what >= at_least);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void frames_follow_a_wake_from_another_thread(void **state)
{
	(void)state;
	int fd = dial(HANDSHAKE);
	assert_answer(fd, "\r\n\r\n");
	app.to_send = 3;
	http_stream_wake(app.stream);
	assert_answer(fd, "\x81\x04tick\x81\x04tick\x81\x04tick");
	close(fd);
	await(&app.closed, 1);
	assert_string_equal(app.why, "client");
}

static void a_held_stream_may_be_woken_and_closed_after_its_end(void **state)
{
	(void)state;
	int fd = dial(HANDSHAKE);
	assert_answer(fd, "\r\n\r\n");
	close(fd);
	await(&app.closed, 1);
	http_stream_wake(app.stream);
	http_stream_close(app.stream, 1000, "late");
	http_server_free(app.server);
	app.server = NULL;
	http_stream_wake(app.stream);
	http_stream_close(app.stream, 1000, "later");
	assert_int_equal(app.closed, 1);
}

static void a_stream_is_closed_with_a_code_from_another_thread(void **state)
{
	(void)state;
	int fd = dial(HANDSHAKE);
	assert_answer(fd, "\r\n\r\n");
	http_stream_close(app.stream, 4000, "enough");
	http_stream_close(app.stream, 4001, "twice");
	assert_answer(fd,
		"\x88\x08\x0f\xa0"
		"enough");
	await(&app.closed, 1);
	assert_string_equal(app.why, "closed");
	close(fd);
}

static void open_connections_are_counted(void **state)
{
	(void)state;
	double before = metric_get(METRIC_CONNECTIONS, NULL, NULL, NULL);
	int fds[5];
	for (int i = 0; i < 5; i++) {
		fds[i] = dial(HANDSHAKE);
		assert_answer(fds[i], "\r\n\r\n");
	}
	for (int i = 0; i < 2000 && metric_get(METRIC_CONNECTIONS, NULL, NULL, NULL) < before + 5;
		i++)
		usleep(5000);
	assert_true(metric_get(METRIC_CONNECTIONS, NULL, NULL, NULL) == before + 5);
	http_server_free(app.server);
	app.server = NULL;
	assert_true(metric_get(METRIC_CONNECTIONS, NULL, NULL, NULL) == before);
	for (int i = 0; i < 5; i++)
		close(fds[i]);
}

static void a_server_that_ends_closes_its_streams(void **state)
{
	(void)state;
	int fds[20];
	for (int i = 0; i < 20; i++) {
		fds[i] = dial(HANDSHAKE);
		assert_answer(fds[i], "\r\n\r\n");
	}
	http_server_free(app.server);
	app.server = NULL;
	assert_int_equal(app.closed, 20);
	for (int i = 0; i < 20; i++)
		close(fds[i]);
}

static void a_stream_that_begins_while_the_server_drains_is_closed(void **state)
{
	(void)state;
	int fd = dial("GET /ws-late HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
		      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
	await(&app.parked, 1);
	http_server_drain(app.server);
	app.go = true;
	assert_answer(fd, "\x03\xe9the server is stopping");
	await(&app.closed, 1);
	assert_string_equal(app.why, "drain");
	close(fd);
	http_server_wait(app.server, 10000);
}

static void a_server_that_ends_answers_what_is_parked(void **state)
{
	(void)state;
	int fd = dial("GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
	await(&app.parked, 1);
	http_server_free(app.server);
	app.server = NULL;
	assert_int_equal(app.answered, 1);
	assert_int_equal(app.gone, 1);
	close(fd);
}

static void a_request_that_is_woken_before_its_handler_returned_is_answered_once(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		int fd = dial("GET /park-twice HTTP/1.1\r\nHost: a\r\n\r\n");
		assert_answer(fd, "parked");
		close(fd);
	}
	assert_int_equal(app.answered, 200);
}

static void what_is_parked_holds_no_body(void **state)
{
	(void)state;
	struct buf post = BUF_INIT(1000);
	buf_printf(&post, "POST /park HTTP/1.1\r\nHost: a\r\nContent-Length: 80\r\n\r\n%080d", 0);
	int fd[2] = { dial(buf_str(&post)) };
	await(&app.parked, 1);
	fd[1] = dial(buf_str(&post));
	await(&app.parked, 2);
	close(fd[0]);
	close(fd[1]);
	buf_done(&post);
}

static char *all_of(const char *request)
{
	struct buf all = BUF_INIT(1 << 20);
	int fd = dial(request);
	shutdown(fd, SHUT_WR);
	read_until(fd, NULL, &all);
	close(fd);
	return buf_take(&all);
}

static void an_answer_in_parts_arrives_whole_and_the_next_request_is_served(void **state)
{
	(void)state;
	autofree char *chunked = all_of("GET /parts HTTP/1.1\r\nHost: a\r\n\r\n"
					"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_non_null(strstr(chunked, "Transfer-Encoding: chunked\r\n"));
	assert_null(strstr(chunked, "Connection: close"));
	const char *body = strstr(chunked, "\r\n\r\n");
	static const char wanted[] = "\r\n\r\n7\r\npart 1;\r\n7\r\npart 2;\r\n7\r\npart 3;\r\n"
				     "0\r\n\r\nHTTP/1.1 200 OK\r\n";
	assert_memory_equal(body, wanted, sizeof(wanted) - 1);
	app.parts = 0;
	autofree char *plain = all_of("GET /parts HTTP/1.0\r\n\r\n");
	assert_null(strstr(plain, "Transfer-Encoding"));
	assert_non_null(strstr(plain, "\r\n\r\npart 1;part 2;part 3;"));
	app.parts = 0;
	autofree char *head = all_of("HEAD /parts HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_non_null(strstr(head, "200 OK"));
	assert_string_equal(strstr(head, "\r\n\r\n"), "\r\n\r\n");
	assert_int_equal(app.parts, 0);
}

static void an_answer_that_breaks_off_can_be_told_from_a_whole_one(void **state)
{
	(void)state;
	autofree char *text = all_of("GET /parts?broken HTTP/1.1\r\nHost: a\r\n\r\n"
				     "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_non_null(strstr(text, "part 2;\r\n"));
	assert_null(strstr(text, "0\r\n\r\n"));
	assert_null(strstr(text, "ok"));
}

/* What the two sockets' buffers take is made, and no more, and no thread waits for the reader. */
static void parts_are_made_as_they_are_taken(void **state)
{
	(void)state;
	int fd[8];
	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		fd[i] = dial("GET /parts?endless HTTP/1.1\r\nHost: a\r\n\r\n");
	await(&app.parts, 8);
	for (int before = -1; before != app.parts;) { /* until all are full */
		before = app.parts;
		for (int i = 0; i < 100; i++) {
			int other = dial("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
			assert_answer(other, "ok");
			close(other);
		}
	}
	assert_true((size_t)app.parts < 8 * (LARGE >> 16));
	for (size_t i = 0; i < ARRAY_LEN(fd); i += 2)
		close(fd[i]); /* the others are there when the server ends */
	for (size_t i = 1; i < ARRAY_LEN(fd); i += 2)
		shutdown(fd[i], SHUT_WR);
}

static void *waker(void *arg)
{
	_Atomic bool *stop = arg;
	while (!*stop) {
		struct http_stream *s = atomic_exchange(&app.stream, NULL);
		if (!s)
			continue;
		app.to_send++;
		http_stream_wake(s);
		http_stream_close(s, 1000, NULL);
		http_stream_wake(s);
		http_stream_drop(s);
	}
	return NULL;
}

static void wakes_and_closes_race_with_clients_that_come_and_go(void **state)
{
	(void)state;
	_Atomic bool stop = false;
	pthread_t threads[2];
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, waker, &stop);
	for (int i = 0; i < 300; i++) {
		int fd = dial(HANDSHAKE);
		if (i % 3 == 0)
			assert_answer(fd, "\r\n\r\n");
		close(fd);
	}
	await(&app.opened, 300);
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	await(&app.closed, 300);
	assert_int_equal(app.closed, 300);
	assert_int_equal(app.returned_first, 0);
}

static void drain(int fd)
{
	char block[65536];
	while (recv(fd, block, sizeof(block), 0) > 0)
		;
	close(fd);
}

static void large_answers_that_nobody_takes_do_not_pile_up(void **state)
{
	(void)state;
	static const char large[] = "GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	for (int i = 0; i < 3; i++) { /* what is taken is given back */
		int slow = dial(large);
		assert_answer(slow, "200 OK");
		int fd = dial(large);
		assert_answer(fd, "503 Service Unavailable");
		close(fd);
		fd = dial("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
		assert_answer(fd, "ok");
		close(fd);
		drain(slow);
	}
	int gone = dial(large);
	assert_answer(gone, "200 OK");
	close(gone);
	http_server_free(TAKE(&app.server));
}

static int64_t cpu_ms(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
		(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

/* Another thread may be quicker than the loop to take the descriptor that was kept free. */
static void without_any_descriptor_the_loop_rests_and_serves_when_there_are_some(void **state)
{
	(void)state;
	struct rlimit all, none;
	int fd[2] = { socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
		socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) },
	    taken[256], n = 0;
	getrlimit(RLIMIT_NOFILE, &all);
	none = (struct rlimit){ 3, all.rlim_max };
	setrlimit(RLIMIT_NOFILE, &none);
	ask(fd[0], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	int64_t before = cpu_ms();
	usleep(400000); /* what is measured is what happens meanwhile */
	assert_in_range(cpu_ms() - before, 0, 40);
	none.rlim_cur = 200;
	setrlimit(RLIMIT_NOFILE, &none);
	assert_answer(fd[0], "ok");
	while ((taken[n] = dup(fd[0])) >= 0)
		n++;
	ask(fd[1], "");
	assert_answer(fd[1], "overloaded");
	while (n > 0)
		close(taken[--n]);
	setrlimit(RLIMIT_NOFILE, &all);
	close(fd[0]);
	close(fd[1]);
}

static void an_idle_websocket_costs_under_600_bytes(void **state)
{
	(void)state;
	enum { WARM = 50, N = 400 };
	int fds[WARM + N];
	if (SANITIZED)
		skip();
	size_t before = 0;
	for (int i = 0; i < WARM + N; i++) {
		if (i == WARM)
			before = mallinfo2().uordblks;
		fds[i] = dial(HANDSHAKE);
		assert_answer(fds[i], "\r\n\r\n");
	}
	size_t each = (mallinfo2().uordblks - before) / N;
	print_message("# %zu bytes each\n", each);
	assert_in_range(each, 1, 600);
	for (int i = 0; i < WARM + N; i++)
		close(fds[i]);
	await(&app.closed, WARM + N);
}

#define SERVER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
static const struct CMUnitTest tests[] = {
	SERVER_TEST(frames_follow_a_wake_from_another_thread),
	SERVER_TEST(a_held_stream_may_be_woken_and_closed_after_its_end),
	SERVER_TEST(a_stream_is_closed_with_a_code_from_another_thread),
	SERVER_TEST(open_connections_are_counted),
	SERVER_TEST(a_server_that_ends_closes_its_streams),
	SERVER_TEST(a_stream_that_begins_while_the_server_drains_is_closed),
	SERVER_TEST(a_server_that_ends_answers_what_is_parked),
	SERVER_TEST(a_request_that_is_woken_before_its_handler_returned_is_answered_once),
	SERVER_TEST(what_is_parked_holds_no_body),
	SERVER_TEST(an_answer_in_parts_arrives_whole_and_the_next_request_is_served),
	SERVER_TEST(an_answer_that_breaks_off_can_be_told_from_a_whole_one),
	SERVER_TEST(parts_are_made_as_they_are_taken),
	SERVER_TEST(wakes_and_closes_race_with_clients_that_come_and_go),
	SERVER_TEST(large_answers_that_nobody_takes_do_not_pile_up),
	SERVER_TEST(without_any_descriptor_the_loop_rests_and_serves_when_there_are_some),
	SERVER_TEST(an_idle_websocket_costs_under_600_bytes),
};
TEST_MAIN(tests)
