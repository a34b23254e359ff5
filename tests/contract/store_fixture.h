/* SPDX-License-Identifier: MIT
 *
 * A store under test, a clock that only tests move, and a worker that does every task at once: it
 * "downloads" the text of the URL and "encodes" nothing, but counts what it was asked for.
 *
 * What a URL holds is said by the URL: its query `bytes=NAME` (the whole URL where there is none).
 */
#ifndef BULB_TESTS_CONTRACT_STORE_FIXTURE_H
#define BULB_TESTS_CONTRACT_STORE_FIXTURE_H

#include "tests/lib/test.h"

#include "store/store.h"

#define CODECS "test-codecs 1"

struct fixture {
	struct store *s;
	struct store_opts opts;
	struct arena *a; /* of the test */
	char dir[64], url[256], schema[32];
	struct err e;
	int64_t tenant;              /* who submits and asks: 1 */
	const struct limits *limits; /* that submits are held to, or NULL; and what was found */
	struct quota_answer quota;
	const char *token; /* that submits come with, or NULL */
	int64_t token_jobs;
	int downloads, revalidations, encodes, tasks; /* what the worker was asked for */
	_Atomic int news, works;                      /* hints heard, by any thread of the store */
};
/* What is submitted and read back. */
struct made_job {
	int64_t no;
	char id[JOB_ID_MAX + 1];
	enum submit_result result;
};

extern const char *fixture_backend; /* "sqlite", "memory" or "postgres" */
void clock_set(int64_t ms);
void clock_add(int64_t ms);
int64_t clock_now(void);

void fixture_opts(struct fixture *f); /* what setup begins with */
int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_reopen(struct fixture *f); /* with the opts as they are now */

/* Submit a JSON body, ' for ". */
struct made_job submit(struct fixture *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
struct request *request_of(const char *text); /* ' for "; the caller frees */
enum err_code submit_as(struct fixture *f, const char *id, const char *key, const char *body,
	struct made_job *ret);
struct job_row *job(struct fixture *f, const struct made_job *m); /* fails when it is not there */
struct item_row *item(struct fixture *f, const struct made_job *m, int64_t n);
struct event_row *events(struct fixture *f, const struct made_job *m, size_t *ret_n);
/* "job.created job.started item.started/1 …" */
const char *log_of(struct fixture *f, const struct made_job *m);
const char *log_after(struct fixture *f, const struct made_job *m, int64_t after);

/* ---- what callers ask (store_callers.c): it must be there and not be refused ---- */
/* n URLs, https://PLACE/0.jpg and so on, one variant; more: further members of the body. */
struct made_job submit_n(struct fixture *f, const char *place, int n, const char *more);
void cancel(struct fixture *f, const struct made_job *m);
int64_t retry(struct fixture *f, const struct made_job *m);
void del(struct fixture *f, const struct made_job *m, bool results);
bool job_is_there(struct fixture *f, const struct made_job *m);
struct gc_report gc(struct fixture *f, int64_t keep); /* what the dry run said, too */

/* ---- the worker, step by step ---- */
void plan(struct fixture *f);
/* One claim of at most max; how many there were. */
size_t claim(struct fixture *f, size_t max, struct task **ret);
struct task claim_one(struct fixture *f); /* there must be one */
void claim_none(struct fixture *f);
/* A job of one URL, https://a.test/1, and its fetch, lent. */
struct task begin(struct fixture *f, struct made_job *ret);
struct fetched fetched_of(struct fixture *f, const struct task *t);
struct task finish_fetch(struct fixture *f,
	const struct task *t); /* the make that is lent, or id 0 */
struct made made_of(struct fixture *f, const struct task *t);
void finish_make(struct fixture *f, const struct task *t);
enum err_code fail_with(struct fixture *f, const struct task *t, enum err_code code);
/* Plan, claim and finish until nothing is left. Fetches of URLs with "fail" in them fail. */
void work(struct fixture *f);

/* ---- cut-outs (store_cuts.c) ---- */
#define CALL_COST 1000 /* thousandths of a credit */
extern struct cut_site
	fixture_site; /* models fast and fine, provider "paid.test"; tests may change it */
struct cut_input cut_input_of(struct fixture *f, const struct task *t);
/* Made by this engine, with this confidence (and cost, of a remote one). */
struct cut_made cut_made_of(struct fixture *f, const struct task *t, enum cut_engine engine,
	double confidence);
void finish_cut(struct fixture *f, const struct task *t, enum cut_engine engine);
void finish_cut_none(struct fixture *f, const struct task *t);
enum err_code fail_cut(struct fixture *f, const struct task *t, enum err_code code);
/* As it is asked for; bytes whose name has "none" in it have no subject, "bad" cannot be cut. A remote
 * one is bought first. */
void do_cut(struct fixture *f, const struct task *t);
enum err_code ask(struct fixture *f, const struct task *t, struct charge_answer *ret);
void bought(struct fixture *f, int64_t charge, const char *blob);
struct usage_row usage(struct fixture *f); /* all of this tenant, summed up */

void tick(struct fixture *f);
size_t trash(struct fixture *f, const char ***ret);

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
/* test_… BACKEND [PATTERN] */
#define STORE_TEST_MAIN(...)                                                                       \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		const struct CMUnitTest tests[] = { __VA_ARGS__ };                                 \
		if (argc > 1)                                                                      \
			fixture_backend = argv[1];                                                 \
		if (argc > 2)                                                                      \
			cmocka_set_test_filter(argv[2]);                                           \
		return cmocka_run_group_tests(tests, NULL, NULL);                                  \
	}

#endif
