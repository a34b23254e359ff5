/* SPDX-License-Identifier: MIT
 *
 * One thread that asks the store what is due. A manifest is written to a file that nobody sees, page by
 * page, and put into place only when the store says that it is still the one to be written: so a reader
 * of the bucket who finds it finds everything that it names. While the blob store is away all that
 * waits is this thread.
 */
#include "app/manifests.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "view/view.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define RETRY_MS  5000
#define PIECE_MAX (64 << 20) /* of text: sixteen items */

struct manifests {
	struct manifests_opts o;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool woken, stopping, stopped;
	bool failing; /* and that was logged */
};

/* ---- one manifest ---- */

/* On a disk if there is one: it may be as large as the job. */
static enum err_code open_scratch(int *ret, struct err *e)
{
	*ret = open(P_tmpdir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return *ret >= 0 ? OK : io_memfd("manifest", ret, e);
}

static enum err_code write_text(const struct manifests_opts *o, const struct job_row *job, int fd,
	int64_t *ret_bytes, struct err *e)
{
	struct view_manifest m = { .job = job,
		.kept = true,
		.links = { .base_url = job->base_url,
			.events_url = job->base_url,
			.blob_url = o->blob_url ? o->blob_url : "../../..",
			.now_ms = clock_wall_ms() } };
	CLEANUP(buf_done) struct buf b = BUF_INIT(PIECE_MAX);
	enum err_code code = OK;
	bool more = true;

	for (*ret_bytes = 0; code == OK && more; *ret_bytes += (int64_t)b.len) {
		buf_reset(&b);
		code = view_manifest_next(&m, o->store, &b, &more, e);
		if (code == OK && b.full)
			code = err_set(e, ERR_MEMORY, "sixteen items of a manifest are too large");
		if (code == OK)
			code = io_write_all(fd, b.data, b.len, e);
	}
	return code;
}

static enum err_code put_one(const struct manifests_opts *o, const struct manifest_due *d,
	struct err *e)
{
	autofd fd = -1;
	int64_t bytes;
	bool still = false;

	if (open_scratch(&fd, e) != OK || write_text(o, d->job, fd, &bytes, e) != OK ||
		store_manifest_keep(o->store, d, o->lease_ms, &still, e) != OK)
		return e->code;
	if (!still)
		return OK;
	if (blob_replace(o->blob, d->key, fd, bytes, "application/json", e) != OK ||
		blob_sync(o->blob, e) != OK)
		return e->code;
	return store_manifest_done(o->store, d, e);
}

static enum err_code delete_one(const struct manifests_opts *o, const struct manifest_due *d,
	struct err *e)
{
	bool still = false;

	if (store_manifest_keep(o->store, d, o->lease_ms, &still, e) != OK)
		return e->code;
	if (!still)
		return OK;
	if (blob_delete(o->blob, d->key, e) != OK)
		return e->code;
	return store_manifest_done(o->store, d, e);
}

enum err_code manifests_do(const struct manifests_opts *o, bool deletions, bool *ret_any,
	struct err *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct manifest_due d;
	struct err ignored;

	if (store_manifest_claim(o->store, o->lease_ms, deletions, a, &d, e) != OK)
		return e->code;
	*ret_any = d.key[0] != '\0';
	if (!*ret_any)
		return OK;
	enum err_code code = d.job ? put_one(o, &d, e) : delete_one(o, &d, e);
	if (code != OK) /* else its lease runs out */
		(void)!store_manifest_later(o->store, &d, RETRY_MS, &ignored);
	return code;
}

/* ---- the thread ---- */

static void note(struct manifests *m, enum err_code code, bool any, const struct err *e)
{
	if (code != OK && code != ERR_STORE_UNAVAILABLE && !m->failing)
		log_event(LOG_MANIFEST_WAITS, NULL, "detail=\"%s\"", e->text);
	m->failing = code != OK || (m->failing && !any);
}

/* What failed is put off, so others come first next time. */
static void do_all(struct manifests *m)
{
	bool any = true, stopping = false;

	for (enum err_code code = OK; code == OK && any && !stopping;) {
		struct err e = { 0 };
		any = false;
		code = manifests_do(&m->o, false, &any, &e);
		note(m, code, any, &e);
		pthread_mutex_lock(&m->lock);
		stopping = m->stopping;
		pthread_mutex_unlock(&m->lock);
	}
}

static void await_wake(struct manifests *m)
{
	struct timespec until = clock_deadline(m->failing ? RETRY_MS : m->o.poll_ms);
	int timed_out = 0;

	while (!m->stopping && !m->woken && !timed_out)
		timed_out = pthread_cond_clockwait(&m->wake, &m->lock, CLOCK_MONOTONIC, &until);
	m->woken = false;
}

static void *manifests_main(void *arg)
{
	struct manifests *m = arg;

	pthread_setname_np(pthread_self(), "manifests");
	pthread_mutex_lock(&m->lock);
	while (!m->stopping) {
		pthread_mutex_unlock(&m->lock);
		do_all(m);
		pthread_mutex_lock(&m->lock);
		await_wake(m);
	}
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

struct manifests *manifests_new(const struct manifests_opts *o)
{
	struct manifests *m = mem_new(struct manifests);

	m->o = *o;
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->wake, NULL);
	if (pthread_create(&m->thread, NULL, manifests_main, m) == 0)
		return m;
	m->stopped = true;
	manifests_free(m);
	return NULL;
}

void manifests_wake(struct manifests *m)
{
	pthread_mutex_lock(&m->lock);
	m->woken = true;
	pthread_cond_signal(&m->wake);
	pthread_mutex_unlock(&m->lock);
}

void manifests_stop(struct manifests *m)
{
	if (!m || m->stopped)
		return;
	pthread_mutex_lock(&m->lock);
	m->stopping = true;
	pthread_cond_signal(&m->wake);
	pthread_mutex_unlock(&m->lock);
	pthread_join(m->thread, NULL);
	m->stopped = true;
}

void manifests_free(struct manifests *m)
{
	if (!m)
		return;
	manifests_stop(m);
	pthread_cond_destroy(&m->wake);
	pthread_mutex_destroy(&m->lock);
	free(m);
}
