/* SPDX-License-Identifier: MIT
 *
 * The pool: a fixed number of places, each with a child or about to have one. Who has passed the
 * gate of pictures finds a place free; what is in it is made right for the picture (a child that
 * has seen another scope's pictures is replaced) without holding the pool's lock. A place is
 * refilled by the one who emptied it, so that the next picture finds a child that is ready.
 */
#include "darkroom/darkroom.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "darkroom/admit.h"
#include "darkroom/child.h"
#include "darkroom/keeper_link.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#define TRIES   3     /* children that may die idle under one picture */
#define AWAY_MS 10000 /* a model that could not be loaded is tried again after so long */

struct place {
	struct child *child; /* written by its holder under the lock; NULL: none could be had */
	bool busy;
	int64_t idle_since; /* on the monotonic clock */
};

struct darkroom {
	struct darkroom_opts opts;
	struct keeper_link *keeper;
	struct gate *pictures, *memory;
	pthread_mutex_t lock;
	struct place *places;
	bool has_model;
	int64_t away_until; /* on the monotonic clock: no model before; why is the reason */
	struct err why;
};

static struct child_order order_of(const struct darkroom *d)
{
	const struct darkroom_opts *o = &d->opts;
	return (struct child_order){
		.memory_bytes = o->memory_bytes,
		.cpu_s = o->cpu_s,
		.max_bytes_out = o->max_bytes_out,
		.threads = d->has_model ? o->threads : 0,
	};
}

static void set_child(struct darkroom *d, struct place *p, struct child *c)
{
	pthread_mutex_lock(&d->lock);
	struct child *old = p->child;
	p->child = c;
	pthread_mutex_unlock(&d->lock);
	child_free(old);
}

static enum err_code refill(struct darkroom *d, struct place *p, struct err *e)
{
	struct child *c;
	struct child_order o = order_of(d);
	enum err_code code = keeper_link_fork(d->keeper, &o, &c, e);
	if (code == OK)
		set_child(d, p, c);
	return code;
}

static void replace(struct darkroom *d, struct place *p, const char *reason)
{
	struct err ignored;
	set_child(d, p, NULL);
	if (d->opts.on_died)
		d->opts.on_died(d->opts.ctx, reason);
	if (d->has_model) /* its memory is not taken before it is needed */
		return;
	/* When this fails, the next picture tries again and reports it. */
	enum err_code code = refill(d, p, &ignored);
	(void)code;
}

enum err_code darkroom_new(const struct darkroom_opts *o, struct darkroom **ret, struct err *e)
{
	assert(o->children > 0 && o->children <= DARKROOM_CHILDREN_MAX && o->item_ms > 0);
	assert(!o->runtime || (o->model && o->threads > 0));
	CLEANUP(darkroom_freep) struct darkroom *d = mem_new(struct darkroom);
	d->opts = *o;
	d->opts.exe = d->opts.runtime = d->opts.model = NULL; /* keeper_link has its own */
	d->has_model = o->runtime != NULL;
	if (d->opts.pictures_per_child < 1)
		d->opts.pictures_per_child = 1;
	if (d->opts.cpu_s == 0)
		d->opts.cpu_s = (o->item_ms / 1000 + 1) * d->opts.pictures_per_child *
			(d->has_model ? o->threads : 1);
	d->pictures = gate_new((int64_t)o->children);
	d->memory = gate_new(o->memory_bytes);
	d->places = mem_array(o->children, sizeof(*d->places));
	pthread_mutex_init(&d->lock, NULL);
	const struct keeper_opts keeper = { o->exe, o->runtime, o->model };
	enum err_code code = keeper_link_new(&keeper, &d->keeper, e);
	for (size_t i = 0; i < o->children && code == OK && !d->has_model; i++)
		code = refill(d, &d->places[i], e);
	if (code == OK && !d->has_model) /* if one gets into the jail, all do */
		code = child_await(d->places[0].child, e);
	if (code == OK)
		*ret = TAKE(&d);
	return code;
}

