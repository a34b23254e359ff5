/* SPDX-License-Identifier: MIT
 *
 * What sharing costs and what it keeps: reads of the store, frames in memory, links of the hour.
 * store_events and the clocks are wrapped by the linker.
 */
#include "push_test.h"

#include "base/clock.h"
#include "push/push_impl.h"

#include <sched.h>
#include <stdatomic.h>

#define READERS 200

static atomic_int reads, failures;
static _Atomic int64_t reads_from; /* what is read before this event is not counted */
static _Atomic int64_t reads_of;   /* this job, if not 0 */
static _Atomic int64_t clock_offset_ms;
static _Atomic int64_t mono_ms; /* if not 0, time stands still */

enum err_code __real_store_events(struct store *s, int64_t job_no, int64_t after, size_t max,
	size_t max_bytes, struct arena *a, struct event_row **ret, size_t *ret_n, int64_t *ret_last,
	bool *ret_ended, struct err *e);
enum err_code __wrap_store_events(struct store *s, int64_t job_no, int64_t after, size_t max,
	size_t max_bytes, struct arena *a, struct event_row **ret, size_t *ret_n, int64_t *ret_last,
	bool *ret_ended, struct err *e);
int64_t __real_clock_wall_ms(void);
int64_t __wrap_clock_wall_ms(void);
int64_t __real_clock_mono_ms(void);
int64_t __wrap_clock_mono_ms(void);

enum err_code __wrap_store_events(struct store *s, int64_t job_no, int64_t after, size_t max,
	size_t max_bytes, struct arena *a, struct event_row **ret, size_t *ret_n, int64_t *ret_last,
	bool *ret_ended, struct err *e)
{
	int64_t of = atomic_load(&reads_of);
	if (after >= atomic_load(&reads_from) && (of == 0 || of == job_no))
		atomic_fetch_add(&reads, 1);
	if (atomic_load(&failures) > 0) {
		atomic_fetch_sub(&failures, 1);
		return err_set(e, ERR_STORE_UNAVAILABLE, "a test said so");
	}
	return __real_store_events(s, job_no, after, max, max_bytes, a, ret, ret_n, ret_last,
		ret_ended, e);
}

int64_t __wrap_clock_wall_ms(void)
{
	return __real_clock_wall_ms() + atomic_load(&clock_offset_ms);
}

int64_t __wrap_clock_mono_ms(void)
{
	int64_t stopped = atomic_load(&mono_ms);
	return stopped ? stopped : __real_clock_mono_ms();
}

static size_t bytes_kept(struct site *s)
{
	pthread_mutex_lock(&s->push->lock);
	size_t n = s->push->bytes;
	pthread_mutex_unlock(&s->push->lock);
	return n;
}

static size_t jobs_watched(struct site *s)
{
	pthread_mutex_lock(&s->push->lock);
	size_t n = s->push->watches_n;
	pthread_mutex_unlock(&s->push->lock);
	return n;
}

static void live_events_are_read_once_for_all_readers(void **state)
{
	struct site *s = *state;
	static struct wire w[READERS];
	autofree char *id = site_submit(s, 20);
	for (size_t i = 0; i < READERS; i++) {
		watch(&w[i], s, id, "");
		expect_events(&w[i], 1, 1);
	}
	atomic_store(&reads, 0);
	site_fail(s, 20);
	int64_t last = last_seq(s, id);
	for (size_t i = 0; i < READERS; i++) {
		expect_events(&w[i], 2, last);
		expect_end(&w[i], 1000, NULL);
		wire_done(&w[i]);
	}
	/* one for each event at worst, and one that finds the end */
	assert_in_range(atomic_load(&reads), 1, last + 2);
}

/* A job of n URLs whose reader has read it, a job that has ended, and time that stands still. */
struct stopped {
	char *id, *ended;
	struct wire w;
};

/* Chores that are due are done in turn: whatever had to be read before this is read. */
static void read_all_that_is_due(struct site *s, const char *ended)
{
	autowire w = { 0 };
	watch(&w, s, ended, "");
	expect_events(&w, 1, last_seq(s, ended));
	expect_end(&w, 1000, NULL);
}

