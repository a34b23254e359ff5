/* SPDX-License-Identifier: MIT
 *
 * A process that works at random and its parent, which starts several, makes trouble and then looks at
 * the books.
 */
#include "tests/contract/together.h"

#include "base/clock.h"
#include "pg/pg.h"
#include "store/pg_commit.h"

#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 4
#define LANES                                                                                      \
	16 /* threads of each, more than commit: what they do at the same time shares commits */

extern char **environ;

/* ---- a process ---- */

uint64_t below(struct child *c, uint64_t n)
{
	c->dice ^= c->dice << 13;
	c->dice ^= c->dice >> 7;
	c->dice ^= c->dice << 17;
	return c->dice % n;
}

bool is_away(enum err_code code)
{
	if (code == ERR_STORE_UNAVAILABLE)
		usleep(20000);
	return code == ERR_STORE_UNAVAILABLE;
}
/* Only these may go wrong. */
void check_code(const struct child *c, const char *what, enum err_code code, enum err_code fine,
	enum err_code fine_too)
{
	if (code != OK && code != fine && code != fine_too)
		fail_msg("%s: %s: %s", what, err_name(code), c->f.e.text);
}

static void do_submit(struct child *c)
{
	CLEANUP(buf_done) struct buf b = BUF_INIT(65536);
	struct made_job m = { 0 };
	char key[64];
	enum err_code code;

	if (c->jobs_n == JOBS)
		return;
	buf_puts(&b, "{\"urls\":[");
	for (uint64_t i = 0, n = 1 + below(c, 8); i < n; i++)
		buf_printf(&b, "%s\"https://h%d.test/%s%d.jpg?bytes=b%d\"", i ? "," : "",
			(int)below(c, 3), below(c, 12) ? "" : "fail", (int)below(c, 30),
			(int)below(c, c->budget ? 150 : 15));
	buf_printf(&b, "],\"keep_source\":%s,\"variants\":[{\"name\":\"a\",\"width\":%d}]%s}",
		below(c, 5) ? "true" : "false", 10 + (int)below(c, 2),
		c->budget ? ",\"background\":" WHAT_IS_BOUGHT : "");
	snprintf(key, sizeof key, "%llx-%d", (unsigned long long)c->seed, c->submitted++);
	UNTIL_THERE(&code, submit_as(&c->f, NULL, key, buf_str(&b), &m));
	check_code(c, "submit", code, OK, OK);
	c->jobs[c->jobs_n++] = m;
}

static void do_to_job(struct child *c)
{
	if (c->jobs_n == 0)
		return;
	const char *id = c->jobs[below(c, c->jobs_n)].id;
	enum err_code code = OK;
	int64_t n;
	switch (below(c, 6)) {
	case 0: /* results that were bought and are deleted may be bought again */
		UNTIL_THERE(&code,
			store_delete(c->f.s, 1, id, !c->budget && below(c, 2) == 0, &c->f.e));
		break;
	case 1:
	case 2:
		UNTIL_THERE(&code, store_cancel(c->f.s, 1, id, ERR_CANCELED, &c->f.e));
		break;
	default:
		UNTIL_THERE(&code, store_retry(c->f.s, 1, id, false, &n, &c->f.e));
	}
	check_code(c, "to a job", code, ERR_NOT_FOUND, ERR_JOB_NOT_ENDED);
}

static void do_fetch(struct child *c, const struct task *t, struct task *ret_make)
{
	struct fetched r = fetched_of(&c->f, t);
	struct original stands;
	enum err_code code;

	UNTIL_THERE(&code,
		store_finish_fetch(c->f.s, t->id, t->lease, &r, "child", LEASE_MS, c->f.a, ret_make,
			&stands, &c->f.e));
	check_code(c, "fetch", code, ERR_STORE_STALE, OK);
	if (code != OK)
		ret_make->id = 0;
}

static void do_make(struct child *c, const struct task *t)
{
	struct made m = made_of(&c->f, t);
	enum err_code code;

	UNTIL_THERE(&code, store_finish_make(c->f.s, t->id, t->lease, &m, &c->f.e));
	check_code(c, "make", code, ERR_STORE_STALE, OK);
}

