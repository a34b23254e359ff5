/* SPDX-License-Identifier: MIT
 *
 * One request to a bucket, until it is answered for good. What may pass by itself is tried again
 * after a random part of a pause that doubles: errors of the network, the statuses and codes that S3
 * calls temporary, and a 200 whose document is an error, as long operations answer. A client that is
 * told that its keys, its clock or its If-None-Match are wrong mends that and tries at once.
 *
 * Each client holds one kept-alive connection; who needs one takes it from the pool and puts it back.
 */
#include "blob/s3.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/id.h"
#include "base/io.h"

#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum {
	PAUSE_MS = 200, /* doubles with each try */
	PAUSE_MAX_MS = 10000,
	CONNECT_MS = 5000,
	LOW_SPEED_BYTES = 1024,
	LOW_SPEED_MS = 10000,
	SLOW_MS = 10 * 60 * 1000,
	SMALL_BYTES = 60 << 10, /* libcurl sends so much together with the head */
	HEADERS_MAX = 12,
};

void s3_answer_done(struct s3_answer *a)
{
	buf_done(&a->text);
}

char *s3_path(const struct s3 *s, const char *key, struct arena *a)
{
	return key != NULL ? arena_printf(a, "%s%s%s", s->base_path, s->prefix, key)
			   : arena_strdup(a, s->base_path);
}

/* ---- the pool ---- */

static struct net_client *take_client(struct s3 *s)
{
	static const struct net_guard off = { .off = true }; /* the operator chose the address */
	pthread_mutex_lock(&s->lock);
	struct net_client *c = s->idle_n > 0 ? s->idle[--s->idle_n] : NULL;
	pthread_mutex_unlock(&s->lock);
	return c != NULL ? c : net_client_new(&off);
}

static void give_client(struct s3 *s, struct net_client *c)
{
	pthread_mutex_lock(&s->lock);
	if (s->idle_n < S3_IDLE_MAX)
		s->idle[s->idle_n++] = TAKE(&c);
	pthread_mutex_unlock(&s->lock);
	net_client_free(c);
}

/* ---- one try ---- */

struct
try {
	const struct s3_call *call;
	struct s3_answer *answer;
	struct err *write_error;
	bool document; /* what comes is XML, which no blob is: something went wrong */
};

static bool on_header(void *ctx, const char *name, const char *value)
{
	struct s3_answer *a = ((struct try *)ctx)->answer;
	if (strcasecmp(name, "etag") == 0)
		snprintf(a->etag, sizeof(a->etag), "%s", value);
	else if (strcasecmp(name, "date") == 0)
		snprintf(a->date, sizeof(a->date), "%s", value);
	else if (strcasecmp(name, "content-type") == 0)
		((struct try *)ctx)->document = strncasecmp(value, "application/xml", 15) == 0;
	else if (strcasecmp(name, "content-length") == 0)
		a->length = strtoll(value, NULL, 10);
	return true;
}

static bool on_status(void *ctx, int status)
{
	((struct try *)ctx)->answer->status = status;
	return true;
}

static bool on_body(void *ctx, const void *data, size_t n)
{
	struct try *t = ctx;
	if (t->call->to_fd < 0 || t->answer->status != 200 || t->document)
		return buf_add(&t->answer->text, data, n);
	return io_write_all(t->call->to_fd, data, n, t->write_error) == OK;
}

/* Over TLS the bytes are protected already; without it their digest is signed. */
static enum err_code digest_of(const struct s3 *s, const struct s3_call *c, char out[65],
	struct err *e)
{
	uint8_t digest[SHA256_LEN];
	char part[64 << 10];
	if (s->tls && c->upload != NULL) {
		snprintf(out, 65, "%s", SIGV4_UNSIGNED_PAYLOAD);
		return OK;
	}
	struct sha256 *sum = sha256_new();
	if (c->data != NULL)
		sha256_add(sum, c->data, c->data_n);
	int64_t left = c->upload != NULL ? c->upload->bytes : 0;
	enum err_code rc = OK;
	for (size_t got; rc == OK && left > 0; left -= (int64_t)got) {
		size_t want = left < (int64_t)sizeof(part) ? (size_t)left : sizeof(part);
		int64_t at = c->upload->at + c->upload->bytes - left;
		rc = io_pread(c->upload->fd, part, want, (off_t)at, &got, e);
		if (rc == OK && got == 0)
			rc = err_set(e, ERR_SYSTEM, "the blob is shorter than was said");
		if (rc == OK)
			sha256_add(sum, part, got);
	}
	sha256_end(sum, digest);
	hex_format(digest, sizeof(digest), out);
	return rc;
}

static size_t headers_of(const struct s3 *s, const struct s3_call *c, struct net_header *h)
{
	size_t n = 0;
	for (; n < c->headers_n; n++)
		h[n] = c->headers[n];
	if (c->condition && !atomic_load(&s->no_condition))
		h[n++] = (struct net_header){ "if-none-match", "*" };
	return n;
}

