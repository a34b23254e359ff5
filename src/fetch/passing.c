/* SPDX-License-Identifier: MIT
 *
 * Which failures of a download may pass by themselves. A status is the origin's word on it; for the
 * rest the error table says.
 */
#include "fetch/fetch.h"

bool fetch_may_pass(const struct err *e)
{
	if (e->code != ERR_FETCH_STATUS)
		return err_retryable(e->code);
	switch (e->source_status) {
	case 408: /* request timeout */
	case 425: /* too early */
	case 429: /* too many requests */
		return true;
	case 501: /* not implemented */
	case 505: /* HTTP version not supported */
		return false;
	default:
		return e->source_status >= 500;
	}
}
