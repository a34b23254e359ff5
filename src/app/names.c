/* SPDX-License-Identifier: MIT
 *
 * What comes from outside keeps letters, digits and a few signs; everything else becomes '_', and a
 * leading dot too, so that nothing hides and no path is built.
 */
#include "app/names.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/url.h"

#include <ctype.h>
#include <string.h>

#define NAME_MAX_BYTES 200

static const char *const words[] = { "name", "variant", "ext", "ref", "index", "sha256" };

static bool is_word(const char *s, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i]) == n && memcmp(words[i], s, n) == 0)
			return true;
	return false;
}

bool name_template_needs(const char *tmpl, const char *word)
{
	autofree char *braced = mem_printf("{%s}", word);
	return strstr(tmpl, braced) != NULL;
}

enum err_code name_template_check(const char *tmpl, struct err *e)
{
	if (tmpl[0] == '/' || strstr(tmpl, "..") || tmpl[0] == 0)
		return err_set(e, ERR_USAGE, "--name '%s': must stay inside the output folder", tmpl);
	for (const char *p = strchr(tmpl, '{'); p; p = strchr(p + 1, '{')) {
		const char *end = strchr(p, '}');
		if (!end || !is_word(p + 1, (size_t)(end - p - 1)))
			return err_set(e, ERR_USAGE,
				"--name '%s': knows {name} {variant} {ext} {ref} {index} {sha256} only", tmpl);
	}
	if (!name_template_needs(tmpl, "variant"))
		return err_set(e, ERR_USAGE, "--name '%s': needs {variant}", tmpl);
	return OK;
}

static void put_clean(struct buf *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n && i < NAME_MAX_BYTES; i++) {
		unsigned char c = (unsigned char)s[i];
		bool good = isalnum(c) || c >= 0x80 || strchr("-_+=,@", c) || (c == '.' && i > 0);
		buf_putc(out, c && good ? (char)c : '_');
	}
	if (n == 0)
		buf_putc(out, '_');
}

/* The last path segment, without its extension. */
static void put_url_name(struct buf *out, const char *url)
{
	const char *end = url + strcspn(url, "?#");
	const char *from = strstr(url, "://");
	from = from && from < end ? from + 3 : url;
	const char *slash = memrchr(from, '/', (size_t)(end - from));
	autofree char *last = slash ? mem_strndup(slash + 1, (size_t)(end - slash - 1)) : mem_strdup("");
	long n = url_decode(last, false);
	const char *dot = n > 0 ? strrchr(last, '.') : NULL;
	put_clean(out, last, n < 0 ? strlen(last) : dot && dot > last ? (size_t)(dot - last) : (size_t)n);
}

static void put_word(struct buf *out, const char *word, const struct name_parts *p)
{
	switch (word[0]) {
	case 'v': put_clean(out, p->variant, strlen(p->variant)); break;
	case 'e': buf_puts(out, p->ext); break;
	case 'i': buf_printf(out, "%lld", (long long)p->index); break;
	case 's': buf_puts(out, p->sha256 ? p->sha256 : ""); break;
	case 'r':
		if (p->ref)
			put_clean(out, p->ref, strlen(p->ref));
		else
			put_url_name(out, p->url);
		break;
	default: put_url_name(out, p->url); break;
	}
}

char *name_make(const char *tmpl, const struct name_parts *p)
{
	struct buf out = BUF_INIT(8192);
	while (*tmpl) {
		if (*tmpl != '{') {
			buf_putc(&out, *tmpl++);
			continue;
		}
		put_word(&out, tmpl + 1, p);
		tmpl = strchr(tmpl, '}') + 1;
	}
	return buf_take(&out);
}

struct name_set {
	json_t *taken;
};

struct name_set *name_set_new(void)
{
	struct name_set *s = mem_new(struct name_set);
	s->taken = json_obj();
	return s;
}

void name_set_free(struct name_set *s)
{
	if (s)
		json_decref(s->taken);
	free(s);
}

char *name_set_take(struct name_set *s, const char *wanted)
{
	const char *slash = strrchr(wanted, '/');
	const char *dot = strrchr(wanted, '.');
	if (!dot || (slash && dot < slash))
		dot = wanted + strlen(wanted);
	autofree char *name = mem_strdup(wanted);
	for (int i = 2; json_object_get(s->taken, name); i++) {
		free(name);
		name = mem_printf("%.*s-%d%s", (int)(dot - wanted), wanted, i, dot);
	}
	json_put_bool(s->taken, name, true);
	return TAKE(&name);
}
