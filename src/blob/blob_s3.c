/* SPDX-License-Identifier: MIT
 *
 * Blobs as objects of a bucket. S3 answers a PUT when the bytes are durable, so there is nothing to
 * sync. A blob to read is fetched whole into memory that has a descriptor: what reads them, reads
 * files. Browsers are sent to the bucket itself (blob_link).
 *
 * A modified time of 0 (the server's was not readable) would make a blob look old to who collects
 * orphans: such entries are not listed.
 */
#include "base/clock.h"
#include "blob/blob_impl.h"
#include "blob/s3.h"

#include <assert.h>
#include <string.h>

#define ABANDONED_MS (24ll * 3600 * 1000) /* no upload takes so long */

struct s3_blob {
	struct blob base;
	struct s3 s3;
};

static struct s3 *s3_of(struct blob *b)
{
	assert(b->impl == &blob_s3_impl);
	return &((struct s3_blob *)b)->s3;
}

static enum err_code s3_blob_open(const char *url, const struct blob_opts *o, struct blob **ret,
	struct err *e)
{
	CLEANUP(blob_freep) struct blob *b = &mem_new(struct s3_blob)->base;
	b->impl = &blob_s3_impl;
	enum err_code rc = s3_open(url, o, s3_of(b), e);
	if (rc == OK)
		*ret = TAKE(&b);
	return rc;
}

static enum err_code s3_blob_put(struct blob *b, const char *key, int fd, int64_t bytes,
	const char *media_type, bool replace, struct err *e)
{
	return s3_put(s3_of(b), key, fd, bytes, media_type, replace, e);
}

static enum err_code s3_blob_sync(struct blob *b, struct err *e)
{
	(void)b, (void)e;
	return OK;
}

static enum err_code s3_blob_get(struct blob *b, const char *key, int *ret_fd, int64_t *ret_bytes,
	struct err *e)
{
	return s3_get(s3_of(b), key, ret_fd, ret_bytes, e);
}

static enum err_code s3_blob_remove(struct blob *b, const char *key, struct err *e)
{
	return s3_delete(s3_of(b), key, e);
}

struct listing {
	bool (*fn)(void *ctx, const char *key, int64_t bytes, int64_t modified_ms);
	void *ctx;
};

static bool list_dated(void *ctx, const char *key, int64_t bytes, int64_t modified_ms)
{
	struct listing *l = ctx;
	return modified_ms == 0 || strlen(key) > BLOB_KEY_LEN_MAX ||
		l->fn(l->ctx, key, bytes, modified_ms);
}

/* Who lists collects garbage, and what dead processes left of their uploads is some. A server that
 * cannot name them is no reason to list nothing. */
static enum err_code s3_blob_list(struct blob *b, const char *under,
	bool (*fn)(void *ctx, const char *key, int64_t bytes, int64_t modified_ms), void *ctx,
	struct err *e)
{
	struct listing l = { fn, ctx };
	struct err ignored;
	if (under[0] == '\0')
		(void)!s3_abort_old(s3_of(b), clock_wall_ms() - ABANDONED_MS, &ignored);
	return s3_list(s3_of(b), under, list_dated, &l, e);
}

static enum err_code s3_blob_size(struct blob *b, const char *key, int64_t *ret_bytes,
	struct err *e)
{
	return s3_head(s3_of(b), key, ret_bytes, e);
}

static struct blob_place s3_blob_place(struct blob *b)
{
	const struct s3 *s = s3_of(b);
	return (struct blob_place){ s->bucket, s->region, s->prefix };
}

static char *s3_blob_path(struct blob *b, const char *key)
{
	(void)b, (void)key;
	return NULL;
}

static enum err_code s3_blob_link(struct blob *b, const char *method, const char *key,
	int64_t signed_ms, int64_t seconds, char **ret, struct err *e)
{
	return s3_link(s3_of(b), method, key, signed_ms, seconds, ret, e);
}

static void s3_blob_free(struct blob *b)
{
	s3_close(s3_of(b));
	free(b);
}

const struct blob_impl blob_s3_impl = {
	.scheme = "s3",
	.open = s3_blob_open,
	.put = s3_blob_put,
	.sync = s3_blob_sync,
	.get = s3_blob_get,
	.remove = s3_blob_remove,
	.list = s3_blob_list,
	.size = s3_blob_size,
	.place = s3_blob_place,
	.path = s3_blob_path,
	.link = s3_blob_link,
	.free = s3_blob_free,
};
