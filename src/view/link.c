/* SPDX-License-Identifier: MIT
 *
 * Links to blobs and the tokens of events_url. Both are plain text with an HMAC at the end, so that
 * any server that knows the key can check them without asking the store. Their expiry is counted
 * from the end of the hour: everybody who reads within one hour gets the same URL, and caches in
 * front of us hold. The two kinds are signed over texts that begin differently, so that one can
 * never pass for the other.
 */
#include "base/digest.h"
#include "blob/blob.h"
#include "view/view.h"

#include <ctype.h>

#define HOUR_MS (60 * 60 * 1000LL)
#define SIG_MAX BASE64_MAX(SHA256_LEN)
#define NO_KEY  "-"

int64_t view_link_hour(int64_t now_ms)
{
	return now_ms / HOUR_MS;
}

static void sign(const uint8_t key[32], const char *text, char out[SIG_MAX])
{
	uint8_t mac[SHA256_LEN];

	hmac_sha256(key, 32, text, strlen(text), mac);
	base64url_format(mac, sizeof(mac), out);
}

static bool same_signature(const char *given, const char *right)
{
	size_t n = strlen(right);

	return strlen(given) == n && bytes_equal_secret(given, right, n);
}

/* Only digits, at most 15 of them: no sign, no space, no overflow. */
static bool number(const char *s, size_t n, int64_t *ret)
{
	int64_t v = 0;

	if (n == 0 || n > 15)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)s[i]))
			return false;
		v = v * 10 + (s[i] - '0');
	}
	*ret = v;
	return true;
}

static void blob_sign(const char *key, int64_t exp, const uint8_t link_key[32], char out[SIG_MAX])
{
	autofree char *text = mem_printf("link\n/v1/blobs/%s\n%lld", key, (long long)exp);

	sign(link_key, text, out);
}

/* The store's own link, signed at the hour's begin so that it is the same until its end. NULL where
 * there is none, for now or at all: then the server's does. */
static char *direct_link(const char *key, const struct view_links *l)
{
	int64_t hour_ms = view_link_hour(l->now_ms) * HOUR_MS;
	char *url = NULL;
	struct err e;

	if (blob_link(l->direct, "GET", key, hour_ms, (HOUR_MS + l->link_ttl_ms) / 1000, &url,
		    &e) != OK)
		return NULL;
	return url;
}

char *view_blob_link(const char *key, const struct view_links *l)
{
	int64_t exp = ((view_link_hour(l->now_ms) + 1) * HOUR_MS + l->link_ttl_ms) / 1000;
	char sig[SIG_MAX];

	if (l->blob_url)
		return mem_printf("%s/%s", l->blob_url, key);
	char *direct = l->direct ? direct_link(key, l) : NULL;
	if (direct)
		return direct;
	if (!l->base_url)
		return NULL;
	blob_sign(key, exp, l->link_key, sig);
	return mem_printf("%s/v1/blobs/%s?exp=%lld&sig=%s", l->events_url, key, (long long)exp,
		sig);
}

enum err_code view_blob_check(const char *key, const char *exp, const char *sig,
	const uint8_t link_key[32], int64_t now_ms, struct err *e)
{
	char right[SIG_MAX];
	int64_t at;

	if (!exp || !sig || !number(exp, strlen(exp), &at))
		return err_set(e, ERR_BLOB_SIGNATURE, "the link has no signature (exp and sig)");
	blob_sign(key, at, link_key, right);
	if (!same_signature(sig, right))
		return err_set(e, ERR_BLOB_SIGNATURE,
			"the signature does not fit this key and time");
	if (at * 1000 <= now_ms)
		return err_set(e, ERR_BLOB_EXPIRED, "the link ended at %lld", (long long)at);
	return OK;
}

static void token_sign(const char *claims, size_t n, const uint8_t key[32], char out[SIG_MAX])
{
	autofree char *text = mem_printf("token\n%.*s", (int)n, claims);

	sign(key, text, out);
}

char *view_job_token(int64_t tenant, const char *key_id, const char *job_id, int64_t expires_ms,
	const uint8_t key[32])
{
	autofree char *claims = mem_printf(VIEW_TOKEN_PREFIX "%lld.%lld.%s.%s", (long long)tenant,
		(long long)(expires_ms / 1000), key_id ? key_id : NO_KEY, job_id);
	char sig[SIG_MAX];

	token_sign(claims, strlen(claims), key, sig);
	return mem_printf("%s.%s", claims, sig);
}

/* The next of the parts that dots end; the last one ends with the text. */
static bool next_part(const char **s, size_t *n, const char **ret, size_t *ret_n)
{
	const char *dot = memchr(*s, '.', *n);

	if (!dot)
		return false;
	*ret = *s;
	*ret_n = (size_t)(dot - *s);
	*n -= *ret_n + 1;
	*s = dot + 1;
	return true;
}

static bool take_key(const char *s, size_t n, char ret[VIEW_KEY_ID_MAX + 1])
{
	if (n == strlen(NO_KEY) && memcmp(s, NO_KEY, n) == 0)
		n = 0;
	else if (n == 0 || n > VIEW_KEY_ID_MAX)
		return false;
	memcpy(ret, s, n);
	ret[n] = 0;
	return true;
}

/* tenant.seconds.key.job, without the version in front and the signature behind. */
static bool parse_claims(const char *s, size_t n, struct view_token *ret)
{
	const char *part;
	size_t part_n;
	int64_t seconds;

	*ret = (struct view_token){ 0 };
	if (!next_part(&s, &n, &part, &part_n) || !number(part, part_n, &ret->tenant) ||
		!next_part(&s, &n, &part, &part_n) || !number(part, part_n, &seconds) ||
		!next_part(&s, &n, &part, &part_n) || !take_key(part, part_n, ret->key) || n == 0 ||
		n > JOB_ID_MAX)
		return false;
	ret->expires_ms = seconds * 1000;
	memcpy(ret->job, s, n);
	return job_id_is_valid(ret->job);
}

bool view_job_token_check(const char *token, const uint8_t key[32], int64_t now_ms,
	struct view_token *ret)
{
	const char *sig = strrchr(token, '.');
	char right[SIG_MAX];
	struct view_token t;
	const size_t skip = strlen(VIEW_TOKEN_PREFIX);

	if (!sig || (size_t)(sig - token) <= skip || strncmp(token, VIEW_TOKEN_PREFIX, skip) != 0)
		return false;
	if (sig - token > 256)
		return false;
	token_sign(token, (size_t)(sig - token), key, right);
	if (!same_signature(sig + 1, right))
		return false;
	if (!parse_claims(token + skip, (size_t)(sig - token) - skip, &t) || t.expires_ms <= now_ms)
		return false;
	*ret = t;
	return true;
}

void view_seq(int64_t seq, char out[24])
{
	snprintf(out, 24, "%0*lld", VIEW_SEQ_LEN, (long long)seq);
}

bool view_seq_parse(const char *s, int64_t *ret)
{
	return number(s, strlen(s), ret);
}
