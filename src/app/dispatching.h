/* SPDX-License-Identifier: MIT
 *
 * Where the dispatcher meets the store and the reports: --dispatch, put together from the settings.
 */
#ifndef BULB_APP_DISPATCHING_H
#define BULB_APP_DISPATCHING_H

#include "app/engine.h"
#include "dispatch/dispatch.h"

/* NULL in g->dispatch where no --dispatch is set. self_url: where this server listens, or NULL.
 * ERR_USAGE. It hears of work by the engine's bus. */
enum err_code dispatching_start(struct engine *g, const char *self_url, struct err *e) MUST_CHECK;
/* Take in the reports that were left beside the blobs; logs. */
enum err_code dispatching_collect(struct results *r, struct err *e) MUST_CHECK;

#endif
