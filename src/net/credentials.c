/* SPDX-License-Identifier: MIT
 *
 * The chain of key sources, and one kept answer. Keys that expire are looked up again EARLY_MS before
 * they do: by one thread, while the others go on with the old ones; only when those are dead too does
 * everybody wait. Where the lookup fails and the old keys still live, the next try is RETRY_MS later.
 */
#include "net/credentials.h"

#include "base/clock.h"
#include "base/environment.h"
#include "net/aws_endpoints.h"
#include "net/aws_files.h"

#include <pthread.h>
#include <string.h>

enum {
	EARLY_MS = 5 * 60 * 1000,
	RETRY_MS = 10 * 1000,
	FILE_MS = 60 * 1000, /* temporary keys in a file: who wrote them will replace them */
};

struct credentials {
	char *const *envp;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool refreshing;
	struct aws_keys keys; /* access_key NULL: none yet */
	int64_t refresh_ms;   /* wall; 0: never */
};

struct credentials *credentials_new(char *const *envp)
{
	struct credentials *c = mem_new(struct credentials);
	c->envp = envp;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->ended, NULL);
	return c;
}

void credentials_free(struct credentials *c)
{
	if (c == NULL)
		return;
	aws_keys_done(&c->keys);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->ended);
	free(c);
}

/* ---- the sources ---- */

static enum err_code environment_keys(char *const *envp, struct aws_keys *ret, struct err *e)
{
	const char *access = environment_get(envp, "AWS_ACCESS_KEY_ID");
	const char *secret = environment_get(envp, "AWS_SECRET_ACCESS_KEY");
	if (access == NULL && secret == NULL)
		return OK;
	if (access == NULL || secret == NULL)
		return err_set(e, ERR_USAGE,
			"of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set");
	ret->access_key = mem_strdup(access);
	ret->secret_key = mem_strdup(secret);
	ret->session_token = mem_strdup(environment_get(envp, "AWS_SESSION_TOKEN"));
	return OK;
}

static enum err_code file_keys(char *const *envp, struct aws_keys *ret, struct err *e)
{
	static const enum aws_file files[] = { AWS_FILE_CREDENTIALS, AWS_FILE_CONFIG };
	for (size_t i = 0; i < ARRAY_LEN(files) && ret->access_key == NULL; i++) {
		struct aws_keys k = { 0 };
		enum err_code rc = aws_file_get(envp, files[i], "aws_access_key_id", &k.access_key,
			e);
		if (rc == OK)
			rc = aws_file_get(envp, files[i], "aws_secret_access_key", &k.secret_key,
				e);
		if (rc == OK)
			rc = aws_file_get(envp, files[i], "aws_session_token", &k.session_token, e);
		if (rc == OK && k.access_key != NULL && k.secret_key != NULL)
			*ret = k;
		else
			aws_keys_done(&k);
		if (rc != OK)
			return rc;
	}
	return OK;
}

static enum err_code look_up(char *const *envp, struct aws_keys *ret, struct err *e)
{
	static enum err_code (*const sources[])(char *const *, struct aws_keys *,
		struct err *) = { environment_keys, file_keys, aws_container_keys,
		aws_instance_keys };
	struct aws_keys k = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(sources) && k.access_key == NULL; i++) {
		enum err_code rc = sources[i](envp, &k, e);
		if (rc != OK)
			return rc;
	}
	if (k.access_key == NULL)
		return err_set(e, ERR_USAGE,
			"no AWS keys: neither AWS_ACCESS_KEY_ID, nor a profile in ~/.aws, nor a "
			"container's or an instance's role");
	*ret = k;
	return OK;
}

/* ---- the kept answer ---- */

static int64_t when_due(const struct aws_keys *k, int64_t now)
{
	if (k->expires_ms == 0)
		return k->session_token != NULL ? now + FILE_MS : 0;
	int64_t life = k->expires_ms - now;
	return k->expires_ms - (life / 2 < EARLY_MS ? life / 2 : EARLY_MS);
}

static bool is_dead(const struct credentials *c, int64_t now)
{
	return c->keys.access_key == NULL || (c->keys.expires_ms != 0 && now >= c->keys.expires_ms);
}

/* Called with the lock held, which is given up while a source is asked. */
static enum err_code refresh(struct credentials *c, struct err *e)
{
	struct aws_keys k = { 0 };
	c->refreshing = true;
	pthread_mutex_unlock(&c->lock);
	enum err_code rc = look_up(c->envp, &k, e);
	pthread_mutex_lock(&c->lock);
	c->refreshing = false;
	int64_t now = clock_wall_ms();
	if (rc == OK) {
		aws_keys_done(&c->keys);
		c->keys = k;
		c->refresh_ms = when_due(&k, now);
	} else {
		c->refresh_ms = now + RETRY_MS;
	}
	pthread_cond_broadcast(&c->ended);
	return rc;
}

enum err_code credentials_get(struct credentials *c, struct aws_keys *ret, struct err *e)
{
	enum err_code rc = OK;
	struct err why;
	pthread_mutex_lock(&c->lock);
	while (c->refreshing && is_dead(c, clock_wall_ms()))
		pthread_cond_wait(&c->ended, &c->lock);
	int64_t now = clock_wall_ms();
	if (!c->refreshing && (is_dead(c, now) || (c->refresh_ms != 0 && now >= c->refresh_ms)))
		rc = refresh(c, &why);
	if (!is_dead(c, clock_wall_ms())) {
		aws_keys_copy(ret, &c->keys);
		rc = OK;
	} else if (rc == OK) {
		rc = err_set(e, ERR_SYSTEM,
			"the AWS keys that were handed out have expired already");
	} else {
		rc = err_set(e, rc, "%s", why.text);
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}

void credentials_forget(struct credentials *c)
{
	pthread_mutex_lock(&c->lock);
	if (c->keys.access_key != NULL && !c->refreshing)
		c->refresh_ms = 1;
	pthread_mutex_unlock(&c->lock);
}

char *credentials_profile_setting(char *const *envp, const char *name)
{
	struct err none;
	char *value = NULL;
	return aws_file_get(envp, AWS_FILE_CONFIG, name, &value, &none) == OK ? value : NULL;
}