static void stop_time(struct site *s, size_t n, struct stopped *ret)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	*ret = (struct stopped){ .ended = site_submit(s, 1) };
	site_fail(s, 1);
	ret->id = site_submit(s, n);
	watch(&ret->w, s, ret->id, "");
	expect_events(&ret->w, 1, 1);
	read_all_that_is_due(s, ret->ended);
	atomic_store(&reads_of, site_job(s, ret->id, a)->no);
	atomic_store(&reads, 0);
	atomic_store(&mono_ms, clock_mono_ms() + 1000);
}

static void fail_one_after_the_other(struct site *s, int n, const struct stopped *t)
{
	for (int i = 0; i < n; i++) {
		site_fail(s, 1);
		read_all_that_is_due(s, t->ended);
	}
}

static int let_time_go_on(void **state)
{
	atomic_store(&mono_ms, 0);
	atomic_store(&reads_of, 0);
	return close_site(state);
}

static void done_with(struct stopped *t)
{
	wire_done(&t->w);
	free(t->id);
	free(t->ended);
}

static void a_log_that_grows_fast_is_read_in_steps(void **state)
{
	struct site *s = *state;
	struct stopped t;
	stop_time(s, 5, &t); /* in the end fewer events than a block has */
	fail_one_after_the_other(s, 5, &t);
	int64_t last = last_seq(s, t.id);
	assert_in_range(last, 12, BLOCK_ROWS - 1);
	assert_int_equal(atomic_load(&reads), 2);
	atomic_fetch_add(&mono_ms, READ_GAP_MS);
	expect_events(&t.w, 2, last);
	expect_end(&t.w, 1000, NULL);
	assert_int_equal(atomic_load(&reads), 3);
	done_with(&t);
}

/* Waiting wins nothing more. */
static void a_whole_block_is_read_at_once(void **state)
{
	struct site *s = *state;
	struct stopped t;
	stop_time(s, 100, &t);
	fail_one_after_the_other(s, 3, &t);
	assert_int_equal(atomic_load(&reads), 2);
	site_fail(s, 97);
	int64_t last = last_seq(s, t.id), whole = last / BLOCK_ROWS * BLOCK_ROWS;
	assert_in_range(whole, 2 * BLOCK_ROWS, last - 1);
	expect_events(&t.w, 2, whole);
	atomic_fetch_add(&mono_ms, READ_GAP_MS);
	expect_events(&t.w, whole + 1, last);
	expect_end(&t.w, 1000, NULL);
	done_with(&t);
}

/* A reader that takes nothing more once the buffers of its socket are full. They are as the kernel
 * makes them: a window smaller than a segment is only probed from time to time, which takes a
 * minute for what lies behind it. */
static void stall(struct wire *w, struct site *s, const char *id)
{
	watch(w, s, id, "");
	expect_events(w, 1, 1);
}

/* The one who is behind keeps the blocks before him for everybody. */
static void readers_who_come_back_at_different_places_share_blocks(void **state)
{
	struct site *s = *state;
	autowire behind = { 0 };
	autofree char *id = site_submit(s, 800);
	site_succeed(s, 800); /* about 3 MB of events: more than socket buffers hold */
	int64_t last = last_seq(s, id), first = last - 100;
	stall(&behind, s, id);
	atomic_store(&reads_from, first - BLOCK_ROWS);
	atomic_store(&reads, 0);
	for (int64_t i = 0; i < READERS; i++) {
		autofree char *query = mem_printf("?after=%lld", (long long)(first + i % 100));
		autowire w = { 0 };
		watch(&w, s, id, query);
		expect_events(&w, first + i % 100 + 1, last);
		expect_end(&w, 1000, NULL);
	}
	atomic_store(&reads_from, 0);
	/* the last hundred events lie in seven or eight blocks */
	assert_in_range(atomic_load(&reads), 7, 8);
}

