/* SPDX-License-Identifier: MIT
 *
 * What a function is told. It has no database, so everything is said: where the bytes are, what is to
 * be made of them, where that goes, whom to tell and with which secret to sign it.
 */
#include "job/reading.h"
#include "job/report.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX    8192 /* of a URL, a header, an ETag */
#define HEADERS_MAX 64
#define DIGITS_MAX  19

static const char *const kinds[] = { [TASK_FETCH] = "fetch", [TASK_MAKE] = "make" };

/* ---- one lease ------------------------------------------------------------------------------ */

void task_name_format(const struct task_name *t, char out[TASK_NAME_MAX])
{
	snprintf(out, TASK_NAME_MAX, "%lld.%lld", (long long)t->id, (long long)t->lease);
}

/* Digits of a number from 1 to INT64_MAX, no zero before them. */
static bool number_parse(const char **s, int64_t *ret)
{
	size_t n = strspn(*s, "0123456789");
	if (n == 0 || n > DIGITS_MAX - 1 || **s == '0')
		return false;
	*ret = 0;
	for (const char *end = *s + n; *s < end; (*s)++)
		*ret = *ret * 10 + (**s - '0');
	return true;
}

bool task_name_parse(const char *s, struct task_name *ret)
{
	struct task_name t;
	if (!number_parse(&s, &t.id) || *s++ != '.' || !number_parse(&s, &t.lease) || *s)
		return false;
	*ret = t;
	return true;
}

static void derive(const uint8_t key[32], const char *what, const struct task_name *t,
	uint8_t out[SHA256_LEN])
{
	char name[TASK_NAME_MAX], text[TASK_NAME_MAX + 16];
	task_name_format(t, name);
	snprintf(text, sizeof(text), "%s %s", what, name);
	hmac_sha256(key, 32, text, strlen(text), out);
}

void report_secret(const uint8_t key[32], const struct task_name *t, struct webhook_secret *ret)
{
	static_assert(WEBHOOK_KEY_MAX >= SHA256_LEN, "a digest fits into a secret");
	*ret = (struct webhook_secret){ .n = SHA256_LEN };
	derive(key, "report", t, ret->key);
}

void report_key_prefix(const uint8_t key[32], const struct task_name *t,
	char out[REPORT_PREFIX_MAX])
{
	uint8_t mac[SHA256_LEN];
	char hex[HEX_MAX(16)];
	derive(key, "keys", t, mac);
	hex_format(mac, 16, hex);
	snprintf(out, REPORT_PREFIX_MAX, "out/%s/", hex);
}

void report_left_key(const struct task_name *t, char out[REPORT_LEFT_MAX])
{
	snprintf(out, REPORT_LEFT_MAX, REPORT_LEFT_FOLDER "%lld-%lld.json", (long long)t->id,
		(long long)t->lease);
}

/* ---- writing -------------------------------------------------------------------------------- */

static void put(json_t *o, const char *name, const char *s)
{
	if (s)
		json_put_str(o, name, s);
}

static void put_limit(json_t *o, const char *name, int64_t v)
{
	if (v)
		json_put_int(o, name, v);
}

static json_t *headers_json(const struct event_task *t)
{
	json_t *o = json_obj();
	for (size_t i = 0; i < t->headers_n; i++)
		json_put_str(o, t->headers[i].name, t->headers[i].value);
	return o;
}

static json_t *variants_json(const struct event_task *t)
{
	json_t *list = json_arr();
	char hex[HEX_MAX(VARIANT_DIGEST_LEN)];
	for (size_t i = 0; i < t->recipe.n; i++) {
		json_t *v = variant_json(&t->recipe.variants[i]);
		hex_format(t->digests[i], VARIANT_DIGEST_LEN, hex);
		json_put_str(v, "recipe", hex);
		json_push(list, v);
	}
	return list;
}

static json_t *limits_json(const struct event_limits *l)
{
	json_t *o = json_obj();
	put_limit(o, "max_bytes", l->max_bytes);
	put_limit(o, "max_pixels", l->max_pixels);
	put_limit(o, "max_frames", l->max_frames);
	put_limit(o, "max_output_bytes", l->max_output_bytes);
	put_limit(o, "fetch_ms", l->fetch_ms);
	put_limit(o, "item_ms", l->item_ms);
	return o;
}

