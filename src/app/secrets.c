/* SPDX-License-Identifier: MIT
 *
 * All keys are derived from one file of 32 random bytes by HMAC with a name each, so that there is
 * one thing to back up and one to protect.
 */
#include "app/secrets.h"

#include "base/digest.h"
#include "base/id.h"
#include "base/io.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define SECRET_BYTES 32
#define TEXT_LEAST   32

static void derive(const void *root, size_t n, struct secrets *ret)
{
	hmac_sha256(root, n, "bulb link", strlen("bulb link"), ret->link_key);
	hmac_sha256(root, n, "bulb seal", strlen("bulb seal"), ret->seal_key);
	hmac_sha256(root, n, "bulb report", strlen("bulb report"), ret->report_key);
	uint8_t mark[SHA256_LEN];
	hmac_sha256(root, n, "bulb fingerprint", strlen("bulb fingerprint"), mark);
	hex_format(mark, sizeof(mark), ret->fingerprint);
}

/* Whoever comes first: a server that starts and a `bulb key add` beside it keep the same one. */
static enum err_code make_root(const char *path, struct err *e)
{
	autofree char *own = mem_printf("%s.%lld", path, (long long)getpid());
	uint8_t fresh[SECRET_BYTES];

	random_bytes(fresh, sizeof(fresh));
	enum err_code code = io_write_file(own, fresh, sizeof(fresh), 0600, e);
	mem_wipe(fresh, sizeof(fresh));
	if (code != OK)
		return code;
	if (link(own, path) != 0 && errno != EEXIST)
		code = err_sys(e, ERR_SYSTEM, errno, "link '%s'", path);
	(void)unlink(own);
	return code == OK ? io_sync_folder_of(path, e) : code;
}

enum err_code secrets_load(const char *data_dir, struct secrets *ret, struct err *e)
{
	autofree char *path = mem_printf("%s/secret", data_dir);
	if (access(path, F_OK) != 0) {
		if (errno != ENOENT)
			return err_sys(e, ERR_SYSTEM, errno, "look for '%s'", path);
		if (make_root(path, e) != OK)
			return e->code;
	}
	struct buf root = BUF_INIT(4096);
	if (io_read_file(path, SECRET_BYTES + 1, &root, e) != OK) {
		buf_done(&root);
		return e->code;
	}
	if (root.len != SECRET_BYTES) {
		buf_done(&root);
		return err_set(e, ERR_SYSTEM, "'%s' does not hold %d bytes", path, SECRET_BYTES);
	}
	derive(root.data, root.len, ret);
	mem_wipe(root.data, root.len);
	buf_done(&root);
	return OK;
}

/* What DATA/secret holds, as text: a server's own secret goes on as that of a cluster. */
static bool derive_from_raw(const char *text, struct secrets *ret)
{
	uint8_t root[SECRET_BYTES];
	if (strncmp(text, "raw:", 4) != 0 || !hex_parse(text + 4, root, sizeof(root)))
		return false;
	derive(root, sizeof(root), ret);
	mem_wipe(root, sizeof(root));
	return true;
}

enum err_code secrets_from_text(const char *text, struct secrets *ret, struct err *e)
{
	if (derive_from_raw(text, ret))
		return OK;
	if (strlen(text) < TEXT_LEAST)
		return err_set(e, ERR_USAGE,
			"--secret-file: it holds %zu characters, and %d are the least that is safe",
			strlen(text), TEXT_LEAST);
	derive(text, strlen(text), ret);
	return OK;
}

void secrets_wipe(struct secrets *s)
{
	mem_wipe(s, sizeof(*s));
}
