/* SPDX-License-Identifier: MIT
 *
 * Readers of one job: live and replayed by one mechanism, every event once, in order.
 */
#include "push_test.h"

#include "base/clock.h"
#include "base/metrics.h"

#include <sys/socket.h>

/* ---- live and replayed ---------------------------------------------------------------------- */

static void events_come_as_they_happen_and_the_socket_closes_at_the_end(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 3);
	autowire w = { 0 };
	watch(&w, s, id, "");
	expect_events(&w, 1, 1);
	site_succeed(s, 3);
	expect_events(&w, 2, last_seq(s, id));
	expect_end(&w, 1000, NULL);
}

static void an_ended_log_is_replayed_whole(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 40);
	site_fail(s, 40);
	autowire w = { 0 };
	watch(&w, s, id, "?after=0");
	expect_events(&w, 1, last_seq(s, id));
	expect_end(&w, 1000, NULL);
}

static void a_reader_goes_on_where_it_was_cut(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 50);
	int64_t at = 0, last;
	site_fail(s, 25);
	last = last_seq(s, id);
	while (at < last) {
		autofree char *query = mem_printf("?after=%012lld", (long long)at);
		autowire w = { 0 };
		int64_t until = at + 7 < last ? at + 7 : last;
		watch(&w, s, id, query);
		expect_events(&w, at + 1, until);
		at = until;
	}
	autofree char *query = mem_printf("?after=%lld", (long long)at);
	autowire w = { 0 };
	watch(&w, s, id, query);
	site_fail(s, 25);
	expect_events(&w, at + 1, last_seq(s, id));
	expect_end(&w, 1000, NULL);
}

static void a_reader_at_the_end_of_an_ended_log_is_closed_at_once(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	site_fail(s, 1);
	autofree char *query = mem_printf("?after=%lld", (long long)last_seq(s, id));
	autowire w = { 0 };
	watch(&w, s, id, query);
	expect_end(&w, 1000, NULL);
}

static void retry_goes_on_in_the_same_log(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1), *retry = mem_printf("/v1/jobs/%s/retry", id);
	site_fail(s, 1);
	int64_t ended = last_seq(s, id);
	autofree char *query = mem_printf("?after=%lld", (long long)ended);
	autoreply r = http_call(s->port, "POST", retry, NULL, NULL);
	assert_int_equal(r.status, 202);
	autowire w = { 0 };
	watch(&w, s, id, query);
	expect_events(&w, ended + 1, ended + 1);
	site_succeed(s, 1);
	expect_events(&w, ended + 2, last_seq(s, id));
	expect_end(&w, 1000, NULL);
}

/* ---- ends ----------------------------------------------------------------------------------- */

static void after_the_end_of_the_log_a_socket_is_closed_with_request_after(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	autowire w = { 0 };
	watch(&w, s, id, "?after=2");
	expect_end(&w, 1008, "request_after");
}

static void a_log_that_is_deleted_closes_its_readers(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1), *target = mem_printf("/v1/jobs/%s", id);
	autowire w = { 0 }, sse = { 0 };
	watch(&w, s, id, "");
	watch_sse(&sse, s, id, "", NULL);
	expect_events(&w, 1, 1);
	expect_events(&sse, 1, 1);
	autoreply r = http_call(s->port, "DELETE", target, NULL, NULL);
	assert_int_equal(r.status, 204);
	for (;;) { /* what cancel wrote may still come */
		autofree char *text = wire_next(&w);
		if (!text)
			break;
	}
	assert_int_equal(w.close_code, 1008);
	assert_string_equal(w.close_reason, "gone");
	for (;;) {
		autofree char *text = wire_next(&sse);
		if (!text)
			break;
	}
}

static void text_on_a_socket_of_one_job_is_refused(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	autowire w = { 0 };
	watch(&w, s, id, "");
	expect_events(&w, 1, 1);
	wire_send(&w, "hello");
	expect_end(&w, 1008, "message");
}

