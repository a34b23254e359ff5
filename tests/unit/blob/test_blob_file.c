/* SPDX-License-Identifier: MIT
 *
 * syncfs is wrapped (-Wl,--wrap): the tests count syncs, hold one back and let one fail.
 */
#include "base/io.h"
#include "blob/blob.h"
#include "lib/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static atomic_int syncs, held, fail_with;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* locked: syncfs waits */

int __wrap_syncfs(int fd);
int __wrap_syncfs(int fd)
{
	(void)fd;
	held++;
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	syncs++;
	errno = fail_with;
	return fail_with != 0 ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static int make_dir(void **state)
{
	(void)state;
	syncs = held = fail_with = 0;
	snprintf(dir, sizeof(dir), "/tmp/test-blob-XXXXXX");
	return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct blob *open_store(const char *query)
{
	struct err e;
	struct blob *b = NULL;
	char url[128];
	snprintf(url, sizeof(url), "file:%s%s", dir, query);
	assert_ok(blob_open(url, &b, &e));
	return b;
}

static int memfd_of(const char *text)
{
	struct err e;
	int fd;
	assert_ok(io_memfd("test", &fd, &e));
	assert_ok(io_write_all(fd, text, strlen(text), &e));
	return fd;
}

static enum err_code put_text(struct blob *b, const char *key, const char *text, struct err *e)
{
	autofd fd = memfd_of(text);
	return blob_put(b, key, fd, (int64_t)strlen(text), "text/plain", e);
}

static bool count_one(void *ctx, const char *key, int64_t bytes, int64_t modified_ms)
{
	(void)key, (void)bytes, (void)modified_ms;
	return ++*(int *)ctx < 1000;
}

static int count(struct blob *b)
{
	struct err e;
	int n = 0;
	assert_ok(blob_list(b, count_one, &n, &e));
	return n;
}

static int files_in_tmp(void)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/.tmp", dir);
	DIR *d = opendir(path);
	assert_non_null(d);
	int n = 0;
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2; /* . and .. */
}

static void what_was_put_is_got_back(void **state)
{
	(void)state;
	struct err e;
	struct blob *b = open_store("");
	assert_ok(put_text(b, "ab/one.txt", "hello", &e));
	autofd fd = -1;
	int64_t bytes = 0;
	assert_ok(blob_get(b, "ab/one.txt", &fd, &bytes, &e));
	assert_int_equal(bytes, 5);
	char got[16];
	size_t n;
	assert_ok(io_pread(fd, got, sizeof(got), 0, &n, &e));
	assert_int_equal(n, 5);
	assert_memory_equal(got, "hello", 5);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	char *path = blob_path(b, "ab/one.txt");
	assert_int_equal(access(path, R_OK), 0);
	free(path);
	blob_free(b);
}

static void a_big_blob_is_whole_and_the_descriptor_is_left_alone(void **state)
{
	(void)state;
	struct err e;
	struct blob *b = open_store("");
	autofd fd = -1, got = -1;
	assert_ok(io_memfd("big", &fd, &e));
	assert_int_equal(ftruncate(fd, 40 << 20), 0);
	assert_int_equal(pwrite(fd, "end", 3, (40 << 20) - 3), 3);
	lseek(fd, 12345, SEEK_SET);
	assert_ok(blob_put(b, "ab/big.bin", fd, 40 << 20, "x/y", &e));
	int64_t bytes;
	assert_ok(blob_get(b, "ab/big.bin", &got, &bytes, &e));
	assert_int_equal(bytes, 40 << 20);
	char end[3];
	assert_int_equal(pread(got, end, 3, bytes - 3), 3);
	assert_memory_equal(end, "end", 3);
	blob_free(b);
}

static void a_wrong_length_is_refused_and_leaves_nothing(void **state)
{
	(void)state;
	struct err e;
	struct blob *b = open_store("");
	autofd fd = memfd_of("hello");
	assert_err(blob_put(b, "ab/x", fd, 6, "x/y", &e), ERR_BLOB_IO);
	assert_int_equal(count(b), 0);
	assert_int_equal(files_in_tmp(), 0);
	blob_free(b);
}

static void what_is_not_there_is_not_found(void **state)
{
	(void)state;
	struct err e;
	struct blob *b = open_store("");
	int fd = -1;
	int64_t bytes;
	assert_err(blob_get(b, "ab/none", &fd, &bytes, &e), ERR_BLOB_NOT_FOUND);
	assert_ok(put_text(b, "ab/one", "x", &e));
	assert_err(blob_get(b, "ab", &fd, &bytes, &e), ERR_BLOB_NOT_FOUND); /* a folder */
	assert_err(blob_get(b, "ab/one/two", &fd, &bytes, &e), ERR_BLOB_NOT_FOUND);
	assert_int_equal(fd, -1);
	blob_free(b);
}

static void a_link_out_of_the_folder_is_not_followed(void **state)
{
	(void)state;
	struct err e;
	struct blob *b = open_store("");
	char path[128];
	snprintf(path, sizeof(path), "%s/evil", dir);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	int fd = -1;
	int64_t bytes;
	assert_err(blob_get(b, "evil", &fd, &bytes, &e), ERR_BLOB_NOT_FOUND);
	assert_int_equal(count(b), 0);
	blob_free(b);
}

static void a_deleted_blob_is_gone_and_deleting_twice_is_fine(void **state)
{
	(void)state;
	struct err e;
	struct blob *b = open_store("");
	assert_ok(put_text(b, "ab/one", "x", &e));
	assert_int_equal(count(b), 1);
	assert_ok(blob_delete(b, "ab/one", &e));
	assert_ok(blob_delete(b, "ab/one", &e));
	assert_ok(blob_delete(b, "never/was", &e));
	assert_int_equal(count(b), 0);
	blob_free(b);
}

static void the_list_names_every_blob_and_no_unfinished_one(void **state)
{
	(void)state;
	struct err e;
	struct blob *b = open_store("");
	assert_ok(put_text(b, "ab/one", "x", &e));
	assert_ok(put_text(b, "cd/two", "xy", &e));
	assert_ok(put_text(b, "top", "xyz", &e));
	assert_ok(put_text(b, "a/b/c/d/deep", "xyzw", &e));
	char path[128];
	snprintf(path, sizeof(path), "%s/.tmp/unfinished", dir);
	autofd fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(count(b), 4);
	blob_free(b);
}

static bool stop_at_first(void *ctx, const char *key, int64_t bytes, int64_t modified_ms)
{
	assert_true(modified_ms > 1600000000000);
	assert_int_equal(bytes, 1);
	assert_int_equal(strlen(key), 6);
	++*(int *)ctx;
	return false;
}

static void the_list_stops_when_told(void **state)
{
	(void)state;
	struct err e;
	struct blob *b = open_store("");
	assert_ok(put_text(b, "ab/one", "x", &e));
	assert_ok(put_text(b, "cd/two", "x", &e));
	int n = 0;
	assert_ok(blob_list(b, stop_at_first, &n, &e));
	assert_int_equal(n, 1);
	blob_free(b);
}

static void a_folder_of_names_can_be_listed_and_one_measured(void **state)
{
	(void)state;
	struct err e;
	int64_t bytes = 0;
	struct blob *b = open_store("");
	assert_ok(put_text(b, "out/ab/one", "four", &e));
	assert_ok(put_text(b, "out/ac/two", "x", &e));
	assert_ok(put_text(b, "outer/three", "x", &e));
	int n = 0;
	assert_ok(blob_list_under(b, "out/", count_one, &n, &e));
	assert_int_equal(n, 2);
	n = 0;
	assert_ok(blob_list_under(b, "out/ab/", count_one, &n, &e));
	assert_int_equal(n, 1);
	assert_ok(blob_size(b, "out/ab/one", &bytes, &e));
	assert_int_equal(bytes, 4);
	assert_err(blob_size(b, "out/ab/none", &bytes, &e), ERR_BLOB_NOT_FOUND);
	assert_err(blob_size(b, "../out", &bytes, &e), ERR_BLOB_NOT_FOUND);
	assert_null(blob_place(b).bucket);
	blob_free(b);
}

static void old_leftovers_go_at_open_and_young_ones_stay(void **state)
{
	(void)state;
	blob_free(open_store(""));
	char old[128], young[128];
	snprintf(old, sizeof(old), "%s/.tmp/old", dir);
	snprintf(young, sizeof(young), "%s/.tmp/young", dir);
	autofd a = open(old, O_CREAT | O_WRONLY, 0600), b = open(young, O_CREAT | O_WRONLY, 0600);
	struct timespec day_ago[2] = { { .tv_sec = time(NULL) - 86400 },
		{ .tv_sec = time(NULL) - 86400 } };
	assert_int_equal(futimens(a, day_ago), 0);
	blob_free(open_store(""));
	assert_int_equal(access(old, F_OK), -1);
	assert_int_equal(access(young, F_OK), 0);
	(void)b;
}

/* Disk full: a real one. */
static void a_full_disk_is_an_error_with_nothing_half_written(void **state)
{
	(void)state;
	if (mount("none", dir, "tmpfs", 0, "size=1m") != 0)
		skip(); /* needs root */
	struct err e;
	struct blob *b = open_store("");
	autofd big = -1;
	assert_ok(io_memfd("big", &big, &e));
	assert_int_equal(ftruncate(big, 2 << 20), 0);
	assert_err(blob_put(b, "ab/big", big, 2 << 20, "x/y", &e), ERR_BLOB_IO);
	assert_non_null(strstr(e.text, "No space left"));
	assert_int_equal(count(b), 0);
	assert_int_equal(files_in_tmp(), 0);
	assert_ok(put_text(b, "ab/small", "x", &e)); /* and it goes on when there is room */
	assert_ok(blob_sync(b, &e));
	blob_free(b);
	assert_int_equal(umount(dir), 0);
}

struct syncer {
	struct blob *b;
	enum err_code rc;
	atomic_int tid;
};

/* The thread waits for something: its state in /proc is S. */
static bool sleeps(int tid)
{
	char path[64], stat[256] = "";
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	autofd fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, stat, sizeof(stat) - 1) > 0);
	return strstr(stat, ") S ") != NULL;
}

