/* SPDX-License-Identifier: MIT
 *
 * The door again, for work outside (see store.c).
 */
#include "store/operations.h"

enum err_code store_lent(struct store *s, int64_t id, int64_t lease, struct arena *a,
	struct lent *ret, struct err *e)
{
	struct op_outside op = { .id = id, .lease = lease, .arena = a };
	enum err_code code = s->impl->read(s, op_lent, &op, e);

	if (code == OK)
		*ret = op.lent;
	return code;
}

enum err_code store_outside(struct store *s, struct arena *a, struct outside_row **ret,
	size_t *ret_n, struct err *e)
{
	struct op_outside op = { .arena = a };
	enum err_code code = s->impl->read(s, op_outside_list, &op, e);

	if (code != OK)
		return code;
	*ret = op.rows;
	*ret_n = op.n;
	return OK;
}

enum err_code store_hand(struct store *s, const struct outside_name *names, size_t n,
	const char *owner, int64_t lease_ms, struct err *e)
{
	struct op_outside op = { .names = names, .n = n, .owner = owner, .lease_ms = lease_ms };

	return s->impl->write(s, op_hand, &op, e);
}

enum err_code store_report(struct store *s, const struct outside_report *r, struct arena *a,
	struct outside_answer *ret, struct err *e)
{
	struct op_outside op = { .report = r, .arena = a };
	enum err_code code = s->impl->write(s, op_report, &op, e);

	if (code == OK)
		*ret = op.answer;
	return code;
}
