/* SPDX-License-Identifier: MIT
 *
 * The bus carries hints between the threads and machines that share a store. A hint may be lost,
 * doubled or late: whoever listens also polls. Thread-safe.
 */
#ifndef BULB_BUS_BUS_H
#define BULB_BUS_BUS_H

#include "base/err.h"

#include <stdint.h>

struct bus;
struct bus_hint {
	bool work;        /* something can be planned or claimed */
	int64_t job, seq; /* job != 0: its log has events up to seq */
};

/* "local:". ERR_USAGE. */
enum err_code bus_open(const char *url, struct bus **ret, struct err *e) MUST_CHECK;
void bus_free(struct bus *b);
/* Never blocks and never fails: a hint that cannot be carried is dropped. */
void bus_publish(struct bus *b, const struct bus_hint *h);
/* fn is called on a foreign thread (for local: the publisher's), must not block and must not call
 * the bus. Subscribe before the first publish; subscriptions end with the bus. */
void bus_subscribe(struct bus *b, void (*fn)(void *ctx, const struct bus_hint *h), void *ctx);

#endif
