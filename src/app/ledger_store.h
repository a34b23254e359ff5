/* SPDX-License-Identifier: MIT
 *
 * The worker's ledger, bound to a store: each call is the store's charge of the same name.
 */
#ifndef BULB_APP_LEDGER_STORE_H
#define BULB_APP_LEDGER_STORE_H

#include "provider/provider.h"
#include "store/store.h"

struct ledger ledger_of_store(struct store *s);

#endif
