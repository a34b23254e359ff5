/* SPDX-License-Identifier: MIT
 *
 * The opening handshake, as strict as RFC 6455 §4.2.1 allows. Whose Origin may connect is not
 * decided here.
 */
#include "http/http_impl.h"

#include "base/digest.h"

#include <string.h>

#define KEY_CHARS 24 /* 16 bytes in base64 */

static bool key_is_valid(const char *key)
{
	uint8_t bytes[16];
	size_t n = sizeof(bytes);
	return key && strlen(key) == KEY_CHARS && base64_parse(key, KEY_CHARS, bytes, &n) &&
		n == sizeof(bytes);
}

enum err_code ws_handshake(const struct http_request *r, char accept[WS_ACCEPT_MAX], struct err *e)
{
	const char *version = http_header(r, "Sec-WebSocket-Version");
	const char *key = http_header(r, "Sec-WebSocket-Key");
	if (strcmp(r->m.method, "GET") != 0 || r->m.minor != 1 || r->m.body.len)
		return err_set(e, ERR_REQUEST_MALFORMED,
			"a WebSocket begins with GET, HTTP/1.1 and no body");
	if (!r->m.upgrade)
		return err_set(e, ERR_REQUEST_UPGRADE,
			"Connection: Upgrade and Upgrade: websocket are needed");
	if (!version || strcmp(version, "13") != 0)
		return err_set(e, ERR_REQUEST_UPGRADE, "Sec-WebSocket-Version must be 13");
	if (!key_is_valid(key))
		return err_set(e, ERR_REQUEST_MALFORMED,
			"Sec-WebSocket-Key must be 16 bytes in base64");
	char text[KEY_CHARS + 37];
	uint8_t digest[20];
	int n = snprintf(text, sizeof(text), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
	sha1_of(text, (size_t)n, digest);
	base64_format(digest, sizeof(digest), accept);
	return OK;
}
