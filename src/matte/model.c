/* SPDX-License-Identifier: MIT
 *
 * The manifests of models: a table of members, so that what is read, what is written and what is
 * allowed cannot drift apart. A manifest is written by the operator, but a wrong number in it would
 * show only as bad pictures, so every member is checked against what can be meant.
 */
#include "matte/model.h"

#include "base/cdefs.h"
#include "base/mem.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#define MANIFEST_MAX (64 << 10)
#define RADIUS_MAX   40 /* the sums of a window must fit (refine.c) */

enum kind { TEXT, NAME, FILE_NAME, DIGEST, WHOLE, NUMBER, FLAG, WORD, TRIPLE };
struct member {
	const char *group, *name; /* group NULL: top level */
	enum kind kind;
	bool required;
	size_t offset, size;
	double min, max;
	const char *words[4]; /* WORD: spelling of 0, 1, … */
};
#define AT(member) offsetof(struct matte_model, member), sizeof(((struct matte_model *)0)->member)

static const struct member members[] = {
	{ NULL, "name", NAME, true, AT(name) },
	{ NULL, "id", NAME, true, AT(id) },
	{ NULL, "file", FILE_NAME, true, AT(file) },
	{ NULL, "bytes", WHOLE, false, AT(bytes), 0, 1 << 30 },
	{ NULL, "sha256", DIGEST, false, AT(sha256) },
	{ NULL, "licence", TEXT, false, AT(licence) },
	{ NULL, "notice", TEXT, false, AT(notice) },
	{ NULL, "commercial_ok", FLAG, false, AT(commercial_ok) },
	{ "source", "package", TEXT, false, AT(package) },
	{ "source", "version", TEXT, false, AT(version) },
	{ "source", "member", TEXT, false, AT(member) },
	{ "source", "integrity", TEXT, false, AT(integrity) },
	{ "input", "name", TEXT, false, AT(input) },
	{ "input", "width", WHOLE, true, AT(w), 16, 4096 },
	{ "input", "height", WHOLE, true, AT(h), 16, 4096 },
	{ "input", "resize", WORD, false, AT(letterbox), 0, 0, { "stretch", "letterbox" } },
	{ "input", "divide_by", WORD, false, AT(divide_by_max), 0, 0, { "255", "max" } },
	{ "input", "mean", TRIPLE, true, AT(mean), -10, 10 },
	{ "input", "std", TRIPLE, true, AT(std), 1e-6, 1000 },
	{ "output", "name", TEXT, false, AT(output) },
	{ "output", "activation", WORD, false, AT(activation), 0, 0, { "none", "sigmoid" } },
	{ "output", "normalise", WORD, false, AT(normalise), 0, 0, { "minmax", "clamp" } },
	{ "output", "no_subject_threshold", NUMBER, false, AT(no_subject_threshold), 0, 1 },
	{ "refine", "contrast", NUMBER, false, AT(contrast), 0, 100 },
	{ "refine", "radius", WHOLE, false, AT(gf_radius), 0, RADIUS_MAX },
	{ "refine", "eps", NUMBER, false, AT(gf_eps), 1e-9, 1 },
	{ "refine", "foreground", FLAG, false, AT(foreground) },
	{ "runtime", "peak_mb", WHOLE, false, AT(peak_mb), 1, 1 << 20 },
	{ "runtime", "graph_level", WHOLE, false, AT(graph_level), 0, 99 },
	{ "runtime", "mem_pattern", FLAG, false, AT(mem_pattern) },
	{ "runtime", "arena", FLAG, false, AT(arena) },
};

static enum err_code fault(struct err *e, const struct member *m, const char *what)
{
	return err_set(e, ERR_MATTE_UNAVAILABLE, "model manifest: %s%s%s %s",
		m->group ? m->group : "", m->group ? "." : "", m->name, what);
}

static bool is_name(const char *s)
{
	if (!isalnum((unsigned char)s[0]))
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("._-", *s))
			return false;
	return true;
}

