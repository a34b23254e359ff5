/* SPDX-License-Identifier: MIT
 *
 * "Did you mean": the name of a list that is nearest to a word which is none of them.
 */
#ifndef BULB_BASE_NEAR_H
#define BULB_BASE_NEAR_H

#include <stddef.h>

/* The nearest of n names, or NULL when none is near enough to be what was meant. Letter case, '_'
 * and '-' do not count: "withoutEnlargement" is "without_enlargement". */
const char *near_name(const char *word, const char *const *names, size_t n);

#endif
