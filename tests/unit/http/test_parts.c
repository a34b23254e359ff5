/* SPDX-License-Identifier: MIT
 *
 * Answers that are made part by part, as they are taken.
 */
#include "client.h"
#include "http/http.h"

#include "base/mem.h"

static struct {
	struct http_server *server;
	uint16_t port;
	_Atomic int parts, done;
} app;

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

static void part_done(void *ctx)
{
	(void)ctx;
	app.done++;
}

static void handle(void *ctx, struct http_request *r)
{
	(void)ctx;
	if (strcmp(http_path(r), "/parts") == 0)
		http_respond_parts(r, 200, make_part, part_done, (void *)http_query(r));
	else
		http_respond(r, 200, "ok", 2);
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
	struct http_opts o = { .threads = 3, .reactors = 2, .handle = handle, .problem = problem };
	char url[128];
	struct err e = { 0 };
	app.parts = app.done = 0;
	assert_ok(http_listen("127.0.0.1:0", &o.listen_fd, url, &e));
	assert_ok(http_server_new(&o, &app.server, &e));
	app.port = (uint16_t)strtol(strrchr(url, ':') + 1, NULL, 10);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (app.server)
		http_server_free(app.server);
	return 0;
}

static char *all_of(const char *request)
{
	struct buf all = BUF_INIT(1 << 20);
	int fd = dial(app.port, request);
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
		fd[i] = dial(app.port, "GET /parts?endless HTTP/1.1\r\nHost: a\r\n\r\n");
	await(&app.parts, 8);
	for (int before = -1; before != app.parts;) { /* until all are full */
		before = app.parts;
		for (int i = 0; i < 100; i++) {
			int other = dial(app.port,
				"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
			assert_answer(other, "ok");
			close(other);
		}
	}
	assert_true((size_t)app.parts < 8 * 256);
	for (size_t i = 0; i < ARRAY_LEN(fd); i += 2)
		close(fd[i]); /* the others are there when the server ends */
	for (size_t i = 1; i < ARRAY_LEN(fd); i += 2)
		shutdown(fd[i], SHUT_WR);
}

/* Whole, broken off, of no body, or never taken: what the parts were made from is let go once. */
static void what_parts_are_made_from_is_let_go_however_the_answer_ends(void **state)
{
	(void)state;
	autofree char *whole = all_of("GET /parts HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_memory_equal(whole, "HTTP/1.1 200", 12);
	await(&app.done, 1);
	app.parts = 0;
	autofree char *broken = all_of("GET /parts?broken HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_memory_equal(broken, "HTTP/1.1 200", 12);
	await(&app.done, 2);
	autofree char *head = all_of("HEAD /parts HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_memory_equal(head, "HTTP/1.1 200", 12);
	await(&app.done, 3);
	int gone = dial(app.port, "GET /parts?endless HTTP/1.1\r\nHost: a\r\n\r\n");
	await(&app.parts, 4);
	close(gone);
	await(&app.done, 4);
	int there = dial(app.port, "GET /parts?endless HTTP/1.1\r\nHost: a\r\n\r\n");
	await(&app.parts, 8);
	http_server_free(app.server);
	app.server = NULL;
	assert_int_equal(app.done, 5);
	close(there);
}

#define PARTS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
static const struct CMUnitTest tests[] = {
	PARTS_TEST(an_answer_in_parts_arrives_whole_and_the_next_request_is_served),
	PARTS_TEST(an_answer_that_breaks_off_can_be_told_from_a_whole_one),
	PARTS_TEST(parts_are_made_as_they_are_taken),
	PARTS_TEST(what_parts_are_made_from_is_let_go_however_the_answer_ends),
};
TEST_MAIN(tests)
