/* SPDX-License-Identifier: MIT
 *
 * The pool: who gets which child when, what happens when processes vanish, and what is left.
 */
#include "pool.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Running, and not just waiting for an init to collect it. */
static bool is_running(pid_t pid)
{
	struct err e;
	struct buf stat = BUF_INIT(4096);
	autofree char *path = mem_printf("/proc/%d/stat", (int)pid);
	bool read = io_read_file(path, stat.max, &stat, &e) == OK;
	const char *state = read ? strrchr(buf_str(&stat), ')') : NULL;
	bool running = state && state[2] != 'Z' && state[2] != 'X';
	buf_done(&stat);
	return running;
}

static void await_end(pid_t pid)
{
	int64_t until = clock_mono_ms() + 1000;
	while (is_running(pid)) {
		if (clock_mono_ms() > until)
			fail_msg("process %d is still there after 1 s", (int)pid);
		sched_yield();
	}
}

static void two_large_pictures_take_turns(void **state)
{
	(void)state;
	struct room r;
	struct darkroom_stats s;
	struct darkroom_opts o = usual();
	open_room(&r, o);
	struct lane first = { .r = &r, .act = "large and hangs", .scope = 1 };
	struct lane second = { .r = &r, .act = "large and good", .scope = 1 };
	start(&first);
	await_memory(&r, 100 << 20);
	start(&second);
	do {
		sched_yield();
		darkroom_stats(r.d, &s);
		assert_int_equal(s.memory_used, 100 << 20);
	} while (s.busy != 2);
	atomic_store(&first.cancel, true);
	pthread_join(first.thread, NULL);
	pthread_join(second.thread, NULL);
	assert_int_equal(first.code, ERR_CANCELED);
	assert_int_equal(second.code, OK);
	close_room(&r);
}

static void waiting_for_memory_does_not_count_as_the_pictures_time(void **state)
{
	(void)state;
	struct room r;
	struct darkroom_opts o = usual();
	o.item_ms = 1500;
	open_room(&r, o);
	struct lane first = { .r = &r, .act = "large and hangs", .scope = 1 };
	struct lane second = { .r = &r, .act = "large and hangs", .scope = 1 };
	struct lane third = { .r = &r, .act = "large and good", .scope = 1 };
	start(&first);
	await_memory(&r, 100 << 20);
	start(&second);
	start(&third);
	pthread_join(first.thread, NULL);
	pthread_join(second.thread, NULL);
	pthread_join(third.thread, NULL);
	assert_int_equal(first.code, ERR_LIMIT_TIME);
	assert_int_equal(third.code, OK);
	close_room(&r);
}

