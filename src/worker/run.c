/* SPDX-License-Identifier: MIT
 *
 * A task is a table of steps; this goes through it. A make that is lent when its fetch is finished
 * is done by the same lane at once, with the bytes that it holds.
 */
#include "worker/run.h"

#include "base/io.h"
#include "base/log.h"
#include "base/metrics.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define HOST_FULL_MS 100 /* tried again soon: the claim that lent it did not see who else began */

/* What is being stored is worth more than the moment that stopping at once would save. */
static bool must_stop(const struct run *r, const struct step *s)
{
	return s->shows != STEP_STORING && atomic_load(&r->l->cancel);
}

/* No row names them yet, and a full disk cannot keep them until gc. */
static void remove_written(struct run *r)
{
	struct err ignored;
	for (size_t i = 0; i < r->written_n; i++)
		(void)!blob_delete(r->w->o.blob, r->written[i], &ignored);
	r->written_n = 0;
}

/* Where blobs are waited for, the step is gone through again with what we have in hand: a disk that
 * is full for an hour is no fault of the picture, and its source is not asked twice. */
static enum err_code do_step(struct run *r, const struct step *s, struct err *e)
{
	enum err_code code = s->go(r, e);
	bool waits = r->w->o.wait_for_blobs && s->shows == STEP_STORING;
	for (int i = 0; waits && code == ERR_BLOB_IO; i++) {
		if (i == 0)
			log_event(LOG_BLOB_FAILED, NULL, "task=%lld detail=\"%s\"",
				(long long)r->l->task.id, e->text);
		remove_written(r);
		if (!run_await_disk(r, i) || atomic_load(&r->l->cancel))
			return err_set(e, ERR_CANCELED,
				"stopped while the blobs could not be stored");
		code = s->go(r, e);
	}
	return code;
}

static enum err_code go_through(struct run *r, const struct step *steps, struct err *e)
{
	enum err_code code = OK;
	for (const struct step *s = steps; code == OK && s->go; s++) {
		if (must_stop(r, s))
			return err_set(e, ERR_CANCELED, "stopped before the next step");
		r->outcome.stage = s->stage;
		atomic_store(&r->l->step, s->shows);
		code = do_step(r, s, e);
	}
	return code;
}

static void do_steps(struct run *r, const struct step *steps)
{
	struct err e = { 0 };
	if (go_through(r, steps, &e) != OK)
		run_failed(r, &e);
	run_leave_host(r);
}

static void do_fetch(struct run *r)
{
	const char *host = r->l->task.host;
	if (host && !fetch_host_enter(r->w->o.fetch, host)) {
		lane_leave_host(r->l);
		run_give_back(r, backoff_ms(HOST_FULL_MS, 0));
		return;
	}
	r->in_host = host != NULL;
	do_steps(r, fetch_steps);
}

/* What the fetch stored counts for the item too; what it wrote is named by now. */
static void do_lent_make(struct run *r)
{
	lane_switch(r->l, &r->lent);
	r->outcome = (struct outcome){ .download_ms = -1,
		.process_ms = -1,
		.store_ms = r->outcome.store_ms };
	r->written_n = 0;
	r->unsure = false;
	do_steps(r, make_steps);
}

void run_task(struct lane *l)
{
	struct run r = { .l = l,
		.w = l->w,
		.fd = -1,
		.got = { .fd = -1 },
		.piece = { .output = { .fd = -1 } },
		.outcome = { .download_ms = -1, .process_ms = -1, .store_ms = -1 } };
	if (l->task.kind == TASK_FETCH)
		do_fetch(&r);
	else
		do_steps(&r, l->task.kind == TASK_CUT ? cut_steps : make_steps);
	if (r.lent.id)
		do_lent_make(&r);
	darkroom_result_done(&r.pictures);
	darkroom_cut_done(&r.piece);
	recipe_done(&r.recipe);
	fd_close(&r.fd);
}

void run_took(struct run *r, int64_t *stage_ms, int64_t ms)
{
	*stage_ms = (*stage_ms > 0 ? *stage_ms : 0) + ms;
	metric_observe(METRIC_STAGE_SECONDS, (double)ms / 1000, r->outcome.stage);
}

void run_leave_host(struct run *r)
{
	if (!r->in_host)
		return;
	fetch_host_leave(r->w->o.fetch, r->l->task.host, r->retry_after_ms);
	lane_leave_host(r->l);
	r->in_host = false;
}

/* The arena's reference is looked for only where a name may hold it. */
static void new_key(struct run *r, const char *variant, const uint8_t sha256[SHA256_LEN],
	enum format f, char ret[BLOB_KEY_MAX + 1])
{
	const char *template = r->w->o.blob_key;
	const struct task *t = &r->l->task;
	char own[BLOB_KEY_MAX + 1];
	if (t->key_prefix) {
		blob_key_new(format_extension(f), own);
		snprintf(ret, BLOB_KEY_MAX + 1, "%s%s", t->key_prefix, own);
		return;
	}
	struct blob_name what = { .tenant = t->scope,
		.ref = template ? task_ref(t->input, r->l->arena) : NULL,
		.variant = variant,
		.sha256 = sha256,
		.ext = format_extension(f) };
	blob_key_make(template, &what, ret);
}

enum err_code run_put(struct run *r, int fd, int64_t bytes, enum format f, const char *variant,
	const uint8_t sha256[SHA256_LEN], char ret_key[BLOB_KEY_MAX + 1], struct err *e)
{
	static_assert(BLOB_KEY_MAX == BLOB_KEY_LEN_MAX, "one length of keys");
	char *key = r->written[r->written_n++];
	new_key(r, variant, sha256, f, key);
	enum err_code code = blob_put(r->w->o.blob, key, fd, bytes, format_media_type(f), e);
	if (code == OK)
		memcpy(ret_key, key, BLOB_KEY_MAX + 1);
	return code;
}

enum err_code run_sync(struct run *r, struct err *e)
{
	return blob_sync(r->w->o.blob, e);
}
