/* SPDX-License-Identifier: MIT
 *
 * What others send over a bus. What was read must be readable again when it is written, and nothing
 * but jobs with positive numbers comes of it.
 */
#include "bus/bus_impl.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char sender[] = "0123456789abcdef", other[] = "fedcba9876543210";

struct heard {
	struct bus_pair v[BUS_MESSAGE_MAX];
	size_t n;
};

static void hear(void *ctx, const struct bus_hint *h)
{
	struct heard *heard = ctx;
	if (h->work == (h->job != 0) || h->job < 0 || h->seq < 0)
		abort();
	if (h->job)
		heard->v[heard->n++] = (struct bus_pair){ h->job, h->seq };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct heard first, again;
	char text[BUS_MESSAGE_MAX + 1];
	size_t n;
	first.n = again.n = 0;
	bus_message_parse((const char *)data, size, other, hear, &first);
	bus_message_format(sender, false, first.v, first.n, text, &n);
	bus_message_parse(text, strlen(text), sender, hear, &again);
	if (again.n != 0)
		abort(); /* its own */
	bus_message_parse(text, strlen(text), other, hear, &again);
	if (again.n != n || memcmp(again.v, first.v, n * sizeof(first.v[0])) != 0)
		abort();
	return 0;
}
