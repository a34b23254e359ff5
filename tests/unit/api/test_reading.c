/* SPDX-License-Identifier: MIT
 *
 * Items, manifests, event pages and blobs: what the work left behind.
 */
#include "api_test.h"

#include "base/metrics.h"
#include "base/url.h"

/* ---- items ---------------------------------------------------------------------------------- */

static void items_come_in_the_order_given_in_pages(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 5);
	size_t seen = 0;
	autofree char *rest = mem_strdup("/items?page_size=2");
	while (rest) {
		autoreply r = get_job(s, id, rest);
		assert_status(r, 200);
		const json_t *items = json_object_get(r.json, "items");
		for (size_t i = 0; i < json_array_size(items); i++) {
			autofree char *item = mem_printf("%s.%zu", id, ++seen);
			assert_string_equal(str(json_array_get(items, i), "id"), item);
		}
		const char *token = json_get_str(r.json, "next_page_token", NULL);
		free(rest);
		rest = token ? mem_printf("/items?page_size=2&page_token=%s", token) : NULL;
	}
	assert_int_equal(seen, 5);
}

static void items_are_filtered_by_status_ref_and_url(void **state)
{
	struct site *s = *state;
	autoreply made = post(s, "/v1/jobs",
		"{\"urls\":[{\"url\":\"http://x.example/a\",\"ref\":\"r1\"},\"http://x.example/b\"]}");
	const char *id = str(made.json, "id");
	autoreply by_ref = get_job(s, id, "/items?ref=r1");
	autoreply by_url = get_job(s, id, "/items?url=http%3A%2F%2Fx.example%2Fb");
	autoreply queued = get_job(s, id, "/items?status=queued"),
		  failed = get_job(s, id, "/items?status=failed");
	autoreply bad = get_job(s, id, "/items?status=fine");
	const json_t *items = json_object_get(by_ref.json, "items");
	assert_int_equal(json_array_size(items), 1);
	assert_string_equal(str(json_array_get(items, 0), "url"), "http://x.example/a");
	items = json_object_get(by_url.json, "items");
	assert_int_equal(json_array_size(items), 1);
	assert_string_equal(str(json_array_get(items, 0), "url"), "http://x.example/b");
	assert_int_equal(json_array_size(json_object_get(queued.json, "items")), 2);
	assert_int_equal(json_array_size(json_object_get(failed.json, "items")), 0);
	assert_problem(bad, 422, "request_invalid");
}

static void one_item_is_read_by_its_id(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 3), *rest = mem_printf("/items/%s.2", id);
	autofree char *beyond = mem_printf("/items/%s.4", id),
		      *zero = mem_printf("/items/%s.0", id);
	autoreply r = get_job(s, id, rest), a = get_job(s, id, beyond), b = get_job(s, id, zero);
	autoreply c = get_job(s, id, "/items/2");
	assert_status(r, 200);
	assert_true(strstr(str(r.json, "url"), "/1.jpg") != NULL);
	assert_problem(a, 404, "not_found");
	assert_problem(b, 404, "not_found");
	assert_problem(c, 404, "not_found");
}

static void an_item_read_twice_has_the_same_links(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1), *rest = mem_printf("/items/%s.1", id);
	site_succeed(s, 1);
	autoreply a = get_job(s, id, rest), b = get_job(s, id, rest);
	assert_string_equal(str(a.json, "status"), "succeeded");
	assert_int_equal(json_array_size(json_object_get(a.json, "variants")), 5);
	assert_string_equal(a.body, b.body);
}

static void the_manifest_holds_job_and_items(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 600);
	site_fail(s, 600);
	autoreply r = get_job(s, id, "/manifest"), items = get_job(s, id, "/items?page_size=1000");
	assert_status(r, 200);
	assert_string_equal(str(r.json, "bulb"), BULB_VERSION);
	assert_string_equal(str(json_object_get(r.json, "job"), "id"), id);
	assert_true(
		json_equal(json_object_get(r.json, "items"), json_object_get(items.json, "items")));
}

/* ---- events --------------------------------------------------------------------------------- */

static void a_page_of_events_says_where_to_go_on(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	autoreply a = get_job(s, id, "/events");
	assert_status(a, 200);
	assert_field(a, "Cache-Control", "no-store");
	assert_int_equal(json_array_size(json_object_get(a.json, "events")), 1);
	assert_string_equal(str(a.json, "next"), "000000000001");
	assert_false(json_get_bool(a.json, "done", true));
	site_fail(s, 1);
	autoreply b = get_job(s, id, "/events?after=1");
	const json_t *events = json_object_get(b.json, "events");
	size_t n = json_array_size(events);
	assert_string_equal(str(json_array_get(events, 0), "sequence"), "000000000002");
	assert_string_equal(str(json_array_get(events, n - 1), "type"), "job.failed");
	assert_true(json_get_bool(b.json, "done", false));
	assert_string_equal(str(b.json, "next"), str(json_array_get(events, n - 1), "sequence"));
}

