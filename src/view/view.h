/* SPDX-License-Identifier: MIT
 *
 * What a user sees of a job, an item and an event: the JSON documents of docs/http.md, with links
 * signed at this moment. push, api and `bulb run` render through here and nowhere else.
 */
#ifndef BULB_VIEW_VIEW_H
#define BULB_VIEW_VIEW_H

#include "base/buf.h"
#include "base/json.h"
#include "store/store.h"

struct blob;

/* How links are made. Every link is absolute. */
struct view_links {
	const char *base_url;    /* of requests, no slash at the end, path prefix included */
	const char *events_url;  /* of sockets and bytes; the same where nothing else is set */
	const char *blob_url;    /* --blob-url: plain links for ever; NULL: our own, signed */
	struct blob *direct;     /* whose own links are given where it has some; or NULL */
	const uint8_t *link_key; /* 32 bytes */
	int64_t link_ttl_ms;     /* links live to the end of the hour plus this */
	int64_t token_ttl_ms;    /* and so do the tokens in events_url */
	const char *token;       /* what events_url carries; NULL: one is made, */
	const char *token_key;   /* by the key of this id; NULL: none is needed */
	int64_t now_ms;          /* wall */
};
/* base_url NULL (there is no server): no events_url, no links; blobs have a URL by blob_url only. */

json_t *view_job(const struct job_row *j, const struct view_links *l);
/* As it may be kept: without the token that events_url carries. */
json_t *view_job_kept(const struct job_row *j, const struct view_links *l);
json_t *view_item(const struct item_row *it, const char *job_id, const struct view_links *l);
/* Items as compact text with commas between them, appended to out. */
void view_items(const struct item_row *rows, size_t n, const char *job_id,
	const struct view_links *l, struct buf *out);
/* The next piece of a job's manifest, appended to out; *ret_more: there is another. */
struct view_manifest {
	const struct job_row *job;
	struct view_links links;
	bool kept;       /* as it may be kept */
	int64_t after_n; /* how far it has been written */
};
enum err_code view_manifest_next(struct view_manifest *m, struct store *s, struct buf *out,
	bool *ret_more, struct err *e) MUST_CHECK;
/* The CloudEvents envelope as compact text, appended to out: byte-equal for every kind of reader.
 * Over 32 KiB the lists variants and refs are cut and "truncated": true says so. */
void view_event(const struct event_row *ev, const char *job_id, const struct job_row *job,
	const struct view_links *l, struct buf *out);
#define VIEW_EVENT_MAX (32 * 1024)
/* The same for a webhook: over 20 KB it is cut, and links.items of its data leads to the rest. */
void view_webhook(const struct event_row *ev, const char *job_id, const struct job_row *job,
	const struct view_links *l, struct buf *out);
#define VIEW_WEBHOOK_MAX 20000
#define VIEW_SEQ_LEN     12
void view_seq(int64_t seq, char out[24]); /* at least 12 digits, zero-padded */
/* A sequence as a caller writes it: digits, with or without the zeros. */
bool view_seq_parse(const char *s, int64_t *ret);
/* Set a member to so many credits; costs are kept in thousandths. */
void view_credits(json_t *o, const char *name, int64_t thousandths);
/* Problem object of an item that failed. */
json_t *view_error(const struct outcome *o, const struct view_links *l);
/* {type, title, status, detail, instance, code}; detail and instance may be NULL. */
json_t *view_problem(enum err_code code, const char *detail, const char *instance,
	const char *base_url);

/* Signed links: exp in seconds since 1970, sig = base64url of HMAC-SHA256 over the path and exp.
 * Within one hour the same key gives the same link, so that caches hold. NULL where there is no
 * way to the blob. */
char *view_blob_link(const char *key, const struct view_links *l); /* caller frees */
enum err_code view_blob_check(const char *key, const char *exp, const char *sig,
	const uint8_t link_key[32], int64_t now_ms, struct err *e) MUST_CHECK;
#define VIEW_TOKEN_PREFIX "r2."
#define VIEW_KEY_ID_MAX   15
/* Job-scoped, read-only token: what events_url carries. Tenant, key and expiry are inside, signed. */
struct view_token {
	int64_t tenant, expires_ms;
	char key[VIEW_KEY_ID_MAX + 1]; /* id of the key that made it: it ends with that; "": none */
	char job[JOB_ID_MAX + 1];
};
/* key_id: letters and digits, or NULL */
char *view_job_token(int64_t tenant, const char *key_id, const char *job_id, int64_t expires_ms,
	const uint8_t key[32]);
/* false: not one of ours, or expired. */
bool view_job_token_check(const char *token, const uint8_t key[32], int64_t now_ms,
	struct view_token *ret);
/* The link hour a moment belongs to: links and tokens made in one hour are equal. */
int64_t view_link_hour(int64_t now_ms);

#endif
