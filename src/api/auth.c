/* SPDX-License-Identifier: MIT
 *
 * May they. A key opens what its scopes say, for its tenant; a token opens one thing and lives no
 * longer than the key that made it. Whatever is wrong with a key or token, the answer is the same:
 * which of unknown, expired and revoked it was is nobody's business.
 */
#include "api/api_impl.h"

#include "base/clock.h"
#include "base/url.h"

#include <string.h>
#include <strings.h>

static bool refuse(struct call *c, const char *error, enum err_code code, const char *detail)
{
	http_set(c->r, "WWW-Authenticate",
		*error ? arena_printf(c->a, "Bearer error=\"%s\"", error) : "Bearer");
	call_fail(c, code, "%s", detail);
	return false;
}

static bool unknown(struct call *c)
{
	return refuse(c, "invalid_token", ERR_AUTH_REQUIRED,
		"the key or token is not one of this server's, or has expired or been revoked");
}

/* ---- what they came with -------------------------------------------------------------------- */

/* From the header, else from the query, where only tokens may stand: URLs are written down. */
static const char *credential(struct call *c, bool *ret_in_query)
{
	const char *h = http_header(c->r, "Authorization"), *q = http_query(c->r);

	*ret_in_query = !h || strncasecmp(h, "Bearer ", 7) != 0;
	if (*ret_in_query)
		return q ? url_query_get(q, "token", c->a) : NULL;
	return h + 7 + strspn(h + 7, " ");
}

static unsigned scope_of(const struct call *c)
{
	bool reads = strcmp(c->route->method, "GET") == 0;

	if (c->route->flags & ROUTE_ADMIN)
		return KEY_ADMIN;
	return reads ? KEY_READ : KEY_WRITE;
}

bool call_has_scope(struct call *c, unsigned scope)
{
	if (!c->key || c->key->scopes & scope)
		return true;
	autofree char *name = key_scopes_text(scope);
	return refuse(c, "insufficient_scope", ERR_AUTH_FORBIDDEN,
		arena_printf(c->a, "this needs a key with the scope %s", name));
}

static bool key_allows(struct call *c, const char *text, bool in_query)
{
	struct key claimed;

	if (key_parse(text, &claimed))
		c->claimed_key = arena_strdup(c->a, claimed.id);
	mem_wipe(&claimed, sizeof(claimed));
	if (in_query)
		return refuse(c, "invalid_request", ERR_AUTH_REQUIRED,
			"a key stands in the header Authorization; in a URL only tokens do");
	const struct access_key *k = access_find(c->api->o.access, text);
	if (!k)
		return unknown(c);
	c->key = k;
	c->tenant = k->tenant;
	return c->route->flags & ROUTE_ANY_SCOPE || call_has_scope(c, scope_of(c));
}

/* ---- tokens --------------------------------------------------------------------------------- */

/* The key that made it is as good as the token: NULL in *ret where none was needed. */
static bool maker(const struct api *api, const char *id, int64_t tenant,
	const struct access_key **ret)
{
	*ret = *id ? access_find_id(api->o.access, id) : NULL;
	return *id ? *ret && (*ret)->tenant == tenant : !access_is_needed(api->o.access);
}

static bool read_token_allows(struct call *c, const char *text)
{
	const struct access_key *k;

	if (!view_job_token_check(text, c->api->o.link_key, clock_wall_ms(), &c->token) ||
		!maker(c->api, c->token.key, c->token.tenant, &k))
		return unknown(c);
	c->claimed_key = c->token.key;
	bool reads = c->route->flags & ROUTE_TOKEN;
	if (!reads || !c->args[0] || strcmp(c->args[0], c->token.job) != 0)
		return refuse(c, "insufficient_scope", ERR_AUTH_FORBIDDEN,
			arena_printf(c->a, "this token opens job %s for reading and nothing else",
				c->token.job));
	c->token_text = text;
	c->token_maker = k;
	c->tenant = c->token.tenant;
	return true;
}