static void *sync_once(void *arg)
{
	struct syncer *s = arg;
	struct err e;
	s->tid = gettid();
	s->rc = blob_sync(s->b, &e);
	return NULL;
}

/* One sync is held in the kernel; eight who ask meanwhile need exactly one more among them. */
static void callers_that_meet_share_one_sync(void **state)
{
	(void)state;
	struct blob *b = open_store("");
	struct syncer first = { .b = b }, more[8];
	pthread_t t0, t[8];
	pthread_mutex_lock(&gate);
	pthread_create(&t0, NULL, sync_once, &first);
	while (held == 0)
		sched_yield();
	for (int i = 0; i < 8; i++) {
		more[i] = (struct syncer){ .b = b };
		pthread_create(&t[i], NULL, sync_once, &more[i]);
		while (more[i].tid == 0 || !sleeps(more[i].tid))
			sched_yield();
	}
	pthread_mutex_unlock(&gate);
	pthread_join(t0, NULL);
	for (int i = 0; i < 8; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(more[i].rc, OK);
	}
	assert_int_equal(first.rc, OK);
	assert_int_equal(syncs, 2);
	blob_free(b);
}

static void one_caller_after_another_syncs_each_time(void **state)
{
	(void)state;
	struct err e;
	struct blob *b = open_store("");
	for (int i = 0; i < 3; i++)
		assert_ok(blob_sync(b, &e));
	assert_int_equal(syncs, 3);
	blob_free(b);
}

