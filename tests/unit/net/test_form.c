/* SPDX-License-Identifier: MIT
 *
 * Forms, and what is known of a request whose answer is lost.
 */
#include "base/io.h"
#include "lib/origin.h"
#include "lib/test.h"
#include "net/net.h"

static const struct net_guard off = { .off = true };

static enum err_code ask(const char *url, struct net_request r, struct err *e)
{
	struct net_response res;
	struct net_client *c = net_client_new(&off);
	r.url = url;
	r.method = r.parts != NULL ? "POST" : "GET";
	r.total_ms = r.total_ms != 0 ? r.total_ms : 10000;
	enum err_code rc = net_do(c, &r, &res, e);
	net_client_free(c);
	return rc;
}

static enum err_code ask_origin(struct origin *o, struct net_request r, struct err *e)
{
	char url[64];
	assert_true(origin_start(o));
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", o->port);
	enum err_code rc = ask(url, r, e);
	origin_stop(o);
	return rc;
}

/* So many bytes, the first of them p. */
static int picture_of(int64_t n)
{
	struct err e;
	int fd = -1;
	assert_ok(io_memfd("picture", &fd, &e));
	assert_ok(io_write_all(fd, "pppppppppp", 10, &e));
	assert_int_equal(ftruncate(fd, (off_t)n), 0);
	return fd;
}

static enum err_code post(struct origin *o, int64_t said, int64_t real, bool *sent, struct err *e)
{
	autofd fd = picture_of(real);
	const struct net_part parts[] = {
		{ .name = "a", .value = "one" },
		{ .name = "b", .fd = fd, .bytes = said, .media_type = "image/x", .filename = "c" }
	};
	struct net_request r = { .parts = parts,
		.parts_n = 2,
		.once = true,
		.sent = sent,
		.total_ms = o->hang ? 200 : 10000 };
	*sent = false;
	return ask_origin(o, r, e);
}

static void a_form_is_read_from_a_descriptor_while_it_is_sent(void **state)
{
	(void)state;
	struct err e;
	bool sent;
	struct origin o = { .script = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" };
	assert_ok(post(&o, 10, 10, &sent, &e));
	assert_true(sent);
	assert_non_null(strstr(o.request, "name=\"a\"\r\n\r\none\r\n--"));
	assert_non_null(strstr(o.request,
		"name=\"b\"; filename=\"c\"\r\nContent-Type: image/x\r\n"
		"\r\npppppppppp\r\n--"));
	struct origin large = { .script = o.script };
	assert_ok(post(&large, 3 << 20, 3 << 20, &sent, &e));
	assert_true(sent);
	assert_in_range(large.body_n, 3 << 20, (3 << 20) + 500);
	assert_null(strstr(large.request, "Expect:"));
}

static void an_answer_that_is_lost_was_sent_for(void **state)
{
	(void)state;
	struct err e;
	bool sent;
	struct origin hang = { .hang = true };
	assert_err(post(&hang, 20, 20, &sent, &e), ERR_FETCH_TIMEOUT);
	assert_true(sent);
	struct origin reset = { .reset = true };
	assert_err(post(&reset, 20, 20, &sent, &e), ERR_FETCH_CONNECT);
	assert_true(sent);
	assert_int_equal(reset.hits, 1);
}

static void what_never_left_whole_was_not_sent(void **state)
{
	(void)state;
	struct err e;
	bool sent = false;
	struct origin o = { .script = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" };
	assert_err(post(&o, 21, 20, &sent, &e), ERR_SYSTEM); /* shorter than was said */
	assert_false(sent);
	static const char *const urls[] = { "http://127.0.0.1:1/", "http://nobody.invalid/" };
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		assert_int_not_equal(ask(urls[i], (struct net_request){ .sent = &sent }, &e), OK);
		assert_false(sent);
	}
	char url[64];
	struct origin no_tls = { .script = "220 smtp.example.com ESMTP\r\n" };
	assert_true(origin_start(&no_tls));
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/", no_tls.port);
	assert_int_not_equal(ask(url, (struct net_request){ .sent = &sent, .total_ms = 500 }, &e),
		OK);
	origin_stop(&no_tls);
	assert_int_equal(no_tls.hits, 1);
	assert_false(sent);
}

static void a_form_that_was_cut_off_was_not_sent(void **state)
{
	(void)state;
	struct err e;
	bool sent;
	struct origin o = { .hasty = true, .reset = true };
	assert_err(post(&o, 64 << 20, 64 << 20, &sent, &e), ERR_FETCH_CONNECT);
	assert_false(sent);
	assert_int_equal(o.hits, 1);
}

static void a_request_without_a_form_is_sent_once_the_connection_stands(void **state)
{
	(void)state;
	struct err e;
	bool sent = false;
	struct origin o = { .reset = true };
	assert_err(ask_origin(&o, (struct net_request){ .sent = &sent, .once = true }, &e),
		ERR_FETCH_CONNECT);
	assert_true(sent);
}

/* Two requests over one client; the other side resets the kept connection when the second comes. */
static enum err_code ask_again(struct origin *o, bool once, struct err *e)
{
	struct net_response res;
	char url[64];
	assert_true(origin_start(o));
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", o->port);
	struct net_client *c = net_client_new(&off);
	struct net_request r = { .method = "POST",
		.url = url,
		.body = "x",
		.body_n = 1,
		.total_ms = 5000 };
	enum err_code rc = net_do(c, &r, &res, e);
	r.once = once;
	if (rc == OK)
		rc = net_do(c, &r, &res, e);
	net_client_free(c);
	origin_stop(o);
	return rc;
}

static void a_request_that_is_to_go_once_has_a_connection_of_its_own(void **state)
{
	(void)state;
	struct err e;
	static const char script[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	struct origin usual = { .keep = true, .script = script };
	assert_ok(ask_again(&usual, false, &e));
	assert_int_equal(usual.again, 1); /* it came, and */
	assert_int_equal(usual.hits, 2);  /* came once more, unasked */
	struct origin once = { .keep = true, .script = script };
	assert_ok(ask_again(&once, true, &e));
	assert_int_equal(once.again, 0);
	assert_int_equal(once.hits, 2);
}

static int init(void **state)
{
	(void)state;
	struct err e;
	return net_init(&e) != OK;
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(a_form_is_read_from_a_descriptor_while_it_is_sent, init),
	cmocka_unit_test(an_answer_that_is_lost_was_sent_for),
	cmocka_unit_test(what_never_left_whole_was_not_sent),
	cmocka_unit_test(a_form_that_was_cut_off_was_not_sent),
	cmocka_unit_test(a_request_without_a_form_is_sent_once_the_connection_stands),
	cmocka_unit_test(a_request_that_is_to_go_once_has_a_connection_of_its_own),
};
TEST_MAIN(tests)
