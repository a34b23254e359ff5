/* SPDX-License-Identifier: MIT
 *
 * Originals, products and outcomes as text columns. What stands in a column was written by this
 * program, perhaps by an older one: a member that is missing takes its default, a digest or a
 * format that cannot be read is an error of the store.
 */
#include "job/outcome.h"

#include <stdio.h>
#include <string.h>

static void put_hex(json_t *o, const char *name, const uint8_t sha256[SHA256_LEN])
{
	char hex[HEX_MAX(SHA256_LEN)];
	hex_format(sha256, SHA256_LEN, hex);
	json_put_str(o, name, hex);
}

static void put_text(json_t *o, const char *name, const char *s)
{
	if (s[0])
		json_put_str(o, name, s);
}

static void get_text(const json_t *o, const char *name, char *out, size_t size)
{
	snprintf(out, size, "%s", json_get_str(o, name, ""));
}

static enum format get_format(const json_t *o)
{
	enum format f = FORMAT_NONE;
	const char *name = json_get_str(o, "format", "");
	return format_parse(name, &f) ? f : FORMAT_NONE;
}

static enum err_code parse_object(const char *what, const char *text, json_t **ret, struct err *e)
{
	autojson *doc = NULL;
	if (json_parse(text, strlen(text), &doc, e) != OK || !json_is_object(doc))
		return err_set(e, ERR_INTERNAL, "%s: the text in the store is no JSON object",
			what);
	*ret = TAKE(&doc);
	return OK;
}

/* The text of something whose bytes are stored: it has their digest. */
static enum err_code parse_stored(const char *what, const char *text, json_t **ret,
	uint8_t ret_sha256[SHA256_LEN], struct err *e)
{
	autojson *doc = NULL;
	enum err_code code = parse_object(what, text, &doc, e);
	if (code != OK)
		return code;
	if (!hex_parse(json_get_str(doc, "sha256", ""), ret_sha256, SHA256_LEN))
		return err_set(e, ERR_INTERNAL, "%s: no digest in the store's text", what);
	*ret = TAKE(&doc);
	return OK;
}

json_t *original_json(const struct original *o)
{
	json_t *j = json_obj();
	json_put_str(j, "key", o->key);
	put_hex(j, "sha256", o->sha256);
	json_put_int(j, "bytes", o->bytes);
	if (o->format != FORMAT_NONE)
		json_put_str(j, "format", format_name(o->format));
	if (o->width || o->height) {
		json_put_int(j, "width", o->width);
		json_put_int(j, "height", o->height);
	}
	put_text(j, "thumbhash", o->thumbhash);
	put_text(j, "color", o->color);
	return j;
}

enum err_code original_parse(const char *text, struct original *ret, struct err *e)
{
	autojson *j = NULL;
	struct original o = { 0 };
	enum err_code code = parse_stored("original", text, &j, o.sha256, e);
	if (code != OK)
		return code;
	o.bytes = json_get_int(j, "bytes", 0);
	o.format = get_format(j);
	o.width = (int)json_get_int(j, "width", 0);
	o.height = (int)json_get_int(j, "height", 0);
	get_text(j, "key", o.key, sizeof(o.key));
	get_text(j, "thumbhash", o.thumbhash, sizeof(o.thumbhash));
	get_text(j, "color", o.color, sizeof(o.color));
	*ret = o;
	return OK;
}

enum original_detail original_detail(const struct original *o)
{
	if (o->thumbhash[0] || o->color[0])
		return DETAIL_LOOK;
	if (o->width)
		return DETAIL_SIZE;
	return o->format != FORMAT_NONE ? DETAIL_FORMAT : DETAIL_BYTES;
}

bool original_learn(struct original *o, const struct original *seen)
{
	struct original was = *o;

	if (o->format == FORMAT_NONE)
		o->format = seen->format;
	if (!o->width) {
		o->width = seen->width;
		o->height = seen->height;
	}
	if (original_detail(o) < DETAIL_LOOK) {
		memcpy(o->thumbhash, seen->thumbhash, sizeof o->thumbhash);
		memcpy(o->color, seen->color, sizeof o->color);
	}
	return original_detail(o) > original_detail(&was);
}

