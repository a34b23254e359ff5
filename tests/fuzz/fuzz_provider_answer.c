/* SPDX-License-Identifier: MIT
 *
 * A provider's answer: a byte that says how the exchange ended, three digits of status, lines of
 * fields up to an empty one, then the body.
 */
#include "provider/answer.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

#define KEY "s3cret"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The fields, each "Name: value\n"; the length of all of them. */
static size_t take_fields(struct answer *a, const char *text, size_t n)
{
	size_t at = 0;
	while (at < n) {
		const char *end = memchr(text + at, '\n', n - at);
		size_t line_n = end != NULL ? (size_t)(end - text) - at : n - at;
		autofree char *line = mem_strndup(text + at, line_n);
		at += line_n + (end != NULL);
		char *value = strstr(line, ": ");
		if (value == NULL)
			break;
		*value = '\0';
		answer_field(a, line, value + 2);
	}
	return at;
}

static void check(const struct answer *a, const struct verdict *v, const struct err *e)
{
	assert(v->retry_after_ms >= -1);
	assert(strstr(e->text, KEY) == NULL);
	if (v->kind == VERDICT_BOUGHT)
		assert(a->status == 200 && a->fd >= 0 && a->error.code == OK);
	/* Money is never forgotten: what says that it was charged is bought or unknown. */
	if (a->credits > 0 && a->status != 0)
		assert(v->kind == VERDICT_BOUGHT || v->kind == VERDICT_UNKNOWN);
	if (a->sent && a->status < 300)
		assert(v->kind == VERDICT_BOUGHT || v->kind == VERDICT_UNKNOWN);
	if (v->kind == VERDICT_UNKNOWN)
		assert(e->code == ERR_MATTE_CHARGE_UNKNOWN);
	if (v->kind == VERDICT_REFUSED)
		assert(e->code == ERR_MATTE_PROVIDER);
	for (const char *p = e->text; *p != '\0'; p++)
		assert(*p >= 0x20 && *p <= 0x7e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answer a = ANSWER_INIT;
	struct err e = { 0 };
	if (size < 5)
		return 0;
	a.sent = a.expects_file = true;
	for (int i = 1; i < 4; i++)
		a.status = a.status * 10 + data[i] % 10;
	a.status = a.status < 200 ? 0 : a.status;
	size_t at = 4 + take_fields(&a, (const char *)data + 4, size - 4);
	if (at < size)
		(void)answer_add(&a, data + at, size - at);
	if (data[0] == 'x' || a.status == 0)
		err_set(&a.error, ERR_FETCH_CONNECT, "broken");
	if (data[0] == 'n' && a.status == 0)
		a.sent = false;
	struct verdict v = answer_judge(&a, "api.example.com", KEY, &e);
	check(&a, &v, &e);
	answer_done(&a);
	return 0;
}