static void a_socket_ends_with_its_token(void **state)
{
	struct site *s = *state;
	s->push_opts.poll_ms = 20;
	site_start(s);
	autofree char *id = site_submit(s, 1);
	/* Tokens count whole seconds: this one lives for one to two more. */
	autofree char *token = view_job_token(1, NULL, id, clock_wall_ms() + 2000, site_key);
	autofree char *query = mem_printf("?token=%s", token);
	autowire w = { 0 };
	watch(&w, s, id, query);
	expect_events(&w, 1, 1);
	expect_end(&w, 1008, "auth_required");
}

static void a_drained_server_sends_its_readers_away_with_1001(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	autowire w = { 0 };
	watch(&w, s, id, "");
	expect_events(&w, 1, 1);
	http_server_drain(s->http);
	expect_end(&w, 1001, NULL);
}

/* ---- heartbeats and hints ------------------------------------------------------------------- */

static void a_heartbeat_tells_the_last_sequence_outside_the_log(void **state)
{
	struct site *s = *state;
	s->push_opts.poll_ms = 20;
	site_start(s);
	autofree char *id = site_submit(s, 1);
	autowire w = { 0 };
	watch(&w, s, id, "?heartbeat=1");
	expect_events(&w, 1, 1);
	autofree char *beat = wire_next(&w);
	assert_string_equal(beat, "{\"type\":\"heartbeat\",\"sequence\":\"000000000001\"}");
	site_fail(s, 1);
	expect_events(&w, 2, last_seq(s, id));
	expect_end(&w, 1000, NULL);
}

static void lost_hints_cost_a_poll_and_no_event(void **state)
{
	struct site *s = *state;
	s->deaf = true;
	s->push_opts.poll_ms = 10;
	site_start(s);
	autofree char *id = site_submit(s, 20);
	autowire w = { 0 };
	watch(&w, s, id, "");
	expect_events(&w, 1, 1);
	site_fail(s, 20);
	expect_events(&w, 2, last_seq(s, id));
	expect_end(&w, 1000, NULL);
}

static void a_request_that_waits_does_so_without_hints_too(void **state)
{
	struct site *s = *state;
	s->deaf = true;
	s->push_opts.poll_ms = 10;
	site_start(s);
	autofree char *id = site_submit(s, 1), *target = mem_printf("/v1/jobs/%s?wait=20", id);
	int fd = http_send(s->port, "GET", target, NULL, NULL);
	site_fail(s, 1);
	autoreply r = http_receive(fd);
	assert_string_equal(json_get_str(r.json, "status", ""), "failed");
}

/* What a request reads of the job may be newer than what the readers that are there have heard. */
static void a_reader_that_knows_more_than_the_hints_is_not_sent_away(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1000), *retry = mem_printf("/v1/jobs/%s/retry", id);
	autowire slow = { 0 }, quick = { 0 }, late = { 0 };
	int bytes = 4096;
	watch(&slow, s, id, ""); /* reads nothing, so that the watch stays */
	setsockopt(slow.fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	watch(&quick, s, id, "");
	site_fail(s, 1000);
	int64_t ended = last_seq(s, id);
	expect_events(&quick, 1, ended);
	expect_end(&quick, 1000, NULL);
	s->deaf = true;
	autoreply r = http_call(s->port, "POST", retry, NULL, NULL);
	assert_int_equal(r.status, 202);
	autofree char *query = mem_printf("?after=%lld", (long long)ended);
	watch(&late, s, id, query);
	expect_events(&late, ended + 1, ended + 1);
}

/* ---- server-sent events --------------------------------------------------------------------- */

