/* SPDX-License-Identifier: MIT
 *
 * A blob is read twice: for its digest, and to be stored. Between a bucket and us lies a network, so
 * several are under way at a time; the first error of a store ends all, while a blob that is damaged
 * only ends itself.
 */
#include "app/carry.h"

#include "base/digest.h"
#include "base/io.h"
#include "job/recipe.h"

#include <pthread.h>
#include <string.h>

#define THREADS 8
#define PART    (128 << 10)

struct batch {
	struct carry *c;
	struct copy_blob *v;
	size_t n, next;
	int64_t blobs, bytes;
	enum err_code code;
	struct err why;
	pthread_mutex_t lock;
};

static enum err_code digest_of(int fd, uint8_t ret[SHA256_LEN], struct err *e)
{
	autofree char *part = mem_zalloc(PART);
	struct sha256 *sum = sha256_new();
	enum err_code code = OK;
	size_t got = 1;

	for (off_t at = 0; code == OK && got > 0; at += (off_t)got) {
		code = io_pread(fd, part, PART, at, &got, e);
		if (code == OK)
			sha256_add(sum, part, got);
	}
	sha256_end(sum, ret);
	return code;
}

static enum err_code check(int fd, int64_t bytes, const struct copy_blob *b, const char **ret_why,
	struct err *e)
{
	uint8_t digest[SHA256_LEN];

	*ret_why = NULL;
	if (!b->sha256)
		return OK;
	if (bytes != b->bytes) {
		*ret_why = "it has another length than it had";
		return OK;
	}
	enum err_code code = digest_of(fd, digest, e);
	if (code == OK && memcmp(digest, b->sha256, SHA256_LEN) != 0)
		*ret_why = "its bytes are not those that were stored (SHA-256)";
	return code;
}

static const char *media_type_of(const char *key)
{
	const char *dot = strrchr(key, '.');
	enum format f;

	return dot && format_parse(dot + 1, &f) && f != FORMAT_NONE ? format_media_type(f)
								    : "application/octet-stream";
}

/* An earlier copy may have been cut off behind this blob: no row of the target names what is there. */
static enum err_code put_anew(struct blob *to, const char *key, int fd, int64_t bytes,
	struct err *e)
{
	struct err first;

	if (blob_put(to, key, fd, bytes, media_type_of(key), &first) == OK)
		return OK;
	if (blob_delete(to, key, e) != OK)
		return e->code;
	return blob_put(to, key, fd, bytes, media_type_of(key), e);
}

static enum err_code carry_one(struct carry *c, struct copy_blob *b, int64_t *ret_bytes,
	struct err *e)
{
	const char *why = NULL;
	autofd fd = -1;
	int64_t bytes = 0;
	enum err_code code = blob_get(c->from, b->key, &fd, &bytes, e);

	if (code == ERR_BLOB_NOT_FOUND)
		why = "it is not there";
	else if (code != OK || check(fd, bytes, b, &why, e) != OK)
		return e->code;
	b->bad = why != NULL;
	if (b->bad && !b->spare)
		c->bad(c->ctx, b, why);
	if (b->bad)
		return OK;
	*ret_bytes = bytes;
	return put_anew(c->to, b->key, fd, bytes, e);
}

static void *carry_some(void *arg)
{
	struct batch *t = arg;

	for (;;) {
		struct err e = { 0 };
		int64_t bytes = -1;
		pthread_mutex_lock(&t->lock);
		struct copy_blob *b = t->code == OK && t->next < t->n ? &t->v[t->next++] : NULL;
		pthread_mutex_unlock(&t->lock);
		if (!b)
			return NULL;
		enum err_code code = carry_one(t->c, b, &bytes, &e);
		pthread_mutex_lock(&t->lock);
		if (code != OK && t->code == OK) {
			t->code = code;
			t->why = e;
		}
		t->blobs += bytes >= 0;
		t->bytes += bytes >= 0 ? bytes : 0;
		pthread_mutex_unlock(&t->lock);
	}
}

enum err_code carry_blobs(void *carry, struct copy_blob *v, size_t n, struct err *e)
{
	struct batch t = { .c = carry, .v = v, .n = n };
	pthread_t threads[THREADS];
	size_t started = 0, wanted = n < THREADS ? n : THREADS;

	pthread_mutex_init(&t.lock, NULL);
	while (started < wanted && pthread_create(&threads[started], NULL, carry_some, &t) == 0)
		started++;
	(void)carry_some(&t); /* with the others, or alone where there are none to be had */
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	pthread_mutex_destroy(&t.lock);
	t.c->blobs += t.blobs;
	t.c->bytes += t.bytes;
	if (t.code != OK)
		return err_set(e, t.code, "%s", t.why.text);
	return blob_sync(t.c->to, e);
}
