/* SPDX-License-Identifier: MIT
 *
 * Keys of a container's role (ECS tasks, EKS pod identities) and of an instance's (EC2, IMDSv2).
 *
 * Their addresses are link-local or loopback, which the address guard refuses to everybody else: the
 * client here has no guard, so it asks only the fixed addresses, and what the operator's environment
 * names, which over plain HTTP has to be one of those that Amazon's SDKs take too.
 */
#include "net/aws_endpoints.h"

#include "base/clock.h"
#include "base/environment.h"
#include "base/io.h"
#include "base/json.h"
#include "base/url.h"

#include <string.h>

#define CONTAINER_HOST    "http://169.254.170.2"
#define INSTANCE_HOST     "http://169.254.169.254"
#define INSTANCE_HOST_V6  "http://[fd00:ec2::254]"
#define INSTANCE_ROLES    "/latest/meta-data/iam/security-credentials/"
#define ANSWER_BYTES_MAX  (64 << 10)
#define CONNECT_MS        1000 /* on a machine that is no instance nobody answers */
#define TOTAL_MS          5000
#define TOKEN_TTL_SECONDS "21600"

static bool keep_body(void *ctx, const void *data, size_t n)
{
	return buf_add(ctx, data, n);
}

/* One exchange. *ret_status is 0 when the place cannot be reached and that is no error. */
static enum err_code ask(const char *method, const char *url, const struct net_header *h,
	struct buf *ret, int *ret_status, struct err *e)
{
	static const struct net_guard off = { .off = true };
	struct net_client *client = net_client_new(&off);
	struct net_response answer = { 0 };
	enum err_code rc = net_do(client,
		&(struct net_request){ .method = method,
			.url = url,
			.headers = h,
			.headers_n = h != NULL,
			.connect_ms = CONNECT_MS,
			.total_ms = TOTAL_MS,
			.on_body = keep_body,
			.ctx = ret },
		&answer, e);
	net_client_free(client);
	*ret_status = answer.status;
	return rc;
}

/* The document that all of them answer with. */
static enum err_code read_keys(const struct buf *text, struct aws_keys *ret, struct err *e)
{
	autojson *j = NULL;
	struct aws_keys k = { 0 };
	if (json_parse(buf_str(text), text->len, &j, e) != OK)
		return err_set(e, ERR_SYSTEM, "the answer with AWS keys is no JSON");
	const char *access = json_get_str(j, "AccessKeyId", NULL);
	const char *secret = json_get_str(j, "SecretAccessKey", NULL);
	const char *expires = json_get_str(j, "Expiration", NULL);
	if (access == NULL || secret == NULL ||
		(expires != NULL && !clock_parse_rfc3339(expires, &k.expires_ms)))
		return err_set(e, ERR_SYSTEM, "the answer with AWS keys lacks some");
	k.access_key = mem_strdup(access);
	k.secret_key = mem_strdup(secret);
	k.session_token = mem_strdup(json_get_str(j, "Token", NULL));
	*ret = k;
	return OK;
}

static void wipe(struct buf *b)
{
	if (b->data != NULL)
		mem_wipe(b->data, b->len);
	buf_done(b);
}

static enum err_code get_keys(const char *what, const char *url, const struct net_header *h,
	struct aws_keys *ret, struct err *e)
{
	struct buf text = BUF_INIT(ANSWER_BYTES_MAX);
	int status = 0;
	enum err_code rc = ask("GET", url, h, &text, &status, e);
	if (rc == OK && status != 200)
		rc = err_set(e, ERR_SYSTEM, "it answered with %d", status);
	if (rc == OK)
		rc = read_keys(&text, ret, e);
	wipe(&text);
	return rc == OK ? OK : err_wrap(e, "AWS keys from the %s", what);
}

/* ---- containers ---- */

