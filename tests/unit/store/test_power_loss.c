/* SPDX-License-Identifier: MIT
 *
 * Power loss: of a store on a disk that forgets what was not synced, everything that was answered
 * is there afterwards; and the same test sees the loss when syncs are left out. TEST_SOAK=1: ten times
 * as many rounds.
 */
#include "tests/contract/store_fixture.h"
#include "tests/lib/disk_vfs.h"

#include "base/io.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS      17 /* of each kind of loss */
#define JOBS        6
#define KILLS       51
#define ANSWERS_MAX 40

static int times(int n)
{
	return getenv("TEST_SOAK") ? n * 10 : n;
}

static int setup(void **state)
{
	fixture_backend = "sqlite";
	return fixture_setup(state);
}

static int teardown(void **state)
{
	int rc = fixture_teardown(state);

	disk_vfs_reboot();
	return rc;
}

static void copy(const char *from, const char *to)
{
	CLEANUP(buf_done) struct buf b = BUF_INIT(1 << 26);
	struct err e;

	if (access(from, F_OK) != 0)
		return;
	assert_ok(io_read_file(from, 1 << 26, &b, &e));
	assert_ok(io_write_file(to, buf_str(&b), b.len, 0600, &e));
}

/* The disk as it is at this moment, on a machine that starts again. */
static void boot_elsewhere(struct fixture *f, struct fixture *ret, int round)
{
	static const char *const parts[] = { "", "-wal" };
	struct err e;

	*ret = *f;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		autofree char *from = mem_printf("%s/%d.db%s", f->dir, round, parts[i]);
		autofree char *to = mem_printf("%s/%d-after.db%s", f->dir, round, parts[i]);
		copy(from, to);
	}
	snprintf(ret->url, sizeof ret->url, "sqlite:%s/%d-after.db", f->dir, round);
	assert_ok(store_open(ret->url, &f->opts, &ret->s, &e));
}

static bool is_there(struct fixture *f, const struct made_job *m)
{
	struct job_row *j;
	struct err e;

	assert_ok(store_job_find(f->s, 1, m->id, f->a, &j, &e));
	return j != NULL;
}

/* Submit and work, cut the power, count what is missing. A log that was read before must be read
 * the same after. */
static int jobs_lost(struct fixture *f, enum disk_loss loss, int round, const char *sync)
{
	struct made_job m[JOBS];
	const char *log[JOBS];
	struct fixture after;
	int lost = 0;

	disk_vfs_set(loss, (uint64_t)round + 1);
	snprintf(f->url, sizeof f->url, "sqlite:%s/%d.db?vfs=" DISK_VFS_NAME "&synchronous=%s",
		f->dir, round, sync);
	fixture_reopen(f);
	for (int i = 0; i < JOBS; i++) {
		m[i] = submit(f, "{'urls':['https://a.test/%d-%d']}", round, i);
		if (i % 2 == round % 2)
			work(f);
	}
	for (int i = 0; i < JOBS; i++)
		log[i] = log_of(f, &m[i]);
	boot_elsewhere(f, &after, round);
	for (int i = 0; i < JOBS; i++) {
		if (!is_there(&after, &m[i]) || strcmp(log_of(&after, &m[i]), log[i]) != 0)
			lost++;
	}
	store_free(after.s);
	return lost;
}

static void what_was_answered_survives(struct fixture *f, enum disk_loss loss)
{
	for (int i = 0; i < times(ROUNDS); i++)
		assert_int_equal(jobs_lost(f, loss, i, "full"), 0);
}

static void nothing_answered_is_lost_when_every_unsynced_write_is(void **state)
{
	what_was_answered_survives(*state, DISK_LOSES_ALL);
}

static void nothing_answered_is_lost_when_some_unsynced_writes_are(void **state)
{
	what_was_answered_survives(*state, DISK_LOSES_SOME);
}

static void nothing_answered_is_lost_when_sectors_are_torn(void **state)
{
	what_was_answered_survives(*state, DISK_TEARS);
}

static void without_full_syncs_the_same_test_sees_a_loss(void **state)
{
	assert_true(jobs_lost(*state, DISK_LOSES_ALL, 0, "normal") > 0);
}

/* ---- a process that dies ---- */

/* Submit for ever, naming each job that was answered. */
static void child(struct fixture *f, int fd, enum disk_loss loss, int round)
{
	struct made_job m;
	char body[64];

	disk_vfs_set(loss, (uint64_t)round + 1);
	f->s = NULL;
	if (store_open(f->url, &f->opts, &f->s, &f->e) != OK)
		_exit(1);
	for (int i = 0;; i++) {
		bool more;
		snprintf(body, sizeof body, "{\"urls\":[\"https://a.test/%d\"]}", i);
		if (submit_as(f, NULL, NULL, body, &m) != OK ||
			store_plan(f->s, 1, &more, &f->e) != OK)
			_exit(1);
		if (write(fd, &m, sizeof m) != (ssize_t)sizeof m)
			_exit(1);
	}
}

/* SIGKILL after so many answers; how many of them are lost? */
static int lost_by_kill(struct fixture *f, enum disk_loss loss, int round, int answers,
	const char *sync)
{
	struct made_job m[64];
	struct fixture after = *f;
	int fd[2], lost = 0, n = 0;
	struct err e;

	snprintf(f->url, sizeof f->url, "sqlite:%s/kill-%d.db?vfs=" DISK_VFS_NAME "&synchronous=%s",
		f->dir, round, sync);
	assert_int_equal(pipe(fd), 0);
	pid_t pid = fork();
	if (pid == 0)
		child(f, fd[1], loss, round);
	assert_true(pid > 0);
	close(fd[1]);
	for (; n < answers; n++)
		assert_int_equal(read(fd[0], &m[n], sizeof m[n]), sizeof m[n]);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	while (n < 64 && read(fd[0], &m[n], sizeof m[n]) == (ssize_t)sizeof m[n])
		n++;
	close(fd[0]);
	snprintf(after.url, sizeof after.url, "sqlite:%s/kill-%d.db", f->dir, round);
	assert_ok(store_open(after.url, &f->opts, &after.s, &e));
	for (int i = 0; i < n; i++)
		lost += !is_there(&after, &m[i]) ||
			strcmp(log_of(&after, &m[i]), "job.created") != 0;
	store_free(after.s);
	return lost;
}

static void a_killed_process_lost_nothing_that_it_answered(void **state)
{
	for (int i = 0; i < times(KILLS); i++)
		assert_int_equal(lost_by_kill(*state, (enum disk_loss)(i % 3), i,
					 1 + i % ANSWERS_MAX, "full"),
			0);
}

static void without_full_syncs_a_killed_process_did(void **state)
{
	assert_true(lost_by_kill(*state, DISK_LOSES_ALL, 0, 20, "normal") > 0);
}

#define SQLITE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		SQLITE_TEST(nothing_answered_is_lost_when_every_unsynced_write_is),
		SQLITE_TEST(nothing_answered_is_lost_when_some_unsynced_writes_are),
		SQLITE_TEST(nothing_answered_is_lost_when_sectors_are_torn),
		SQLITE_TEST(without_full_syncs_the_same_test_sees_a_loss),
		SQLITE_TEST(a_killed_process_lost_nothing_that_it_answered),
		SQLITE_TEST(without_full_syncs_a_killed_process_did),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
