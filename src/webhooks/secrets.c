/* SPDX-License-Identifier: MIT
 *
 * What signs. A tenant's secrets are read from the store at every try, sealed: what was rotated since counts
 * at once, in every server.
 */
#include "webhooks/webhooks_impl.h"

#include "base/mem.h"
#include "store/access.h"

#include <string.h>

static bool parse_two(const char *text, struct webhook_secret ret[SECRETS_MAX], size_t *ret_n)
{
	char one[WEBHOOK_SECRET_MAX];
	bool good = true;

	*ret_n = 0;
	while (good && text[strspn(text, " \t")]) {
		text += strspn(text, " \t");
		size_t n = strcspn(text, " \t");
		good = n < sizeof(one) && *ret_n < SECRETS_MAX;
		if (!good)
			break;
		memcpy(one, text, n);
		one[n] = '\0';
		good = webhook_secret_parse(one, &ret[*ret_n]);
		*ret_n += good;
		text += n;
	}
	mem_wipe(one, sizeof(one));
	return good && *ret_n > 0;
}

enum err_code webhooks_secrets_check(const char *secrets, struct err *e)
{
	struct webhook_secret s[SECRETS_MAX];
	size_t n;
	bool good = parse_two(secrets, s, &n);

	mem_wipe(s, sizeof(s));
	if (good)
		return OK;
	return err_set(e, ERR_USAGE,
		"--webhook-secret-file: one secret, or two with a space between, each 24 to 64 bytes in base64 "
		"(echo whsec_$(openssl rand -base64 32) makes one)");
}

static bool open_sealed(const char *sealed, const uint8_t key[32], struct webhook_secret *ret)
{
	size_t n;
	char *text = unseal_text(key, sealed, &n);
	bool good = text && webhook_secret_parse(text, ret);

	if (text)
		mem_wipe(text, n);
	free(text);
	return good;
}

enum err_code secrets_of(const struct webhooks_opts *o, int64_t tenant,
	struct webhook_secret ret[SECRETS_MAX], size_t *ret_n, struct err *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const char *sealed[SECRETS_MAX];

	*ret_n = 0;
	if (store_webhook_secrets(o->store, tenant, a, sealed, e) != OK)
		return e->code;
	for (size_t i = 0; i < SECRETS_MAX; i++)
		if (sealed[i] && open_sealed(sealed[i], o->seal_key, &ret[*ret_n]))
			++*ret_n;
	if (*ret_n == 0 && tenant == TENANT_DEFAULT && o->secrets)
		(void)parse_two(o->secrets, ret, ret_n);
	return OK;
}
