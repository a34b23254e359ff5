/* SPDX-License-Identifier: MIT
 *
 * For implementers of a blob store; callers see only blob.h. All methods are mandatory; their
 * contracts are those of the blob.h calls of the same name.
 */
#ifndef BULB_BLOB_BLOB_IMPL_H
#define BULB_BLOB_BLOB_IMPL_H

#include "blob/blob.h"

struct blob {
	const struct blob_impl *impl;
};
struct blob_impl {
	const char *scheme; /* "file" */
	enum err_code (*open)(const char *url, const struct blob_opts *o, struct blob **ret,
		struct err *e);
	enum err_code (*put)(struct blob *b, const char *key, int fd, int64_t bytes,
		const char *media_type, bool replace, struct err *e);
	enum err_code (*sync)(struct blob *b, struct err *e);
	enum err_code (*get)(struct blob *b, const char *key, int *ret_fd, int64_t *ret_bytes,
		struct err *e);
	enum err_code (*remove)(struct blob *b, const char *key, struct err *e);
	enum err_code (*list)(struct blob *b, const char *under,
		bool (*fn)(void *ctx, const char *key, int64_t bytes, int64_t modified_ms),
		void *ctx, struct err *e);
	enum err_code (*size)(struct blob *b, const char *key, int64_t *ret_bytes, struct err *e);
	struct blob_place (*place)(struct blob *b);
	char *(*path)(struct blob *b, const char *key);
	enum err_code (*link)(struct blob *b, const char *method, const char *key,
		int64_t signed_ms, int64_t seconds, char **ret, struct err *e);
	void (*free)(struct blob *b); /* never NULL */
};
extern const struct blob_impl blob_file_impl, blob_s3_impl;

#endif
