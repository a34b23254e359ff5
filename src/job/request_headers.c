/* SPDX-License-Identifier: MIT
 *
 * Headers that a caller adds to the download of one URL, most often Authorization. Those that
 * belong to the connection, choose a part of the body, or make the answer depend on something
 * other than URL and identity are refused: bulb sets them itself, or what it caches would be wrong.
 */
#include "job/request_impl.h"

#include <string.h>
#include <strings.h>

/* RFC 9110 §7.6.1 and what frames or negotiates the message. */
/* clang-format off */
static const char *const refused[] = {
	"accept-encoding", "alt-used", "connection", "content-length", "cookie", "cookie2", "expect",
	"host", "http2-settings", "keep-alive", "proxy-authenticate", "proxy-authorization",
	"proxy-connection", "range", "te", "trailer", "transfer-encoding", "upgrade", "via",
};
/* clang-format on */

static bool is_refused(const char *name)
{
	if (strncasecmp(name, "if-", 3) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		if (strcasecmp(name, refused[i]) == 0)
			return true;
	}
	return false;
}

/* token, RFC 9110 §5.6.2 */
static bool is_token(const char *s)
{
	return s[0] &&
		s[strspn(s,
			"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			"abcdefghijklmnopqrstuvwxyz")] == '\0';
}

static bool is_field_value(const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if ((c < 0x20 && c != '\t') || c == 0x7F)
			return false;
	}
	return true;
}

static bool check_header(struct request_context *c, const char *name, const json_t *v,
	const struct at *at, struct faults *f)
{
	size_t before = f->n;
	const char *value = json_string_value(v);
	if (!is_token(name))
		at_fault(f, at, ERR_REQUEST_INVALID, "no header has such a name");
	else if (is_refused(name))
		at_fault(f, at, ERR_REQUEST_INVALID,
			"'%.64s' is not a header to give: bulb sets it", name);
	else if (!value)
		at_fault(f, at, ERR_REQUEST_INVALID, "must be a string");
	else if (!is_field_value(value))
		at_fault(f, at, ERR_REQUEST_INVALID, "holds a line break or control character");
	else if (strlen(name) + strlen(value) > c->lim->header_bytes)
		at_fault(f, at, ERR_REQUEST_LIMIT, "%zu bytes: the limit is %zu",
			strlen(name) + strlen(value), c->lim->header_bytes);
	return f->n == before;
}

static void put_lower(json_t *to, const char *name, json_t *v)
{
	autofree char *lower = mem_strdup(name);
	for (char *p = lower; *p; p++)
		*p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
	json_put(to, lower, json_incref(v));
}

static void digest_of(const json_t *headers, uint8_t digest[SHA256_LEN])
{
	char *text = json_text_sorted(headers);
	sha256_of(text, strlen(text), digest);
	mem_wipe(text, strlen(text));
	free(text);
}

json_t *request_headers(struct request_context *c, const json_t *v, const struct at *at,
	uint8_t digest[SHA256_LEN], struct faults *f)
{
	memset(digest, 0, SHA256_LEN);
	if (!json_is_object(v)) {
		at_fault(f, at, ERR_REQUEST_INVALID, "must be an object of name: value");
		return NULL;
	}
	if (json_object_size(v) > c->lim->headers) {
		at_fault(f, at, ERR_REQUEST_LIMIT, "%zu headers: the limit is %zu",
			json_object_size(v), c->lim->headers);
		return NULL;
	}
	size_t before = f->n;
	autojson *lower = json_obj(); /* names in lower case: their case does not count */
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)v, name, value)
	{
		struct at member = { .up = at, .name = name };
		if (check_header(c, name, value, &member, f))
			put_lower(lower, name, value);
	}
	if (f->n == before && json_object_size(lower) != json_object_size(v))
		at_fault(f, at, ERR_REQUEST_INVALID, "a header stands here twice");
	if (f->n != before || json_object_size(lower) == 0)
		return NULL;
	digest_of(lower, digest);
	return TAKE(&lower);
}
