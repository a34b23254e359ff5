/* SPDX-License-Identifier: MIT
 *
 * Reports that nobody answered were left as objects beside the blobs. They are taken in like any other,
 * and go once that was done, whatever came of it: what is stale today will not be good tomorrow.
 */
#include "results/results_impl.h"

#include "base/io.h"

#define LEFT_MAX  (4 << 20)
#define NAMES_MAX 1000 /* of one collection */

static enum err_code read_left(struct results *r, const char *key, struct buf *text, struct err *e)
{
	autofd fd = -1;
	int64_t bytes = 0;
	enum err_code code = blob_get(r->o.blob, key, &fd, &bytes, e);
	if (code != OK || bytes == 0)
		return code;
	if (bytes > LEFT_MAX || !buf_reserve(text, (size_t)bytes))
		return err_set(e, ERR_REQUEST_LIMIT, "the report '%s' is too large", key);
	size_t n = 0;
	code = io_pread(fd, text->data, (size_t)bytes, 0, &n, e);
	text->len = n;
	return code;
}

static bool may_pass(enum err_code code)
{
	return code == ERR_STORE_UNAVAILABLE || code == ERR_BLOB_IO || code == ERR_MEMORY;
}

static bool any_taken(const struct results_taken *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].answer.verdict != REPORT_REFUSED)
			return true;
	return false;
}

/* *ret_taken false: it was no report, or not one of its results was signed and made sense. */
static enum err_code take_left(struct results *r, const char *key, bool *ret_taken, struct err *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	CLEANUP(buf_done) struct buf text = BUF_INIT(LEFT_MAX);
	struct results_taken taken;
	struct report_letter l;
	enum err_code code = read_left(r, key, &text, e);
	if (code == ERR_BLOB_NOT_FOUND)
		return code;
	if (code == OK)
		code = report_left_parse(buf_str(&text), text.len, a, &l, e);
	if (code == OK)
		code = results_take(r, &l, a, &taken, e);
	if (may_pass(code))
		return code;
	*ret_taken = code == OK && any_taken(&taken);
	return blob_delete(r->o.blob, key, e);
}

enum err_code results_find_left(struct results *r, const struct task_name *name, bool *ret_found,
	struct err *e)
{
	char key[REPORT_LEFT_MAX];
	bool taken = false;
	report_left_key(name, key);
	enum err_code code = take_left(r, key, &taken, e);
	*ret_found = code == OK;
	return code == ERR_BLOB_NOT_FOUND ? OK : code;
}

struct names {
	struct arena *arena;
	const char *v[NAMES_MAX];
	size_t n;
};

static bool note(void *ctx, const char *key, int64_t bytes, int64_t modified_ms)
{
	struct names *l = ctx;
	(void)bytes, (void)modified_ms;
	l->v[l->n++] = arena_strdup(l->arena, key);
	return l->n < NAMES_MAX;
}

enum err_code results_collect(struct results *r, int64_t *ret_n, int64_t *ret_bad, struct err *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct names *l = arena_alloc(a, sizeof(*l));
	int64_t n = 0, bad = 0;
	l->arena = a;
	enum err_code code = blob_list_under(r->o.blob, REPORT_LEFT_FOLDER, note, l, e);
	for (size_t i = 0; code == OK && i < l->n; i++) {
		bool taken = false;
		code = take_left(r, l->v[i], &taken, e);
		if (code == ERR_BLOB_NOT_FOUND) { /* another server was quicker */
			code = OK;
			continue;
		}
		n++;
		bad += !taken;
	}
	*ret_n = n;
	*ret_bad = bad;
	return code;
}
