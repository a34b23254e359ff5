/* SPDX-License-Identifier: MIT
 *
 * bulb submit: post a job and print its id; --wait watches it.
 */
#include "app/client.h"
#include "app/cmd.h"
#include "app/inputs.h"
#include "app/say.h"
#include "app/watch.h"
#include "base/mem.h"

#include <stdio.h>

/* Cost and counts of a job that was not made. */
static void print_estimate(const struct conf *c, const json_t *doc)
{
	const json_t *x = json_object_get(doc, "estimate"), *n = json_object_get(doc, "counts");
	if (c->json) {
		autofree char *text = json_text(doc);
		puts(text);
		return;
	}
	printf("%lld items (%lld duplicates): %lld downloads, %lld revalidations, %lld encodes, "
	       "%lld cut-outs, %lld need nothing\nat most %lld paid calls for %g credits\n",
		(long long)json_get_int(n, "total", 0), (long long)json_get_int(n, "duplicates", 0),
		(long long)json_get_int(x, "downloads", 0),
		(long long)json_get_int(x, "revalidations", 0),
		(long long)json_get_int(x, "encodes", 0), (long long)json_get_int(x, "cutouts", 0),
		(long long)json_get_int(x, "hits", 0), (long long)json_get_int(x, "paid_calls", 0),
		json_get_num(x, "cost", 0));
}

int cmd_submit(const struct conf *c)
{
	struct err e = { 0 };
	autojson *body = NULL;
	autojson *job = NULL;
	if (inputs_body(c, false, &body, &e) != OK)
		return say_error(&e);
	CLEANUP(client_freep) struct client *cl = client_new(c->server, c->key);
	client_idempotency_key(cl, c->idempotency_key);
	if (client_call(cl, "POST", "/v1/jobs", body, &job, &e) != OK)
		return say_error(&e);
	if (json_get_bool(job, "dry_run", false)) {
		print_estimate(c, job);
		return 0;
	}
	const char *id = json_get_str(job, "id", "");
	printf("%s\n", id);
	fflush(stdout);
	return c->wait ? watch_job(c, cl, id) : 0;
}
