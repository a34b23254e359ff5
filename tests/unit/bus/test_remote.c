/* SPDX-License-Identifier: MIT
 *
 * When a hint leaves the process. The carrier is the test's own and so is the clock: time passes when the
 * thread of the bus waits for it, and when the test says so.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "bus/bus_impl.h"
#include "lib/test.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WAIT_MS 20000
#define GAP     5
#define WORK    50 /* between two hints of work */
#define IDLE    500

static _Atomic int64_t now_ms = 1000;

int64_t __wrap_clock_mono_ms(void);
int64_t __wrap_clock_mono_ms(void)
{
	return now_ms;
}

/* ---- a carrier that goes nowhere -------------------------------------------------------------- */

struct line {
	struct bus_link base;
	pthread_mutex_t lock;
	pthread_cond_t change;
	int time_fd; /* time has passed */
	int sent, waiting_ms;
	bool waiting;
	char last[200]; /* without its sender */
};

static enum err_code init(const struct bus_opts *o, void **ret, struct err *e)
{
	(void)e;
	*ret = o->ctx;
	return OK;
}

static enum err_code connect_to(void *self, struct bus_remote *r, unsigned n, struct bus_link **ret,
	struct err *e)
{
	struct line *l = self;
	(void)n, (void)e;
	l->base.remote = r;
	*ret = &l->base;
	return OK;
}

static enum err_code send_text(struct bus_link *link, const char *text, struct err *e)
{
	struct line *l = container_of(link, struct line, base);
	(void)e;
	pthread_mutex_lock(&l->lock);
	l->sent++;
	snprintf(l->last, sizeof(l->last), "%s", text + strlen("b1 ") + BUS_SENDER_LEN);
	pthread_cond_broadcast(&l->change);
	pthread_mutex_unlock(&l->lock);
	return OK;
}

static void set_waiting(struct line *l, bool waiting, int ms)
{
	pthread_mutex_lock(&l->lock);
	l->waiting = waiting;
	l->waiting_ms = ms;
	pthread_cond_broadcast(&l->change);
	pthread_mutex_unlock(&l->lock);
}

static enum err_code wait_for(struct bus_link *link, int timeout_ms, int wake_fd, struct err *e)
{
	struct line *l = container_of(link, struct line, base);
	struct pollfd p[] = { { wake_fd, POLLIN, 0 }, { l->time_fd, POLLIN, 0 } };
	uint64_t n;
	(void)e;
	if (poll(p, 2, 0) == 0) { /* else it is to look again at once */
		set_waiting(l, true, timeout_ms);
		(void)!poll(p, 2, WAIT_MS);
	}
	set_waiting(l, false, 0);
	(void)!read(l->time_fd, &n, sizeof(n));
	return OK;
}

static void disconnect(struct bus_link *link)
{
	(void)link;
}

static void done(void *self)
{
	(void)self;
}

static const struct bus_carrier carrier = {
	.name = "test",
	.gap_ms = GAP,
	.init = init,
	.connect = connect_to,
	.send = send_text,
	.wait = wait_for,
	.disconnect = disconnect,
	.done = done,
};

/* ---- a bus over it ---------------------------------------------------------------------------- */

struct fixture {
	struct line line;
	struct bus *local;
	struct bus_remote *remote;
};

/* The thread has done all there is to do, and will look again in ms. */
static void await_rest(struct fixture *f, int ms)
{
	struct line *l = &f->line;
	struct timespec until = clock_deadline(WAIT_MS);
	int rc = 0;
	pthread_mutex_lock(&l->lock);
	while (!(l->waiting && l->waiting_ms == ms) && rc == 0)
		rc = pthread_cond_clockwait(&l->change, &l->lock, CLOCK_MONOTONIC, &until);
	pthread_mutex_unlock(&l->lock);
	assert_int_equal(rc, 0);
}

