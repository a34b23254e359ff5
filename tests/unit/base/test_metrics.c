/* SPDX-License-Identifier: MIT
 *
 * The Prometheus text and the numbers in it.
 */
#include "lib/test.h"

#include "base/mem.h"
#include "base/metrics.h"

#include <pthread.h>
#include <stdlib.h>

static char *render(void)
{
	struct buf b = BUF_INIT(1 << 20);
	metrics_render(&b);
	assert_false(b.full);
	return buf_take(&b);
}

static void a_counter_counts_per_series(void **state)
{
	(void)state;
	metric_add(METRIC_HTTP_REQUESTS, 1, "GET", "/v1/jobs", "200");
	metric_add(METRIC_HTTP_REQUESTS, 2, "GET", "/v1/jobs", "200");
	metric_add(METRIC_HTTP_REQUESTS, 1, "GET", "/v1/jobs", "404");
	assert_true(metric_get(METRIC_HTTP_REQUESTS, "GET", "/v1/jobs", "200") == 3);
	assert_true(metric_get(METRIC_HTTP_REQUESTS, "PUT", "/v1/jobs", "200") == 0);
	autofree char *text = render();
	assert_non_null(strstr(text,
		"# TYPE bulb_http_requests_total counter\n"
		"bulb_http_requests_total{method=\"GET\",route=\"/v1/jobs\","
		"code=\"200\"} 3\n"));
}

static void a_gauge_goes_both_ways(void **state)
{
	(void)state;
	metric_set(METRIC_READERS, 5, "sse", NULL, NULL);
	metric_add(METRIC_READERS, -2, "sse", NULL, NULL);
	autofree char *text = render();
	assert_non_null(strstr(text, "\nbulb_readers{kind=\"sse\"} 3\n"));
}

static void a_histogram_is_cumulative(void **state)
{
	(void)state;
	metric_observe(METRIC_STAGE_SECONDS, .005, "fetch");
	metric_observe(METRIC_STAGE_SECONDS, .75, "fetch");
	metric_observe(METRIC_STAGE_SECONDS, 1000, "fetch");
	autofree char *text = render();
	assert_non_null(strstr(text,
		"bulb_stage_duration_seconds_bucket{stage=\"fetch\",le=\"0.005\"} 1\n"));
	assert_non_null(
		strstr(text, "bulb_stage_duration_seconds_bucket{stage=\"fetch\",le=\"0.5\"} 1\n"));
	assert_non_null(
		strstr(text, "bulb_stage_duration_seconds_bucket{stage=\"fetch\",le=\"1\"} 2\n"));
	assert_non_null(
		strstr(text, "bulb_stage_duration_seconds_bucket{stage=\"fetch\",le=\"300\"} 2\n"));
	assert_non_null(strstr(text,
		"bulb_stage_duration_seconds_bucket{stage=\"fetch\",le=\"+Inf\"} 3\n"));
	assert_non_null(
		strstr(text, "bulb_stage_duration_seconds_sum{stage=\"fetch\"} 1000.755\n"));
	assert_non_null(strstr(text, "bulb_stage_duration_seconds_count{stage=\"fetch\"} 3\n"));
	assert_true(metric_get(METRIC_STAGE_SECONDS, "fetch", NULL, NULL) == 3);
}

static void a_metric_without_labels_is_there_from_the_start(void **state)
{
	(void)state;
	autofree char *text = render();
	assert_non_null(strstr(text, "\nbulb_fetch_bytes_total 0\n"));
	assert_non_null(strstr(text, "\nbulb_http_request_duration_seconds_count 0\n"));
	assert_non_null(
		strstr(text, "\nbulb_http_request_duration_seconds_bucket{le=\"+Inf\"} 0\n"));
}

static void label_values_are_escaped_and_copied(void **state)
{
	(void)state;
	char value[] = "a\"b\\c\nd";
	metric_add(METRIC_SAVED, 1, value, NULL, NULL);
	value[0] = 'z';
	autofree char *text = render();
	assert_non_null(strstr(text, "bulb_saved_total{what=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

static void the_process_is_described(void **state)
{
	(void)state;
	static const char *const names[] = { "process_cpu_seconds_total", "process_open_fds",
		"process_resident_memory_bytes", "process_max_fds", "process_start_time_seconds" };
	autofree char *text = render();
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		autofree char *line = mem_printf("\n%s ", names[i]);
		const char *found = strstr(text, line);
		assert_non_null(found);
		double v = strtod(found + strlen(line), NULL);
		assert_true(i == 0 ? v >= 0 : v > 0);
	}
}

static void series_do_not_grow_without_end(void **state)
{
	(void)state;
	for (int i = 0; i < 3000; i++) {
		char code[12];
		snprintf(code, sizeof(code), "%d", i);
		metric_add(METRIC_ITEM_ERRORS, 1, code, NULL, NULL);
	}
	assert_true(metric_get(METRIC_ITEM_ERRORS, "999", NULL, NULL) == 1);
	assert_true(metric_get(METRIC_ITEM_ERRORS, "1000", NULL, NULL) == 0);
}

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2000; i++) {
		metric_add(METRIC_DELIVERED, 1, i % 2 ? "ws" : "sse", NULL, NULL);
		metric_observe(METRIC_HTTP_SECONDS, .01, NULL);
	}
	return NULL;
}

static void threads_lose_no_count(void **state)
{
	(void)state;
	pthread_t t[4];
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, count, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		pthread_join(t[i], NULL);
	assert_true(metric_get(METRIC_DELIVERED, "ws", NULL, NULL) == 4000);
	assert_true(metric_get(METRIC_HTTP_SECONDS, NULL, NULL, NULL) == 8000);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_counter_counts_per_series),
	cmocka_unit_test(a_gauge_goes_both_ways),
	cmocka_unit_test(a_histogram_is_cumulative),
	cmocka_unit_test(a_metric_without_labels_is_there_from_the_start),
	cmocka_unit_test(label_values_are_escaped_and_copied),
	cmocka_unit_test(the_process_is_described),
	cmocka_unit_test(series_do_not_grow_without_end),
	cmocka_unit_test(threads_lose_no_count),
};
TEST_MAIN(tests)
