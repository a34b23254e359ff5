/* SPDX-License-Identifier: MIT
 *
 * The receiving side of RFC 6455 for a server without extensions: bytes in, whole text messages and
 * control frames out. Text only: a binary message is refused with 1003. One thread at a time.
 */
#ifndef BULB_HTTP_WS_RECV_H
#define BULB_HTTP_WS_RECV_H

#include <stddef.h>

struct ws_sink {
	void (*text)(void *ctx, const char *text, size_t n);    /* valid UTF-8 */
	void (*ping)(void *ctx, const void *payload, size_t n); /* at most 125 bytes */
	void (*close)(void *ctx, int code); /* 0: it named none. The last call */
};
struct ws_recv; /* exists only while a frame or message has come in part */
void ws_recv_free(struct ws_recv *rx);
/* Take n bytes; *rx is made and freed here. Returns 0, or the code to fail the connection with. */
int ws_recv_feed(struct ws_recv **rx, size_t max_message, const struct ws_sink *sink, void *ctx,
	const void *data, size_t n);

#endif
