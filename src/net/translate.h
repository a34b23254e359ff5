/* SPDX-License-Identifier: MIT
 *
 * From libcurl's result to ours. Private to net.
 */
#ifndef BULB_NET_TRANSLATE_H
#define BULB_NET_TRANSLATE_H

#include "base/err.h"
#include "base/ip.h"

/* What our own callbacks know better than libcurl's result. */
struct net_trouble {
	bool blocked;         /* the guard refused an address */
	struct ip blocked_ip; /* the last it refused */
	bool connecting;      /* another was allowed and tried */
	bool head_too_large;
};

/* code is a CURLcode other than CURLE_OK, why libcurl's own text or "". */
enum err_code net_translate(int code, const struct net_trouble *t, const char *host,
	const char *why, struct err *e);

#endif
