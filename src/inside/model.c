/* SPDX-License-Identifier: MIT
 *
 * Reading a model, once, before any child is forked. The digest is looked at here and not only at
 * set-up: a model that was changed on disk would show as bad pictures, or as code of a stranger in
 * the runtime's parser.
 */
#include "inside/model.h"

#include "base/io.h"
#include "base/mem.h"
#include "matte/matte.h"

#include <string.h>

#define MANIFEST_MAX ((size_t)64 << 10)
#define MODEL_MAX    ((size_t)2 << 30)

static enum err_code unavailable(struct err *e)
{
	return err_set(e, ERR_MATTE_UNAVAILABLE, "%s", e->text);
}

static enum err_code read_manifest(const char *path, struct matte_model *ret, struct err *e)
{
	struct buf text = BUF_INIT(MANIFEST_MAX);
	enum err_code code = io_read_file(path, text.max, &text, e);
	code = code == OK ? matte_model_parse(buf_str(&text), text.len, ret, e) : unavailable(e);
	buf_done(&text);
	return code;
}

static bool has_digest(const struct matte_model *m)
{
	static const uint8_t none[SHA256_LEN];
	return memcmp(m->sha256, none, SHA256_LEN) != 0;
}

static enum err_code check_model(const struct held_model *m, const char *path, struct err *e)
{
	uint8_t digest[SHA256_LEN];
	if (m->manifest.bytes > 0 && (int64_t)m->bytes.len != m->manifest.bytes)
		return err_set(e, ERR_MATTE_UNAVAILABLE,
			"model %s: %zu bytes, the manifest says %lld", path, m->bytes.len,
			(long long)m->manifest.bytes);
	sha256_of(m->bytes.data, m->bytes.len, digest);
	if (has_digest(&m->manifest) && memcmp(digest, m->manifest.sha256, SHA256_LEN) != 0)
		return err_set(e, ERR_MATTE_UNAVAILABLE,
			"model %s: its SHA-256 is not the manifest's", path);
	return OK;
}

static char *beside(const char *manifest, const char *file)
{
	const char *slash = strrchr(manifest, '/');
	int n = slash ? (int)(slash + 1 - manifest) : 0;
	return mem_printf("%.*s%s", n, manifest, file);
}

enum err_code held_model_load(const char *runtime, const char *manifest, struct held_model *ret,
	struct err *e)
{
	const char *version;
	struct held_model m = { .bytes = BUF_INIT(MODEL_MAX) };
	enum err_code code = matte_load_runtime(runtime, &version, e);
	if (code == OK)
		code = read_manifest(manifest, &m.manifest, e);
	if (code != OK)
		return code;
	autofree char *path = beside(manifest, m.manifest.file);
	code = io_read_file(path, m.bytes.max, &m.bytes, e);
	code = code == OK ? check_model(&m, path, e) : unavailable(e);
	if (code != OK)
		held_model_done(&m);
	else
		*ret = m;
	return code;
}

void held_model_done(struct held_model *m)
{
	buf_done(&m->bytes);
}
