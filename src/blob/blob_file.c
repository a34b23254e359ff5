/* SPDX-License-Identifier: MIT
 *
 * Blobs as files: DIR/<key>. A blob is written under DIR/.tmp and renamed into place, so that a key
 * is there whole or not at all; what a crash leaves in .tmp is removed when the store is opened.
 *
 * blob_sync is one syncfs(2) for all who ask while one runs: a sync covers whoever asked before it
 * began, so at most one more is needed, however many lanes wait (ext4: one journal commit and one
 * disk flush for a batch of files and their folders, where fsync would take two for each file).
 * syncfs also writes what others left dirty on that file system; give DIR its own, or say
 * ?sync=each, if that hurts. Where the kernel's syncfs is not known to reach the disk (FUSE, 9p and
 * the like), each put is made durable by itself. ?sync=none is for tests that must see bytes lost.
 *
 * The kernel (5.8 and later) reports an error of writing back once, to the sync that meets it. A
 * put whose writer has not asked yet would then be taken for durable, so after a failed sync all of
 * them fail for SUSPECT_MS; a writer asks within moments of its put, and puts it again when told.
 */
#include "blob/blob_impl.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/io.h"
#include "base/mem.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
	LEFTOVER_MS = 60 * 60 *
		1000, /* younger: `bulb gc` may have opened a running server's folder */
	SUSPECT_MS = 60 * 1000,
	DEPTH_MAX = 8,
};

enum sync_mode { SYNC_FS, SYNC_EACH, SYNC_NONE };

struct file_blob {
	struct blob base;
	char *dir;
	int dir_fd, tmp_fd; /* dir_fd stays open: syncfs reports errors since it was opened */
	enum sync_mode mode;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool running;         /* a sync is under way */
	uint64_t begun, done; /* syncs, counted */
	uint64_t failed;      /* number of the newest that failed, 0 if none */
	int64_t suspect_until_ms;
	struct err why; /* of that failure */
};

static struct file_blob *file_of(struct blob *b)
{
	assert(b->impl == &blob_file_impl);
	return (struct file_blob *)b;
}

/* File systems whose syncfs is known to write and flush everything. */
static bool syncfs_is_sound(int fd)
{
	struct statfs s;
	if (fstatfs(fd, &s) != 0)
		return false;
	switch ((uint32_t)s.f_type) {
	case EXT4_SUPER_MAGIC: /* ext2 and ext3 too */
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
	case TMPFS_MAGIC:
	case OVERLAYFS_SUPER_MAGIC: /* passes it to the upper layer */
		return true;
	default:
		return false;
	}
}

static enum err_code parse_url(struct file_blob *f, const char *url, struct err *e)
{
	const char *dir = url + strlen("file:");
	const char *query = strchr(dir, '?');
	f->dir = query != NULL ? mem_strndup(dir, (size_t)(query - dir)) : mem_strdup(dir);
	if (f->dir[0] == '\0')
		return err_set(e, ERR_USAGE, "--blob '%.100s': a folder must follow 'file:'", url);
	if (query == NULL || strcmp(query, "?sync=fs") == 0)
		f->mode = SYNC_FS;
	else if (strcmp(query, "?sync=each") == 0)
		f->mode = SYNC_EACH;
	else if (strcmp(query, "?sync=none") == 0)
		f->mode = SYNC_NONE;
	else
		return err_set(e, ERR_USAGE,
			"--blob '%.100s': after '?' comes sync=fs, each or none", url);
	return OK;
}

static enum err_code open_folder(int at, const char *name, int *ret, struct err *e)
{
	*ret = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret < 0)
		return err_sys(e, ERR_BLOB_IO, errno, "opening folder '%s'", name);
	return OK;
}