void darkroom_free(struct darkroom *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->opts.children; i++)
		child_free(d->places[i].child);
	keeper_link_free(d->keeper);
	gate_free(d->pictures);
	gate_free(d->memory);
	pthread_mutex_destroy(&d->lock);
	free(d->places);
	free(d);
}

/* Best first: a child that knows this scope, a fresh one, an empty place, another scope's child. */
static int rank(const struct place *p, int64_t scope)
{
	if (!p->child)
		return 2;
	if (p->child->scope == scope)
		return 0;
	return p->child->scope == SCOPE_NONE ? 1 : 3;
}

static struct place *take_place(struct darkroom *d, int64_t scope)
{
	struct place *best = NULL;
	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < d->opts.children; i++) {
		struct place *p = &d->places[i];
		if (!p->busy && (!best || rank(p, scope) < rank(best, scope)))
			best = p;
	}
	assert(best); /* the gate lets in no more than there are places */
	best->busy = true;
	pthread_mutex_unlock(&d->lock);
	return best;
}

/* A living child in the place that may see this scope's pictures. */
static enum err_code prepare(struct darkroom *d, struct place *p, int64_t scope, struct err *e)
{
	if (p->child && child_has_died(p->child))
		replace(d, p, p->child->died);
	else if (p->child && p->child->scope != SCOPE_NONE && p->child->scope != scope)
		replace(d, p, "worn");
	enum err_code code = p->child ? OK : refill(d, p, e);
	if (code == OK)
		p->child->scope = scope;
	return code;
}

static enum err_code process_in(struct darkroom *d, struct place *p, const struct picture *picture,
	int64_t scope, struct darkroom_result *ret, struct err *e)
{
	for (int i = 0;; i++) {
		enum err_code code = prepare(d, p, scope, e);
		if (code != OK)
			return code;
		bool unused = false;
		code = child_process(p->child, picture, ret, &unused, e);
		if (code != OK)
			replace(d, p, p->child->died ? p->child->died : "worn");
		else if (p->child->pictures >= d->opts.pictures_per_child)
			replace(d, p, "worn");
		if (!unused || code == ERR_MATTE_UNAVAILABLE)
			return code;
		if (i + 1 >= TRIES) {
			struct err why = *e;
			return err_set(e, ERR_DARKROOM, "no child lives long enough: %s", why.text);
		}
	}
}

static void leave_place(struct darkroom *d, struct place *p)
{
	pthread_mutex_lock(&d->lock);
	p->busy = false;
	p->idle_since = clock_mono_ms();
	pthread_mutex_unlock(&d->lock);
	gate_leave(d->pictures, 1);
}

/* ---- a model that is away --------------------------------------------------------------------- */

static bool is_away(struct darkroom *d, struct err *e)
{
	pthread_mutex_lock(&d->lock);
	bool away = clock_mono_ms() < d->away_until;
	if (away)
		*e = d->why;
	pthread_mutex_unlock(&d->lock);
	return away;
}

/* The keeper goes, unless others work, so that the next one reads runtime and model anew. */
static void set_away(struct darkroom *d, const struct err *why)
{
	pthread_mutex_lock(&d->lock);
	d->away_until = clock_mono_ms() + AWAY_MS;
	d->why = *why;
	size_t busy = 0;
	for (size_t i = 0; i < d->opts.children; i++)
		busy += d->places[i].busy;
	pthread_mutex_unlock(&d->lock);
	if (busy <= 1)
		keeper_link_stop(d->keeper);
}

/* ---- pictures --------------------------------------------------------------------------------- */

