/* SPDX-License-Identifier: MIT
 *
 * Every file that SQLite opens by name has one image in memory, shared by its connections, which is
 * what they read and write; and a list of changes that the real file has not seen. Locks and shared
 * memory are the real file's.
 */
#include "tests/lib/disk_vfs.h"

#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#define SECTOR 512

struct change {
	struct change *next;
	int64_t at, n;
	bool truncate; /* to `at` bytes */
	unsigned char data[];
};
struct node {
	struct node *next;
	char *path;
	unsigned char *image;
	int64_t size, room;
	struct change *held, **tail;
};
struct file {
	sqlite3_file base;
	struct node *node;  /* NULL: a file without a name, passed through */
	sqlite3_file *real; /* behind this struct */
};

static sqlite3_vfs vfs;
static sqlite3_vfs *below;
static sqlite3_io_methods methods;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct node *nodes;
static enum disk_loss loss;
static uint64_t dice;
static _Atomic int64_t fill_after = -1, break_after = -1, syncs;

static uint64_t throw_dice(void)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return dice;
}

/* ---- faults ---- */

static bool counted_out(_Atomic int64_t *left)
{
	if (*left < 0)
		return false;
	if (*left == 0)
		return true;
	--*left;
	return false;
}

static int fault_of_write(void)
{
	if (counted_out(&break_after))
		return SQLITE_IOERR_WRITE;
	return counted_out(&fill_after) ? SQLITE_FULL : SQLITE_OK;
}

/* ---- images ---- */

static void image_resize(struct node *n, int64_t size)
{
	if (size > n->room) {
		n->room = size * 2;
		n->image = mem_realloc(n->image, (size_t)n->room, 1);
	}
	if (size > n->size)
		memset(n->image + n->size, 0, (size_t)(size - n->size));
	n->size = size;
}

static void hold(struct node *n, const void *data, int64_t at, int64_t bytes, bool truncate)
{
	struct change *c = mem_zalloc(sizeof *c + (size_t)bytes);

	c->at = at;
	c->n = bytes;
	c->truncate = truncate;
	if (bytes)
		memcpy(c->data, data, (size_t)bytes);
	*n->tail = c;
	n->tail = &c->next;
}