void put_whole_key(json_t *o, const char *name, const char *prefix, const char *key)
{
	autofree char *whole = mem_printf("%s%s", prefix, key);
	json_put_str(o, name, whole);
}

json_t *original_whole_json(const struct original *o, const char *prefix)
{
	json_t *j = original_json(o);
	if (o->key[0])
		put_whole_key(j, "key", prefix, o->key);
	else
		json_object_del(j, "key");
	return j;
}

json_t *event_task_json(const struct event_task *t, const char *prefix)
{
	json_t *o = json_obj();
	json_put_str(o, "task", t->task);
	json_put_str(o, "secret", t->secret);
	json_put_str(o, "kind", kinds[t->kind]);
	put(o, "url", t->url);
	if (t->headers_n > 0)
		json_put(o, "headers", headers_json(t));
	put(o, "etag", t->etag);
	put(o, "last_modified", t->last_modified);
	if (t->has_source)
		json_put(o, "source", original_whole_json(&t->source, prefix));
	json_put(o, "variants", variants_json(t));
	put_whole_key(o, "key_prefix", prefix, t->key_prefix);
	json_put(o, "limits", limits_json(&t->limits));
	json_put_bool(o, "keep_source", t->keep_source);
	json_put_int(o, "deadline_ms", t->deadline_ms);
	return o;
}

json_t *event_json(const struct event *ev)
{
	json_t *o = json_obj(), *tasks = json_arr();
	put(o, "report_url", ev->report_url);
	if (ev->bucket.name) {
		json_t *b = json_obj();
		json_put_str(b, "name", ev->bucket.name);
		put(b, "region", ev->bucket.region);
		json_put_str(b, "prefix", ev->bucket.prefix);
		json_put(o, "bucket", b);
	}
	for (size_t i = 0; i < ev->n; i++)
		json_push(tasks,
			event_task_json(&ev->tasks[i], ev->bucket.prefix ? ev->bucket.prefix : ""));
	json_put(o, "tasks", tasks);
	return o;
}

/* ---- reading -------------------------------------------------------------------------------- */

static void read_kind(struct reading *r, enum task_kind *ret)
{
	const char *name = "";
	reading_must(r, "kind");
	reading_str(r, "kind", 16, &name);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i], name) == 0) {
			*ret = (enum task_kind)i;
			return;
		}
	reading_fault(r, "kind", "must be fetch or make");
}

static void read_headers(struct reading *r, struct event_task *t)
{
	struct reading m = reading_member(r, "headers");
	const char *name;
	json_t *v;
	if (m.code == OK && m.o && json_object_size(m.o) > HEADERS_MAX)
		reading_fault(&m, "", "must have at most %d members", HEADERS_MAX);
	size_t n = m.code == OK && m.o ? json_object_size(m.o) : 0;
	t->headers = arena_alloc(r->a, (n + 1) * sizeof(*t->headers));
	if (n > 0)
		json_object_foreach((json_t *)(uintptr_t)m.o, name, v)
		{
			struct event_header h = { .name = arena_strdup(r->a, name), .value = "" };
			reading_str(&m, name, TEXT_MAX, &h.value);
			((struct event_header *)(uintptr_t)t->headers)[t->headers_n++] = h;
		}
	reading_end(r, &m);
}

/* One variant as a request spells it, and its digest beside. */
static void read_variant(struct reading *r, const json_t *v, struct variant *ret,
	uint8_t digest[VARIANT_DIGEST_LEN])
{
	struct recipe one = { 0 };
	struct err e = { 0 };
	if (r->code != OK)
		return;
	autojson *plain = json_copy((json_t *)(uintptr_t)v);
	autojson *list = json_arr();
	json_object_del(plain, "recipe");
	json_push(list, json_incref(plain));
	reading_must(r, "recipe");
	reading_digest(r, "recipe", digest);
	if (recipe_from_json(list, &one, &e) != OK)
		reading_fault(r, "", "%s", e.text);
	else
		*ret = one.variants[0];
	recipe_done(&one);
}

