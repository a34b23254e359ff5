/* SPDX-License-Identifier: MIT
 *
 * `run` and `submit` build the same request body that a front end would send, so that all three
 * pass the same checks.
 */
#include "app/inputs.h"

#include "base/io.h"
#include "base/mem.h"
#include "base/url.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIST_MAX (64 << 20)

static enum err_code add_path(json_t *urls, const char *path, struct err *e)
{
	autofree char *real = realpath(path, NULL);
	if (!real)
		return err_sys(e, ERR_USAGE, errno, "'%s' is neither a URL nor a file", path);
	CLEANUP(arena_freep) struct arena *a = arena_new();
	autofree char *url = mem_printf("file://%s", url_encode(real, true, a));
	json_push(urls, json_string(url));
	return OK;
}

static enum err_code add_one(json_t *urls, const char *s, bool paths, struct err *e)
{
	if (paths && !strstr(s, "://"))
		return add_path(urls, s, e);
	json_t *v = json_string(s);
	if (!v)
		return err_set(e, ERR_USAGE, "a URL is not UTF-8");
	json_push(urls, v);
	return OK;
}

static enum err_code add_lines(json_t *urls, char *text, bool paths, struct err *e)
{
	for (char *line; (line = strsep(&text, "\n"));) {
		size_t n = strlen(line);
		while (n && strchr(" \t\r", line[n - 1]))
			line[--n] = 0;
		line += strspn(line, " \t");
		if (*line && *line != '#' && add_one(urls, line, paths, e) != OK)
			return e->code;
	}
	return OK;
}

static enum err_code read_text(const char *path, struct buf *ret, struct err *e)
{
	return strcmp(path, "-") == 0 ? io_read_fd(STDIN_FILENO, "standard input", ret->max, ret, e)
				      : io_read_file(path, ret->max, ret, e);
}

static enum err_code add_stdin(json_t *urls, bool paths, struct err *e)
{
	struct buf text = BUF_INIT(LIST_MAX);
	enum err_code code = read_text("-", &text, e);
	if (code == OK && text.len)
		code = add_lines(urls, text.data, paths, e);
	buf_done(&text);
	return code;
}

/* file: what -f named, or NULL. */
static enum err_code read_urls(const struct conf *c, char *file, bool paths, json_t **ret,
	struct err *e)
{
	autojson *urls = json_arr();
	for (size_t i = 0; i < c->args.n; i++) {
		bool list = strcmp(c->args.v[i], "-") == 0;
		if ((list ? add_stdin(urls, paths, e) : add_one(urls, c->args.v[i], paths, e)) !=
			OK)
			return e->code;
	}
	if (file && add_lines(urls, file, paths, e) != OK)
		return e->code;
	if (!c->args.n && !c->file && !isatty(STDIN_FILENO) && add_stdin(urls, paths, e) != OK)
		return e->code;
	if (json_array_size(urls) == 0)
		return err_set(e, ERR_USAGE, "no URL was given: name some, or use -f FILE");
	*ret = TAKE(&urls);
	return OK;
}

/* One option of a variant: numbers and yes/no as JSON has them, everything else as text. */
static json_t *option_value(const char *s)
{
	char *end;
	long long n = strtoll(s, &end, 10);
	if (*s && !*end)
		return json_integer(n);
	if (strcmp(s, "true") == 0 || strcmp(s, "yes") == 0)
		return json_true();
	if (strcmp(s, "false") == 0 || strcmp(s, "no") == 0)
		return json_false();
	return json_string(s);
}

/* "thumb width=150 height=150 fit=cover" */
static enum err_code add_variant(json_t *list, const char *spec, struct err *e)
{
	autofree char *text = mem_strdup(spec);
	autojson *v = json_obj();
	char *rest = text;
	for (char *word; (word = strsep(&rest, " \t"));) {
		char *value = strchr(word, '=');
		if (!*word)
			continue;
		if (!value && json_object_size(v) == 0) {
			json_put_str(v, "name", word);
			continue;
		}
		if (!value)
			return err_set(e, ERR_USAGE, "--variant '%s': '%s' is no option=value",
				spec, word);
		*value++ = 0;
		json_put(v, word, option_value(value));
	}
	json_push(list, TAKE(&v));
	return OK;
}

static enum err_code add_variants(const struct conf *c, json_t *body, struct err *e)
{
	if (!c->variant.n)
		return OK;
	autojson *list = json_arr();
	for (size_t i = 0; i < c->variant.n; i++)
		if (add_variant(list, c->variant.v[i], e) != OK)
			return e->code;
	json_put(body, "variants", TAKE(&list));
	return OK;
}

/* The word remove, or the object itself. */
static enum err_code add_background(const struct conf *c, json_t *body, struct err *e)
{
	autojson *o = NULL;
	if (!c->background)
		return OK;
	if (strcmp(c->background, "remove") == 0) {
		o = json_obj();
		json_put_bool(o, "remove", true);
	} else if (json_parse(c->background, strlen(c->background), &o, e) != OK) {
		return err_set(e, ERR_USAGE, "--background: remove, or a JSON object: %s", e->text);
	}
	json_put(body, "background", TAKE(&o));
	return OK;
}

/* `run` has fewer settings than `submit`. */
static enum err_code add_settings(const struct conf *c, bool run, json_t *body, struct err *e)
{
	if (add_variants(c, body, e) != OK || add_background(c, body, e) != OK)
		return e->code;
	if (c->preset)
		json_put_str(body, "preset", c->preset);
	if (run)
		return OK;
	if (c->source[CONF_priority] != CONF_DEFAULT)
		json_put_str(body, "priority", c->priority);
	if (c->source[CONF_cache] != CONF_DEFAULT)
		json_put_str(body, "cache", c->cache);
	if (c->tag)
		json_put_str(body, "tag", c->tag);
	if (c->deadline_ms)
		json_put_int(body, "deadline", (c->deadline_ms + 999) / 1000);
	if (c->dry_run)
		json_put_bool(body, "dry_run", true);
	return OK;
}

/* A whole job as JSON, when the file begins like one; *ret_text is else what it holds. */
static enum err_code read_file(const struct conf *c, json_t **ret_job, char **ret_text,
	struct err *e)
{
	struct buf text = BUF_INIT(LIST_MAX);
	enum err_code code = read_text(c->file, &text, e);
	const char *s = buf_str(&text);
	if (code == OK && s[strspn(s, " \t\r\n")] == '{')
		code = json_parse(s, text.len, ret_job, e);
	else if (code == OK)
		*ret_text = buf_take(&text);
	buf_done(&text);
	return code == OK ? OK : err_wrap(e, "-f %s", c->file);
}

enum err_code inputs_body(const struct conf *c, bool paths, json_t **ret, struct err *e)
{
	autojson *body = NULL;
	autofree char *text = NULL;
	if (c->file && read_file(c, &body, &text, e) != OK)
		return e->code;
	if (body && c->args.n)
		return err_set(e, ERR_USAGE, "-f %s holds a whole job: no URLs beside it", c->file);
	if (!body) {
		json_t *urls = NULL;
		if (read_urls(c, text, paths, &urls, e) != OK)
			return e->code;
		body = json_obj();
		json_put(body, "urls", urls);
	}
	if (add_settings(c, paths, body, e) != OK)
		return e->code;
	*ret = TAKE(&body);
	return OK;
}