static void do_keep(struct child *c, const struct task *t)
{
	struct task_keep k = { .id = t->id, .lease = t->lease, .step = STEP_DOWNLOADING };
	enum err_code code;

	UNTIL_THERE(&code, store_keep(c->f.s, &k, 1, LEASE_MS, &c->f.e));
	check_code(c, "keep", code, OK, OK);
}

/* Mostly it is done; or it fails, is put back, is done late, or is forgotten. */
static void do_task(struct child *c, const struct task *t)
{
	struct outcome why = { .code = ERR_FETCH_STATUS, .stage = "download" };
	struct task make = { 0 };
	enum err_code code = OK;

	if (below(c, 4) == 0)
		do_keep(c, t);
	if (below(c, 40) == 0)
		return;
	if (t->kind == TASK_FETCH && strstr(t->input, "fail")) {
		UNTIL_THERE(&code, store_fail(c->f.s, t->id, t->lease, &why, NULL, &c->f.e));
	} else if (t->kind == TASK_CUT) {
		buy_cut(c, t);
	} else if (below(c, 15) == 0) {
		UNTIL_THERE(&code,
			store_later(c->f.s, t->id, t->lease, clock_wall_ms() + 50,
				below(c, 2) ? &why : NULL, false, &c->f.e));
	} else if (t->kind == TASK_FETCH) {
		do_fetch(c, t, &make);
		if (make.id)
			do_make(c, &make);
	} else {
		do_make(c, t);
	}
	check_code(c, "end a task", code, ERR_STORE_STALE, OK);
}

static void do_work(struct child *c)
{
	struct claim claim = { .owner = "child", .lease_ms = LEASE_MS, .max = 1 + below(c, 8) };
	struct task *tasks = NULL;
	enum err_code code;
	bool more;
	size_t n = 0;

	UNTIL_THERE(&code, store_plan(c->f.s, 4, &more, &c->f.e));
	check_code(c, "plan", code, OK, OK);
	UNTIL_THERE(&code, store_claim(c->f.s, &claim, c->f.a, &tasks, &n, &c->f.e));
	check_code(c, "claim", code, OK, OK);
	for (size_t i = 0; i < n; i++)
		do_task(c, &tasks[i]);
}

static void do_tick(struct child *c)
{
	struct gc_report report;
	enum err_code code;
	int64_t next;

	UNTIL_THERE(&code, store_tick(c->f.s, &next, &c->f.e));
	check_code(c, "tick", code, OK, OK);
	if (below(c, 6) == 0 && !c->budget)
		UNTIL_THERE(&code, store_gc(c->f.s, 0, false, &report, &c->f.e));
	check_code(c, "gc", code, OK, OK);
}

static void *lane_main(void *ctx)
{
	struct child *c = ctx;

	c->f.a = arena_new();
	for (int i = 0; i < c->steps; i++) {
		uint64_t what = below(c, 10);
		if (what < 2)
			do_submit(c);
		else if (what < 8)
			do_work(c);
		else if (what < 9)
			do_to_job(c);
		else
			do_tick(c);
	}
	arena_free(c->f.a);
	return NULL;
}

int child_main(const char *url, uint64_t seed, int steps, int64_t budget)
{
	struct child c = { .steps = steps / LANES, .budget = budget }, lanes[LANES];
	enum err_code code;
	int submitted = 0;

	fixture_opts(&c.f);
	c.f.opts.clock_ms = NULL;
	c.f.opts.max_cost_month = budget ? budget : -1;
	c.f.tenant = 1;
	UNTIL_THERE(&code, store_open(url, &c.f.opts, &c.f.s, &c.f.e));
	check_code(&c, "open", code, OK, OK);
	for (uint64_t i = 0; i < LANES; i++) {
		lanes[i] = c;
		lanes[i].seed = seed * LANES + i;
		lanes[i].dice = lanes[i].seed * 2654435761u + 1;
		if (pthread_create(&lanes[i].thread, NULL, lane_main, &lanes[i]) != 0)
			return 1;
	}
	for (int i = 0; i < LANES; i++) {
		pthread_join(lanes[i].thread, NULL);
		submitted += lanes[i].submitted;
	}
	printf("%d %lld\n", submitted, (long long)committer_retries());
	store_free(c.f.s);
	return 0;
}

