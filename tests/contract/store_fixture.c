/* SPDX-License-Identifier: MIT */
#include "tests/contract/store_fixture.h"

#include "base/id.h"
#include "base/url.h"
#include "pg/pg.h"

#include <ftw.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

const char *fixture_backend = "memory";
/* Requests point into the presets, which therefore outlive them. */
static struct presets *presets;
static _Atomic int64_t now_ms = 1000000000000;

void clock_set(int64_t ms)
{
	now_ms = ms;
}

void clock_add(int64_t ms)
{
	now_ms += ms;
}

int64_t clock_now(void)
{
	return now_ms;
}

static void on_news(void *ctx, int64_t no, int64_t seq)
{
	(void)no, (void)seq;
	((struct fixture *)ctx)->news++;
}

static void on_work(void *ctx)
{
	((struct fixture *)ctx)->works++;
}

/* A schema of its own for each test, in the database of tests/lib/with-postgres. */
static void postgres_schema(struct fixture *f)
{
	const char *url = getenv("TEST_POSTGRES");
	struct err e;
	struct pg *c;

	if (!url)
		fail_msg("run it with tests/lib/with-postgres");
	id_new(f->schema);
	autofree char *text = mem_printf("CREATE SCHEMA \"%s\"", f->schema);
	assert_ok(pg_open(url, &c, &e));
	assert_ok(pg_script(c, text, &e));
	pg_free(c);
	snprintf(f->url, sizeof f->url, "%s&options=-csearch_path%%3D%s", url, f->schema);
}

static void drop_schema(struct fixture *f)
{
	autofree char *text = mem_printf("DROP SCHEMA \"%s\" CASCADE", f->schema);
	struct err e;
	struct pg *c;

	assert_ok(pg_open(getenv("TEST_POSTGRES"), &c, &e));
	assert_ok(pg_script(c, text, &e));
	pg_free(c);
}

void fixture_opts(struct fixture *f)
{
	presets = presets_new();
	f->opts = (struct store_opts){
		.fresh_ms = 24 * 3600 * 1000,
		.keep_ms = 30LL * 24 * 3600 * 1000,
		.keep_results_ms = -1,
		.link_ms = 25 * 3600 * 1000,
		.idempotency_ms = 24 * 3600 * 1000,
		.plan_waiting_min = 32,
		.cuts = &fixture_site,
		.max_cost_month = -1,
		.codecs = CODECS,
		.clock_ms = clock_now,
		.on_news = on_news,
		.on_work = on_work,
		.ctx = f,
	};
}

