/* SPDX-License-Identifier: MIT
 *
 * GET /v1/usage, and requests that only ask what they would do and cost.
 */
#include "api_test.h"

#include "base/clock.h"

static int64_t total(const struct reply *r, const char *name)
{
	return json_get_int(json_object_get(r->json, "totals"), name, -1);
}

static void usage_is_of_this_month_unless_days_are_named(void **state)
{
	struct site *s = *state;
	char now[CLOCK_RFC3339_MAX];
	autofree char *id = site_submit(s, 2);
	site_succeed(s, 2);
	autoreply r = get(s, "/v1/usage"), job = get_job(s, id, "");
	clock_format_rfc3339(clock_wall_ms(), now);
	assert_status(r, 200);
	assert_status(job, 200);
	assert_field(r, "Cache-Control", "no-store");
	assert_int_equal(strncmp(str(r.json, "to"), now, 10), 0);
	assert_int_equal(strncmp(str(r.json, "from"), now, 8), 0);
	assert_string_equal(str(r.json, "from") + 8, "01");
	assert_int_equal(total(&r, "jobs"), 1);
	assert_int_equal(total(&r, "items"), 2);
	assert_int_equal(total(&r, "paid_calls"), 0);
	const json_t *day = json_array_get(json_object_get(r.json, "days"), 0);
	assert_int_equal(strncmp(str(day, "date"), now, 10), 0);
	assert_int_equal(json_get_int(day, "items", 0), 2);
}

static void days_without_anything_are_not_there(void **state)
{
	struct site *s = *state;
	free(site_submit(s, 1));
	autoreply r = get(s, "/v1/usage?from=2020-02-28&to=2020-03-01");
	assert_status(r, 200);
	assert_string_equal(str(r.json, "from"), "2020-02-28");
	assert_int_equal(json_array_size(json_object_get(r.json, "days")), 0);
	assert_int_equal(total(&r, "jobs"), 0);
}

static void from_defaults_to_the_month_of_to(void **state)
{
	struct site *s = *state;
	autoreply r = get(s, "/v1/usage?to=2020-02-29");
	assert_status(r, 200);
	assert_string_equal(str(r.json, "from"), "2020-02-01");
}

static void the_months_limit_is_told_in_credits(void **state)
{
	struct site *s = *state;
	s->api_opts.max_cost_month = 12500;
	site_start(s);
	autoreply r = get(s, "/v1/usage");
	const json_t *credits = json_object_get(r.json, "credits");
	assert_true(json_get_num(credits, "limit", 0) == 12.5);
	assert_int_equal(json_get_int(credits, "reserved", -1), 0);
}

static void without_a_limit_it_is_null(void **state)
{
	struct site *s = *state;
	s->api_opts.max_cost_month = -1;
	site_start(s);
	autoreply r = get(s, "/v1/usage");
	assert_true(json_is_null(json_object_get(json_object_get(r.json, "credits"), "limit")));
}

static void days_that_are_none_are_refused(void **state)
{
	struct site *s = *state;
	static const char *const bad[] = { "2026-02-30", "2026-13-01", "2026-1-01", "20260101",
		"2026-01-01T00:00:00Z", "-026-01-01", "yesterday", "2026-01-1x" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		autofree char *target = mem_printf("/v1/usage?from=%s", bad[i]);
		autoreply r = get(s, target);
		assert_problem(r, 422, "request_invalid");
	}
	autoreply turned = get(s, "/v1/usage?from=2026-02-02&to=2026-02-01");
	assert_problem(turned, 422, "request_invalid");
}

static void at_most_366_days_are_told_at_a_time(void **state)
{
	struct site *s = *state;
	autoreply leap = get(s, "/v1/usage?from=2024-01-01&to=2024-12-31");
	assert_status(leap, 200);
	autoreply more = get(s, "/v1/usage?from=2024-01-01&to=2025-01-01");
	assert_problem(more, 422, "request_limit");
}

static void a_dry_run_says_what_would_be_done_and_makes_no_job(void **state)
{
	struct site *s = *state;
	autoreply r = post(s, "/v1/jobs",
		"{\"urls\":[\"http://x.example/1\",\"http://x.example/2\",\"http://x.example/1\"],"
		"\"dry_run\":true}");
	assert_status(r, 200);
	assert_true(json_get_bool(r.json, "dry_run", false));
	autofree char *counts = json_text(json_object_get(r.json, "counts"));
	assert_string_equal(counts, "{\"total\":2,\"duplicates\":1}");
	autofree char *estimate = json_text(json_object_get(r.json, "estimate"));
	assert_string_equal(estimate,
		"{\"downloads\":2,\"revalidations\":0,\"encodes\":10,\"cutouts\":0,\"paid_calls\":0,"
		"\"cost\":0,\"hits\":0}");
	autoreply jobs = get(s, "/v1/jobs");
	assert_int_equal(json_array_size(json_object_get(jobs.json, "jobs")), 0);
}

static void a_dry_run_of_what_is_there_needs_nothing(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	site_succeed(s, 1);
	autoreply items = get_job(s, id, "/items");
	const json_t *item = json_array_get(json_object_get(items.json, "items"), 0);
	autofree char *body = mem_printf("{\"urls\":[\"%s\"],\"dry_run\":true}", str(item, "url"));
	autoreply r = http_call(s->port, "PUT", "/v1/jobs/mine", NULL, body);
	assert_status(r, 200);
	assert_int_equal(json_get_int(json_object_get(r.json, "estimate"), "hits", 0), 1);
	assert_int_equal(json_get_int(json_object_get(r.json, "estimate"), "downloads", -1), 0);
	autoreply none = get(s, "/v1/jobs/mine");
	assert_problem(none, 404, "not_found");
}

static void a_dry_run_is_checked_like_any_request(void **state)
{
	struct site *s = *state;
	autoreply r = post(s, "/v1/jobs", "{\"urls\":[],\"dry_run\":true}");
	assert_int_equal(r.status, 422);
	autoreply from = post(s, "/v1/jobs", "{\"from\":{\"job\":\"gone\"},\"dry_run\":true}");
	assert_int_equal(from.status, 404);
}

static const struct CMUnitTest tests[] = {
	with_site(usage_is_of_this_month_unless_days_are_named),
	with_site(days_without_anything_are_not_there),
	with_site(from_defaults_to_the_month_of_to),
	with_bare_site(the_months_limit_is_told_in_credits),
	with_bare_site(without_a_limit_it_is_null),
	with_site(days_that_are_none_are_refused),
	with_site(at_most_366_days_are_told_at_a_time),
	with_site(a_dry_run_says_what_would_be_done_and_makes_no_job),
	with_site(a_dry_run_of_what_is_there_needs_nothing),
	with_site(a_dry_run_is_checked_like_any_request),
};
TEST_MAIN(tests)
