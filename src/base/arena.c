/* SPDX-License-Identifier: MIT
 *
 * An arena: chunks in a list, each twice as large as the one before up to a limit, so that a small
 * request costs one allocation and a large one does not waste half of what it took.
 */
#include "base/mem.h"

#include <stdint.h>
#include <string.h>

#define CHUNK_FIRST ((size_t)4 << 10)
#define CHUNK_MOST  ((size_t)256 << 10)
#define ALIGNMENT   ((size_t)16)

struct chunk {
	struct chunk *next;
	size_t size, used;
	_Alignas(16) char data[];
};
struct arena {
	struct chunk *chunks; /* the one in use first */
	size_t next_size, bytes;
};

struct arena *arena_new(void)
{
	struct arena *a = mem_new(struct arena);
	a->next_size = CHUNK_FIRST;
	return a;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	for (struct chunk *c = a->chunks, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	free(a);
}

static struct chunk *chunk_add(struct arena *a, size_t least)
{
	size_t size = least > a->next_size ? least : a->next_size;
	if (a->next_size < CHUNK_MOST)
		a->next_size *= 2;
	struct chunk *c = mem_zalloc(sizeof(*c) + size);
	*c = (struct chunk){ .next = a->chunks, .size = size };
	a->chunks = c;
	a->bytes += sizeof(*c) + size;
	return c;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
	/* A size that cannot exist goes on to chunk_add as it is and ends the process there. */
	size_t need = bytes > SIZE_MAX / 2 ? bytes / 2 : (bytes + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
	struct chunk *c = a->chunks;
	if (!c || c->size - c->used < need)
		c = chunk_add(a, need);
	void *p = c->data + c->used;
	c->used += need;
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return s ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = arena_alloc(a, len + 1);
	memcpy(copy, s, len);
	return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	autofree char *text = mem_vprintf(fmt, ap);
	va_end(ap);
	return arena_strdup(a, text);
}

size_t arena_bytes(const struct arena *a)
{
	return a->bytes;
}
