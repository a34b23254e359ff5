/* SPDX-License-Identifier: MIT
 *
 * One function per subcommand, each in cmd_<verb>.c. They get the checked settings, print results
 * to standard output and errors to standard error, and return the exit status.
 */
#ifndef BULB_APP_CMD_H
#define BULB_APP_CMD_H

#include "conf/conf.h"

#define EXIT_ITEMS_FAILED 2
#define EXIT_BAD_USAGE    64
#define EXIT_INTERRUPTED  130

int cmd_run(const struct conf *c);
int cmd_serve(const struct conf *c);
int cmd_work(const struct conf *c);
int cmd_lambda(const struct conf *c);
/* The settings are wrong: Lambda is told so, where it listens. */
void cmd_lambda_fault(char *const *envp, const struct err *why);
int cmd_submit(const struct conf *c);
int cmd_watch(const struct conf *c);
int cmd_cancel(const struct conf *c);
int cmd_retry(const struct conf *c);
int cmd_jobs(const struct conf *c);
int cmd_deliveries(const struct conf *c);
int cmd_usage(const struct conf *c);
int cmd_model(const struct conf *c);
int cmd_doctor(const struct conf *c);
int cmd_gc(const struct conf *c);
int cmd_copy(const struct conf *c);
int cmd_key(const struct conf *c);

#endif
