/* SPDX-License-Identifier: MIT
 *
 * Edit distance (optimal string alignment) over three rows: names are short and this runs only
 * when someone has mistyped.
 */
#include "base/near.h"

#include <ctype.h>
#include <string.h>

#define NAME_MAX_LEN 64

static size_t fold(const char *s, char out[NAME_MAX_LEN])
{
	size_t n = 0;
	for (; *s && n < NAME_MAX_LEN; s++)
		if (*s != '-' && *s != '_')
			out[n++] = (char)tolower((unsigned char)*s);
	return n;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t distance(const char *a, size_t an, const char *b, size_t bn)
{
	size_t rows[3][NAME_MAX_LEN + 1];
	for (size_t j = 0; j <= bn; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= an; i++) {
		size_t *row = rows[i % 3];
		const size_t *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= bn; j++) {
			size_t replaced = above[j - 1] + (a[i - 1] != b[j - 1]);
			row[j] = least(replaced, least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], above2[j - 2] + 1);
		}
	}
	return rows[an % 3][bn];
}

size_t near_distance(const char *a, const char *b)
{
	char fa[NAME_MAX_LEN], fb[NAME_MAX_LEN];
	size_t an = fold(a, fa), bn = fold(b, fb);
	return distance(fa, an, fb, bn);
}

const char *near_find(const char *word, const char *const *names, size_t n)
{
	const char *best = NULL;
	size_t best_distance = 0;
	for (size_t i = 0; i < n; i++) {
		if (!names[i])
			continue;
		size_t d = near_distance(word, names[i]);
		if (d <= (strlen(names[i]) + 2) / 3 && (!best || d < best_distance)) {
			best = names[i];
			best_distance = d;
		}
	}
	return best;
}
