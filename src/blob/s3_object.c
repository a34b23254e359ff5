/* SPDX-License-Identifier: MIT
 *
 * One object: put, get, head, delete, and links that let others read it. An object never changes (but
 * for the few that are replaced), and its headers say so to every cache on the way.
 */
#include "blob/s3.h"

#include "base/io.h"

#include <string.h>

size_t s3_object_headers(const struct s3 *s, const char *media_type, bool changes,
	struct net_header *ret)
{
	size_t n = 0;
	ret[n++] = (struct net_header){ "content-type", media_type };
	ret[n++] = (struct net_header){ "cache-control",
		changes ? "no-cache" : "public, max-age=31536000, immutable" };
	if (s->encryption != NULL)
		ret[n++] = (struct net_header){ "x-amz-server-side-encryption", s->encryption };
	if (s->kms_key != NULL)
		ret[n++] = (struct net_header){ "x-amz-server-side-encryption-aws-kms-key-id",
			s->kms_key };
	if (s->storage_class != NULL)
		ret[n++] = (struct net_header){ "x-amz-storage-class", s->storage_class };
	return n;
}

enum err_code s3_put(struct s3 *s, const char *key, int fd, int64_t bytes, const char *media_type,
	bool replace, struct err *e)
{
	struct net_header h[S3_OBJECT_HEADERS];
	struct s3_answer a;
	int64_t have = io_size(fd);
	if (have >= 0 && have != bytes)
		return err_set(e, ERR_BLOB_IO, "the blob has %lld bytes, not %lld", (long long)have,
			(long long)bytes);
	if (bytes > S3_PART_BYTES)
		return s3_put_parts(s, key, fd, bytes, media_type, replace, e);
	struct net_upload up = { .fd = fd, .bytes = bytes };
	enum err_code rc = s3_do(s,
		&(struct s3_call){ .method = "PUT",
			.key = key,
			.headers = h,
			.headers_n = s3_object_headers(s, media_type, replace, h),
			.upload = &up,
			.to_fd = -1,
			.condition = !replace },
		&a, e);
	s3_answer_done(&a);
	return rc == ERR_BLOB_NOT_FOUND ? err_set(e, ERR_BLOB_IO, "S3 PUT %s: 404", s->bucket) : rc;
}

enum err_code s3_get(struct s3 *s, const char *key, int *ret_fd, int64_t *ret_bytes, struct err *e)
{
	struct s3_answer a;
	autofd fd = -1;
	struct err why;
	if (io_memfd("blob", &fd, &why) != OK)
		return err_set(e, ERR_BLOB_IO, "%s", why.text);
	enum err_code rc = s3_do(s, &(struct s3_call){ .method = "GET", .key = key, .to_fd = fd },
		&a, e);
	if (rc == OK && io_size(fd) != a.bytes)
		rc = err_set(e, ERR_BLOB_IO, "a blob was not read whole");
	if (rc == OK) {
		*ret_bytes = a.bytes;
		*ret_fd = fd_take(&fd);
	}
	s3_answer_done(&a);
	return rc;
}

enum err_code s3_head(struct s3 *s, const char *key, int64_t *ret_bytes, struct err *e)
{
	struct s3_answer a;
	enum err_code rc = s3_do(s, &(struct s3_call){ .method = "HEAD", .key = key, .to_fd = -1 },
		&a, e);
	if (rc == OK)
		*ret_bytes = a.length;
	s3_answer_done(&a);
	return rc;
}

enum err_code s3_delete(struct s3 *s, const char *key, struct err *e)
{
	struct s3_answer a;
	enum err_code rc = s3_do(s,
		&(struct s3_call){ .method = "DELETE", .key = key, .to_fd = -1 }, &a, e);
	s3_answer_done(&a);
	return rc == ERR_BLOB_NOT_FOUND ? OK : rc;
}

enum err_code s3_link(struct s3 *s, const char *method, const char *key, int64_t signed_ms,
	int64_t seconds, char **ret, struct err *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct aws_keys keys = { 0 };
	enum err_code rc = credentials_get(s->credentials, &keys, e);
	if (rc != OK)
		return rc;
	*ret = mem_strdup(sigv4_presign(&(struct sigv4_signer){ .keys = &keys,
						.region = s->region,
						.service = "s3",
						.wall_ms = signed_ms },
		&(struct sigv4_request){ .method = method,
			.origin = s->origin,
			.path = s3_path(s, key, a),
			.payload = SIGV4_UNSIGNED_PAYLOAD },
		seconds < SIGV4_PRESIGN_SECONDS_MAX ? seconds : SIGV4_PRESIGN_SECONDS_MAX, a));
	aws_keys_done(&keys);
	return OK;
}
