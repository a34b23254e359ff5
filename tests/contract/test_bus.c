/* SPDX-License-Identifier: MIT
 *
 * What a bus promises: test_contract_bus local|nats|postgres. The last two talk to a server of the
 * test's own, which it takes away and brings back.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "bus/bus.h"
#include "tests/lib/test.h"

#include <pthread.h>
#include <stdlib.h>

#define WAIT_MS 30000
#define JOBS    64

static const char *backend;
static const char *url;

/* ---- listeners that can be waited for -------------------------------------------------------- */

struct ears {
	pthread_mutex_t lock;
	pthread_cond_t change;
	int64_t seq[JOBS]; /* the highest of each job */
	int work, news;
	bool stray; /* a job that nobody named */
};

static void hear(void *ctx, const struct bus_hint *h)
{
	struct ears *ears = ctx;
	pthread_mutex_lock(&ears->lock);
	ears->work += h->work;
	ears->news += h->job != 0;
	if (h->job < 0 || h->job >= JOBS)
		ears->stray = true;
	else if (h->job && h->seq > ears->seq[h->job])
		ears->seq[h->job] = h->seq;
	pthread_cond_broadcast(&ears->change);
	pthread_mutex_unlock(&ears->lock);
}

static void ears_init(struct ears *ears, struct bus *b)
{
	*ears = (struct ears){ 0 };
	pthread_mutex_init(&ears->lock, NULL);
	pthread_cond_init(&ears->change, NULL);
	bus_subscribe(b, hear, ears);
}

static bool heard_job(struct ears *ears, int64_t job, int64_t seq, int64_t ms)
{
	struct timespec until = clock_deadline(ms);
	int rc = 0;
	pthread_mutex_lock(&ears->lock);
	while (ears->seq[job] < seq && rc == 0)
		rc = pthread_cond_clockwait(&ears->change, &ears->lock, CLOCK_MONOTONIC, &until);
	bool heard = ears->seq[job] >= seq;
	pthread_mutex_unlock(&ears->lock);
	return heard;
}

static void await_work(struct ears *ears, int more_than)
{
	struct timespec until = clock_deadline(WAIT_MS);
	pthread_mutex_lock(&ears->lock);
	while (ears->work <= more_than)
		assert_int_equal(pthread_cond_clockwait(&ears->change, &ears->lock, CLOCK_MONOTONIC,
					 &until),
			0);
	pthread_mutex_unlock(&ears->lock);
}

/* ---- two processes of a cluster; a local bus has but one -------------------------------------- */

struct pair {
	struct bus *a, *b;
	struct ears here, there; /* of a and b */
};

static bool is_local(void)
{
	return strcmp(backend, "local") == 0;
}

static struct bus *open_bus(const char *subject)
{
	struct err e = { 0 };
	struct bus *b = NULL;
	assert_ok(bus_open(&(struct bus_opts){ .url = url, .subject = subject }, &b, &e));
	return b;
}

static void pair_init(struct pair *p)
{
	struct err e = { 0 };
	p->a = open_bus(NULL);
	p->b = is_local() ? p->a : open_bus(NULL);
	ears_init(&p->here, p->a);
	ears_init(&p->there, p->b);
	assert_ok(bus_wait_up(p->a, WAIT_MS, &e));
	assert_ok(bus_wait_up(p->b, WAIT_MS, &e));
}

static void pair_done(struct pair *p)
{
	if (p->b != p->a)
		bus_free(p->b);
	bus_free(p->a);
	assert_false(p->here.stray || p->there.stray);
}

static void publish(struct bus *b, int64_t job, int64_t seq)
{
	bus_publish(b, &(struct bus_hint){ .job = job, .seq = seq });
}

static void server(const char *what)
{
	autofree char *line = mem_printf("%s %s >/dev/null",
		getenv(strcmp(backend, "nats") == 0 ? "TEST_NATS_CTL" : "TEST_POSTGRES_CTL"), what);
	assert_int_equal(system(line), 0);
}

/* ---- the contract ---------------------------------------------------------------------------- */

static void a_hint_reaches_every_listener_of_both_processes(void **state)
{
	(void)state;
	struct pair p;
	pair_init(&p);
	int before = p.there.work;
	publish(p.a, 7, 12);
	assert_true(heard_job(&p.here, 7, 12, 0)); /* the own process at once */
	assert_true(heard_job(&p.there, 7, 12, WAIT_MS));
	bus_publish(p.a, &(struct bus_hint){ .work = true });
	await_work(&p.there, before);
	publish(p.b, 8, 1);
	assert_true(heard_job(&p.here, 8, 1, WAIT_MS));
	pair_done(&p);
}

static void of_many_hints_of_a_job_the_last_is_heard_and_few_travel(void **state)
{
	(void)state;
	struct pair p;
	pair_init(&p);
	for (int64_t seq = 1; seq <= 30000; seq++)
		publish(p.a, 1 + seq % 3, seq);
	for (int64_t job = 1; job <= 3; job++)
		assert_true(heard_job(&p.there, job, job == 1 ? 30000 : 29998 + job - 2, WAIT_MS));
	if (!is_local())
		assert_true(p.there.news < 15000);
	pair_done(&p);
}

