/* SPDX-License-Identifier: MIT
 *
 * The text forms of bytes: hex and base64 (RFC 4648). The parsers take exactly one spelling of each
 * value (no spaces, right padding, unused bits zero), because these texts are compared and signed.
 */
#include "base/digest.h"

#include <string.h>

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void hex_format(const void *data, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * n] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool hex_parse(const char *s, void *out, size_t n)
{
	if (strlen(s) != 2 * n)
		return false;
	for (size_t i = 0; i < 2 * n; i++)
		if (hex_digit(s[i]) < 0)
			return false;
	uint8_t *p = out;
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)((unsigned)hex_digit(s[2 * i]) << 4 |
			(unsigned)hex_digit(s[2 * i + 1]));
	return true;
}

static size_t format(const uint8_t *p, size_t n, char *out, const char *digits, bool pad)
{
	size_t len = 0;
	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		unsigned v = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) |
			(left > 2 ? p[i + 2] : 0);
		out[len++] = digits[v >> 18];
		out[len++] = digits[v >> 12 & 63];
		if (left > 1 || pad)
			out[len++] = left > 1 ? digits[v >> 6 & 63] : '=';
		if (left > 2 || pad)
			out[len++] = left > 2 ? digits[v & 63] : '=';
	}
	out[len] = '\0';
	return len;
}

size_t base64_format(const void *data, size_t n, char *out)
{
	return format(data, n, out, base64_digits, true);
}

size_t base64url_format(const void *data, size_t n, char *out)
{
	return format(data, n, out, base64url_digits, false);
}

/* Digits only, no padding. */
static bool parse(const char *s, size_t len, uint8_t *out, size_t *n, const char *digits)
{
	size_t bytes = len / 4 * 3 + (len % 4 ? len % 4 - 1 : 0);
	if (len % 4 == 1 || bytes > *n)
		return false;
	unsigned bits = 0, held = 0;
	size_t done = 0;
	for (size_t i = 0; i < len; i++) {
		const char *d = s[i] ? strchr(digits, s[i]) : NULL;
		if (!d)
			return false;
		bits = (bits << 6 | (unsigned)(d - digits)) & 0xFFFFFF;
		held += 6;
		if (held >= 8) {
			held -= 8;
			out[done++] = (uint8_t)(bits >> held);
		}
	}
	if (bits & ((1u << held) - 1))
		return false;
	*n = done;
	return true;
}

bool base64_parse(const char *s, size_t len, void *out, size_t *n)
{
	if (len % 4 != 0)
		return false;
	size_t pad = 0;
	while (pad < 2 && pad < len && s[len - 1 - pad] == '=')
		pad++;
	return parse(s, len - pad, out, n, base64_digits);
}

bool base64url_parse(const char *s, size_t len, void *out, size_t *n)
{
	return parse(s, len, out, n, base64url_digits);
}