/* ---- the test ---- */

int64_t number(struct fixture *f, const char *text)
{
	const char *last = strrchr(text, ';'); /* what stands before it is a script */
	autofree char *full = mem_printf("SET search_path = \"%s\"; %.*s", f->schema,
		last ? (int)(last - text) : 0, text);
	struct pg_stmt st = { .text = last ? last + 1 : text };
	struct pg_rows *r = NULL;
	struct err e;
	struct pg *c;

	assert_ok(pg_open(getenv("TEST_POSTGRES"), &c, &e));
	assert_ok(pg_script(c, full, &e));
	assert_ok(pg_ask(c, &st, NULL, 0, &r, &e));
	int64_t n = pg_rows_n(r) > 0 ? pg_int(r, 0, 0) : 0;
	pg_rows_free(r);
	pg_free(c);
	return n;
}

struct running {
	pid_t pid;
	FILE *out;
};

static struct running start_child(struct fixture *f, int seed, int steps, int64_t budget)
{
	char a[32], b[32], d[32];
	int p[2];
	struct running r;
	posix_spawn_file_actions_t fa;

	snprintf(a, sizeof a, "%d", seed);
	snprintf(b, sizeof b, "%d", steps);
	snprintf(d, sizeof d, "%lld", (long long)budget);
	assert_int_equal(pipe(p), 0);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, p[1], 1);
	posix_spawn_file_actions_addclose(&fa, p[0]);
	char name[] = "test_store_together", verb[] = "child";
	char *argv[] = { name, verb, f->url, a, b, d, NULL };
	assert_int_equal(posix_spawn(&r.pid, "/proc/self/exe", &fa, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&fa);
	close(p[1]);
	r.out = fdopen(p[0], "r");
	return r;
}

/* Adds what it said to the sums; it must have ended well. */
static void end_child(struct running *r, int *submitted, int64_t *retries)
{
	char line[128] = "";
	long long again = 0;
	int n = 0, status = -1;

	assert_non_null(fgets(line, sizeof line, r->out));
	assert_int_equal(sscanf(line, "%d %lld", &n, &again), 2);
	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	assert_int_equal(status, 0);
	fclose(r->out);
	*submitted += n;
	*retries += again;
}

static bool any_runs(const struct running *r)
{
	for (size_t i = 0; i < CHILDREN; i++) {
		siginfo_t info = { 0 };
		assert_int_equal(waitid(P_PID, (id_t)r[i].pid, &info, WEXITED | WNOHANG | WNOWAIT),
			0);
		if (info.si_pid == 0)
			return true;
	}
	return false;
}

/* Leases that were left behind run out first. */
static void let_everything_end(struct child *c)
{
	int64_t until = clock_mono_ms() + 60000;
	struct fixture *f = &c->f;

	while (number(f, "SELECT count(*) FROM job WHERE ended_ms IS NULL OR hidden > 0") > 0 ||
		number(f, "SELECT count(*) FROM task") > 0) {
		struct claim claim = { .owner = "end", .lease_ms = 60000, .max = 100 };
		struct task *tasks, make;
		int64_t next;
		size_t n = 0;
		bool more = true;
		struct err e;
		assert_true(clock_mono_ms() < until);
		while (more)
			assert_ok(store_plan(f->s, 1000, &more, &e));
		assert_ok(store_claim(f->s, &claim, f->a, &tasks, &n, &e));
		for (size_t i = 0; i < n; i++) {
			make = tasks[i];
			if (make.kind == TASK_CUT) {
				buy_cut(c, &make);
				continue;
			}
			if (make.kind == TASK_FETCH)
				do_fetch(c, &tasks[i], &make);
			if (make.id)
				do_make(c, &make);
		}
		assert_ok(store_tick(f->s, &next, &e));
		if (n == 0)
			usleep(50000);
	}
}