void original_unlearn(struct original *o, enum original_detail detail)
{
	if (detail < DETAIL_LOOK) {
		memset(o->thumbhash, 0, sizeof o->thumbhash);
		memset(o->color, 0, sizeof o->color);
	}
	if (detail < DETAIL_SIZE)
		o->width = o->height = 0;
	if (detail < DETAIL_FORMAT)
		o->format = FORMAT_NONE;
}

json_t *product_json(const struct product *p)
{
	json_t *j = json_obj();
	json_put_str(j, "key", p->key);
	json_put_str(j, "format", format_name(p->format));
	json_put_int(j, "width", p->width);
	json_put_int(j, "height", p->height);
	json_put_int(j, "bytes", p->bytes);
	put_hex(j, "sha256", p->sha256);
	return j;
}

enum err_code product_parse(const char *text, struct product *ret, struct err *e)
{
	autojson *j = NULL;
	struct product p = { .format = FORMAT_NONE };
	enum err_code code = parse_stored("result", text, &j, p.sha256, e);
	if (code != OK)
		return code;
	p.format = get_format(j);
	if (p.format == FORMAT_NONE)
		return err_set(e, ERR_INTERNAL, "result: no format in the store's text");
	p.width = (int)json_get_int(j, "width", 0);
	p.height = (int)json_get_int(j, "height", 0);
	p.bytes = json_get_int(j, "bytes", 0);
	get_text(j, "key", p.key, sizeof(p.key));
	*ret = p;
	return OK;
}

/* Statuses after which the same download may pass (RFC 9110, RFC 6585): 501 and 505 stay. */
static bool may_pass(const struct outcome *o)
{
	int status = o->source_status;
	if (o->code != ERR_FETCH_STATUS)
		return err_retryable(o->code);
	if (status >= 500)
		return status != 501 && status != 505;
	return status == 408 || status == 425 || status == 429;
}

static json_t *error_json(const struct outcome *o)
{
	json_t *j = json_obj();
	json_put_str(j, "code", err_name(o->code));
	json_put_str(j, "detail", o->detail);
	if (o->stage)
		json_put_str(j, "stage", o->stage);
	json_put_bool(j, "retryable", may_pass(o));
	if (o->source_status)
		json_put_int(j, "source_status", o->source_status);
	put_text(j, "final_url", o->final_url);
	return j;
}

static void put_time(json_t *o, const char *name, int64_t ms)
{
	if (ms >= 0)
		json_put_int(o, name, ms);
}

json_t *outcome_json(const struct outcome *o)
{
	json_t *j = json_obj(), *timing = json_obj();
	if (o->code != OK)
		json_put(j, "error", error_json(o));
	put_time(timing, "download", o->download_ms);
	put_time(timing, "process", o->process_ms);
	put_time(timing, "store", o->store_ms);
	json_put(j, "timing_ms", timing);
	return j;
}

static const char *stage_parse(const char *name)
{
	static const char *const stages[] = { "download", "process", "cut", "store" };
	for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
		if (strcmp(name, stages[i]) == 0)
			return stages[i];
	}
	return NULL;
}

/* A code that a newer bulb wrote and this one does not know is still a failure. */
static void error_parse(const json_t *j, struct outcome *o)
{
	enum err_code code = err_from_name(json_get_str(j, "code", ""));
	o->code = code == ERR_COUNT || code == OK ? ERR_INTERNAL : code;
	get_text(j, "detail", o->detail, sizeof(o->detail));
	o->stage = stage_parse(json_get_str(j, "stage", ""));
	o->source_status = (int)json_get_int(j, "source_status", 0);
	get_text(j, "final_url", o->final_url, sizeof(o->final_url));
}

enum err_code outcome_parse(const char *text, struct outcome *ret, struct err *e)
{
	autojson *j = NULL;
	enum err_code code = parse_object("outcome", text, &j, e);
	if (code != OK)
		return code;
	const json_t *timing = json_object_get(j, "timing_ms");
	struct outcome o = { .download_ms = json_get_int(timing, "download", -1),
		.process_ms = json_get_int(timing, "process", -1),
		.store_ms = json_get_int(timing, "store", -1) };
	if (json_is_object(json_object_get(j, "error")))
		error_parse(json_object_get(j, "error"), &o);
	*ret = o;
	return OK;
}