int fixture_setup(void **state)
{
	struct fixture *f = mem_new(struct fixture);

	f->a = arena_new();
	f->tenant = 1;
	fixture_opts(f);
	/* In memory where that can be had: what a sync is worth is another test's business. */
	snprintf(f->dir, sizeof f->dir, "%s/bulb-store-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	if (strcmp(fixture_backend, "memory") == 0)
		snprintf(f->url, sizeof f->url, "memory:");
	else if (strcmp(fixture_backend, "postgres") == 0)
		postgres_schema(f);
	else
		snprintf(f->url, sizeof f->url, "sqlite:%s/bulb.db", f->dir);
	struct err e;
	assert_ok(store_open(f->url, &f->opts, &f->s, &e));
	*state = f;
	return 0;
}

void fixture_reopen(struct fixture *f)
{
	struct err e;

	store_free(f->s);
	f->s = NULL;
	assert_ok(store_open(f->url, &f->opts, &f->s, &e));
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *w)
{
	(void)st, (void)kind, (void)w;
	return remove(path);
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	store_free(f->s);
	if (f->schema[0])
		drop_schema(f);
	arena_free(f->a);
	presets_free(presets);
	nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

/* ---- jobs ---- */

static struct request *parse(const char *body)
{
	struct faults faults = { 0 };
	struct request *q = NULL;
	struct request_limits lim = request_limits_default;
	autojson *doc = NULL;
	struct err e;

	lim.urls = 100000;
	assert_ok(json_parse(body, strlen(body), &doc, &e));
	if (!request_parse(doc, &lim, presets, &q, &faults)) {
		autofree char *text = json_text(faults.list);
		fail_msg("request: %s", text);
	}
	faults_done(&faults);
	return q;
}

static void double_quotes(char *text)
{
	for (char *c = text; *c; c++)
		if (*c == '\'')
			*c = '"';
}

struct request *request_of(const char *text)
{
	autofree char *body = mem_strdup(text);

	double_quotes(body);
	return parse(body);
}

enum err_code submit_as(struct fixture *f, const char *id, const char *key, const char *body,
	struct made_job *ret)
{
	static const uint8_t seal_key[32] = { 7 };
	CLEANUP(request_freep) struct request *q = parse(body);
	struct submit in = {
		.tenant = f->tenant,
		.id = id,
		.idempotency_key = key,
		.request = q,
		.base_url = "http://localhost",
		.seal_key = seal_key,
		.limits = f->limits,
		.quota = &f->quota,
		.token = f->token,
		.token_jobs = f->token_jobs,
		.token_expires_ms = clock_now() + 1000,
	};

	sha256_of(body, strlen(body), in.body_sha256);
	return store_submit(f->s, &in, &ret->result, ret->id, &ret->no, &f->e);
}

struct made_job submit(struct fixture *f, const char *fmt, ...)
{
	struct made_job m = { 0 };
	va_list ap;

	va_start(ap, fmt);
	autofree char *body = mem_vprintf(fmt, ap);
	va_end(ap);
	double_quotes(body);
	struct err e = { 0 };
	assert_ok((submit_as(f, NULL, NULL, body, &m) == OK ? OK : (e = f->e).code));
	return m;
}

struct job_row *job(struct fixture *f, const struct made_job *m)
{
	struct job_row *j = NULL;
	struct err e;

	assert_ok(store_job_find(f->s, f->tenant, m->id, f->a, &j, &e));
	assert_non_null(j);
	return j;
}

struct item_row *item(struct fixture *f, const struct made_job *m, int64_t n)
{
	struct item_query q = { .job_no = m->no, .after_n = n - 1, .max = 1 };
	struct item_row *rows;
	size_t count;
	struct err e;

	assert_ok(store_items(f->s, &q, f->a, &rows, &count, &e));
	assert_int_equal(count, 1);
	assert_int_equal(rows[0].n, n);
	return rows;
}

struct event_row *events(struct fixture *f, const struct made_job *m, size_t *ret_n)
{
	struct event_row *rows = NULL;
	int64_t last;
	bool ended;
	struct err e;

	assert_ok(store_events(f->s, m->no, 0, 100000, SIZE_MAX, f->a, &rows, ret_n, &last, &ended,
		&e));
	assert_int_equal(*ret_n, last);
	for (size_t i = 0; i < *ret_n; i++)
		assert_int_equal(rows[i].seq, i + 1);
	return rows;
}

const char *log_after(struct fixture *f, const struct made_job *m, int64_t after)
{
	CLEANUP(buf_done) struct buf b = BUF_INIT(1 << 20);
	size_t n;
	struct event_row *ev = events(f, m, &n);

	for (size_t i = (size_t)after; i < n; i++) {
		buf_printf(&b, "%s%s", b.len ? " " : "", event_type_name(ev[i].type));
		if (ev[i].item)
			buf_printf(&b, "/%lld", (long long)ev[i].item->n);
	}
	return arena_strdup(f->a, buf_str(&b));
}

const char *log_of(struct fixture *f, const struct made_job *m)
{
	return log_after(f, m, 0);
}

/* ---- the worker ---- */

void plan(struct fixture *f)
{
	bool more = true;
	struct err e;

	while (more)
		assert_ok(store_plan(f->s, 4, &more, &e));
}

size_t claim(struct fixture *f, size_t max, struct task **ret)
{
	struct claim c = { .owner = "test", .lease_ms = 60000, .max = max };
	size_t n;
	struct err e;

	assert_ok(store_claim(f->s, &c, f->a, ret, &n, &e));
	f->tasks += (int)n;
	return n;
}

struct task claim_one(struct fixture *f)
{
	struct task *t;

	assert_int_equal(claim(f, 1, &t), 1);
	return *t;
}

void claim_none(struct fixture *f)
{
	struct task *t;

	assert_int_equal(claim(f, 1, &t), 0);
}

struct task begin(struct fixture *f, struct made_job *ret)
{
	*ret = submit(f, "{'urls':['https://a.test/1']}");
	plan(f);
	return claim_one(f);
}

static void new_key(char *key, size_t n, const char *what)
{
	char id[ID_LEN + 1];

	id_new(id);
	snprintf(key, n, "%s/%s", what, id);
}

static struct outcome done_in(int64_t download, int64_t process)
{
	return (struct outcome){
		.download_ms = download,
		.process_ms = process,
		.store_ms = process,
	};
}

struct fetched fetched_of(struct fixture *f, const struct task *t)
{
	struct fetch_input in;
	struct fetched r = { .etag = "\"v1\"", .outcome = done_in(12, -1) };
	struct url u;
	struct err e;

	assert_int_equal(t->kind, TASK_FETCH);
	assert_ok(fetch_input_parse(t->input, f->a, &in, &e));
	assert_ok(url_parse(in.url, f->a, &u, &e));
	const char *bytes = u.query ? url_query_get(u.query, "bytes", f->a) : NULL;
	if (!bytes)
		bytes = in.url;
	f->downloads++;
	sha256_of(bytes, strlen(bytes), r.original.sha256);
	r.original.bytes = (int64_t)strlen(bytes);
	new_key(r.original.key, sizeof r.original.key, "original");
	if (in.etag) {
		f->downloads--;
		f->revalidations++;
		r.not_modified = true;
		r.original = in.original;
	}
	return r;
}

struct task finish_fetch(struct fixture *f, const struct task *t)
{
	struct fetched r = fetched_of(f, t);
	struct original stands;
	struct task make;
	struct err e;

	assert_ok(store_finish_fetch(f->s, t->id, t->lease, &r, "test", 60000, f->a, &make, &stands,
		&e));
	return make;
}

struct made made_of(struct fixture *f, const struct task *t)
{
	struct make_input in;
	struct err e;

	assert_int_equal(t->kind, TASK_MAKE);
	assert_ok(make_input_parse(t->input, &in, &e));
	struct product *p = arena_alloc(f->a, (in.recipe.n + 1) * sizeof *p);
	struct made m = {
		.original = in.original,
		.products = p,
		.n = in.recipe.n,
		.outcome = done_in(-1, 34),
	};
	m.original.format = FORMAT_JPEG;
	m.original.width = 640;
	m.original.height = 480;
	for (size_t i = 0; i < in.recipe.n; i++) {
		variant_digest(&in.recipe.variants[i], CODECS, p[i].recipe);
		new_key(p[i].key, sizeof p[i].key, "variant");
		p[i].format = in.recipe.variants[i].format;
		p[i].width = in.recipe.variants[i].width;
		p[i].height = 10;
		p[i].bytes = 100;
		memcpy(p[i].sha256, p[i].recipe, SHA256_LEN);
	}
	f->encodes += (int)in.recipe.n;
	recipe_done(&in.recipe);
	return m;
}

void finish_make(struct fixture *f, const struct task *t)
{
	struct made m = made_of(f, t);
	struct err e;

	assert_ok(store_finish_make(f->s, t->id, t->lease, &m, &e));
}

enum err_code fail_with(struct fixture *f, const struct task *t, enum err_code code)
{
	struct outcome o = done_in(3, -1);

	o.code = code;
	o.stage = "download";
	snprintf(o.detail, sizeof o.detail, "test says so");
	return store_fail(f->s, t->id, t->lease, &o, NULL, &f->e);
}

static void do_task(struct fixture *f, const struct task *t)
{
	if (t->kind == TASK_CUT) {
		do_cut(f, t);
		return;
	}
	if (t->kind == TASK_MAKE) {
		finish_make(f, t);
		return;
	}
	if (strstr(t->input, "fail")) {
		struct err e = { 0 };
		assert_ok(fail_with(f, t, ERR_FETCH_STATUS));
		return;
	}
	struct task make = finish_fetch(f, t);
	if (make.id)
		finish_make(f, &make);
}

void work(struct fixture *f)
{
	struct task *t;

	for (;;) {
		plan(f);
		size_t n = claim(f, 100, &t);
		if (n == 0)
			return;
		for (size_t i = 0; i < n; i++)
			do_task(f, &t[i]);
	}
}

void tick(struct fixture *f)
{
	int64_t next = 0;
	struct err e;

	do {
		assert_ok(store_tick(f->s, &next, &e));
	} while (next == 0);
}

size_t trash(struct fixture *f, const char ***ret)
{
	size_t n;
	struct err e;

	assert_ok(store_trash_due(f->s, 1000, f->a, ret, &n, &e));
	return n;
}
