/* SPDX-License-Identifier: MIT
 *
 * The nearest name by edit distance (insert, delete, replace, swap of neighbours each count one),
 * after letter case and separators are taken out. Words are compared by their first 64 letters: a
 * stranger chooses them, and no name of ours is longer.
 */
#include "base/near.h"

#include "base/cdefs.h"

#define LETTERS_MAX 64

static size_t plain(const char *s, char out[LETTERS_MAX])
{
	size_t n = 0;
	for (; *s && n < LETTERS_MAX; s++) {
		char c = *s;
		if (c == '_' || c == '-')
			continue;
		out[n++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	return n;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t distance(const char *a, size_t a_n, const char *b, size_t b_n)
{
	size_t rows[3][LETTERS_MAX + 1];
	for (size_t j = 0; j <= b_n; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_n; i++) {
		size_t *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
		now[0] = i;
		for (size_t j = 1; j <= b_n; j++) {
			size_t d = last[j - 1] + (a[i - 1] != b[j - 1]);
			d = least(d, least(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d = least(d, before[j - 2] + 1);
			now[j] = d;
		}
	}
	return rows[a_n % 3][b_n];
}

const char *near_name(const char *word, const char *const *names, size_t n)
{
	char a[LETTERS_MAX], b[LETTERS_MAX];
	size_t a_n = plain(word, a), best = (a_n < 3 ? 1 : a_n / 3) + 1; /* a third may differ */
	const char *nearest = NULL;
	for (size_t i = 0; i < n; i++) {
		size_t b_n = plain(names[i], b);
		size_t d = distance(a, a_n, b, b_n);
		if (d < best && d < b_n) {
			best = d;
			nearest = names[i];
		}
	}
	return nearest;
}
