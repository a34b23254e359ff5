/* SPDX-License-Identifier: MIT
 *
 * A large object in parts: a reset costs one part and not the whole, and S3 takes at most 5 GiB in
 * one piece. Nothing can be seen under the key until the last request, which S3 may answer with 200
 * and an error. Whatever goes wrong, the parts are given up: they are paid for until they are. Those
 * of a process that died are found by s3_abort_old.
 */
#include "base/clock.h"
#include "blob/s3.h"

#include <string.h>

#define UPLOAD_ID_MAX 1024
#define UPLOADS_PAGE  "1000"

struct upload {
	struct s3 *s;
	const char *key;
	char id[UPLOAD_ID_MAX];
	struct buf parts; /* the document that names them all */
};

/* ---- the four requests ---- */

static void find_id(void *ctx, int depth, const char *name, const char *text)
{
	struct upload *u = ctx;
	if (depth == 1 && strcmp(name, "UploadId") == 0)
		snprintf(u->id, sizeof(u->id), "%s", text);
}

static enum err_code begin(struct upload *u, const char *media_type, bool replace, struct err *e)
{
	static const struct net_header uploads = { "uploads", "" };
	struct net_header h[S3_OBJECT_HEADERS];
	struct s3_answer a;
	enum err_code rc = s3_do(u->s,
		&(struct s3_call){ .method = "POST",
			.key = u->key,
			.query = &uploads,
			.query_n = 1,
			.headers = h,
			.headers_n = s3_object_headers(u->s, media_type, replace, h),
			.data = "",
			.to_fd = -1 },
		&a, e);
	if (rc == OK &&
		(!s3_xml_read(buf_str(&a.text), a.text.len, find_id, u) || u->id[0] == '\0'))
		rc = err_set(e, ERR_BLOB_IO, "S3 began an upload without naming it");
	s3_answer_done(&a);
	return rc;
}

static enum err_code send_part(struct upload *u, int number, const struct net_upload *what,
	struct err *e)
{
	char text[12];
	struct s3_answer a;
	snprintf(text, sizeof(text), "%d", number);
	const struct net_header q[] = { { "partNumber", text }, { "uploadId", u->id } };
	enum err_code rc = s3_do(u->s,
		&(struct s3_call){ .method = "PUT",
			.key = u->key,
			.query = q,
			.query_n = ARRAY_LEN(q),
			.upload = what,
			.to_fd = -1 },
		&a, e);
	if (rc == OK && (a.etag[0] == '\0' || strpbrk(a.etag, "<>&") != NULL))
		rc = err_set(e, ERR_BLOB_IO, "S3 took a part without an ETag");
	if (rc == OK &&
		!buf_printf(&u->parts, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>",
			number, a.etag))
		rc = err_set(e, ERR_BLOB_IO, "too many parts");
	s3_answer_done(&a);
	return rc;
}

static enum err_code complete(struct upload *u, int64_t bytes, struct err *e)
{
	const struct net_header id = { "uploadId", u->id };
	static const struct net_header type = { "content-type", "application/xml" };
	struct s3_answer a;
	buf_puts(&u->parts, "</CompleteMultipartUpload>");
	enum err_code rc = s3_do(u->s,
		&(struct s3_call){ .method = "POST",
			.key = u->key,
			.query = &id,
			.query_n = 1,
			.headers = &type,
			.headers_n = 1,
			.data = buf_str(&u->parts),
			.data_n = u->parts.len,
			.to_fd = -1,
			.slow = true },
		&a, e);
	int64_t there = -1;
	struct err none;
	/* An earlier try may have got through, and its answer been lost: then the upload is gone. */
	if (rc == ERR_BLOB_NOT_FOUND && a.tries > 1 && s3_head(u->s, u->key, &there, &none) == OK &&
		there == bytes)
		rc = OK;
	s3_answer_done(&a);
	return rc == ERR_BLOB_NOT_FOUND ? err_set(e, ERR_BLOB_IO, "S3 lost an upload's parts") : rc;
}