static int64_t mtime_ms(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

static void remove_leftovers(struct file_blob *f)
{
	DIR *d = fdopendir(fcntl(f->tmp_fd, F_DUPFD_CLOEXEC, 0));
	if (d == NULL)
		return;
	int64_t old = clock_wall_ms() - LEFTOVER_MS;
	for (struct dirent *ent; (ent = readdir(d)) != NULL;) {
		struct stat st;
		if (ent->d_name[0] != '.' &&
			fstatat(f->tmp_fd, ent->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			mtime_ms(&st) < old)
			unlinkat(f->tmp_fd, ent->d_name, 0);
	}
	closedir(d);
}

static void file_free(struct blob *b)
{
	struct file_blob *f = file_of(b);
	fd_close(&f->dir_fd);
	fd_close(&f->tmp_fd);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->ended);
	free(f->dir);
	free(f);
}

static enum err_code open_folders(struct file_blob *f, struct err *e)
{
	autofree char *tmp = mem_printf("%s/.tmp", f->dir);
	struct err why;
	enum err_code rc = io_mkdirs(tmp, 0755, &why);
	if (rc == OK)
		rc = open_folder(AT_FDCWD, f->dir, &f->dir_fd, &why);
	if (rc == OK)
		rc = open_folder(f->dir_fd, ".tmp", &f->tmp_fd, &why);
	return rc == OK ? OK : err_set(e, ERR_BLOB_IO, "blob folder '%s': %s", f->dir, why.text);
}

static enum err_code file_open(const char *url, const struct blob_opts *o, struct blob **ret,
	struct err *e)
{
	(void)o;
	CLEANUP(blob_freep) struct blob *b = &mem_new(struct file_blob)->base;
	struct file_blob *f = (struct file_blob *)b;
	b->impl = &blob_file_impl;
	f->dir_fd = f->tmp_fd = -1;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->ended, NULL);
	enum err_code rc = parse_url(f, url, e);
	if (rc == OK)
		rc = open_folders(f, e);
	if (rc != OK)
		return rc;
	remove_leftovers(f);
	if (f->mode == SYNC_FS && !syncfs_is_sound(f->dir_fd))
		f->mode = SYNC_EACH;
	*ret = TAKE(&b);
	return OK;
}

/* The folders above `key`, made where missing. */
static enum err_code make_parents(struct file_blob *f, const char *key, struct err *e)
{
	char path[BLOB_KEY_LEN_MAX + 1];
	snprintf(path, sizeof(path), "%s", key);
	for (char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdirat(f->dir_fd, path, 0755) != 0 && errno != EEXIST)
			return err_sys(e, ERR_BLOB_IO, errno, "making folder '%s/%s'", f->dir,
				path);
		*slash = '/';
	}
	return OK;
}

static enum err_code move_into_place(struct file_blob *f, const char *tmp, const char *key,
	struct err *e)
{
	if (renameat(f->tmp_fd, tmp, f->dir_fd, key) == 0)
		return OK;
	if (errno == ENOENT) {
		enum err_code rc = make_parents(f, key, e);
		if (rc != OK)
			return rc;
		if (renameat(f->tmp_fd, tmp, f->dir_fd, key) == 0)
			return OK;
	}
	return err_sys(e, ERR_BLOB_IO, errno, "renaming to '%s/%s'", f->dir, key);
}

/* fsync of every folder above `key`, the innermost first. */
static enum err_code sync_parents(struct file_blob *f, const char *key, struct err *e)
{
	char path[BLOB_KEY_LEN_MAX + 1];
	snprintf(path, sizeof(path), "%s", key);
	for (char *slash = strrchr(path, '/'); slash != NULL; slash = strrchr(path, '/')) {
		*slash = '\0';
		autofd fd = -1;
		enum err_code rc = open_folder(f->dir_fd, path, &fd, e);
		if (rc != OK)
			return rc;
		if (fsync(fd) != 0)
			return err_sys(e, ERR_BLOB_IO, errno, "syncing folder '%s/%s'", f->dir,
				path);
	}
	if (fsync(f->dir_fd) != 0)
		return err_sys(e, ERR_BLOB_IO, errno, "syncing folder '%s'", f->dir);
	return OK;
}

