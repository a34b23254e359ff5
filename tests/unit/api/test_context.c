/* SPDX-License-Identifier: MIT
 *
 * Who asks and by which name: hosts, proxies, tokens.
 */
#include "api_test.h"

#include "base/clock.h"

#include <sys/socket.h>

/* What links of a fresh job start with, when it is posted with these fields. */
static char *self_link(struct site *s, const char *fields)
{
	autoreply r = http_call(s->port, "POST", "/v1/jobs", fields, ONE_URL);
	assert_status(r, 202);
	const char *self = str(json_object_get(r.json, "links"), "self");
	return mem_strndup(self, (size_t)(strstr(self, "/v1/jobs/") - self));
}

#define assert_base(s, fields, wanted)                                                             \
	do {                                                                                       \
		autofree char *base_ = self_link(s, fields);                                       \
		assert_string_equal(base_, wanted);                                                \
	} while (0)

/* ---- hosts ---------------------------------------------------------------------------------- */

static void a_strange_host_is_421_on_every_road(void **state)
{
	struct site *s = *state;
	static const char *const targets[] = { "/", "/v1/jobs", "/v1/blobs/x", "/healthz",
		"/nothing" };
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		autoreply r = get_as(s, targets[i], "Host: evil.example\r\n");
		assert_problem(r, 421, "request_misdirected");
	}
	autowire w = { 0 };
	wire_open(&w, s->port, "/v1/events", "Host: evil.example\r\n");
	assert_int_equal(w.status, 421);
}

static void a_name_that_only_begins_like_ours_is_strange(void **state)
{
	static const char *const strange[] = { "localhost.evil.example", "127.0.0.1.evil.example",
		"0x7f.1", "2130706433", "[::2]", "local_host" };
	for (size_t i = 0; i < ARRAY_LEN(strange); i++) {
		autofree char *fields = mem_printf("Host: %s\r\n", strange[i]);
		autoreply r = get_as(*state, "/v1/jobs", fields);
		assert_problem(r, 421, "request_misdirected");
	}
}

static void loopback_names_are_ours_and_links_start_with_them(void **state)
{
	struct site *s = *state;
	assert_base(s, "Host: localhost:99\r\n", "http://localhost:99");
	assert_base(s, "Host: 127.0.0.1\r\n", "http://127.0.0.1");
	assert_base(s, "Host: 127.3.2.1:8080\r\n", "http://127.3.2.1:8080");
	assert_base(s, "Host: [::1]:8080\r\n", "http://[::1]:8080");
	assert_base(s, "Host: localhost:80\r\n", "http://localhost");
}

static void allowed_and_listened_hosts_are_ours(void **state)
{
	struct site *s = *state;
	static const char *const hosts[] = { "Img.example" };
	s->api_opts.allow_hosts = hosts;
	s->api_opts.allow_hosts_n = 1;
	s->api_opts.listen_host = "10.0.0.5:8080";
	site_start(s);
	assert_base(s, "Host: img.example\r\n", "http://img.example");
	assert_base(s, "Host: 10.0.0.5:8080\r\n", "http://10.0.0.5:8080");
	autoreply r = get_as(s, "/v1/jobs", "Host: 10.0.0.6\r\n");
	assert_status(r, 421);
}

static void open_means_any_host(void **state)
{
	struct site *s = *state;
	s->api_opts.open = true;
	site_start(s);
	assert_base(s, "Host: whatever.example\r\n", "http://whatever.example");
}

static void the_public_url_is_what_links_start_with(void **state)
{
	struct site *s = *state;
	s->api_opts.public_url = "https://gw.example/prod/";
	s->api_opts.events_url = "wss://events.example";
	site_start(s);
	autoreply r = http_call(s->port, "POST", "/v1/jobs", "Host: gw.example\r\n", ONE_URL);
	const char *id = str(r.json, "id");
	autofree char *self = mem_printf("https://gw.example/prod/v1/jobs/%s", id);
	autofree char *events = mem_printf("wss://events.example/v1/jobs/%s/events?token=", id);
	assert_field(r, "Location", self);
	assert_string_equal(str(json_object_get(r.json, "links"), "self"), self);
	assert_true(strncmp(str(r.json, "events_url"), events, strlen(events)) == 0);
	site_succeed(s, 1);
	autofree char *items = mem_printf("/v1/jobs/%s/items", id);
	autoreply list = get_as(s, items, "Host: events.example\r\n");
	const json_t *item = json_array_get(json_object_get(list.json, "items"), 0);
	const char *url = str(json_object_get(item, "source"), "url");
	assert_true(strncmp(url, "https://events.example/v1/blobs/", 32) == 0);
	autoreply no = get_as(s, "/v1/jobs/none", "Host: gw.example\r\n");
	assert_string_equal(str(no.json, "type"), "https://gw.example/prod/errors/not_found");
}

