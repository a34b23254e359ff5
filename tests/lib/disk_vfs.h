/* SPDX-License-Identifier: MIT
 *
 * A bad disk for SQLite: a VFS over the system's own that holds back what was not synced, and that
 * can be full or broken. A write reaches the real file when the file is synced; until then only
 * this process sees it. So the real files always are what a power loss at this moment would leave,
 * and SIGKILL of a process that uses this VFS is a power loss.
 *
 * For the connections of one process. -shm files are not held back (they do not outlive a boot).
 * That a file exists is durable at once: SQLite syncs the folder itself.
 */
#ifndef BULB_TESTS_LIB_DISK_VFS_H
#define BULB_TESTS_LIB_DISK_VFS_H

#include <stdint.h>

/* What of the unsynced writes reaches the disk by itself, as a kernel may choose. */
enum disk_loss {
	DISK_LOSES_ALL,  /* nothing */
	DISK_LOSES_SOME, /* each write by a throw of the dice */
	DISK_TEARS,      /* of some writes only some 512-byte sectors */
};

#define DISK_VFS_NAME "disk"
/* Register once; not the default VFS. Call again to change the mode; the seed makes runs repeat. */
void disk_vfs_set(enum disk_loss loss, uint64_t seed);
/* From now on: after n more writes the disk is full (broken: I/O errors, of syncs too), until
 * disk_vfs_mend. */
void disk_vfs_fill_after(int64_t writes);
void disk_vfs_break_after(int64_t writes);
void disk_vfs_mend(void);
/* Forget every file and what was held back: what a new boot sees is the real files. Every
 * connection must be closed. */
void disk_vfs_reboot(void);
int64_t disk_vfs_syncs(void); /* so far */

#endif
