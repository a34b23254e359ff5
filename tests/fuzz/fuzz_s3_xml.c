/* SPDX-License-Identifier: MIT
 *
 * Whatever a bucket answers: elements come from the inside out, and the root comes last.
 */
#include "blob/s3.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	int depth;
	bool ended;
};

static void look(void *ctx, int depth, const char *name, const char *text)
{
	struct seen *s = ctx;
	if (s->ended || depth < 0 || name[0] == '\0' || text == NULL || depth < s->depth - 1)
		abort();
	s->depth = depth;
	s->ended = depth == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen s = { 0 };
	if (s3_xml_read((const char *)data, size, look, &s) && !s.ended)
		abort();
	return 0;
}
