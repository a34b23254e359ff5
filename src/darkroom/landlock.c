/* SPDX-License-Identifier: MIT
 *
 * Landlock (kernel docs: userspace-api/landlock.rst): a ruleset that handles every right there is
 * and allows none. The structure is our own because it grew after the headers of Debian 12; a
 * kernel takes a longer one as long as what it does not know is zero.
 */
#include "darkroom/jail.h"

#include <errno.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ruleset {
	uint64_t fs;
	uint64_t net;   /* since ABI 4: bind, connect */
	uint64_t scope; /* since ABI 6: abstract unix sockets, signals */
};

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	return abi < 0 ? 0 : (int)abi;
}

static struct ruleset everything(int abi)
{
	int fs_rights = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;
	return (struct ruleset){
		.fs = (1ULL << fs_rights) - 1,
		.net = abi >= 4 ? 3 : 0,
		.scope = abi >= 6 ? 3 : 0,
	};
}

enum err_code landlock_deny_all(int *ret_abi, struct err *e)
{
	int abi = landlock_abi();
	*ret_abi = 0;
	if (abi == 0)
		return OK;
	struct ruleset r = everything(abi);
	long fd = syscall(SYS_landlock_create_ruleset, &r, sizeof(r), 0);
	if (fd < 0)
		return err_sys(e, ERR_DARKROOM, errno, "jail: Landlock ruleset");
	long done = syscall(SYS_landlock_restrict_self, (int)fd, 0);
	int why = errno;
	close((int)fd);
	if (done < 0)
		return err_sys(e, ERR_DARKROOM, why, "jail: Landlock");
	*ret_abi = abi;
	return OK;
}