static void read_variants(struct reading *r, struct event_task *t)
{
	const json_t *list = reading_list(r, "variants", REPORT_VARIANTS_MAX);
	size_t n = json_array_size(list);
	t->recipe.variants = arena_alloc(r->a, (n + 1) * sizeof(*t->recipe.variants));
	t->digests = arena_alloc(r->a, (n + 1) * sizeof(*t->digests));
	for (size_t i = 0; r->code == OK && i < n; i++) {
		const json_t *v = json_array_get(list, i);
		struct reading m = reading_of(v, reading_at(r, "variants", i), r->a, r->e);
		read_variant(&m, v, &t->recipe.variants[i], t->digests[i]);
		reading_end(r, &m);
		t->recipe.n++;
	}
}

static void read_limits(struct reading *r, struct event_limits *l)
{
	struct reading m = reading_member(r, "limits");
	reading_int(&m, "max_bytes", 0, INT64_MAX, &l->max_bytes);
	reading_int(&m, "max_pixels", 0, INT64_MAX, &l->max_pixels);
	reading_int(&m, "max_frames", 0, INT64_MAX, &l->max_frames);
	reading_int(&m, "max_output_bytes", 0, INT64_MAX, &l->max_output_bytes);
	reading_int(&m, "fetch_ms", 0, INT64_MAX, &l->fetch_ms);
	reading_int(&m, "item_ms", 0, INT64_MAX, &l->item_ms);
	reading_end(r, &m);
}

static void read_task(struct reading *r, const char *prefix, struct event_task *t)
{
	char key[BLOB_KEY_MAX + 1] = "";
	reading_must(r, "task");
	reading_str(r, "task", 256, &t->task);
	reading_must(r, "secret");
	reading_str(r, "secret", WEBHOOK_SECRET_MAX, &t->secret);
	read_kind(r, &t->kind);
	reading_must(r, t->kind == TASK_FETCH ? "url" : "source");
	reading_str(r, "url", TEXT_MAX, &t->url);
	read_headers(r, t);
	reading_str(r, "etag", TEXT_MAX, &t->etag);
	reading_str(r, "last_modified", TEXT_MAX, &t->last_modified);
	struct reading source = reading_member(r, "source");
	t->has_source = source.o != NULL;
	if (t->has_source)
		reading_original(&source, prefix, &t->source);
	reading_end(r, &source);
	read_variants(r, t);
	reading_must(r, "key_prefix");
	reading_key(r, "key_prefix", prefix, key);
	t->key_prefix = arena_strdup(r->a, key);
	read_limits(r, &t->limits);
	reading_bool(r, "keep_source", &t->keep_source);
	reading_int(r, "deadline_ms", 0, INT64_MAX, &t->deadline_ms);
}

enum err_code event_task_parse(const json_t *doc, const char *prefix, struct arena *a,
	struct event_task *ret, struct err *e)
{
	struct event_task t = { .keep_source = true };
	struct reading r = reading_of(doc, "", a, e);
	read_task(&r, prefix, &t);
	if (r.code == OK)
		*ret = t;
	return r.code;
}

enum err_code event_parse(const json_t *doc, struct arena *a, struct event *ret, struct err *e)
{
	struct event ev = { .bucket = { .prefix = "" } };
	struct reading r = reading_of(doc, "", a, e);
	reading_str(&r, "report_url", TEXT_MAX, &ev.report_url);
	struct reading b = reading_member(&r, "bucket");
	reading_str(&b, "name", 255, &ev.bucket.name);
	reading_str(&b, "region", 64, &ev.bucket.region);
	reading_str(&b, "prefix", 1024, &ev.bucket.prefix);
	reading_end(&r, &b);
	reading_must(&r, "tasks");
	const json_t *tasks = reading_list(&r, "tasks", EVENT_TASKS_MAX);
	size_t n = json_array_size(tasks);
	ev.tasks = arena_alloc(a, (n + 1) * sizeof(*ev.tasks));
	for (size_t i = 0; r.code == OK && i < n; i++) {
		struct event_task *t = &ev.tasks[ev.n++];
		struct reading m = reading_of(json_array_get(tasks, i), reading_at(&r, "tasks", i),
			a, e);
		t->keep_source = true;
		read_task(&m, ev.bucket.prefix, t);
		reading_end(&r, &m);
	}
	if (r.code == OK)
		*ret = ev;
	return r.code;
}