static void the_end_of_the_log_is_an_empty_page(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	site_fail(s, 1);
	autoreply all = get_job(s, id, "/events");
	autofree char *rest = mem_printf("/events?wait=20&after=%s", str(all.json, "next"));
	autoreply r = get_job(s, id, rest);
	assert_int_equal(json_array_size(json_object_get(r.json, "events")), 0);
	assert_string_equal(str(r.json, "next"), str(all.json, "next"));
	assert_true(json_get_bool(r.json, "done", false));
}

static void after_the_end_is_400(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	autoreply r = get_job(s, id, "/events?after=2");
	assert_problem(r, 400, "request_after");
	autoreply bad = get_job(s, id, "/events?after=x");
	assert_problem(bad, 422, "request_invalid");
}

static void a_page_waits_for_the_next_event(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	autofree char *target = mem_printf("/v1/jobs/%s/events?after=1&wait=20", id);
	int fd = http_send(s->port, "GET", target, NULL, NULL);
	site_fail(s, 1);
	autoreply r = http_receive(fd);
	assert_status(r, 200);
	assert_true(json_array_size(json_object_get(r.json, "events")) > 0);
}

static void a_wait_for_events_that_do_not_come_ends_empty(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	autoreply r = get_job(s, id, "/events?after=1&wait=1");
	assert_status(r, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "events")), 0);
	assert_false(json_get_bool(r.json, "done", true));
}

static void a_long_log_comes_in_pages_of_at_most_200(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 150);
	autofree char *next = mem_strdup("0");
	int64_t expected = 1;
	site_fail(s, 150);
	for (bool done = false; !done;) {
		autofree char *rest = mem_printf("/events?after=%s", next);
		autoreply r = get_job(s, id, rest);
		assert_status(r, 200);
		const json_t *events = json_object_get(r.json, "events");
		assert_in_range(json_array_size(events), 1, 200);
		for (size_t i = 0; i < json_array_size(events); i++, expected++)
			assert_int_equal(strtoll(str(json_array_get(events, i), "sequence"), NULL,
						 10),
				expected);
		done = json_get_bool(r.json, "done", true);
		free(next);
		next = mem_strdup(str(r.json, "next"));
	}
	assert_true(expected > 300);
}

/* ---- blobs ---------------------------------------------------------------------------------- */

static void a_signed_blob_answers_anyone_and_for_ever(void **state)
{
	struct site *s = *state;
	autofree char *target = site_blob(s, "ab/picture.jpg", "0123456789");
	autoreply r = get(s, target);
	assert_status(r, 200);
	assert_string_equal(r.body, "0123456789");
	assert_field(r, "Content-Type", "image/jpeg");
	assert_field(r, "Content-Length", "10");
	assert_field(r, "Access-Control-Allow-Origin", "*");
	assert_field(r, "X-Content-Type-Options", "nosniff");
	assert_field(r, "ETag", "\"ab/picture.jpg\"");
	assert_non_null(strstr(reply_field(&r, "Cache-Control"), "immutable"));
	assert_non_null(strstr(reply_field(&r, "Content-Security-Policy"), "sandbox"));
}

static void a_range_of_a_blob_is_206(void **state)
{
	struct site *s = *state;
	autofree char *target = site_blob(s, "ab/picture.png", "0123456789");
	autoreply part = http_call(s->port, "GET", target, "Range: bytes=2-4\r\n", NULL);
	autoreply bad = http_call(s->port, "GET", target, "Range: bytes=20-\r\n", NULL);
	assert_status(part, 206);
	assert_string_equal(part.body, "234");
	assert_field(part, "Content-Range", "bytes 2-4/10");
	assert_field(part, "Content-Type", "image/png");
	assert_status(bad, 416);
}

static void a_blob_that_is_known_is_304_and_head_has_no_body(void **state)
{
	struct site *s = *state;
	autofree char *target = site_blob(s, "ab/p.webp", "0123456789");
	autoreply same = http_call(s->port, "GET", target, "If-None-Match: \"ab/p.webp\"\r\n",
		NULL);
	autoreply head = http_call(s->port, "HEAD", target, NULL, NULL);
	assert_status(same, 304);
	assert_status(head, 200);
	assert_field(head, "Content-Length", "10");
	assert_int_equal(head.body_n, 0);
}

