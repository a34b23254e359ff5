/* SPDX-License-Identifier: MIT
 *
 * bulb doctor: does what the main job does, once, in small: writes to the store, writes, syncs, reads
 * and deletes a blob, and sends a tiny picture through the sandbox. Each line says how it went; a
 * fault says how to mend it. Models and the provider serve cut-outs only: without them, or when they
 * are wrong, the main job runs all the same. Safe beside a running server.
 */
#include "app/cmd.h"
#include "app/engine.h"
#include "app/models.h"
#include "app/policy.h"
#include "base/clock.h"
#include "base/io.h"
#include "bus/bus.h"
#include "http/http.h"
#include "image/image.h"
#include "store/access.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define OPEN_FILES_WANTED 4096

/* An 8 × 8 grey PNG. */
/* clang-format off */
static const unsigned char tiny_png[] = {
	0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52,
	0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x08, 0x08, 0x00, 0x00, 0x00, 0x00, 0xe1, 0x64, 0xe1,
	0x57, 0x00, 0x00, 0x00, 0x0e, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x68, 0x80, 0x02, 0x06,
	0xca, 0x18, 0x00, 0x80, 0x84, 0x20, 0x01, 0x10, 0xe8, 0x6a, 0x17, 0x00, 0x00, 0x00, 0x00, 0x49,
	0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
};
/* A red disc on a light ground, 96 × 96, WebP. */
static const unsigned char disc_webp[] = {
	0x52, 0x49, 0x46, 0x46, 0x26, 0x01, 0x00, 0x00, 0x57, 0x45, 0x42, 0x50, 0x56, 0x50, 0x38, 0x20,
	0x1a, 0x01, 0x00, 0x00, 0xb0, 0x08, 0x00, 0x9d, 0x01, 0x2a, 0x60, 0x00, 0x60, 0x00, 0x3f, 0x39,
	0x8a, 0xc0, 0x57, 0xaf, 0x28, 0xa6, 0xa3, 0xab, 0x9d, 0x88, 0x01, 0xe0, 0x27, 0x09, 0x40, 0xdf,
	0x03, 0x6f, 0x06, 0xca, 0xe5, 0xe2, 0x50, 0x33, 0x68, 0x6c, 0x6a, 0x23, 0xf4, 0x7d, 0x6d, 0x91,
	0x23, 0x05, 0x0c, 0x05, 0x73, 0x49, 0x3d, 0xb7, 0x10, 0xc7, 0xf0, 0x7b, 0x1c, 0x22, 0x7e, 0xf2,
	0xee, 0x7b, 0x82, 0x40, 0x3b, 0xc0, 0xc1, 0x49, 0xb9, 0x59, 0xa5, 0x97, 0x6c, 0xcc, 0x15, 0x5b,
	0x74, 0xc0, 0x00, 0xfe, 0xec, 0x49, 0xa5, 0xe7, 0x1f, 0xed, 0xab, 0x36, 0x37, 0xb5, 0xf9, 0x4b,
	0xdb, 0xe7, 0xf8, 0xd8, 0x66, 0x8a, 0xf1, 0x6d, 0x5c, 0xe1, 0xf5, 0x6b, 0x24, 0x69, 0xb8, 0x06,
	0xd0, 0x5e, 0x62, 0x46, 0x74, 0x9f, 0x64, 0xb5, 0x39, 0x5f, 0x32, 0x9d, 0x30, 0x99, 0x99, 0xa8,
	0xff, 0xd4, 0xc0, 0x2e, 0x05, 0x31, 0x5c, 0xc8, 0x75, 0xd6, 0x47, 0xd2, 0xc4, 0xa6, 0x6a, 0x7d,
	0x18, 0x03, 0x4b, 0x35, 0xc5, 0xc0, 0x70, 0x6d, 0xd3, 0x10, 0xd9, 0x0f, 0xb4, 0x1a, 0xe9, 0x17,
	0xd0, 0xe4, 0xb6, 0xb4, 0xde, 0x0b, 0x8c, 0x1e, 0xf9, 0x1b, 0xad, 0x39, 0x5d, 0xe9, 0x38, 0xb4,
	0x47, 0xa9, 0xa6, 0xaa, 0xac, 0x1f, 0x6d, 0x8b, 0x16, 0xdf, 0x69, 0x45, 0x56, 0x1c, 0x45, 0x9a,
	0xdc, 0x40, 0xe7, 0x9b, 0xf8, 0x26, 0xa8, 0xe0, 0x9a, 0x79, 0xa2, 0xc8, 0x38, 0x6b, 0x8c, 0xf4,
	0x40, 0x7d, 0x05, 0xb8, 0x91, 0xe4, 0x7b, 0x8b, 0xb4, 0xef, 0x5f, 0x27, 0x0c, 0x7c, 0x7e, 0x8a,
	0xec, 0xe3, 0x55, 0xe4, 0xe4, 0xcf, 0x6f, 0xc6, 0x7e, 0x6a, 0x7a, 0x42, 0x1b, 0x5f, 0xb0, 0xa8,
	0x7b, 0x86, 0x5f, 0xd7, 0xb7, 0x73, 0x0a, 0x39, 0xc8, 0xbf, 0xc3, 0xca, 0x7a, 0xac, 0xa9, 0x96,
	0x02, 0x0d, 0x3c, 0xf9, 0x79, 0x23, 0x26, 0x88, 0xd1, 0x83, 0xc8, 0x35, 0x0a, 0x2e, 0x7a, 0x1e,
	0x68, 0xb1, 0x5f, 0x56, 0x3a, 0xe5, 0x91, 0x01, 0x32, 0xd6, 0x83, 0x68, 0x00, 0x00,
};
/* clang-format on */

