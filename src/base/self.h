/* SPDX-License-Identifier: MIT
 *
 * How this program starts itself once more. In a package that brings its own C library it was started
 * through that library's loader, and what the kernel then calls our program is the loader.
 */
#ifndef BULB_BASE_SELF_H
#define BULB_BASE_SELF_H

#define SELF_ARGUMENTS_MAX 12
#define SELF_EXE           "/proc/self/exe" /* what to start, in either case */

/* The arguments that stand before our own first one: our name, or the loader's, its options and our
 * path. Good for the life of the process. */
struct self {
	char *arguments[SELF_ARGUMENTS_MAX];
	int n;
};
struct self *self_new(void);
void self_free(struct self *s);

#endif