static void a_reader_that_does_not_read_holds_one_block(void **state)
{
	struct site *s = *state;
	autowire slow = { 0 }, quick = { 0 };
	autofree char *id = site_submit(s, 800);
	site_succeed(s, 800);
	int64_t last = last_seq(s, id);
	watch(&quick, s, id, "");
	expect_events(&quick, 1, last);
	expect_end(&quick, 1000, NULL);
	assert_int_equal(bytes_kept(s), 0);
	stall(&slow, s, id);
	assert_in_range(bytes_kept(s), 0, 65536);
	expect_events(&slow, 2, last);
	assert_in_range(bytes_kept(s), 0, 65536);
	expect_end(&slow, 1000, NULL);
}

static void nothing_is_left_when_the_last_reader_went(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 30);
	site_fail(s, 30);
	for (int i = 0; i < 20; i++) {
		autowire w = { 0 };
		watch(&w, s, id, "");
		expect_events(&w, 1, 3 + i); /* and leaves in mid-log */
	}
	while (jobs_watched(s) > 0)
		sched_yield();
	assert_int_equal(bytes_kept(s), 0);
}

static void a_request_that_waits_leaves_nothing_either(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1), *target = mem_printf("/v1/jobs/%s?wait=20", id);
	int fd = http_send(s->port, "GET", target, NULL, NULL);
	while (jobs_watched(s) == 0)
		sched_yield();
	close(fd); /* the client goes away while it is parked */
	while (jobs_watched(s) > 0)
		sched_yield();
}

static void a_store_that_was_away_costs_no_event(void **state)
{
	struct site *s = *state;
	s->push_opts.poll_ms = 10;
	site_start(s);
	autofree char *id = site_submit(s, 20);
	site_fail(s, 20);
	atomic_store(&failures, 5);
	autowire w = { 0 };
	watch(&w, s, id, "");
	expect_events(&w, 1, last_seq(s, id));
	expect_end(&w, 1000, NULL);
	assert_int_equal(atomic_load(&failures), 0);
}

/* A block that was rendered in one hour is not handed out in the next. */
static void links_are_signed_in_the_hour_in_which_they_are_read(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 2);
	site_succeed(s, 1);
	int64_t last = last_seq(s, id);
	autowire early = { 0 }, late = { 0 };
	char *a = NULL, *b = NULL;
	watch(&early, s, id, "");
	for (int64_t i = 0; i < last; i++) {
		free(a);
		a = wire_next(&early); /* the last is item.succeeded, and its block stays */
	}
	atomic_store(&clock_offset_ms, 3600 * 1000);
	watch(&late, s, id, "");
	for (int64_t i = 0; i < last; i++) {
		free(b);
		b = wire_next(&late);
	}
	atomic_store(&clock_offset_ms, 0);
	assert_int_equal(sequence_of(a), sequence_of(b));
	assert_non_null(strstr(a, "item.succeeded"));
	assert_string_not_equal(a, b);
	free(a);
	free(b);
}

static void a_reader_is_small(void **state)
{
	(void)state;
	assert_in_range(sizeof(struct reader) + sizeof(struct cursor), 1, 300);
}

static const struct CMUnitTest tests[] = {
	with_site(live_events_are_read_once_for_all_readers),
	cmocka_unit_test_setup_teardown(a_log_that_grows_fast_is_read_in_steps, open_site,
		let_time_go_on),
	cmocka_unit_test_setup_teardown(a_whole_block_is_read_at_once, open_site, let_time_go_on),
	with_site(readers_who_come_back_at_different_places_share_blocks),
	with_site(a_reader_that_does_not_read_holds_one_block),
	with_site(nothing_is_left_when_the_last_reader_went),
	with_site(a_request_that_waits_leaves_nothing_either),
	with_bare_site(a_store_that_was_away_costs_no_event),
	with_site(links_are_signed_in_the_hour_in_which_they_are_read),
	cmocka_unit_test(a_reader_is_small),
};
TEST_MAIN(tests)