static void await_sent(struct fixture *f, int n, const char *text)
{
	struct line *l = &f->line;
	struct timespec until = clock_deadline(WAIT_MS);
	int rc = 0;
	pthread_mutex_lock(&l->lock);
	while (l->sent < n && rc == 0)
		rc = pthread_cond_clockwait(&l->change, &l->lock, CLOCK_MONOTONIC, &until);
	int sent = l->sent;
	autofree char *last = mem_strdup(l->last);
	pthread_mutex_unlock(&l->lock);
	assert_int_equal(sent, n);
	assert_string_equal(last, text);
}

static void pass(struct fixture *f, int64_t ms)
{
	uint64_t one = 1;
	now_ms += ms;
	assert_int_equal(write(f->line.time_fd, &one, sizeof(one)), sizeof(one));
}

static void publish(struct fixture *f, bool work, int64_t job, int64_t seq)
{
	bus_remote_publish(f->remote, &(struct bus_hint){ .work = work, .job = job, .seq = seq });
}

static int setup(void **state)
{
	struct fixture *f = mem_new(struct fixture);
	struct err e;
	pthread_mutex_init(&f->line.lock, NULL);
	pthread_cond_init(&f->line.change, NULL);
	f->line.time_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_ok(bus_open(&(struct bus_opts){ .url = "local:" }, &f->local, &e));
	assert_ok(bus_remote_new(&carrier, &(struct bus_opts){ .ctx = &f->line }, f->local,
		&f->remote, &e));
	await_rest(f, IDLE);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	bus_remote_free(f->remote);
	bus_free(f->local);
	close(f->line.time_fd);
	pthread_cond_destroy(&f->line.change);
	pthread_mutex_destroy(&f->line.lock);
	free(f);
	return 0;
}

/* ---- the rule --------------------------------------------------------------------------------- */

static void the_first_hint_after_a_quiet_time_leaves_at_once(void **state)
{
	publish(*state, false, 7, 1);
	await_sent(*state, 1, " 7:1");
	await_rest(*state, IDLE);
	pass(*state, GAP);
	publish(*state, false, 7, 2);
	await_sent(*state, 2, " 7:2");
}

static void what_follows_within_the_gap_leaves_together_at_its_end(void **state)
{
	publish(*state, false, 7, 1);
	await_sent(*state, 1, " 7:1");
	await_rest(*state, IDLE);
	pass(*state, 2);
	publish(*state, false, 7, 2);
	publish(*state, false, 7, 3);
	await_rest(*state, GAP - 2);
	await_sent(*state, 1, " 7:1");
	pass(*state, GAP - 2);
	await_sent(*state, 2, " 7:3");
	await_rest(*state, IDLE);
}

static void news_do_not_wait_for_the_time_of_work(void **state)
{
	publish(*state, true, 0, 0);
	await_sent(*state, 1, " w");
	await_rest(*state, IDLE);
	pass(*state, GAP);
	publish(*state, true, 0, 0);
	await_rest(*state, WORK - GAP);
	publish(*state, false, 7, 1);
	await_sent(*state, 2, " 7:1");
	await_rest(*state, WORK - GAP);
	pass(*state, WORK - GAP);
	await_sent(*state, 3, " w");
	await_rest(*state, IDLE);
}

static void work_that_is_due_travels_with_the_news(void **state)
{
	publish(*state, false, 7, 1);
	await_sent(*state, 1, " 7:1");
	await_rest(*state, IDLE);
	publish(*state, true, 0, 0);
	publish(*state, false, 7, 2);
	await_rest(*state, GAP);
	pass(*state, GAP);
	await_sent(*state, 2, " w 7:2");
	await_rest(*state, IDLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static const struct CMUnitTest tests[] = {
	TEST(the_first_hint_after_a_quiet_time_leaves_at_once),
	TEST(what_follows_within_the_gap_leaves_together_at_its_end),
	TEST(news_do_not_wait_for_the_time_of_work),
	TEST(work_that_is_due_travels_with_the_news),
};
TEST_MAIN(tests)
