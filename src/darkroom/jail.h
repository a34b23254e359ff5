/* SPDX-License-Identifier: MIT
 *
 * The jail that a child enters before the first byte of a picture and never leaves: resource
 * limits, another user where we are root, no new privileges, Landlock and a system-call filter that
 * leaves memory, threads, time, memfds and the one socket on descriptor 0.
 *
 * Seccomp, no_new_privs and the limits need no privilege and are required. Landlock, the user and
 * the namespaces of the keeper are taken where the system gives them.
 */
#ifndef BULB_DARKROOM_JAIL_H
#define BULB_DARKROOM_JAIL_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Sanitizers map terabytes and make system calls of their own, so a build with one has no limit on
 * its address space and a filter that only refuses the known ways out. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define JAIL_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
	__has_feature(memory_sanitizer)
#define JAIL_SANITIZED 1
#endif
#endif
#ifndef JAIL_SANITIZED
#define JAIL_SANITIZED 0
#endif

#define JAIL_UID 65534 /* nobody */

struct jail_limits {
	int64_t memory_bytes; /* address space beyond what the process has already */
	int64_t cpu_s;        /* of its whole life */
	int64_t file_bytes;   /* of one memfd */
	pid_t parent;         /* ends with it; 0: with nobody */
	bool model;           /* it will load one, whose runtime asks for more than decoders do */
};
struct jail_report {
	int landlock; /* ABI in force, 0: none */
	uid_t uid;
};

/* Once, from a process with one thread. ERR_DARKROOM names what is missing; the caller then ends. */
enum err_code jail_enter(const struct jail_limits *l, struct jail_report *ret, struct err *e)
	MUST_CHECK;
/* In the jail, before a picture: what it was let in with (or less than that of jail_enter) is what
 * it gets, whatever its header hid. Best effort; the limit of jail_enter stands. */
void jail_limit_memory(int64_t bytes);
/* In the keeper, before it forks: an own network and IPC namespace, where the system lets us. */
bool jail_unshare(void);

/* Parts of jail_enter. */
enum err_code jail_filter_load(bool model, struct err *e) MUST_CHECK;
int landlock_abi(void); /* what the kernel has; 0: none */
enum err_code landlock_deny_all(int *ret_abi, struct err *e) MUST_CHECK;

#endif