static void a_prefix_that_the_proxy_left_in_the_path_is_taken_off(void **state)
{
	struct site *s = *state;
	s->api_opts.public_url = "https://gw.example/prod";
	site_start(s);
	autoreply r = get_as(s, "/prod/v1/jobs", "Host: gw.example\r\n");
	assert_status(r, 200);
	autoreply no = get_as(s, "/product/v1/jobs", "Host: gw.example\r\n");
	assert_status(no, 404);
}

/* ---- proxies -------------------------------------------------------------------------------- */

static void trust_loopback(struct site *s)
{
	static struct cidr list[2];
	assert_true(cidr_parse("127.0.0.0/8", &list[0]));
	assert_true(cidr_parse("10.0.0.0/8", &list[1]));
	s->api_opts.trusted_proxies = list;
	s->api_opts.trusted_proxies_n = 2;
	site_start(s);
}

static void nobody_is_believed_who_is_not_trusted(void **state)
{
	struct site *s = *state;
	site_start(s);
	assert_base(s,
		"Host: localhost\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n"
		"X-Forwarded-Prefix: /x\r\nForwarded: host=evil.example\r\n",
		"http://localhost");
}

static void a_trusted_proxy_names_scheme_host_port_and_prefix(void **state)
{
	struct site *s = *state;
	trust_loopback(s);
	assert_base(s,
		"Host: backend\r\nX-Forwarded-Host: img.example\r\nX-Forwarded-Proto: https\r\n"
		"X-Forwarded-Prefix: /api/v2/\r\n",
		"https://img.example/api/v2");
	assert_base(s,
		"Host: b\r\nX-Forwarded-Host: img.example\r\nX-Forwarded-Port: 8443\r\n"
		"X-Forwarded-Proto: https\r\n",
		"https://img.example:8443");
	assert_base(s,
		"Host: b\r\nForwarded: for=\"[2001:db8::1]:99\";proto=https;host=\"img.example:444\"\r\n",
		"https://img.example:444");
}

static void what_a_stranger_wrote_left_of_the_trusted_proxies_does_not_count(void **state)
{
	struct site *s = *state;
	trust_loopback(s);
	assert_base(s,
		"Host: b\r\nX-Forwarded-For: 6.6.6.6, 1.2.3.4\r\n"
		"X-Forwarded-Host: evil.example, img.example\r\n",
		"http://img.example");
	assert_base(s,
		"Host: b\r\nForwarded: host=evil.example;proto=https, for=1.2.3.4;host=img.example\r\n",
		"http://img.example");
}

static void a_chain_of_trusted_proxies_is_followed_to_its_outer_end(void **state)
{
	struct site *s = *state;
	trust_loopback(s);
	assert_base(s,
		"Host: b\r\nX-Forwarded-For: 1.2.3.4, 10.0.0.1\r\n"
		"X-Forwarded-Host: img.example, inner\r\nX-Forwarded-Proto: https, http\r\n",
		"https://img.example");
	assert_base(s,
		"Host: b\r\nForwarded: for=1.2.3.4;host=img.example;proto=https, for=10.0.0.1;host=inner;proto=http\r\n",
		"https://img.example");
}

