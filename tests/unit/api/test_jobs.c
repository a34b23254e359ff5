/* SPDX-License-Identifier: MIT
 *
 * Jobs over HTTP: made once, read, waited for, listed, canceled, retried, forgotten.
 */
#include "api_test.h"

static void a_post_is_answered_at_once_with_the_job(void **state)
{
	struct site *s = *state;
	autoreply r = post(s, "/v1/jobs", ONE_URL);
	assert_status(r, 202);
	const char *id = str(r.json, "id");
	autofree char *self = mem_printf("http://127.0.0.1:%d/v1/jobs/%s", s->port, id);
	assert_int_equal(strlen(id), 26);
	assert_field(r, "Location", self);
	assert_field(r, "Retry-After", "1");
	assert_field(r, "Cache-Control", "no-cache");
	assert_field(r, "Content-Type", "application/json");
	assert_non_null(reply_field(&r, "ETag"));
	assert_string_equal(str(json_object_get(r.json, "links"), "self"), self);
	assert_string_equal(str(r.json, "status"), "queued");
	assert_int_equal(json_get_int(json_object_get(r.json, "counts"), "total", 0), 1);
}

static void urls_that_repeat_are_one_item(void **state)
{
	autoreply r = post(*state, "/v1/jobs",
		"{\"urls\":[\"http://x.example/a\",\"HTTP://X.example:80/a#f\",\"http://x.example/b\"]}");
	assert_status(r, 202);
	const json_t *counts = json_object_get(r.json, "counts");
	assert_int_equal(json_get_int(counts, "total", 0), 2);
	assert_int_equal(json_get_int(counts, "duplicates", 0), 1);
}

static void a_body_that_is_not_json_is_400(void **state)
{
	autoreply r = post(*state, "/v1/jobs", "{\"urls\":");
	assert_problem(r, 400, "request_malformed");
	assert_field(r, "Cache-Control", "no-store");
}

static void another_content_type_is_415_with_a_line_that_works(void **state)
{
	struct site *s = *state;
	autoreply r = http_call(s->port, "POST", "/v1/jobs", "Content-Type: text/plain\r\n",
		ONE_URL);
	assert_problem(r, 415, "request_media_type");
	assert_non_null(strstr(str(r.json, "detail"), "curl -H 'Content-Type: application/json'"));
	assert_non_null(strstr(str(r.json, "detail"), "/v1/jobs'"));
}

static void parameters_of_the_content_type_do_not_matter(void **state)
{
	struct site *s = *state;
	autoreply r = http_call(s->port, "POST", "/v1/jobs",
		"Content-Type: Application/JSON; charset=utf-8\r\n", ONE_URL);
	assert_status(r, 202);
	autoreply no = http_call(s->port, "POST", "/v1/jobs",
		"Content-Type: application/json-patch+json\r\n", ONE_URL);
	assert_problem(no, 415, "request_media_type");
}

static void faults_are_listed_with_pointers(void **state)
{
	struct site *s = *state;
	autoreply r = post(s, "/v1/jobs",
		"{\"urls\":[\"http://x.example/a\"],\"withoutEnlargement\":1,\"priority\":\"no\"}");
	assert_status(r, 422);
	const json_t *errors = json_object_get(r.json, "errors");
	assert_int_equal(json_array_size(errors), 2);
	assert_non_null(json_object_get(json_array_get(errors, 0), "pointer"));
	assert_non_null(json_object_get(json_array_get(errors, 0), "detail"));
	autofree char *type = mem_printf("http://127.0.0.1:%d/errors/%s", s->port,
		str(r.json, "code"));
	assert_string_equal(str(r.json, "type"), type);
	assert_true(strncmp(str(r.json, "instance"), "urn:request:", 12) == 0);
}

static void the_request_id_is_taken_and_stands_in_the_problem(void **state)
{
	struct site *s = *state;
	autoreply r = http_call(s->port, "GET", "/v1/jobs/nope", "X-Request-Id: mine-7\r\n", NULL);
	assert_problem(r, 404, "not_found");
	assert_field(r, "X-Request-Id", "mine-7");
	assert_string_equal(str(r.json, "instance"), "urn:request:mine-7");
}

