/* SPDX-License-Identifier: MIT
 *
 * Blobs: immutable bytes under keys that are never used twice (but for blob_replace). Every call may block and is
 * thread-safe. Bytes are never read or written through anything but these calls.
 */
#ifndef BULB_BLOB_BLOB_H
#define BULB_BLOB_BLOB_H

#include "base/err.h"

#include <stdint.h>

#define BLOB_KEY_LEN_MAX 255

struct blob;

/* What a URL does not say. Strings may be NULL: the default. */
struct blob_opts {
	char *const *environment;     /* AWS_*: keys, region, endpoint; outlives the store */
	const char *s3_style;         /* "path", "virtual", "auto" */
	const char *s3_encryption;    /* x-amz-server-side-encryption of new objects */
	const char *s3_kms_key;       /* the key of aws:kms */
	const char *s3_storage_class; /* x-amz-storage-class of new objects */
};
/* "file:DIR" (made if missing), "s3://BUCKET/PREFIX" (not asked yet: see blob_check; net_init was
 * called). ERR_USAGE, ERR_BLOB_IO. */
enum err_code blob_open_with(const char *url, const struct blob_opts *o, struct blob **ret,
	struct err *e) MUST_CHECK;
enum err_code blob_open(const char *url, struct blob **ret, struct err *e) MUST_CHECK;
void blob_free(struct blob *b);
static inline void blob_freep(struct blob **b)
{
	blob_free(*b);
	*b = NULL;
}

/* A fresh key: two characters that spread folders, '/', 26 random ones, '.', ext. */
void blob_key_new(const char *ext, char ret[BLOB_KEY_LEN_MAX + 1]);
/* What a template's fields stand for: {tenant} {ref} {variant} {sha256} {sha8} {ext}. */
struct blob_name {
	int64_t tenant;
	const char *ref;     /* or NULL */
	const char *variant; /* "source" and "cutout" too */
	const uint8_t *sha256;
	const char *ext;
};
/* A fresh key that begins as the template says (NULL: none), has random characters before the
 * extension, and no other than small letters, digits and . _ - in its parts. */
void blob_key_make(const char *template, const struct blob_name *what,
	char ret[BLOB_KEY_LEN_MAX + 1]);
/* ERR_USAGE: no template, or one without {sha256} or {sha8}. */
enum err_code blob_key_check(const char *template, struct err *e) MUST_CHECK;
bool blob_key_is_good(const char *key);

/* Store the `bytes` bytes of fd (from its start; fd stays the caller's). Not durable before
 * blob_sync; never visible half-written. ERR_BLOB_IO. */
enum err_code blob_put(struct blob *b, const char *key, int fd, int64_t bytes,
	const char *media_type, struct err *e) MUST_CHECK;
/* The same for the few blobs that change: what is there under the key goes, whole, for the new bytes,
 * and caches are told to ask. */
enum err_code blob_replace(struct blob *b, const char *key, int fd, int64_t bytes,
	const char *media_type, struct err *e) MUST_CHECK;
/* Everything put before this call began is durable, folders included. Callers that meet share one
 * sync. ERR_BLOB_IO. */
enum err_code blob_sync(struct blob *b, struct err *e) MUST_CHECK;
/* A descriptor to read the blob from its start, and its length. ERR_BLOB_NOT_FOUND, ERR_BLOB_IO. */
enum err_code blob_get(struct blob *b, const char *key, int *ret_fd, int64_t *ret_bytes,
	struct err *e) MUST_CHECK;
/* Gone afterwards, also when it was not there. */
enum err_code blob_delete(struct blob *b, const char *key, struct err *e) MUST_CHECK;
/* Every blob, in no order. Stops when fn returns false. modified_ms is wall time. */
enum err_code blob_list(struct blob *b,
	bool (*fn)(void *ctx, const char *key, int64_t bytes, int64_t modified_ms), void *ctx,
	struct err *e) MUST_CHECK;
/* Those whose keys begin with `under`. */
enum err_code blob_list_under(struct blob *b, const char *under,
	bool (*fn)(void *ctx, const char *key, int64_t bytes, int64_t modified_ms), void *ctx,
	struct err *e) MUST_CHECK;
/* Its length, without its bytes. ERR_BLOB_NOT_FOUND, ERR_BLOB_IO. */
enum err_code blob_size(struct blob *b, const char *key, int64_t *ret_bytes, struct err *e)
	MUST_CHECK;
/* Where others find the blobs, if they may write some; strings live as long as b. */
struct blob_place {
	const char *bucket;          /* NULL: this store has no place for others */
	const char *region, *prefix; /* prefix: before every key; "" or "…/" */
};
struct blob_place blob_place(struct blob *b);
/* The names of what a process must be allowed to do to the place's blobs (or to the bucket itself), as IAM
 * has them; how many. */
#define BLOB_RIGHTS_MAX 12
size_t blob_rights(struct blob *b, bool of_bucket, const char *ret[BLOB_RIGHTS_MAX]);
/* The path of a blob that is a plain file (`bulb run` links it into place), else NULL; the caller
 * frees. */
char *blob_path(struct blob *b, const char *key);
/* A URL under which anybody may do `method` to the blob, signed at that moment (equal moments give
 * equal URLs) and good for so many seconds, at most seven days, or until the keys it is signed with
 * expire. *ret is NULL where the store has no way for others; the caller frees. ERR_BLOB_IO,
 * ERR_USAGE, ERR_SYSTEM, ERR_FETCH_*: no keys to sign with. */
enum err_code blob_link(struct blob *b, const char *method, const char *key, int64_t signed_ms,
	int64_t seconds, char **ret, struct err *e) MUST_CHECK;
/* A write, a sync, a read back and a delete, for doctor and /readyz. */
enum err_code blob_check(struct blob *b, struct err *e) MUST_CHECK;

#endif