static enum err_code sign(struct s3 *s, const struct s3_call *c, const char *payload,
	struct arena *a, struct sigv4_signed *ret, struct err *e)
{
	struct aws_keys keys = { 0 };
	struct net_header h[HEADERS_MAX];
	if (credentials_get(s->credentials, &keys, e) != OK)
		return e->code;
	sigv4_sign(&(struct sigv4_signer){ .keys = &keys,
			   .region = s->region,
			   .service = "s3",
			   .wall_ms = clock_wall_ms() + atomic_load(&s->ahead_ms) },
		&(struct sigv4_request){ .method = c->method,
			.origin = s->origin,
			.path = s3_path(s, c->key, a),
			.query = c->query,
			.query_n = c->query_n,
			.headers = h,
			.headers_n = headers_of(s, c, h),
			.payload = payload },
		a, ret);
	aws_keys_done(&keys);
	return OK;
}

/* Back to an answer that nothing is known of. */
static void start_over(const struct s3_call *c, struct s3_answer *a)
{
	buf_reset(&a->text);
	a->text.full = false;
	a->status = 0;
	a->code[0] = a->etag[0] = a->date[0] = '\0';
	a->length = -1;
	if (c->to_fd >= 0 && (ftruncate(c->to_fd, 0) != 0 || lseek(c->to_fd, 0, SEEK_SET) != 0))
		a->bytes = -1; /* found out by the length */
}

static enum err_code try_once(struct s3 *s, const struct s3_call *c, const char *payload,
	struct s3_answer *a, struct err *e)
{
	CLEANUP(arena_freep) struct arena *arena = arena_new();
	struct sigv4_signed q;
	struct err write_error = { 0 };
	struct try t = { c, a, &write_error };
	struct net_response answer = { 0 };
	start_over(c, a);
	if (sign(s, c, payload, arena, &q, e) != OK)
		return e->code;
	struct net_client *client = take_client(s);
	enum err_code rc = net_do(client,
		&(struct net_request){ .method = c->method,
			.url = q.url,
			.headers = q.headers,
			.headers_n = q.headers_n,
			.body = c->data,
			.body_n = c->data_n,
			.upload = c->upload,
			.path_as_is = true,
			.proxy = true,
			.connect_ms = CONNECT_MS,
			.total_ms = c->slow ? SLOW_MS : 0,
			.low_speed_bytes = c->slow ? 0 : LOW_SPEED_BYTES,
			.low_speed_ms = c->slow ? 0 : LOW_SPEED_MS,
			.on_status = on_status,
			.on_header = on_header,
			.on_body = on_body,
			.ctx = &t },
		&answer, e);
	give_client(s, client);
	a->bytes = answer.body_bytes;
	if (write_error.code != OK)
		return err_set(e, ERR_BLOB_IO, "%s", write_error.text);
	if (rc == OK && answer.stopped)
		return err_set(e, ERR_BLOB_IO, "the answer is longer than any that S3 gives");
	return rc;
}

/* ---- what to think of an answer ---- */

static void find_code(void *ctx, int depth, const char *name, const char *text)
{
	struct s3_answer *a = ctx;
	if (depth == 1 && strcmp(name, "Code") == 0)
		snprintf(a->code, sizeof(a->code), "%.40s", text);
	else if (depth == 0 && strcmp(name, "Error") != 0)
		a->code[0] = '\0'; /* another document */
}

