/* SPDX-License-Identifier: MIT
 *
 * Several processes on one database: each submits, plans, works, cancels, retries and deletes at random.
 * In the end the books must balance: what was acknowledged is there once, logs have no gap, each item
 * ended once a run, nothing dangles.
 */
#ifndef BULB_TESTS_CONTRACT_TOGETHER_H
#define BULB_TESTS_CONTRACT_TOGETHER_H

#include "tests/contract/store_fixture.h"

#include <pthread.h>

#define LEASE_MS 1500
#define AWAY_MS  60000
#define JOBS     200

/* One thread of it. */
struct child {
	struct fixture f; /* the store is the process's */
	pthread_t thread;
	int steps;
	int64_t budget; /* of the month, for cut-outs that are bought; 0: none are */
	uint64_t dice, seed;
	struct made_job jobs[JOBS];
	size_t jobs_n;
	int submitted;
};
uint64_t below(struct child *c, uint64_t n);
bool is_away(enum err_code code);
/* Again while the store is away; what else goes wrong is *ret's. */
#define UNTIL_THERE(ret, call)                                                                     \
	do {                                                                                       \
		int64_t until_ = clock_mono_ms() + AWAY_MS;                                        \
		do                                                                                 \
			*(ret) = (call);                                                           \
		while (is_away(*(ret)) && clock_mono_ms() < until_);                               \
	} while (0)
/* Only these may go wrong. */
void check_code(const struct child *c, const char *what, enum err_code code, enum err_code fine,
	enum err_code fine_too);

/* What goes on while the children work. */
typedef void (*trouble_fn)(struct fixture *f);
/* Children work for so many steps, then all of it comes to its end, and the books are checked. */
void together(struct fixture *f, int steps, int64_t budget, trouble_fn trouble);
/* This program again, as a child: test_… child URL SEED STEPS BUDGET. */
int child_main(const char *url, uint64_t seed, int steps, int64_t budget);
/* The first number that a text of SQL answers; a script may stand before it. */
int64_t number(struct fixture *f, const char *text);
void check_books_of(struct fixture *f);

/* ---- buying.c ---- */

#define WHAT_IS_BOUGHT "{\"remove\":true,\"engine\":\"remote\",\"max_cost\":3}"
/* Ask, pay, finish; with mishaps where the child has steps to make. */
void buy_cut(struct child *c, const struct task *t);
/* The provider's own notes of the calls that it was paid for: a file, named in the environment. */
void ledger_begin(struct fixture *f);
/* Never more than the budget, nor than a job's; nothing twice; no call that the books do not know. */
void check_money(struct fixture *f, int64_t budget);

#endif
