/* SPDX-License-Identifier: MIT
 *
 * bulb watch JOB: live progress until the job has ended. Ctrl-C stops watching, not the job.
 */
#include "app/client.h"
#include "app/cmd.h"
#include "app/say.h"
#include "app/signals.h"
#include "app/watch.h"

static atomic_bool stop;

int watch_job(const struct conf *c, struct client *cl, const char *job)
{
	struct err e = { 0 };
	struct show *show = show_new(c->json, c->no_color);
	signals_stop_flag(&stop);
	enum err_code code = client_watch(cl, job, show, &stop, &e);
	int status = code == OK ? show_exit_code(show) : EXIT_INTERRUPTED;
	show_free(show);
	if (code != OK && code != ERR_CANCELED)
		return say_error(&e);
	return status;
}

int cmd_watch(const struct conf *c)
{
	struct err e = { 0 };
	if (client_check_jobs(c->args.v, c->args.n, &e) != OK)
		return say_error(&e);
	CLEANUP(client_freep) struct client *cl = client_new(c->server, c->key);
	return watch_job(c, cl, c->args.v[0]);
}