/* For p, all but memory and opts of which is set. */
static enum err_code develop(struct darkroom *d, int64_t scope, struct picture *p,
	struct darkroom_result *ret, struct err *e)
{
	*ret = (struct darkroom_result){ 0 };
	p->opts = &d->opts;
	p->memory = d->memory;
	if (is_away(d, e))
		return e->code;
	enum err_code code = gate_enter(d->pictures, 1, p->cancel, e);
	if (code != OK)
		return code;
	struct place *place = take_place(d, scope);
	code = process_in(d, place, p, scope, ret, e);
	if (code == ERR_MATTE_UNAVAILABLE && d->has_model)
		set_away(d, e);
	leave_place(d, place);
	if (code != OK)
		darkroom_result_done(ret);
	ret->crashed = code == ERR_DECODE_CRASHED;
	return code;
}

enum err_code darkroom_process(struct darkroom *d, int64_t scope, int fd, const struct recipe *r,
	atomic_bool *cancel, struct darkroom_result *ret, struct err *e)
{
	assert(r->n > 0 && r->n <= VARIANTS_MAX);
	struct err unheard = { 0 };
	struct picture picture = { .fd = fd, .recipe = r, .answer_fd = -1, .cancel = cancel };
	return develop(d, scope, &picture, ret, e ? e : &unheard);
}

enum err_code darkroom_cut(struct darkroom *d, int64_t scope, int fd, int answer_fd,
	const struct cut *c, enum cut_action action, atomic_bool *cancel,
	struct darkroom_cut_result *ret, struct err *e)
{
	assert((action == CUT_DO_COMPOSE) == (answer_fd >= 0));
	struct err unheard = { 0 };
	struct darkroom_result made;
	*ret = (struct darkroom_cut_result){ .confidence = -1, .output.fd = -1 };
	struct picture picture = { .fd = fd,
		.cut = c,
		.action = action,
		.answer_fd = answer_fd,
		.cut_ret = ret,
		.cancel = cancel };
	enum err_code code = develop(d, scope, &picture, &made, e ? e : &unheard);
	ret->format = made.format;
	ret->width = made.width;
	ret->height = made.height;
	memcpy(ret->thumbhash, made.thumbhash, sizeof(ret->thumbhash));
	memcpy(ret->color, made.color, sizeof(ret->color));
	ret->has_output = made.n > 0;
	if (ret->has_output)
		ret->output = made.outputs[0];
	ret->crashed = made.crashed;
	ret->process_ms = made.process_ms;
	ret->cpu_ms = made.cpu_ms;
	return code;
}

void darkroom_cut_done(struct darkroom_cut_result *r)
{
	if (r->has_output)
		fd_close(&r->output.fd);
	r->has_output = false;
}

void darkroom_result_done(struct darkroom_result *r)
{
	for (size_t i = 0; i < r->n; i++)
		fd_close(&r->outputs[i].fd);
	r->n = 0;
}

enum err_code darkroom_check(struct darkroom *d, struct err *e)
{
	return keeper_link_check(d->keeper, e);
}

/* The child is taken out under the lock, so that nobody is given one that goes. */
void darkroom_rest(struct darkroom *d, int64_t idle_ms)
{
	int64_t since = clock_mono_ms() - idle_ms;
	for (size_t i = 0; i < d->opts.children && d->has_model; i++) {
		struct place *p = &d->places[i];
		struct child *goes = NULL;
		pthread_mutex_lock(&d->lock);
		if (!p->busy && p->idle_since <= since)
			goes = TAKE(&p->child);
		pthread_mutex_unlock(&d->lock);
		child_free(goes);
	}
}

void darkroom_stats(struct darkroom *d, struct darkroom_stats *ret)
{
	*ret = (struct darkroom_stats){ .memory_used = gate_used(d->memory),
		.keeper = keeper_link_pid(d->keeper) };
	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < d->opts.children; i++) {
		const struct place *p = &d->places[i];
		ret->busy += p->busy;
		ret->idle += !p->busy;
		if (p->child)
			ret->pids[ret->pids_n++] = p->child->pid;
	}
	pthread_mutex_unlock(&d->lock);
}
