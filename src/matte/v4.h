/* SPDX-License-Identifier: MIT
 *
 * Four floats at once: gcc and clang make the processor's vectors of it, on every architecture.
 */
#ifndef BULB_MATTE_V4_H
#define BULB_MATTE_V4_H

typedef float v4 __attribute__((vector_size(16)));
typedef int v4_mask __attribute__((vector_size(16)));

/* Each lane no less than 0 and no more than max. */
static inline v4 v4_clamp(v4 v, float max)
{
	v4_mask over = v > max, in = (v > 0) & ~over;
	return (v4)(((v4_mask)v & in) | ((v4_mask)(v4){ max, max, max, max } & over));
}

#endif
