/* SPDX-License-Identifier: MIT
 *
 * Telling the answers apart. The one question that matters is whether money may have gone: an error
 * of the API itself is free (it charges for pictures only), and so is a request that never arrived
 * whole. What is left is unknown: an answer that was lost or cut short, a "200" that is no picture,
 * and the errors of gateways, which do not know either what the service behind them did. Unknown
 * costs the operator a look at the account; the opposite mistake costs money.
 */
#include "provider/answer.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "net/net.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define CREDITS_MAX ((int64_t)1000000 * 1000) /* more than that is a mistake */
#define DETAIL_MAX  240

/* ---- taking it in ---- */

void answer_done(struct answer *a)
{
	fd_close(&a->fd);
	buf_done(&a->text);
}

/* "0.25" → 250; -1 when it is no such number. */
static int64_t parse_thousandths(const char *s)
{
	int64_t v = 0;
	int decimals = -1;
	if (!isdigit((unsigned char)*s))
		return -1;
	for (; isdigit((unsigned char)*s) || (*s == '.' && decimals < 0); s++) {
		if (*s == '.')
			decimals = 0;
		else if (decimals < 3 && v <= CREDITS_MAX)
			v = v * 10 + (*s - '0');
		if (*s != '.' && decimals >= 0)
			decimals++;
	}
	for (decimals = decimals < 0 ? 0 : decimals; decimals < 3; decimals++)
		v *= 10;
	return *s == '\0' && v <= CREDITS_MAX ? v : -1;
}

static void take_media_type(struct answer *a, const char *value)
{
	size_t n = strcspn(value, "; \t");
	snprintf(a->media_type, sizeof(a->media_type), "%.*s", (int)(n < 63 ? n : 63), value);
	for (char *p = a->media_type; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
}

/* X-RateLimit-Reset is in seconds since 1970. */
static int64_t until_reset(const char *value)
{
	size_t digits = strspn(value, "0123456789");
	if (digits == 0 || digits > 11 || value[digits] != '\0')
		return 0;
	int64_t ms = strtoll(value, NULL, 10) * 1000 - clock_wall_ms();
	return ms < 0 ? 0 : ms > NET_RETRY_AFTER_MAX_MS ? NET_RETRY_AFTER_MAX_MS : ms;
}

void answer_field(struct answer *a, const char *name, const char *value)
{
	if (strcasecmp(name, "Content-Type") == 0)
		take_media_type(a, value);
	else if (strcasecmp(name, "X-Credits-Charged") == 0)
		a->credits = parse_thousandths(value);
	else if (strcasecmp(name, "Retry-After") == 0)
		a->retry_after_ms = net_retry_after(value);
	else if (strcasecmp(name, "X-RateLimit-Reset") == 0)
		a->reset_ms = until_reset(value);
}

bool answer_add(struct answer *a, const void *data, size_t n)
{
	if (a->status != 200 || !a->expects_file)
		return buf_add(&a->text, data, n);
	if ((int64_t)n > ANSWER_MAX_BYTES - a->bytes) {
		err_set(&a->error, ERR_FETCH_TOO_LARGE, "the picture has more than %lld bytes",
			(long long)ANSWER_MAX_BYTES);
		return false;
	}
	if (a->fd < 0 && io_memfd("provider", &a->fd, &a->error) != OK)
		return false;
	a->bytes += (int64_t)n;
	return io_write_all(a->fd, data, n, &a->error) == OK;
}

/* ---- is it a picture? ---- */

static const struct {
	const char *media_type;
	const char *begin, *end;
	size_t begin_n, end_n;
	size_t end_within; /* the end's mark is in so many last bytes */
} forms[] = {
	{ "image/png", "\x89PNG\r\n\x1a\n", "IEND\xae\x42\x60\x82", 8, 8, 8 },
	{ "application/zip", "PK\3\4", "PK\5\6", 4, 4, 22 + 65535 },
};

/* Of the form it says, from its first bytes to its last: a connection that is closed early can look
 * like the end. Whether it decodes is for the darkroom to say. */
static bool is_picture(const struct answer *a)
{
	char mark[8];
	size_t n;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (strcmp(a->media_type, forms[i].media_type) != 0)
			continue;
		if (a->fd < 0 || io_pread(a->fd, mark, forms[i].begin_n, 0, &n, NULL) != OK ||
			n < forms[i].begin_n || memcmp(mark, forms[i].begin, n) != 0)
			return false;
		size_t tail = a->bytes < (int64_t)forms[i].end_within ? (size_t)a->bytes
								      : forms[i].end_within;
		autofree char *end = mem_zalloc(tail);
		if (io_pread(a->fd, end, tail, (off_t)(a->bytes - (int64_t)tail), &n, NULL) != OK)
			return false;
		return memmem(end, n, forms[i].end, forms[i].end_n) != NULL;
	}
	return false;
}

/* ---- what it says ---- */

struct reason {
	char code[64];
	char text[DETAIL_MAX];
};

static void blot_out(char *text, const char *key)
{
	size_t n = strlen(key);
	for (char *p = text; n > 0 && (p = strstr(p, key)) != NULL; p += n)
		memset(p, '*', n);
}

