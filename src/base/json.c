/* SPDX-License-Identifier: MIT
 *
 * JSON through jansson, made strict. jansson refuses bad UTF-8, lone surrogates, NUL and duplicate
 * members; it recurses as deep as 2048 levels and makes a hundred bytes and more of three, so depth
 * and memory are looked at before it starts. Its messages quote the text, which may hold a secret, so ours are made from its codes.
 */
#include "base/json.h"

#include "base/mem.h"

#include <string.h>

/* jansson's allocations are small, one for each value: they end as all small ones do. Its parser
 * would else call a good text bad. */
__attribute__((constructor)) static void allocate_or_end(void)
{
	json_set_alloc_funcs(mem_zalloc, free);
}

/* What jansson takes on a 64-bit machine, rounded up: an object or array with its first table, and
 * any value with its place there. */
#define CONTAINER_BYTES 400
#define VALUE_BYTES     100

/* The first byte of the value that stands too deep, or NULL; and about how much memory the tree
 * will take. Strings are skipped; whether the rest is well-formed is jansson's business. */
static const char *too_deep(const char *text, size_t n, size_t *ret_bytes)
{
	int depth = 0;
	*ret_bytes = n;
	bool in_string = false;
	for (size_t i = 0; i < n; i++) {
		char c = text[i];
		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == ',') {
			*ret_bytes += VALUE_BYTES;
		} else if (c == '[' || c == '{') {
			*ret_bytes += CONTAINER_BYTES;
			if (++depth > JSON_DEPTH)
				return text + i;
		} else if (c == ']' || c == '}') {
			depth--;
		}
	}
	return NULL;
}

static const char *reason(const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_premature_end_of_input:
		return "the text ends too early";
	case json_error_end_of_input_expected:
		return "something stands after the value";
	case json_error_invalid_utf8:
		return "not UTF-8";
	case json_error_duplicate_key:
		return "a member is there twice";
	case json_error_numeric_overflow:
		return "a number is too large";
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return "a string holds a NUL character";
	default:
		return "not JSON";
	}
}

enum err_code json_parse(const char *text, size_t n, json_t **ret, struct err *e)
{
	size_t bytes;
	const char *deep = too_deep(text, n, &bytes);
	if (deep)
		return err_set(e, ERR_REQUEST_MALFORMED,
			"JSON nested deeper than %d levels, at byte %zu", JSON_DEPTH,
			(size_t)(deep - text));
	if (bytes > JSON_BYTES)
		return err_set(e, ERR_REQUEST_LIMIT,
			"so many JSON values that they would take more than %d MiB of memory",
			JSON_BYTES >> 20);
	json_error_t error;
	json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!j)
		return err_set(e, ERR_REQUEST_MALFORMED, "line %d, column %d: %s", error.line,
			error.column, reason(&error));
	*ret = j;
	return OK;
}

/* What we build ourselves is well-formed: a failure is out of memory. */
static void must(bool ok)
{
	if (!ok)
		mem_exhausted();
}

/* 0.1 is written as 0.1, not as 0.10000000000000001; only a double that needs its seventeenth digit
 * comes back as its neighbour. */
#define REAL_DIGITS JSON_REAL_PRECISION(16)

static char *dump(const json_t *j, size_t flags)
{
	char *s = json_dumps(j, flags | JSON_COMPACT | JSON_ENCODE_ANY | REAL_DIGITS);
	must(s != NULL); /* a digest of anything else would be one of another document */
	return s;
}

char *json_text(const json_t *j)
{
	return dump(j, 0);
}

char *json_text_sorted(const json_t *j)
{
	return dump(j, JSON_SORT_KEYS);
}

const char *json_get_str(const json_t *o, const char *name, const char *dflt)
{
	const char *s = json_string_value(json_object_get(o, name));
	return s ? s : dflt;
}

int64_t json_get_int(const json_t *o, const char *name, int64_t dflt)
{
	const json_t *v = json_object_get(o, name);
	return json_is_integer(v) ? (int64_t)json_integer_value(v) : dflt;
}

double json_get_num(const json_t *o, const char *name, double dflt)
{
	const json_t *v = json_object_get(o, name);
	return json_is_number(v) ? json_number_value(v) : dflt;
}

bool json_get_bool(const json_t *o, const char *name, bool dflt)
{
	const json_t *v = json_object_get(o, name);
	return json_is_boolean(v) ? json_is_true(v) : dflt;
}

json_t *json_obj(void)
{
	json_t *o = json_object();
	must(o != NULL);
	return o;
}

json_t *json_arr(void)
{
	json_t *a = json_array();
	must(a != NULL);
	return a;
}

void json_put(json_t *o, const char *name, json_t *v)
{
	must(json_object_set_new(o, name, v) == 0);
}

/* Bytes that are not UTF-8 (a file name, a header) become U+FFFD: jansson takes no others. */
static json_t *string_of(const char *s)
{
	json_t *v = json_string(s);
	if (v)
		return v;
	struct buf quoted = BUF_INIT(SIZE_MAX / 4);
	json_quote(&quoted, s);
	v = json_loadb(buf_str(&quoted), quoted.len, JSON_DECODE_ANY, NULL);
	buf_done(&quoted);
	return v;
}

void json_put_str(json_t *o, const char *name, const char *s)
{
	json_put(o, name, s ? string_of(s) : json_null());
}

void json_put_int(json_t *o, const char *name, int64_t v)
{
	json_put(o, name, json_integer(v));
}

void json_put_bool(json_t *o, const char *name, bool v)
{
	json_put(o, name, json_boolean(v));
}

void json_push(json_t *arr, json_t *v)
{
	must(json_array_append_new(arr, v) == 0);
}

/* How long the character that begins with this byte is; 0 when none does. */
static size_t utf8_want(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead < 0xC2 || lead > 0xF4)
		return 0;
	return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

size_t utf8_length(const unsigned char *s)
{
	size_t n = utf8_want(s[0]);
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xC0) != 0x80)
			return 0;
	if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
		(s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
		return 0;
	return n;
}

static bool quote_special(struct buf *b, unsigned char c)
{
	static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
	const char *known = strchr(from, c);
	if (known)
		return buf_putc(b, '\\') && buf_putc(b, to[known - from]);
	return buf_printf(b, "\\u%04x", c);
}

bool json_quote(struct buf *b, const char *s)
{
	buf_putc(b, '"');
	const unsigned char *p = (const unsigned char *)s;
	while (*p) {
		size_t plain = 0, n = 1;
		while (p[plain] >= 0x20 && p[plain] != '"' && p[plain] != '\\' &&
			p[plain] != 0x7F && (n = utf8_length(p + plain)) > 0)
			plain += n;
		buf_add(b, p, plain);
		p += plain;
		if (*p == '\0')
			break;
		if (*p >= 0x80)
			buf_puts(b, "\xEF\xBF\xBD");
		else
			quote_special(b, *p);
		p++;
	}
	buf_putc(b, '"');
	return !b->full;
}
