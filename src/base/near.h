/* SPDX-License-Identifier: MIT
 *
 * The nearest known name to one that is not known: what "did you mean" is made of, for settings,
 * commands and members of requests alike.
 */
#ifndef BULB_BASE_NEAR_H
#define BULB_BASE_NEAR_H

#include <stddef.h>

/* The number of single-character edits (insert, delete, replace, swap of neighbours) between two
 * names. Case does not count, nor do '-' and '_': withoutEnlargement is without_enlargement.
 * Only the first 64 characters are looked at. */
size_t near_distance(const char *a, const char *b);
/* The nearest of the n names, or NULL when none is near enough to be meant (about a third of its
 * characters may be wrong). Names may hold NULLs, which are passed over. */
const char *near_find(const char *word, const char *const *names, size_t n);

#endif
