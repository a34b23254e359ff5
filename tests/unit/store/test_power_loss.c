/* SPDX-License-Identifier: MIT
 *
 * Power loss: of a store on a disk that forgets what was not synced, everything that was answered is
 * there afterwards; and the same test sees the loss when syncs are left out.
 */
#include "tests/contract/store_fixture.h"
#include "tests/lib/disk_vfs.h"

#include "base/io.h"

#include <stdlib.h>
#include <unistd.h>

#define ROUNDS 12
#define JOBS   6

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
	snprintf(f->url, sizeof f->url, "sqlite:%s/%d.db?vfs=" DISK_VFS_NAME "&synchronous=%s", f->dir,
	    round, sync);
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
	for (int i = 0; i < ROUNDS; i++)
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

#define SQLITE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		SQLITE_TEST(nothing_answered_is_lost_when_every_unsynced_write_is),
		SQLITE_TEST(nothing_answered_is_lost_when_some_unsynced_writes_are),
		SQLITE_TEST(nothing_answered_is_lost_when_sectors_are_torn),
		SQLITE_TEST(without_full_syncs_the_same_test_sees_a_loss),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
