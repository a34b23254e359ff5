/* SPDX-License-Identifier: MIT
 *
 * Many jobs on one socket: asked for in messages, each with a position of its own.
 */
#include "push_test.h"

#include "base/clock.h"

static void open_many(struct wire *w, struct site *s)
{
	wire_open(w, s->port, "/v1/events", NULL);
	assert_int_equal(w->status, 101);
}

static void say(struct wire *w, const char *op, const char *job, const char *more)
{
	autofree char *text = mem_printf("{\"op\":\"%s\",\"job\":\"%s\"%s}", op, job, more);
	wire_send(w, text);
}

/* The next frame is this answer. code "null": none. */
static void expect_answer(struct wire *w, const char *op, const char *job, const char *code)
{
	autofree char *text = wire_next(w);
	autofree char *wanted = strcmp(code, "null") == 0
		? mem_printf("{\"op\":\"%s\",\"job\":\"%s\",\"code\":null}", op, job)
		: mem_printf("{\"op\":\"%s\",\"job\":\"%s\",\"code\":\"%s\"}", op, job, code);
	assert_non_null(text);
	assert_string_equal(text, wanted);
}

/* The next frame is this event of this job. */
static void expect_event(struct wire *w, const char *job, int64_t seq)
{
	autofree char *text = wire_next(w), *source = mem_printf("/v1/jobs/%s", job);
	autojson *o = NULL;
	assert_non_null(text);
	assert_int_equal(json_parse(text, strlen(text), &o, NULL), OK);
	assert_string_equal(json_get_str(o, "source", text), source);
	assert_int_equal(sequence_of(text), seq);
}

/* Asks for a job from a place on; it is granted, and its first event comes. */
static void watch_from(struct wire *w, const char *job, const char *after, int64_t first)
{
	say(w, "watch", job, after);
	expect_answer(w, "ok", job, "null");
	expect_event(w, job, first);
}

/* The events from this one to the last, and that there are no more. */
static void expect_the_rest(struct wire *w, struct site *s, const char *job, int64_t seq)
{
	for (; seq <= last_seq(s, job); seq++)
		expect_event(w, job, seq);
	expect_answer(w, "done", job, "null");
}

static void a_job_is_watched_from_its_position_and_done_at_its_end(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	autowire w = { 0 };
	open_many(&w, s);
	watch_from(&w, id, ",\"after\":0", 1);
	site_fail(s, 1);
	expect_the_rest(&w, s, id, 2);
	watch_from(&w, id, ",\"after\":\"000000000002\"", 3);
}

static void several_jobs_share_a_socket_and_take_turns(void **state)
{
	struct site *s = *state;
	char *ids[4];
	int64_t at[4] = { 0 }, most_ahead = 0;
	autowire w = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		ids[i] = site_submit(s, 20);
		site_fail(s, 20);
	}
	open_many(&w, s);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		say(&w, "watch", ids[i], "");
	for (size_t done = 0; done < ARRAY_LEN(ids);) {
		autofree char *text = wire_next(&w);
		autojson *o = NULL;
		assert_non_null(text);
		assert_int_equal(json_parse(text, strlen(text), &o, NULL), OK);
		done += strcmp(json_get_str(o, "op", ""), "done") == 0;
		for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
			autofree char *source = mem_printf("/v1/jobs/%s", ids[i]);
			if (strcmp(json_get_str(o, "source", ""), source) == 0)
				assert_int_equal(sequence_of(text), ++at[i]);
		}
		if (at[0] > most_ahead && at[3] > 0)
			most_ahead = at[0];
	}
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		assert_int_equal(at[i], last_seq(s, ids[i]));
		free(ids[i]);
	}
}

static void unwatch_stops_the_events_of_a_job(void **state)
{
	struct site *s = *state;
	autofree char *a = site_submit(s, 1), *b = site_submit(s, 1);
	autowire w = { 0 };
	open_many(&w, s);
	watch_from(&w, a, "", 1);
	say(&w, "unwatch", a, "");
	expect_answer(&w, "ok", a, "null");
	watch_from(&w, b, "", 1);
	site_fail(s, 2);
	expect_the_rest(&w, s, b, 2);
	say(&w, "unwatch", a, "");
	expect_answer(&w, "error", a, "not_found");
}

