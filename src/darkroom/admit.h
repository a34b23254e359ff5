/* SPDX-License-Identifier: MIT
 *
 * A gate: so much may be inside at once, and who came first goes first. The darkroom has two of
 * them, one that counts pictures and one that counts their decoded bytes. A large one at the head
 * of the line holds back the small ones behind it, so that it gets its turn. Thread-safe.
 */
#ifndef BULB_DARKROOM_ADMIT_H
#define BULB_DARKROOM_ADMIT_H

#include "base/err.h"

#include <stdatomic.h>
#include <stdint.h>

struct gate;
struct gate *gate_new(int64_t capacity);
void gate_free(struct gate *g); /* nobody is inside or waits */
/* Blocks until there is room for `amount`, which is at most the capacity. cancel may be NULL and
 * is looked at every 50 ms. Only error: ERR_CANCELED. */
enum err_code gate_enter(struct gate *g, int64_t amount, atomic_bool *cancel, struct err *e)
	MUST_CHECK;
void gate_leave(struct gate *g, int64_t amount);
int64_t gate_used(struct gate *g);

#endif
