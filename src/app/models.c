/* SPDX-License-Identifier: MIT
 *
 * Folders are looked into in the order of a search path, so that what a user installed stands before
 * what a package brought.
 */
#include "app/models.h"

#include "base/io.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MANIFEST_MAX (64 << 10)

static const char *const system_folders[] = { "/usr/local/share/bulb/models",
	"/usr/share/bulb/models" };

/* The highest version of it that lies where the system's linker looks. */
char *models_system_runtime(void)
{
	static const char *const patterns[] = { "/usr/local/lib/libonnxruntime.so*",
		"/usr/lib/*-linux-gnu/libonnxruntime.so*", "/usr/lib/libonnxruntime.so*",
		"/usr/lib64/libonnxruntime.so*" };
	char *found = NULL;
	for (size_t i = 0; !found && i < ARRAY_LEN(patterns); i++) {
		glob_t g = { 0 };
		if (glob(patterns[i], 0, NULL, &g) == 0 && g.gl_pathc > 0)
			found = mem_strdup(g.gl_pathv[g.gl_pathc - 1]);
		globfree(&g);
	}
	return found;
}

static void note_fault(struct models *m, const char *path, const struct err *e)
{
	if (!m->fault)
		m->fault = mem_printf("%s: %s", path, e->text);
}

static void take_manifest(struct models *m, const char *path)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT(MANIFEST_MAX);
	struct models_one one = { 0 };
	struct err e = { 0 };
	if (io_read_file(path, text.max, &text, &e) != OK ||
		matte_model_parse(buf_str(&text), text.len, &one.model, &e) != OK) {
		note_fault(m, path, &e);
		return;
	}
	if (models_get(m, one.model.name))
		return;
	one.manifest = mem_strdup(path);
	one.file = mem_printf("%.*s/%s", (int)(strrchr(path, '/') - path), path, one.model.file);
	m->v = mem_realloc(m->v, m->n + 1, sizeof(*m->v));
	m->v[m->n++] = one;
}

static void look_into(struct models *m, const char *dir)
{
	autofree char *runtime = mem_printf("%s/" MODELS_RUNTIME, dir);
	autofree char *pattern = mem_printf("%s/*.json", dir);
	glob_t g = { 0 };
	if (!m->runtime && access(runtime, R_OK) == 0)
		m->runtime = TAKE(&runtime);
	if (glob(pattern, 0, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc; i++)
			take_manifest(m, g.gl_pathv[i]);
	globfree(&g);
}

void models_find(const char *dir, struct models *ret)
{
	*ret = (struct models){ 0 };
	look_into(ret, dir);
	for (size_t i = 0; i < ARRAY_LEN(system_folders); i++)
		look_into(ret, system_folders[i]);
	if (!ret->runtime)
		ret->runtime = models_system_runtime();
}

void models_done(struct models *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->v[i].manifest);
		free(m->v[i].file);
	}
	free(m->v);
	free(m->runtime);
	free(m->fault);
	*m = (struct models){ 0 };
}

const struct models_one *models_get(const struct models *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->v[i].model.name, name) == 0)
			return &m->v[i];
	return NULL;
}

enum err_code models_check(const struct models_one *m, struct err *e)
{
	static const uint8_t none[SHA256_LEN];
	uint8_t digest[SHA256_LEN];
	autofd fd = open(m->file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, ERR_MATTE_UNAVAILABLE, errno, "open %s", m->file);
	int64_t bytes = io_size(fd);
	if (m->model.bytes && bytes != m->model.bytes)
		return err_set(e, ERR_MATTE_UNAVAILABLE,
			"%s: %lld bytes where its manifest says %lld", m->file, (long long)bytes,
			(long long)m->model.bytes);
	if (memcmp(m->model.sha256, none, sizeof(none)) == 0)
		return OK;
	if (sha256_fd(fd, digest, e) != OK)
		return err_wrap(e, "%s", m->file);
	if (memcmp(digest, m->model.sha256, sizeof(digest)) != 0)
		return err_set(e, ERR_MATTE_UNAVAILABLE,
			"%s: its SHA-256 is not the one of the manifest", m->file);
	return OK;
}

void models_ident(const struct matte_model *m, char *out, size_t n)
{
	char hex[HEX_MAX(SHA256_LEN)];
	hex_format(m->sha256, SHA256_LEN, hex);
	snprintf(out, n, "%s@%.12s", m->id, hex);
}
