/* SPDX-License-Identifier: MIT
 *
 * file:///path, for `bulb run`. Private to fetch.
 */
#ifndef BULB_FETCH_FILE_H
#define BULB_FETCH_FILE_H

#include "base/url.h"
#include "fetch/sink.h"

/* The file into the sink, or ret->not_modified when r->etag still names it. */
enum err_code file_fetch(const struct url *u, const struct fetch_request *r, struct sink *s,
	struct fetch_result *ret, struct err *e) MUST_CHECK;

#endif