struct doctor {
	const struct conf *conf;
	struct engine engine;
	int faults;
	int cut_faults; /* of what only cut-outs need */
	int bus_faults; /* without it all goes on, a little later */
};

static void line(struct doctor *d, const char *what, enum err_code code, const struct err *e,
	int64_t began_us, const char *note)
{
	if (code == OK) {
		printf("ok    %-10s %s (%.1f ms)\n", what, note,
			(double)(clock_mono_us() - began_us) / 1000);
		return;
	}
	d->faults++;
	printf("FAIL  %-10s %s (%s)\n                 %s\n", what, e->text, err_name(code),
		err_hint(code));
}

static void check_store(struct doctor *d)
{
	struct err e = { 0 };
	int64_t began = clock_mono_us();
	struct queue_stats q;
	enum err_code code = store_ping(d->engine.store, &e);
	if (code == OK)
		code = store_queue(d->engine.store, &q, &e);
	line(d, "store", code, &e, began,
		d->engine.shared ? "a commit and a read of the shared database"
				 : d->engine.store_url);
}

/* ---- the bus -------------------------------------------------------------------------------- */

#define BUS_MS 5000
#define NOBODY INT64_MAX /* no job has this number: who hears it looks and finds nothing */

struct echo {
	pthread_mutex_t lock;
	pthread_cond_t heard;
	bool done;
};

static void hear(void *ctx, const struct bus_hint *h)
{
	struct echo *echo = ctx;
	if (h->job != NOBODY)
		return;
	pthread_mutex_lock(&echo->lock);
	echo->done = true;
	pthread_cond_signal(&echo->heard);
	pthread_mutex_unlock(&echo->lock);
}

static enum err_code await_echo(struct echo *echo, struct err *e)
{
	struct timespec until = clock_deadline(BUS_MS);
	int rc = 0;
	pthread_mutex_lock(&echo->lock);
	while (!echo->done && rc == 0)
		rc = pthread_cond_clockwait(&echo->heard, &echo->lock, CLOCK_MONOTONIC, &until);
	bool done = echo->done;
	pthread_mutex_unlock(&echo->lock);
	return done
		? OK
		: err_set(e, ERR_SYSTEM,
			  "connected, but what one connection says another does not hear: may "
			  "this user publish and subscribe? A pooler (PgBouncer) does not carry "
			  "LISTEN: give --bus the database's own address");
}

