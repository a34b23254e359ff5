/* SPDX-License-Identifier: MIT
 *
 * npm's registry is the one place that has both the runtime and the model for every system, and that
 * companies mirror. Which mirror it is does not matter: what came is judged by digests that this
 * program holds, never by who sent it.
 */
#include "app/package.h"

#include "base/archive.h"
#include "base/io.h"
#include "base/mem.h"
#include "net/net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONNECT_MS      15000
#define LOW_SPEED_BYTES 1000
#define LOW_SPEED_MS    30000

/* ---- checking ------------------------------------------------------------------------------- */

static enum err_code check_tarball(const struct package *p, int fd, struct err *e)
{
	uint8_t digest[SHA512_LEN];
	char text[BASE64_MAX(SHA512_LEN)];
	if (sha512_fd(fd, digest, e) != OK)
		return e->code;
	base64_format(digest, sizeof(digest), text);
	if (strncmp(p->integrity, "sha512-", 7) == 0 && strcmp(p->integrity + 7, text) == 0)
		return OK;
	return err_set(e, ERR_SYSTEM, "%s-%s.tgz is not the package that was published: sha512-%s",
		p->name, p->version, text);
}

static enum err_code check_file(const struct package *p, const struct buf *data, struct err *e)
{
	uint8_t digest[SHA256_LEN];
	char hex[HEX_MAX(SHA256_LEN)];
	sha256_of(buf_str(data), data->len, digest);
	if (memcmp(digest, p->sha256, sizeof(digest)) == 0)
		return OK;
	hex_format(digest, sizeof(digest), hex);
	return err_set(e, ERR_SYSTEM, "%s is not the file of %s %s: its SHA-256 is %s", p->file,
		p->name, p->version, hex);
}

static enum err_code give(const struct package *p, const struct buf *data, struct buf *ret,
	struct err *e)
{
	if (check_file(p, data, e) != OK)
		return e->code;
	if (!buf_add(ret, buf_str(data), data->len))
		return err_set(e, ERR_MEMORY, "%s: no memory for its %zu bytes", p->file,
			data->len);
	return OK;
}

static enum err_code unpack(const struct package *p, int fd, struct buf *ret, struct err *e)
{
	struct archive_member m = { .name = p->member, .data = BUF_INIT((size_t)p->bytes_max) };
	if (check_tarball(p, fd, e) != OK)
		return e->code;
	enum err_code code = archive_members_of_fd(fd, &m, 1, e);
	if (code == OK && !m.found)
		code = err_set(e, ERR_SYSTEM, "%s-%s.tgz holds no %s", p->name, p->version,
			p->member);
	if (code == OK)
		code = give(p, &m.data, ret, e);
	archive_members_done(&m, 1);
	return code;
}

/* ---- from the registry ---------------------------------------------------------------------- */

struct download {
	const struct package *package;
	const struct package_source *source;
	int fd, status;
	int64_t bytes, total;
	enum err_code code; /* of writing */
	struct err *e;
};

static bool on_status(void *ctx, int status)
{
	((struct download *)ctx)->status = status;
	return status == 200;
}

static bool on_header(void *ctx, const char *name, const char *value)
{
	struct download *d = ctx;
	if (strcasecmp(name, "Content-Length") == 0)
		d->total = strtoll(value, NULL, 10);
	return d->total <= d->package->tarball_max;
}

static bool on_body(void *ctx, const void *data, size_t n)
{
	struct download *d = ctx;
	d->bytes += (int64_t)n;
	if (d->bytes > d->package->tarball_max)
		return false;
	d->code = io_write_all(d->fd, data, n, d->e);
	if (d->source->progress)
		d->source->progress(d->package, d->bytes, d->total);
	return d->code == OK;
}

static enum err_code download(struct download *d, const char *url, struct err *e)
{
	struct net_guard anywhere = { .off = true }; /* the user chose the registry */
	struct net_header accept = { "Accept", "application/octet-stream, */*" };
	struct net_request r = {
		.method = "GET",
		.url = url,
		.headers = &accept,
		.headers_n = 1,
		.proxy = true,
		.connect_ms = CONNECT_MS,
		.low_speed_bytes = LOW_SPEED_BYTES,
		.low_speed_ms = LOW_SPEED_MS,
		.on_status = on_status,
		.on_header = on_header,
		.on_body = on_body,
		.ctx = d,
	};
	struct net_response res = { 0 };
	if (net_init(e) != OK)
		return e->code;
	struct net_client *c = net_client_new(&anywhere);
	enum err_code code = net_do(c, &r, &res, e);
	net_client_free(c);
	if (code != OK || d->code != OK)
		return err_wrap(e, "%s", url);
	if (d->status != 200)
		return err_set(e, ERR_FETCH_STATUS, "%s: the registry answered %d", url, d->status);
	if (res.stopped)
		return err_set(e, ERR_SYSTEM, "%s: larger than the package that was published",
			url);
	return OK;
}

