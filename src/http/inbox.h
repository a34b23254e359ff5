/* SPDX-License-Identifier: MIT
 *
 * How other threads reach a loop: a list of posts under a lock, and one wake-up of the loop when
 * the list was empty. It outlives its loop for as long as somebody holds it; posting then fails.
 */
#ifndef BULB_HTTP_INBOX_H
#define BULB_HTTP_INBOX_H

#include <stdbool.h>

struct post {
	struct post *next;
	void (*fn)(struct post *p); /* on the loop's thread */
};

struct inbox;
struct inbox *inbox_new(void (*wake)(void *ctx), void *ctx); /* one reference */
struct inbox *inbox_ref(struct inbox *b);
void inbox_unref(struct inbox *b);
/* Any thread. false when the inbox is closed: p is still the caller's. */
bool inbox_post(struct inbox *b, struct post *p);
void inbox_run(struct inbox *b);   /* on the loop's thread: every post's fn, in order of arrival */
void inbox_close(struct inbox *b); /* wake is not called any more */

#endif
