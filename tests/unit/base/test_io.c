/* SPDX-License-Identifier: MIT
 *
 * Files, folders and sealed memory.
 */
#include "lib/test.h"

#include "base/io.h"
#include "base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/bulb-test-io-XXXXXX";

static int setup(void **state)
{
	(void)state;
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_below(const char *path)
{
	DIR *d = opendir(path);
	for (struct dirent *de; d && (de = readdir(d));) {
		autofree char *p = mem_printf("%s/%s", path, de->d_name);
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0 && unlink(p) < 0)
			remove_below(p);
	}
	if (d)
		closedir(d);
	return rmdir(path);
}

static int teardown(void **state)
{
	(void)state;
	return remove_below(folder);
}

static void a_written_file_is_read_back_and_nothing_else_is_left(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct stat st;
	autofree char *path = mem_printf("%s/f", folder);
	struct buf b = BUF_INIT(100);
	assert_ok(io_write_file(path, "one", 3, 0600, &e));
	assert_ok(io_write_file(path, "two!", 4, 0640, &e));
	assert_ok(io_read_file(path, 100, &b, &e));
	assert_string_equal(buf_str(&b), "two!");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	int n = 0;
	DIR *d = opendir(folder);
	while (readdir(d))
		n++;
	closedir(d);
	assert_int_equal(n, 3);
	buf_done(&b);
}

static void a_file_over_the_limit_is_refused_and_nothing_appended(void **state)
{
	(void)state;
	struct err e = { 0 };
	autofree char *path = mem_printf("%s/f", folder);
	struct buf b = BUF_INIT(100);
	buf_puts(&b, "x");
	assert_ok(io_write_file(path, "12345", 5, 0600, &e));
	assert_err(io_read_file(path, 4, &b, &e), ERR_SYSTEM);
	assert_string_equal(buf_str(&b), "x");
	assert_ok(io_read_file(path, 5, &b, &e));
	assert_string_equal(buf_str(&b), "x12345");
	assert_err(io_read_file("/nonexistent/x", 4, &b, &e), ERR_SYSTEM);
	assert_non_null(strstr(e.text, "/nonexistent/x"));
	buf_done(&b);
}

static void a_failed_write_leaves_the_old_file(void **state)
{
	(void)state;
	struct err e = { 0 };
	assert_err(io_write_file("/nonexistent/x", "a", 1, 0600, &e), ERR_SYSTEM);
	autofree char *path = mem_printf("%s/d", folder);
	assert_ok(io_mkdirs(path, 0700, &e));
	assert_err(io_write_file(path, "a", 1, 0600, &e), ERR_SYSTEM); /* a folder is in the way */
}

static void folders_are_made_with_their_parents(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct stat st;
	autofree char *path = mem_printf("%s/a/b//c/", folder), *file = mem_printf("%s/f", folder);
	autofree char *below = mem_printf("%s/f/x", folder);
	assert_ok(io_mkdirs(path, 0755, &e));
	assert_ok(io_mkdirs(path, 0755, &e));
	assert_int_equal(stat(path, &st), 0);
	assert_ok(io_write_file(file, "", 0, 0600, &e));
	assert_err(io_mkdirs(file, 0755, &e), ERR_SYSTEM);
	assert_err(io_mkdirs(below, 0755, &e), ERR_SYSTEM);
	assert_ok(io_mkdirs("/", 0755, &e));
}

static void copying_starts_at_the_start_and_appends(void **state)
{
	(void)state;
	struct err e = { 0 };
	autofd from = -1, to = -1;
	int64_t n = 0;
	size_t got = 0;
	char out[10] = "";
	assert_ok(io_memfd("from", &from, &e));
	assert_ok(io_memfd("to", &to, &e));
	assert_ok(io_write_all(from, "hello", 5, &e));
	assert_ok(io_write_all(to, "<", 1, &e));
	assert_ok(io_copy(from, to, &n, &e));
	assert_int_equal(n, 5);
	assert_int_equal(io_size(to), 6);
	assert_ok(io_pread(to, out, 9, 0, &got, &e));
	assert_int_equal(got, 6);
	assert_string_equal(out, "<hello");
}

static void sealed_memory_cannot_change_any_more(void **state)
{
	(void)state;
	struct err e = { 0 };
	autofd fd = -1;
	assert_ok(io_memfd("sealed", &fd, &e));
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_ok(io_write_all(fd, "abc", 3, &e));
	void *map = mmap(NULL, 3, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_err(io_seal(fd, &e), ERR_SYSTEM); /* someone could still write through the mapping */
	munmap(map, 3);
	assert_ok(io_seal(fd, &e));
	assert_err(io_write_all(fd, "d", 1, &e), ERR_SYSTEM);
	assert_int_equal(ftruncate(fd, 1), -1);
	assert_int_equal(ftruncate(fd, 100), -1);
	assert_err(io_seal(fd, &e), ERR_SYSTEM);
}

static void sizes_are_known_of_files_only(void **state)
{
	(void)state;
	int p[2];
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(io_size(p[0]), -1);
	assert_int_equal(io_size(-1), -1);
	fd_close(&p[0]);
	fd_close(&p[1]);
	assert_int_equal(p[0], -1);
	fd_close(&p[0]);
}

static void a_pipe_is_read_to_its_end(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct buf b = BUF_INIT(100);
	int p[2];
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_ok(io_write_all(p[1], "abc", 3, &e));
	fd_close(&p[1]);
	assert_ok(io_read_fd(p[0], "a pipe", 3, &b, &e));
	assert_string_equal(buf_str(&b), "abc");
	fd_close(&p[0]);
	assert_err(io_read_fd(-1, "nothing", 3, &b, &e), ERR_SYSTEM);
	assert_non_null(strstr(e.text, "nothing"));
	buf_done(&b);
}

static void a_tree_is_removed_without_following_links(void **state)
{
	(void)state;
	struct err e = { 0 };
	autofree char *deep = mem_printf("%s/a/b", folder), *file = mem_printf("%s/a/b/f", folder);
	autofree char *kept = mem_printf("%s/kept", folder),
		      *link = mem_printf("%s/a/link", folder);
	autofree char *top = mem_printf("%s/a", folder);
	assert_ok(io_mkdirs(deep, 0700, &e));
	assert_ok(io_write_file(file, "x", 1, 0600, &e));
	assert_ok(io_write_file(kept, "x", 1, 0600, &e));
	assert_int_equal(symlink(folder, link), 0);
	io_remove_tree(top);
	assert_int_equal(access(top, F_OK), -1);
	assert_int_equal(access(kept, F_OK), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
static const struct CMUnitTest tests[] = {
	T(a_written_file_is_read_back_and_nothing_else_is_left),
	T(a_file_over_the_limit_is_refused_and_nothing_appended),
	T(a_failed_write_leaves_the_old_file),
	T(folders_are_made_with_their_parents),
	T(copying_starts_at_the_start_and_appends),
	T(sealed_memory_cannot_change_any_more),
	T(sizes_are_known_of_files_only),
	T(a_pipe_is_read_to_its_end),
	T(a_tree_is_removed_without_following_links),
};
TEST_MAIN(tests)
