/* SPDX-License-Identifier: MIT
 *
 * What callers ask of a store, in one line each.
 */
#include "tests/contract/store_fixture.h"

struct made_job submit_n(struct fixture *f, const char *place, int n, const char *more)
{
	CLEANUP(buf_done) struct buf b = BUF_INIT(1 << 22);

	buf_puts(&b, "{'urls':[");
	for (int i = 0; i < n; i++)
		buf_printf(&b, "%s'https://%s/%d.jpg'", i ? "," : "", place, i);
	buf_printf(&b, "],'variants':[{'name':'a','width':10}]%s}", more);
	return submit(f, "%s", buf_str(&b));
}

void cancel(struct fixture *f, const struct made_job *m)
{
	struct err e;

	assert_ok(store_cancel(f->s, 1, m->id, ERR_CANCELED, &e));
}

int64_t retry(struct fixture *f, const struct made_job *m)
{
	int64_t n = -1;
	struct err e;

	assert_ok(store_retry(f->s, 1, m->id, false, &n, &e));
	return n;
}

void del(struct fixture *f, const struct made_job *m, bool results)
{
	struct err e;

	assert_ok(store_delete(f->s, 1, m->id, results, &e));
}

bool job_is_there(struct fixture *f, const struct made_job *m)
{
	struct job_row *j;
	struct err e;

	assert_ok(store_job_find(f->s, 1, m->id, f->a, &j, &e));
	return j != NULL;
}

struct gc_report gc(struct fixture *f, int64_t keep)
{
	struct gc_report r, dry;
	struct err e;

	assert_ok(store_gc(f->s, keep, true, &dry, &e));
	assert_ok(store_gc(f->s, keep, false, &r, &e));
	assert_int_equal(dry.originals, r.originals);
	assert_int_equal(dry.results, r.results);
	return r;
}
