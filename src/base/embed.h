/* SPDX-License-Identifier: MIT
 *
 * Files that the build puts into the binary (tools/embed.c makes the tables).
 */
#ifndef BULB_BASE_EMBED_H
#define BULB_BASE_EMBED_H

#include <stddef.h>

struct embedded {
	const char *name; /* base name of the file; NULL ends a table */
	const char *data; /* NUL after the last byte */
	size_t bytes;
};

#endif