static void an_event_stream_has_id_event_and_data(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	autowire w = { 0 };
	watch_sse(&w, s, id, "", NULL);
	assert_int_equal(w.status, 200);
	autofree char *block = wire_next(&w);
	autofree char *seq = sse_field(block, "id"), *type = sse_field(block, "event"),
		      *data = sse_field(block, "data");
	assert_string_equal(seq, "000000000001");
	assert_string_equal(type, "job.created");
	assert_int_equal(sequence_of(data), 1);
	site_fail(s, 1);
	expect_events(&w, 2, last_seq(s, id));
	expect_end(&w, 0, NULL);
}

static void an_event_stream_says_how_soon_to_come_back_and_is_not_buffered(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1), *target = mem_printf("/v1/jobs/%s/events", id);
	site_fail(s, 1);
	autoreply r = http_call(s->port, "GET", target, "Accept: text/event-stream\r\n", NULL);
	assert_string_equal(reply_field(&r, "Content-Type"), "text/event-stream");
	assert_string_equal(reply_field(&r, "X-Accel-Buffering"), "no");
	assert_string_equal(reply_field(&r, "Cache-Control"), "no-store");
	assert_true(strncmp(r.body, "retry: 2000\n\nid: 000000000001\nevent: job.created\ndata: {",
			    54) == 0);
}

static void last_event_id_resumes_a_stream(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 2);
	site_fail(s, 2);
	autowire w = { 0 };
	watch_sse(&w, s, id, "?after=0", "Last-Event-ID: 000000000002\r\n");
	expect_events(&w, 3, last_seq(s, id));
	expect_end(&w, 0, NULL);
}

static void a_stream_that_has_it_all_is_204_and_beyond_is_400(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	site_fail(s, 1);
	autofree char *at_end = mem_printf("Accept: text/event-stream\r\nLast-Event-ID: %lld\r\n",
		(long long)last_seq(s, id));
	autofree char *beyond = mem_printf("Accept: text/event-stream\r\nLast-Event-ID: %lld\r\n",
		(long long)last_seq(s, id) + 1);
	autofree char *target = mem_printf("/v1/jobs/%s/events", id);
	autoreply a = http_call(s->port, "GET", target, at_end, NULL);
	autoreply b = http_call(s->port, "GET", target, beyond, NULL);
	assert_int_equal(a.status, 204);
	assert_int_equal(b.status, 400);
	assert_string_equal(json_get_str(b.json, "code", ""), "request_after");
}

/* ---- the same bytes ------------------------------------------------------------------------- */

static void events_are_the_same_bytes_by_socket_stream_and_get(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 20);
	autowire live = { 0 };
	watch(&live, s, id, "");
	site_succeed(s, 20);
	int64_t last = last_seq(s, id);
	autowire sse = { 0 }, replay = { 0 };
	watch_sse(&sse, s, id, "", NULL);
	watch(&replay, s, id, "");
	autofree char *target = mem_printf("/v1/jobs/%s/events", id);
	autoreply page = http_call(s->port, "GET", target, NULL, NULL);
	const char *at = strchr(page.body, '[') + 1;
	for (int64_t i = 1; i <= last; i++) {
		autofree char *a = wire_next(&live), *block = wire_next(&sse),
			      *c = wire_next(&replay);
		autofree char *b = sse_field(block, "data");
		assert_string_equal(a, b);
		assert_string_equal(a, c);
		assert_memory_equal(at, a, strlen(a));
		at += strlen(a) + 1;
	}
	assert_true(strncmp(at, ",\"next\":", 8) == 0);
}

/* ---- many readers --------------------------------------------------------------------------- */

static void many_readers_of_a_job_get_the_same_events(void **state)
{
	struct site *s = *state;
	struct wire w[60];
	autofree char *id = site_submit(s, 30);
	for (size_t i = 0; i < ARRAY_LEN(w); i++) {
		if (i % 2)
			watch_sse(&w[i], s, id, "", NULL);
		else
			watch(&w[i], s, id, "");
	}
	site_fail(s, 30);
	int64_t last = last_seq(s, id);
	for (size_t i = 0; i < ARRAY_LEN(w); i++) {
		expect_events(&w[i], 1, last);
		expect_end(&w[i], i % 2 ? 0 : 1000, NULL);
		wire_done(&w[i]);
	}
}

