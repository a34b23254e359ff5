/* SPDX-License-Identifier: MIT
 *
 * When garbage is collected; what it is, the tests of the store know.
 */
#include "lib/test.h"

#include "app/gc_timer.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOUR_MS 3600000

/* Nothing is done outside here. */
struct results;
enum err_code dispatching_collect(struct results *r, struct err *e);
enum err_code dispatching_collect(struct results *r, struct err *e)
{
	(void)r, (void)e;
	return OK;
}

struct home {
	char dir[64];
	struct store *store;
	struct blob *blob;
};

static void open_home(struct home *h)
{
	struct store_opts so = { .keep_results_ms = -1, .codecs = "test" };
	struct err e;
	snprintf(h->dir, sizeof(h->dir), "/tmp/bulb-gc-XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	autofree char *url = mem_printf("file:%s", h->dir);
	assert_ok(store_open("memory:", &so, &h->store, &e));
	assert_ok(blob_open(url, &h->blob, &e));
}

/* A blob that no row names, two days old. */
static void leave_orphan(struct home *h)
{
	struct err e;
	autofd fd = -1;
	struct timespec old[2] = { { .tv_sec = clock_wall_ms() / 1000 - 172800 } };
	old[1] = old[0];
	assert_ok(io_memfd("test", &fd, &e));
	assert_ok(io_write_all(fd, "x", 1, &e));
	assert_ok(blob_put(h->blob, "ab/orphan.jpg", fd, 1, "image/jpeg", &e));
	autofree char *path = mem_printf("%s/ab/orphan.jpg", h->dir);
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
}

static void await_orphans_end(struct home *h)
{
	struct err e;
	int64_t until = clock_mono_ms() + 20000, bytes;
	for (;;) {
		autofd fd = -1;
		enum err_code code = blob_get(h->blob, "ab/orphan.jpg", &fd, &bytes, &e);
		if (code == ERR_BLOB_NOT_FOUND)
			return;
		assert_ok(code);
		assert_true(clock_mono_ms() < until);
		usleep(1000);
	}
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void close_home(struct home *h)
{
	store_free(h->store);
	blob_free(h->blob);
	nftw(h->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void the_first_time_is_its_own_and_then_it_goes_on(void **state)
{
	(void)state;
	struct home h;
	open_home(&h);
	leave_orphan(&h);
	struct gc_timer *first = gc_timer_new(h.store, h.blob, NULL, 1, HOUR_MS);
	await_orphans_end(&h);
	gc_timer_free(first);
	leave_orphan(&h);
	struct gc_timer *often = gc_timer_new(h.store, h.blob, NULL, 1, 1);
	await_orphans_end(&h);
	leave_orphan(&h);
	await_orphans_end(&h);
	gc_timer_free(often);
	close_home(&h);
}

static void the_end_does_not_wait_for_the_time(void **state)
{
	(void)state;
	struct home h;
	open_home(&h);
	gc_timer_free(gc_timer_new(h.store, h.blob, NULL, HOUR_MS, HOUR_MS));
	gc_timer_free(NULL);
	close_home(&h);
}

static void the_first_time_comes_within_minutes_and_not_at_once(void **state)
{
	(void)state;
	bool differ = false;
	for (int i = 0; i < 100; i++) {
		int64_t ms = gc_first_ms(HOUR_MS);
		assert_in_range(ms, 60000, 90000);
		differ |= ms != gc_first_ms(HOUR_MS);
		assert_int_equal(gc_first_ms(1000), 1000);
	}
	assert_true(differ);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_first_time_is_its_own_and_then_it_goes_on),
	cmocka_unit_test(the_end_does_not_wait_for_the_time),
	cmocka_unit_test(the_first_time_comes_within_minutes_and_not_at_once),
};
TEST_MAIN(tests)
