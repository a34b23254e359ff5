/* SPDX-License-Identifier: MIT
 *
 * For this room only. A bus that leaves the process is the local one and a remote: an outbox, and a
 * thread that empties it over a connection. Of what carries the connections, a carrier knows the
 * protocol and nothing else.
 */
#ifndef BULB_BUS_BUS_IMPL_H
#define BULB_BUS_BUS_IMPL_H

#include "bus/bus.h"

#define BUS_MESSAGE_MAX 4000 /* PostgreSQL takes 7,999 */
#define BUS_SENDER_LEN  16

/* Calls every listener of this process. */
void bus_deliver(struct bus *b, const struct bus_hint *h);

/* ---- messages: "b1 SENDER w 12:34 56:78", sender in hex; w where there is work ---------------- */

struct bus_pair {
	int64_t job, seq;
};
/* As many pairs as fit; *ret_n of them. out holds BUS_MESSAGE_MAX + 1. */
void bus_message_format(const char sender[BUS_SENDER_LEN + 1], bool work, const struct bus_pair *v,
	size_t n, char *out, size_t *ret_n);
/* fn once for work and once a pair. What is not a message, or `sender`'s own, is passed over. */
void bus_message_parse(const char *text, size_t n, const char *sender,
	void (*fn)(void *ctx, const struct bus_hint *h), void *ctx);

/* ---- carriers ------------------------------------------------------------------------------- */

struct bus_remote;
struct bus_link { /* base of a carrier's connection */
	struct bus_remote *remote;
};
struct bus_carrier {
	const char *name;
	int64_t gap_ms; /* between two messages of one process */
	/* Is all that opts say acceptable? *ret is the carrier's own, for connect and done. */
	enum err_code (*init)(const struct bus_opts *o, void **ret, struct err *e);
	/* To the n-th server, counted round. Blocks for seconds at most. */
	enum err_code (*connect)(void *self, struct bus_remote *r, unsigned n,
		struct bus_link **ret, struct err *e);
	/* One message is on its way, or the connection is lost. */
	enum err_code (*send)(struct bus_link *l, const char *text, struct err *e);
	/* Until wake_fd is readable or timeout_ms passed; what comes in meanwhile goes to
	 * bus_remote_heard (from any thread). Fails when the connection is lost. */
	enum err_code (*wait)(struct bus_link *l, int timeout_ms, int wake_fd, struct err *e);
	void (*disconnect)(struct bus_link *l); /* nothing is heard after it */
	void (*done)(void *self);
};
extern const struct bus_carrier bus_nats, bus_pg;

enum err_code bus_remote_new(const struct bus_carrier *c, const struct bus_opts *o, struct bus *b,
	struct bus_remote **ret, struct err *e) MUST_CHECK;
void bus_remote_free(struct bus_remote *r); /* NULL is fine */
void bus_remote_publish(struct bus_remote *r, const struct bus_hint *h);
void bus_remote_heard(struct bus_remote *r, const char *text, size_t n);
enum err_code bus_remote_wait_up(struct bus_remote *r, int64_t ms, struct err *e) MUST_CHECK;

#endif