static void more_lanes_than_children_share_them(void **state)
{
	(void)state;
	struct room r;
	struct lane lanes[12];
	open_room(&r, usual());
	for (size_t i = 0; i < ARRAY_LEN(lanes); i++) {
		lanes[i] = (struct lane){ .r = &r, .act = "good", .scope = (int64_t)(i % 3) };
		start(&lanes[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(lanes); i++) {
		pthread_join(lanes[i].thread, NULL);
		assert_int_equal(lanes[i].code, OK);
	}
	close_room(&r);
}

static void a_child_serves_one_scope_only(void **state)
{
	(void)state;
	struct room r;
	struct err e;
	struct darkroom_result res;
	struct darkroom_stats before, after;
	struct darkroom_opts o = usual();
	o.children = 1;
	open_room(&r, o);
	autofd fd = picture("good");
	darkroom_stats(r.d, &before);
	for (int i = 0; i < 2; i++) {
		assert_ok(darkroom_process(r.d, 1, fd, &r.recipe, NULL, &res, &e));
		darkroom_result_done(&res);
		darkroom_stats(r.d, &after);
		assert_int_equal(after.pids[0], before.pids[0]);
	}
	assert_ok(darkroom_process(r.d, 2, fd, &r.recipe, NULL, &res, &e));
	darkroom_result_done(&res);
	darkroom_stats(r.d, &after);
	assert_int_not_equal(after.pids[0], before.pids[0]);
	assert_string_equal(r.reasons, "worn ");
	close_room(&r);
}

static void a_child_is_replaced_after_its_pictures(void **state)
{
	(void)state;
	struct room r;
	struct darkroom_opts o = usual();
	o.pictures_per_child = 2;
	o.children = 1;
	open_room(&r, o);
	for (int i = 0; i < 6; i++)
		assert_good(&r);
	assert_string_equal(r.reasons, "worn worn worn ");
	close_room(&r);
}

static void a_child_killed_while_idle_costs_no_picture(void **state)
{
	(void)state;
	struct room r;
	struct darkroom_stats s;
	open_room(&r, usual());
	for (int i = 0; i < 5; i++) {
		darkroom_stats(r.d, &s);
		for (size_t k = 0; k < s.pids_n; k++)
			kill(s.pids[k], SIGKILL);
		for (size_t k = 0; k < s.pids_n; k++)
			await_end(s.pids[k]);
		assert_good(&r);
	}
	close_room(&r);
}

static void a_lost_keeper_is_replaced(void **state)
{
	(void)state;
	struct room r;
	struct darkroom_stats before, after;
	open_room(&r, usual());
	darkroom_stats(r.d, &before);
	kill(before.keeper, SIGKILL);
	for (size_t i = 0; i < before.pids_n; i++)
		await_end(before.pids[i]); /* they end with it */
	assert_good(&r);
	darkroom_stats(r.d, &after);
	assert_int_not_equal(after.keeper, before.keeper);
	assert_string_equal(r.reasons, "lost ");
	assert_good(&r);
	close_room(&r);
}

/* The program is away for a while, as during a bad upgrade. */
static void a_check_starts_a_lost_keeper_or_says_that_there_is_none(void **state)
{
	(void)state;
	struct room r;
	struct err e;
	struct darkroom_stats s;
	char exe[] = "/tmp/bulb-test-exe-XXXXXX";
	autofd fd = mkstemp(exe);
	assert_true(fd >= 0);
	assert_int_equal(unlink(exe), 0);
	assert_int_equal(symlink(FAKE_BULB, exe), 0);
	struct darkroom_opts o = usual();
	o.exe = exe;
	open_room(&r, o);
	assert_ok(darkroom_check(r.d, &e));
	darkroom_stats(r.d, &s);
	pid_t first = s.keeper;
	assert_int_equal(unlink(exe), 0);
	assert_int_equal(kill(first, SIGKILL), 0);
	await_end(first);
	for (size_t i = 0; i < s.pids_n; i++)
		await_end(s.pids[i]); /* one that is just being forked has its socket too */
	assert_err(darkroom_check(r.d, &e), ERR_DARKROOM);
	assert_non_null(strstr(e.text, exe));
	assert_err(darkroom_check(r.d, &e), ERR_DARKROOM);
	assert_int_equal(symlink(FAKE_BULB, exe), 0);
	assert_ok(darkroom_check(r.d, &e));
	darkroom_stats(r.d, &s);
	assert_true(s.keeper > 0 && s.keeper != first);
	assert_good(&r);
	close_room(&r);
	unlink(exe);
}

static void a_keeper_lost_under_a_picture_is_not_the_pictures_fault(void **state)
{
	(void)state;
	struct room r;
	struct darkroom_stats s;
	open_room(&r, usual());
	struct lane l = { .r = &r, .act = "hangs", .scope = 1 };
	start(&l);
	await_memory(&r, 1 << 20);
	darkroom_stats(r.d, &s);
	kill(s.keeper, SIGKILL);
	pthread_join(l.thread, NULL);
	assert_int_equal(l.code, ERR_DARKROOM);
	assert_good(&r);
	close_room(&r);
}

#define STORM_LANES    4
#define STORM_PICTURES 100 /* a lane */

struct storm {
	struct room room;
	atomic_int done, lanes; /* pictures, and lanes that still work */
};

static void *work_in_the_storm(void *arg)
{
	struct storm *s = arg;
	for (int i = 0; i < STORM_PICTURES; i++) {
		struct err e;
		struct darkroom_result res;
		enum err_code code = process(&s->room, i % 10 ? "good" : "crashes", &res, &e);
		if (code != OK && code != ERR_DECODE_CRASHED && code != ERR_DARKROOM)
			fail_msg("%s: %s", err_name(code), e.text);
		darkroom_result_done(&res);
		atomic_fetch_add(&s->done, 1);
	}
	atomic_fetch_sub(&s->lanes, 1);
	return NULL;
}

static void a_pool_outlives_any_number_of_kills(void **state)
{
	(void)state;
	struct storm s = { .lanes = STORM_LANES };
	struct darkroom_stats st;
	pthread_t lanes[STORM_LANES];
	open_room(&s.room, usual());
	for (size_t i = 0; i < STORM_LANES; i++)
		assert_int_equal(pthread_create(&lanes[i], NULL, work_in_the_storm, &s), 0);
	/* After every third picture one process dies, wherever it is; each tenth time the keeper. */
	for (int seen = 0, kills = 0; atomic_load(&s.lanes) > 0; sched_yield()) {
		if (atomic_load(&s.done) < seen + 3)
			continue;
		seen = atomic_load(&s.done);
		darkroom_stats(s.room.d, &st);
		pid_t pid = ++kills % 10 == 0 || st.pids_n == 0 ? st.keeper
								: st.pids[kills % st.pids_n];
		if (pid > 0)
			kill(pid, SIGKILL);
	}
	for (size_t i = 0; i < STORM_LANES; i++)
		pthread_join(lanes[i], NULL);
	darkroom_stats(s.room.d, &st);
	assert_int_equal(st.memory_used, 0);
	assert_int_equal(st.idle, 2);
	/* The last kill may still be on its way. */
	for (size_t i = 0; i < st.pids_n; i++)
		kill(st.pids[i], SIGKILL);
	for (size_t i = 0; i < st.pids_n; i++)
		await_end(st.pids[i]);
	assert_good(&s.room);
	close_room(&s.room);
}

static void a_program_that_is_no_darkroom_is_named(void **state)
{
	(void)state;
	struct err e;
	struct darkroom *d = NULL;
	struct darkroom_opts o = usual();
	o.exe = "/nonexistent/bulb";
	assert_err(darkroom_new(&o, &d, &e), ERR_DARKROOM);
	assert_non_null(strstr(e.text, "/nonexistent/bulb"));
	o.exe = "/bin/true";
	assert_err(darkroom_new(&o, &d, &e), ERR_DARKROOM);
	assert_null(d);
}

/* As on a kernel, or in a container, without seccomp. Inherited by what we spawn. */
static void take_seccomp_away(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	if (seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(seccomp), 0) != 0 ||
		seccomp_rule_add(f, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1,
			SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP)) != 0 ||
		seccomp_load(f) != 0)
		_exit(1);
}

