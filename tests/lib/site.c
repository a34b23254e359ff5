/* SPDX-License-Identifier: MIT
 *
 * The parts are put together as `bulb serve` does it, on one thread of each kind.
 */
#include "lib/site.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "lib/test.h"
#include "lib/wire.h"

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

const uint8_t site_key[32] = { 42 };

static void on_news(void *ctx, int64_t job_no, int64_t seq)
{
	struct site *s = ctx;

	if (s->push && !s->deaf)
		push_news(s->push, job_no, seq);
}

static void on_work(void *ctx)
{
	(void)ctx;
}

void site_defaults(struct site *s)
{
	*s = (struct site){
		.push_opts = { .threads = 2,
			.poll_ms = 60000,
			.link_key = site_key,
			.link_ttl_ms = 86400000 },
		.api_opts = { .link_key = site_key,
			.seal_key = site_key,
			.link_ttl_ms = 86400000,
			.token_ttl_ms = 86400000,
			.max_wait_ms = 25000,
			.limits = request_limits_default },
		.http_opts = { .threads = 3, .reactors = 1, .max_body_bytes = 10 << 20 },
	};
}

static void open_rooms(struct site *s)
{
	struct store_opts so = { .fresh_ms = 86400000,
		.keep_ms = 30 * 86400000LL,
		.keep_results_ms = -1,
		.link_ms = 86400000,
		.idempotency_ms = 86400000,
		.plan_waiting_min = 32,
		.codecs = "test",
		.on_news = on_news,
		.on_work = on_work,
		.ctx = s };
	autofree char *blobs = mem_printf("file:%s/blobs", s->dir);
	struct err e = { 0 };

	assert_ok(store_open("memory:", &so, &s->store, &e));
	assert_ok(blob_open(blobs, &s->blob, &e));
	s->presets = presets_new();
	s->push_opts.store = s->api_opts.store = s->store;
	assert_ok(push_new(&s->push_opts, &s->push, &e));
	s->api_opts.push = s->push;
	s->api_opts.blob = s->blob;
	s->api_opts.presets = s->presets;
	assert_ok(api_new(&s->api_opts, &s->api, &e));
}

