/* SPDX-License-Identifier: MIT
 *
 * Randomness straight from the kernel: no state to seed, to share between threads or to copy by
 * accident into a forked child.
 */
#include "base/id.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *out, size_t n)
{
	char *p = out;
	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort();
		p += got;
		n -= (size_t)got;
	}
}

uint64_t random_below(uint64_t n)
{
	uint64_t limit = UINT64_MAX - UINT64_MAX % n, v;
	do
		random_bytes(&v, sizeof(v));
	while (v >= limit);
	return v % n;
}

void id_new(char out[ID_LEN + 1])
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint8_t bytes[16];
	random_bytes(bytes, sizeof(bytes));
	unsigned bits = 0, held = 0;
	size_t at = 0;
	for (size_t i = 0; i < ID_LEN; i++) {
		if (held < 5) {
			bits = bits << 8 | (at < sizeof(bytes) ? bytes[at++] : 0);
			held += 8;
		}
		held -= 5;
		out[i] = digits[bits >> held & 31];
	}
	out[ID_LEN] = '\0';
}
