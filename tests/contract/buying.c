/* SPDX-License-Identifier: MIT
 *
 * Cut-outs that are bought by several processes at once, and a provider that keeps its own books: what
 * the store says of money is held against them.
 */
#include "tests/contract/together.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define LEDGER "TEST_LEDGER"

void ledger_begin(struct fixture *f)
{
	autofree char *path = mem_printf("%s/ledger", f->dir);

	assert_int_equal(setenv(LEDGER, path, 1), 0);
}

/* One line a call; lines of several processes do not mix. */
static void provider_is_paid(const struct cut_input *in)
{
	char line[2 * SHA256_LEN + 2];
	autofd fd = open(getenv(LEDGER), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	hex_format(in->original.sha256, SHA256_LEN, line);
	line[sizeof line - 2] = '\n';
	if (fd < 0 || write(fd, line, sizeof line - 1) != sizeof line - 1)
		abort();
}

static void finish_bought(struct child *c, const struct task *t, const struct charge_answer *a)
{
	struct cut_made m = cut_made_of(&c->f, t, CUT_REMOTE, -1);
	enum err_code code;

	m.charge = a->charge;
	UNTIL_THERE(&code, store_finish_cut(c->f.s, t->id, t->lease, &m, &c->f.e));
	check_code(c, "finish a cut", code, ERR_STORE_STALE, OK);
}

/* What a call may come to: 0 we vanish before it, 1 after it, 2 it is refused, 3 nobody knows what became
 * of it; else it goes well. */
static void call_provider(struct child *c, const struct task *t, const struct charge_answer *a)
{
	struct outcome why = { .code = ERR_MATTE_CHARGE_UNKNOWN, .stage = "cut" };
	const struct cut_input in = cut_input_of(&c->f, t);
	uint64_t mishap = c->steps ? below(c, 20) : 20;
	char key[ID_LEN + 8] = "raw/";
	enum err_code code;

	if (mishap != 0 && mishap != 2 && !(mishap == 3 && below(c, 2)))
		provider_is_paid(&in);
	if (mishap < 2)
		return;
	if (mishap == 2)
		UNTIL_THERE(&code, store_charge_refused(c->f.s, a->charge, &c->f.e));
	else if (mishap == 3)
		UNTIL_THERE(&code, store_charge_unknown(c->f.s, a->charge, &c->f.e));
	else {
		id_new(key + strlen(key));
		UNTIL_THERE(&code,
			store_charge_bought(c->f.s, a->charge, key, "image/png", CALL_COST,
				&c->f.e));
	}
	check_code(c, "what became of a call", code, OK, OK);
	if (mishap > 3) {
		finish_bought(c, t, a);
		return;
	}
	UNTIL_THERE(&code, store_fail(c->f.s, t->id, t->lease, &why, NULL, &c->f.e));
	check_code(c, "fail a cut", code, ERR_STORE_STALE, OK);
}

void buy_cut(struct child *c, const struct task *t)
{
	struct outcome why = { .stage = "cut" };
	struct charge_answer a = { 0 };
	enum err_code code;

	UNTIL_THERE(&code,
		store_charge_ask(c->f.s, t->id, t->lease, CALL_COST, c->f.a, &a, &c->f.e));
	if (code == OK && a.bought) {
		finish_bought(c, t, &a);
	} else if (code == OK) {
		call_provider(c, t, &a);
	} else if (code == ERR_BUSY) {
		UNTIL_THERE(&code,
			store_later(c->f.s, t->id, t->lease, clock_wall_ms() + 50, NULL, false,
				&c->f.e));
		check_code(c, "put a cut back", code, ERR_STORE_STALE, OK);
	} else {
		check_code(c, "ask", code, ERR_MATTE_BUDGET,
			code == ERR_MATTE_CHARGE_UNKNOWN ? code : ERR_STORE_STALE);
		why.code = code;
		UNTIL_THERE(&code, store_fail(c->f.s, t->id, t->lease, &why, NULL, &c->f.e));
		check_code(c, "fail a cut", code, ERR_STORE_STALE, OK);
	}
}

/* ---- the books ---- */

static int by_line(const void *a, const void *b)
{
	return memcmp(a, b, 2 * (size_t)SHA256_LEN);
}

/* Calls that were paid, and how many of them for bytes that were bought before. */
static int64_t read_ledger(int64_t *ret_twice)
{
	char(*lines)[2 * SHA256_LEN + 1] = mem_array(10000, sizeof *lines);
	FILE *in = fopen(getenv(LEDGER), "r");

	assert_non_null(in);
	size_t n = fread(lines, sizeof *lines, 10000, in);
	assert_true(feof(in) && ftell(in) == (long)(n * sizeof *lines));
	fclose(in);
	qsort(lines, n, sizeof *lines, by_line);
	*ret_twice = 0;
	for (size_t i = 1; i < n; i++)
		*ret_twice += by_line(lines[i - 1], lines[i]) == 0;
	free(lines);
	return (int64_t)n;
}

static const struct {
	const char *what, *text;
} books[] = {
	{ "jobs that may have paid more than they allowed",
		"SELECT count(*) FROM job WHERE spent + reserved + unknown > max_cost" },
	{ "jobs that hold money for nothing", "SELECT count(*) FROM job WHERE reserved <> 0" },
	{ "intents that nobody ended", "SELECT count(*) FROM charge WHERE state = 0" },
	{ "what was spent, and the charges that were answered",
		"SELECT (SELECT sum(spent) FROM usage) - (SELECT sum(cost) FROM charge WHERE state = 1)" },
	{ "what is unknown, and the charges that are",
		"SELECT (SELECT sum(unknown) FROM usage) - (SELECT coalesce(sum(cost), 0) FROM charge"
		" WHERE state = 2)" },
	{ "bytes that have two charges",
		"SELECT count(*) FROM (SELECT 1 FROM charge GROUP BY scope, sha256 HAVING count(*) > 1) l" },
};

void check_money(struct fixture *f, int64_t budget)
{
	int64_t twice, calls = read_ledger(&twice);
	int64_t known = number(f, "SELECT sum(paid_calls + unknown_calls) FROM usage");
	int64_t money = number(f, "SELECT sum(spent + unknown) FROM usage");

	print_message("%lld calls paid, %lld may have been, %lld of %lld\n", (long long)calls,
		(long long)known, (long long)money, (long long)budget);
	for (size_t i = 0; i < ARRAY_LEN(books); i++) {
		int64_t n = number(f, books[i].text);
		if (n != 0)
			fail_msg("%s: %lld", books[i].what, (long long)n);
	}
	assert_int_equal(twice, 0);
	assert_in_range(calls, 10, known);
	assert_true(calls * CALL_COST <= money && money <= budget);
	assert_true(money > budget - 5 * CALL_COST); /* the limit was met, or this shows nothing */
}
