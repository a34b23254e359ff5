/* SPDX-License-Identifier: MIT
 *
 * A whole server in this process: what its callbacks may rely on, what other threads may do at any
 * time, and what an idle stream costs.
 */
#include "lib/sanitized.h"
#include "lib/test.h"

#include "client.h"
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
	_Atomic int opened, closed, frames, parked, answered, gone, returned_first;
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

/* ---- tests --------------------------------------------------------------------------------- */

static void frames_follow_a_wake_from_another_thread(void **state)
{
	(void)state;
	int fd = dial(app.port, HANDSHAKE);
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
	int fd = dial(app.port, HANDSHAKE);
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
	int fd = dial(app.port, HANDSHAKE);
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
		fds[i] = dial(app.port, HANDSHAKE);
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
		fds[i] = dial(app.port, HANDSHAKE);
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
	int fd = dial(app.port,
		"GET /ws-late HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
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
	int fd = dial(app.port, "GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
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
		int fd = dial(app.port, "GET /park-twice HTTP/1.1\r\nHost: a\r\n\r\n");
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
	int fd[2] = { dial(app.port, buf_str(&post)) };
	await(&app.parked, 1);
	fd[1] = dial(app.port, buf_str(&post));
	await(&app.parked, 2);
	close(fd[0]);
	close(fd[1]);
	buf_done(&post);
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
		int fd = dial(app.port, HANDSHAKE);
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
		int slow = dial(app.port, large);
		assert_answer(slow, "200 OK");
		int fd = dial(app.port, large);
		assert_answer(fd, "503 Service Unavailable");
		close(fd);
		fd = dial(app.port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
		assert_answer(fd, "ok");
		close(fd);
		drain(slow);
	}
	int gone = dial(app.port, large);
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
	ask(fd[0], app.port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	int64_t before = cpu_ms();
	usleep(400000); /* what is measured is what happens meanwhile */
	assert_in_range(cpu_ms() - before, 0, 40);
	none.rlim_cur = 200;
	setrlimit(RLIMIT_NOFILE, &none);
	assert_answer(fd[0], "ok");
	while ((taken[n] = dup(fd[0])) >= 0)
		n++;
	ask(fd[1], app.port, "");
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
		fds[i] = dial(app.port, HANDSHAKE);
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
	SERVER_TEST(wakes_and_closes_race_with_clients_that_come_and_go),
	SERVER_TEST(large_answers_that_nobody_takes_do_not_pile_up),
	SERVER_TEST(without_any_descriptor_the_loop_rests_and_serves_when_there_are_some),
	SERVER_TEST(an_idle_websocket_costs_under_600_bytes),
};
TEST_MAIN(tests)
