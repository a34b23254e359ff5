/* SPDX-License-Identifier: MIT
 *
 * A child: into the jail, then one picture after the other, until the socket closes: its variants, or
 * its subject. It has no
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
#include "inside/cut.h"

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
	struct cut_job cut;
	const struct held_model *model; /* NULL: none */
	struct matte *matte;
	enum format format;
};

static int64_t model_bytes(const struct held_model *m)
{
	return m ? (int64_t)m->manifest.peak_mb << 20 : 0;
}

static void out_of_memory(int sig)
{
	/* abort() raised it here, so nothing was interrupted. NOLINTNEXTLINE(bugprone-signal-handler) */
	if (mmap(NULL, LEFT_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		_exit(EX_OSERR);
	signal(sig, SIG_DFL);
	raise(sig);
}

static enum err_code map_file(int fd, int64_t bytes, const char *what, const void **ret,
	size_t *ret_n, struct err *e)
{
	if (bytes == 0)
		return err_set(e, ERR_FETCH_NOT_IMAGE, "the %s is empty", what);
	void *p = mmap(NULL, (size_t)bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return err_sys(e, ERR_LIMIT_MEMORY, errno, "map the %s", what);
	*ret = p;
	*ret_n = (size_t)bytes;
	return OK;
}

static enum err_code take_cut(struct work *w, const json_t *options, int answer_fd, struct err *e)
{
	w->cut = (struct cut_job){ .data = w->data,
		.n = w->n,
		.action = (enum cut_action)w->m.action,
		.limits = &w->limits,
		.model = w->model ? &w->model->manifest : NULL,
		.matte = w->matte };
	enum err_code code = cut_from_json(options, &w->cut.cut, e);
	if (code == OK && w->m.type == WIRE_COMPOSE && w->m.answer_bytes == 0)
		return err_set(e, ERR_MATTE_PROVIDER, "the provider's answer is empty");
	if (code == OK && w->m.type == WIRE_COMPOSE)
		code = map_file(answer_fd, w->m.answer_bytes, "answer", &w->cut.answer,
			&w->cut.answer_n, e);
	return code;
}

static enum err_code take_job(struct work *w, const int fds[WIRE_FDS_MAX], struct err *e)
{
	w->limits = (struct image_limits){ .max_pixels = w->m.max_pixels,
		.max_frames = (int)w->m.max_frames,
		.max_bytes_out = w->m.max_bytes_out };
	enum err_code code = map_file(fds[0], w->m.bytes, "source", &w->data, &w->n, e);
	if (code != OK)
		return code;
	w->format = image_sniff(w->data, w->n);
	autojson *j = NULL;
	code = json_parse(w->m.text, strlen(w->m.text), &j, e);
	if (code != OK)
		return code;
	return w->m.type == WIRE_JOB ? recipe_from_json(j, &w->recipe, e)
				     : take_cut(w, j, fds[1], e);
}

static void drop_job(struct work *w)
{
	if (w->data)
		munmap((void *)w->data, w->n);
	if (w->cut.answer)
		munmap((void *)w->cut.answer, w->cut.answer_n);
	cut_job_done(&w->cut);
	w->cut = (struct cut_job){ 0 };
	w->data = NULL;
	w->format = FORMAT_NONE;
	recipe_done(&w->recipe);
	w->recipe = (struct recipe){ 0 };
}

/* Announce the picture and wait until it may be decoded. */
static enum err_code announce(struct work *w, const struct image_header *h, struct err *e)
{
	int fds[WIRE_FDS_MAX];
	w->m = (struct wire_msg){ .type = WIRE_HEADER,
		.format = h->format,
		.width = h->width,
		.height = h->height,
		.frames = h->frames,
		.decode_bytes = h->decode_bytes };
	enum err_code code = wire_send(SOCK, &w->m, NULL, e);
	if (code == OK)
		code = wire_recv(SOCK, &w->m, fds, e);
	if (code != OK || w->m.type != WIRE_GO)
		_exit(0); /* nobody is there to hear why */
	jail_limit_memory(h->decode_bytes + model_bytes(w->model));
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

static int64_t number_of(const char color[8])
{
	return color[0] == '#' ? strtol(color + 1, NULL, 16) : 0;
}

static enum err_code develop(struct work *w, struct err *e)
{
	struct image_header h = { 0 };
	struct image_summary s = { 0 };
	enum err_code code = image_probe(w->data, w->n, &w->limits, &w->recipe, &h, e);
	if (code == OK)
		code = announce(w, &h, e);
	if (code == OK)
		code = image_make(w->data, w->n, &h, &w->limits, &w->recipe, hand_over, w, &s, e);
	if (code != OK)
		return code;
	w->m = (struct wire_msg){ .type = WIRE_DONE,
		.width = s.width,
		.height = s.height,
		.color = number_of(s.color) };
	snprintf(w->m.text, sizeof(w->m.text), "%s", s.thumbhash);
	return wire_send(SOCK, &w->m, NULL, e);
}

static enum err_code tell_cut(struct work *w, const struct cut_file *f, struct err *e)
{
	const struct image_variant v = { .format = f->format,
		.width = f->width,
		.height = f->height,
		.data = f->file.data,
		.bytes = f->file.n };
	if (f->has_file && !hand_over(w, &v))
		return err_set(e, ERR_INTERNAL, "the cut-out was not taken");
	w->m = (struct wire_msg){ .type = WIRE_CUT_DONE,
		.width = f->original.width,
		.height = f->original.height,
		.color = number_of(f->original.color),
		.done = f->done,
		.none = f->none,
		.engine = f->engine,
		.confidence = f->confidence < 0 ? -1 : (int64_t)(f->confidence * 1e6 + 0.5),
		.left = f->left,
		.top = f->top };
	snprintf(w->m.text, sizeof(w->m.text), "%s", f->original.thumbhash);
	return wire_send(SOCK, &w->m, NULL, e);
}

static enum err_code cut_out(struct work *w, struct err *e)
{
	struct cut_file file = { 0 };
	enum err_code code = cut_probe(&w->cut, e);
	if (code == OK)
		code = announce(w, &w->cut.header, e);
	if (code == OK)
		code = cut_make(&w->cut, &file, e);
	if (code == OK)
		code = tell_cut(w, &file, e);
	cut_file_done(&file);
	return code;
}

/* One picture. false: the worker has closed. */
static bool serve(struct work *w)
{
	int fds[WIRE_FDS_MAX] = { -1, -1 };
	struct err e = { 0 }, unsent;
	if (wire_recv(SOCK, &w->m, fds, &e) != OK ||
		(w->m.type != WIRE_JOB && w->m.type != WIRE_CUT && w->m.type != WIRE_COMPOSE))
		return false;
	bool is_cut = w->m.type != WIRE_JOB;
	enum err_code code = take_job(w, fds, &e);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
	if (code == OK)
		code = is_cut ? cut_out(w, &e) : develop(w, &e);
	bool goes_on = code == OK || wire_send_fail(SOCK, &e, w->format, &unsent) == OK;
	drop_job(w);
	return goes_on;
}

/* Within the jail, so that the runtime's threads stand under its filter. Whatever goes wrong, memory
 * too, there is no model here. */
static enum err_code load_model(struct work *w, struct held_model *model, int threads,
	struct err *e)
{
	if (matte_new(&model->manifest, model->bytes.data, model->bytes.len, threads, &w->matte,
		    e) != OK)
		return err_set(e, ERR_MATTE_UNAVAILABLE, "%s", e->text);
	held_model_done(model);
	w->model = model;
	return OK;
}

static enum err_code enter(const struct jail_limits *l, bool alone, struct held_model *model,
	int threads, struct work *w, struct err *e)
{
	struct jail_report r = { 0 };
	enum err_code code = jail_enter(l, &r, e);
	if (code == OK && model)
		code = load_model(w, model, threads, e);
	if (code != OK)
		return code;
	w->m = (struct wire_msg){ .type = WIRE_READY,
		.landlock = r.landlock,
		.uid = r.uid,
		.alone = alone };
	return wire_send(SOCK, &w->m, NULL, e);
}

NORETURN void child_main(const struct jail_limits *l, bool alone, struct held_model *model,
	int threads)
{
	struct work *w = mem_new(struct work);
	struct err e = { 0 }, unsent;
	if (!JAIL_SANITIZED) {
		signal(SIGABRT, out_of_memory);
		signal(SIGTRAP, out_of_memory);
	}
	enum err_code code = enter(l, alone, model, threads, w, &e);
	if (code != OK)
		_exit(wire_send_fail(SOCK, &e, FORMAT_NONE, &unsent) == OK ? 1 : 2);
	while (serve(w))
		;
	_exit(0);
}
