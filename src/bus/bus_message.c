/* SPDX-License-Identifier: MIT
 *
 * What travels: plain text, which a person who looks on (`nats sub bulb`, LISTEN) can read. Numbers
 * are of jobs and events; nothing of them is secret, and whoever could forge one could at most make
 * others look into the store.
 */
#include "bus/bus_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HEAD     "b1 "
#define PAIR_MAX 42 /* a space, two numbers of 19 digits, the colon, and some */

void bus_message_format(const char sender[BUS_SENDER_LEN + 1], bool work, const struct bus_pair *v,
	size_t n, char *out, size_t *ret_n)
{
	size_t at = (size_t)snprintf(out, BUS_MESSAGE_MAX, HEAD "%s%s", sender, work ? " w" : ""),
	       i;
	for (i = 0; i < n && at + PAIR_MAX < BUS_MESSAGE_MAX; i++)
		at += (size_t)snprintf(out + at, PAIR_MAX, " %" PRId64 ":%" PRId64, v[i].job,
			v[i].seq);
	*ret_n = i;
}

/* Digits; the cursor goes behind them. */
static bool number(const char **at, const char *end, int64_t *ret)
{
	int64_t v = 0;
	const char *p = *at;
	for (; p < end && *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p - '0', &v))
			return false;
	}
	if (p == *at)
		return false;
	*at = p;
	*ret = v;
	return true;
}

static bool word(const char **at, const char *end, struct bus_hint *ret)
{
	*ret = (struct bus_hint){ 0 };
	if (**at == 'w') {
		ret->work = true;
		(*at)++;
		return *at == end || **at == ' ';
	}
	if (!number(at, end, &ret->job) || *at == end || *(*at)++ != ':')
		return false;
	return number(at, end, &ret->seq) && ret->job > 0 && (*at == end || **at == ' ');
}

void bus_message_parse(const char *text, size_t n, const char *sender,
	void (*fn)(void *ctx, const struct bus_hint *h), void *ctx)
{
	const char *at = text + strlen(HEAD) + BUS_SENDER_LEN, *end = text + n;
	struct bus_hint h;
	if (n > BUS_MESSAGE_MAX || n < strlen(HEAD) + BUS_SENDER_LEN ||
		memcmp(text, HEAD, strlen(HEAD)) != 0 ||
		memcmp(text + strlen(HEAD), sender, BUS_SENDER_LEN) == 0)
		return;
	while (at < end && *at++ == ' ' && at < end && word(&at, end, &h))
		fn(ctx, &h);
}