/* A file that has no name any more: whatever ends this program leaves nothing behind. */
static enum err_code nameless_file(const char *dir, int *ret_fd, struct err *e)
{
	autofree char *path = mem_printf("%s/.package.XXXXXX", dir);
	*ret_fd = mkostemp(path, O_CLOEXEC);
	if (*ret_fd < 0)
		return err_sys(e, ERR_SYSTEM, errno, "create %s", path);
	unlink(path);
	return OK;
}

static enum err_code from_registry(const struct package *p, const struct package_source *s,
	struct buf *ret, struct err *e)
{
	autofd fd = -1;
	if (nameless_file(s->dir, &fd, e) != OK)
		return e->code;
	const char *plain = strrchr(p->name, '/'); /* of a scope's package */
	autofree char *url = mem_printf("%s/%s/-/%s-%s.tgz", s->registry, p->name,
		plain ? plain + 1 : p->name, p->version);
	struct download d = { .package = p, .source = s, .fd = fd, .e = e };
	enum err_code code = download(&d, url, e);
	return code == OK ? unpack(p, fd, ret, e) : code;
}

/* ---- from disk ------------------------------------------------------------------------------ */

static bool is_named(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');
	return strcmp(slash ? slash + 1 : path, name) == 0;
}

/* The names that the file may have on disk, the package's own first. */
static void names_of(const struct package *p, char *names[3])
{
	names[0] = mem_printf("%s-%s.tgz", p->name, p->version);
	names[1] = mem_strdup(p->file);
	names[2] = mem_strdup(strrchr(p->member, '/') + 1);
}

/* A file of a known size, tens of megabytes: into memory that is taken once. */
static enum err_code read_whole(int fd, const char *path, struct buf *ret, struct err *e)
{
	int64_t bytes = io_size(fd);
	if (bytes < 0 || !buf_reserve(ret, (size_t)bytes))
		return err_set(e, ERR_SYSTEM, "%s: larger than %zu bytes, or no file", path,
			ret->max);
	return io_pread(fd, ret->data, (size_t)bytes, 0, &ret->len, e);
}

static enum err_code take_file(const struct package *p, const char *path, bool tarball,
	struct buf *ret, struct err *e)
{
	struct buf data = BUF_INIT((size_t)p->bytes_max);
	autofd fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, ERR_SYSTEM, errno, "open %s", path);
	if (tarball)
		return unpack(p, fd, ret, e);
	enum err_code code = read_whole(fd, path, &data, e);
	if (code == OK)
		code = give(p, &data, ret, e);
	buf_done(&data);
	return code;
}

static enum err_code look_at(const struct package *p, const char *place, char *const names[3],
	bool *ret_found, struct buf *ret, struct err *e)
{
	struct stat st;
	if (stat(place, &st) != 0)
		return err_sys(e, ERR_USAGE, errno, "--from %s", place);
	for (size_t i = 0; i < 3; i++) {
		autofree char *path = S_ISDIR(st.st_mode) ? mem_printf("%s/%s", place, names[i])
							  : mem_strdup(place);
		*ret_found = S_ISDIR(st.st_mode) ? access(path, F_OK) == 0
						 : is_named(path, names[i]);
		if (*ret_found)
			return take_file(p, path, i == 0, ret, e);
	}
	return OK;
}

static enum err_code from_disk(const struct package *p, const struct package_source *s,
	struct buf *ret, struct err *e)
{
	char *names[3];
	bool found = false;
	enum err_code code = OK;
	names_of(p, names);
	for (size_t i = 0; code == OK && !found && i < s->from.n; i++)
		code = look_at(p, s->from.v[i], names, &found, ret, e);
	if (code == OK && !found)
		code = err_set(e, ERR_USAGE, "--from has neither %s nor %s", names[0], names[1]);
	for (size_t i = 0; i < 3; i++)
		free(names[i]);
	return code;
}

enum err_code package_get(const struct package *p, const struct package_source *s, struct buf *ret,
	struct err *e)
{
	return s->from.n ? from_disk(p, s, ret, e) : from_registry(p, s, ret, e);
}
