/* SPDX-License-Identifier: MIT
 *
 * A worker that cuts subjects out of nothing, and the till that it asks before it pays.
 */
#include "tests/contract/store_fixture.h"

#include "base/id.h"

struct cut_site fixture_site = {
	.codecs = CODECS,
	.models = { { "fast", "u2netp@1" }, { "fine", "isnet@1" } },
	.models_n = 2,
	.provider = "paid.test",
	.call_cost = CALL_COST,
	.threshold = 0.6,
};

static void new_key(char *key, size_t n, const char *what)
{
	char id[ID_LEN + 1];

	id_new(id);
	snprintf(key, n, "%s/%s", what, id);
}

struct cut_input cut_input_of(struct fixture *f, const struct task *t)
{
	struct cut_input in;
	struct err e;

	(void)f;
	assert_int_equal(t->kind, TASK_CUT);
	assert_ok(cut_input_parse(t->input, &in, &e));
	assert_true(in.original.key[0]);
	return in;
}

static struct outcome cut_in(int64_t ms)
{
	return (struct outcome){ .download_ms = -1, .process_ms = ms, .store_ms = ms };
}

struct cut_made cut_made_of(struct fixture *f, const struct task *t, enum cut_engine engine,
	double confidence)
{
	struct cut_input in = cut_input_of(f, t);
	struct cut_made m = { .original = in.original, .state = CUT_SUCCEEDED };
	struct cut_product *p = &m.product;

	m.outcome = cut_in(56);
	m.original.format = FORMAT_JPEG;
	m.original.width = 640;
	m.original.height = 480;
	snprintf(m.original.color, sizeof m.original.color, "#102030");
	assert_true(cut_digest(&in.cut, engine, &fixture_site, p->digest));
	new_key(p->key, sizeof p->key, "cut");
	/* The file is what its options and its bytes make it. */
	struct sha256 *h = sha256_new();
	sha256_add(h, p->digest, SHA256_LEN);
	sha256_add(h, in.original.sha256, SHA256_LEN);
	sha256_end(h, p->sha256);
	p->bytes = 77;
	p->format = in.cut.format;
	p->width = 64;
	p->height = 48;
	p->engine = engine;
	p->confidence = confidence;
	p->cost = engine == CUT_REMOTE ? CALL_COST : 0;
	snprintf(p->ident, sizeof p->ident, "%s", engine == CUT_LOCAL ? "u2netp" : "x");
	return m;
}

void finish_cut(struct fixture *f, const struct task *t, enum cut_engine engine)
{
	struct cut_made m = cut_made_of(f, t, engine, 0.9);
	struct err e;

	assert_ok(store_finish_cut(f->s, t->id, t->lease, &m, &e));
}

void finish_cut_none(struct fixture *f, const struct task *t)
{
	struct cut_made m = { .original = cut_input_of(f, t).original, .state = CUT_NONE };
	struct err e;

	m.outcome = cut_in(5);
	assert_ok(store_finish_cut(f->s, t->id, t->lease, &m, &e));
}

enum err_code fail_cut(struct fixture *f, const struct task *t, enum err_code code)
{
	struct outcome o = cut_in(7);

	o.code = code;
	o.stage = "process";
	snprintf(o.detail, sizeof o.detail, "test says so");
	return store_fail(f->s, t->id, t->lease, &o, NULL, &f->e);
}

enum err_code ask(struct fixture *f, const struct task *t, struct charge_answer *ret)
{
	*ret = (struct charge_answer){ 0 };
	return store_charge_ask(f->s, t->id, t->lease, CALL_COST, f->a, ret, &f->e);
}

void bought(struct fixture *f, int64_t charge, const char *blob)
{
	struct err e;

	assert_ok(store_charge_bought(f->s, charge, blob, "image/png", CALL_COST, &e));
}

static void buy(struct fixture *f, const struct task *t)
{
	struct charge_answer a;
	char key[64];
	struct err e = { 0 };
	enum err_code code = ask(f, t, &a);

	if (code != OK) {
		assert_ok(fail_cut(f, t, code));
		return;
	}
	new_key(key, sizeof key, "raw");
	if (!a.bought)
		bought(f, a.charge, key);
	struct cut_made m = cut_made_of(f, t, CUT_REMOTE, -1);
	m.charge = a.charge;
	assert_ok(store_finish_cut(f->s, t->id, t->lease, &m, &e));
}

static bool holds(const struct cut_input *in, const char *name)
{
	uint8_t sum[SHA256_LEN];

	sha256_of(name, strlen(name), sum);
	return memcmp(sum, in->original.sha256, SHA256_LEN) == 0;
}

void do_cut(struct fixture *f, const struct task *t)
{
	struct cut_input in = cut_input_of(f, t);
	struct err e = { 0 };

	if (holds(&in, "none"))
		finish_cut_none(f, t);
	else if (holds(&in, "bad"))
		assert_ok(fail_cut(f, t, ERR_MATTE_FAILED));
	else if (in.cut.engine == CUT_REMOTE)
		buy(f, t);
	else
		finish_cut(f, t, in.cut.engine == CUT_FLAT ? CUT_FLAT : CUT_LOCAL);
}

struct usage_row usage(struct fixture *f)
{
	struct usage_row *rows, sum = { 0 };
	int64_t reserved = 0;
	size_t n = 0;
	struct err e;

	assert_ok(store_usage(f->s, f->tenant, 0, INT64_MAX, f->a, &rows, &n, &reserved, &e));
	for (size_t i = 0; i < n; i++) {
		sum.jobs += rows[i].jobs;
		sum.items += rows[i].items;
		sum.downloads += rows[i].downloads;
		sum.encodes += rows[i].encodes;
		sum.cutouts += rows[i].cutouts;
		sum.bytes_in += rows[i].bytes_in;
		sum.bytes_out += rows[i].bytes_out;
		sum.paid_calls += rows[i].paid_calls;
		sum.spent += rows[i].spent;
		sum.unknown += rows[i].unknown;
		sum.unknown_calls += rows[i].unknown_calls;
		sum.saved.downloads += rows[i].saved.downloads;
		sum.saved.encodes += rows[i].saved.encodes;
		sum.saved.paid_calls += rows[i].saved.paid_calls;
		sum.saved_cost += rows[i].saved_cost;
		sum.urls += rows[i].urls;
		sum.cpu_ms += rows[i].cpu_ms;
		sum.stored += rows[i].stored;
	}
	return sum;
}
