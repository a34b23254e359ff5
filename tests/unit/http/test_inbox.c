/* SPDX-License-Identifier: MIT */
#include "lib/test.h"

#include "http/inbox.h"

#include "base/mem.h"

#include <pthread.h>

static int wakes;
static struct numbered {
	struct post post;
	int n;
} posts[4000];
static int seen[4000], seen_n;

static void wake(void *ctx)
{
	(void)ctx;
	wakes++;
}

static void note(struct post *p)
{
	seen[seen_n++] = container_of(p, struct numbered, post)->n;
}

static void reset(void)
{
	wakes = seen_n = 0;
	for (int i = 0; i < (int)ARRAY_LEN(posts); i++)
		posts[i] = (struct numbered){ .post.fn = note, .n = i };
}

static void posts_run_in_order_after_one_wake(void **state)
{
	(void)state;
	reset();
	struct inbox *b = inbox_new(wake, NULL);
	for (int i = 0; i < 3; i++)
		assert_true(inbox_post(b, &posts[i].post));
	assert_int_equal(wakes, 1);
	inbox_run(b);
	assert_int_equal(seen_n, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(seen[i], i);
	assert_true(inbox_post(b, &posts[3].post));
	assert_int_equal(wakes, 2);
	inbox_unref(b);
}

static void a_closed_inbox_refuses_and_runs_what_it_had(void **state)
{
	(void)state;
	reset();
	struct inbox *b = inbox_new(wake, NULL);
	assert_true(inbox_post(b, &posts[0].post));
	inbox_close(b);
	assert_false(inbox_post(b, &posts[1].post));
	inbox_run(b);
	assert_int_equal(seen_n, 1);
	inbox_unref(b);
}

static void *post_half(void *arg)
{
	struct inbox *b = arg;
	static _Atomic int turn;
	int from = turn++ * 1000;
	for (int i = from; i < from + 1000; i++)
		(void)inbox_post(b, &posts[i].post);
	inbox_unref(b);
	return NULL;
}

static void every_thread_keeps_its_own_order(void **state)
{
	(void)state;
	reset();
	struct inbox *b = inbox_new(wake, NULL);
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, post_half, inbox_ref(b));
	while (seen_n < 4000)
		inbox_run(b);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	int last[4] = { -1, -1, -1, -1 };
	for (int i = 0; i < seen_n; i++) {
		assert_true(seen[i] > last[seen[i] / 1000]);
		last[seen[i] / 1000] = seen[i];
	}
	inbox_unref(b);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(posts_run_in_order_after_one_wake),
	cmocka_unit_test(a_closed_inbox_refuses_and_runs_what_it_had),
	cmocka_unit_test(every_thread_keeps_its_own_order),
};
TEST_MAIN(tests)
