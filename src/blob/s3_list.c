/* SPDX-License-Identifier: MIT
 *
 * Every key below the prefix, a page at a time (ListObjectsV2). Keys come percent-encoded, for XML
 * cannot hold every byte that a key can. Nothing is told of a page before it was read whole.
 */
#include "base/clock.h"
#include "base/url.h"
#include "blob/s3.h"

#include <string.h>

#define PAGE_KEYS "1000"

struct entry {
	char *key;
	int64_t bytes, modified_ms;
	struct entry *next;
};
struct page {
	struct arena *arena;
	struct entry *first, **last, *open;
	bool encoded, truncated;
	const char *next; /* where the next one begins */
};

static struct entry *open_entry(struct page *p)
{
	if (p->open == NULL)
		p->open = arena_alloc(p->arena, sizeof(*p->open));
	return p->open;
}

static void on_entry(struct page *p, const char *name, const char *text)
{
	if (strcmp(name, "Key") == 0)
		open_entry(p)->key = arena_strdup(p->arena, text);
	else if (strcmp(name, "Size") == 0)
		open_entry(p)->bytes = strtoll(text, NULL, 10);
	else if (strcmp(name, "LastModified") == 0)
		(void)!clock_parse_rfc3339(text, &open_entry(p)->modified_ms);
}

static void on_element(void *ctx, int depth, const char *name, const char *text)
{
	struct page *p = ctx;
	if (depth == 2) {
		on_entry(p, name, text);
	} else if (depth == 1 && strcmp(name, "Contents") == 0 && p->open != NULL) {
		*p->last = p->open;
		p->last = &p->open->next;
		p->open = NULL;
	} else if (depth == 1 && strcmp(name, "IsTruncated") == 0) {
		p->truncated = strcmp(text, "true") == 0;
	} else if (depth == 1 && strcmp(name, "NextContinuationToken") == 0) {
		p->next = arena_strdup(p->arena, text);
	} else if (depth == 1 && strcmp(name, "EncodingType") == 0) {
		p->encoded = strcmp(text, "url") == 0;
	}
}

static enum err_code read_page(struct s3 *s, const char *under, const char *from, struct page *p,
	struct err *e)
{
	const char *prefix = arena_printf(p->arena, "%s%s", s->prefix, under);
	const struct net_header q[] = { { "list-type", "2" }, { "prefix", prefix },
		{ "max-keys", PAGE_KEYS }, { "encoding-type", "url" },
		{ "continuation-token", from } };
	struct s3_answer a;
	p->last = &p->first;
	enum err_code rc = s3_do(s,
		&(struct s3_call){ .method = "GET",
			.query = q,
			.query_n = ARRAY_LEN(q) - (from == NULL),
			.to_fd = -1 },
		&a, e);
	if (rc == OK && !s3_xml_read(buf_str(&a.text), a.text.len, on_element, p))
		rc = err_set(e, ERR_BLOB_IO, "S3's list of keys cannot be read");
	if (rc == OK && p->truncated && (p->next == NULL || p->next[0] == '\0'))
		rc = err_set(e, ERR_BLOB_IO,
			"S3's list of keys ends without saying where it goes on");
	s3_answer_done(&a);
	return rc == ERR_BLOB_NOT_FOUND ? err_set(e, ERR_BLOB_IO, "S3 GET %s: 404", s->bucket) : rc;
}

enum err_code s3_list(struct s3 *s, const char *under,
	bool (*fn)(void *ctx, const char *key, int64_t bytes, int64_t modified_ms), void *ctx,
	struct err *e)
{
	size_t prefix = strlen(s->prefix);
	autofree char *from = NULL;
	for (;;) {
		CLEANUP(arena_freep) struct arena *a = arena_new();
		struct page p = { .arena = a };
		enum err_code rc = read_page(s, under, from, &p, e);
		if (rc != OK)
			return rc;
		for (struct entry *it = p.first; it != NULL; it = it->next) {
			if (it->key == NULL || (p.encoded && url_decode(it->key, true) < 0) ||
				strncmp(it->key, s->prefix, prefix) != 0)
				continue;
			if (!fn(ctx, it->key + prefix, it->bytes, it->modified_ms))
				return OK;
		}
		if (!p.truncated)
			return OK;
		free(from);
		from = mem_strdup(p.next);
	}
}
