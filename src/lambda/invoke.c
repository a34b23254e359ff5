/* SPDX-License-Identifier: MIT
 *
 * The trace header of the invocation that runs is not passed on: Lambda counts functions that invoke
 * themselves by it and stops them after 16 times, which a batch of hours would not outlive. What keeps
 * us from going on for ever is that an invocation that got nothing done does not continue.
 */
#include "lambda/invoke.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/environment.h"
#include "base/json.h"
#include "lambda/call.h"
#include "net/credentials.h"

#include <pthread.h>
#include <string.h>
#include <strings.h>

#define CONNECT_MS 5000

struct invoker {
	struct credentials *credentials;
	char *origin, *region;
	pthread_mutex_t lock; /* of the connection: events are few, and small */
	struct net_client *net;
};

static char *region_of(char *const *envp)
{
	const char *region = environment_get(envp, "AWS_REGION");
	if (!region)
		region = environment_get(envp, "AWS_DEFAULT_REGION");
	return region ? mem_strdup(region) : credentials_profile_setting(envp, "region");
}

static char *origin_of(char *const *envp, const char *region)
{
	const char *url = environment_get(envp, "AWS_ENDPOINT_URL_LAMBDA");
	if (!url)
		url = environment_get(envp, "AWS_ENDPOINT_URL");
	if (!url)
		return mem_printf("https://lambda.%s.%s", region,
			strncmp(region, "cn-", 3) == 0 ? "amazonaws.com.cn" : "amazonaws.com");
	size_t n = strlen(url);
	return mem_strndup(url, n - (n && url[n - 1] == '/'));
}

enum err_code invoker_new(char *const *envp, struct invoker **ret, struct err *e)
{
	char *region = region_of(envp);
	if (!region)
		return err_set(e, ERR_USAGE, "Lambda: AWS_REGION is needed");
	struct invoker *i = mem_new(struct invoker);
	i->region = region;
	i->origin = origin_of(envp, region);
	i->credentials = credentials_new(envp);
	i->net = call_client_new();
	pthread_mutex_init(&i->lock, NULL);
	*ret = i;
	return OK;
}

void invoker_free(struct invoker *i)
{
	if (!i)
		return;
	credentials_free(i->credentials);
	net_client_free(i->net);
	pthread_mutex_destroy(&i->lock);
	free(i->origin);
	free(i->region);
	free(i);
}

char *invoke_own_name(char *const *envp)
{
	const char *name = environment_get(envp, "AWS_LAMBDA_FUNCTION_NAME");
	const char *version = environment_get(envp, "AWS_LAMBDA_FUNCTION_VERSION");
	if (!name)
		return NULL;
	return version && strcmp(version, "$LATEST") != 0 ? mem_printf("%s:%s", name, version)
							  : mem_strdup(name);
}

static void take_retry_after(void *ctx, const char *name, const char *value)
{
	if (strcasecmp(name, "Retry-After") == 0)
		*(int64_t *)ctx = net_retry_after(value);
}

static enum err_code verdict(const struct call_answer *a, int64_t retry_after_ms, struct err *e)
{
	static const struct {
		int status;
		enum err_code code;
	} codes[] = { { 403, ERR_AUTH_FORBIDDEN }, { 404, ERR_NOT_FOUND },
		{ 413, ERR_REQUEST_TOO_LARGE }, { 429, ERR_RATE_LIMITED } };
	autojson *doc = NULL;
	struct err none;
	enum err_code code = a->status >= 500 ? ERR_OVERLOADED : ERR_REQUEST_INVALID;
	if (a->status / 100 == 2)
		return OK;
	(void)!json_parse(buf_str(&a->body), a->body.len, &doc, &none);
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (codes[i].status == a->status)
			code = codes[i].code;
	err_set(e, code, "Lambda answered %d: %.200s", a->status,
		json_get_str(doc, "Message", json_get_str(doc, "message", "(no message)")));
	e->retry_after_ms = retry_after_ms;
	return code;
}

static enum err_code sign(struct invoker *i, const char *function, const char *payload, size_t n,
	struct arena *a, struct sigv4_signed *ret, struct err *e)
{
	uint8_t sum[SHA256_LEN];
	char *digest = arena_alloc(a, HEX_MAX(SHA256_LEN)); /* it becomes a header's value */
	struct aws_keys keys = { 0 };
	if (credentials_get(i->credentials, &keys, e) != OK)
		return e->code;
	sha256_of(payload, n, sum);
	hex_format(sum, sizeof(sum), digest);
	const struct net_header h[] = { { "content-type", "application/json" },
		{ "x-amz-invocation-type", "Event" } };
	sigv4_sign(&(struct sigv4_signer){ .keys = &keys,
			   .region = i->region,
			   .service = "lambda",
			   .wall_ms = clock_wall_ms() },
		&(struct sigv4_request){ .method = "POST",
			.origin = i->origin,
			.path = arena_printf(a, "/2015-03-31/functions/%s/invocations", function),
			.headers = h,
			.headers_n = ARRAY_LEN(h),
			.payload = digest },
		a, ret);
	aws_keys_done(&keys);
	return OK;
}

enum err_code invoke_event(struct invoker *i, const char *function, const char *payload, size_t n,
	int64_t total_ms, struct err *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct sigv4_signed s;
	struct call_answer answer;
	int64_t retry_after_ms = 0;
	if (sign(i, function, payload, n, a, &s, e) != OK)
		return e->code;
	pthread_mutex_lock(&i->lock);
	enum err_code code = call_do(i->net,
		&(struct call){ "POST", s.url, s.headers, s.headers_n, payload, n, CONNECT_MS,
			total_ms, .on_header = take_retry_after, .ctx = &retry_after_ms },
		&answer, e);
	pthread_mutex_unlock(&i->lock);
	if (code == OK)
		code = verdict(&answer, retry_after_ms, e);
	if (code == ERR_AUTH_FORBIDDEN)
		credentials_forget(i->credentials);
	call_done(&answer);
	return code;
}
