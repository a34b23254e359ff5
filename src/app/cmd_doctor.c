/* SPDX-License-Identifier: MIT
 *
 * bulb doctor: does what the main job does, once, in small: writes to the store, writes, syncs, reads
 * and deletes a blob, and sends a tiny picture through the sandbox. Each line says how it went; a
 * fault says how to mend it. Safe beside a running server.
 */
#include "app/cmd.h"
#include "app/engine.h"
#include "base/clock.h"
#include "base/io.h"
#include "http/http.h"
#include "image/image.h"

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
/* clang-format on */

struct doctor {
	const struct conf *conf;
	struct engine engine;
	int faults;
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
	line(d, "store", store_ping(d->engine.store, &e), &e, began, d->engine.store_url);
}

static void check_blob(struct doctor *d)
{
	struct err e = { 0 };
	int64_t began = clock_mono_us();
	line(d, "blob", blob_check(d->engine.blob, &e), &e, began, d->engine.blob_url);
}

static enum err_code tiny_memfd(int *ret_fd, struct err *e)
{
	autofd fd = -1;
	if (io_memfd("doctor", &fd, e) != OK ||
		io_write_all(fd, tiny_png, sizeof(tiny_png), e) != OK || io_seal(fd, e) != OK)
		return e->code;
	*ret_fd = fd_take(&fd);
	return OK;
}

static enum err_code develop(struct darkroom *room, const struct recipe *r, struct err *e)
{
	struct darkroom_result res = { 0 };
	autofd fd = -1;
	if (tiny_memfd(&fd, e) != OK)
		return e->code;
	enum err_code code = darkroom_process(room, 1, fd, r, NULL, &res, e);
	darkroom_result_done(&res);
	return code;
}

static void check_darkroom(struct doctor *d)
{
	const struct conf *c = d->conf;
	struct err e = { 0 };
	int64_t began = clock_mono_us();
	CLEANUP(darkroom_freep) struct darkroom *room = NULL;
	struct darkroom_opts o = {
		.children = 1,
		.memory_bytes = c->darkroom_memory_bytes,
		.item_ms = 10000,
		.max_pixels = 50000000,
		.max_frames = 1000,
		.max_bytes_out = 1 << 20,
		.pictures_per_child = 1,
	};
	enum err_code code = darkroom_new(&o, &room, &e);
	if (code == OK)
		code = develop(room, presets_find(d->engine.presets, "web"), &e);
	line(d, "sandbox", code, &e, began, "a picture went through a jailed decoder");
}

/* What jails the children, as the kernel has it; one line each below the first. */
static void check_jail(struct doctor *d)
{
	struct err e = { 0 };
	int64_t began = clock_mono_us();
	struct buf text = BUF_INIT(4096);
	line(d, "jail", darkroom_selftest(NULL, &text, &e), &e, began, "looked at from outside");
	char *rest = text.len ? text.data : NULL;
	for (char *s; (s = strsep(&rest, "\n"));)
		if (*s)
			printf("                 %s\n", s);
	buf_done(&text);
}

static void check_libraries(struct doctor *d)
{
	struct err e = { 0 };
	int64_t began = clock_mono_us();
	line(d, "libraries", image_init(&e), &e, began, image_codecs());
}

static void check_listen(struct doctor *d)
{
	struct err e = { 0 };
	char url[128] = "";
	int64_t began = clock_mono_us();
	autofd fd = -1;
	enum err_code code = http_listen(d->conf->listen, &fd, url, &e);
	if (code == OK && !d->conf->open && !http_listens_on_loopback(fd))
		code = err_set(&e, ERR_USAGE, "%s is not loopback: serve refuses it without --open",
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
		check_blob(&d);
		check_darkroom(&d);
		check_jail(&d);
		engine_close(&d.engine);
	}
	check_listen(&d);
	check_open_files();
	check_machine(&d);
	if (d.faults)
		printf("\n%d fault(s): the main job cannot run\n", d.faults);
	else
		printf("\nbulb is ready\n");
	return d.faults ? 1 : 0;
}
