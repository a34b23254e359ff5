/* SPDX-License-Identifier: MIT
 *
 * For this room only: read a JSON object that another program wrote, member by member. The first fault
 * stands, and everything after it does nothing, so that a reader reads like a list of members. What is
 * not known is passed over, and null is "not said".
 */
#ifndef BULB_JOB_READING_H
#define BULB_JOB_READING_H

#include "base/json.h"
#include "base/mem.h"
#include "job/outcome.h"

struct reading {
	const json_t *o;
	const char *at; /* JSON pointer of the object; lives in the arena or for ever */
	struct arena *a;
	enum err_code code; /* of the first fault; e has its text */
	struct err *e;
};
/* A fault when o is no object. */
struct reading reading_of(const json_t *o, const char *at, struct arena *a, struct err *e);
/* An object that is a member; a fault when it is there and none. o is NULL when it is not there, and
 * reading it leaves everything alone. */
struct reading reading_member(struct reading *r, const char *name);
/* Its faults become those of the object that it is a member of. */
void reading_end(struct reading *r, const struct reading *member);
void reading_fault(struct reading *r, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* There, or a fault. */
void reading_must(struct reading *r, const char *name);

/* Each leaves *ret alone when the member is not there. */
void reading_str(struct reading *r, const char *name, size_t max, const char **ret);
/* The same into an array of `size` bytes. */
void reading_text(struct reading *r, const char *name, char *ret, size_t size);
void reading_int(struct reading *r, const char *name, int64_t min, int64_t max, int64_t *ret);
void reading_side(struct reading *r, const char *name, int *ret); /* pixels */
void reading_bool(struct reading *r, const char *name, bool *ret);
/* SHA256_LEN bytes. True: it was there. */
bool reading_digest(struct reading *r, const char *name, uint8_t ret[SHA256_LEN]);
void reading_format(struct reading *r, const char *name, enum format *ret);
/* A whole key, without its prefix; a fault when it does not begin with it. */
void reading_key(struct reading *r, const char *name, const char *prefix,
	char ret[BLOB_KEY_MAX + 1]);
/* NULL when it is not there. */
const json_t *reading_list(struct reading *r, const char *name, size_t max);
/* The pointer of an element. */
const char *reading_at(struct reading *r, const char *name, size_t i);
/* An original or a product as outcome.h writes it, with a whole key. */
void reading_original(struct reading *r, const char *prefix, struct original *ret);
void reading_product(struct reading *r, const char *prefix, struct product *ret);

/* The other way round. */
void put_whole_key(json_t *o, const char *name, const char *prefix, const char *key);
json_t *original_whole_json(const struct original *o, const char *prefix);

#endif
