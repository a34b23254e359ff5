/* SPDX-License-Identifier: MIT
 *
 * URLs of ours may say more than libpq understands.
 */
#include "pg/pg.h"

#include "base/buf.h"

#include <string.h>

char *pg_url_without(const char *url, const char *param, bool *ret_was)
{
	struct buf b = BUF_INIT(65536);
	size_t n = strcspn(url, "?");
	const char *q = url + n;

	buf_add(&b, url, n);
	*ret_was = false;
	for (char sep = '?'; *q; q += n) {
		n = strcspn(++q, "&");
		bool is_it = n == strlen(param) && strncmp(q, param, n) == 0;
		*ret_was |= is_it;
		if (!is_it) {
			buf_printf(&b, "%c%.*s", sep, (int)n, q);
			sep = '&';
		}
	}
	return buf_take(&b);
}
