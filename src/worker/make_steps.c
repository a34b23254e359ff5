/* SPDX-License-Identifier: MIT
 *
 * The steps of a make: the original in memory, its variants from the darkroom, their blobs, the word
 * that they are there.
 */
#include "worker/run.h"

#include "base/clock.h"
#include "base/io.h"

#include <string.h>
#include <unistd.h>

static enum err_code open_input(struct run *r, struct err *e)
{
	struct make_input in;
	if (r->l->task.kind != TASK_MAKE)
		return err_set(e, ERR_INTERNAL, "a worker does no tasks of kind %d",
			(int)r->l->task.kind);
	enum err_code code = make_input_parse(r->l->task.input, &in, e);
	if (code != OK)
		return code;
	r->recipe = in.recipe;
	r->original = in.original;
	r->has_original = true;
	return OK;
}

enum err_code run_copy(struct run *r, const char *key, bool beside, int *ret_fd, struct err *e)
{
	autofd from = -1, to = -1;
	int64_t bytes, copied;
	enum err_code code = blob_get(r->w->o.blob, key, &from, &bytes, e);
	if (code == OK && beside)
		lane_held(r->l, r->original.bytes + bytes);
	else if (code == OK)
		code = lane_hold(r->l, bytes, e);
	if (code == OK)
		code = io_memfd("original", &to, e);
	if (code == OK)
		code = io_copy(from, to, &copied, e);
	if (code == OK && copied != bytes)
		code = err_set(e, ERR_BLOB_IO, "blob '%s': %lld of %lld bytes", key,
			(long long)copied, (long long)bytes);
	if (code == OK)
		code = io_seal(to, e);
	if (code == OK)
		*ret_fd = fd_take(&to);
	return code;
}

enum err_code run_get_original(struct run *r, struct err *e)
{
	if (r->fd >= 0)
		return OK;
	if (!r->original.key[0])
		return err_set(e, ERR_BLOB_NOT_FOUND, "the original was not kept");
	return run_copy(r, r->original.key, false, &r->fd, e);
}

static enum err_code process(struct run *r, struct err *e)
{
	struct darkroom_result *d = &r->pictures;
	enum err_code code = darkroom_process(r->w->o.darkroom, r->l->task.scope, r->fd, &r->recipe,
		&r->l->cancel, d, e);
	r->crashed = d->crashed;
	run_took(r, &r->outcome.process_ms, d->process_ms); /* without waiting for a place */
	r->outcome.cpu_ms += d->cpu_ms;
	if (d->format != FORMAT_NONE) { /* known also of many that cannot be decoded */
		r->original.format = d->format;
		r->original.width = d->width;
		r->original.height = d->height;
	}
	if (code != OK)
		return code;
	memcpy(r->original.thumbhash, d->thumbhash, sizeof(r->original.thumbhash));
	memcpy(r->original.color, d->color, sizeof(r->original.color));
	fd_close(&r->fd);
	lane_held(r->l, 0);
	if (d->n != r->recipe.n)
		return err_set(e, ERR_DARKROOM, "darkroom: %zu variants of %zu", d->n, r->recipe.n);
	return OK;
}

static enum err_code store_one(struct run *r, const struct darkroom_output *o, struct product *p,
	struct err *e)
{
	if (o->index >= r->recipe.n)
		return err_set(e, ERR_DARKROOM, "darkroom: no variant %zu was asked for", o->index);
	*p = (struct product){ .format = o->format,
		.width = o->width,
		.height = o->height,
		.bytes = o->bytes };
	variant_digest(&r->recipe.variants[o->index], r->w->codecs, p->recipe);
	enum err_code code = sha256_fd(o->fd, p->sha256, e);
	return code == OK ? run_put(r, o->fd, o->bytes, o->format,
				    r->recipe.variants[o->index].name, p->sha256, p->key, e)
			  : code;
}

static enum err_code store_products(struct run *r, struct err *e)
{
	int64_t since = clock_mono_ms();
	enum err_code code = OK;
	for (size_t i = 0; code == OK && i < r->pictures.n; i++)
		code = store_one(r, &r->pictures.outputs[i], &r->products[i], e);
	if (code == OK)
		code = run_sync(r, e);
	run_took(r, &r->outcome.store_ms, clock_mono_ms() - since);
	return code;
}

static enum err_code say_made(struct run *r, struct err *e)
{
	struct feed *feed = &r->w->o.feed;
	struct made m = { .original = r->original,
		.products = r->products,
		.n = r->pictures.n,
		.outcome = r->outcome };
	return feed->finish_make(feed->ctx, r->l->task.id, r->l->task.lease, &m, e);
}

static enum err_code report_made(struct run *r, struct err *e)
{
	return run_report(r, say_made, e);
}

const struct step make_steps[] = {
	{ open_input, STEP_PROCESSING, "process" },
	{ run_get_original, STEP_PROCESSING, "process" },
	{ process, STEP_PROCESSING, "process" },
	{ store_products, STEP_STORING, "store" },
	{ report_made, STEP_STORING, "store" },
	{ 0 },
};