/* It takes nothing while others read on, then everything, in order. */
static void a_slow_reader_misses_nothing(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 300);
	autowire slow = { 0 }, quick = { 0 };
	watch(&slow, s, id, "");
	watch(&quick, s, id, "");
	site_succeed(s, 300);
	int64_t last = last_seq(s, id);
	expect_events(&quick, 1, last);
	expect_end(&quick, 1000, NULL);
	expect_events(&slow, 1, last);
	expect_end(&slow, 1000, NULL);
}

/* Frames that were pushed out of the cache are loaded again. */
static void a_cache_of_one_byte_serves_everybody_all_the_same(void **state)
{
	struct site *s = *state;
	s->push_opts.cache_bytes = 1;
	s->push_opts.threads = 1;
	site_start(s);
	autofree char *id = site_submit(s, 60);
	struct wire w[5];
	for (size_t i = 0; i < ARRAY_LEN(w); i++)
		watch(&w[i], s, id, "");
	site_fail(s, 60);
	int64_t last = last_seq(s, id);
	for (size_t i = 0; i < ARRAY_LEN(w); i++) {
		expect_events(&w[i], 1, last);
		expect_end(&w[i], 1000, NULL);
		wire_done(&w[i]);
	}
}

static void readers_are_counted_while_they_are_there(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	double before = metric_get(METRIC_DELIVERED, "websocket", NULL, NULL);
	double readers = metric_get(METRIC_READERS, "websocket", NULL, NULL);
	autowire w = { 0 };
	watch(&w, s, id, "");
	expect_events(&w, 1, 1);
	assert_true(metric_get(METRIC_READERS, "websocket", NULL, NULL) == readers + 1);
	site_fail(s, 1);
	expect_events(&w, 2, last_seq(s, id));
	expect_end(&w, 1000, NULL);
	assert_true(metric_get(METRIC_DELIVERED, "websocket", NULL, NULL) ==
		before + (double)last_seq(s, id));
	assert_true(metric_get(METRIC_READERS, "websocket", NULL, NULL) == readers);
}

static const struct CMUnitTest tests[] = {
	with_site(events_come_as_they_happen_and_the_socket_closes_at_the_end),
	with_site(an_ended_log_is_replayed_whole),
	with_site(a_reader_goes_on_where_it_was_cut),
	with_site(a_reader_at_the_end_of_an_ended_log_is_closed_at_once),
	with_site(retry_goes_on_in_the_same_log),
	with_site(after_the_end_of_the_log_a_socket_is_closed_with_request_after),
	with_site(a_log_that_is_deleted_closes_its_readers),
	with_site(text_on_a_socket_of_one_job_is_refused),
	with_bare_site(a_socket_ends_with_its_token),
	with_site(a_drained_server_sends_its_readers_away_with_1001),
	with_bare_site(a_heartbeat_tells_the_last_sequence_outside_the_log),
	with_bare_site(lost_hints_cost_a_poll_and_no_event),
	with_bare_site(a_request_that_waits_does_so_without_hints_too),
	with_site(a_reader_that_knows_more_than_the_hints_is_not_sent_away),
	with_site(an_event_stream_has_id_event_and_data),
	with_site(an_event_stream_says_how_soon_to_come_back_and_is_not_buffered),
	with_site(last_event_id_resumes_a_stream),
	with_site(a_stream_that_has_it_all_is_204_and_beyond_is_400),
	with_site(events_are_the_same_bytes_by_socket_stream_and_get),
	with_site(many_readers_of_a_job_get_the_same_events),
	with_site(a_slow_reader_misses_nothing),
	with_bare_site(a_cache_of_one_byte_serves_everybody_all_the_same),
	with_site(readers_are_counted_while_they_are_there),
};
TEST_MAIN(tests)