/* {"errors":[{"title":…,"code":…,"detail":…}]}; empty where it is anything else. */
static void read_reason(const struct answer *a, const char *key, struct reason *ret)
{
	autojson *j = NULL;
	*ret = (struct reason){ 0 };
	if (json_parse(buf_str(&a->text), a->text.len, &j, NULL) != OK)
		return;
	const json_t *first = json_array_get(json_object_get(j, "errors"), 0);
	const char *title = json_get_str(first, "title", "");
	const char *detail = json_get_str(first, "detail", "");
	autofree char *text = mem_printf("%s%s%s", title, detail[0] != '\0' ? ": " : "", detail);
	blot_out(text, key);
	for (char *p = text; *p != '\0'; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
	snprintf(ret->text, sizeof(ret->text), "%s", text);
	snprintf(ret->code, sizeof(ret->code), "%s", json_get_str(first, "code", ""));
}

/* Some errors come without a code. */
static bool found_nothing(const struct answer *a, const struct reason *r)
{
	return a->status >= 400 && a->status < 500 &&
		(strcmp(r->code, "unknown_foreground") == 0 ||
			strcasestr(r->text, "could not identify foreground") != NULL);
}

/* ---- what it means ---- */

static const struct status_meaning {
	int from, to;
	struct verdict v;
} meanings[] = {
	{ 402, 402, { VERDICT_REFUSED, "no_credits", false, -1 } },
	{ 401, 401, { VERDICT_REFUSED, "auth", false, -1 } },
	{ 403, 403, { VERDICT_REFUSED, "auth", false, -1 } },
	{ 408, 408, { VERDICT_REFUSED, "server_error", true, 0 } }, /* it did not get all of it */
	{ 429, 429, { VERDICT_REFUSED, "rate_limited", false, 0 } },
	{ 300, 499, { VERDICT_REFUSED, "refused", false, -1 } },
	/* a gateway that lost the service behind it; Cloudflare's 520 and 524 likewise */
	{ 502, 502, { VERDICT_UNKNOWN, "unknown", true, -1 } },
	{ 504, 504, { VERDICT_UNKNOWN, "unknown", true, -1 } },
	{ 520, 520, { VERDICT_UNKNOWN, "unknown", true, -1 } },
	{ 524, 524, { VERDICT_UNKNOWN, "unknown", true, -1 } },
	{ 500, 599, { VERDICT_REFUSED, "server_error", true, 0 } },
};

static struct verdict of_status(const struct answer *a)
{
	struct verdict unknown = { VERDICT_UNKNOWN, "unknown", true, -1 };
	if (a->credits > 0)
		return unknown; /* it says that it charged for it */
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
		struct verdict v = meanings[i].v;
		if (a->status < meanings[i].from || a->status > meanings[i].to)
			continue;
		if (v.retry_after_ms == 0)
			v.retry_after_ms = a->retry_after_ms;
		if (v.retry_after_ms == 0 && a->status == 429)
			v.retry_after_ms = a->reset_ms;
		return v;
	}
	return unknown;
}

static struct verdict of_silence(const struct answer *a)
{
	if (a->sent)
		return (struct verdict){ VERDICT_UNKNOWN, "unknown", true, -1 };
	return (struct verdict){ VERDICT_REFUSED, "unreachable",
		.away = a->error.code != ERR_SYSTEM && a->error.code != ERR_MEMORY, /* ours */
		.retry_after_ms = err_retryable(a->error.code) ? 0 : -1 };
}

static void say(const struct answer *a, const char *host, const struct verdict *v,
	const struct reason *r, struct err *e)
{
	enum err_code code = v->kind == VERDICT_UNKNOWN ? ERR_MATTE_CHARGE_UNKNOWN
							: ERR_MATTE_PROVIDER;
	if (a->error.code != OK && a->status < 300)
		err_set(e, code, "%s: %s",
			a->sent ? "the provider's answer was lost" : "the provider was not reached",
			a->error.text);
	else if (a->status == 200)
		err_set(e, code, "'%.100s' answered 200 with something that is no whole picture",
			host);
	else
		err_set(e, code, "'%.100s' answered %d%s%s", host, a->status,
			r->text[0] != '\0' ? ": " : "", r->text);
	if (e != NULL) {
		e->source_status = a->status;
		e->retry_after_ms = v->retry_after_ms > 0 ? v->retry_after_ms : 0;
	}
}

struct verdict answer_judge(const struct answer *a, const char *host, const char *key,
	struct err *e)
{
	struct reason r = { 0 };
	if (a->status == 200 && a->error.code == OK && is_picture(a))
		return (struct verdict){ VERDICT_BOUGHT, "ok" };
	if (a->status >= 300)
		read_reason(a, key, &r);
	if (a->credits <= 0 && found_nothing(a, &r))
		return (struct verdict){ VERDICT_NO_FOREGROUND, "refused" };
	struct verdict v = a->status == 0 ? of_silence(a) : of_status(a);
	say(a, host, &v, &r, e);
	return v;
}
