/* SPDX-License-Identifier: MIT
 *
 * The bad disk for a whole program: with LD_PRELOAD=…/disk_vfs.so and
 * BULB_TEST_DISK=all|some|torn[:SEED] a store opened as sqlite:PATH?vfs=disk forgets what was not
 * synced when it is killed.
 */
#include "tests/lib/disk_vfs.h"

#include <stdlib.h>
#include <string.h>

__attribute__((constructor)) static void set_up(void)
{
	const char *how = getenv("BULB_TEST_DISK");

	if (!how)
		return;
	const char *seed = strchr(how, ':');
	enum disk_loss loss = strncmp(how, "some", 4) == 0 ? DISK_LOSES_SOME
		: strncmp(how, "torn", 4) == 0             ? DISK_TEARS
							   : DISK_LOSES_ALL;
	disk_vfs_set(loss, seed ? strtoull(seed + 1, NULL, 10) : 1);
}