/* A code that is a word, whatever the server sent: it goes into logs. */
static void read_code(struct s3_answer *a)
{
	if (!s3_xml_read(buf_str(&a->text), a->text.len, find_code, a))
		a->code[0] = '\0';
	for (const char *p = a->code; *p != '\0'; p++)
		if (!((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') && !(*p >= '0' && *p <= '9'))
			a->code[0] = '\0';
}

enum verdict { DONE, FAILED, AGAIN_LATER, AGAIN_NOW };

static bool is_code(const struct s3_answer *a, const char *const *codes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(a->code, codes[i]) == 0)
			return true;
	return false;
}

static enum verdict judge_failure(struct s3 *s, const struct s3_call *c, const struct s3_answer *a)
{
	static const char *const passing[] = { "InternalError", "SlowDown", "ServiceUnavailable",
		"RequestTimeout", "OperationAborted", "ConditionalRequestConflict", "Throttling",
		"RequestLimitExceeded", "BadDigest", "IncompleteBody" };
	static const char *const keys[] = { "ExpiredToken", "InvalidToken", "TokenRefreshRequired",
		"InvalidAccessKeyId" };
	int64_t theirs;
	if (a->status == 501 && c->condition && !atomic_exchange(&s->no_condition, true))
		return AGAIN_NOW;
	if (strcmp(a->code, "RequestTimeTooSkewed") == 0 && clock_parse_http(a->date, &theirs)) {
		atomic_store(&s->ahead_ms, theirs - clock_wall_ms());
		return AGAIN_NOW;
	}
	if (is_code(a, keys, ARRAY_LEN(keys))) {
		credentials_forget(s->credentials);
		return AGAIN_NOW;
	}
	bool passes = a->status == 408 || a->status == 429 || a->status == 500 ||
		a->status == 502 || a->status == 503 || a->status == 504;
	return passes || is_code(a, passing, ARRAY_LEN(passing)) ? AGAIN_LATER : FAILED;
}

static enum verdict judge(struct s3 *s, const struct s3_call *c, enum err_code rc,
	struct s3_answer *a)
{
	if (rc == ERR_USAGE || rc == ERR_SYSTEM || rc == ERR_REQUEST_INVALID || rc == ERR_BLOB_IO)
		return FAILED; /* ours */
	if (rc != OK)
		return AGAIN_LATER;
	if (a->text.len > 0)
		read_code(a);
	if (a->status >= 200 && a->status < 300 && a->code[0] == '\0')
		return DONE;
	/* Our own earlier try got through, and only its answer was lost: names are never shared. */
	if (a->status == 412 && c->condition && a->tries > 1)
		return DONE;
	return judge_failure(s, c, a);
}

static void pause_before(int next_try)
{
	int64_t most = (int64_t)PAUSE_MS << (next_try - 1);
	int64_t ms = (int64_t)random_below((uint64_t)(most < PAUSE_MAX_MS ? most : PAUSE_MAX_MS)) +
		1;
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) != 0)
		;
}

/* Keys that cannot be had now may be had in a moment: that too is a failure of the store, by which no
 * item ends for good. */
static enum err_code explain(const struct s3 *s, const struct s3_call *c, const struct s3_answer *a,
	enum err_code rc, struct err *e)
{
	const char *key = c->key != NULL ? c->key : "";
	struct err why = { 0 };
	if (rc != OK)
		why = *e;
	if (rc == OK && a->status == 404 && strcmp(a->code, "NoSuchBucket") != 0)
		return err_set(e, ERR_BLOB_NOT_FOUND, "there is no blob '%.200s'", key);
	if (rc != OK)
		return err_set(e, ERR_BLOB_IO, "S3 %s %s/%s%.100s: %s", c->method, s->bucket,
			s->prefix, key, why.text);
	const char *right = strcmp(a->code, "AccessDenied") == 0 ? s3_right(c) : NULL;
	return err_set(e, ERR_BLOB_IO, "S3 %s %s/%s%.100s: %d %s (%d tries)%s%s", c->method,
		s->bucket, s->prefix, key, a->status, a->code, a->tries,
		right != NULL ? "; is it allowed? " : "", right != NULL ? right : "");
}

/* A small body is read once, for its digest and for all tries. */
static enum err_code load_small(struct s3_call *c, char **ret, struct err *e)
{
	size_t n = 0;
	if (c->upload == NULL || c->upload->bytes > SMALL_BYTES)
		return OK;
	size_t want = (size_t)c->upload->bytes;
	*ret = mem_zalloc(want + 1);
	enum err_code rc = io_pread(c->upload->fd, *ret, want, (off_t)c->upload->at, &n, e);
	if (rc == OK && n < want)
		rc = err_set(e, ERR_SYSTEM, "the blob is shorter than was said");
	c->data = *ret;
	c->data_n = n;
	c->upload = NULL;
	return rc;
}

/* The answer's last try stands in *a, and why it failed in *e. */
static enum err_code try_all(struct s3 *s, const struct s3_call *c, const char *payload,
	struct s3_answer *a, struct err *e)
{
	for (;;) {
		a->tries++;
		enum err_code rc = try_once(s, c, payload, a, e);
		enum verdict v = judge(s, c, rc, a);
		if (v == DONE)
			return OK;
		if (v == FAILED || a->tries == S3_TRIES_MAX)
			return explain(s, c, a, rc, e);
		if (v == AGAIN_LATER)
			pause_before(a->tries);
	}
}

enum err_code s3_do(struct s3 *s, const struct s3_call *c, struct s3_answer *a, struct err *e)
{
	char payload[HEX_MAX(SHA256_LEN)];
	struct s3_call call = *c;
	autofree char *small = NULL;
	struct err why = { 0 };
	*a = (struct s3_answer){ .text = BUF_INIT(S3_TEXT_MAX), .length = -1 };
	enum err_code rc = load_small(&call, &small, &why);
	if (rc == OK)
		rc = digest_of(s, &call, payload, &why);
	if (rc != OK)
		return err_set(e, ERR_BLOB_IO, "reading what is to be stored: %s", why.text);
	rc = try_all(s, &call, payload, a, &why);
	return rc == OK ? OK : err_set(e, rc, "%s", why.text);
}