static void the_client_is_the_first_whom_no_trusted_proxy_vouches_for(void **state)
{
	static const struct {
		const char *peer, *forwarded, *x_for, *client;
	} cases[] = {
		{ "192.0.2.9", NULL, "203.0.113.1", "192.0.2.9" },
		{ "127.0.0.1", NULL, NULL, "127.0.0.1" },
		{ "127.0.0.1", NULL, "203.0.113.1", "203.0.113.1" },
		{ "127.0.0.1", NULL, "198.51.100.1, 203.0.113.1, 10.1.1.1", "203.0.113.1" },
		{ "127.0.0.1", NULL, "10.2.2.2, 10.1.1.1", "10.2.2.2" },
		{ "127.0.0.1", NULL, "203.0.113.1, unknown", "127.0.0.1" },
		{ "127.0.0.1", "for=198.51.100.1, for=\"[2001:db8::7]:4711\";proto=https",
			"1.2.3.4", "2001:db8::7" },
		{ "127.0.0.1", "proto=https", NULL, "127.0.0.1" },
	};
	struct site *s = *state;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	trust_loopback(s);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ip peer;
		char client[46];
		assert_true(ip_parse(cases[i].peer, &peer));
		struct ip got = api_client(s->api, &peer, cases[i].forwarded, cases[i].x_for, a);
		ip_format(&got, client);
		assert_string_equal(client, cases[i].client);
	}
}

/* Two clients behind one proxy: what the first has sent of its body is the first's alone. */
static void clients_of_a_trusted_proxy_have_shares_of_their_own(void **state)
{
	struct site *s = *state;
	s->http_opts.max_body_bytes = 1000;
	s->http_opts.max_bodies_bytes = 1500;
	trust_loopback(s);
	autofree char *padding = mem_printf("%800s", "");
	autofree char *body = mem_printf("{\"urls\":[\"http://o.example/a.jpg\"]%s}", padding);
	int slow = http_send(s->port, "PUT", "/v1/jobs/slow",
		"X-Forwarded-For: 192.0.2.1\r\nContent-Length: 900\r\nContent-Type: application/json\r\n"
		"Expect: 100-continue\r\n",
		NULL);
	char go[64];
	assert_true(recv(slow, go, sizeof(go), 0) > 0); /* its head was read */
	assert_int_equal(send(slow, body, 600, MSG_NOSIGNAL), 600);
	autoreply again = { 0 };
	do { /* until those bytes have been read too */
		reply_done(&again);
		again = http_call(s->port, "PUT", "/v1/jobs/again",
			"X-Forwarded-For: 192.0.2.1\r\n", body);
	} while (again.status == 202 || again.status == 200);
	assert_problem(again, 503, "overloaded");
	autoreply other = http_call(s->port, "PUT", "/v1/jobs/other",
		"X-Forwarded-For: 192.0.2.2\r\n", body);
	assert_status(other, 202);
	close(slow);
}

static void nonsense_from_a_proxy_is_left_out(void **state)
{
	struct site *s = *state;
	trust_loopback(s);
	assert_base(s,
		"Host: localhost\r\nX-Forwarded-Host: a b\r\nX-Forwarded-Proto: gopher\r\n"
		"X-Forwarded-Prefix: //evil.example\r\n",
		"http://localhost");
	assert_base(s,
		"Host: localhost\r\nX-Forwarded-Host: [\r\nX-Forwarded-Prefix: /a/../b\r\n"
		"X-Forwarded-Port: 1x\r\n",
		"http://localhost");
	assert_base(s, "Host: localhost\r\nForwarded: ;;=;host;host=;for=\"\r\n",
		"http://localhost");
}

/* ---- tokens --------------------------------------------------------------------------------- */

/* The token in a job's events_url. */
static char *token_of(struct site *s, const char *id)
{
	autoreply r = get_job(s, id, "");
	return mem_strdup(strstr(str(r.json, "events_url"), "token=") + 6);
}

static void a_jobs_token_opens_its_reading_and_nothing_else(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1), *other = site_submit(s, 1), *token = token_of(s, id);
	static const char *const reads[] = { "", "/items", "/events" };
	for (size_t i = 0; i < ARRAY_LEN(reads); i++) {
		autofree char *rest = mem_printf("%s?token=%s", reads[i], token);
		autoreply mine = get_job(s, id, rest), theirs = get_job(s, other, rest);
		assert_status(mine, 200);
		assert_problem(theirs, 403, "auth_forbidden");
	}
	autofree char *bearer = mem_printf("Authorization: Bearer %s\r\n", token);
	autofree char *cancel = mem_printf("/v1/jobs/%s/cancel", id),
		      *self = mem_printf("/v1/jobs/%s", id);
	autoreply as_bearer = get_as(s, self, bearer);
	assert_status(as_bearer, 200);
	autoreply a = http_call(s->port, "POST", cancel, bearer, NULL);
	autoreply b = http_call(s->port, "DELETE", self, bearer, NULL);
	autoreply c = get_as(s, "/v1/jobs", bearer);
	autoreply d = http_call(s->port, "POST", "/v1/jobs", bearer, ONE_URL);
	assert_problem(a, 403, "auth_forbidden");
	assert_problem(b, 403, "auth_forbidden");
	assert_problem(c, 403, "auth_forbidden");
	assert_problem(d, 403, "auth_forbidden");
}

