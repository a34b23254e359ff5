/* SPDX-License-Identifier: MIT
 *
 * bulb copy: everything that one pair of engines holds, into another pair. Nobody may use either
 * meanwhile: an embedded store is locked, a shared one is asked who is connected, and the target
 * refuses servers until all is there. What was cut off goes on at the next call.
 */
#include "app/carry.h"
#include "app/cmd.h"
#include "app/say.h"
#include "app/signals.h"
#include "base/clock.h"
#include "base/io.h"
#include "net/net.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MS   5000 /* between two lines of progress, in a pipe */
#define BAR_MS    100
#define SAY_MAX   20 /* bad blobs that are named */
#define PLACE_MAX 2

/* One side: URLs, and what they opened. */
struct side {
	const char *flag;
	char *store_url, *blob_url; /* blob_url NULL: the blobs stay where they are */
	struct store *store;
	struct blob *blob;
};
struct moving {
	const struct conf *conf;
	struct side from, to;
	struct carry carry;
	struct copy *copy;
	bool terminal;
	int64_t said_ms;
	_Atomic int64_t bad;
};

/* ---- which is which ---- */

static bool is_blob_url(const char *url)
{
	return strncmp(url, "file:", 5) == 0 || strncmp(url, "s3:", 3) == 0;
}

static bool is_store_url(const char *url)
{
	return store_url_is_shared(url) || strncmp(url, "sqlite:", 7) == 0;
}

static enum err_code take(struct side *s, char **slot, char *url, struct err *e)
{
	if (*slot) {
		free(url);
		return err_set(e, ERR_USAGE, "%s: one store and one blob store, not two of a kind",
			s->flag);
	}
	*slot = url;
	return OK;
}

/* A data folder is both. */
static enum err_code take_folder(struct side *s, const char *dir, struct err *e)
{
	size_t n = strlen(dir);
	n -= n > 1 && dir[n - 1] == '/';
	if (strcspn(dir, ":") < strcspn(dir, "/"))
		return err_set(e, ERR_USAGE,
			"%s '%.*s…': it is a data folder, sqlite:PATH, postgres://…, file:DIR or "
			"s3://BUCKET/PREFIX",
			s->flag, (int)strcspn(dir, ":/"), dir);
	if (take(s, &s->store_url, mem_printf("sqlite:%.*s/bulb.db", (int)n, dir), e) != OK)
		return e->code;
	return take(s, &s->blob_url, mem_printf("file:%.*s/blobs", (int)n, dir), e);
}

static enum err_code sort_out(struct side *s, const struct conf_list *urls, struct err *e)
{
	for (size_t i = 0; i < urls->n; i++) {
		const char *url = urls->v[i];
		enum err_code code;
		if (is_blob_url(url))
			code = take(s, &s->blob_url, mem_strdup(url), e);
		else if (is_store_url(url))
			code = take(s, &s->store_url, mem_strdup(url), e);
		else
			code = take_folder(s, url, e);
		if (code != OK)
			return code;
	}
	return s->store_url ? OK
			    : err_set(e, ERR_USAGE,
				      "%s: a store is missing (a data folder, sqlite:PATH or "
				      "postgres://…)",
				      s->flag);
}

static enum err_code sort_all(struct moving *m, struct err *e)
{
	enum err_code code = sort_out(&m->from, &m->conf->from, e);
	if (code == OK)
		code = sort_out(&m->to, &m->conf->to, e);
	if (code != OK)
		return code;
	if (!m->from.blob_url != !m->to.blob_url)
		return err_set(e, ERR_USAGE,
			"blobs are to come from and go to somewhere: give both --from and --to a "
			"file:DIR or s3://…, or neither, where they stay in place");
	if (m->from.blob_url && strcmp(m->from.blob_url, m->to.blob_url) == 0) {
		free(TAKE(&m->from.blob_url));
		free(TAKE(&m->to.blob_url));
	}
	return OK;
}

