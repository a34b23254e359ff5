/* SPDX-License-Identifier: MIT
 *
 * A request's parts as libcurl's form. Private to net.
 */
#ifndef BULB_NET_FORM_H
#define BULB_NET_FORM_H

#include "net/net.h"

#include <curl/curl.h>

struct form_file;
struct form {
	curl_mime *mime;
	struct form_file *files;
	bool *sent;       /* the request's */
	int64_t left;     /* bytes of all descriptors that were not read yet */
	struct err error; /* why reading ended early; its code is OK if it did not */
};

/* Takes the parts over into the handle; form_done in any case, after the transfer. */
CURLcode form_make(struct form *f, const struct net_request *r, CURL *h);
void form_done(struct form *f, CURL *h);

#endif