struct writer {
	struct bus *b;
	int64_t job;
};

static void *publish_1000(void *arg)
{
	struct writer *w = arg;
	for (int64_t i = 1; i <= 1000; i++)
		publish(w->b, w->job, i);
	return NULL;
}

static void threads_publish_at_the_same_time(void **state)
{
	(void)state;
	struct pair p;
	pthread_t t[4];
	struct writer w[4];
	pair_init(&p);
	for (int i = 0; i < 4; i++) {
		w[i] = (struct writer){ i % 2 ? p.a : p.b, i + 1 };
		assert_int_equal(pthread_create(&t[i], NULL, publish_1000, &w[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 4; i++)
		assert_true(heard_job(i % 2 ? &p.there : &p.here, i + 1, 1000, WAIT_MS));
	pair_done(&p);
}

static void many_jobs_are_not_mixed_up(void **state)
{
	(void)state;
	struct pair p;
	pair_init(&p);
	for (int64_t round = 0; round < 20; round++)
		for (int64_t job = 1; job < JOBS; job++)
			publish(p.a, job, 100 * job + round);
	assert_true(heard_job(&p.there, JOBS - 1, 100 * (JOBS - 1) + 19, WAIT_MS));
	for (int64_t job = 1; job < JOBS; job++)
		assert_true(p.there.seq[job] <= 100 * job + 19);
	pair_done(&p);
}

static void subjects_do_not_hear_each_other(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct pair p;
	struct ears other;
	pair_init(&p);
	struct bus *b = open_bus("another");
	ears_init(&other, b);
	assert_ok(bus_wait_up(b, WAIT_MS, &e));
	publish(b, 5, 5);
	publish(p.a, 6, 6);
	assert_true(heard_job(&p.there, 6, 6, WAIT_MS));
	publish(b, 7, 7); /* what would come of 5 came before 7, if anything does */
	assert_false(heard_job(&p.there, 5, 1, 200));
	assert_int_equal(other.seq[6], 0);
	bus_free(b);
	pair_done(&p);
}

static void without_its_server_a_bus_is_local_and_it_comes_back_by_itself(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct pair p;
	pair_init(&p);
	int before = p.there.work;
	server("stop immediate");
	for (int64_t seq = 1; seq <= 1000; seq++)
		publish(p.a, 9, seq); /* nobody waits, nothing fails */
	assert_true(heard_job(&p.here, 9, 1000, 0));
	server("start");
	await_work(&p.there, before);      /* "some may have been missed" */
	for (int64_t seq = 1001;; seq++) { /* until both are back */
		assert_true(seq < 2000);
		publish(p.a, 9, seq);
		if (heard_job(&p.there, 9, seq, 100))
			break;
	}
	assert_ok(bus_wait_up(p.a, WAIT_MS, &e));
	pair_done(&p);
}

static void it_opens_while_its_server_is_away(void **state)
{
	(void)state;
	struct err e = { 0 };
	server("stop immediate");
	struct bus *b = open_bus(NULL);
	assert_err(bus_wait_up(b, 1, &e), ERR_SYSTEM);
	assert_true(strlen(e.text) > 0);
	server("start");
	assert_ok(bus_wait_up(b, WAIT_MS, &e));
	bus_free(b);
}

static void it_ends_while_its_server_is_away(void **state)
{
	(void)state;
	struct pair p;
	pair_init(&p);
	server("stop immediate");
	publish(p.a, 1, 1);
	pair_done(&p);
	server("start");
}

#define LOCAL_TESTS 4 /* the first; the others take the server away */
static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_hint_reaches_every_listener_of_both_processes),
	cmocka_unit_test(of_many_hints_of_a_job_the_last_is_heard_and_few_travel),
	cmocka_unit_test(threads_publish_at_the_same_time),
	cmocka_unit_test(many_jobs_are_not_mixed_up),
	/* with a server only */
	cmocka_unit_test(subjects_do_not_hear_each_other),
	cmocka_unit_test(without_its_server_a_bus_is_local_and_it_comes_back_by_itself),
	cmocka_unit_test(it_opens_while_its_server_is_away),
	cmocka_unit_test(it_ends_while_its_server_is_away),
};

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: test_contract_bus local|nats|postgres [pattern]\n");
		return 64;
	}
	backend = argv[1];
	url = strcmp(backend, "nats") == 0         ? getenv("TEST_NATS")
		: strcmp(backend, "postgres") == 0 ? getenv("TEST_POSTGRES")
						   : "local:";
	if (argc > 2)
		cmocka_set_test_filter(argv[2]);
	return _cmocka_run_group_tests("bus", tests, is_local() ? LOCAL_TESTS : ARRAY_LEN(tests),
		NULL, NULL);
}
