/* SPDX-License-Identifier: MIT */
#include "bus/bus.h"
#include "lib/test.h"

#include <pthread.h>
#include <stdatomic.h>

struct heard {
	atomic_int n;
	struct bus_hint last;
};

static void hear(void *ctx, const struct bus_hint *h)
{
	struct heard *heard = ctx;
	heard->last = *h;
	heard->n++;
}

static void count(void *ctx, const struct bus_hint *h)
{
	(void)h;
	((struct heard *)ctx)->n++;
}

static void a_hint_reaches_every_listener(void **state)
{
	(void)state;
	struct err e;
	struct bus *b;
	assert_ok(bus_open(&(struct bus_opts){ .url = "local:" }, &b, &e));
	struct heard one = { 0 }, two = { 0 };
	bus_subscribe(b, hear, &one);
	bus_subscribe(b, hear, &two);
	bus_publish(b, &(struct bus_hint){ .job = 7, .seq = 12 });
	assert_int_equal(one.n, 1);
	assert_int_equal(two.n, 1);
	assert_int_equal(two.last.job, 7);
	assert_int_equal(two.last.seq, 12);
	assert_false(two.last.work);
	bus_publish(b, &(struct bus_hint){ .work = true });
	assert_int_equal(one.n, 2);
	assert_true(one.last.work);
	bus_free(b);
}

static void a_hint_without_listeners_is_dropped(void **state)
{
	(void)state;
	struct err e;
	struct bus *b;
	assert_ok(bus_open(&(struct bus_opts){ .url = "local:" }, &b, &e));
	bus_publish(b, &(struct bus_hint){ .work = true });
	bus_free(b);
	bus_free(NULL);
}

static void *publish_1000(void *arg)
{
	for (int i = 0; i < 1000; i++)
		bus_publish(arg, &(struct bus_hint){ .work = true });
	return NULL;
}

static void threads_publish_at_the_same_time(void **state)
{
	(void)state;
	struct err e;
	struct bus *b;
	assert_ok(bus_open(&(struct bus_opts){ .url = "local:" }, &b, &e));
	struct heard heard = { 0 };
	bus_subscribe(b, count, &heard);
	pthread_t t[4];
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, publish_1000, b), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(heard.n, 4000);
	bus_free(b);
}

static void an_unknown_scheme_is_refused_and_named(void **state)
{
	(void)state;
	struct err e;
	struct bus *b = NULL;
	assert_err(bus_open(&(struct bus_opts){ .url = "carrier-pigeon:" }, &b, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "carrier-pigeon:"));
	assert_null(b);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_hint_reaches_every_listener),
	cmocka_unit_test(a_hint_without_listeners_is_dropped),
	cmocka_unit_test(threads_publish_at_the_same_time),
	cmocka_unit_test(an_unknown_scheme_is_refused_and_named),
};
TEST_MAIN(tests)