static enum err_code write_tmp(struct file_blob *f, const char *tmp, int from, int64_t bytes,
	struct err *e)
{
	autofd fd = openat(f->tmp_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		0644);
	if (fd < 0)
		return err_sys(e, ERR_BLOB_IO, errno, "creating a file in '%s/.tmp'", f->dir);
	int64_t copied = 0;
	struct err why;
	if (io_copy(from, fd, &copied, &why) != OK)
		return err_set(e, ERR_BLOB_IO, "writing to '%s': %s", f->dir, why.text);
	if (copied != bytes)
		return err_set(e, ERR_BLOB_IO, "the blob has %lld bytes, not %lld",
			(long long)copied, (long long)bytes);
	if (f->mode == SYNC_EACH && fdatasync(fd) != 0)
		return err_sys(e, ERR_BLOB_IO, errno, "syncing a file in '%s'", f->dir);
	return OK;
}

static enum err_code file_put(struct blob *b, const char *key, int fd, int64_t bytes,
	const char *media_type, bool replace, struct err *e)
{
	(void)media_type; /* a file has none: the key's extension tells */
	(void)replace;    /* a name may always be renamed over */
	struct file_blob *f = file_of(b);
	char tmp[ID_LEN + 1];
	id_new(tmp);
	enum err_code rc = write_tmp(f, tmp, fd, bytes, e);
	if (rc == OK)
		rc = move_into_place(f, tmp, key, e);
	if (rc != OK)
		unlinkat(f->tmp_fd, tmp, 0);
	else if (f->mode == SYNC_EACH)
		rc = sync_parents(f, key, e);
	return rc;
}

/* Called with the lock held, which is given up while the disk works. */
static void run_sync(struct file_blob *f)
{
	uint64_t number = ++f->begun;
	f->running = true;
	pthread_mutex_unlock(&f->lock);
	int errnum = syncfs(f->dir_fd) == 0 ? 0 : errno;
	pthread_mutex_lock(&f->lock);
	f->running = false;
	f->done = number;
	if (errnum != 0) {
		f->failed = number;
		f->suspect_until_ms = clock_mono_ms() + SUSPECT_MS;
		err_sys(&f->why, ERR_BLOB_IO, errnum, "syncing '%s'", f->dir);
	}
	pthread_cond_broadcast(&f->ended);
}

static enum err_code file_sync(struct blob *b, struct err *e)
{
	struct file_blob *f = file_of(b);
	if (f->mode != SYNC_FS)
		return OK;
	enum err_code rc = OK;
	pthread_mutex_lock(&f->lock);
	uint64_t mine = f->begun + 1; /* one that runs already may have passed our files by */
	while (f->done < mine) {
		if (f->running)
			pthread_cond_wait(&f->ended, &f->lock);
		else
			run_sync(f);
	}
	if (f->failed != 0 && (f->failed >= mine || clock_mono_ms() < f->suspect_until_ms))
		rc = err_set(e, ERR_BLOB_IO, "%s", f->why.text);
	pthread_mutex_unlock(&f->lock);
	return rc;
}

static enum err_code file_get(struct blob *b, const char *key, int *ret_fd, int64_t *ret_bytes,
	struct err *e)
{
	struct file_blob *f = file_of(b);
	autofd fd = openat(f->dir_fd, key, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return err_set(e, ERR_BLOB_NOT_FOUND, "there is no blob '%s'", key);
	if (fd < 0 || fstat(fd, &st) != 0)
		return err_sys(e, ERR_BLOB_IO, errno, "opening '%s/%s'", f->dir, key);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_BLOB_NOT_FOUND, "'%s' is no blob", key);
	*ret_bytes = st.st_size;
	*ret_fd = fd_take(&fd);
	return OK;
}