/* What one connection says, another hears. */
static enum err_code round_trip(struct doctor *d, struct bus *other, struct err *e)
{
	struct echo echo = { .done = false };
	pthread_mutex_init(&echo.lock, NULL);
	pthread_cond_init(&echo.heard, NULL);
	bus_subscribe(other, hear, &echo);
	enum err_code code = bus_wait_up(other, BUS_MS, e);
	if (code == OK)
		code = bus_wait_up(d->engine.bus, BUS_MS, e);
	if (code == OK) {
		bus_publish(d->engine.bus, &(struct bus_hint){ .job = NOBODY, .seq = 1 });
		code = await_echo(&echo, e);
	}
	bus_free(other);
	pthread_cond_destroy(&echo.heard);
	pthread_mutex_destroy(&echo.lock);
	return code;
}

static void check_bus(struct doctor *d)
{
	struct err e = { 0 };
	struct bus_opts o = engine_bus_opts(d->conf);
	struct bus *other = NULL;
	int64_t began = clock_mono_us();
	if (!bus_is_remote(d->engine.bus)) {
		if (d->engine.shared)
			printf("note  %-10s local: other processes hear of news and work by polling "
			       "only; --bus postgres: or nats://HOST is quicker\n",
				"bus");
		return;
	}
	enum err_code code = bus_open(&o, &other, &e);
	if (code == OK)
		code = round_trip(d, other, &e);
	line(d, "bus", code, &e, began, "a hint went from one connection to another");
	d->faults -= code != OK;
	d->bus_faults += code != OK;
}

/* All that share a database must have the same. */
static void check_secret(struct doctor *d)
{
	struct err e = { 0 };
	struct secrets s;
	if (!d->engine.shared)
		return;
	enum err_code code = d->conf->secret
		? secrets_from_text(d->conf->secret, &s, &e)
		: err_set(&e, ERR_USAGE,
			  "--secret-file is needed, the same for all that share the database: "
			  "openssl rand -hex 32 makes one");
	if (code == OK)
		code = store_may_use(d->engine.store, s.fingerprint, &e);
	line(d, "secret", code, &e, clock_mono_us(), "--secret-file, the same as the others have");
	secrets_wipe(&s);
}

static void check_blob(struct doctor *d)
{
	struct err e = { 0 };
	int64_t began = clock_mono_us();
	line(d, "blob", blob_check(d->engine.blob, &e), &e, began, d->engine.blob_url);
}

static enum err_code picture_memfd(const void *picture, size_t n, int *ret_fd, struct err *e)
{
	autofd fd = -1;
	if (io_memfd("doctor", &fd, e) != OK || io_write_all(fd, picture, n, e) != OK ||
		io_seal(fd, e) != OK)
		return e->code;
	*ret_fd = fd_take(&fd);
	return OK;
}

static enum err_code develop(struct darkroom *room, const struct recipe *r, struct err *e)
{
	struct darkroom_result res = { 0 };
	autofd fd = -1;
	if (picture_memfd(tiny_png, sizeof(tiny_png), &fd, e) != OK)
		return e->code;
	enum err_code code = darkroom_process(room, 1, fd, r, NULL, &res, e);
	darkroom_result_done(&res);
	return code;
}

static struct darkroom_opts small_room(const struct conf *c)
{
	return (struct darkroom_opts){
		.children = 1,
		.memory_bytes = c->darkroom_memory_bytes,
		.item_ms = 10000,
		.max_pixels = 50000000,
		.max_frames = 1000,
		.max_bytes_out = 1 << 20,
		.pictures_per_child = 1,
	};
}

