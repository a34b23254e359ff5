/* SPDX-License-Identifier: MIT
 *
 * --allow-source: which URLs may be downloaded at all. Private to fetch.
 */
#ifndef BULB_FETCH_ALLOW_H
#define BULB_FETCH_ALLOW_H

#include "base/url.h"

/* Each source is a host ("img.example.com": any scheme, port and path of exactly that host) or the
 * beginning of a URL ("https://img.example.com/shop/": same origin, path begins so). n == 0:
 * any. */
bool source_allowed(const char *const *sources, size_t n, const struct url *u, struct arena *a);

#endif
