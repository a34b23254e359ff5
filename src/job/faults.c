/* SPDX-License-Identifier: MIT
 *
 * The list of faults that a request's reader collects. It is bounded: 10,000 URLs that are all
 * wrong make an answer that a person can read, not a megabyte of the same sentence.
 */
#include "job/recipe.h"

#include <stdarg.h>

#define FAULTS_MAX 100

bool faults_full(const struct faults *f)
{
	return f->n >= FAULTS_MAX;
}

void faults_add(struct faults *f, enum err_code code, const char *pointer, const char *fmt, ...)
{
	if (!f->list) {
		f->list = json_arr();
		f->code = code;
	}
	bool full = faults_full(f);
	f->n++;
	if (full)
		return;
	va_list ap;
	va_start(ap, fmt);
	autofree char *detail = mem_vprintf(fmt, ap);
	va_end(ap);
	json_t *fault = json_obj();
	json_put_str(fault, "detail", detail);
	json_put_str(fault, "pointer", pointer);
	json_push(f->list, fault);
}

enum err_code faults_internal(struct faults *f, const char *what, struct err *e)
{
	const json_t *first = json_array_get(f->list, 0);
	err_set(e, ERR_INTERNAL, "%s%s: %s", what, json_get_str(first, "pointer", ""),
		json_get_str(first, "detail", ""));
	faults_done(f);
	return ERR_INTERNAL;
}

void faults_done(struct faults *f)
{
	json_decref(f->list);
	*f = (struct faults){ 0 };
}
