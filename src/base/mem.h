/* SPDX-License-Identifier: MIT
 *
 * Memory. Small allocations (structs, names, paths: sizes that our own code chose) never return
 * NULL: when there is none left the process says so and ends, and what it had accepted is taken up
 * again at the next start. Sizes that a stranger chose go through struct buf or mem_try_*, which
 * can fail. docs/decisions/ has the reasons.
 */
#ifndef BULB_BASE_MEM_H
#define BULB_BASE_MEM_H

#include "base/cdefs.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

void *mem_zalloc(size_t bytes);                    /* zeroed, never NULL */
void *mem_array(size_t n, size_t size);            /* zeroed, overflow-checked, never NULL */
void *mem_realloc(void *p, size_t n, size_t size); /* overflow-checked, never NULL */
void *mem_try_alloc(size_t bytes);                 /* NULL when there is none */
char *mem_strdup(const char *s);                   /* NULL stays NULL */
char *mem_strndup(const char *s, size_t n);
char *mem_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
char *mem_vprintf(const char *fmt, va_list ap);
#define mem_new(type) ((type *)mem_zalloc(sizeof(type)))

static inline void mem_freep(void *pp)
{
	free(*(void **)pp);
	*(void **)pp = NULL;
}
#define autofree CLEANUP(mem_freep)

/* Say that there is no memory and end the process: for libraries that answer NULL. */
NORETURN void mem_exhausted(void);

/* Overwrite a secret so that the compiler cannot leave it out. */
void mem_wipe(void *p, size_t n);

/* An arena: what dies together is allocated together. One thread at a time. Pointers from it end
 * with arena_free; never keep one longer. */
struct arena;
struct arena *arena_new(void);
void arena_free(struct arena *a);
static inline void arena_freep(struct arena **a)
{
	arena_free(*a);
	*a = NULL;
}
void *arena_alloc(struct arena *a, size_t bytes);   /* zeroed, aligned to 16, never NULL */
char *arena_strdup(struct arena *a, const char *s); /* NULL stays NULL */
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
size_t arena_bytes(const struct arena *a); /* what it holds from the system */

#endif
