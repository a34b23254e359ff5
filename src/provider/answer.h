/* SPDX-License-Identifier: MIT
 *
 * What came back from the provider, and what it means for the item and for the money. Private to
 * provider.
 */
#ifndef BULB_PROVIDER_ANSWER_H
#define BULB_PROVIDER_ANSWER_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define ANSWER_MAX_BYTES      ((int64_t)100 << 20) /* of a picture */
#define ANSWER_TEXT_MAX_BYTES ((size_t)64 << 10)   /* of anything else */

struct answer {
	bool sent;         /* the provider may have got the whole request */
	struct err error;  /* why the exchange ended early; its code is OK when it did not */
	int status;        /* 0: no answer began */
	bool expects_file; /* a body of 200 goes into fd, else into text */
	int fd;            /* memfd, or -1 */
	int64_t bytes;
	struct buf text;
	char media_type[64];    /* lower case, without parameters */
	int64_t credits;        /* charged, thousandths; -1: it does not say */
	int64_t retry_after_ms; /* 0: it does not say */
	int64_t reset_ms; /* when its own rate limit begins anew, from now; 0: it does not say */
};
#define ANSWER_INIT                                                                                \
	{                                                                                          \
		.fd = -1, .credits = -1, .text = BUF_INIT(ANSWER_TEXT_MAX_BYTES)                   \
	}
void answer_done(struct answer *a);
/* A field of the head. */
void answer_field(struct answer *a, const char *name, const char *value);
/* A piece of the body; false: no more is wanted. */
bool answer_add(struct answer *a, const void *data, size_t n);

enum verdict_kind {
	VERDICT_BOUGHT,        /* fd is a whole picture */
	VERDICT_NO_FOREGROUND, /* and nothing was charged */
	VERDICT_REFUSED,       /* nothing was charged */
	VERDICT_UNKNOWN,       /* it may have been charged, and there is no picture */
};
struct verdict {
	enum verdict_kind kind;
	const char *outcome;    /* as in provider_opts.on_call */
	bool away;              /* a sign that the provider is out of order */
	int64_t retry_after_ms; /* 0: soon; -1: no use */
};
/* Sets e unless something was bought or no foreground found. The key, should the provider repeat
 * it, is blotted out. */
struct verdict answer_judge(const struct answer *a, const char *host, const char *key,
	struct err *e);

#endif
