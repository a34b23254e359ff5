/* SPDX-License-Identifier: MIT */
#include "lib/test.h"

#include "app/sse.h"

struct seen {
	struct buf text; /* every event's data, each ended by '|' */
	int stop_after;
};

static bool take(void *ctx, const char *data, size_t n)
{
	struct seen *s = ctx;
	buf_add(&s->text, data, n);
	buf_putc(&s->text, '|');
	return --s->stop_after != 0;
}

static bool parse(struct seen *s, const char *text, size_t step)
{
	struct sse_parser p;
	sse_init(&p, take, s);
	bool go_on = true;
	for (size_t n = strlen(text), at = 0; at < n && go_on; at += step)
		go_on = sse_feed(&p, text + at, n - at < step ? n - at : step);
	sse_done(&p);
	return go_on;
}

static void events_arrive_whole_however_they_are_cut(void **state)
{
	(void)state;
	static const char text[] =
		"retry: 2000\n\n: a comment\n\nid: 1\nevent: x\ndata: {\"a\":1}\n\n"
		"data:two\r\ndata: lines\r\n\r\nid: 3\rdata: cr\r\r";
	for (size_t step = 1; step < sizeof(text); step++) {
		struct seen s = { .text = BUF_INIT(4096) };
		assert_true(parse(&s, text, step));
		assert_string_equal(buf_str(&s.text), "{\"a\":1}|two\nlines|cr|");
		buf_done(&s.text);
	}
}

static void a_reader_that_has_enough_stops_the_parsing(void **state)
{
	(void)state;
	struct seen s = { .text = BUF_INIT(4096), .stop_after = 1 };
	assert_false(parse(&s, "data: 1\n\ndata: 2\n\n", 100));
	assert_string_equal(buf_str(&s.text), "1|");
	buf_done(&s.text);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_arrive_whole_however_they_are_cut),
		cmocka_unit_test(a_reader_that_has_enough_stops_the_parsing),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
