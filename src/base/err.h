/* SPDX-License-Identifier: MIT
 *
 * Errors: a code from err.def for programs, one line of text for people.
 *
 * A function that can fail returns enum err_code (0 is OK) and takes `struct err *e` last. On
 * failure it has set e and touched no output. "Nothing there" is a result, not an error.
 */
#ifndef BULB_BASE_ERR_H
#define BULB_BASE_ERR_H

#include "base/cdefs.h"

#include <stdbool.h>
#include <stdint.h>

enum err_code {
	OK = 0,
#define ERR(name, http, retry, title, hint) ERR_##name,
#include "base/err.def"
#undef ERR
	ERR_COUNT
};

struct err {
	enum err_code code;
	int source_status;      /* HTTP status the source answered with, 0 if none */
	int64_t retry_after_ms; /* what the other side asked us to wait, 0 if nothing */
	char text[400];         /* one line, UTF-8, no secret in it */
};

/* Set e (which may be NULL) anew, source_status and retry_after_ms to 0, and return code. The text
 * is cut to fit, at a character; e->text may be among the arguments. */
enum err_code err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same, with ": " and strerror(errnum) after it. ENOMEM becomes ERR_MEMORY. */
enum err_code err_sys(struct err *e, enum err_code code, int errnum, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
#ifdef __clang_analyzer__ /* it does not see into err.c, and would follow paths on which this is OK */
#define err_set(e, code, ...)         ((void)err_set(e, code, __VA_ARGS__), (code))
#define err_sys(e, code, errnum, ...) ((void)err_sys(e, code, errnum, __VA_ARGS__), (code))
#endif
/* Put "what: " before the text that is there, and return its code. */
enum err_code err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* From the table. err_name(ERR_FETCH_DNS) is "fetch_dns"; static strings, never NULL. */
const char *err_name(enum err_code code);
const char *err_title(enum err_code code);
const char *err_hint(enum err_code code);
int err_http(enum err_code code);
bool err_retryable(enum err_code code);
/* ERR_COUNT when there is no such name. */
enum err_code err_from_name(const char *name);

#endif
