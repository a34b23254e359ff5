/* SPDX-License-Identifier: MIT
 *
 * Health, figures, presets and the pages.
 */
#include "api_test.h"

static void a_server_that_runs_is_alive_and_ready(void **state)
{
	autoreply live = get(*state, "/healthz"), ready = get(*state, "/readyz");
	assert_status(live, 200);
	assert_string_equal(str(live.json, "status"), "ok");
	assert_status(ready, 200);
	assert_string_equal(str(ready.json, "status"), "ready");
	assert_field(ready, "Cache-Control", "no-store");
}

static const char *darkroom_is_broken(void *ctx, struct err *e)
{
	(void)ctx;
	(void)err_set(e, ERR_DARKROOM, "no children");
	return "darkroom";
}

static int broken_site(void **state)
{
	static struct site s;
	site_defaults(&s);
	s.api_opts.not_ready = darkroom_is_broken;
	site_start(&s);
	*state = &s;
	return 0;
}

static void readiness_names_the_part_that_fails(void **state)
{
	autoreply r = get(*state, "/readyz");
	assert_status(r, 503);
	assert_string_equal(str(r.json, "failing"), "darkroom");
	assert_string_equal(str(r.json, "detail"), "no children");
	assert_non_null(reply_field(&r, "Retry-After"));
}

static void a_server_that_drains_is_alive_and_not_ready(void **state)
{
	struct site *s = *state;
	api_set_draining(s->api);
	autoreply live = get(s, "/healthz"), ready = get(s, "/readyz");
	assert_status(live, 200);
	assert_status(ready, 503);
	assert_string_equal(str(ready.json, "failing"), "draining");
}

static int ops_site(void **state)
{
	static struct site s;
	site_defaults(&s);
	s.api_opts.ops_only = true;
	site_start(&s);
	*state = &s;
	return 0;
}

/* A kubelet asks by address. */
static void the_ops_listener_serves_health_and_figures_to_any_host_and_nothing_else(void **state)
{
	struct site *s = *state;
	static const char *const ours[] = { "/healthz", "/readyz", "/metrics" };
	static const char *const not_ours[] = { "/", "/v1/jobs", "/v1/presets",
		"/errors/not_found" };
	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		autoreply r = http_call(s->port, "GET", ours[i], "Host: 10.1.2.3:9090\r\n", NULL);
		assert_status(r, 200);
	}
	for (size_t i = 0; i < ARRAY_LEN(not_ours); i++) {
		autoreply r = get(s, not_ours[i]);
		assert_status(r, 404);
	}
}

static void metrics_count_requests_by_route_and_show_the_queue(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 3);
	autoreply job = get_job(s, id, ""), none = get(s, "/v1/jobs/secret-name/items");
	autoreply r = get(s, "/metrics");
	assert_status(job, 200);
	assert_status(none, 404);
	assert_status(r, 200);
	assert_true(strncmp(reply_field(&r, "Content-Type"), "text/plain; version=0.0.4", 25) == 0);
	assert_non_null(strstr(r.body,
		"bulb_http_requests_total{method=\"GET\",route=\"/v1/jobs/{id}\",code=\"200\"}"));
	assert_non_null(strstr(r.body, "route=\"/v1/jobs/{id}/items\",code=\"404\"}"));
	assert_non_null(strstr(r.body, "bulb_queue_items{priority=\"normal\"} 3"));
	assert_non_null(strstr(r.body, "bulb_queue_oldest_seconds{priority=\"normal\"}"));
	assert_non_null(strstr(r.body, "bulb_http_request_duration_seconds_bucket"));
	assert_non_null(strstr(r.body, "process_"));
	assert_null(strstr(r.body, "secret-name"));
}

static void presets_are_shown_as_a_request_would_spell_them(void **state)
{
	autoreply r = get(*state, "/v1/presets");
	assert_status(r, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "web")), 5);
}

static void the_page_comes_with_a_policy_that_runs_nothing_but_its_own_script(void **state)
{
	autoreply page = get(*state, "/"), script = get(*state, "/page/app.js"),
		  style = get(*state, "/page/style.css");
	assert_status(page, 200);
	assert_field(page, "Content-Type", "text/html; charset=utf-8");
	const char *policy = reply_field(&page, "Content-Security-Policy");
	assert_non_null(strstr(policy, "default-src 'none'"));
	assert_non_null(strstr(policy, "script-src 'self';"));
	assert_null(strstr(policy, "unsafe"));
	assert_null(strstr(page.body, "<script>"));
	assert_null(strstr(page.body, "style="));
	assert_field(script, "Content-Type", "text/javascript; charset=utf-8");
	assert_field(style, "Content-Type", "text/css; charset=utf-8");
}

static void every_error_code_has_its_page(void **state)
{
	struct site *s = *state;
	for (int code = 1; code < ERR_COUNT; code++) {
		autofree char *target = mem_printf("/errors/%s", err_name((enum err_code)code));
		autoreply r = get(s, target);
		assert_status(r, 200);
		assert_non_null(strstr(r.body, err_title((enum err_code)code)));
	}
	autoreply none = get(s, "/errors/no_such_code");
	assert_problem(none, 404, "not_found");
}

static void a_request_that_http_refuses_is_a_problem_too(void **state)
{
	struct site *s = *state;
	autofree char *target = mem_zalloc(9001);
	memset(target, 'a', 9000);
	target[0] = '/';
	autoreply r = get(s, target);
	assert_problem(r, 414, "request_uri_too_long");
}

static const struct CMUnitTest tests[] = {
	with_site(a_server_that_runs_is_alive_and_ready),
	cmocka_unit_test_setup_teardown(readiness_names_the_part_that_fails, broken_site,
		close_site),
	with_site(a_server_that_drains_is_alive_and_not_ready),
	cmocka_unit_test_setup_teardown(
		the_ops_listener_serves_health_and_figures_to_any_host_and_nothing_else, ops_site,
		close_site),
	with_site(metrics_count_requests_by_route_and_show_the_queue),
	with_site(presets_are_shown_as_a_request_would_spell_them),
	with_site(the_page_comes_with_a_policy_that_runs_nothing_but_its_own_script),
	with_site(every_error_code_has_its_page),
	with_site(a_request_that_http_refuses_is_a_problem_too),
};
TEST_MAIN(tests)