static enum err_code file_remove(struct blob *b, const char *key, struct err *e)
{
	struct file_blob *f = file_of(b);
	if (unlinkat(f->dir_fd, key, 0) != 0 && errno != ENOENT && errno != ENOTDIR)
		return err_sys(e, ERR_BLOB_IO, errno, "removing '%s/%s'", f->dir, key);
	return OK;
}

static enum err_code file_size(struct blob *b, const char *key, int64_t *ret_bytes, struct err *e)
{
	autofd fd = -1;
	return file_get(b, key, &fd, ret_bytes, e);
}

static struct blob_place file_place(struct blob *b)
{
	(void)b;
	return (struct blob_place){ .prefix = "" }; /* nobody else writes this disk */
}

struct walk {
	const char *under;
	bool (*fn)(void *ctx, const char *key, int64_t bytes, int64_t modified_ms);
	void *ctx;
	char key[BLOB_KEY_LEN_MAX + 1];
	int depth;
	bool stopped;
};

static enum err_code walk_folder(struct walk *w, int at, const char *name, struct err *e);

/* One entry of an open folder; what vanishes meanwhile was deleted, which is fine. */
static enum err_code walk_entry(struct walk *w, int dir, const char *name, struct err *e)
{
	size_t len = strlen(w->key);
	struct stat st;
	int n = snprintf(w->key + len, sizeof(w->key) - len, "%s%s", len != 0 ? "/" : "", name);
	enum err_code rc = OK;
	if (n < 0 || (size_t)n >= sizeof(w->key) - len)
		; /* not one of ours */
	else if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		rc = errno == ENOENT ? OK : err_sys(e, ERR_BLOB_IO, errno, "reading '%s'", w->key);
	else if (S_ISDIR(st.st_mode) && w->depth < DEPTH_MAX)
		rc = walk_folder(w, dir, name, e);
	else if (S_ISREG(st.st_mode) && strncmp(w->key, w->under, strlen(w->under)) == 0)
		w->stopped = !w->fn(w->ctx, w->key, st.st_size, mtime_ms(&st));
	w->key[len] = '\0';
	return rc;
}

static enum err_code walk_folder(struct walk *w, int at, const char *name, struct err *e)
{
	int fd = -1;
	enum err_code rc = open_folder(at, name, &fd, e);
	if (rc != OK)
		return rc;
	DIR *d = fdopendir(fd);
	if (d == NULL) {
		rc = err_sys(e, ERR_BLOB_IO, errno, "reading folder '%s'", name);
		fd_close(&fd);
		return rc;
	}
	w->depth++;
	for (struct dirent *ent; rc == OK && !w->stopped && (ent = readdir(d)) != NULL;)
		if (ent->d_name[0] != '.')
			rc = walk_entry(w, fd, ent->d_name, e);
	w->depth--;
	closedir(d);
	return rc;
}

static enum err_code file_list(struct blob *b, const char *under,
	bool (*fn)(void *ctx, const char *key, int64_t bytes, int64_t modified_ms), void *ctx,
	struct err *e)
{
	struct walk w = { .under = under, .fn = fn, .ctx = ctx };
	return walk_folder(&w, file_of(b)->dir_fd, ".", e);
}

static char *file_path(struct blob *b, const char *key)
{
	return mem_printf("%s/%s", file_of(b)->dir, key);
}

static enum err_code file_link(struct blob *b, const char *method, const char *key,
	int64_t signed_ms, int64_t seconds, char **ret, struct err *e)
{
	(void)b, (void)method, (void)key, (void)signed_ms, (void)seconds, (void)e;
	*ret = NULL; /* nobody else reads this disk */
	return OK;
}

const struct blob_impl blob_file_impl = {
	.scheme = "file",
	.open = file_open,
	.put = file_put,
	.sync = file_sync,
	.get = file_get,
	.remove = file_remove,
	.list = file_list,
	.size = file_size,
	.place = file_place,
	.path = file_path,
	.link = file_link,
	.free = file_free,
};