/* The kernel tells of a lost write once. Whoever has put a blob but not asked yet must hear of it. */
static void after_a_failed_sync_nothing_is_taken_for_durable(void **state)
{
	(void)state;
	struct err e;
	struct blob *b = open_store("");
	assert_ok(put_text(b, "ab/one", "x", &e));
	fail_with = EIO;
	assert_err(blob_sync(b, &e), ERR_BLOB_IO);
	assert_non_null(strstr(e.text, dir));
	fail_with = 0;
	assert_err(blob_sync(b, &e), ERR_BLOB_IO);
	blob_free(b);
}

static void the_other_sync_modes_do_not_ask_for_a_syncfs(void **state)
{
	(void)state;
	struct err e;
	struct blob *b = open_store("?sync=none");
	assert_ok(put_text(b, "ab/one", "x", &e));
	assert_ok(blob_sync(b, &e));
	blob_free(b);
	b = open_store("?sync=each");
	assert_ok(put_text(b, "ab/c/two", "x", &e));
	assert_ok(blob_sync(b, &e));
	assert_int_equal(count(b), 2);
	assert_int_equal(syncs, 0);
	blob_free(b);
}

#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
static const struct CMUnitTest tests[] = {
	WITH_DIR(what_was_put_is_got_back),
	WITH_DIR(a_big_blob_is_whole_and_the_descriptor_is_left_alone),
	WITH_DIR(a_wrong_length_is_refused_and_leaves_nothing),
	WITH_DIR(what_is_not_there_is_not_found),
	WITH_DIR(a_link_out_of_the_folder_is_not_followed),
	WITH_DIR(a_deleted_blob_is_gone_and_deleting_twice_is_fine),
	WITH_DIR(the_list_names_every_blob_and_no_unfinished_one),
	WITH_DIR(a_folder_of_names_can_be_listed_and_one_measured),
	WITH_DIR(the_list_stops_when_told),
	WITH_DIR(old_leftovers_go_at_open_and_young_ones_stay),
	WITH_DIR(a_full_disk_is_an_error_with_nothing_half_written),
	WITH_DIR(callers_that_meet_share_one_sync),
	WITH_DIR(one_caller_after_another_syncs_each_time),
	WITH_DIR(after_a_failed_sync_nothing_is_taken_for_durable),
	WITH_DIR(the_other_sync_modes_do_not_ask_for_a_syncfs),
};
TEST_MAIN(tests)