static enum err_code give_up(struct s3 *s, const char *key, const char *id, struct err *e)
{
	const struct net_header q = { "uploadId", id };
	struct s3_answer a;
	enum err_code rc = s3_do(s,
		&(struct s3_call){ .method = "DELETE",
			.key = key,
			.query = &q,
			.query_n = 1,
			.to_fd = -1 },
		&a, e);
	s3_answer_done(&a);
	return rc == ERR_BLOB_NOT_FOUND ? OK : rc;
}

/* ---- the whole ---- */

static int64_t part_bytes(int64_t bytes)
{
	int64_t least = bytes / S3_PARTS_MAX + 1;
	return least > S3_PART_BYTES ? least : S3_PART_BYTES;
}

enum err_code s3_put_parts(struct s3 *s, const char *key, int fd, int64_t bytes,
	const char *media_type, bool replace, struct err *e)
{
	struct upload u = { .s = s, .key = key, .parts = BUF_INIT(4 << 20) };
	int64_t size = part_bytes(bytes);
	buf_puts(&u.parts,
		"<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	enum err_code rc = begin(&u, media_type, replace, e);
	int number = 1;
	for (int64_t at = 0; rc == OK && at < bytes; at += size) {
		struct net_upload part = { .fd = fd,
			.at = at,
			.bytes = bytes - at < size ? bytes - at : size };
		rc = send_part(&u, number++, &part, e);
	}
	if (rc == OK)
		rc = complete(&u, bytes, e);
	struct err ignored; /* what went wrong first is the news */
	if (rc != OK && u.id[0] != '\0')
		(void)!give_up(s, key, u.id, &ignored);
	buf_done(&u.parts);
	return rc;
}

/* ---- those that others left ---- */

struct old_uploads {
	struct s3 *s;
	int64_t before_ms;
	char key[2048], id[UPLOAD_ID_MAX];
	int64_t begun_ms;
	enum err_code rc;
	struct err *e;
};

static void on_upload(void *ctx, int depth, const char *name, const char *text)
{
	struct old_uploads *o = ctx;
	size_t prefix = strlen(o->s->prefix);
	if (depth == 2 && strcmp(name, "Key") == 0)
		snprintf(o->key, sizeof(o->key), "%s", text);
	else if (depth == 2 && strcmp(name, "UploadId") == 0)
		snprintf(o->id, sizeof(o->id), "%s", text);
	else if (depth == 2 && strcmp(name, "Initiated") == 0)
		(void)!clock_parse_rfc3339(text, &o->begun_ms);
	if (depth != 1 || strcmp(name, "Upload") != 0)
		return;
	if (o->rc == OK && o->begun_ms != 0 && o->begun_ms < o->before_ms &&
		strncmp(o->key, o->s->prefix, prefix) == 0)
		o->rc = give_up(o->s, o->key + prefix, o->id, o->e);
	o->begun_ms = 0;
}

/* One page is enough: who comes again finds the next, now that these are gone. */
enum err_code s3_abort_old(struct s3 *s, int64_t before_ms, struct err *e)
{
	const struct net_header q[] = { { "uploads", "" }, { "prefix", s->prefix },
		{ "max-uploads", UPLOADS_PAGE } };
	struct s3_answer a;
	struct old_uploads o = { .s = s, .before_ms = before_ms, .rc = OK, .e = e };
	enum err_code rc = s3_do(s,
		&(struct s3_call){ .method = "GET",
			.query = q,
			.query_n = ARRAY_LEN(q),
			.to_fd = -1 },
		&a, e);
	if (rc == OK && !s3_xml_read(buf_str(&a.text), a.text.len, on_upload, &o))
		rc = err_set(e, ERR_BLOB_IO, "S3's list of uploads cannot be read");
	s3_answer_done(&a);
	return rc != OK ? rc : o.rc;
}
