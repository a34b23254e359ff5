/* SPDX-License-Identifier: MIT */
#include "lib/test.h"

#include "dispatch/dispatch_impl.h"
#include "lambda/invoke.h"

#define HOUR_MS 3600000

static struct event_task fetch_of(const char *url)
{
	return (struct event_task){ .task = "1.1",
		.secret = "whsec_x",
		.kind = TASK_FETCH,
		.url = url,
		.key_prefix = "out/x/" };
}

static const struct task_name name = { 1, 1 };

static void few_are_spread_and_many_are_put_together(void **state)
{
	(void)state;
	assert_int_equal(chunk_size(4, 20, 10), 1);
	assert_int_equal(chunk_size(40, 20, 10), 2);
	assert_int_equal(chunk_size(41, 20, 10), 3);
	assert_int_equal(chunk_size(1000, 20, 10), 10);
	assert_int_equal(chunk_size(0, 20, 10), 1);
	assert_int_equal(chunk_size(5, 1, 10), 5);
}

static void a_chunk_takes_as_many_as_it_may(void **state)
{
	(void)state;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct chunk *c = chunk_new(a);
	struct event_task t = fetch_of("https://a/");
	for (size_t i = 0; i < 3; i++) {
		assert_true(chunk_takes(c, &t, "", 3, HOUR_MS));
		chunk_add(c, &name, &t, "");
	}
	assert_false(chunk_takes(c, &t, "", 3, HOUR_MS));
	assert_int_equal(c->event.n, 3);
}

static void a_chunk_takes_no_longer_than_it_may_but_always_one(void **state)
{
	(void)state;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct chunk *c = chunk_new(a);
	struct event_task t = fetch_of("https://a/");
	assert_true(chunk_takes(c, &t, "", 100, 1));
	chunk_add(c, &name, &t, "");
	assert_false(chunk_takes(c, &t, "", 100, 1));
	assert_true(chunk_takes(c, &t, "", 100, 4000));
	struct event_task large = { .task = "1.1",
		.secret = "s",
		.kind = TASK_MAKE,
		.key_prefix = "out/x/",
		.has_source = true,
		.source = { .width = 10000, .height = 5000 },
		.recipe = { .n = 0 } };
	assert_true(chunk_takes(c, &large, "", 100, 4000));
}

/* Whatever they are, the text of the whole event stays below Lambda's limit. */
static void a_full_chunk_is_an_event_that_lambda_takes(void **state)
{
	(void)state;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct chunk *c = chunk_new(a);
	char url[4097];
	memset(url, '"', sizeof(url) - 1); /* two bytes each, in JSON */
	url[sizeof(url) - 1] = '\0';
	struct event_task t = fetch_of(url);
	while (chunk_takes(c, &t, "a/long/prefix/", 100, HOUR_MS))
		chunk_add(c, &name, &t, "a/long/prefix/");
	assert_in_range(c->event.n, 20, 40);
	c->event.report_url = "https://app.example.com/v1/results";
	c->event.bucket.name = "bucket";
	c->event.bucket.prefix = "a/long/prefix/";
	autojson *doc = event_json(&c->event);
	autofree char *text = json_text(doc);
	assert_in_range(strlen(text), INVOKE_EVENT_MAX / 2, INVOKE_EVENT_MAX);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(few_are_spread_and_many_are_put_together),
	cmocka_unit_test(a_chunk_takes_as_many_as_it_may),
	cmocka_unit_test(a_chunk_takes_no_longer_than_it_may_but_always_one),
	cmocka_unit_test(a_full_chunk_is_an_event_that_lambda_takes),
};
TEST_MAIN(tests)
