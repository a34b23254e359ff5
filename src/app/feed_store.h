/* SPDX-License-Identifier: MIT
 *
 * The worker's feed, bound to a store: each call is the store's call of the same name.
 */
#ifndef BULB_APP_FEED_STORE_H
#define BULB_APP_FEED_STORE_H

#include "store/store.h"
#include "worker/worker.h"

struct feed feed_of_store(struct store *s);

#endif
