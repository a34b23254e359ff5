/* SPDX-License-Identifier: MIT
 *
 * One picture and its child: whatever a child does, one picture ends with its code, and the next one
 * succeeds.
 */
#include "pool.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "darkroom/jail.h"

#include <fcntl.h>
#include <unistd.h>

/* The act ends with this code and reason (NULL: any); then the pool is as good as before. */
static void assert_ends(struct room *r, const char *act, enum err_code code, const char *reason)
{
	struct err e;
	struct darkroom_result res;
	struct darkroom_stats s;
	r->reasons[0] = '\0';
	autofree char *reasons = mem_printf("%s ", reason ? reason : "");
	assert_err(process(r, act, &res, &e), code);
	if (reason)
		assert_string_equal(r->reasons, reasons);
	assert_int_equal(res.n, 0);
	assert_int_equal(res.crashed, code == ERR_DECODE_CRASHED);
	darkroom_stats(r->d, &s);
	assert_int_equal(s.pids_n, 2);
	assert_int_equal(s.idle, 2);
	assert_int_equal(s.memory_used, 0);
	assert_good(r);
}

static void a_picture_becomes_its_variants(void **state)
{
	(void)state;
	struct room r;
	struct err e;
	struct darkroom_result res;
	open_room(&r, usual());
	assert_ok(process(&r, "good", &res, &e));
	assert_int_equal(res.n, 5);
	assert_int_equal(res.format, FORMAT_JPEG);
	assert_int_equal(res.width, 100);
	assert_string_equal(res.thumbhash, "AAAA");
	assert_string_equal(res.color, "#123456");
	assert_true(res.process_ms >= 0);
	for (size_t i = 0; i < res.n; i++) {
		const struct darkroom_output *o = &res.outputs[i];
		assert_int_equal(o->format, r.recipe.variants[o->index].format);
		assert_int_equal(io_size(o->fd), o->bytes);
		assert_int_equal(fcntl(o->fd, F_GET_SEALS) & (F_SEAL_WRITE | F_SEAL_SEAL),
			F_SEAL_WRITE | F_SEAL_SEAL);
	}
	darkroom_result_done(&res);
	close_room(&r);
}

static void a_decoders_error_is_the_pictures(void **state)
{
	(void)state;
	struct room r;
	struct err e;
	struct darkroom_result res;
	open_room(&r, usual());
	assert_ends(&r, "no such act", ERR_DECODE_CORRUPT, "worn");
	assert_err(process(&r, "no such act", &res, &e), ERR_DECODE_CORRUPT);
	assert_int_equal(res.format, FORMAT_JPEG);
	autofd empty = -1, text = -1;
	assert_ok(io_memfd("empty", &empty, &e));
	assert_ok(io_seal(empty, &e));
	assert_err(darkroom_process(r.d, 1, empty, &r.recipe, NULL, &res, &e), ERR_FETCH_NOT_IMAGE);
	assert_ok(io_memfd("text", &text, &e));
	assert_ok(io_write_all(text, "hello", 5, &e));
	assert_ok(io_seal(text, &e));
	assert_err(darkroom_process(r.d, 1, text, &r.recipe, NULL, &res, &e), ERR_FETCH_NOT_IMAGE);
	assert_int_equal(res.format, FORMAT_NONE);
	assert_good(&r);
	close_room(&r);
}

static void a_child_that_dies_ends_one_picture(void **state)
{
	(void)state;
	struct room r;
	/* A sanitizer turns a crash into a report and an end of its own. */
	const char *crash = JAIL_SANITIZED ? NULL : "signal";
	open_room(&r, usual());
	assert_ends(&r, "crashes", ERR_DECODE_CRASHED, crash);
	assert_ends(&r, "crashes early", ERR_DECODE_CRASHED, crash);
	assert_ends(&r, "aborts", ERR_DECODE_CRASHED, "signal");
	assert_ends(&r, "leaves", ERR_DECODE_CRASHED, "protocol");
	assert_ends(&r, "hangs up", ERR_DECODE_CRASHED, "killed");
	assert_ends(&r, "opens a socket", ERR_DECODE_CRASHED, "signal");
	close_room(&r);
}