static bool submit_token_allows(struct call *c, const char *text)
{
	const struct access_key *k;
	struct submit_token *t = arena_alloc(c->a, sizeof(*t));
	const char *origin = http_header(c->r, "Origin");

	if (!submit_token_check(text, c->api->o.link_key, clock_wall_ms(), c->a, t) ||
		!maker(c->api, t->key, t->tenant, &k))
		return unknown(c);
	c->claimed_key = t->key;
	if (!(c->route->flags & ROUTE_SUBMIT))
		return refuse(c, "insufficient_scope", ERR_AUTH_FORBIDDEN,
			"this token opens POST /v1/jobs and nothing else");
	if (t->grant.origin && (!origin || strcmp(origin, t->grant.origin) != 0))
		return refuse(c, "insufficient_scope", ERR_AUTH_FORBIDDEN,
			"this token is for pages of another origin");
	c->submit_token = t;
	c->token_maker = k;
	c->tenant = t->tenant;
	return true;
}

static bool without_any(struct call *c)
{
	if (!access_is_needed(c->api->o.access))
		return true;
	if (!(c->route->flags & ROUTE_EACH))
		return refuse(c, "", ERR_AUTH_REQUIRED, "this needs a key, or a token for it");
	c->tenant = 0; /* nobody's: each thing that is asked for brings its own token */
	return true;
}

bool auth_allows(struct call *c)
{
	bool in_query;
	const char *text = credential(c, &in_query);

	if (!text)
		return without_any(c);
	if (strncmp(text, VIEW_TOKEN_PREFIX, strlen(VIEW_TOKEN_PREFIX)) == 0)
		return read_token_allows(c, text);
	if (strncmp(text, SUBMIT_TOKEN_PREFIX, strlen(SUBMIT_TOKEN_PREFIX)) == 0)
		return submit_token_allows(c, text);
	return key_allows(c, text, in_query);
}

/* ---- later ---------------------------------------------------------------------------------- */

static const struct access_key *behind(const struct call *c)
{
	return c->key ? c->key : c->token_maker;
}

const char *call_key_id(const struct call *c)
{
	return behind(c) ? behind(c)->id : NULL;
}

bool call_is_over(const struct call *c)
{
	const struct access_key *k = behind(c);

	if (c->route->flags & ROUTE_OPEN || c->api->o.ops_only)
		return false;
	if (c->token_text && c->token.expires_ms <= clock_wall_ms())
		return true;
	return k ? !access_key_is_good(k) : access_is_needed(c->api->o.access);
}

bool call_still_may(struct call *c)
{
	return !call_is_over(c) || unknown(c);
}

static int64_t sooner(int64_t a, int64_t b)
{
	return !a || (b && b < a) ? b : a;
}

static struct push_pass pass_of(const struct api *api, int64_t tenant, int64_t expires_ms,
	const struct access_key *k)
{
	const _Atomic bool *needed = tenant ? access_needed_flag(api->o.access) : NULL;

	return (struct push_pass){ .tenant = tenant,
		.expires_ms = k ? sooner(expires_ms, k->expires_ms) : expires_ms,
		.ended = k ? &k->revoked : needed };
}

struct push_pass call_pass(const struct call *c)
{
	return pass_of(c->api, c->tenant, c->token_text ? c->token.expires_ms : 0, behind(c));
}

enum err_code api_open_token(void *ctx, const char *token, const char *job_id,
	struct push_pass *ret)
{
	const struct api *api = ctx;
	const struct access_key *k;
	struct view_token t;

	if (!view_job_token_check(token, api->o.link_key, clock_wall_ms(), &t) ||
		!maker(api, t.key, t.tenant, &k))
		return ERR_AUTH_REQUIRED;
	*ret = pass_of(api, t.tenant, t.expires_ms, k);
	return strcmp(t.job, job_id) == 0 ? OK : ERR_AUTH_FORBIDDEN;
}
