/* SPDX-License-Identifier: MIT
 *
 * A blob folder that can forget: with LD_PRELOAD=…/blob_notes.so and BULB_TEST_BLOBS=FILE a program
 * notes in FILE when a blob was moved into place ("put KEY") and when a sync of the folder began and
 * ended ("begin N", "end N"). tests/lib/power.mjs takes away from the folder what no sync that ended
 * had covered.
 *
 * A note is written after the deed: a blob without one was not synced. The syncs are not made, and
 * take a disk's time, so that there are moments at which a kill finds something to forget.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SYNC_US 4000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int notes = -1;
static int (*real_renameat)(int, const char *, int, const char *);
static int (*real_syncfs)(int);

__attribute__((constructor)) static void set_up(void)
{
	const char *path = getenv("BULB_TEST_BLOBS");

	real_renameat = (int (*)(int, const char *, int, const char *))dlsym(RTLD_NEXT, "renameat");
	real_syncfs = (int (*)(int))dlsym(RTLD_NEXT, "syncfs");
	if (path)
		notes = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void note(const char *what, const char *of)
{
	char line[512];
	int n = snprintf(line, sizeof line, "%s %s\n", what, of);

	if (write(notes, line, (size_t)n) != n)
		abort();
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	int rc = real_renameat(from_dir, from, to_dir, to);

	if (rc == 0 && notes >= 0)
		note("put", to);
	return rc;
}

int syncfs(int fd)
{
	static unsigned long syncs;
	char number[24];

	if (notes < 0)
		return real_syncfs(fd);
	pthread_mutex_lock(&lock);
	snprintf(number, sizeof number, "%lu", ++syncs);
	note("begin", number);
	pthread_mutex_unlock(&lock);
	usleep(SYNC_US);
	note("end", number);
	return 0;
}