static void check_darkroom(struct doctor *d)
{
	const struct conf *c = d->conf;
	struct err e = { 0 };
	int64_t began = clock_mono_us();
	CLEANUP(darkroom_freep) struct darkroom *room = NULL;
	struct darkroom_opts o = small_room(c);
	enum err_code code = darkroom_new(&o, &room, &e);
	if (code == OK)
		code = develop(room, presets_find(d->engine.presets, "web"), &e);
	line(d, "sandbox", code, &e, began, "a picture went through a jailed decoder");
}

static void print_below(struct buf *text)
{
	char *rest = text->len ? text->data : NULL;
	for (char *s; (s = strsep(&rest, "\n"));)
		if (*s)
			printf("                 %s\n", s);
}

/* What jails the children, as the kernel has it; one line each below the first. */
static void check_jail(struct doctor *d)
{
	struct err e = { 0 };
	int64_t began = clock_mono_us();
	CLEANUP(buf_done) struct buf text = BUF_INIT(4096);
	line(d, "jail", darkroom_selftest(NULL, &text, &e), &e, began, "looked at from outside");
	print_below(&text);
}

/* ---- cut-outs ------------------------------------------------------------------------------- */

/* A fault here is none of the main job's. */
static void cut_line(struct doctor *d, const char *what, enum err_code code, const struct err *e,
	int64_t began_us, const char *note)
{
	line(d, what, code, e, began_us, note);
	if (code != OK) {
		d->faults--;
		d->cut_faults++;
	}
}

static enum err_code cut_disc(struct doctor *d, const struct models *m,
	const struct models_one *one, struct err *e)
{
	CLEANUP(darkroom_freep) struct darkroom *room = NULL;
	struct cut cut = { .remove = true, .format = FORMAT_PNG };
	struct darkroom_cut_result res = { 0 };
	struct darkroom_opts o = small_room(d->conf);
	autofd fd = -1;
	snprintf(cut.model, sizeof(cut.model), "%s", one->model.name);
	o.runtime = m->runtime;
	o.model = one->manifest;
	o.threads = (int)d->conf->matte_threads;
	o.item_ms = 60000;
	if (picture_memfd(disc_webp, sizeof(disc_webp), &fd, e) != OK ||
		darkroom_new(&o, &room, e) != OK)
		return e->code;
	enum err_code code = darkroom_cut(room, 1, fd, -1, &cut, CUT_DO_LOCAL, NULL, &res, e);
	darkroom_cut_done(&res);
	return code;
}

static void check_model(struct doctor *d, const struct models *m, const struct models_one *one)
{
	struct err e = { 0 };
	int64_t began = clock_mono_us();
	autofree char *note = mem_printf("%s: %s, licence %s; it ran in the jail", one->model.name,
		one->file, one->model.licence[0] ? one->model.licence : "not said");
	enum err_code code = models_check(one, &e);
	if (code == OK)
		code = cut_disc(d, m, one, &e);
	cut_line(d, "model", code, &e, began, note);
}

static void check_models(struct doctor *d)
{
	CLEANUP(models_done) struct models m = { 0 };
	CLEANUP(buf_done) struct buf text = BUF_INIT(4096);
	struct err e = { 0 };
	int64_t began = clock_mono_us();
	models_find(d->conf->models, &m);
	if (m.fault)
		cut_line(d, "model", err_set(&e, ERR_MATTE_UNAVAILABLE, "%s", m.fault), &e, began,
			"");
	if (m.n == 0 || !m.runtime) {
		printf("note  %-10s %s in %s: bulb model add fast installs %s\n", "model",
			m.n ? "no runtime" : "none", d->conf->models, m.n ? "it" : "one");
		return;
	}
	for (size_t i = 0; i < m.n; i++)
		check_model(d, &m, &m.v[i]);
	began = clock_mono_us();
	cut_line(d, "runtime",
		darkroom_selftest_matte(NULL, m.runtime, m.v[0].manifest,
			(int)d->conf->matte_threads, &text, &e),
		&e, began, m.runtime);
	print_below(&text);
}

