/* SPDX-License-Identifier: MIT
 *
 * Tokens that a key makes for those who must not hold it, such as a page in a browser. A read token is
 * what events_url carries. A submit token is its grant as JSON with an HMAC behind: nothing is
 * remembered of it until it is used.
 */
#include "api/api_impl.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/id.h"

#include <string.h>

#define TOKEN_MAX (64 << 10)
#define SIG_MAX   BASE64_MAX(SHA256_LEN)

/* ---- the text of a submit token ------------------------------------------------------------- */

/* Over a text that begins as no other that is signed with this key. */
static void sign(const char *claims, size_t n, const uint8_t key[32], char out[SIG_MAX])
{
	autofree char *text = mem_printf("submit\n%.*s", (int)n, claims);
	uint8_t mac[SHA256_LEN];

	hmac_sha256(key, 32, text, strlen(text), mac);
	base64url_format(mac, sizeof(mac), out);
}

static char *submit_token_make(const struct submit_token *t, const uint8_t key[32])
{
	autojson *o = json_obj();
	char sig[SIG_MAX];

	json_put_str(o, "id", t->id);
	json_put_str(o, "key", t->key);
	json_put_int(o, "tenant", t->tenant);
	json_put_int(o, "expires", t->expires_ms);
	json_put(o, "grant", grant_json(&t->grant));
	autofree char *text = json_text(o);
	autofree char *claims = mem_zalloc(BASE64_MAX(strlen(text)));
	size_t n = base64url_format(text, strlen(text), claims);
	sign(claims, n, key, sig);
	return mem_printf(SUBMIT_TOKEN_PREFIX "%s.%s", claims, sig);
}

static void keep_names(const char **v, size_t n, struct arena *a)
{
	for (size_t i = 0; i < n; i++)
		v[i] = arena_strdup(a, v[i]);
}

/* What we signed is as we wrote it. */
static bool read_claims(const char *text, size_t n, struct arena *a, struct submit_token *ret)
{
	struct faults f = { 0 };
	autojson *doc = NULL;

	if (json_parse(text, n, &doc, NULL) != OK ||
		!grant_parse(json_object_get(doc, "grant"), &ret->grant, &f)) {
		faults_done(&f);
		return false;
	}
	keep_names(ret->grant.presets, ret->grant.presets_n, a);
	keep_names(ret->grant.sources, ret->grant.sources_n, a);
	ret->grant.origin = arena_strdup(a, ret->grant.origin);
	ret->id = arena_strdup(a, json_get_str(doc, "id", ""));
	ret->key = arena_strdup(a, json_get_str(doc, "key", ""));
	ret->tenant = json_get_int(doc, "tenant", 0);
	ret->expires_ms = json_get_int(doc, "expires", 0);
	return true;
}

bool submit_token_check(const char *text, const uint8_t key[32], int64_t now_ms, struct arena *a,
	struct submit_token *ret)
{
	const char *claims = text + strlen(SUBMIT_TOKEN_PREFIX), *dot = strchr(claims, '.');
	char right[SIG_MAX];

	if (!dot || strlen(text) > TOKEN_MAX)
		return false;
	size_t n = (size_t)(dot - claims), room = n;
	sign(claims, n, key, right);
	if (strlen(dot + 1) != strlen(right) || !bytes_equal_secret(dot + 1, right, strlen(right)))
		return false;
	char *json = arena_alloc(a, room + 1);
	return base64url_parse(claims, n, json, &room) && read_claims(json, room, a, ret) &&
		ret->expires_ms > now_ms;
}

/* ---- POST /v1/tokens ------------------------------------------------------------------------ */

static void answer(struct call *c, const char *token, int64_t expires_ms)
{
	char at[CLOCK_RFC3339_MAX];
	json_t *doc = json_obj();

	clock_format_rfc3339(expires_ms, at);
	json_put_str(doc, "token", token);
	json_put_str(doc, "expires_at", at);
	call_json(c, 200, doc);
}

static int64_t expiry(const struct call *c, const struct grant *g)
{
	int64_t at = (clock_wall_ms() / 1000 + g->expires_s) * 1000;

	return c->key && c->key->expires_ms && c->key->expires_ms < at ? c->key->expires_ms : at;
}

static void make_read(struct call *c, const struct grant *g)
{
	const struct job_row *job;
	int64_t expires_ms = expiry(c, g);

	if (!call_has_scope(c, KEY_READ) || !(job = call_job_by_id(c, g->job)))
		return;
	autofree char *token = view_job_token(c->tenant, call_key_id(c), job->id, expires_ms,
		c->api->o.link_key);
	answer(c, token, expires_ms);
}

static void make_submit(struct call *c, const struct grant *g)
{
	struct submit_token t = { .key = call_key_id(c),
		.tenant = c->tenant,
		.expires_ms = expiry(c, g),
		.grant = *g };
	char id[ID_LEN + 1];

	if (!call_has_scope(c, KEY_WRITE))
		return;
	for (size_t i = 0; i < g->presets_n; i++)
		if (!presets_find(c->api->o.presets, g->presets[i])) {
			call_fail(c, ERR_REQUEST_INVALID, "there is no preset '%s'", g->presets[i]);
			return;
		}
	id_new(id);
	t.id = id;
	autofree char *token = submit_token_make(&t, c->api->o.link_key);
	answer(c, token, t.expires_ms);
}

void tokens_post(struct call *c)
{
	struct faults f = { 0 };
	struct grant g;
	autojson *doc = call_body_json(c);

	if (!doc)
		return;
	if (!grant_parse(doc, &g, &f))
		call_fail_faults(c, &f);
	else if (g.submit)
		make_submit(c, &g);
	else
		make_read(c, &g);
}