/* It could be renewed for ever otherwise. */
static void a_token_gets_itself_back_and_no_fresh_one(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	autofree char *token = view_job_token(1, NULL, id, clock_wall_ms() + 60000, site_key);
	autofree char *rest = mem_printf("?token=%s", token);
	autoreply r = get_job(s, id, rest);
	assert_status(r, 200);
	assert_string_equal(strstr(str(r.json, "events_url"), "token=") + 6, token);
}

static void a_token_that_is_not_good_is_401(void **state)
{
	struct site *s = *state;
	autofree char *id = site_submit(s, 1);
	autofree char *old = view_job_token(1, NULL, id, clock_wall_ms() - 1, site_key);
	autofree char *rest = mem_printf("?token=%s", old);
	autoreply expired = get_job(s, id, rest), junk = get_job(s, id, "/events?token=junk");
	assert_problem(expired, 401, "auth_required");
	assert_field(expired, "WWW-Authenticate", "Bearer error=\"invalid_token\"");
	assert_problem(junk, 401, "auth_required");
	autowire w = { 0 };
	autofree char *target = mem_printf("/v1/jobs/%s/events?token=junk", id);
	wire_open(&w, s->port, target, NULL);
	assert_int_equal(w.status, 401);
}

/* ---- paths ---------------------------------------------------------------------------------- */

static void unknown_paths_are_404_and_known_ones_name_their_methods(void **state)
{
	struct site *s = *state;
	static const char *const unknown[] = { "/v1", "/v1/", "/v1/jobs/", "/v1/jobs/a/b",
		"/v1//jobs", "/v1/jobs/a%00b" };
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
		autoreply r = get(s, unknown[i]);
		assert_problem(r, 404, "not_found");
	}
	autoreply r = http_call(s->port, "DELETE", "/v1/jobs", NULL, NULL);
	assert_problem(r, 405, "request_method");
	assert_field(r, "Allow", "POST, GET, HEAD");
	autoreply one = http_call(s->port, "POST", "/v1/jobs/x", NULL, "{}");
	assert_problem(one, 405, "request_method");
	assert_field(one, "Allow", "PUT, GET, HEAD, DELETE");
}

static void the_many_jobs_socket_wants_an_upgrade(void **state)
{
	autoreply r = get(*state, "/v1/events");
	assert_problem(r, 426, "request_upgrade");
}

static const struct CMUnitTest tests[] = {
	with_site(a_strange_host_is_421_on_every_road),
	with_site(a_name_that_only_begins_like_ours_is_strange),
	with_site(loopback_names_are_ours_and_links_start_with_them),
	with_bare_site(allowed_and_listened_hosts_are_ours),
	with_bare_site(open_means_any_host),
	with_bare_site(the_public_url_is_what_links_start_with),
	with_bare_site(a_prefix_that_the_proxy_left_in_the_path_is_taken_off),
	with_bare_site(nobody_is_believed_who_is_not_trusted),
	with_bare_site(a_trusted_proxy_names_scheme_host_port_and_prefix),
	with_bare_site(what_a_stranger_wrote_left_of_the_trusted_proxies_does_not_count),
	with_bare_site(a_chain_of_trusted_proxies_is_followed_to_its_outer_end),
	with_bare_site(the_client_is_the_first_whom_no_trusted_proxy_vouches_for),
	with_bare_site(clients_of_a_trusted_proxy_have_shares_of_their_own),
	with_bare_site(nonsense_from_a_proxy_is_left_out),
	with_site(a_jobs_token_opens_its_reading_and_nothing_else),
	with_site(a_token_gets_itself_back_and_no_fresh_one),
	with_site(a_token_that_is_not_good_is_401),
	with_site(unknown_paths_are_404_and_known_ones_name_their_methods),
	with_site(the_many_jobs_socket_wants_an_upgrade),
};
TEST_MAIN(tests)
