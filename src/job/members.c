/* SPDX-License-Identifier: MIT
 *
 * Reading objects by a table of members, so that the set of names, the hint for a mistyped one and
 * the refusal of what is not there yet come from one place for jobs, URLs and variants alike.
 */
#include "job/members.h"

#include "base/near.h"

#include <math.h>
#include <string.h>

static void add_escaped(struct buf *b, const char *name)
{
	for (; *name; name++) {
		if (*name == '~')
			buf_puts(b, "~0");
		else if (*name == '/')
			buf_puts(b, "~1");
		else
			buf_putc(b, *name);
	}
}

static void add_place(struct buf *b, const struct at *at)
{
	if (!at->up) {
		buf_puts(b, at->name);
		return;
	}
	add_place(b, at->up);
	buf_putc(b, '/');
	if (at->name)
		add_escaped(b, at->name);
	else
		buf_printf(b, "%zu", at->index);
}

char *at_pointer(const struct at *at)
{
	struct buf b = BUF_INIT(64 << 10);
	add_place(&b, at);
	return buf_take(&b);
}

static void read_member(const struct member *m, const json_t *v, const struct at *up, void *dst,
	struct faults *f)
{
	struct at at = { .up = up, .name = m->name };
	if (m->read)
		m->read(dst, v, &at, f);
	else if (!json_is_false(v))
		at_fault(f, &at, ERR_REQUEST_UNSUPPORTED, "'%s' is not there yet", m->name);
}

static void unknown_member(const char *name, const struct member *table, size_t n,
	const struct at *up, struct faults *f)
{
	struct at at = { .up = up, .name = name };
	const char *names[64];
	for (size_t i = 0; i < n && i < ARRAY_LEN(names); i++)
		names[i] = table[i].name;
	const char *near = faults_full(f) ? NULL : near_find(name, names, n);
	if (near)
		at_fault(f, &at, ERR_REQUEST_UNKNOWN_MEMBER,
			"unknown member '%.64s': did you mean '%s'?", name, near);
	else
		at_fault(f, &at, ERR_REQUEST_UNKNOWN_MEMBER, "unknown member '%.64s'", name);
}

static bool is_known(const char *name, const struct member *table, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(name, table[i].name) == 0)
			return true;
	}
	return false;
}

void members_read(const json_t *o, const struct member *table, size_t n, const struct at *at,
	void *dst, struct faults *f)
{
	if (!json_is_object(o)) {
		at_fault(f, at, ERR_REQUEST_INVALID, "must be an object");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_object_get(o, table[i].name);
		if (v && !json_is_null(v))
			read_member(&table[i], v, at, dst, f);
	}
	const char *name;
	json_t *v;
	json_object_foreach((json_t *)o, name, v)
	{
		if (!is_known(name, table, n))
			unknown_member(name, table, n, at, f);
	}
}

bool read_int(const json_t *v, int64_t min, int64_t max, const struct at *at, struct faults *f,
	int64_t *ret)
{
	double d = json_number_value(v);
	if (!json_is_number(v) || d != floor(d)) {
		at_fault(f, at, ERR_REQUEST_INVALID, "must be a whole number");
		return false;
	}
	if (d < (double)min || d > (double)max) {
		at_fault(f, at, ERR_REQUEST_INVALID, "must be %lld to %lld", (long long)min,
			(long long)max);
		return false;
	}
	*ret = json_is_integer(v) ? json_integer_value(v) : (int64_t)d;
	return true;
}

bool read_bool(const json_t *v, const struct at *at, struct faults *f, bool *ret)
{
	if (!json_is_boolean(v)) {
		at_fault(f, at, ERR_REQUEST_INVALID, "must be true or false");
		return false;
	}
	*ret = json_is_true(v);
	return true;
}

bool read_str(const json_t *v, size_t max, const struct at *at, struct faults *f, const char **ret)
{
	if (!json_is_string(v) || json_string_length(v) == 0) {
		at_fault(f, at, ERR_REQUEST_INVALID, "must be a string that is not empty");
		return false;
	}
	if (json_string_length(v) > max) {
		at_fault(f, at, ERR_REQUEST_LIMIT, "%zu bytes: the limit is %zu",
			json_string_length(v), max);
		return false;
	}
	*ret = json_string_value(v);
	return true;
}

size_t read_name(const json_t *v, const char *const *names, size_t n, const struct at *at,
	struct faults *f)
{
	const char *s = json_string_value(v);
	for (size_t i = 0; s && i < n; i++) {
		if (strcmp(s, names[i]) == 0)
			return i;
	}
	struct buf list = BUF_INIT(4096);
	for (size_t i = 0; i < n; i++)
		buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
	const char *near = s && !faults_full(f) ? near_find(s, names, n) : NULL;
	if (near)
		at_fault(f, at, ERR_REQUEST_INVALID, "'%.64s' is none of %s: did you mean '%s'?", s,
			buf_str(&list), near);
	else
		at_fault(f, at, ERR_REQUEST_INVALID, "must be one of %s", buf_str(&list));
	buf_done(&list);
	return n;
}
