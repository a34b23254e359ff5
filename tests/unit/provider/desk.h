/* SPDX-License-Identifier: MIT
 *
 * A provider at an origin that answers by a script, and a ledger that writes down what it is told.
 */
#ifndef BULB_TESTS_UNIT_PROVIDER_DESK_H
#define BULB_TESTS_UNIT_PROVIDER_DESK_H

#include "base/clock.h"
#include "base/io.h"
#include "lib/origin.h"
#include "lib/test.h"
#include "net/net.h"
#include "provider/provider.h"

#define KEY  "k3y-that-is-secret"
#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nX-Credits-Charged: 0.25\r\n"
#define PNG  "\x89PNG\r\n\x1a\n....IDAT....IEND\xae\x42\x60\x82"
#define SENT "GIF89a, or whatever a picture is"

static const struct net_guard off = { .off = true };

/* A ledger that writes down what it is told: a letter a call. */
struct book {
	char said[64];
	size_t n;
	int64_t task, lease, cost, charge;
	enum err_code ask_says, later_says;
	bool bought;
	struct origin *origin;
	int hits;
};

static inline void write_down(struct book *b, char what)
{
	assert_true(b->n + 1 < sizeof(b->said));
	b->said[b->n++] = what;
}

static inline enum err_code ask(void *ctx, int64_t task, int64_t lease, int64_t cost,
	struct ledger_answer *ret, struct err *e)
{
	struct book *b = ctx;
	write_down(b, 'a');
	b->task = task;
	b->lease = lease;
	b->cost = cost;
	b->hits = b->origin != NULL ? b->origin->hits : 0;
	if (b->ask_says != OK)
		return err_set(e, b->ask_says, "the ledger says no");
	*ret = (struct ledger_answer){ .charge = 77, .bought = b->bought };
	return OK;
}

static inline enum err_code refused(void *ctx, int64_t charge, struct err *e)
{
	struct book *b = ctx;
	write_down(b, 'r');
	b->charge = charge;
	return b->later_says == OK ? OK : err_set(e, b->later_says, "the ledger is away");
}

static inline enum err_code unknown(void *ctx, int64_t charge, struct err *e)
{
	struct book *b = ctx;
	write_down(b, 'u');
	b->charge = charge;
	return b->later_says == OK ? OK : err_set(e, b->later_says, "the ledger is away");
}

static inline enum err_code bought(void *ctx, int64_t charge, const char *blob,
	const char *media_type, int64_t cost, struct err *e)
{
	(void)charge, (void)blob, (void)media_type, (void)cost;
	write_down(ctx, 'b'); /* the caller's to say */
	return err_set(e, ERR_INTERNAL, "not by the provider");
}

/* ---- one provider, one origin ---- */

struct desk {
	struct origin origin;
	struct book book;
	struct provider *provider;
	struct provider_opts opts;
	struct provider_call call;
	struct provider_result result;
	char outcomes[128];
	int64_t credits;
};
static int64_t fake_now = 1000000;

static inline int64_t fake_clock(void)
{
	return fake_now;
}

static inline void on_call(void *ctx, const char *outcome, int64_t credits)
{
	struct desk *d = ctx;
	size_t n = strlen(d->outcomes);
	snprintf(d->outcomes + n, sizeof(d->outcomes) - n, "%s ", outcome);
	d->credits += credits;
}

static inline struct desk desk_make(const char *script)
{
	return (struct desk){ .origin.script = script,
		.opts = { .key = KEY, .guard = &off, .timeout_ms = 10000, .on_call = on_call },
		.call = { .bytes = sizeof(SENT) - 1,
			.media_type = "image/gif",
			.width = 100,
			.height = 50,
			.est_cost = 1000,
			.task = 5,
			.lease = 6 } };
}

static inline void desk_open(struct desk *d)
{
	struct err e;
	char url[64];
	assert_ok(io_memfd("picture", &d->call.fd, &e));
	assert_ok(io_write_all(d->call.fd, SENT, sizeof(SENT) - 1, &e));
	assert_true(origin_start(&d->origin));
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/v1.0/", d->origin.port);
	d->opts.url = d->opts.url != NULL ? d->opts.url : url;
	d->opts.ctx = d;
	d->book.origin = &d->origin;
	assert_ok(provider_new(&d->opts, &d->provider, &e));
	d->opts.url = d->opts.key = NULL; /* it has its own */
}

static inline void desk_close(struct desk *d)
{
	provider_free(d->provider);
	origin_stop(&d->origin);
	fd_close(&d->call.fd);
	fd_close(&d->result.fd);
}

static inline enum err_code cut(struct desk *d, struct err *e)
{
	struct ledger l = { .ctx = &d->book,
		.ask = ask,
		.refused = refused,
		.unknown = unknown,
		.bought = bought };
	*e = (struct err){ 0 };
	enum err_code rc = provider_cut(d->provider, &l, &d->call, &d->result, e);
	assert_null(strstr(e->text, KEY));
	return rc;
}

/* A new origin's answer, one call; what the ledger heard is in d->book.said. */
static inline enum err_code cut_once(struct desk *d, struct err *e)
{
	desk_open(d);
	enum err_code rc = cut(d, e);
	desk_close(d);
	return rc;
}

static inline int desk_init(void **state)
{
	(void)state;
	struct err e;
	return net_init(&e) != OK;
}

#endif
