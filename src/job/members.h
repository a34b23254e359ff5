/* SPDX-License-Identifier: MIT
 *
 * For this room only: read a JSON object by a table of its members. The table says what exists;
 * what is not in it is a fault with the nearest name that is, so a typo is never ignored.
 */
#ifndef BULB_JOB_MEMBERS_H
#define BULB_JOB_MEMBERS_H

#include "base/json.h"
#include "job/recipe.h"

/* A place in a document, linked upwards and only made into text when a fault needs it. */
struct at {
	const struct at *up; /* NULL: `name` is the whole pointer of the place */
	const char *name;    /* of a member; NULL: an array's element */
	size_t index;
};
char *at_pointer(const struct at *at); /* RFC 6901; the caller frees */
/* A fault at this place. */
#define at_fault(f, at, code, ...)                                                                 \
	do {                                                                                       \
		autofree char *pointer_ = faults_full(f) ? NULL : at_pointer(at);                  \
		faults_add((f), (code), pointer_, __VA_ARGS__);                                    \
	} while (0)

/* One member. NULL as `read`: the feature is not there; only null and false, which ask for
 * nothing, are taken. Null is "not given" for every member. */
struct member {
	const char *name;
	/* v is not null. Puts the value into dst, or adds a fault. */
	void (*read)(void *dst, const json_t *v, const struct at *at, struct faults *f);
};

/* Read o, found at `at`, into dst: the members in the table's order, then a fault for every member
 * that is not in it. When o is no object: a fault. */
void members_read(const json_t *o, const struct member *table, size_t n, const struct at *at,
	void *dst, struct faults *f);

/* Values that occur in many places. false: a fault was added. */
bool read_int(const json_t *v, int64_t min, int64_t max, const struct at *at, struct faults *f,
	int64_t *ret);
bool read_bool(const json_t *v, const struct at *at, struct faults *f, bool *ret);
/* A string of 1 … max bytes. */
bool read_str(const json_t *v, size_t max, const struct at *at, struct faults *f, const char **ret);
/* One of n names; returns its index, or n after a fault that names the nearest. */
size_t read_name(const json_t *v, const char *const *names, size_t n, const struct at *at,
	struct faults *f);

#endif
