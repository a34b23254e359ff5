/* SPDX-License-Identifier: MIT
 *
 * bulb gc: drop what nothing needs. Reaches the embedded store beside a running server, in short
 * transactions.
 */
#include "app/cmd.h"
#include "app/engine.h"
#include "app/gc.h"
#include "app/say.h"

#include <stdio.h>
#include <unistd.h>

int cmd_gc(const struct conf *c)
{
	struct err e = { 0 };
	struct engine g;
	struct gc_report r;
	struct engine_opts o = { .data = c->data,
		.store_url = c->store,
		.blob_url = c->blob,
		.visitor = true };
	/* A name mistyped would make a new folder, and find nothing in it. */
	if (c->source[CONF_data] != CONF_DEFAULT && access(c->data, F_OK) != 0)
		err_set(&e, ERR_USAGE, "--data '%s': there is no such folder", c->data);
	if (e.code != OK || engine_open(c, &o, &g, &e) != OK)
		return say_error(&e);
	enum err_code code = gc_run(g.store, g.blob, -2, c->dry_run, &r, &e);
	engine_close(&g);
	if (code != OK)
		return say_error(&e);
	printf("%s%lld jobs, %lld originals, %lld results, %lld blobs, %lld orphans\n",
		c->dry_run ? "would drop " : "dropped ", (long long)r.jobs, (long long)r.originals,
		(long long)r.results, (long long)r.blobs, (long long)r.orphans);
	return 0;
}