static void one_idempotency_key_makes_one_job(void **state)
{
	struct site *s = *state;
	const char *key = "Idempotency-Key: abc\r\n";
	autoreply a = http_call(s->port, "POST", "/v1/jobs", key, ONE_URL);
	autoreply b = http_call(s->port, "POST", "/v1/jobs", key,
		"{ \"urls\" :[\"http://origin.example/a.jpg\"]}");
	autoreply c = http_call(s->port, "POST", "/v1/jobs", key,
		"{\"urls\":[\"http://x.example/\"]}");
	assert_status(a, 202);
	assert_status(b, 202);
	assert_string_equal(str(a.json, "id"), str(b.json, "id"));
	assert_problem(c, 422, "request_idempotency");
}

static void fifty_posts_with_one_key_at_once_make_one_job(void **state)
{
	struct site *s = *state;
	int fds[50];
	char id[64] = "";
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = http_send(s->port, "POST", "/v1/jobs", "Idempotency-Key: k\r\n", ONE_URL);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		autoreply r = http_receive(fds[i]);
		assert_status(r, 202);
		if (i > 0)
			assert_string_equal(str(r.json, "id"), id);
		snprintf(id, sizeof(id), "%s", str(r.json, "id"));
	}
	autoreply list = get(s, "/v1/jobs");
	assert_int_equal(json_array_size(json_object_get(list.json, "jobs")), 1);
}

static void put_makes_a_job_under_the_callers_own_id(void **state)
{
	struct site *s = *state;
	autoreply a = http_call(s->port, "PUT", "/v1/jobs/my-job_1", NULL, ONE_URL);
	autoreply b = http_call(s->port, "PUT", "/v1/jobs/my-job_1", NULL, ONE_URL);
	autoreply c = http_call(s->port, "PUT", "/v1/jobs/my-job_1", NULL,
		"{\"urls\":[\"http://x.example/\"]}");
	autoreply d = http_call(s->port, "PUT", "/v1/jobs/my.job", NULL, ONE_URL);
	assert_status(a, 202);
	assert_string_equal(str(a.json, "id"), "my-job_1");
	assert_status(b, 200);
	assert_null(reply_field(&b, "Retry-After"));
	assert_problem(c, 409, "job_exists");
	assert_problem(d, 422, "request_invalid");
}

static void a_job_read_again_is_304(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1), *target = mem_printf("/v1/jobs/%s", id);
	autoreply a = get(s, target);
	autofree char *known = mem_printf("If-None-Match: W/\"x\", %s\r\n",
		reply_field(&a, "ETag"));
	autoreply b = http_call(s->port, "GET", target, known, NULL);
	assert_status(b, 304);
	assert_int_equal(b.body_n, 0);
	site_fail(s, 1);
	autoreply c = http_call(s->port, "GET", target, known, NULL);
	assert_status(c, 200);
	assert_string_equal(str(c.json, "status"), "failed");
}

static void head_is_get_without_the_body(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1), *target = mem_printf("/v1/jobs/%s", id);
	autoreply a = get(s, target), b = http_call(s->port, "HEAD", target, NULL, NULL);
	assert_status(b, 200);
	assert_int_equal(b.body_n, 0);
	autofree char *etag = mem_strdup(reply_field(&a, "ETag"));
	assert_field(b, "ETag", etag);
	autofree char *length = mem_printf("%zu", a.body_n);
	assert_field(b, "Content-Length", length);
}

/* An item fails while the request is parked: it was sent before, and answered after, with this status. */
static void assert_parked_until(struct site *s, const char *target, const char *fields,
	const char *status)
{
	int fd = http_send(s->port, "GET", target, fields, NULL);
	site_fail(s, 1);
	autoreply r = http_receive(fd);
	assert_status(r, 200);
	assert_string_equal(str(r.json, "status"), status);
}

static void a_wait_ends_with_the_job(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1), *target = mem_printf("/v1/jobs/%s?wait=20", id);
	assert_parked_until(s, target, NULL, "failed");
}

static void a_wait_that_knows_the_state_ends_with_its_next_change(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 2), *target = mem_printf("/v1/jobs/%s?wait=20", id);
	autoreply a = get_job(s, id, "");
	autofree char *known = mem_printf("If-None-Match: %s\r\n", reply_field(&a, "ETag"));
	assert_parked_until(s, target, known, "running");
}

static void a_wait_that_is_over_shows_the_job_as_it_is(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	autoreply r = get_job(s, id, "?wait=1");
	assert_status(r, 200);
	assert_string_equal(str(r.json, "status"), "queued");
}

static void a_wait_on_an_ended_job_does_not_wait(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	site_fail(s, 1);
	autoreply r = get_job(s, id, "?wait=25");
	assert_status(r, 200);
}

