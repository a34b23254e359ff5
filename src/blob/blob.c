/* SPDX-License-Identifier: MIT
 *
 * Blob stores by URL scheme, and what all of them share: keys and the round trip for doctor.
 *
 * Keys come from us, yet every call checks them: a key travels through the database and through
 * signed links, and a store on a file system must never be talked into a path outside its folder.
 */
#include "blob/blob_impl.h"
#include "blob/s3.h"

#include "base/io.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct blob_impl *const impls[] = { &blob_file_impl, &blob_s3_impl };

enum err_code blob_open(const char *url, struct blob **ret, struct err *e)
{
	return blob_open_with(url, &(struct blob_opts){ 0 }, ret, e);
}

enum err_code blob_open_with(const char *url, const struct blob_opts *o, struct blob **ret,
	struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(impls); i++) {
		size_t n = strlen(impls[i]->scheme);
		if (strncmp(url, impls[i]->scheme, n) == 0 && url[n] == ':')
			return impls[i]->open(url, o, ret, e);
	}
	return err_set(e, ERR_USAGE, "--blob '%.100s': it is file:DIR or s3://BUCKET/PREFIX", url);
}

void blob_free(struct blob *b)
{
	if (b != NULL)
		b->impl->free(b);
}

/* [a-z0-9/._-], no empty part and none that begins with '.': names like those are the store's own,
 * and ".." is one of them. */
bool blob_key_is_good(const char *key)
{
	size_t n = strlen(key);
	if (n == 0 || n > BLOB_KEY_LEN_MAX || key[n - 1] == '/')
		return false;
	bool part_starts = true;
	for (const char *p = key; *p != '\0'; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '_' ||
			*p == '-';
		if (!plain && (part_starts || (*p != '.' && *p != '/')))
			return false;
		part_starts = *p == '/';
	}
	return true;
}

static enum err_code check_key(const char *key, struct err *e)
{
	return blob_key_is_good(key)
		? OK
		: err_set(e, ERR_BLOB_NOT_FOUND, "'%.60s' is no blob key", key);
}

enum err_code blob_put(struct blob *b, const char *key, int fd, int64_t bytes,
	const char *media_type, struct err *e)
{
	if (!blob_key_is_good(key))
		return err_set(e, ERR_BLOB_IO, "'%.60s' is no blob key", key);
	return b->impl->put(b, key, fd, bytes, media_type, false, e);
}

enum err_code blob_replace(struct blob *b, const char *key, int fd, int64_t bytes,
	const char *media_type, struct err *e)
{
	if (!blob_key_is_good(key))
		return err_set(e, ERR_BLOB_IO, "'%.60s' is no blob key", key);
	return b->impl->put(b, key, fd, bytes, media_type, true, e);
}

enum err_code blob_sync(struct blob *b, struct err *e)
{
	return b->impl->sync(b, e);
}

enum err_code blob_get(struct blob *b, const char *key, int *ret_fd, int64_t *ret_bytes,
	struct err *e)
{
	enum err_code rc = check_key(key, e);
	return rc != OK ? rc : b->impl->get(b, key, ret_fd, ret_bytes, e);
}

enum err_code blob_delete(struct blob *b, const char *key, struct err *e)
{
	return blob_key_is_good(key) ? b->impl->remove(b, key, e) : OK;
}

enum err_code blob_list(struct blob *b,
	bool (*fn)(void *ctx, const char *key, int64_t bytes, int64_t modified_ms), void *ctx,
	struct err *e)
{
	return b->impl->list(b, "", fn, ctx, e);
}

enum err_code blob_list_under(struct blob *b, const char *under,
	bool (*fn)(void *ctx, const char *key, int64_t bytes, int64_t modified_ms), void *ctx,
	struct err *e)
{
	return b->impl->list(b, under, fn, ctx, e);
}

enum err_code blob_size(struct blob *b, const char *key, int64_t *ret_bytes, struct err *e)
{
	enum err_code rc = check_key(key, e);
	return rc != OK ? rc : b->impl->size(b, key, ret_bytes, e);
}

struct blob_place blob_place(struct blob *b)
{
	return b->impl->place(b);
}

size_t blob_rights(struct blob *b, bool of_bucket, const char *ret[BLOB_RIGHTS_MAX])
{
	return blob_place(b).bucket != NULL ? s3_rights(of_bucket, ret) : 0;
}

char *blob_path(struct blob *b, const char *key)
{
	return blob_key_is_good(key) ? b->impl->path(b, key) : NULL;
}

enum err_code blob_link(struct blob *b, const char *method, const char *key, int64_t signed_ms,
	int64_t seconds, char **ret, struct err *e)
{
	*ret = NULL;
	return blob_key_is_good(key) ? b->impl->link(b, method, key, signed_ms, seconds, ret, e)
				     : OK;
}

static enum err_code check_readable(struct blob *b, const char *key, const char *want, size_t n,
	struct err *e)
{
	autofd fd = -1;
	int64_t bytes;
	char got[64];
	size_t got_n;
	enum err_code rc = blob_get(b, key, &fd, &bytes, e);
	if (rc == OK)
		rc = io_pread(fd, got, sizeof(got), 0, &got_n, e);
	if (rc == OK && (got_n != n || bytes != (int64_t)n || memcmp(got, want, n) != 0))
		rc = err_set(e, ERR_BLOB_IO, "a blob just written reads back differently");
	return rc;
}

enum err_code blob_check(struct blob *b, struct err *e)
{
	char key[BLOB_KEY_LEN_MAX + 1];
	autofd fd = -1;
	blob_key_new("check", key);
	enum err_code rc = io_memfd("blob-check", &fd, e);
	if (rc == OK)
		rc = io_write_all(fd, key, strlen(key), e);
	if (rc == OK)
		rc = blob_put(b, key, fd, (int64_t)strlen(key), "application/octet-stream", e);
	if (rc != OK)
		return rc;
	rc = blob_sync(b, e);
	if (rc == OK)
		rc = check_readable(b, key, key, strlen(key), e);
	struct err ignored; /* what went wrong first is the news */
	enum err_code removed = blob_delete(b, key, rc == OK ? e : &ignored);
	return rc != OK ? rc : removed;
}
