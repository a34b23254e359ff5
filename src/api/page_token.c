/* SPDX-License-Identifier: MIT
 *
 * Page tokens (AIP-158): opaque to the caller, and good only for the list they were made for. What
 * is inside is the position after the last row and a digest of the path and the filters: a token
 * that is used with others would silently leave rows out, so it is refused.
 */
#include "api/api_impl.h"

#include "base/digest.h"

#include <string.h>

#define PAGE_DEFAULT   100
#define PAGE_MAX       1000
#define MARK_BYTES     6
#define POSITION_BYTES 8
#define TOKEN_BYTES    (MARK_BYTES + POSITION_BYTES)

static void mark_of(struct call *c, uint8_t out[MARK_BYTES])
{
	static const char *const filters[] = { "status", "tag", "ref", "url", "job" };
	struct sha256 *s = sha256_new();
	uint8_t digest[SHA256_LEN];

	sha256_add(s, c->route->pattern, strlen(c->route->pattern) + 1);
	if (c->args[0])
		sha256_add(s, c->args[0], strlen(c->args[0]) + 1);
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		const char *v = call_query(c, filters[i]);
		sha256_add(s, v ? "=" : "-", 1);
		if (v)
			sha256_add(s, v, strlen(v) + 1);
	}
	sha256_end(s, digest);
	memcpy(out, digest, MARK_BYTES);
}

const char *page_token_make(struct call *c, int64_t position)
{
	uint8_t raw[TOKEN_BYTES];
	char text[BASE64_MAX(TOKEN_BYTES)];

	mark_of(c, raw);
	for (size_t i = POSITION_BYTES; i-- > 0; position >>= 8)
		raw[MARK_BYTES + i] = (uint8_t)position;
	base64url_format(raw, sizeof(raw), text);
	return arena_strdup(c->a, text);
}

static bool read_token(struct call *c, int64_t *ret)
{
	const char *text = call_query(c, "page_token");
	uint8_t raw[TOKEN_BYTES], mark[MARK_BYTES];
	size_t n = sizeof(raw);
	uint64_t position = 0;

	*ret = 0;
	if (!text || !*text)
		return true;
	mark_of(c, mark);
	if (!base64url_parse(text, strlen(text), raw, &n) || n != sizeof(raw) ||
		memcmp(raw, mark, sizeof(mark)) != 0 || raw[MARK_BYTES] & 0x80) {
		call_fail(c, ERR_REQUEST_INVALID,
			"page_token is not one that this list, with these filters, gave out");
		return false;
	}
	for (size_t i = 0; i < POSITION_BYTES; i++)
		position = position << 8 | raw[MARK_BYTES + i];
	*ret = (int64_t)position;
	return true;
}

bool page_read(struct call *c, struct page *ret)
{
	int64_t size;

	if (!read_token(c, &ret->after) ||
		!call_query_int(c, "page_size", PAGE_DEFAULT, 1, PAGE_MAX, false, &size))
		return false;
	ret->size = (size_t)size;
	return true;
}

void page_answer(struct call *c, const char *name, json_t *list, bool has_next, int64_t last)
{
	json_t *doc = json_obj();

	json_put(doc, name, list);
	if (has_next)
		json_put_str(doc, "next_page_token", page_token_make(c, last));
	call_json(c, 200, doc);
}
