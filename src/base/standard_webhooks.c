/* SPDX-License-Identifier: MIT
 *
 * The signature covers the id and the time, so neither can be changed to let an old message pass for a
 * new one. What is compared is bytes, not base64: a receiver must not depend on how it was padded.
 */
#include "base/standard_webhooks.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX          "whsec_"
#define VERSION         "v1,"
#define TIME_DIGITS_MAX 12

bool webhook_secret_parse(const char *text, struct webhook_secret *ret)
{
	struct webhook_secret s = { .n = sizeof(s.key) };
	if (strncmp(text, PREFIX, strlen(PREFIX)) == 0)
		text += strlen(PREFIX);
	bool good = base64_parse(text, strlen(text), s.key, &s.n) && s.n >= WEBHOOK_KEY_MIN;
	if (good)
		*ret = s;
	mem_wipe(&s, sizeof(s));
	return good;
}

void webhook_secret_format(const void *key, size_t n, char out[WEBHOOK_SECRET_MAX])
{
	memcpy(out, PREFIX, sizeof(PREFIX));
	base64_format(key, n, out + strlen(PREFIX));
}

static void mac_of(const struct webhook_secret *s, const struct webhook_message *m,
	uint8_t out[SHA256_LEN])
{
	struct buf text = BUF_INIT(SIZE_MAX);
	buf_printf(&text, "%s.%s.", m->id, m->time_s);
	buf_add(&text, m->body, m->body_n);
	if (text.full)
		mem_exhausted();
	hmac_sha256(s->key, s->n, text.data, text.len, out);
	buf_done(&text);
}

void webhook_sign(const struct webhook_secret *s, const struct webhook_message *m,
	char out[WEBHOOK_SIGNATURE_MAX])
{
	uint8_t mac[SHA256_LEN];
	mac_of(s, m, mac);
	memcpy(out, VERSION, sizeof(VERSION));
	base64_format(mac, sizeof(mac), out + strlen(VERSION));
}

static bool fits(const char *signature, size_t n, const uint8_t mac[SHA256_LEN])
{
	uint8_t given[SHA256_LEN + 3];
	size_t len = sizeof(given);
	if (n < strlen(VERSION) || strncmp(signature, VERSION, strlen(VERSION)) != 0)
		return false;
	return base64_parse(signature + strlen(VERSION), n - strlen(VERSION), given, &len) &&
		len == SHA256_LEN && bytes_equal_secret(given, mac, SHA256_LEN);
}

/* The next of them, parted by spaces; NULL: there is no more. */
static const char *next_signature(const char **at, size_t *ret_n)
{
	const char *s = *at + strspn(*at, " ");
	*ret_n = strcspn(s, " ");
	*at = s + *ret_n;
	return *ret_n > 0 ? s : NULL;
}

bool webhook_verify(const struct webhook_secret *s, const struct webhook_message *m,
	const char *signatures)
{
	uint8_t mac[SHA256_LEN];
	bool good = false;
	size_t n;
	mac_of(s, m, mac);
	for (const char *one; (one = next_signature(&signatures, &n)) != NULL;)
		good |= fits(one, n, mac);
	return good;
}

bool webhook_verify_nth(const struct webhook_secret *s, const struct webhook_message *m,
	const char *signatures, size_t nth)
{
	uint8_t mac[SHA256_LEN];
	size_t n;
	const char *one = next_signature(&signatures, &n);
	for (size_t i = 0; i < nth && one != NULL; i++)
		one = next_signature(&signatures, &n);
	if (one == NULL)
		return false;
	mac_of(s, m, mac);
	return fits(one, n, mac);
}

bool webhook_time_is_near(const char *time_s, int64_t now_ms)
{
	size_t n = strspn(time_s, "0123456789");
	if (n == 0 || n > TIME_DIGITS_MAX || time_s[n] != '\0')
		return false;
	int64_t off = strtoll(time_s, NULL, 10) - now_ms / 1000;
	return off >= -WEBHOOK_TOLERANCE_S && off <= WEBHOOK_TOLERANCE_S;
}
