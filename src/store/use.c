/* SPDX-License-Identifier: MIT
 *
 * Before a store is used: is it whole, and is this process one of those that belong together? What was
 * signed or sealed with one secret is nothing to who has another, and that would come to light late and
 * look like something else; so the store keeps a fingerprint of the secret, from which nobody learns it.
 */
#include "store/tx.h"

#include <string.h>

struct use {
	const char *secret;
	bool replace, look;
};

static enum err_code adopt(struct tx *t, const struct use *u, struct err *e)
{
	return sql_run(t->db, "UPDATE meta SET secret = $1, copy_of = NULL", SQL(sql_t(u->secret)),
		NULL, e);
}

static enum err_code op_use(struct tx *t, void *arg, struct err *e)
{
	const struct use *u = arg;
	bool copying = false, known = false, same = false, copy = false;
	struct sql_rows r = sql_query(t->db, "SELECT copying, secret, copy_of FROM meta" SQL_LOCK,
		SQL_NONE, e);

	if (sql_next(&r)) {
		copying = sql_int(&r, 0) != 0;
		known = !sql_is_null(&r, 1);
		same = known && strcmp(sql_text(&r, 1), u->secret) == 0;
		copy = !sql_is_null(&r, 2);
	}
	enum err_code code = sql_end(&r);
	if (code != OK)
		return code;
	if (copying)
		return err_set(e, ERR_STORE_UNFINISHED, "not all has been copied into this store");
	if (known && !same && !u->replace)
		return err_set(e, ERR_STORE_SECRET,
			"this store has been used with another secret than this process has");
	return u->look || (same && !copy) ? OK : adopt(t, u, e);
}

enum err_code store_use(struct store *s, const char *secret, bool replace, struct err *e)
{
	struct use u = { .secret = secret, .replace = replace };

	return s->impl->write(s, op_use, &u, e);
}

enum err_code store_may_use(struct store *s, const char *secret, struct err *e)
{
	struct use u = { .secret = secret, .look = true };

	return s->impl->read(s, op_use, &u, e);
}