static void a_wait_of_more_than_the_limit_counts_as_the_limit(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	site_fail(s, 1);
	autoreply r = get_job(s, id, "?wait=9999");
	assert_status(r, 200);
	autoreply bad = get_job(s, id, "?wait=soon");
	assert_problem(bad, 422, "request_invalid");
}

static void prefer_wait_answers_200_when_the_job_has_ended(void **state)
{
	struct site *s = *state;
	int fd = http_send(s->port, "PUT", "/v1/jobs/p1", "Prefer: respond-async, wait=20\r\n",
		ONE_URL);
	for (bool there = false; !there;) {
		autoreply r = get_job(s, "p1", "");
		there = r.status == 200;
	}
	site_fail(s, 1);
	autoreply r = http_receive(fd);
	assert_status(r, 200);
	assert_field(r, "Preference-Applied", "wait=20");
	assert_string_equal(str(r.json, "status"), "failed");
	assert_non_null(reply_field(&r, "Location"));
}

static void prefer_wait_answers_202_when_time_is_up(void **state)
{
	struct site *s = *state;
	autoreply r = http_call(s->port, "POST", "/v1/jobs", "Prefer: wait=1\r\n", ONE_URL);
	assert_status(r, 202);
	assert_field(r, "Preference-Applied", "wait=1");
}

static void jobs_are_listed_newest_first_in_pages(void **state)
{
	struct site *s = *state;
	char *ids[5];
	size_t seen = 5;
	for (size_t i = 0; i < 5; i++)
		ids[i] = site_submit(s, 1);
	autofree char *target = mem_strdup("/v1/jobs?page_size=2");
	while (target) {
		autoreply r = get(s, target);
		assert_status(r, 200);
		assert_field(r, "Cache-Control", "no-store");
		const json_t *jobs = json_object_get(r.json, "jobs");
		for (size_t i = 0; i < json_array_size(jobs); i++)
			assert_string_equal(str(json_array_get(jobs, i), "id"), ids[--seen]);
		const char *token = json_get_str(r.json, "next_page_token", NULL);
		free(target);
		target = token ? mem_printf("/v1/jobs?page_size=2&page_token=%s", token) : NULL;
	}
	assert_int_equal(seen, 0);
	for (size_t i = 0; i < 5; i++)
		free(ids[i]);
}

static void a_page_token_serves_the_list_it_was_made_for(void **state)
{
	struct site *s = *state;
	for (int i = 0; i < 2; i++)
		free(site_submit(s, 1));
	autoreply r = get(s, "/v1/jobs?page_size=1");
	const char *token = str(r.json, "next_page_token");
	autofree char *other = mem_printf("/v1/jobs?page_size=1&status=failed&page_token=%s",
		token);
	autoreply no = get(s, other), junk = get(s, "/v1/jobs?page_token=zzz");
	assert_problem(no, 422, "request_invalid");
	assert_problem(junk, 422, "request_invalid");
}

static void page_sizes_out_of_bounds_name_the_bounds(void **state)
{
	autoreply big = get(*state, "/v1/jobs?page_size=1001"),
		  none = get(*state, "/v1/jobs?page_size=0");
	assert_problem(big, 422, "request_limit");
	assert_non_null(strstr(str(big.json, "detail"), "1000"));
	assert_problem(none, 422, "request_limit");
}

static void jobs_are_filtered_by_status_and_tag(void **state)
{
	struct site *s = *state;
	autoreply a = post(s, "/v1/jobs", "{\"urls\":[\"http://x.example/1\"],\"tag\":\"spring\"}");
	site_fail(s, 1);
	autoreply b = post(s, "/v1/jobs", "{\"urls\":[\"http://x.example/2\"]}");
	autoreply tagged = get(s, "/v1/jobs?tag=spring"), queued = get(s, "/v1/jobs?status=queued");
	autoreply bad = get(s, "/v1/jobs?status=fine");
	const json_t *list = json_object_get(tagged.json, "jobs");
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(str(json_array_get(list, 0), "id"), str(a.json, "id"));
	list = json_object_get(queued.json, "jobs");
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(str(json_array_get(list, 0), "id"), str(b.json, "id"));
	assert_problem(bad, 422, "request_invalid");
}

static void cancel_ends_the_job_and_may_be_said_again(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 2);
	autoreply a = post_job(s, id, "/cancel"), b = post_job(s, id, "/cancel");
	assert_status(a, 200);
	assert_string_equal(str(a.json, "status"), "canceled");
	assert_int_equal(json_get_int(json_object_get(a.json, "counts"), "canceled", 0), 2);
	assert_status(b, 200);
	autoreply none = post(s, "/v1/jobs/nope/cancel", NULL);
	assert_problem(none, 404, "not_found");
}