static const struct {
	const char *what, *text;
} books[] = {
	{ "jobs whose log has a gap",
		"SELECT count(*) FROM job j WHERE seq <> (SELECT count(*) FROM event e WHERE e.job ="
		" j.no) OR seq <> (SELECT max(e.seq) FROM event e WHERE e.job = j.no)" },
	{ "jobs that do not end with their end",
		"SELECT count(*) FROM job j JOIN event e ON e.job = j.no AND e.seq = j.seq"
		" WHERE e.type NOT IN (3, 4, 5, 6)" },
	{ "items that ended twice in a run, or never in their last",
		"SELECT count(*) FROM item i WHERE 1 <> (SELECT count(*) FROM event e WHERE"
		" e.job = i.job AND e.item = i.n AND e.type >= 10 AND (e.data::json->>'r')::int ="
		" i.run)" },
	{ "items that ended twice in an earlier run",
		"SELECT count(*) FROM (SELECT job, item, data::json->>'r' FROM event WHERE item IS NOT"
		" NULL AND type >= 10 GROUP BY 1, 2, 3 HAVING count(*) > 1) l" },
	{ "items that started twice in a run",
		"SELECT count(*) FROM (SELECT job, item, data::json->>'r' FROM event WHERE type = 8"
		" GROUP BY 1, 2, 3 HAVING count(*) > 1) l" },
	{ "jobs whose counts are not their rows'",
		"SELECT count(*) FROM job j WHERE (succeeded, failed, canceled) <>"
		" (SELECT count(*) FILTER (WHERE state = 2), count(*) FILTER (WHERE state = 3),"
		" count(*) FILTER (WHERE state = 4) FROM item i WHERE i.job = j.no)"
		" OR fresh + waiting + running > 0" },
	{ "items that name an original which is gone",
		"SELECT count(*) FROM item i WHERE original IS NOT NULL AND NOT EXISTS (SELECT 1 FROM"
		" original o WHERE o.id = i.original)" },
	{ "items that name a result which is gone",
		"SELECT count(*) FROM item i, json_array_elements_text(i.results::json) r WHERE NOT"
		" EXISTS (SELECT 1 FROM result WHERE id = r::bigint)" },
	{ "rows of jobs that are gone",
		"SELECT (SELECT count(*) FROM item i WHERE NOT EXISTS (SELECT 1 FROM job j WHERE j.no ="
		" i.job)) + (SELECT count(*) FROM event i WHERE NOT EXISTS (SELECT 1 FROM job j WHERE"
		" j.no = i.job))" },
	{ "requests that made two jobs, or a job that none made",
		"SELECT (SELECT count(*) FROM idempotency) - (SELECT count(DISTINCT job) FROM"
		" idempotency)" },
	{ "items that wait for what is gone",
		"SELECT count(*) FROM item WHERE task IS NOT NULL OR cut_task IS NOT NULL" },
};

void check_books_of(struct fixture *f)
{
	for (size_t i = 0; i < ARRAY_LEN(books); i++) {
		int64_t n = number(f, books[i].text);
		if (n != 0)
			fail_msg("%s: %lld", books[i].what, (long long)n);
	}
}

/* Each request was made with a key of its own. */
static void check_books(struct fixture *f, int submitted)
{
	check_books_of(f);
	assert_int_equal(number(f, "SELECT count(*) FROM idempotency"), submitted);
	assert_int_equal(number(f, "SELECT sum(jobs) FROM usage"), submitted);
	assert_true(
		number(f,
			"SELECT count(*) FROM job j WHERE NOT EXISTS (SELECT 1 FROM idempotency k"
			" WHERE k.job = j.no)") == 0);
}

void together(struct fixture *f, int steps, int64_t budget, trouble_fn trouble)
{
	struct running r[CHILDREN];
	struct child c = { .dice = 1, .budget = budget };
	int submitted = 0;
	int64_t retries = 0;
	const char *seed_text = getenv("TEST_SEED");
	int seed = seed_text ? atoi(seed_text) : (int)(clock_wall_ms() % 1000000);

	print_message("TEST_SEED=%d\n", seed);
	for (int i = 0; i < CHILDREN; i++)
		r[i] = start_child(f, seed + i, steps, budget);
	while (trouble && any_runs(r))
		trouble(f);
	for (int i = 0; i < CHILDREN; i++)
		end_child(&r[i], &submitted, &retries);
	print_message("%d jobs, %lld operations or transactions run again\n", submitted,
		(long long)retries);
	c.f = *f;
	let_everything_end(&c);
	check_books(f, submitted);
}
