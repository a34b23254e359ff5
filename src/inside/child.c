/* SPDX-License-Identifier: MIT
 *
 * A child: into the jail, then one picture after the other, until the socket closes. It has no
 * path, no other socket and no way to make one; what it makes leaves as memfds.
 *
 * Out of memory is told apart from a crash: base/mem ends with EX_OSERR by itself, and when a
 * library aborts while the address space is used up, so do we.
 */
#include "inside/child.h"

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "darkroom/wire.h"
#include "image/image.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#define SOCK 0
/* GLib aborts on the small allocations that it does not check, so little is left by then. */
#define LEFT_BYTES ((size_t)64 << 20)

struct work {
	struct wire_msg m;
	struct image_limits limits;
	const void *data; /* the picture, mapped */
	size_t n;
	struct recipe recipe;
	enum format format;
};

static void out_of_memory(int sig)
{
	if (mmap(NULL, LEFT_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		_exit(EX_OSERR);
	signal(sig, SIG_DFL);
	raise(sig);
}

static enum err_code map_picture(struct work *w, int fd, struct err *e)
{
	w->n = (size_t)w->m.bytes;
	if (w->n == 0)
		return err_set(e, ERR_FETCH_NOT_IMAGE, "the source is empty");
	void *p = mmap(NULL, w->n, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return err_sys(e, ERR_LIMIT_MEMORY, errno, "map the picture");
	w->data = p;
	return OK;
}

static enum err_code take_job(struct work *w, int fd, struct err *e)
{
	w->limits = (struct image_limits){ .max_pixels = w->m.max_pixels,
		.max_frames = (int)w->m.max_frames,
		.max_bytes_out = w->m.max_bytes_out };
	enum err_code code = map_picture(w, fd, e);
	if (code != OK)
		return code;
	autojson *j = NULL;
	code = json_parse(w->m.text, strlen(w->m.text), &j, e);
	return code == OK ? recipe_from_json(j, &w->recipe, e) : code;
}

static void drop_job(struct work *w)
{
	if (w->data)
		munmap((void *)w->data, w->n);
	w->data = NULL;
	w->format = FORMAT_NONE;
	recipe_done(&w->recipe);
	w->recipe = (struct recipe){ 0 };
}

/* Announce the picture and wait until it may be decoded. */
static enum err_code announce(struct work *w, struct image_header *ret, struct err *e)
{
	w->format = image_sniff(w->data, w->n);
	enum err_code code = image_probe(w->data, w->n, &w->limits, &w->recipe, ret, e);
	if (code != OK)
		return code;
	int fds[WIRE_FDS_MAX];
	w->m = (struct wire_msg){ .type = WIRE_HEADER,
		.format = ret->format,
		.width = ret->width,
		.height = ret->height,
		.frames = ret->frames,
		.decode_bytes = ret->decode_bytes };
	code = wire_send(SOCK, &w->m, NULL, e);
	if (code == OK)
		code = wire_recv(SOCK, &w->m, fds, e);
	if (code != OK || w->m.type != WIRE_GO)
		_exit(0); /* nobody is there to hear why */
	return OK;
}

static bool hand_over(void *ctx, const struct image_variant *v)
{
	struct work *w = ctx;
	struct err e = { 0 };
	autofd fd = -1;
	if (io_memfd("variant", &fd, &e) != OK || io_write_all(fd, v->data, v->bytes, &e) != OK)
		return false;
	w->m = (struct wire_msg){ .type = WIRE_OUTPUT,
		.format = v->format,
		.width = v->width,
		.height = v->height,
		.index = (int64_t)v->index,
		.bytes = (int64_t)v->bytes };
	return wire_send(SOCK, &w->m, &fd, &e) == OK;
}

static enum err_code develop(struct work *w, struct err *e)
{
	struct image_header h = { 0 };
	struct image_summary s = { 0 };
	enum err_code code = announce(w, &h, e);
	if (code != OK)
		return code;
	jail_limit_memory(h.decode_bytes);
	code = image_make(w->data, w->n, &h, &w->limits, &w->recipe, hand_over, w, &s, e);
	if (code != OK)
		return code;
	w->m = (struct wire_msg){ .type = WIRE_DONE,
		.width = s.width,
		.height = s.height,
		.color = s.color[0] == '#' ? strtol(s.color + 1, NULL, 16) : 0 };
	snprintf(w->m.text, sizeof(w->m.text), "%s", s.thumbhash);
	return wire_send(SOCK, &w->m, NULL, e);
}

/* One picture. false: the worker has closed. */
static bool serve(struct work *w)
{
	int fds[WIRE_FDS_MAX];
	struct err e = { 0 }, unsent;
	if (wire_recv(SOCK, &w->m, fds, &e) != OK || w->m.type != WIRE_JOB)
		return false;
	enum err_code code = take_job(w, fds[0], &e);
	fd_close(&fds[0]);
	if (code == OK)
		code = develop(w, &e);
	bool goes_on = code == OK || wire_send_fail(SOCK, &e, w->format, &unsent) == OK;
	drop_job(w);
	return goes_on;
}

static enum err_code enter(const struct jail_limits *l, bool alone, struct work *w, struct err *e)
{
	struct jail_report r = { 0 };
	enum err_code code = jail_enter(l, &r, e);
	if (code != OK)
		return code;
	w->m = (struct wire_msg){ .type = WIRE_READY,
		.landlock = r.landlock,
		.uid = r.uid,
		.alone = alone };
	return wire_send(SOCK, &w->m, NULL, e);
}

NORETURN void child_main(const struct jail_limits *l, bool alone)
{
	struct work *w = mem_new(struct work);
	struct err e = { 0 }, unsent;
	if (!JAIL_SANITIZED) {
		signal(SIGABRT, out_of_memory);
		signal(SIGTRAP, out_of_memory);
	}
	enum err_code code = enter(l, alone, w, &e);
	if (code != OK)
		_exit(wire_send_fail(SOCK, &e, FORMAT_NONE, &unsent) == OK ? 1 : 2);
	while (serve(w))
		;
	_exit(0);
}
