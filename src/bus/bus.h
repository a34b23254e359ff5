/* SPDX-License-Identifier: MIT
 *
 * The bus carries hints between the threads and machines that share a store. A hint may be lost,
 * doubled or late: whoever listens also polls. Thread-safe.
 */
#ifndef BULB_BUS_BUS_H
#define BULB_BUS_BUS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bus;
struct bus_hint {
	bool work;        /* something can be planned or claimed */
	int64_t job, seq; /* job != 0: its log has events up to seq */
};

struct bus_opts {
	/* "local:", "nats://HOST[:PORT][,…]", tls:// for TLS, or "postgres://…" with all that libpq
	 * reads; only the last may hold a password, which no text of ours repeats. */
	const char *url;
	const char *subject; /* who meets whom: NATS subject, PostgreSQL channel; NULL: "bulb" */
	/* NATS only; each may be NULL. */
	const char *user;       /* "name:password", or a token */
	const char *creds_file; /* JWT and key, as nsc writes them */
	const char *ca_file;    /* PEM; any of the three means TLS */
	const char *cert_file, *key_file;
	/* Hints began to travel (why is NULL) or no longer do; on a thread of the bus. Or NULL. */
	void (*on_state)(void *ctx, bool up, const char *why);
	void *ctx;
};

/* The texts of opts are copied. A bus whose server is away opens: it goes on trying for as long as it
 * lives, and what is published meanwhile reaches this process only. ERR_USAGE. */
enum err_code bus_open(const struct bus_opts *o, struct bus **ret, struct err *e) MUST_CHECK;
void bus_free(struct bus *b); /* may wait seconds for a server that does not answer; NULL is fine */
/* The bus leaves this process (others hear what is published). */
bool bus_is_remote(const struct bus *b);
/* Waits until hints travel; what stands in the way is the error. Local: at once. ERR_SYSTEM. */
enum err_code bus_wait_up(struct bus *b, int64_t ms, struct err *e) MUST_CHECK;
/* Never blocks and never fails: a hint that cannot be carried is dropped. Listeners of this process
 * are called at once; others hear of it a moment later, once for many. */
void bus_publish(struct bus *b, const struct bus_hint *h);
/* fn is called on a foreign thread (for local: the publisher's), must not block and must not call
 * the bus. Subscribe before the first publish; subscriptions end with the bus. After a remote bus was
 * away, a hint of work says that some may have been missed. */
void bus_subscribe(struct bus *b, void (*fn)(void *ctx, const struct bus_hint *h), void *ctx);

#endif