static void without_seccomp_no_child_works(void **state)
{
	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		struct err e = { 0 };
		struct darkroom *d = NULL;
		struct darkroom_opts o = usual();
		take_seccomp_away();
		enum err_code code = darkroom_new(&o, &d, &e);
		if (code != ERR_DARKROOM || !strstr(e.text, "seccomp"))
			fprintf(stderr, "%s: %s\n", err_name(code), e.text);
		_exit(code == ERR_DARKROOM && strstr(e.text, "seccomp") ? 0 : 2);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void nothing_is_left_after_free(void **state)
{
	(void)state;
	struct room r;
	struct darkroom_stats s;
	open_room(&r, usual());
	assert_good(&r);
	darkroom_stats(r.d, &s);
	close_room(&r);
	await_end(s.keeper);
	for (size_t i = 0; i < s.pids_n; i++)
		await_end(s.pids[i]);
}

/* A worker process of its own: tells its darkroom's processes, then works until it is killed. */
NORETURN static void be_worker(int to)
{
	struct room r;
	struct darkroom_stats s;
	open_room(&r, usual());
	struct lane l = { .r = &r, .act = "hangs", .scope = 1 };
	start(&l);
	await_memory(&r, 1 << 20);
	darkroom_stats(r.d, &s);
	if (write(to, &s, sizeof(s)) != (ssize_t)sizeof(s))
		_exit(1);
	for (;;)
		pause();
}

static void nothing_is_left_1_s_after_sigkill_of_the_worker(void **state)
{
	(void)state;
	int p[2];
	struct darkroom_stats s;
	assert_int_equal(pipe(p), 0);
	pid_t worker = fork();
	if (worker == 0)
		be_worker(p[1]);
	assert_int_equal(read(p[0], &s, sizeof(s)), sizeof(s));
	assert_true(is_running(s.keeper));
	kill(worker, SIGKILL);
	assert_int_equal(waitpid(worker, NULL, 0), worker);
	for (size_t i = 0; i < s.pids_n; i++)
		await_end(s.pids[i]);
	await_end(s.keeper);
	close(p[0]);
	close(p[1]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(two_large_pictures_take_turns),
	cmocka_unit_test(waiting_for_memory_does_not_count_as_the_pictures_time),
	cmocka_unit_test(more_lanes_than_children_share_them),
	cmocka_unit_test(a_child_serves_one_scope_only),
	cmocka_unit_test(a_child_is_replaced_after_its_pictures),
	cmocka_unit_test(a_child_killed_while_idle_costs_no_picture),
	cmocka_unit_test(a_lost_keeper_is_replaced),
	cmocka_unit_test(a_check_starts_a_lost_keeper_or_says_that_there_is_none),
	cmocka_unit_test(a_keeper_lost_under_a_picture_is_not_the_pictures_fault),
	cmocka_unit_test(a_pool_outlives_any_number_of_kills),
	cmocka_unit_test(a_program_that_is_no_darkroom_is_named),
	cmocka_unit_test(without_seccomp_no_child_works),
	cmocka_unit_test(nothing_is_left_after_free),
	cmocka_unit_test(nothing_is_left_1_s_after_sigkill_of_the_worker),
};
TEST_MAIN(tests)