static void drop_held(struct node *n)
{
	for (struct change *c = n->held, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	n->held = NULL;
	n->tail = &n->held;
}

static int load(struct node *n, sqlite3_file *real)
{
	sqlite3_int64 size;
	int rc = real->pMethods->xFileSize(real, &size);

	if (rc != SQLITE_OK)
		return rc;
	image_resize(n, size);
	return size ? real->pMethods->xRead(real, n->image, (int)size, 0) : SQLITE_OK;
}

static struct node *find(const char *path)
{
	for (struct node *n = nodes; n; n = n->next)
		if (strcmp(n->path, path) == 0)
			return n;
	return NULL;
}

static int node_get(const char *path, sqlite3_file *real, struct node **ret)
{
	struct node *n = find(path);

	*ret = n;
	if (n)
		return SQLITE_OK;
	n = mem_new(struct node);
	n->path = mem_strdup(path);
	n->tail = &n->held;
	n->next = nodes;
	nodes = n;
	*ret = n;
	return load(n, real);
}

static void node_forget(const char *path)
{
	for (struct node **at = &nodes; *at; at = &(*at)->next) {
		struct node *n = *at;
		if (path && strcmp(n->path, path) != 0)
			continue;
		*at = n->next;
		drop_held(n);
		free(n->image);
		free(n->path);
		free(n);
		return;
	}
}

/* ---- what reaches the disk by itself ---- */

static void leak_sectors(struct file *f, const unsigned char *data, int64_t at, int n)
{
	for (int i = 0; i < n; i += SECTOR)
		if (throw_dice() & 1)
			(void)f->real->pMethods->xWrite(f->real, data + i,
				n - i < SECTOR ? n - i : SECTOR, at + i);
}

/* Held back as well: the sync writes it again, in its order. */
static void leak(struct file *f, const void *data, int64_t at, int n)
{
	if (loss == DISK_LOSES_ALL || (throw_dice() & 1))
		return;
	if (loss == DISK_TEARS)
		leak_sectors(f, data, at, n);
	else
		(void)f->real->pMethods->xWrite(f->real, data, n, at);
}

/* ---- files ---- */

static struct file *down(sqlite3_file *f)
{
	return (struct file *)f;
}

static int disk_close(sqlite3_file *base)
{
	sqlite3_file *real = down(base)->real;

	return real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int disk_read(sqlite3_file *base, void *out, int n, sqlite3_int64 at)
{
	struct node *node = down(base)->node;

	pthread_mutex_lock(&lock);
	int64_t have = node->size - at;
	have = have < 0 ? 0 : have > n ? n : have;
	if (have)
		memcpy(out, node->image + at, (size_t)have);
	pthread_mutex_unlock(&lock);
	memset((char *)out + have, 0, (size_t)(n - have));
	return have == n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int disk_write(sqlite3_file *base, const void *data, int n, sqlite3_int64 at)
{
	struct file *f = down(base);

	pthread_mutex_lock(&lock);
	int rc = fault_of_write();
	if (rc == SQLITE_OK) {
		if (at + n > f->node->size)
			image_resize(f->node, at + n);
		memcpy(f->node->image + at, data, (size_t)n);
		hold(f->node, data, at, n, false);
		leak(f, data, at, n);
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

static int disk_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	struct node *n = down(base)->node;

	pthread_mutex_lock(&lock);
	image_resize(n, size);
	hold(n, NULL, size, 0, true);
	pthread_mutex_unlock(&lock);
	return SQLITE_OK;
}

static int write_held(struct file *f)
{
	int rc = SQLITE_OK;

	for (struct change *c = f->node->held; c && rc == SQLITE_OK; c = c->next)
		rc = c->truncate ? f->real->pMethods->xTruncate(f->real, c->at)
				 : f->real->pMethods->xWrite(f->real, c->data, (int)c->n, c->at);
	return rc;
}

static int disk_sync(sqlite3_file *base, int flags)
{
	(void)flags;
	pthread_mutex_lock(&lock);
	int rc = counted_out(&break_after) ? SQLITE_IOERR_FSYNC : write_held(down(base));
	if (rc == SQLITE_OK)
		drop_held(down(base)->node);
	syncs++;
	pthread_mutex_unlock(&lock);
	return rc;
}

static int disk_size(sqlite3_file *base, sqlite3_int64 *ret)
{
	pthread_mutex_lock(&lock);
	*ret = down(base)->node->size;
	pthread_mutex_unlock(&lock);
	return SQLITE_OK;
}

#define REAL(f) down(f)->real->pMethods
static int disk_lock(sqlite3_file *f, int level)
{
	return REAL(f)->xLock(down(f)->real, level);
}
static int disk_unlock(sqlite3_file *f, int level)
{
	return REAL(f)->xUnlock(down(f)->real, level);
}
static int disk_reserved(sqlite3_file *f, int *ret)
{
	return REAL(f)->xCheckReservedLock(down(f)->real, ret);
}
static int disk_control(sqlite3_file *f, int op, void *arg)
{
	if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_MMAP_SIZE)
		return SQLITE_NOTFOUND;
	return REAL(f)->xFileControl(down(f)->real, op, arg);
}
static int disk_sector(sqlite3_file *f)
{
	(void)f;
	return SECTOR;
}
static int disk_traits(sqlite3_file *f)
{
	(void)f;
	return 0; /* no promise: neither atomic writes nor safe overwriting */
}
static int disk_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret)
{
	return REAL(f)->xShmMap(down(f)->real, page, size, extend, ret);
}
static int disk_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
	return REAL(f)->xShmLock(down(f)->real, at, n, flags);
}
static void disk_shm_barrier(sqlite3_file *f)
{
	REAL(f)->xShmBarrier(down(f)->real);
}
static int disk_shm_unmap(sqlite3_file *f, int remove)
{
	return REAL(f)->xShmUnmap(down(f)->real, remove);
}

static sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = disk_close,
	.xRead = disk_read,
	.xWrite = disk_write,
	.xTruncate = disk_truncate,
	.xSync = disk_sync,
	.xFileSize = disk_size,
	.xLock = disk_lock,
	.xUnlock = disk_unlock,
	.xCheckReservedLock = disk_reserved,
	.xFileControl = disk_control,
	.xSectorSize = disk_sector,
	.xDeviceCharacteristics = disk_traits,
	.xShmMap = disk_shm_map,
	.xShmLock = disk_shm_lock,
	.xShmBarrier = disk_shm_barrier,
	.xShmUnmap = disk_shm_unmap,
};

static int disk_open(sqlite3_vfs *v, const char *path, sqlite3_file *base, int flags, int *ret)
{
	struct file *f = down(base);

	(void)v;
	*f = (struct file){ .real = (sqlite3_file *)(f + 1) };
	int rc = below->xOpen(below, path, f->real, flags, ret);
	if (rc == SQLITE_OK && path) {
		pthread_mutex_lock(&lock);
		rc = node_get(path, f->real, &f->node);
		pthread_mutex_unlock(&lock);
	}
	assert(path || rc != SQLITE_OK); /* nothing of ours opens files without a name */
	f->base.pMethods = f->real->pMethods ? &methods : NULL;
	return rc;
}

static int disk_delete(sqlite3_vfs *v, const char *path, int sync_folder)
{
	(void)v;
	pthread_mutex_lock(&lock);
	node_forget(path);
	pthread_mutex_unlock(&lock);
	return below->xDelete(below, path, sync_folder);
}

void disk_vfs_set(enum disk_loss how, uint64_t seed)
{
	if (!below) {
		below = sqlite3_vfs_find(NULL);
		vfs = *below;
		vfs.zName = DISK_VFS_NAME;
		vfs.szOsFile = (int)sizeof(struct file) + below->szOsFile;
		vfs.xOpen = disk_open;
		vfs.xDelete = disk_delete;
		vfs.pNext = NULL;
		sqlite3_vfs_register(&vfs, 0);
	}
	loss = how;
	dice = seed * 2685821657736338717u + 1442695040888963407u;
}

void disk_vfs_fill_after(int64_t writes)
{
	fill_after = writes;
}

void disk_vfs_break_after(int64_t writes)
{
	break_after = writes;
}

void disk_vfs_mend(void)
{
	fill_after = break_after = -1;
}

void disk_vfs_reboot(void)
{
	while (nodes)
		node_forget(NULL);
}

int64_t disk_vfs_syncs(void)
{
	return syncs;
}
