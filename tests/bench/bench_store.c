/* SPDX-License-Identifier: MIT
 *
 * What a store can take: rows of new jobs a second, and tasks that are claimed and ended a second.
 *
 *	bench_store URL [THREADS [JOBS [ITEMS [BATCH [fail|done]]]]]
 *
 * fail: each fetch ends as a 404 does. done: it brings an original, and a make of one variant follows.
 */
#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct bench {
	struct store *s;
	int threads, jobs, items, batch;
	_Atomic int next, claimed;
	const char *end; /* "" : nothing is ended */
};

static void must(enum err_code code, const struct err *e, const char *what)
{
	if (code == OK)
		return;
	fprintf(stderr, "bench_store: %s: %s\n", what, e->text);
	exit(1);
}

static int64_t start_ms; /* no URL was there before */

static char *body_of(int job, int items)
{
	struct buf b = BUF_INIT(1 << 24);

	buf_puts(&b, "{\"urls\":[");
	for (int i = 0; i < items; i++)
		buf_printf(&b,
			"%s\"https://img.example.com/%d/a-picture-of-something-%lld-%d.jpg\"",
			i ? "," : "", job, (long long)start_ms, i);
	buf_puts(&b, "],\"variants\":[{\"name\":\"a\",\"width\":10}]}");
	char *text = mem_strdup(buf_str(&b));
	buf_done(&b);
	return text;
}

static void submit(struct bench *w, int job)
{
	static const uint8_t seal_key[32];
	struct request_limits lim = request_limits_default;
	struct presets *presets = presets_new();
	struct faults faults = { 0 };
	struct request *q = NULL;
	autofree char *body = body_of(job, w->items);
	autojson *doc = NULL;
	enum submit_result result;
	char id[JOB_ID_MAX + 1];
	int64_t no;
	struct err e;

	lim.urls = 1000000;
	must(json_parse(body, strlen(body), &doc, &e), &e, "body");
	if (!request_parse(doc, &lim, presets, &q, &faults))
		exit(1);
	struct submit in = {
		.tenant = 1,
		.request = q,
		.base_url = "http://localhost",
		.seal_key = seal_key,
	};
	sha256_of(body, strlen(body), in.body_sha256);
	must(store_submit(w->s, &in, &result, id, &no, &e), &e, "submit");
	request_free(q);
	faults_done(&faults);
	presets_free(presets);
}

static void *submit_main(void *ctx)
{
	struct bench *w = ctx;

	for (int i; (i = w->next++) < w->jobs;)
		submit(w, i);
	return NULL;
}

static void fail_task(struct bench *w, const struct task *t)
{
	struct outcome o = { .code = ERR_FETCH_STATUS, .stage = "download" };
	struct err e;

	must(store_fail(w->s, t->id, t->lease, &o, NULL, &e), &e, "fail");
}

static void finish_make(struct bench *w, const struct task *t)
{
	struct make_input in;
	struct product p = { .format = FORMAT_JPEG, .width = 10, .height = 10, .bytes = 100 };
	struct err e;

	must(make_input_parse(t->input, &in, &e), &e, "input");
	struct made m = { .original = in.original, .products = &p, .n = 1 };
	m.original.format = FORMAT_JPEG;
	m.original.width = m.original.height = 100;
	variant_digest(&in.recipe.variants[0], "bench", p.recipe);
	snprintf(p.key, sizeof p.key, "variant/%lld", (long long)t->id);
	must(store_finish_make(w->s, t->id, t->lease, &m, &e), &e, "make");
	recipe_done(&in.recipe);
}

static void finish_task(struct bench *w, const struct task *t, struct arena *a)
{
	struct fetched f = { .etag = "\"1\"", .original.bytes = 1000 };
	struct original stands;
	struct task make;
	struct err e;

	sha256_of(t->input, strlen(t->input), f.original.sha256);
	snprintf(f.original.key, sizeof f.original.key, "original/%lld", (long long)t->id);
	must(store_finish_fetch(w->s, t->id, t->lease, &f, "bench", 600000, a, &make, &stands, &e),
		&e, "fetch");
	finish_make(w, &make);
}

static void *claim_main(void *ctx)
{
	struct bench *w = ctx;
	struct claim c = { .owner = "bench", .lease_ms = 600000, .max = (size_t)w->batch };
	size_t n = 1;
	struct err e;

	while (n > 0) {
		CLEANUP(arena_freep) struct arena *a = arena_new();
		struct task *t;
		must(store_claim(w->s, &c, a, &t, &n, &e), &e, "claim");
		w->claimed += (int)n;
		for (size_t i = 0; w->end[0] && i < n; i++) {
			if (strcmp(w->end, "done") == 0)
				finish_task(w, &t[i], a);
			else
				fail_task(w, &t[i]);
		}
	}
	return NULL;
}

static void *plan_main(void *ctx)
{
	struct bench *w = ctx;
	bool more = true;
	struct err e;

	while (more)
		must(store_plan(w->s, 1 << 20, &more, &e), &e, "plan");
	return NULL;
}

static double run(struct bench *w, void *(*fn)(void *ctx))
{
	pthread_t t[64];
	int64_t began = clock_mono_us();

	w->next = 0;
	for (int i = 0; i < w->threads; i++)
		pthread_create(&t[i], NULL, fn, w);
	for (int i = 0; i < w->threads; i++)
		pthread_join(t[i], NULL);
	return (double)(clock_mono_us() - began) / 1e6;
}

static int arg(char **argv, int argc, int i, int dflt)
{
	return argc > i ? atoi(argv[i]) : dflt;
}

int main(int argc, char **argv)
{
	struct store_opts o = {
		.fresh_ms = 86400000,
		.keep_ms = 86400000,
		.link_ms = 86400000,
		.idempotency_ms = 86400000,
		.keep_results_ms = -1,
		.plan_waiting_min = 1 << 20,
		.codecs = "bench",
		.max_cost_month = -1,
	};
	struct bench w = {
		.threads = arg(argv, argc, 2, 4),
		.jobs = arg(argv, argc, 3, 10),
		.items = arg(argv, argc, 4, 2000),
		.batch = arg(argv, argc, 5, 200),
		.end = argc > 6 ? argv[6] : "",
	};
	struct err e;

	if (argc < 2 || w.threads > 64)
		return 64;
	must(store_open(argv[1], &o, &w.s, &e), &e, "open");
	start_ms = clock_wall_ms();
	double n = (double)w.jobs * w.items;
	double submit_s = run(&w, submit_main);
	printf("inserted %.0f rows in %.2f s: %.0f/s\n", n, submit_s, n / submit_s);
	double plan_s = run(&w, plan_main);
	printf("planned in %.2f s: %.0f/s\n", plan_s, n / plan_s);
	double claim_s = run(&w, claim_main);
	printf("claimed%s %d in %.2f s: %.0f/s\n", w.end[0] ? " and ended" : "", (int)w.claimed,
		claim_s, w.claimed / claim_s);
	store_free(w.s);
	return 0;
}