static void retry_runs_what_failed_again(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	autoreply early = post_job(s, id, "/retry");
	assert_problem(early, 409, "job_not_ended");
	site_fail(s, 1);
	autoreply r = post_job(s, id, "/retry");
	assert_status(r, 202);
	assert_string_equal(str(r.json, "status"), "running");
	assert_field(r, "Retry-After", "1");
	site_succeed(s, 1);
	autoreply again = post_job(s, id, "/retry");
	assert_status(again, 200);
	assert_string_equal(str(again.json, "status"), "succeeded");
}

static void retry_takes_a_body_of_its_own(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1), *target = mem_printf("/v1/jobs/%s/retry", id);
	site_fail(s, 1);
	autoreply bad = post(s, target, "{\"confirm_charges\":true}");
	assert_problem(bad, 422, "request_unknown_member");
	autoreply good = post(s, target, "{\"confirm_charge\":true}");
	assert_status(good, 202);
}

static void delete_forgets_the_job(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1), *target = mem_printf("/v1/jobs/%s", id);
	autoreply a = http_call(s->port, "DELETE", target, NULL, NULL);
	autoreply b = http_call(s->port, "DELETE", target, NULL, NULL), c = get(s, target);
	assert_status(a, 204);
	assert_int_equal(a.body_n, 0);
	assert_problem(b, 404, "not_found");
	assert_problem(c, 404, "not_found");
}

static void a_full_queue_is_429_with_a_time_to_come_back(void **state)
{
	struct site *s = *state;
	site_defaults(s);
	s->api_opts.max_open_items = 1;
	site_start(s);
	autoreply r = post(s, "/v1/jobs",
		"{\"urls\":[\"http://x.example/1\",\"http://x.example/2\"]}");
	assert_problem(r, 429, "queue_full");
	assert_non_null(reply_field(&r, "Retry-After"));
	assert_non_null(reply_field(&r, "RateLimit"));
	assert_non_null(reply_field(&r, "RateLimit-Policy"));
}

static void a_server_that_drains_takes_no_jobs(void **state)
{
	struct site *s = *state;
	api_set_draining(s->api);
	autoreply r = post(s, "/v1/jobs", ONE_URL);
	assert_problem(r, 503, "shutting_down");
	assert_non_null(reply_field(&r, "Retry-After"));
}

static const struct CMUnitTest tests[] = {
	with_site(a_post_is_answered_at_once_with_the_job),
	with_site(urls_that_repeat_are_one_item),
	with_site(a_body_that_is_not_json_is_400),
	with_site(another_content_type_is_415_with_a_line_that_works),
	with_site(parameters_of_the_content_type_do_not_matter),
	with_site(faults_are_listed_with_pointers),
	with_site(the_request_id_is_taken_and_stands_in_the_problem),
	with_site(one_idempotency_key_makes_one_job),
	with_site(fifty_posts_with_one_key_at_once_make_one_job),
	with_site(put_makes_a_job_under_the_callers_own_id),
	with_site(a_job_read_again_is_304),
	with_site(head_is_get_without_the_body),
	with_site(a_wait_ends_with_the_job),
	with_site(a_wait_that_knows_the_state_ends_with_its_next_change),
	with_site(a_wait_that_is_over_shows_the_job_as_it_is),
	with_site(a_wait_on_an_ended_job_does_not_wait),
	with_site(a_wait_of_more_than_the_limit_counts_as_the_limit),
	with_site(prefer_wait_answers_200_when_the_job_has_ended),
	with_site(prefer_wait_answers_202_when_time_is_up),
	with_site(jobs_are_listed_newest_first_in_pages),
	with_site(a_page_token_serves_the_list_it_was_made_for),
	with_site(page_sizes_out_of_bounds_name_the_bounds),
	with_site(jobs_are_filtered_by_status_and_tag),
	with_site(cancel_ends_the_job_and_may_be_said_again),
	with_site(retry_runs_what_failed_again),
	with_site(retry_takes_a_body_of_its_own),
	with_site(delete_forgets_the_job),
	cmocka_unit_test_setup_teardown(a_full_queue_is_429_with_a_time_to_come_back, bare_site,
		close_site),
	with_site(a_server_that_drains_takes_no_jobs),
};
TEST_MAIN(tests)
