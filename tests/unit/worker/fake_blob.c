/* SPDX-License-Identifier: MIT
 *
 * The real blob files, behind a door that counts and sometimes stays shut.
 */
#include "fakes.h"

#include "base/io.h"

#include <stdlib.h>

struct fake_blobs fake_blobs;

struct fake_blob {
	struct blob base;
	struct blob *real;
	char dir[64];
};

static struct blob *real_of(struct blob *b)
{
	return ((struct fake_blob *)b)->real;
}

static bool is_bad(atomic_int *left)
{
	return atomic_load(left) > 0 && atomic_fetch_sub(left, 1) > 0;
}

static enum err_code put(struct blob *b, const char *key, int fd, int64_t bytes,
	const char *media_type, bool replace, struct err *e)
{
	(void)replace;
	atomic_fetch_add(&fake_blobs.puts, 1);
	if (is_bad(&fake_blobs.bad_puts))
		return err_set(e, ERR_BLOB_IO, "the disk is full");
	return blob_put(real_of(b), key, fd, bytes, media_type, e);
}

static enum err_code sync_all(struct blob *b, struct err *e)
{
	atomic_fetch_add(&fake_blobs.syncs, 1);
	if (is_bad(&fake_blobs.bad_syncs))
		return err_set(e, ERR_BLOB_IO, "the disk is gone");
	return blob_sync(real_of(b), e);
}

static enum err_code get(struct blob *b, const char *key, int *ret_fd, int64_t *ret_bytes,
	struct err *e)
{
	atomic_fetch_add(&fake_blobs.gets, 1);
	return blob_get(real_of(b), key, ret_fd, ret_bytes, e);
}

static enum err_code remove_one(struct blob *b, const char *key, struct err *e)
{
	atomic_fetch_add(&fake_blobs.removed, 1);
	return blob_delete(real_of(b), key, e);
}

static const struct blob_impl fake_impl = { .scheme = "fake",
	.put = put,
	.sync = sync_all,
	.get = get,
	.remove = remove_one };

struct blob *fake_blob_open(void)
{
	struct fake_blob *f = mem_new(struct fake_blob);
	struct err e = { 0 };
	f->base.impl = &fake_impl;
	snprintf(f->dir, sizeof(f->dir), "/tmp/bulb-worker-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	autofree char *url = mem_printf("file:%s?sync=none", f->dir);
	assert_ok(blob_open(url, &f->real, &e));
	return &f->base;
}

void fake_blob_close(struct blob *b)
{
	struct fake_blob *f = (struct fake_blob *)b;
	blob_free(f->real);
	io_remove_tree(f->dir);
	free(f);
}

char *fake_blob_text(struct blob *b, const char *key)
{
	autofd fd = -1;
	int64_t bytes;
	size_t n;
	struct err e = { 0 };
	char text[512] = "";
	if (blob_get(real_of(b), key, &fd, &bytes, &e) != OK)
		return NULL;
	assert_ok(io_pread(fd, text, sizeof(text) - 1, 0, &n, &e));
	assert_int_equal(n, bytes);
	return mem_strdup(text);
}