void site_start(struct site *s)
{
	char url[128];
	struct err e = { 0 };

	log_setup(LOG_LEVEL_ERROR, false);
	snprintf(s->dir, sizeof(s->dir), "/tmp/bulb-site-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	open_rooms(s);
	s->http_opts.handle = api_handle;
	s->http_opts.problem = api_problem;
	s->http_opts.client = api_client;
	s->http_opts.ctx = s->api;
	assert_ok(http_listen("127.0.0.1:0", &s->http_opts.listen_fd, url, &e));
	s->port = (int)strtol(strrchr(url, ':') + 1, NULL, 10);
	assert_ok(http_server_new(&s->http_opts, &s->http, &e));
}

void site_open(struct site *s)
{
	site_defaults(s);
	site_start(s);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void site_close(struct site *s)
{
	http_server_free(s->http);
	push_free(TAKE(&s->push));
	store_free(s->store);
	api_free(s->api);
	blob_free(s->blob);
	presets_free(s->presets);
	nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

char *site_submit(struct site *s, size_t n)
{
	static int batch;
	struct buf b = BUF_INIT(16 << 20);

	batch++;
	buf_puts(&b, "{\"urls\":[");
	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s\"http://origin.example/%d/%zu.jpg\"", i ? "," : "", batch, i);
	buf_puts(&b, "]}");
	struct reply r = http_call(s->port, "POST", "/v1/jobs", NULL, buf_str(&b));
	if (r.status != 202)
		fail_msg("%s\n%s", r.head, r.body);
	char *id = mem_strdup(json_get_str(r.json, "id", NULL));
	reply_done(&r);
	buf_done(&b);
	return id;
}

/* ---- a worker ------------------------------------------------------------------------------- */

static size_t lend(struct site *s, size_t max, struct arena *a, struct task **ret)
{
	struct claim c = { .owner = "test", .lease_ms = 60000, .max = max };
	struct err e = { 0 };
	bool more;
	size_t n;

	assert_ok(store_plan(s->store, 1000, &more, &e));
	assert_ok(store_claim(s->store, &c, a, ret, &n, &e));
	return n;
}

/* One of the terminal results for up to n tasks. */
static void work(struct site *s, size_t n, void (*end)(struct site *s, const struct task *t))
{
	while (n > 0) {
		CLEANUP(arena_freep) struct arena *a = arena_new();
		struct task *tasks;
		int64_t due;
		struct err e = { 0 };
		size_t got = lend(s, n < 32 ? n : 32, a, &tasks);
		if (got == 0)
			fail_msg("no task is ready, %zu wanted", n);
		for (size_t i = 0; i < got; i++)
			end(s, &tasks[i]);
		assert_ok(store_tick(s->store, &due, &e));
		n -= got;
	}
}

static void fail_one(struct site *s, const struct task *t)
{
	struct outcome o = { .code = ERR_FETCH_STATUS,
		.detail = "status 404",
		.stage = "download",
		.source_status = 404,
		.download_ms = 1,
		.process_ms = -1,
		.store_ms = -1 };
	struct err e = { 0 };

	assert_ok(store_fail(s->store, t->id, t->lease, &o, NULL, &e));
}

void site_fail(struct site *s, size_t n)
{
	work(s, n, fail_one);
}

static struct original an_original(const struct task *t)
{
	struct original o = { .bytes = 1000,
		.format = FORMAT_JPEG,
		.width = 640,
		.height = 480,
		.thumbhash = "YWJj",
		.color = "#112233" };

	blob_key_new("jpg", o.key);
	memcpy(o.sha256, &t->id, sizeof(t->id));
	return o;
}

static void make(struct site *s, const struct task *t)
{
	struct make_input in;
	struct product products[VARIANTS_MAX];
	struct err e = { 0 };

	assert_ok(make_input_parse(t->input, &in, &e));
	for (size_t i = 0; i < in.recipe.n; i++) {
		const struct variant *v = &in.recipe.variants[i];
		products[i] = (struct product){ .format = v->format,
			.width = v->width,
			.height = 100,
			.bytes = 500 };
		variant_digest(v, "test", products[i].recipe);
		blob_key_new(format_extension(v->format), products[i].key);
	}
	struct made m = { .original = in.original,
		.products = products,
		.n = in.recipe.n,
		.outcome = { .process_ms = 5, .store_ms = 1, .download_ms = -1 } };
	if (!m.original.thumbhash[0])
		m.original = an_original(t);
	assert_ok(store_finish_make(s->store, t->id, t->lease, &m, &e));
	recipe_done(&in.recipe);
}

static void succeed_one(struct site *s, const struct task *t)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct fetched f = { .original = an_original(t),
		.outcome = { .download_ms = 2, .process_ms = -1, .store_ms = -1 } };
	struct task next = { 0 };
	struct original stands;
	struct err e = { 0 };

	if (t->kind == TASK_MAKE) {
		make(s, t);
		return;
	}
	assert_ok(store_finish_fetch(s->store, t->id, t->lease, &f, "test", 60000, a, &next,
		&stands, &e));
	if (next.id)
		make(s, &next);
}

void site_succeed(struct site *s, size_t n)
{
	work(s, n, succeed_one);
}

struct job_row *site_job(struct site *s, const char *id, struct arena *a)
{
	struct job_row *job;
	struct err e = { 0 };

	assert_ok(store_job_find(s->store, 1, id, a, &job, &e));
	assert_non_null(job);
	return job;
}

char *site_blob(struct site *s, const char *key, const char *bytes)
{
	struct view_links l = { .base_url = "",
		.events_url = "",
		.link_key = site_key,
		.link_ttl_ms = 3600000,
		.now_ms = clock_wall_ms() };
	struct err e = { 0 };
	autofd fd = -1;

	assert_ok(io_memfd("test", &fd, &e));
	assert_ok(io_write_all(fd, bytes, strlen(bytes), &e));
	assert_ok(blob_put(s->blob, key, fd, (int64_t)strlen(bytes), "image/jpeg", &e));
	return view_blob_link(key, &l);
}