static bool is_trusted(const struct url *u)
{
	static const char *const hosts[] = { "169.254.170.2", "169.254.170.23", "fd00:ec2::23",
		"::1", "localhost" };
	if (strcmp(u->scheme, "https") == 0 || strncmp(u->host, "127.", 4) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		if (strcmp(u->host, hosts[i]) == 0)
			return true;
	return false;
}

static enum err_code check_full_uri(const char *url, struct err *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct url u;
	if (url_parse(url, a, &u, e) == OK && is_trusted(&u))
		return OK;
	return err_set(e, ERR_USAGE,
		"AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor the address of a container's "
		"or this machine's own service");
}

/* The file is read each time: who wrote it changes it. */
static enum err_code container_token(char *const *envp, char **ret, struct err *e)
{
	const char *path = environment_get(envp, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	struct buf text = BUF_INIT(ANSWER_BYTES_MAX);
	struct err why;
	*ret = NULL;
	if (path == NULL) {
		*ret = mem_strdup(environment_get(envp, "AWS_CONTAINER_AUTHORIZATION_TOKEN"));
		return OK;
	}
	if (io_read_file(path, text.max, &text, &why) != OK) {
		buf_done(&text);
		return err_set(e, ERR_USAGE, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: %s",
			why.text);
	}
	*ret = buf_take(&text);
	(*ret)[strcspn(*ret, "\r\n")] = '\0';
	return OK;
}

enum err_code aws_container_keys(char *const *envp, struct aws_keys *ret, struct err *e)
{
	const char *relative = environment_get(envp, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = environment_get(envp, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
	char *token = NULL;
	if (relative == NULL && full == NULL)
		return OK;
	autofree char *url = relative != NULL ? mem_printf("%s%s", CONTAINER_HOST, relative)
					      : mem_strdup(full);
	if (relative != NULL && relative[0] != '/')
		return err_set(e, ERR_USAGE,
			"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with '/'");
	if ((relative == NULL && check_full_uri(url, e) != OK) ||
		container_token(envp, &token, e) != OK)
		return e->code;
	struct net_header authorization = { "Authorization", token };
	enum err_code rc = get_keys("container's endpoint", url,
		token != NULL ? &authorization : NULL, ret, e);
	if (token != NULL)
		mem_wipe(token, strlen(token));
	free(token);
	return rc;
}

/* ---- instances ---- */

static const char *instance_host(char *const *envp)
{
	const char *own = environment_get(envp, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = environment_get(envp, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	if (own != NULL)
		return own;
	return mode != NULL && strcasecmp(mode, "ipv6") == 0 ? INSTANCE_HOST_V6 : INSTANCE_HOST;
}

/* A session's token (IMDSv2); NULL where no such service is. */
static char *instance_token(const char *host)
{
	static const struct net_header ttl = { "X-aws-ec2-metadata-token-ttl-seconds",
		TOKEN_TTL_SECONDS };
	autofree char *url = mem_printf("%s/latest/api/token", host);
	struct buf text = BUF_INIT(ANSWER_BYTES_MAX);
	struct err none;
	int status = 0;
	if (ask("PUT", url, &ttl, &text, &status, &none) != OK || status != 200 || text.len == 0) {
		wipe(&text);
		return NULL;
	}
	return buf_take(&text);
}

/* The first role's keys; an instance has at most one. */
static enum err_code role_keys(const char *host, const struct net_header *token,
	struct aws_keys *ret, struct err *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const char *url = arena_printf(a, "%s" INSTANCE_ROLES, host);
	struct buf roles = BUF_INIT(ANSWER_BYTES_MAX);
	int status = 0;
	enum err_code rc = ask("GET", url, token, &roles, &status, e);
	const char *role = buf_str(&roles);
	size_t n = strcspn(role, "\r\n");
	if (rc == OK && status == 200 && n > 0)
		rc = get_keys("instance's metadata",
			arena_printf(a, "%s%s", url,
				url_encode(arena_strndup(a, role, n), false, a)),
			token, ret, e);
	else if (rc == OK && status != 404)
		rc = err_set(e, ERR_SYSTEM, "the instance's metadata answered with %d", status);
	buf_done(&roles);
	return rc;
}

enum err_code aws_instance_keys(char *const *envp, struct aws_keys *ret, struct err *e)
{
	const char *disabled = environment_get(envp, "AWS_EC2_METADATA_DISABLED");
	const char *host = instance_host(envp);
	if (disabled != NULL && strcasecmp(disabled, "true") == 0)
		return OK;
	char *token = instance_token(host);
	if (token == NULL)
		return OK;
	struct net_header h = { "X-aws-ec2-metadata-token", token };
	enum err_code rc = role_keys(host, &h, ret, e);
	mem_wipe(token, strlen(token));
	free(token);
	return rc;
}
