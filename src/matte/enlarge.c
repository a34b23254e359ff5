/* SPDX-License-Identifier: MIT
 *
 * Most of a mask is surely subject or surely ground, and there nothing has to be drawn out to know it:
 * whether a piece is constant is told by the small mask's own samples, once they are steep.
 */
#include "matte/enlarge.h"

#include "base/mem.h"

#include <math.h>

struct enlarged {
	const struct matte_mask *mask;
	int w, h;
	float steep;
	int16_t *levels; /* of the mask's samples */
	int *at;         /* for each column: left neighbour, */
	float *weight;   /* and how much of the right one */
	float *line;     /* between two rows of the mask */
};

int place_among(int i, int n, int m, float *ret_weight)
{
	double at = (i + 0.5) * m / n - 0.5;
	if (m < 2 || at <= 0) {
		*ret_weight = 0;
		return 0;
	}
	int left = at >= m - 1 ? m - 2 : (int)at;
	*ret_weight = (float)fmin(1, at - left);
	return left;
}

static float steeper(float v, float steep)
{
	return (v - 0.5f) * steep * GUIDED_MAX + 0.5f * GUIDED_MAX + 0.5f;
}

static int16_t to_level(float v)
{
	return (int16_t)(v < 0 ? 0 : v > GUIDED_MAX ? GUIDED_MAX : v);
}

enum err_code enlarged_new(const struct matte_mask *mask, double contrast, int w, int h,
	struct enlarged **ret, struct err *e)
{
	size_t columns = (size_t)w, samples = (size_t)mask->w * (size_t)mask->h;
	struct enlarged *m = mem_new(struct enlarged);
	*m = (struct enlarged){ .mask = mask, .w = w, .h = h };
	m->steep = contrast > 0 ? (float)contrast : 1;
	m->levels = mem_try_alloc(sizeof(*m->levels) * samples);
	m->at = mem_try_alloc(sizeof(*m->at) * columns);
	m->weight = mem_try_alloc(sizeof(*m->weight) * columns);
	m->line = mem_try_alloc(sizeof(*m->line) * (size_t)mask->w);
	if (!m->levels || !m->at || !m->weight || !m->line) {
		enlarged_free(m);
		return err_set(e, ERR_LIMIT_MEMORY, "no memory for a mask of %d×%d", mask->w,
			mask->h);
	}
	for (size_t i = 0; i < samples; i++)
		m->levels[i] = to_level(steeper(mask->v[i], m->steep));
	for (int x = 0; x < w; x++)
		m->at[x] = place_among(x, w, mask->w, &m->weight[x]);
	*ret = m;
	return OK;
}

void enlarged_free(struct enlarged *m)
{
	if (!m)
		return;
	free(m->levels);
	free(m->at);
	free(m->weight);
	free(m->line);
	free(m);
}

void enlarged_get(struct enlarged *m, struct guided_area a, int16_t *ret)
{
	const struct matte_mask *mask = m->mask;
	int step = mask->w > 1, first = m->at[a.x0], last = m->at[a.x1 - 1] + step;
	for (int y = a.y0; y < a.y1; y++) {
		float t;
		size_t row = (size_t)place_among(y, m->h, mask->h, &t);
		const float *p = mask->v + row * (size_t)mask->w,
			    *q = mask->h > 1 ? p + mask->w : p;
		for (int x = first; x <= last; x++)
			m->line[x] = steeper(p[x] + t * (q[x] - p[x]), m->steep);
		for (int x = a.x0; x < a.x1; x++) {
			const float *v = m->line + m->at[x];
			*ret++ = to_level(v[0] + m->weight[x] * (v[step] - v[0]));
		}
	}
}

bool enlarged_is_constant(const struct enlarged *m, struct guided_area a, int16_t *ret_value)
{
	float weight;
	int w = m->mask->w, h = m->mask->h;
	int x0 = m->at[a.x0], x1 = m->at[a.x1 - 1] + (w > 1);
	int y0 = place_among(a.y0, m->h, h, &weight),
	    y1 = place_among(a.y1 - 1, m->h, h, &weight) + (h > 1);
	int16_t value = m->levels[(size_t)y0 * (size_t)w + (size_t)x0];
	for (int y = y0; y <= y1; y++) {
		const int16_t *row = m->levels + (size_t)y * (size_t)w;
		int other = 0;
		for (int x = x0; x <= x1; x++)
			other |= row[x] ^ value;
		if (other)
			return false;
	}
	*ret_value = value;
	return true;
}
