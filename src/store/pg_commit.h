/* SPDX-License-Identifier: MIT
 *
 * One committer of a PostgreSQL store: a connection, and the batches of operations that it commits.
 */
#ifndef BULB_STORE_PG_COMMIT_H
#define BULB_STORE_PG_COMMIT_H

#include "store/commit_queue.h"

#include "base/id.h"

#define BATCH_MAX 64 /* operations of one transaction */

struct pg_committer {
	const char *url;
	const struct store_opts *opts;
	struct sql *db; /* NULL: not connected */
	char id[ID_LEN + 1];
	int64_t commits; /* number of the last one, as the database knows it */
	int64_t closed_until_ms, backoff_ms;
	bool unprepared;
	bool careful; /* the batch in hand has a savepoint around each of its operations */
	unsigned seed;
};
/* Commit all of them in one transaction, however often that takes. An operation that failed has left
 * no trace, its code says why, or `again`. Not OK: nothing of any was done, or (the server has been
 * away since) nobody knows. */
enum err_code committer_run(struct pg_committer *c, struct op *batch, struct err *e) MUST_CHECK;
/* Connect, unless that failed a moment ago. */
enum err_code committer_connect(struct pg_committer *c, struct err *e) MUST_CHECK;
void committer_done(struct pg_committer *c);
/* Transactions that this process ran again, for tests and metrics. */
int64_t committer_retries(void);

#endif
