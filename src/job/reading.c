/* SPDX-License-Identifier: MIT
 *
 * Documents of programs, not of people: members that are not known are passed over, because the other
 * side may be newer; those that are known have to be what they are to be.
 */
#include "job/reading.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void reading_fault(struct reading *r, const char *name, const char *fmt, ...)
{
	va_list ap;
	if (r->code != OK)
		return;
	va_start(ap, fmt);
	autofree char *text = mem_vprintf(fmt, ap);
	va_end(ap);
	r->code = err_set(r->e, ERR_REQUEST_INVALID, "%s%s%s: %s", r->at, *name ? "/" : "", name,
		text);
}

struct reading reading_of(const json_t *o, const char *at, struct arena *a, struct err *e)
{
	struct reading r = { .o = o, .at = at, .a = a, .e = e };
	if (!json_is_object(o))
		reading_fault(&r, "", "must be an object");
	return r;
}

static const json_t *get(const struct reading *r, const char *name)
{
	const json_t *v = r->code == OK && r->o ? json_object_get(r->o, name) : NULL;
	return json_is_null(v) ? NULL : v;
}

struct reading reading_member(struct reading *r, const char *name)
{
	const json_t *v = get(r, name);
	struct reading m = { .o = v, .at = r->at, .a = r->a, .e = r->e, .code = r->code };
	if (v) {
		m.at = arena_printf(r->a, "%s/%s", r->at, name);
		if (!json_is_object(v))
			reading_fault(&m, "", "must be an object");
	}
	return m;
}

void reading_end(struct reading *r, const struct reading *member)
{
	if (r->code == OK)
		r->code = member->code;
}

void reading_must(struct reading *r, const char *name)
{
	if (!get(r, name))
		reading_fault(r, name, "must be there");
}

void reading_str(struct reading *r, const char *name, size_t max, const char **ret)
{
	const json_t *v = get(r, name);
	if (!v)
		return;
	if (!json_is_string(v) || json_string_length(v) > max)
		reading_fault(r, name, "must be a string of at most %zu bytes", max);
	else
		*ret = arena_strdup(r->a, json_string_value(v));
}

void reading_text(struct reading *r, const char *name, char *ret, size_t size)
{
	const char *s = NULL;
	reading_str(r, name, size - 1, &s);
	if (s)
		snprintf(ret, size, "%s", s);
}

void reading_int(struct reading *r, const char *name, int64_t min, int64_t max, int64_t *ret)
{
	const json_t *v = get(r, name);
	if (!v)
		return;
	int64_t n = json_is_real(v) && json_real_value(v) >= 0 && json_real_value(v) < 1e15
		? (int64_t)json_real_value(v)
		: json_integer_value(v);
	if (!json_is_number(v) || n < min || n > max)
		reading_fault(r, name, "must be a number from %lld to %lld", (long long)min,
			(long long)max);
	else
		*ret = n;
}

void reading_side(struct reading *r, const char *name, int *ret)
{
	int64_t n = *ret;
	reading_int(r, name, 1, 1 << 24, &n);
	*ret = (int)n;
}

void reading_bool(struct reading *r, const char *name, bool *ret)
{
	const json_t *v = get(r, name);
	if (v && !json_is_boolean(v))
		reading_fault(r, name, "must be true or false");
	else if (v)
		*ret = json_is_true(v);
}

bool reading_digest(struct reading *r, const char *name, uint8_t ret[SHA256_LEN])
{
	const json_t *v = get(r, name);
	if (!v)
		return false;
	if (!json_is_string(v) || !hex_parse(json_string_value(v), ret, SHA256_LEN))
		reading_fault(r, name, "must be %d hex digits", 2 * SHA256_LEN);
	return r->code == OK;
}

void reading_format(struct reading *r, const char *name, enum format *ret)
{
	const json_t *v = get(r, name);
	if (v && (!json_is_string(v) || !format_parse(json_string_value(v), ret)))
		reading_fault(r, name, "must be jpeg, png, webp, gif, tiff, avif or heif");
}

void reading_key(struct reading *r, const char *name, const char *prefix,
	char ret[BLOB_KEY_MAX + 1])
{
	const char *s = NULL;
	size_t n = strlen(prefix);
	reading_str(r, name, n + BLOB_KEY_MAX, &s);
	if (!s)
		return;
	if (strncmp(s, prefix, n) != 0 || strlen(s + n) > BLOB_KEY_MAX)
		reading_fault(r, name, "must begin with '%s' and have at most %d bytes after it",
			prefix, BLOB_KEY_MAX);
	else
		snprintf(ret, BLOB_KEY_MAX + 1, "%s", s + n);
}

const json_t *reading_list(struct reading *r, const char *name, size_t max)
{
	const json_t *v = get(r, name);
	if (v && (!json_is_array(v) || json_array_size(v) > max)) {
		reading_fault(r, name, "must be a list of at most %zu", max);
		return NULL;
	}
	return v;
}

const char *reading_at(struct reading *r, const char *name, size_t i)
{
	return arena_printf(r->a, "%s/%s/%zu", r->at, name, i);
}

void reading_original(struct reading *r, const char *prefix, struct original *ret)
{
	reading_key(r, "key", prefix, ret->key);
	reading_must(r, "sha256");
	reading_digest(r, "sha256", ret->sha256);
	reading_must(r, "bytes");
	reading_int(r, "bytes", 0, INT64_MAX, &ret->bytes);
	reading_format(r, "format", &ret->format);
	reading_side(r, "width", &ret->width);
	reading_side(r, "height", &ret->height);
	if (!ret->width != !ret->height)
		reading_fault(r, "height", "must be there when width is, and not else");
	reading_text(r, "thumbhash", ret->thumbhash, sizeof(ret->thumbhash));
	reading_text(r, "color", ret->color, sizeof(ret->color));
}

void reading_product(struct reading *r, const char *prefix, struct product *ret)
{
	static const char *const all[] = { "key", "format", "width", "height", "bytes", "sha256" };
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		reading_must(r, all[i]);
	reading_key(r, "key", prefix, ret->key);
	reading_format(r, "format", &ret->format);
	reading_side(r, "width", &ret->width);
	reading_side(r, "height", &ret->height);
	reading_int(r, "bytes", 1, INT64_MAX, &ret->bytes);
	reading_digest(r, "sha256", ret->sha256);
}
