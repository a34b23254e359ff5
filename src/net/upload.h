/* SPDX-License-Identifier: MIT
 *
 * A descriptor's bytes as the body of a libcurl request. Private to net.
 */
#ifndef BULB_NET_UPLOAD_H
#define BULB_NET_UPLOAD_H

#include "net/net.h"

#include <curl/curl.h>

struct upload {
	const struct net_upload *what;
	int64_t done;
	struct err error; /* why reading ended early; its code is OK if it did not */
};

/* u has to live until the transfer ends. */
void upload_set(struct upload *u, const struct net_upload *what, CURL *h);

#endif
