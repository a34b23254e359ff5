/* SPDX-License-Identifier: MIT
 *
 * Hints by LISTEN and NOTIFY, over one connection that does nothing else: a NOTIFY inside a job's
 * transaction would make all commits of the database wait for each other. It needs a session of its
 * own, which a pooler in transaction mode does not give; the store may go through one.
 */
#include "bus/bus_impl.h"

#include "base/mem.h"
#include "pg/pg.h"

#include <string.h>

#define GAP_MS 50

struct pg_bus {
	char *url, *channel;
};
struct pg_bus_link {
	struct bus_link base;
	struct pg *pg;
	char *channel;
};

static enum err_code init(const struct bus_opts *o, void **ret, struct err *e)
{
	if (!strstr(o->url, "://"))
		return err_set(e, ERR_USAGE,
			"--bus %s needs --store postgres://…, or a URL of its own", o->url);
	struct pg_bus *b = mem_new(struct pg_bus);
	bool any;
	b->url = pg_url_without(o->url, "durability=any", &any); /* as a store's URL may say */
	b->channel = mem_strdup(o->subject ? o->subject : "bulb");
	*ret = b;
	return OK;
}

static void done(void *self)
{
	struct pg_bus *b = self;
	mem_wipe(b->url, strlen(b->url));
	free(b->url);
	free(b->channel);
	free(b);
}

static void disconnect(struct bus_link *link)
{
	struct pg_bus_link *l = container_of(link, struct pg_bus_link, base);
	pg_free(l->pg);
	free(l->channel);
	free(l);
}

/* libpq goes through the hosts of the URL by itself. */
static enum err_code connect_to(void *self, struct bus_remote *r, unsigned n, struct bus_link **ret,
	struct err *e)
{
	struct pg_bus *b = self;
	struct pg *pg = NULL;
	(void)n;
	if (pg_open(b->url, &pg, e) != OK || pg_listen(pg, b->channel, e) != OK) {
		pg_free(pg);
		return e->code;
	}
	struct pg_bus_link *l = mem_new(struct pg_bus_link);
	*l = (struct pg_bus_link){ .base = { r }, .pg = pg, .channel = mem_strdup(b->channel) };
	*ret = &l->base;
	return OK;
}

static enum err_code send_text(struct bus_link *link, const char *text, struct err *e)
{
	struct pg_bus_link *l = container_of(link, struct pg_bus_link, base);
	return pg_notify(l->pg, l->channel, text, e);
}

static void heard(void *ctx, const char *channel, const char *payload)
{
	(void)channel;
	bus_remote_heard(ctx, payload, strlen(payload));
}

static enum err_code wait_for(struct bus_link *link, int timeout_ms, int wake_fd, struct err *e)
{
	struct pg_bus_link *l = container_of(link, struct pg_bus_link, base);
	return pg_hear(l->pg, timeout_ms, wake_fd, heard, link->remote, e);
}

const struct bus_carrier bus_pg = {
	.name = "postgres",
	.gap_ms = GAP_MS,
	.init = init,
	.connect = connect_to,
	.send = send_text,
	.wait = wait_for,
	.disconnect = disconnect,
	.done = done,
};
