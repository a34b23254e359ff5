/* SPDX-License-Identifier: MIT
 *
 * What comes from outside keeps letters, digits and a few signs; everything else becomes '_', and a
 * leading dot too, so that nothing hides and no path is built.
 */
#include "view/names.h"

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
		return err_set(e, ERR_USAGE, "--name '%s': must stay inside the output folder",
			tmpl);
	for (const unsigned char *p = (const unsigned char *)tmpl; *p; p += utf8_length(p))
		if (utf8_length(p) == 0)
			return err_set(e, ERR_USAGE, "--name: is not UTF-8");
	for (const char *p = strchr(tmpl, '{'); p; p = strchr(p + 1, '{')) {
		const char *end = strchr(p, '}');
		if (!end || !is_word(p + 1, (size_t)(end - p - 1)))
			return err_set(e, ERR_USAGE,
				"--name '%s': knows {name} {variant} {ext} {ref} {index} {sha256} only",
				tmpl);
	}
	if (!name_template_needs(tmpl, "variant"))
		return err_set(e, ERR_USAGE, "--name '%s': needs {variant}", tmpl);
	return OK;
}

static void put_clean(struct buf *out, const char *s, size_t n)
{
	size_t most = n < NAME_MAX_BYTES ? n : NAME_MAX_BYTES, k;
	for (size_t i = 0; i < most; i += k) {
		unsigned char c = (unsigned char)s[i];
		bool good = c && (isalnum(c) || strchr("-_+=,@", c) || (c == '.' && i > 0));
		k = c < 0x80 ? 1 : utf8_length((const unsigned char *)s + i);
		if (c < 0x80)
			buf_putc(out, good ? (char)c : '_');
		else if (k > 0 && i + k <= most)
			buf_add(out, s + i, k);
		else
			buf_putc(out, '_');
		k = k ? k : 1;
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
	autofree char *last = slash ? mem_strndup(slash + 1, (size_t)(end - slash - 1))
				    : mem_strdup("");
	long n = url_decode(last, false);
	const char *dot = n > 0 ? strrchr(last, '.') : NULL;
	put_clean(out, last,
		n < 0                       ? strlen(last)
			: dot && dot > last ? (size_t)(dot - last)
					    : (size_t)n);
}

static void put_word(struct buf *out, const char *word, const struct name_parts *p)
{
	switch (word[0]) {
	case 'v':
		put_clean(out, p->variant, strlen(p->variant));
		break;
	case 'e':
		buf_puts(out, p->ext);
		break;
	case 'i':
		buf_printf(out, "%lld", (long long)p->index);
		break;
	case 's':
		buf_puts(out, p->sha256 ? p->sha256 : "");
		break;
	case 'r':
		if (p->ref)
			put_clean(out, p->ref, strlen(p->ref));
		else
			put_url_name(out, p->url);
		break;
	default:
		put_url_name(out, p->url);
		break;
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
	json_t *taken; /* name → the number that comes next for it */
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
	int64_t i = json_get_int(s->taken, name,
		2); /* a thousand of one name are not tried from 2 each */
	for (; json_object_get(s->taken, name); i++) {
		free(name);
		name = mem_printf("%.*s-%lld%s", (int)(dot - wanted), wanted, (long long)i, dot);
	}
	json_put_int(s->taken, wanted, i);
	if (strcmp(name, wanted) != 0)
		json_put_int(s->taken, name, 2);
	return TAKE(&name);
}
