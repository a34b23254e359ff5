/* SPDX-License-Identifier: MIT
 *
 * Errors and what the table says about them. The text is written into a temporary first because
 * the text that is there is often an argument of the new one.
 */
#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_SIZE sizeof(((struct err){ 0 }).text)

enum retry { NEVER, LATER };

struct row {
	const char *name, *title, *hint;
	int http;
	enum retry retry;
};
static const struct row rows[ERR_COUNT] = {
	[OK] = { "ok", "nothing is wrong", "", 200, NEVER },
#define ERR(name, http, retry, title, hint) [ERR_##name] = { #name, title, hint, http, retry },
#include "base/err.def"
#undef ERR
};

/* The public names: NAME in lower case, made once by the compiler's constant strings. */
static char names[ERR_COUNT][40];

__attribute__((constructor)) static void names_make(void)
{
	for (int i = 0; i < ERR_COUNT; i++)
		for (size_t k = 0; rows[i].name[k] && k + 1 < sizeof(names[i]); k++)
			names[i][k] = (char)tolower((unsigned char)rows[i].name[k]);
}

/* As much of src as fits, whole UTF-8 characters only. */
static void copy_cut(char *dst, size_t size, const char *src)
{
	size_t n = strlen(src);
	if (n > size - 1) {
		n = size - 1;
		while (n > 0 && ((unsigned char)src[n] & 0xC0) == 0x80)
			n--;
	}
	memcpy(dst, src, n);
	dst[n] = '\0';
}

static enum err_code set(struct err *e, enum err_code code, const char *text)
{
	if (e) {
		*e = (struct err){ .code = code };
		copy_cut(e->text, sizeof(e->text), text);
	}
	return code;
}

enum err_code(err_set)(struct err *e, enum err_code code, const char *fmt, ...)
{
	char text[TEXT_SIZE + 4]; /* longer, so that the cut can see where a character ends */
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return set(e, code, text);
}

enum err_code(err_sys)(struct err *e, enum err_code code, int errnum, const char *fmt, ...)
{
	char what[TEXT_SIZE + 4], text[TEXT_SIZE + 128], reason[100];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	/* GNU's strerror_r: the text is returned, perhaps without using the buffer. */
	snprintf(text, sizeof(text), "%s: %s", what, strerror_r(errnum, reason, sizeof(reason)));
	return set(e, errnum == ENOMEM ? ERR_MEMORY : code, text);
}

enum err_code err_wrap(struct err *e, const char *fmt, ...)
{
	char what[TEXT_SIZE + 4], text[TEXT_SIZE * 2 + 8];
	if (!e)
		return ERR_INTERNAL;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(text, sizeof(text), "%s: %s", what, e->text);
	copy_cut(e->text, sizeof(e->text), text);
	return e->code;
}

static const struct row *row_of(enum err_code code)
{
	return &rows[code >= 0 && code < ERR_COUNT ? code : ERR_INTERNAL];
}

const char *err_name(enum err_code code)
{
	return names[row_of(code) - rows];
}

const char *err_title(enum err_code code)
{
	return row_of(code)->title;
}

const char *err_hint(enum err_code code)
{
	return row_of(code)->hint;
}

int err_http(enum err_code code)
{
	return row_of(code)->http;
}

bool err_retryable(enum err_code code)
{
	return row_of(code)->retry == LATER;
}

enum err_code err_from_name(const char *name)
{
	for (int i = 0; i < ERR_COUNT; i++)
		if (strcmp(names[i], name) == 0)
			return (enum err_code)i;
	return ERR_COUNT;
}
