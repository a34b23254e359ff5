/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "fetch/hosts.h"
#include "lib/test.h"

#include <stdlib.h>
#include <unistd.h>

static size_t full(struct hosts *h)
{
	char **names;
	size_t n = hosts_full(h, &names);
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return n;
}

static void a_host_has_so_many_places_and_no_more(void **state)
{
	(void)state;
	struct hosts *h = hosts_new(2);
	assert_true(hosts_enter(h, "a"));
	assert_int_equal(full(h), 0);
	assert_true(hosts_enter(h, "a"));
	assert_false(hosts_enter(h, "a"));
	assert_true(hosts_enter(h, "b"));
	char **names;
	assert_int_equal(hosts_full(h, &names), 1);
	assert_string_equal(names[0], "a");
	free(names[0]);
	free(names);
	hosts_leave(h, "a", 0);
	assert_int_equal(full(h), 0);
	assert_true(hosts_enter(h, "a"));
	hosts_free(h);
	hosts_free(NULL);
}

static void a_host_that_asked_to_wait_is_left_alone(void **state)
{
	(void)state;
	struct hosts *h = hosts_new(2);
	assert_true(hosts_enter(h, "a"));
	assert_true(hosts_enter(h, "a"));
	hosts_leave(h, "a", 60000);
	hosts_leave(h, "a", 0); /* the other does not take the wish back */
	assert_false(hosts_enter(h, "a"));
	assert_int_equal(full(h), 1);
	assert_true(hosts_enter(h, "b"));
	hosts_free(h);
}

static void a_wait_ends(void **state)
{
	(void)state;
	struct hosts *h = hosts_new(1);
	assert_true(hosts_enter(h, "a"));
	hosts_leave(h, "a", 1);
	while (!hosts_enter(h, "a"))
		usleep(500);
	assert_int_equal(full(h), 1);
	hosts_free(h);
}

static void leaving_what_was_never_entered_changes_nothing(void **state)
{
	(void)state;
	struct hosts *h = hosts_new(1);
	hosts_leave(h, "a", 60000);
	assert_int_equal(full(h), 0);
	assert_true(hosts_enter(h, "a"));
	hosts_free(h);
}

static void strangers_cannot_fill_the_memory(void **state)
{
	(void)state;
	struct hosts *h = hosts_new(4);
	assert_true(hosts_enter(h, "busy"));
	assert_true(hosts_enter(h, "patient"));
	hosts_leave(h, "patient", 1800000);
	for (int i = 0; i < 10 * HOSTS_MAX; i++) {
		autofree char *name = mem_printf("host-%d.example", i);
		assert_true(hosts_enter(h, name));
		hosts_leave(h, name, 60000);
	}
	assert_true(full(h) <= HOSTS_MAX);
	assert_false(hosts_enter(h, "patient")); /* the longest wish was kept */
	for (int i = 0; i < 3; i++)
		assert_true(hosts_enter(h, "busy")); /* and so was the count */
	assert_false(hosts_enter(h, "busy"));
	hosts_free(h);
}

static void hosts_all_at_work_leave_no_room_for_another(void **state)
{
	(void)state;
	struct hosts *h = hosts_new(1);
	for (int i = 0; i < HOSTS_MAX; i++) {
		autofree char *name = mem_printf("%d", i);
		assert_true(hosts_enter(h, name));
	}
	assert_false(hosts_enter(h, "one more"));
	hosts_leave(h, "7", 0);
	assert_true(hosts_enter(h, "one more"));
	assert_int_equal(full(h), HOSTS_MAX);
	hosts_free(h);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_host_has_so_many_places_and_no_more),
	cmocka_unit_test(a_host_that_asked_to_wait_is_left_alone),
	cmocka_unit_test(a_wait_ends),
	cmocka_unit_test(leaving_what_was_never_entered_changes_nothing),
	cmocka_unit_test(strangers_cannot_fill_the_memory),
	cmocka_unit_test(hosts_all_at_work_leave_no_room_for_another),
};
TEST_MAIN(tests)
