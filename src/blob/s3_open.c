/* SPDX-License-Identifier: MIT
 *
 * Which server, which bucket, which names. Amazon's own endpoint is worked out from the region and
 * named by the bucket (virtual-host style); another endpoint is named by AWS_ENDPOINT_URL_S3 or
 * AWS_ENDPOINT_URL and gets the bucket in its path, which every server understands. A bucket with a
 * dot in its name is in the path too: no certificate covers such a host.
 */
#include "blob/s3.h"

#include "base/environment.h"
#include "base/url.h"

#include <ctype.h>
#include <string.h>

#define REGION_DEFAULT "us-east-1"

/* [A-Za-z0-9._-], 3 to 63 */
static bool bucket_is_good(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("._-", s[i]))
			return false;
	return n >= 3 && n <= 63 && s[0] != '.';
}

static enum err_code parse_names(struct s3 *s, const char *url, struct err *e)
{
	const char *bucket = url + strlen("s3:");
	if (strncmp(bucket, "//", 2) == 0)
		bucket += 2;
	size_t n = strcspn(bucket, "/");
	if (!bucket_is_good(bucket, n))
		return err_set(e, ERR_USAGE,
			"--blob '%.100s': it is s3://BUCKET or s3://BUCKET/PREFIX", url);
	s->bucket = mem_strndup(bucket, n);
	const char *prefix = bucket + n + (bucket[n] == '/');
	size_t len = strlen(prefix);
	if (len > 512)
		return err_set(e, ERR_USAGE, "--blob: the prefix is longer than 512 bytes");
	s->prefix = len > 0 && prefix[len - 1] != '/' ? mem_printf("%s/", prefix)
						      : mem_strdup(prefix);
	return OK;
}

static char *find_region(char *const *envp)
{
	const char *region = environment_get(envp, "AWS_REGION");
	if (region == NULL)
		region = environment_get(envp, "AWS_DEFAULT_REGION");
	char *found = region != NULL ? mem_strdup(region)
				     : credentials_profile_setting(envp, "region");
	if (found != NULL && found[0] != '\0' &&
		found[strspn(found,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")] ==
			'\0')
		return found;
	free(found);
	return mem_strdup(REGION_DEFAULT);
}

static bool wants_path(const char *style, const char *bucket, bool own_endpoint, bool tls)
{
	if (style != NULL && strcmp(style, "path") == 0)
		return true;
	if (style != NULL && strcmp(style, "virtual") == 0)
		return false;
	return own_endpoint || (tls && strchr(bucket, '.') != NULL);
}

static enum err_code find_server(struct s3 *s, char *const *envp, const char *style, struct err *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const char *own = environment_get(envp, "AWS_ENDPOINT_URL_S3");
	struct url u;
	if (own == NULL)
		own = environment_get(envp, "AWS_ENDPOINT_URL");
	const char *text = own != NULL ? own
				       : arena_printf(a, "https://s3.%s.amazonaws.com%s", s->region,
						 strncmp(s->region, "cn-", 3) == 0 ? ".cn" : "");
	if (url_parse(text, a, &u, e) != OK || u.has_userinfo || u.query != NULL || u.port == 0)
		return err_set(e, ERR_USAGE,
			"AWS_ENDPOINT_URL_S3: '%.100s' is no http or https address",
			url_for_log(text, a));
	s->tls = strcmp(u.scheme, "https") == 0;
	bool path = wants_path(style, s->bucket, own != NULL, s->tls);
	const char *host = u.host_is_ipv6 ? arena_printf(a, "[%s]", u.host) : u.host;
	const char *port = u.port == (s->tls ? 443 : 80) ? "" : arena_printf(a, ":%u", u.port);
	size_t n = strlen(u.path); /* an endpoint may have a path of its own */
	n -= n > 0 && u.path[n - 1] == '/';
	s->origin = mem_printf("%s://%s%s%s%s", u.scheme, path ? "" : s->bucket, path ? "" : ".",
		host, port);
	s->base_path = path ? mem_printf("%.*s/%s/", (int)n, u.path, s->bucket)
			    : mem_printf("%.*s/", (int)n, u.path);
	return OK;
}

enum err_code s3_open(const char *url, const struct blob_opts *o, struct s3 *ret, struct err *e)
{
	pthread_mutex_init(&ret->lock, NULL);
	enum err_code rc = parse_names(ret, url, e);
	if (rc != OK)
		return rc;
	ret->region = find_region(o->environment);
	rc = find_server(ret, o->environment, o->s3_style, e);
	if (rc != OK)
		return rc;
	ret->encryption = mem_strdup(o->s3_encryption);
	ret->kms_key = mem_strdup(o->s3_kms_key);
	ret->storage_class = mem_strdup(o->s3_storage_class);
	ret->credentials = credentials_new(o->environment);
	return OK;
}

void s3_close(struct s3 *s)
{
	for (size_t i = 0; i < s->idle_n; i++)
		net_client_free(s->idle[i]);
	credentials_free(s->credentials);
	pthread_mutex_destroy(&s->lock);
	char *const texts[] = { s->bucket, s->prefix, s->origin, s->base_path, s->region,
		s->encryption, s->kms_key, s->storage_class };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]);
}
