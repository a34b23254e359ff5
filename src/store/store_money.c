/* SPDX-License-Identifier: MIT
 *
 * The door again, for cut-outs and what they cost (see store.c).
 */
#include "store/operations.h"

enum err_code store_finish_cut(struct store *s, int64_t id, int64_t lease, const struct cut_made *m,
	struct err *e)
{
	struct op_end op = { .id = id, .lease = lease, .cut_made = m };

	return s->impl->write(s, op_finish_cut, &op, e);
}

/* What was decided may be a refusal that changed rows, so it is an answer and not a failed commit. */
enum err_code store_charge_ask(struct store *s, int64_t task, int64_t lease, int64_t cost,
	struct arena *a, struct charge_answer *ret, struct err *e)
{
	struct op_charge op = { .task = task, .lease = lease, .cost = cost, .arena = a };
	enum err_code code = s->impl->write(s, op_charge_ask, &op, e);

	if (code != OK)
		return code;
	if (op.code != OK)
		return err_set(e, op.code, "%s", op.why);
	*ret = op.answer;
	return OK;
}

enum err_code store_charge_refused(struct store *s, int64_t charge, struct err *e)
{
	struct op_charge op = { .id = charge };

	return s->impl->write(s, op_charge_refused, &op, e);
}

enum err_code store_charge_unknown(struct store *s, int64_t charge, struct err *e)
{
	struct op_charge op = { .id = charge };

	return s->impl->write(s, op_charge_unknown, &op, e);
}

enum err_code store_charge_bought(struct store *s, int64_t charge, const char *blob,
	const char *media_type, int64_t cost, struct err *e)
{
	struct op_charge op = {
		.id = charge,
		.blob = blob,
		.media_type = media_type,
		.cost = cost,
	};

	return s->impl->write(s, op_charge_bought, &op, e);
}

enum err_code store_usage(struct store *s, int64_t tenant, int64_t first_day, int64_t last_day,
	struct arena *a, struct usage_row **ret, size_t *ret_n, int64_t *ret_reserved,
	struct err *e)
{
	struct op_usage op = {
		.tenant = tenant,
		.first_day = first_day,
		.last_day = last_day,
		.arena = a,
	};
	enum err_code code = s->impl->read(s, op_usage, &op, e);

	if (code != OK)
		return code;
	*ret = op.rows;
	*ret_n = op.n;
	*ret_reserved = op.reserved;
	return OK;
}

enum err_code store_estimate(struct store *s, int64_t tenant, const struct request *r,
	const uint8_t seal_key[32], struct estimate *ret, struct err *e)
{
	struct op_estimate op = { .tenant = tenant, .request = r };
	enum err_code code = s->impl->read(s, op_estimate, &op, e);

	(void)seal_key;
	if (code == OK)
		*ret = op.estimate;
	return code;
}
