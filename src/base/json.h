/* SPDX-License-Identifier: MIT
 *
 * JSON (RFC 8259) through jansson, strictly: UTF-8 only, no duplicate members, no NUL in a string,
 * no lone surrogate, at most JSON_DEPTH levels, nothing after the value. The jansson types are used
 * as they are; this header is the only place that includes them.
 */
#ifndef BULB_BASE_JSON_H
#define BULB_BASE_JSON_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

#define JSON_DEPTH 32
#define JSON_BYTES (128 << 20) /* of memory, about */

/* autojson *j = NULL; drops its reference at the end of the scope. */
#define autojson CLEANUP(json_decrefp) json_t

/* ERR_REQUEST_MALFORMED with line and column, never with the text itself. Any JSON value is taken,
 * not only objects and arrays. ERR_REQUEST_LIMIT when the tree would take more than JSON_BYTES. */
enum err_code json_parse(const char *text, size_t n, json_t **ret, struct err *e) MUST_CHECK;
/* Compact text in the members' order; the caller frees; never NULL. */
char *json_text(const json_t *j);
/* Compact text with members sorted by name: the canonical form that digests are made of. */
char *json_text_sorted(const json_t *j);

/* Members that need not be there. The default is returned when absent or of another type. */
const char *json_get_str(const json_t *o, const char *name, const char *dflt);
int64_t json_get_int(const json_t *o, const char *name, int64_t dflt);
double json_get_num(const json_t *o, const char *name, double dflt);
bool json_get_bool(const json_t *o, const char *name, bool dflt);

/* Set members of an object that we build ourselves; out of memory ends the process. A NULL string
 * becomes JSON null. json_put takes over the reference to v. */
json_t *json_obj(void);
json_t *json_arr(void);
void json_put(json_t *o, const char *name, json_t *v);
void json_put_str(json_t *o, const char *name, const char *s);
void json_put_int(json_t *o, const char *name, int64_t v);
void json_put_bool(json_t *o, const char *name, bool v);
void json_push(json_t *arr, json_t *v); /* takes over v */

/* Append s as a JSON string with its quotes. Control characters are escaped. */
bool json_quote(struct buf *b, const char *s);

/* The length of the UTF-8 character at s (RFC 3629), 0 when it is none. Stops at a NUL. */
size_t utf8_length(const unsigned char *s);

#endif
