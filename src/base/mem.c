/* SPDX-License-Identifier: MIT
 *
 * Allocation that does not fail. A failed small allocation cannot be handled better than by ending:
 * everything accepted is in the store, and the next start takes it up again. The message is written
 * without allocating.
 */
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#define EXIT_NO_MEMORY 71 /* EX_OSERR of sysexits.h */

void mem_exhausted(void)
{
	static const char text[] = "bulb: out of memory; accepted jobs go on at the next start\n";
	ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
	(void)ignored;
	_exit(EXIT_NO_MEMORY);
}

void *mem_zalloc(size_t bytes)
{
	return mem_array(1, bytes);
}

void *mem_array(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);
	if (!p)
		mem_exhausted();
	return p;
}

void *mem_realloc(void *p, size_t n, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(n, size, &bytes))
		mem_exhausted();
	void *bigger = realloc(p, bytes ? bytes : 1);
	if (!bigger)
		mem_exhausted();
	return bigger;
}

/* libcrypto crashes when its first allocations fail. They are small: they end as ours do. */
static void *crypto_malloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return mem_realloc(NULL, n, 1);
}

static void *crypto_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	if (n)
		return mem_realloc(p, n, 1);
	free(p);
	return NULL;
}

static void crypto_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

/* Before main, as libcrypto takes no other allocator once it has allocated. */
__attribute__((constructor)) static void crypto_allocates_or_ends(void)
{
	CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free);
}

void *mem_try_alloc(size_t bytes)
{
	return malloc(bytes ? bytes : 1);
}

char *mem_strdup(const char *s)
{
	return s ? mem_strndup(s, strlen(s)) : NULL;
}

char *mem_strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = mem_zalloc(len + 1);
	memcpy(copy, s, len);
	return copy;
}

char *mem_printf(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *s = mem_vprintf(fmt, ap);
	va_end(ap);
	return s;
}

char *mem_vprintf(const char *fmt, va_list ap)
{
	char *s = NULL;
	if (vasprintf(&s, fmt, ap) < 0)
		mem_exhausted();
	return s;
}

void mem_wipe(void *p, size_t n)
{
	if (p)
		OPENSSL_cleanse(p, n);
}