/* ---- opening ---- */

/* A name mistyped would make an empty database, and copy it. */
static enum err_code check_there(const struct side *s, struct err *e)
{
	const char *path = s->store_url + strlen("sqlite:");
	autofree char *file = mem_strndup(path, strcspn(path, "?"));
	if (store_url_is_shared(s->store_url) || access(file, F_OK) == 0)
		return OK;
	return err_set(e, ERR_USAGE, "%s: there is no database '%s'", s->flag, file);
}

/* An embedded store says so itself, by its lock. */
static enum err_code check_unused(const struct side *s, struct err *e)
{
	bool used = false;
	if (copy_is_in_use(s->store_url, &used, e) != OK)
		return err_wrap(e, "%s", s->flag);
	return used
		? err_set(e, ERR_STORE_IN_USE,
			  "%s: servers or workers are connected to this database; stop them all",
			  s->flag)
		: OK;
}

static enum err_code open_side(const struct conf *c, struct side *s, struct err *e)
{
	struct store_opts so = { .keep_results_ms = -1 };
	struct blob_opts bo = {
		.environment = c->environment,
		.s3_style = c->s3_style,
		.s3_encryption = c->s3_encryption,
		.s3_kms_key = c->s3_kms_key,
		.s3_storage_class = c->s3_storage_class,
	};
	bool used = false;
	if (copy_is_in_use(s->store_url, &used, e) != OK)
		return e->code;
	if (used)
		return err_set(e, ERR_STORE_IN_USE,
			"%s: servers or workers are connected to this database; stop them all",
			s->flag);
	if (store_open(s->store_url, &so, &s->store, e) != OK)
		return e->code == ERR_STORE_IN_USE
			? err_set(e, ERR_STORE_IN_USE,
				  "%s: a server or another copy uses '%s'; stop it", s->flag,
				  s->store_url + strlen("sqlite:"))
			: err_wrap(e, "%s", s->flag);
	if (s->blob_url && blob_open_with(s->blob_url, &bo, &s->blob, e) != OK)
		return err_wrap(e, "%s", s->flag);
	return OK;
}

static void close_side(struct side *s)
{
	store_free(s->store);
	blob_free(s->blob);
	free(s->store_url);
	free(s->blob_url);
}

/* ---- on the way ---- */

static void clear_line(const struct moving *m)
{
	if (m->terminal)
		fputs("\r\033[K", stderr);
}

static void progress(void *ctx, const char *table, int64_t rows, int64_t of)
{
	struct moving *m = ctx;
	int64_t now = clock_mono_ms();
	if (now - m->said_ms < (m->terminal ? BAR_MS : LINE_MS))
		return;
	m->said_ms = now;
	clear_line(m);
	fprintf(stderr, "%s: %lld of %lld rows; %lld blobs, %.1f MB%s", table, (long long)rows,
		(long long)of, (long long)m->carry.blobs, (double)m->carry.bytes / 1e6,
		m->terminal ? "" : "\n");
	fflush(stderr);
}

static void bad_blob(void *ctx, const struct copy_blob *b, const char *why)
{
	struct moving *m = ctx;
	int64_t n = atomic_fetch_add(&m->bad, 1);
	flockfile(stderr);
	clear_line(m);
	if (n < SAY_MAX)
		fprintf(stderr, "bulb: blob '%s' was left out: %s\n", b->key, why);
	else if (n == SAY_MAX)
		fputs("bulb: more blobs were left out\n", stderr);
	funlockfile(stderr);
}

/* Without blobs to carry, those that rows name are where they were. */
static enum err_code carry_none(void *ctx, struct copy_blob *v, size_t n, struct err *e)
{
	(void)ctx, (void)v, (void)n, (void)e;
	return OK;
}

static enum err_code carry_them(void *ctx, struct copy_blob *v, size_t n, struct err *e)
{
	struct moving *m = ctx;
	return carry_blobs(&m->carry, v, n, e);
}

