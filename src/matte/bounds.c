/* SPDX-License-Identifier: MIT
 *
 * Where the subject is.
 */
#include "matte/matte.h"

#define FAINT 2 /* an alpha up to this is nothing */

static bool row_is_empty(const uint8_t *row, int n)
{
	int found = 0;
	for (int x = 0; x < n; x++)
		found |= row[x] > FAINT;
	return !found;
}

/* Of a row that is not empty. */
static int first_of(const uint8_t *row)
{
	int x = 0;
	while (row[x] <= FAINT)
		x++;
	return x;
}

static int last_of(const uint8_t *row, int n)
{
	int x = n - 1;
	while (row[x] <= FAINT)
		x--;
	return x;
}

struct matte_box matte_bounds(const uint8_t *alpha, int w, int h)
{
	int top = 0, bottom = h, left = w, right = 0;
	while (top < h && row_is_empty(alpha + (size_t)top * (size_t)w, w))
		top++;
	if (top == h)
		return (struct matte_box){ 0 };
	while (row_is_empty(alpha + (size_t)(bottom - 1) * (size_t)w, w))
		bottom--;
	for (int y = top; y < bottom; y++) {
		const uint8_t *row = alpha + (size_t)y * (size_t)w;
		if (!row_is_empty(row, left))
			left = first_of(row);
		if (!row_is_empty(row + right, w - right))
			right = last_of(row, w) + 1;
	}
	return (struct matte_box){ left, top, right - left, bottom - top };
}
