/* SPDX-License-Identifier: MIT
 *
 * The table of limits, and their text: numbers with at most three decimals where thousandths are
 * kept, whole ones with a suffix for thousands (of counts) or 1024s (of bytes) else.
 */
#include "job/limits.h"

#include "base/buf.h"
#include "base/mem.h"

#include <ctype.h>
#include <string.h>

#define NUMBER_MAX (1LL << 50)

const struct limit_row limit_rows[LIMIT_COUNT] = {
#define LIMIT(id, name, unit, window, what)                                                        \
	[LIMIT_##id] = { name, what, LIMIT_UNIT_##unit, LIMIT_WINDOW_##window },
#include "job/limits.def"
#undef LIMIT
};

void limits_none(struct limits *l)
{
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		l->most[i] = -1;
}

/* ---- parsing -------------------------------------------------------------------------------- */

static bool digits(const char **s, int64_t *ret, size_t *ret_n)
{
	int64_t v = 0;
	size_t n = 0;

	for (; isdigit((unsigned char)(*s)[n]); n++) {
		v = v * 10 + ((*s)[n] - '0');
		if (v > NUMBER_MAX)
			return false;
	}
	*s += n;
	*ret = v;
	*ret_n = n;
	return true;
}

static bool decimal(const char *s, int64_t *ret)
{
	int64_t whole, part = 0;
	size_t n, k = 0;

	if (!digits(&s, &whole, &n) || n == 0)
		return false;
	if (*s == '.' && (s++, !digits(&s, &part, &k) || k == 0 || k > 3))
		return false;
	for (; k < 3; k++)
		part *= 10;
	*ret = whole * 1000 + part;
	return *s == '\0';
}

static bool whole(const char *s, int64_t thousand, int64_t *ret)
{
	static const char suffixes[] = "kmg";
	int64_t v;
	size_t n;

	if (!digits(&s, &v, &n) || n == 0)
		return false;
	const char *at = *s ? strchr(suffixes, tolower((unsigned char)*s)) : NULL;
	for (int i = 0; at && i <= at - suffixes; i++) {
		if (v > NUMBER_MAX / thousand)
			return false;
		v *= thousand;
	}
	*ret = v;
	return s[at ? 1 : 0] == '\0';
}

static bool number(enum limit_unit unit, const char *s, int64_t *ret)
{
	if (unit == LIMIT_UNIT_DECIMAL)
		return decimal(s, ret);
	return whole(s, unit == LIMIT_UNIT_BYTES ? 1024 : 1000, ret);
}

static enum limit find(const char *name, size_t n)
{
	size_t i = 0;

	while (i < LIMIT_COUNT &&
		(strlen(limit_rows[i].name) != n || memcmp(limit_rows[i].name, name, n) != 0))
		i++;
	return (enum limit)i;
}

static enum err_code parse_one(const char *s, size_t n, struct limits *l, struct err *e)
{
	autofree char *text = mem_strndup(s, n);
	char *eq = strchr(text, '=');
	enum limit which = eq ? find(text, (size_t)(eq - text)) : LIMIT_COUNT;

	if (!eq)
		return err_set(e, ERR_USAGE, "'%.60s': a limit is NAME=NUMBER", text);
	if (which == LIMIT_COUNT)
		return err_set(e, ERR_USAGE,
			"there is no limit '%.*s'; docs/security.md lists them", (int)(eq - text),
			text);
	if (strcmp(eq + 1, "none") == 0)
		l->most[which] = -1;
	else if (!number(limit_rows[which].unit, eq + 1, &l->most[which]))
		return err_set(e, ERR_USAGE, "%s: '%.40s' is not a number of that kind",
			limit_rows[which].name, eq + 1);
	if (limit_rows[which].window == LIMIT_WINDOW_SECOND && l->most[which] == 0)
		return err_set(e, ERR_USAGE, "%s: must be above 0", limit_rows[which].name);
	return OK;
}

enum err_code limits_parse(const char *text, struct limits *l, struct err *e)
{
	struct limits all = *l;
	enum err_code code = OK;

	while (code == OK && *text) {
		size_t n = strcspn(text, ",");
		code = parse_one(text, n, &all, e);
		text += n + (text[n] == ',');
	}
	if (code == OK)
		*l = all;
	return code;
}

/* ---- printing ------------------------------------------------------------------------------- */

char *limits_text(const struct limits *l)
{
	struct buf b = BUF_INIT(4096);

	for (size_t i = 0; i < LIMIT_COUNT; i++) {
		long long v = (long long)l->most[i];
		if (v < 0)
			continue;
		buf_printf(&b, "%s%s=", b.len ? "," : "", limit_rows[i].name);
		if (limit_rows[i].unit != LIMIT_UNIT_DECIMAL)
			buf_printf(&b, "%lld", v);
		else if (v % 1000)
			buf_printf(&b, "%lld.%03lld", v / 1000, v % 1000);
		else
			buf_printf(&b, "%lld", v / 1000);
	}
	return b.len ? buf_take(&b) : mem_strdup("");
}

json_t *limit_amount_json(enum limit which, int64_t amount)
{
	return limit_rows[which].unit == LIMIT_UNIT_DECIMAL ? json_real((double)amount / 1000)
							    : json_integer(amount);
}

json_t *limits_json(const struct limits *l)
{
	json_t *o = json_obj();

	for (size_t i = 0; i < LIMIT_COUNT; i++)
		if (l->most[i] >= 0)
			json_put(o, limit_rows[i].name,
				limit_amount_json((enum limit)i, l->most[i]));
	return o;
}
