/* SPDX-License-Identifier: MIT
 *
 * Values by type. Each parser takes the whole text or refuses it and says what it would take; none
 * guesses. "auto" leaves the field empty: conf_derive.c fills it in when all else is known.
 */
#include "conf/value.h"

#include "base/io.h"
#include "base/url.h"
#include "conf/table.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SECRET_MAX 4096

static void *field(struct conf *c, const struct setting *s)
{
	return (char *)c + s->offset;
}

static enum err_code refuse(struct err *e, const char *text, const char *wanted)
{
	return err_set(e, ERR_USAGE, "'%.80s' is not %s", text, wanted);
}

struct unit {
	const char *suffix;
	int64_t factor;
};
static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };
static const struct unit thousands[] = { { "", 1 }, { "k", 1000 }, { "m", 1000000 },
	{ "g", 1000000000 }, { NULL, 0 } };
static const struct unit bytes[] = { { "", 1 }, { "k", 1 << 10 }, { "m", 1 << 20 },
	{ "g", 1 << 30 }, { NULL, 0 } };
static const struct unit times[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 },
	{ "d", 86400000 }, { NULL, 0 } };

/* Digits and a unit; false when it is not that or does not fit. */
static bool parse_number(const char *text, const struct unit *units, int64_t *ret)
{
	char *end;
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	long long v = strtoll(text, &end, 10);
	if (errno != 0)
		return false;
	for (const struct unit *u = units; u->suffix; u++)
		if (strcasecmp(end, u->suffix) == 0)
			return !__builtin_mul_overflow((int64_t)v, u->factor, ret);
	*ret = v;
	return *end == '\0' && v == 0; /* 0 needs no unit */
}

/* The largest unit that divides v, for messages. */
static void format_number(int64_t v, const struct unit *units, char out[32])
{
	const struct unit *best = units;
	for (const struct unit *u = units; u->suffix; u++)
		if (v % u->factor == 0 && v >= u->factor)
			best = u;
	snprintf(out, 32, "%lld%s", (long long)(v / best->factor), v ? best->suffix : "");
}

static enum err_code set_number(struct conf *c, const struct setting *s, const char *text,
	const struct unit *units, const char *wanted, struct err *e)
{
	int64_t v;
	if (s->least < 0 && strcmp(text, "forever") == 0) {
		*(int64_t *)field(c, s) = -1;
		return OK;
	}
	if (!parse_number(text, units, &v))
		return refuse(e, text, wanted);
	int64_t least = s->least < 0 ? 0 : s->least;
	if (v < least || v > s->most) {
		char low[32], high[32];
		format_number(least, units, low);
		format_number(s->most, units, high);
		return err_set(e, ERR_USAGE, "'%.80s' is not from %s to %s", text, low, high);
	}
	*(int64_t *)field(c, s) = v;
	return OK;
}

/* Digits, at most three of them after a point, in thousandths. */
static bool parse_decimal(const char *text, int64_t *ret)
{
	static const int factors[] = { 1000, 100, 10, 1 };
	size_t whole = strspn(text, "0123456789"), part = 0;
	if (text[whole] == '.')
		part = strspn(text + whole + 1, "0123456789");
	if (whole == 0 || whole > 12 || part > 3 || (text[whole] == '.' && part == 0) ||
		text[whole + (part ? part + 1 : 0)] != '\0')
		return false;
	*ret = strtoll(text, NULL, 10) * 1000;
	if (part)
		*ret += strtoll(text + whole + 1, NULL, 10) * factors[part];
	return true;
}

static enum err_code set_decimal(struct conf *c, const struct setting *s, const char *text,
	struct err *e)
{
	int64_t v = -1;
	bool unlimited = s->least < 0 && strcmp(text, "unlimited") == 0;
	if (!unlimited && !parse_decimal(text, &v))
		return refuse(e, text,
			s->least < 0 ? "a number such as 5 or 0.25, or unlimited"
				     : "a number such as 5 or 0.25");
	if (!unlimited && (v < s->least || v > s->most))
		return err_set(e, ERR_USAGE, "'%.80s' is not from %g to %g", text,
			s->least < 0 ? 0 : (double)s->least / 1000, (double)s->most / 1000);
	*(int64_t *)field(c, s) = v;
	return OK;
}

static enum err_code set_bool(struct conf *c, const struct setting *s, const char *text,
	struct err *e)
{
	static const char *const words[][2] = { { "yes", "no" }, { "true", "false" },
		{ "on", "off" }, { "1", "0" } };
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		for (int no = 0; no < 2; no++)
			if (strcasecmp(text, words[i][no]) == 0) {
				*(bool *)field(c, s) = !no;
				return OK;
			}
	return refuse(e, text, "yes or no");
}

static enum err_code set_choice(struct conf *c, const struct setting *s, const char *text,
	struct err *e)
{
	for (const char *p = s->metavar; *p;) {
		size_t n = strcspn(p, "|");
		if (strlen(text) == n && memcmp(text, p, n) == 0) {
			*(const char **)field(c, s) = arena_strdup(c->arena, text);
			return OK;
		}
		p += n + (p[n] == '|');
	}
	return err_set(e, ERR_USAGE, "'%.80s' is none of %s", text, s->metavar);
}

