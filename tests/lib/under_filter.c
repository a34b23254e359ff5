/* SPDX-License-Identifier: MIT
 *
 * Runs a program under the system call filter that a unit's SystemCallFilter= and
 * SystemCallErrorNumber=EPERM make: under_filter NAME,NAME,… PROGRAM [ARG…]. Names that this
 * machine's libseccomp does not know are passed over, as systemd does.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (argc < 3 || !f)
		return 64;
	for (char *rest = argv[1], *name; (name = strsep(&rest, ","));) {
		int nr = seccomp_syscall_resolve_name(name);
		if (nr != __NR_SCMP_ERROR)
			(void)seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0);
	}
	if (seccomp_load(f) != 0) {
		perror("seccomp_load");
		return 1;
	}
	seccomp_release(f);
	execv(argv[2], argv + 2);
	perror(argv[2]);
	return 1;
}
