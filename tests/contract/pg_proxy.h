/* SPDX-License-Identifier: MIT
 *
 * A way to the test's PostgreSQL that breaks when it matters most: around a COMMIT.
 */
#ifndef BULB_TESTS_CONTRACT_PG_PROXY_H
#define BULB_TESTS_CONTRACT_PG_PROXY_H

enum proxy_break {
	PROXY_WHOLE,
	PROXY_BEFORE_COMMIT, /* the server never gets it */
	PROXY_AFTER_COMMIT   /* the server commits, and its answer is lost */
};
struct pg_proxy;
struct pg_proxy *proxy_start(int *ret_port);
/* The next commit, of any connection, breaks so; then all is well again. */
void proxy_arm(struct pg_proxy *p, enum proxy_break what);
int proxy_breaks(const struct pg_proxy *p); /* how often it did */
void proxy_stop(struct pg_proxy *p);

#endif
