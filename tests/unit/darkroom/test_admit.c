/* SPDX-License-Identifier: MIT
 *
 * The gate: no more inside than fits, first come first in, and nobody forgotten who gives up.
 */
#include "lib/test.h"

#include "darkroom/admit.h"

#include <pthread.h>
#include <sched.h>

#define PEOPLE 8

struct person {
	struct gate *g;
	int64_t amount;
	atomic_bool cancel;
	atomic_int *order; /* who gets in draws the next number */
	atomic_int place;  /* 0: not yet */
	enum err_code code;
	pthread_t thread;
};

static void *come_in(void *arg)
{
	struct person *p = arg;
	struct err e;
	p->code = gate_enter(p->g, p->amount, &p->cancel, &e);
	if (p->code == OK)
		atomic_store(&p->place, atomic_fetch_add(p->order, 1) + 1);
	return NULL;
}

static void arrive(struct person *p)
{
	assert_int_equal(pthread_create(&p->thread, NULL, come_in, p), 0);
}

static void await_place(struct person *p)
{
	while (atomic_load(&p->place) == 0)
		sched_yield();
}

static void what_fits_goes_in_at_once(void **state)
{
	(void)state;
	struct err e;
	struct gate *g = gate_new(10);
	assert_ok(gate_enter(g, 4, NULL, &e));
	assert_ok(gate_enter(g, 6, NULL, &e));
	assert_ok(gate_enter(g, 0, NULL, &e));
	assert_int_equal(gate_used(g), 10);
	gate_leave(g, 4);
	gate_leave(g, 6);
	assert_int_equal(gate_used(g), 0);
	gate_free(g);
}

static void a_full_gate_lets_in_as_others_leave(void **state)
{
	(void)state;
	struct err e;
	atomic_int order = 0;
	struct gate *g = gate_new(1);
	struct person people[PEOPLE];
	assert_ok(gate_enter(g, 1, NULL, &e));
	for (size_t i = 0; i < PEOPLE; i++) {
		people[i] = (struct person){ .g = g, .amount = 1, .order = &order };
		arrive(&people[i]);
	}
	for (int i = 0; i < PEOPLE; i++) { /* one place: they draw their numbers one by one */
		assert_int_equal(gate_used(g), 1);
		gate_leave(g, 1);
		while (atomic_load(&order) != i + 1)
			sched_yield();
	}
	for (size_t i = 0; i < PEOPLE; i++)
		pthread_join(people[i].thread, NULL);
	gate_leave(g, 1);
	gate_free(g);
}

static void who_is_canceled_leaves_the_line_to_those_behind(void **state)
{
	(void)state;
	struct err e;
	atomic_int order = 0;
	struct gate *g = gate_new(10);
	assert_ok(gate_enter(g, 5, NULL, &e));
	struct person large = { .g = g, .amount = 10, .order = &order };
	struct person small = { .g = g, .amount = 1, .order = &order };
	arrive(&large);
	/* The small one waits behind the large one, or came before it; both end well. */
	arrive(&small);
	atomic_store(&large.cancel, true);
	await_place(&small);
	pthread_join(large.thread, NULL);
	pthread_join(small.thread, NULL);
	assert_int_equal(large.code, ERR_CANCELED);
	assert_int_equal(small.code, OK);
	assert_int_equal(gate_used(g), 6);
	gate_leave(g, 5);
	gate_leave(g, 1);
	gate_free(g);
}

struct crowd {
	struct gate *g;
	atomic_llong inside;
	atomic_bool too_many;
};

static void *walk_in_and_out(void *arg)
{
	struct crowd *c = arg;
	for (int64_t i = 0; i < 2000; i++) {
		struct err e;
		int64_t amount = i % 7 + 1;
		if (gate_enter(c->g, amount, NULL, &e) != OK)
			break;
		if (atomic_fetch_add(&c->inside, amount) + amount > 10)
			atomic_store(&c->too_many, true);
		atomic_fetch_sub(&c->inside, amount);
		gate_leave(c->g, amount);
	}
	return NULL;
}

static void many_threads_never_exceed_the_capacity(void **state)
{
	(void)state;
	struct crowd c = { .g = gate_new(10) };
	pthread_t threads[PEOPLE];
	for (size_t i = 0; i < PEOPLE; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, walk_in_and_out, &c), 0);
	for (size_t i = 0; i < PEOPLE; i++)
		pthread_join(threads[i], NULL);
	assert_false(atomic_load(&c.too_many));
	assert_int_equal(gate_used(c.g), 0);
	gate_free(c.g);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_fits_goes_in_at_once),
	cmocka_unit_test(a_full_gate_lets_in_as_others_leave),
	cmocka_unit_test(who_is_canceled_leaves_the_line_to_those_behind),
	cmocka_unit_test(many_threads_never_exceed_the_capacity),
};
TEST_MAIN(tests)
