/* SPDX-License-Identifier: MIT
 *
 * Reading numbers out of a stranger's bytes: whatever lies beyond the end reads as zero, so that a
 * header parser needs no check at each field and still cannot leave the file.
 */
#ifndef BULB_IMAGE_SPAN_H
#define BULB_IMAGE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *p;
	size_t n;
};

static inline uint32_t span_u8(struct span s, size_t at)
{
	return at < s.n ? s.p[at] : 0;
}

static inline uint32_t span_be16(struct span s, size_t at)
{
	return span_u8(s, at) << 8 | span_u8(s, at + 1);
}

static inline uint32_t span_be32(struct span s, size_t at)
{
	return span_be16(s, at) << 16 | span_be16(s, at + 2);
}

static inline uint32_t span_le16(struct span s, size_t at)
{
	return span_u8(s, at) | span_u8(s, at + 1) << 8;
}

static inline uint32_t span_le32(struct span s, size_t at)
{
	return span_le16(s, at) | span_le16(s, at + 2) << 16;
}

static inline uint64_t span_be64(struct span s, size_t at)
{
	return (uint64_t)span_be32(s, at) << 32 | span_be32(s, at + 4);
}

static inline uint64_t span_le64(struct span s, size_t at)
{
	return span_le32(s, at) | (uint64_t)span_le32(s, at + 4) << 32;
}

/* Are the n bytes at `at` these? */
static inline bool span_is(struct span s, size_t at, const char *text, size_t n)
{
	return at <= s.n && n <= s.n - at && memcmp(s.p + at, text, n) == 0;
}

/* What lies from `at` on, at most n bytes of it. */
static inline struct span span_part(struct span s, size_t at, size_t n)
{
	if (at > s.n)
		return (struct span){ s.p, 0 };
	return (struct span){ s.p + at, n < s.n - at ? n : s.n - at };
}

#endif
