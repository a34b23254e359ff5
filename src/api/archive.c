/* SPDX-License-Identifier: MIT
 *
 * The results of a job as one zip, made as it is taken: a page of items and one open file are all that is
 * in memory or on the way, however large the job. Names are those that `bulb run` would give.
 */
#include "api/api_impl.h"

#include "base/archive_out.h"
#include "base/io.h"
#include "view/names.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PAGE       16 /* items in memory at a time */
#define STEP_BYTES ((size_t)64 << 10)
#define NAMES      "{name}-{variant}.{ext}"

/* How far it has been written. */
struct zip {
	struct call *call;
	int64_t job_no, created_ms;
	const char *only; /* this variant, "original" or "cutout"; NULL: all but originals */
	struct archive_out *out;
	struct name_set *names;
	struct arena *page; /* that rows live in */
	struct item_row *rows;
	size_t rows_n, row;
	size_t file; /* of the row: 0 the original, then the variants, then the cut-out */
	int64_t after_n;
	int fd; /* of the file under way, or -1 */
	bool last_page;
	char bytes[STEP_BYTES]; /* of it, on the way */
};

static void zip_free(void *ctx)
{
	struct zip *z = ctx;

	archive_out_free(z->out);
	name_set_free(z->names);
	arena_free(z->page);
	fd_close(&z->fd);
}

static bool wanted(const struct zip *z, const char *variant)
{
	return z->only ? strcmp(z->only, variant) == 0 : strcmp(variant, "original") != 0;
}

struct file {
	const char *variant, *key; /* key NULL: there is none */
	enum format format;
};

/* The row's file number i; false: it has no more. */
static bool file_at(const struct item_row *it, size_t i, struct file *ret)
{
	*ret = (struct file){ .variant = "original" };
	if (i == 0 && it->source) {
		ret->key = it->source->key[0] ? it->source->key : NULL;
		ret->format = it->source->format;
	} else if (i > 0 && i <= it->variants_n) {
		const struct variant_row *v = &it->variants[i - 1];
		*ret = (struct file){ v->name, v->product.key, v->product.format };
	} else if (i == it->variants_n + 1 && it->cut == CUT_SUCCEEDED && it->cutout &&
		!it->cut_hidden) {
		*ret = (struct file){ "cutout", it->cutout->key, it->cutout->format };
	}
	return i <= it->variants_n + 1;
}

static char *name_of(struct zip *z, const struct item_row *it, const struct file *f,
	const char *ext)
{
	struct name_parts p = { .url = it->url,
		.ref = it->refs_n ? it->refs[0] : NULL,
		.variant = f->variant,
		.ext = ext,
		.index = it->n };
	autofree char *wish = name_make(NAMES, &p);

	return name_set_take(z->names, wish);
}

/* In place of a file that is not there: a note that says so. */
static enum err_code put_note(struct zip *z, const struct item_row *it, const struct file *f,
	struct buf *out, struct err *e)
{
	autofree char *name = name_of(z, it, f, "missing.txt");
	autofree char *text = mem_printf("%s: %s\n", f->key, e->text);

	if (archive_out_file(z->out, out, name, (int64_t)strlen(text), z->created_ms, e) != OK)
		return e->code;
	return archive_out_data(z->out, out, text, strlen(text), e);
}

static enum err_code open_file(struct zip *z, const struct item_row *it, const struct file *f,
	struct buf *out, struct err *e)
{
	int64_t bytes;
	const char *ext = f->format == FORMAT_NONE ? "bin" : format_extension(f->format);
	enum err_code code = blob_get(z->call->api->o.blob, f->key, &z->fd, &bytes, e);

	if (code == ERR_BLOB_NOT_FOUND) {
		z->fd = -1;
		return put_note(z, it, f, out, e);
	}
	if (code != OK) {
		z->fd = -1;
		return code;
	}
	autofree char *name = name_of(z, it, f, ext);
	return archive_out_file(z->out, out, name, bytes, z->created_ms, e);
}

static enum err_code put_data(struct zip *z, struct buf *out, struct err *e)
{
	ssize_t n = read(z->fd, z->bytes, STEP_BYTES);

	if (n < 0)
		return err_sys(e, ERR_BLOB_IO, errno, "read");
	if (n == 0) {
		fd_close(&z->fd);
		return OK;
	}
	return archive_out_data(z->out, out, z->bytes, (size_t)n, e);
}

static enum err_code next_page(struct zip *z, struct err *e)
{
	struct item_query q = { .job_no = z->job_no, .after_n = z->after_n, .max = PAGE };

	arena_free(z->page);
	z->page = arena_new();
	z->row = z->file = z->rows_n = 0;
	if (store_items(z->call->api->o.store, &q, z->page, &z->rows, &z->rows_n, e) != OK)
		return e->code;
	z->last_page = z->rows_n < PAGE;
	if (z->rows_n)
		z->after_n = z->rows[z->rows_n - 1].n;
	return OK;
}

/* To the next file that is wanted, and into it. *ret_more: false when there is none. */
static enum err_code next_file(struct zip *z, struct buf *out, bool *ret_more, struct err *e)
{
	struct file f;

	*ret_more = true;
	if (z->row == z->rows_n) {
		*ret_more = !z->last_page;
		return z->last_page ? OK : next_page(z, e);
	}
	const struct item_row *it = &z->rows[z->row];
	if (!file_at(it, z->file++, &f)) {
		z->row++;
		z->file = 0;
		return OK;
	}
	return f.key && wanted(z, f.variant) ? open_file(z, it, &f, out, e) : OK;
}

static enum http_part put_part(void *ctx, struct buf *out)
{
	struct zip *z = ctx;
	struct err e = { 0 };
	bool more = true;

	while (more && out->len < STEP_BYTES) {
		enum err_code code = z->fd >= 0 ? put_data(z, out, &e)
						: next_file(z, out, &more, &e);
		if (code != OK)
			return HTTP_PART_BROKEN;
	}
	if (more)
		return HTTP_PART_MORE;
	return archive_out_end(z->out, out, &e) == OK ? HTTP_PART_LAST : HTTP_PART_BROKEN;
}

void archive_get(struct call *c)
{
	struct job_row *job = call_job(c);
	struct zip *z;

	if (!job)
		return;
	z = arena_alloc(c->a, sizeof(*z));
	memset(z, 0, offsetof(struct zip, bytes));
	z->call = c;
	z->job_no = job->no;
	z->created_ms = job->created_ms;
	z->only = call_query(c, "variant");
	z->out = archive_out_new();
	z->names = name_set_new();
	z->fd = -1;
	if (!z->out) {
		zip_free(z);
		call_fail(c, ERR_MEMORY, "no archive could be begun");
		return;
	}
	http_set(c->r, "Content-Disposition",
		arena_printf(c->a, "attachment; filename=\"%s.zip\"", job->id));
	call_parts(c, "application/zip", put_part, zip_free, z);
}
