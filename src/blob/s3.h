/* SPDX-License-Identifier: MIT
 *
 * A bucket behind the S3 protocol: one signed request with its retries, and the calls made of it.
 * Keys are any bytes here; blob_s3.c is what ties them to blobs. Thread-safe. Private to blob.
 */
#ifndef BULB_BLOB_S3_H
#define BULB_BLOB_S3_H

#include "base/buf.h"
#include "blob/blob.h"
#include "net/credentials.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	S3_IDLE_MAX = 128, /* connections kept open */
	S3_TRIES_MAX = 6,
	S3_PART_BYTES = 16 << 20, /* of a multipart upload; what is larger is uploaded so */
	S3_PARTS_MAX = 10000,
	S3_CODE_MAX = 64,
	S3_TEXT_MAX = 8 << 20, /* of an answer that is a document */
};

struct s3 {
	char *bucket, *prefix; /* prefix is "" or ends with '/' */
	char *origin;          /* "https://host" or with a port, as it is signed */
	char *base_path; /* before the key: "/bucket/", or "/" where the host names the bucket */
	char *region;
	char *encryption, *kms_key, *storage_class; /* or NULL */
	struct credentials *credentials;
	bool tls;
	atomic_bool no_condition; /* the server does not know If-None-Match */
	_Atomic int64_t ahead_ms; /* the server's clock, as far as it complained about ours */
	pthread_mutex_t lock;     /* of the clients that nobody uses */
	struct net_client *idle[S3_IDLE_MAX];
	size_t idle_n;
};

/* s3_open.c: "s3://BUCKET/PREFIX". ERR_USAGE. Asks nobody yet. */
enum err_code s3_open(const char *url, const struct blob_opts *o, struct s3 *ret, struct err *e)
	MUST_CHECK;
void s3_close(struct s3 *s); /* half-opened ones too */

/* s3_request.c */
struct s3_call {
	const char *method;
	const char *key; /* below the prefix; NULL: the bucket */
	const struct net_header *query;
	size_t query_n;
	const struct net_header *headers; /* names in lower case */
	size_t headers_n;
	const void *data; /* the body, or NULL */
	size_t data_n;
	const struct net_upload *upload; /* or this */
	int to_fd;                       /* where a good answer's body goes; -1: to answer.text */
	bool condition; /* the key must not be taken yet: If-None-Match, where known */
	bool slow;      /* may be silent for minutes */
};
struct s3_answer {
	int status;
	int tries;
	char code[S3_CODE_MAX]; /* of an error: "NoSuchKey"; "" */
	char etag[128];
	int64_t bytes;  /* of the body */
	int64_t length; /* Content-Length; -1 */
	char date[40];
	struct buf text;
};
void s3_answer_done(struct s3_answer *a);
/* Signs, sends, and tries again what may pass by itself. ERR_BLOB_NOT_FOUND: no such key (or
 * upload). ERR_BLOB_IO, with the server's code in the text and a.code. The caller ends *a, also
 * after a failure. */
enum err_code s3_do(struct s3 *s, const struct s3_call *c, struct s3_answer *a, struct err *e)
	MUST_CHECK;
char *s3_path(const struct s3 *s, const char *key, struct arena *a); /* plain */

/* s3_rights.c: what the bucket's owner must allow for this request, as IAM names it; NULL: unknown. */
const char *s3_right(const struct s3_call *c);
size_t s3_rights(bool of_bucket, const char *ret[BLOB_RIGHTS_MAX]);

/* s3_object.c; contracts as in blob.h */
enum err_code s3_put(struct s3 *s, const char *key, int fd, int64_t bytes, const char *media_type,
	bool replace, struct err *e) MUST_CHECK;
enum err_code s3_get(struct s3 *s, const char *key, int *ret_fd, int64_t *ret_bytes, struct err *e)
	MUST_CHECK;
enum err_code s3_head(struct s3 *s, const char *key, int64_t *ret_bytes, struct err *e) MUST_CHECK;
enum err_code s3_delete(struct s3 *s, const char *key, struct err *e) MUST_CHECK;
enum err_code s3_link(struct s3 *s, const char *method, const char *key, int64_t signed_ms,
	int64_t seconds, char **ret, struct err *e) MUST_CHECK;
/* The headers of every new object: at most S3_OBJECT_HEADERS. */
#define S3_OBJECT_HEADERS 5
size_t s3_object_headers(const struct s3 *s, const char *media_type, bool changes,
	struct net_header *ret);

/* s3_multipart.c */
enum err_code s3_put_parts(struct s3 *s, const char *key, int fd, int64_t bytes,
	const char *media_type, bool replace, struct err *e) MUST_CHECK;
/* Uploads that were begun before this moment and never completed take room and cost money. */
enum err_code s3_abort_old(struct s3 *s, int64_t before_ms, struct err *e) MUST_CHECK;

/* s3_list.c: keys below the prefix that begin with `under`, in the server's order. */
enum err_code s3_list(struct s3 *s, const char *under,
	bool (*fn)(void *ctx, const char *key, int64_t bytes, int64_t modified_ms), void *ctx,
	struct err *e) MUST_CHECK;

/* s3_xml.c: calls fn at the end of each element, with its depth (0: the root) and its own text.
 * false: it is not well-formed, or goes beyond what S3's documents need. */
typedef void s3_xml_fn(void *ctx, int depth, const char *name, const char *text);
bool s3_xml_read(const char *text, size_t n, s3_xml_fn *fn, void *ctx) MUST_CHECK;

#endif