static void what_cannot_be_watched_is_answered_with_why(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1), *other = site_submit(s, 1);
	autofree char *good = view_job_token(1, NULL, id, clock_wall_ms() + 60000, site_key);
	autofree char *mine = mem_printf(",\"token\":\"%s\"", good);
	autowire w = { 0 };
	open_many(&w, s);
	say(&w, "watch", "nope", "");
	expect_answer(&w, "error", "nope", "not_found");
	say(&w, "watch", id, ",\"after\":2");
	expect_answer(&w, "error", id, "request_after");
	say(&w, "watch", id, ",\"after\":\"x\"");
	expect_answer(&w, "error", id, "request_invalid");
	say(&w, "watch", id, ",\"token\":\"junk\"");
	expect_answer(&w, "error", id, "auth_required");
	say(&w, "watch", other, mine);
	expect_answer(&w, "error", other, "auth_forbidden");
	say(&w, "watch", id, ",\"since\":1");
	expect_answer(&w, "error", id, "request_unknown_member");
	say(&w, "look", id, "");
	expect_answer(&w, "error", id, "request_invalid");
	watch_from(&w, id, mine, 1);
	wire_send(&w, "{\"op\":");
	autofree char *malformed = wire_next(&w);
	assert_string_equal(malformed,
		"{\"op\":\"error\",\"job\":null,\"code\":\"request_malformed\"}");
}

static void at_most_200_jobs_are_watched_on_a_socket(void **state)
{
	struct site *s = *state;
	autowire w = { 0 };
	open_many(&w, s);
	for (int i = 0; i < 201; i++) {
		autofree char *id = site_submit(s, 1);
		say(&w, "watch", id, ",\"after\":1");
		expect_answer(&w, i < 200 ? "ok" : "error", id, i < 200 ? "null" : "request_limit");
	}
}

static void watching_again_moves_the_position(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	autowire w = { 0 };
	open_many(&w, s);
	for (int i = 0; i < 3; i++) {
		say(&w, "watch", id, "");
		expect_answer(&w, "ok", id, "null");
		expect_event(&w, id, 1);
	}
}

static void a_deleted_job_is_said_to_be_gone_and_the_others_go_on(void **state)
{
	struct site *s = *state;
	autofree char *a = site_submit(s, 1), *b = site_submit(s, 1);
	autofree char *target = mem_printf("/v1/jobs/%s", a);
	autowire w = { 0 };
	open_many(&w, s);
	watch_from(&w, a, "", 1);
	autoreply r = http_call(s->port, "DELETE", target, NULL, NULL);
	assert_int_equal(r.status, 204);
	for (bool gone = false; !gone;) {
		autofree char *text = wire_next(&w);
		assert_non_null(text);
		gone = strstr(text, "\"code\":\"gone\"") != NULL;
	}
	watch_from(&w, b, "", 1);
}

static void a_client_that_leaves_in_the_middle_harms_nobody(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	for (int i = 0; i < 30; i++) {
		autowire w = { 0 };
		open_many(&w, s);
		for (int k = 0; k < 20; k++)
			say(&w, k % 2 ? "unwatch" : "watch", id, "");
	}
	autowire w = { 0 };
	open_many(&w, s);
	watch_from(&w, id, "", 1);
}

static void too_many_messages_at_once_end_the_socket(void **state)
{
	struct site *s = *state;
	struct buf b = BUF_INIT(1 << 20);
	autowire w = { 0 };
	open_many(&w, s);
	for (int i = 0; i < 3000; i++) /* masked with zeros */
		buf_add(&b, "\x81\x82\0\0\0\0{}", 8);
	assert_int_equal(write(w.fd, b.data, b.len), b.len);
	buf_done(&b);
	for (;;) {
		autofree char *text = wire_next(&w);
		if (!text)
			break;
	}
	assert_int_equal(w.close_code, 1008);
	assert_string_equal(w.close_reason, "too_many_messages");
}

static const struct CMUnitTest tests[] = {
	with_site(a_job_is_watched_from_its_position_and_done_at_its_end),
	with_site(several_jobs_share_a_socket_and_take_turns),
	with_site(unwatch_stops_the_events_of_a_job),
	with_site(what_cannot_be_watched_is_answered_with_why),
	with_site(at_most_200_jobs_are_watched_on_a_socket),
	with_site(watching_again_moves_the_position),
	with_site(a_deleted_job_is_said_to_be_gone_and_the_others_go_on),
	with_site(a_client_that_leaves_in_the_middle_harms_nobody),
	with_site(too_many_messages_at_once_end_the_socket),
};
TEST_MAIN(tests)
