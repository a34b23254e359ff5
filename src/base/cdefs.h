/* SPDX-License-Identifier: MIT
 *
 * The few compiler attributes that bulb uses. No macro here hides control flow.
 */
#ifndef BULB_BASE_CDEFS_H
#define BULB_BASE_CDEFS_H

#include <stddef.h>

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define CLEANUP(fn)       __attribute__((cleanup(fn)))
#define NORETURN          __attribute__((noreturn))
#define ARRAY_LEN(a)      (sizeof(a) / sizeof((a)[0]))

/* Give away what *p owns: the value is returned and *p becomes NULL. */
#define TAKE(p)                                                                                    \
	__extension__({                                                                            \
		__typeof__(*(p)) taken_ = *(p);                                                    \
		*(p) = NULL;                                                                       \
		taken_;                                                                            \
	})

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