static enum err_code set_url(struct conf *c, const struct setting *s, const char *text,
	struct err *e)
{
	struct url u;
	enum err_code code = url_parse(text, c->arena, &u, e);
	if (code != OK || strcmp(u.scheme, "file") == 0)
		return refuse(e, text, "a URL that starts with http:// or https://");
	if (u.has_userinfo || u.query || strchr(text, '#'))
		return err_set(e, ERR_USAGE, "the URL must have no user, query or fragment");
	size_t n = strlen(text);
	while (n > 0 && text[n - 1] == '/')
		n--;
	*(const char **)field(c, s) = arena_strndup(c->arena, text, n);
	return OK;
}

/* Room for one more element at the end of a list; the array is copied, being short. */
static void *grow(struct arena *a, const void *v, size_t n, size_t size)
{
	char *bigger = arena_alloc(a, (n + 1) * size);
	if (n)
		memcpy(bigger, v, n * size);
	return bigger;
}

static enum err_code add_text(struct conf *c, const struct setting *s, const char *text)
{
	struct conf_list *l = field(c, s);
	const char **v = grow(c->arena, l->v, l->n, sizeof(*v));
	v[l->n++] = arena_strdup(c->arena, text);
	l->v = v;
	return OK;
}

static enum err_code add_cidr(struct conf *c, const struct setting *s, const char *text,
	struct err *e)
{
	struct conf_cidrs *l = field(c, s);
	struct cidr *v = grow(c->arena, l->v, l->n, sizeof(*v));
	if (!cidr_parse(text, &v[l->n]))
		return refuse(e, text, "an address or block such as 10.0.0.0/8 or fd00::/8");
	l->v = v;
	l->n++;
	return OK;
}

/* Elements between commas, spaces around them taken off. */
static enum err_code add_elements(struct conf *c, const struct setting *s, const char *text,
	struct err *e)
{
	for (const char *p = text;; p++) {
		p += strspn(p, " \t");
		size_t n = strcspn(p, ","), trimmed = n;
		while (trimmed > 0 && isspace((unsigned char)p[trimmed - 1]))
			trimmed--;
		if (trimmed == 0)
			return err_set(e, ERR_USAGE, "an element of the list is empty");
		const char *one = arena_strndup(c->arena, p, trimmed);
		enum err_code code = s->type == TYPE_CIDRS ? add_cidr(c, s, one, e)
							   : add_text(c, s, one);
		if (code != OK)
			return code;
		p += n;
		if (*p == '\0')
			return OK;
	}
}

static enum err_code set_string(struct conf *c, const struct setting *s, const char *text,
	struct err *e)
{
	if (*text == '\0')
		return err_set(e, ERR_USAGE, "the value is empty");
	*(const char **)field(c, s) = arena_strdup(c->arena, text);
	return OK;
}

enum err_code value_set(struct conf *c, enum conf_setting id, const char *text, struct err *e)
{
	const struct setting *s = &conf_settings[id];
	if (strcmp(s->dflt, "auto") == 0 && strcmp(text, "auto") == 0) {
		value_clear(c, id);
		return OK;
	}
	switch (s->type) {
	case TYPE_INT:
		return set_number(c, s, text, no_units, "a whole number", e);
	case TYPE_COUNT:
		return set_number(c, s, text, thousands, "a number such as 500, 20k or 50m", e);
	case TYPE_BYTES:
		return set_number(c, s, text, bytes,
			"a number of bytes such as 500, 64k, 10m or 1g", e);
	case TYPE_DURATION:
		return set_number(c, s, text, times,
			s->least < 0 ? "a time such as 90s, 15m, 24h or 30d, or forever"
				     : "a time such as 500ms, 90s, 15m, 24h or 30d",
			e);
	case TYPE_DECIMAL:
		return set_decimal(c, s, text, e);
	case TYPE_BOOL:
		return set_bool(c, s, text, e);
	case TYPE_CHOICE:
		return set_choice(c, s, text, e);
	case TYPE_URL:
		return set_url(c, s, text, e);
	case TYPE_LIST:
	case TYPE_CIDRS:
		return add_elements(c, s, text, e);
	case TYPE_TEXTS:
		return add_text(c, s, text);
	default:
		return set_string(c, s, text, e);
	}
}

void value_clear(struct conf *c, enum conf_setting id)
{
	static const size_t sizes[] = {
#define SET(field, name, letter, type, ...) [CONF_##field] = sizeof(CONF_FIELD_##type),
#include "conf/settings.def"
#undef SET
	};
	memset(field(c, &conf_settings[id]), 0, sizes[id]);
	if (strcmp(conf_settings[id].dflt, "auto") == 0 && conf_settings[id].type == TYPE_INT)
		*(int64_t *)field(c, &conf_settings[id]) = -1; /* 0 is a value of its own */
}

enum err_code value_set_from_file(struct conf *c, enum conf_setting id, const char *path,
	struct err *e)
{
	struct buf text = BUF_INIT(SECRET_MAX);
	struct err why = { 0 };
	enum err_code code = io_read_file(path, SECRET_MAX, &text, &why);
	if (code != OK) {
		code = err_set(e, ERR_USAGE, "%s", why.text);
	} else {
		size_t n = strcspn(buf_str(&text), "\r\n");
		if (n == 0 || n != text.len - strspn(buf_str(&text) + n, "\r\n"))
			code = err_set(e, ERR_USAGE, "%s must hold one line and nothing else",
				path);
		else
			*(const char **)field(c, &conf_settings[id]) = arena_strndup(c->arena,
				buf_str(&text), n);
	}
	if (text.data)
		mem_wipe(text.data, text.cap);
	buf_done(&text);
	return code;
}