static void a_child_that_takes_too_long_is_ended(void **state)
{
	(void)state;
	struct room r;
	struct darkroom_opts o = usual();
	o.item_ms = 1000; /* long enough for the good ones on a busy machine */
	open_room(&r, o);
	assert_ends(&r, "hangs", ERR_LIMIT_TIME, "time");
	assert_ends(&r, "hangs early", ERR_LIMIT_TIME, "time");
	assert_ends(&r, "spins", ERR_LIMIT_TIME, "time");
	close_room(&r);
}

static void processor_time_is_limited_too(void **state)
{
	(void)state;
	struct room r;
	struct darkroom_opts o = usual();
	o.item_ms = 20000;
	o.cpu_s = 1;
	open_room(&r, o);
	assert_ends(&r, "spins", ERR_LIMIT_TIME, "time");
	close_room(&r);
}

static void a_child_that_eats_memory_is_ended(void **state)
{
	(void)state;
	if (JAIL_SANITIZED) {
		print_message("# skipped: a sanitizer build has no RLIMIT_AS\n");
		return;
	}
	struct room r;
	open_room(&r, usual());
	assert_ends(&r, "eats memory", ERR_LIMIT_MEMORY, "memory");
	assert_ends(&r, "asks for too much", ERR_LIMIT_MEMORY, "memory");
	close_room(&r);
}

static void a_child_that_lies_is_ended(void **state)
{
	(void)state;
	static const char *const lies[] = { "keeps a mapping", "says it twice", "floods",
		"claims too much", "claims another size", "claims what nobody asked",
		"changes the format", "sends html", "sends /dev/null", "sends garbage",
		"sends no descriptor", "blames another", "makes nothing" };
	struct room r;
	open_room(&r, usual());
	for (size_t i = 0; i < ARRAY_LEN(lies); i++)
		assert_ends(&r, lies[i], ERR_DECODE_CRASHED, "protocol");
	close_room(&r);
}

static void a_picture_larger_than_the_budget_is_refused(void **state)
{
	(void)state;
	struct room r;
	open_room(&r, usual());
	assert_ends(&r, "larger than everything", ERR_LIMIT_MEMORY, "worn");
	close_room(&r);
}

static void a_canceled_picture_stops(void **state)
{
	(void)state;
	struct room r;
	open_room(&r, usual());
	struct lane l = { .r = &r, .act = "hangs", .scope = 1 };
	start(&l);
	await_memory(&r, 1 << 20);
	atomic_store(&l.cancel, true);
	pthread_join(l.thread, NULL);
	assert_int_equal(l.code, ERR_CANCELED);
	assert_good(&r);
	close_room(&r);
}

static void failures_leak_no_descriptor(void **state)
{
	(void)state;
	static const char *const acts[] = { "good", "crashes", "keeps a mapping", "floods",
		"sends /dev/null", "sends no descriptor", "no such act", "blames another" };
	struct room r;
	int first = -1;
	open_room(&r, usual());
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
			struct err e;
			struct darkroom_result res;
			enum err_code code = process(&r, acts[i], &res, &e);
			(void)code;
			darkroom_result_done(&res);
		}
		int fd = dup(0); /* the lowest that is free */
		close(fd);
		assert_true(first == -1 || fd == first);
		first = fd;
	}
	close_room(&r);
}

static void a_picture_costs_little(void **state)
{
	(void)state;
	struct room r;
	enum { N = 200 };
	open_room(&r, usual());
	assert_good(&r);
	int64_t start_us = clock_mono_us();
	for (int i = 0; i < N; i++)
		assert_good(&r);
	print_message("# %.3f ms a picture of five variants\n",
		(double)(clock_mono_us() - start_us) / N / 1000);
	close_room(&r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_picture_becomes_its_variants),
	cmocka_unit_test(a_decoders_error_is_the_pictures),
	cmocka_unit_test(a_child_that_dies_ends_one_picture),
	cmocka_unit_test(a_child_that_takes_too_long_is_ended),
	cmocka_unit_test(processor_time_is_limited_too),
	cmocka_unit_test(a_child_that_eats_memory_is_ended),
	cmocka_unit_test(a_child_that_lies_is_ended),
	cmocka_unit_test(a_picture_larger_than_the_budget_is_refused),
	cmocka_unit_test(a_canceled_picture_stops),
	cmocka_unit_test(failures_leak_no_descriptor),
	cmocka_unit_test(a_picture_costs_little),
};
TEST_MAIN(tests)