static int blobs_answered(const char *status)
{
	return (int)metric_get(METRIC_HTTP_REQUESTS, "GET", "/v1/blobs/{*}", status);
}

static void answers_are_counted_by_the_status_that_went_out(void **state)
{
	struct site *s = *state;
	struct err e = { 0 };
	autofree char *here = site_blob(s, "ab/p.jpg", "0123456789");
	autofree char *gone = site_blob(s, "ab/gone.jpg", "x");
	assert_ok(blob_delete(s->blob, "ab/gone.jpg", &e));
	const struct {
		const char *status, *target, *fields;
	} asked[] = { { "200", here, NULL }, { "206", here, "Range: bytes=2-4\r\n" },
		{ "304", here, "If-None-Match: \"ab/p.jpg\"\r\n" },
		{ "403", "/v1/blobs/ab/p.jpg", NULL }, { "404", gone, NULL },
		{ "416", here, "Range: bytes=10-\r\n" } };
	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		int before = blobs_answered(asked[i].status);
		autoreply r = http_call(s->port, "GET", asked[i].target, asked[i].fields, NULL);
		assert_status(r, atoi(asked[i].status));
		assert_int_equal(blobs_answered(asked[i].status) - before, 1);
	}
	/* and a job that the client has */
	autofree char *id = site_submit(s, 1);
	int before = (int)metric_get(METRIC_HTTP_REQUESTS, "GET", "/v1/jobs/{id}", "304");
	autoreply job = get_job(s, id, "");
	autofree char *known = mem_printf("If-None-Match: %s\r\n", reply_field(&job, "ETag"));
	autofree char *target = mem_printf("/v1/jobs/%s", id);
	autoreply same = http_call(s->port, "GET", target, known, NULL);
	assert_status(same, 304);
	assert_int_equal(metric_get(METRIC_HTTP_REQUESTS, "GET", "/v1/jobs/{id}", "304"),
		before + 1);
}

static void a_blob_without_its_signature_is_403(void **state)
{
	struct site *s = *state;
	autofree char *target = site_blob(s, "ab/p.jpg", "x");
	autofree char *other = mem_strdup(target);
	memcpy(strstr(other, "ab/p"), "ab/q", 4);
	autoreply none = get(s, "/v1/blobs/ab/p.jpg"), wrong = get(s, other);
	autoreply old = get(s, "/v1/blobs/ab/p.jpg?exp=1&sig=AAAA");
	assert_problem(none, 403, "blob_signature");
	assert_problem(wrong, 403, "blob_signature");
	assert_problem(old, 403, "blob_signature");
}

static void a_blob_that_is_gone_is_404(void **state)
{
	struct site *s = *state;
	struct err e = { 0 };
	autofree char *target = site_blob(s, "ab/p.jpg", "x");
	assert_ok(blob_delete(s->blob, "ab/p.jpg", &e));
	autoreply r = get(s, target);
	assert_problem(r, 404, "blob_not_found");
}

static void bytes_of_no_known_type_are_just_bytes(void **state)
{
	struct site *s = *state;
	autofree char *target = site_blob(s, "ab/p.html", "<script>");
	autoreply r = get(s, target);
	assert_field(r, "Content-Type", "application/octet-stream");
}

static const struct CMUnitTest tests[] = {
	with_site(items_come_in_the_order_given_in_pages),
	with_site(items_are_filtered_by_status_ref_and_url),
	with_site(one_item_is_read_by_its_id),
	with_site(an_item_read_twice_has_the_same_links),
	with_site(the_manifest_holds_job_and_items),
	with_site(a_page_of_events_says_where_to_go_on),
	with_site(the_end_of_the_log_is_an_empty_page),
	with_site(after_the_end_is_400),
	with_site(a_page_waits_for_the_next_event),
	with_site(a_wait_for_events_that_do_not_come_ends_empty),
	with_site(a_long_log_comes_in_pages_of_at_most_200),
	with_site(a_signed_blob_answers_anyone_and_for_ever),
	with_site(a_range_of_a_blob_is_206),
	with_site(a_blob_that_is_known_is_304_and_head_has_no_body),
	with_site(answers_are_counted_by_the_status_that_went_out),
	with_site(a_blob_without_its_signature_is_403),
	with_site(a_blob_that_is_gone_is_404),
	with_site(bytes_of_no_known_type_are_just_bytes),
};
TEST_MAIN(tests)