static enum err_code ask_account(const struct conf *c, double *ret_credits, struct err *e)
{
	static const struct net_guard no_guard = { .off = true };
	struct provider *p = NULL;
	struct provider_opts o = {
		.url = c->provider_url,
		.key = c->provider_key,
		.guard = &no_guard,
		.timeout_ms = 15000,
	};
	if (net_init(e) != OK || provider_new(&o, &p, e) != OK)
		return e->code;
	enum err_code code = provider_account(p, ret_credits, e);
	provider_free(p);
	return code;
}

/* Asks for the account, which costs nothing. */
static void check_provider(struct doctor *d)
{
	struct err e = { 0 };
	double credits = 0;
	int64_t began = clock_mono_us();
	if (!d->conf->provider_key) {
		printf("note  %-10s no key: nothing is sent to a provider, and nothing is paid\n",
			"provider");
		return;
	}
	enum err_code code = ask_account(d->conf, &credits, &e);
	autofree char *note = mem_printf("%s: %g credits", d->conf->provider_url, credits);
	cut_line(d, "provider", code, &e, began, note);
}

/* ---- the machine ---------------------------------------------------------------------------- */

static void check_libraries(struct doctor *d)
{
	struct err e = { 0 };
	int64_t began = clock_mono_us();
	line(d, "libraries", image_init(&e), &e, began, image_codecs());
}

static bool has_key(const struct doctor *d)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct key_row *rows;
	size_t n = 0;
	struct err e;
	return d->conf->root_key ||
		(d->engine.store && store_keys(d->engine.store, a, &rows, &n, &e) == OK && n > 0);
}

static void check_listen(struct doctor *d)
{
	struct err e = { 0 };
	char url[128] = "";
	int64_t began = clock_mono_us();
	autofd fd = -1;
	enum err_code code = http_listen(d->conf->listen, &fd, url, &e);
	if (code == OK && !d->conf->open && !http_listens_on_loopback(fd) && !has_key(d))
		code = err_set(&e, ERR_USAGE,
			"%s is not loopback: serve refuses it without a key (bulb key add) or --open",
			url);
	if (code == OK || code == ERR_USAGE)
		line(d, "listen", code, &e, began, url);
	else
		printf("note  %-10s %s: is a server running?\n", "listen", e.text);
}

static void check_open_files(void)
{
	struct rlimit lim = { 0 };
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_max < OPEN_FILES_WANTED)
		printf("note  %-10s at most %llu: raise LimitNOFILE for more than a few hundred sockets\n",
			"files", (unsigned long long)lim.rlim_max);
}

static void check_machine(const struct doctor *d)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	int64_t have = (int64_t)pages * page;
	int64_t want = d->conf->darkroom_memory_bytes + d->conf->held_memory_bytes;
	if (want > have / 4 * 3)
		printf("note  %-10s %lld MB in all, and %lld MB may be used: lower --darkroom-memory\n",
			"memory", (long long)(have >> 20), (long long)(want >> 20));
}

int cmd_doctor(const struct conf *c)
{
	if (c->policy)
		return policy_print(c);
	struct doctor d = { .conf = c };
	struct err e = { 0 };
	struct engine_opts o = { .data = c->data,
		.store_url = c->store,
		.blob_url = c->blob,
		.visitor = true };
	int64_t began = clock_mono_us();
	enum err_code code = engine_open(c, &o, &d.engine, &e);
	line(&d, "data", code, &e, began, c->data);
	check_libraries(&d);
	if (code == OK) {
		check_store(&d);
		check_secret(&d);
		check_bus(&d);
		check_blob(&d);
		check_darkroom(&d);
		check_jail(&d);
		engine_close(&d.engine);
	}
	check_models(&d);
	check_provider(&d);
	check_listen(&d);
	check_open_files();
	check_machine(&d);
	if (d.bus_faults)
		printf("\nhints do not travel: until they do, news and work are found by polling\n");
	if (d.faults)
		printf("\n%d fault(s): the main job cannot run\n", d.faults);
	else
		printf("\nbulb is ready%s\n",
			d.cut_faults ? ", but not for all that cutting out needs" : "");
	return d.faults ? 1 : 0;
}