static enum err_code take_text(const struct member *m, const json_t *v, char *out, struct err *e)
{
	const char *s = json_string_value(v);
	if (!s)
		return fault(e, m, "must be a string");
	if (strlen(s) >= m->size)
		return err_set(e, fault(e, m, "is too long"), "%s: at most %zu bytes", e->text,
			m->size - 1);
	for (const char *c = s; *c; c++)
		if (iscntrl((unsigned char)*c))
			return fault(e, m, "must not hold control characters");
	if (m->kind == NAME && !is_name(s))
		return fault(e, m, "must be letters, digits, '.', '_' and '-'");
	if (m->kind == FILE_NAME && !is_name(s))
		return fault(e, m, "must be the plain name of a file beside the manifest");
	memcpy(out, s, strlen(s) + 1);
	return OK;
}

static enum err_code take_number(const struct member *m, const json_t *v, void *out, struct err *e)
{
	if (m->kind == WHOLE ? !json_is_integer(v) : !json_is_number(v))
		return fault(e, m,
			m->kind == WHOLE ? "must be a whole number" : "must be a number");
	double d = json_number_value(v);
	if (!(d >= m->min && d <= m->max)) {
		char what[80];
		snprintf(what, sizeof(what), "must be from %.9g to %.9g", m->min, m->max);
		return fault(e, m, what);
	}
	if (m->kind == NUMBER)
		*(double *)out = d;
	else if (m->size == sizeof(int64_t))
		*(int64_t *)out = (int64_t)d;
	else
		*(int *)out = (int)d;
	return OK;
}

static enum err_code take_triple(const struct member *m, const json_t *v, float *out, struct err *e)
{
	if (json_array_size(v) != 3)
		return fault(e, m, "must be a list of three numbers");
	for (size_t i = 0; i < 3; i++) {
		double d = 0;
		struct member one = *m;
		one.kind = NUMBER;
		enum err_code code = take_number(&one, json_array_get(v, i), &d, e);
		if (code != OK)
			return code;
		out[i] = (float)d;
	}
	return OK;
}

/* A word sets a bool or an enum: both start at 0. */
static void set_word(const struct member *m, void *out, int value)
{
	if (m->size == sizeof(bool))
		*(bool *)out = value;
	else
		*(int *)out = value;
}

static int get_word(const struct member *m, const void *in)
{
	return m->size == sizeof(bool) ? *(const bool *)in : *(const int *)in;
}

static enum err_code take_word(const struct member *m, const json_t *v, void *out, struct err *e)
{
	const char *s = json_string_value(v);
	for (int i = 0; s && i < (int)ARRAY_LEN(m->words) && m->words[i]; i++)
		if (!strcmp(s, m->words[i])) {
			set_word(m, out, i);
			return OK;
		}
	char what[80];
	snprintf(what, sizeof(what), "must be \"%s\" or \"%s\"", m->words[0], m->words[1]);
	return fault(e, m, what);
}

static enum err_code take(const struct member *m, const json_t *v, void *out, struct err *e)
{
	switch (m->kind) {
	case TEXT:
	case NAME:
	case FILE_NAME:
		return take_text(m, v, out, e);
	case DIGEST:
		if (!json_is_string(v) || !hex_parse(json_string_value(v), out, SHA256_LEN))
			return fault(e, m, "must be 64 hexadecimal digits");
		return OK;
	case WHOLE:
	case NUMBER:
		return take_number(m, v, out, e);
	case FLAG:
		if (!json_is_boolean(v))
			return fault(e, m, "must be true or false");
		*(bool *)out = json_is_true(v);
		return OK;
	case WORD:
		return take_word(m, v, out, e);
	case TRIPLE:
		return take_triple(m, v, out, e);
	}
	return OK;
}

/* Whether `name` within `group` is a member, or a group (group NULL). */
static bool is_known(const char *group, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const struct member *m = &members[i];
		bool same = group ? m->group && !strcmp(m->group, group) : !m->group;
		if (same && !strcmp(m->name, name))
			return true;
		if (!group && m->group && !strcmp(m->group, name))
			return true;
	}
	return false;
}