/* ---- the secret ---- */

/* Beside an embedded database; NULL: this store's secret is in nobody's folder. */
static char *secret_path(const struct side *s)
{
	const char *path = s->store_url + strlen("sqlite:");
	if (store_url_is_shared(s->store_url))
		return NULL;
	size_t n = strcspn(path, "?");
	while (n > 0 && path[n - 1] != '/')
		n--;
	return mem_printf("%.*ssecret", (int)n, path);
}

static enum err_code copy_secret(const struct moving *m, struct err *e)
{
	autofree char *from = secret_path(&m->from), *to = secret_path(&m->to);
	struct buf text = BUF_INIT(4096);
	enum err_code code = OK;
	if (!from || access(from, F_OK) != 0) {
		printf("the secret: start servers with the --secret-file of before\n");
		return OK;
	}
	if (!to) {
		printf("the secret: servers need that of '%s', as text:\n"
		       "  printf 'raw:%%s' \"$(od -An -v -tx1 '%s' | tr -d ' \\n')\" > secret\n"
		       "and --secret-file secret; with another, links end and sealed headers cannot "
		       "be opened\n",
			from, from);
		return OK;
	}
	/* One that is there belongs to a server that was refused, or never did anything. */
	code = io_read_file(from, text.max, &text, e);
	if (code == OK)
		code = io_write_file(to, text.data, text.len, 0600, e);
	if (text.data)
		mem_wipe(text.data, text.len);
	buf_done(&text);
	if (code == OK)
		printf("the secret: copied to '%s'\n", to);
	return code;
}

/* ---- the end ---- */

static void report(const struct moving *m)
{
	size_t n;
	const struct copy_table *t = copy_tables(m->copy, &n);
	for (size_t i = 0; i < n; i++)
		if (t[i].rows || t[i].removed)
			printf("%-12s %10lld rows, %lld written, %lld removed\n", t[i].name,
				(long long)t[i].rows, (long long)t[i].written,
				(long long)t[i].removed);
	if (m->from.blob)
		printf("%-12s %10lld copied, %.1f MB, each with the SHA-256 of its row\n", "blobs",
			(long long)m->carry.blobs, (double)m->carry.bytes / 1e6);
}

static enum err_code move(struct moving *m, struct err *e)
{
	if (sort_all(m, e) != OK || net_init(e) != OK || check_there(&m->from, e) != OK ||
		check_unused(&m->from, e) != OK || check_unused(&m->to, e) != OK ||
		open_side(m->conf, &m->from, e) != OK || open_side(m->conf, &m->to, e) != OK)
		return e->code;
	m->carry = (struct carry){ .from = m->from.blob,
		.to = m->to.blob,
		.bad = bad_blob,
		.ctx = m };
	m->copy = copy_new(&(struct copy_opts){ .from = m->from.store,
		.to = m->to.store,
		.carry = m->from.blob ? carry_them : carry_none,
		.progress = progress,
		.ctx = m });
	enum err_code code = copy_run(m->copy, e);
	clear_line(m);
	if (code != OK)
		return code;
	report(m);
	return copy_secret(m, e);
}

int cmd_copy(const struct conf *c)
{
	struct moving m = { .conf = c,
		.from = { .flag = "--from" },
		.to = { .flag = "--to" },
		.terminal = isatty(STDERR_FILENO) == 1 };
	struct err e = { 0 };
	signals_default(); /* a second call goes on wherever this one is ended */
	enum err_code code = move(&m, &e);
	close_side(&m.from);
	close_side(&m.to);
	copy_free(m.copy);
	if (code != OK)
		return say_error(&e);
	if (!m.bad)
		return 0;
	printf("%lld blobs were left out; what was made of them is made again when it is asked for\n",
		(long long)m.bad);
	return EXIT_ITEMS_FAILED;
}
