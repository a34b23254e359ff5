/* SPDX-License-Identifier: MIT
 *
 * A file appears under its name only when it is whole: it is written beside and renamed. Copies are
 * reflinks where the file system can.
 */
#include "app/export.h"

#include "view/names.h"
#include "base/io.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct planned {
	char *url, *ref;
	char **names; /* one a variant, then the cut-out's; NULL while the template needs the SHA-256 */
	size_t n;     /* variants */
};

struct export
{
	struct blob *blob;
	char *dir, *tmpl;
	bool move;
	struct name_set *taken;
	struct planned *items;
	size_t items_n, cap;
};

struct export *export_new(struct blob *b, const char *dir, const char *tmpl, bool move)
{
	struct export *x = mem_new(struct export);
	x->blob = b;
	x->dir = mem_strdup(dir);
	x->tmpl = mem_strdup(tmpl);
	x->move = move;
	x->taken = name_set_new();
	return x;
}

void export_free(struct export *x)
{
	if (!x)
		return;
	for (size_t i = 0; i < x->items_n; i++) {
		for (size_t v = 0; v <= x->items[i].n; v++)
			free(x->items[i].names[v]);
		free(x->items[i].names);
		free(x->items[i].url);
		free(x->items[i].ref);
	}
	free(x->items);
	name_set_free(x->taken);
	free(x->dir);
	free(x->tmpl);
	free(x);
}

static char *name_for(struct export *x, const struct planned *it, int64_t n, const char *variant,
	const char *ext, const char *sha256)
{
	struct name_parts p = { .url = it->url,
		.ref = it->ref,
		.variant = variant,
		.ext = ext,
		.index = n,
		.sha256 = sha256 };
	autofree char *wanted = name_make(x->tmpl, &p);
	return name_set_take(x->taken, wanted);
}

void export_plan(struct export *x, int64_t n, const char *url, const char *ref,
	const char *const *variants, const char *const *extensions, size_t variants_n,
	const char *cutout)
{
	if (x->items_n == x->cap) {
		x->cap = x->cap ? x->cap * 2 : 64;
		x->items = mem_realloc(x->items, x->cap, sizeof(*x->items));
	}
	struct planned *it = &x->items[x->items_n++];
	*it = (struct planned){ mem_strdup(url), mem_strdup(ref),
		mem_array(variants_n + 1, sizeof(char *)), variants_n };
	if (name_template_needs(x->tmpl, "sha256"))
		return;
	for (size_t v = 0; v < variants_n; v++)
		it->names[v] = name_for(x, it, n, variants[v], extensions[v], NULL);
	if (cutout)
		it->names[variants_n] = name_for(x, it, n, "cutout", cutout, NULL);
}

/* The folders that a name asks for. A link among them could lead out of the output folder. */
static enum err_code make_folders(const struct export *x, const char *path, struct err *e)
{
	autofree char *dir = mem_strdup(path);
	for (char *slash = dir + strlen(x->dir) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
		struct stat st;
		*slash = 0;
		if (lstat(dir, &st) == 0 && S_ISLNK(st.st_mode))
			return err_set(e, ERR_SYSTEM,
				"'%s' is a symbolic link: nothing is written through it", dir);
	}
	*strrchr(dir, '/') = 0;
	return io_mkdirs(dir, 0755, e);
}

static enum err_code copy_blob(struct export *x, const char *key, const char *path, struct err *e)
{
	int64_t bytes = 0, copied = 0;
	autofd from = -1;
	if (blob_get(x->blob, key, &from, &bytes, e) != OK)
		return e->code;
	autofree char *partial = mem_printf("%s.part", path);
	(void)unlink(partial); /* of a run that was cut off, or a link */
	autofd to = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (to < 0)
		return err_sys(e, ERR_SYSTEM, errno, "create '%s'", partial);
	if (io_copy(from, to, &copied, e) != OK) {
		unlink(partial);
		return e->code;
	}
	if (rename(partial, path) == 0)
		return OK;
	err_sys(e, ERR_SYSTEM, errno, "rename '%s'", partial);
	unlink(partial);
	return e->code;
}

static enum err_code place(struct export *x, const char *key, const char *name, struct err *e)
{
	autofree char *path = mem_printf("%s/%s", x->dir, name);
	if (make_folders(x, path, e) != OK)
		return e->code;
	autofree char *blob = x->move ? blob_path(x->blob, key) : NULL;
	if (blob && rename(blob, path) == 0)
		return OK;
	return copy_blob(x, key, path, e);
}

/* One picture of the item, under the name that was planned for it. */
static enum err_code export_picture(struct export *x, int64_t n, size_t slot, const char *name,
	const json_t *picture, const char *sha256, struct err *e)
{
	struct planned *it = &x->items[n - 1];
	const char *format = json_get_str(picture, "format", "jpeg");
	if (!it->names[slot])
		it->names[slot] = name_for(x, it, n, name,
			strcmp(format, "jpeg") == 0 ? "jpg" : format, sha256);
	return place(x, json_get_str(picture, "key", ""), it->names[slot], e);
}

enum err_code export_item(struct export *x, int64_t n, const json_t *item, struct err *e)
{
	const struct planned *it = &x->items[n - 1];
	const json_t *variants = json_object_get(item, "variants");
	const json_t *cutout = json_object_get(item, "cutout");
	const char *sha256 = json_get_str(json_object_get(item, "source"), "sha256", NULL);
	for (size_t v = 0; v < json_array_size(variants) && v < it->n; v++) {
		const json_t *variant = json_array_get(variants, v);
		if (export_picture(x, n, v, json_get_str(variant, "name", "variant"), variant,
			    sha256, e) != OK)
			return e->code;
	}
	if (!json_get_str(cutout, "key", NULL))
		return OK;
	return export_picture(x, n, it->n, "cutout", cutout, sha256, e);
}

void export_relative(const struct export *x, int64_t n, json_t *item)
{
	const struct planned *it = &x->items[n - 1];
	const json_t *variants = json_object_get(item, "variants");
	json_t *source = json_object_get(item, "source");
	json_t *cutout = json_object_get(item, "cutout");
	for (size_t v = 0; v < json_array_size(variants) && v < it->n; v++)
		json_put_str(json_array_get(variants, v), "url", it->names[v]);
	if (json_get_str(cutout, "key", NULL))
		json_put_str(cutout, "url", it->names[it->n]);
	if (!json_is_object(source))
		return;
	const char *key = json_get_str(source, "key", NULL);
	autofree char *path = key && !x->move ? mem_printf(".bulb/blobs/%s", key) : NULL;
	json_put_str(source, "url", path);
}

enum err_code export_manifest(struct export *x, const json_t *job, json_t *items, struct err *e)
{
	autojson *doc = json_obj();
	autojson *short_job = json_deep_copy(job);
	json_object_del(short_job, "events_url");
	json_object_del(short_job, "links");
	json_put_str(doc, "bulb", BULB_VERSION);
	json_put(doc, "job", TAKE(&short_job));
	json_put(doc, "items", items);
	autofree char *text = json_dumps(doc, JSON_INDENT(2));
	autofree char *path = mem_printf("%s/manifest.json", x->dir);
	if (!text)
		return err_set(e, ERR_MEMORY, "the manifest does not fit into memory");
	return io_write_file(path, text, strlen(text), 0644, e);
}