static enum err_code refuse_unknown(const char *group, const json_t *o, struct err *e)
{
	const char *name;
	json_t *v;
	json_object_foreach((json_t *)o, name, v)
	{
		if (!is_known(group, name))
			return err_set(e, ERR_MATTE_UNAVAILABLE,
				"model manifest: unknown member '%s%s%.60s'", group ? group : "",
				group ? "." : "", name);
		if (!group && json_is_object(v)) {
			enum err_code code = refuse_unknown(name, v, e);
			if (code != OK)
				return code;
		}
	}
	return OK;
}

static enum err_code read_members(const json_t *doc, struct matte_model *ret, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const struct member *m = &members[i];
		const json_t *o = m->group ? json_object_get(doc, m->group) : doc;
		if (o && !json_is_object(o))
			return err_set(e, ERR_MATTE_UNAVAILABLE,
				"model manifest: %s must be an object", m->group);
		const json_t *v = json_object_get(o, m->name);
		if (!v && m->required)
			return fault(e, m, "is missing");
		if (!v)
			continue;
		enum err_code code = take(m, v, (char *)ret + m->offset, e);
		if (code != OK)
			return code;
	}
	return OK;
}

static enum err_code check_whole(const struct matte_model *m, struct err *e)
{
	int level = m->graph_level;
	if (level > 2 && level != 99)
		return err_set(e, ERR_MATTE_UNAVAILABLE,
			"model manifest: runtime.graph_level must be 0, 1, 2 or 99");
	return OK;
}

enum err_code matte_model_parse(const char *text, size_t n, struct matte_model *ret, struct err *e)
{
	if (n > MANIFEST_MAX)
		return err_set(e, ERR_MATTE_UNAVAILABLE, "model manifest: over %d bytes",
			MANIFEST_MAX);
	autojson *doc = NULL;
	if (json_parse(text, n, &doc, e) != OK)
		return err_set(e, ERR_MATTE_UNAVAILABLE, "model manifest: %s", e->text);
	if (!json_is_object(doc))
		return err_set(e, ERR_MATTE_UNAVAILABLE, "model manifest: must be a JSON object");
	struct matte_model m = { .gf_eps = 1e-4,
		.graph_level = 99,
		.arena = true,
		.peak_mb = 2048 };
	enum err_code code = refuse_unknown(NULL, doc, e);
	if (code == OK)
		code = read_members(doc, &m, e);
	if (code == OK)
		code = check_whole(&m, e);
	if (code == OK)
		*ret = m;
	return code;
}

static json_t *give(const struct member *m, const void *in)
{
	char hex[HEX_MAX(SHA256_LEN)];
	const float *f = in;
	switch (m->kind) {
	case TEXT:
	case NAME:
	case FILE_NAME:
		return json_string(in);
	case DIGEST:
		hex_format(in, SHA256_LEN, hex);
		return json_string(hex);
	case WHOLE:
		return json_integer(
			m->size == sizeof(int64_t) ? *(const int64_t *)in : *(const int *)in);
	case NUMBER:
		return json_real(*(const double *)in);
	case FLAG:
		return json_boolean(*(const bool *)in);
	case WORD:
		return json_string(m->words[get_word(m, in)]);
	case TRIPLE:
		return json_pack("[f,f,f]", (double)f[0], (double)f[1], (double)f[2]);
	}
	return NULL;
}

json_t *matte_model_json(const struct matte_model *model)
{
	json_t *doc = json_obj();
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const struct member *m = &members[i];
		json_t *o = doc;
		if (m->group && !(o = json_object_get(doc, m->group))) {
			o = json_obj();
			json_put(doc, m->group, o);
		}
		json_t *v = give(m, (const char *)model + m->offset);
		if (!v)
			mem_exhausted();
		json_put(o, m->name, v);
	}
	return doc;
}
