/* SPDX-License-Identifier: MIT
 *
 * Cut-outs and a provider that do what they are told, and the ledger between them.
 */
#include "fakes.h"

#include "base/io.h"

#include <unistd.h>

struct fake_cuts fake_cuts;
struct cut_site fake_site;
struct fake_provider fake_provider;
struct fake_ledger fake_ledger;

void fake_cuts_reset(void)
{
	fake_cuts = (struct fake_cuts){ 0 };
	fake_site = (struct cut_site){ .codecs = "fake 1",
		.models = { { "fast", "u2netp@309c8469258d" } },
		.models_n = 1,
		.call_cost = 1000,
		.threshold = 0.8 };
	fake_provider = (struct fake_provider){ .retry_after_ms = -1, .gate = true };
	fake_ledger = (struct fake_ledger){ .cost = 1000 };
}

static enum err_code memfd_of(const char *text, int *ret_fd, struct err *e)
{
	enum err_code code = io_memfd("fake", ret_fd, e);
	if (code == OK)
		code = io_write_all(*ret_fd, text, strlen(text), e);
	return code == OK ? io_seal(*ret_fd, e) : code;
}

static enum err_code read_text(int fd, char text[512], struct err *e)
{
	size_t n = 0;
	memset(text, 0, 512);
	return io_pread(fd, text, 511, 0, &n, e);
}

/* ---- darkrooms ---- */

void darkroom_cut_done(struct darkroom_cut_result *r)
{
	if (r->has_output)
		fd_close(&r->output.fd);
	r->has_output = false;
}

static enum err_code put(const char *what, const char *text, struct darkroom_cut_result *ret,
	struct err *e)
{
	autofree char *made = mem_printf("%s of %s", what, text);
	ret->has_output = true;
	ret->output = (struct darkroom_output){ .fd = -1,
		.bytes = (int64_t)strlen(made),
		.format = FORMAT_PNG,
		.width = 30,
		.height = 20 };
	ret->left = 3;
	ret->top = 2;
	return memfd_of(made, &ret->output.fd, e);
}

static enum err_code done(struct darkroom_cut_result *ret, enum cut_engine engine,
	double confidence)
{
	ret->done = true;
	ret->engine = engine;
	ret->confidence = confidence;
	return OK;
}

static enum err_code cut_flat(const char *text, struct darkroom_cut_result *ret, struct err *e)
{
	atomic_fetch_add(&fake_cuts.flat, 1);
	if (strstr(text, "blank")) {
		ret->none = true;
		return done(ret, CUT_FLAT, 1);
	}
	if (!strstr(text, "flat"))
		return OK;
	done(ret, CUT_FLAT, 1);
	return put("flat cut", text, ret, e);
}

static enum err_code crash(struct darkroom_cut_result *ret, struct err *e)
{
	ret->crashed = true;
	return err_set(e, ERR_DECODE_CRASHED, "the child died");
}

static enum err_code cut_local(const char *text, atomic_bool *cancel,
	struct darkroom_cut_result *ret, struct err *e)
{
	atomic_fetch_add(&fake_cuts.local, 1);
	if (strstr(text, "crash"))
		return crash(ret, e);
	while (strstr(text, "slow") && !atomic_load(&fake_pictures.gate)) {
		if (atomic_load(cancel))
			return err_set(e, ERR_CANCELED, "canceled");
		usleep(500);
	}
	ret->none = strstr(text, "empty") != NULL;
	done(ret, CUT_LOCAL, strstr(text, "sure") ? 0.9 : 0.5);
	return ret->none ? OK : put("local cut", text, ret, e);
}

static enum err_code compose(int answer_fd, atomic_bool *cancel, struct darkroom_cut_result *ret,
	struct err *e)
{
	char answer[512];
	if (atomic_load(cancel))
		return err_set(e, ERR_CANCELED, "canceled");
	atomic_fetch_add(&fake_cuts.composed, 1);
	enum err_code code = read_text(answer_fd, answer, e);
	if (code == OK && strstr(answer, "bomb"))
		return crash(ret, e);
	if (code == OK && strstr(answer, "bad"))
		return err_set(e, ERR_MATTE_PROVIDER, "the answer is no picture");
	if (code != OK)
		return code;
	done(ret, CUT_REMOTE, -1);
	return put("remote cut", answer, ret, e);
}

static enum err_code prepare(const char *text, struct darkroom_cut_result *ret, struct err *e)
{
	atomic_fetch_add(&fake_cuts.prepared, 1);
	return strstr(text, "big") ? put("small", text, ret, e) : OK;
}

static enum err_code act(const char *text, int answer_fd, enum cut_action action,
	atomic_bool *cancel, struct darkroom_cut_result *ret, struct err *e)
{
	switch (action) {
	case CUT_DO_FLAT:
		return cut_flat(text, ret, e);
	case CUT_DO_PREPARE:
		return prepare(text, ret, e);
	case CUT_DO_COMPOSE:
		return compose(answer_fd, cancel, ret, e);
	case CUT_DO_AUTO:
		if (cut_flat(text, ret, e) != OK || ret->done)
			return e->code;
		break;
	case CUT_DO_LOCAL:
		break;
	}
	return cut_local(text, cancel, ret, e);
}

enum err_code darkroom_cut(struct darkroom *d, int64_t scope, int fd, int answer_fd,
	const struct cut *c, enum cut_action action, atomic_bool *cancel,
	struct darkroom_cut_result *ret, struct err *e)
{
	(void)scope, (void)c;
	bool needs_model = action == CUT_DO_LOCAL || action == CUT_DO_AUTO;
	char text[512];
	*ret = (struct darkroom_cut_result){ .format = FORMAT_JPEG,
		.width = 400,
		.height = 300,
		.process_ms = 7 };
	assert_true(needs_model == (d == (struct darkroom *)&fake_cuts));
	assert_true((answer_fd >= 0) == (action == CUT_DO_COMPOSE));
	if (needs_model && atomic_load(&fake_cuts.model_is_broken))
		return err_set(e, ERR_MATTE_UNAVAILABLE, "the model's file is damaged");
	int inside = atomic_fetch_add(&fake_cuts.inside, 1) + 1;
	if (inside > atomic_load(&fake_cuts.most_inside))
		atomic_store(&fake_cuts.most_inside, inside);
	enum err_code code = read_text(fd, text, e);
	if (code == OK)
		code = act(text, answer_fd, action, cancel, ret, e);
	atomic_fetch_sub(&fake_cuts.inside, 1);
	return code;
}

/* ---- the provider ---- */

bool provider_is_open(struct provider *p)
{
	(void)p;
	return atomic_load(&fake_provider.open);
}

static enum err_code refuse(struct provider_result *ret, const char *why, struct err *e)
{
	ret->retry_after_ms = fake_provider.retry_after_ms;
	return err_set(e, ERR_MATTE_PROVIDER, "%s", why);
}

static enum err_code sell(const char *text, struct provider_result *ret, struct err *e)
{
	const char *note = fake_provider.answer == FAKE_BAD ? "bad "
		: fake_provider.answer == FAKE_BOMB         ? "bomb "
							    : "";
	autofree char *answer = mem_printf("%sanswer to %s", note, text);
	ret->bytes = (int64_t)strlen(answer);
	ret->cost = 250;
	snprintf(ret->media_type, sizeof(ret->media_type), "image/png");
	return memfd_of(answer, &ret->fd, e);
}

static enum err_code answer(const struct ledger *l, const char *text, struct provider_result *ret,
	struct err *e)
{
	int64_t charge = ret->intent.charge;
	atomic_fetch_add(&fake_provider.calls, 1);
	while (!atomic_load(&fake_provider.gate))
		usleep(500);
	switch (fake_provider.answer) {
	case FAKE_REFUSES:
		return l->refused(l->ctx, charge, e) == OK ? refuse(ret, "it says no", e) : e->code;
	case FAKE_LOSES:
		if (l->unknown(l->ctx, charge, e) != OK)
			return e->code;
		ret->retry_after_ms = -1;
		return err_set(e, ERR_MATTE_CHARGE_UNKNOWN, "the answer was lost");
	case FAKE_FINDS_NONE:
		ret->no_foreground = true;
		return l->refused(l->ctx, charge, e);
	default:
		return sell(text, ret, e);
	}
}

enum err_code provider_cut(struct provider *p, const struct ledger *l,
	const struct provider_call *c, struct provider_result *ret, struct err *e)
{
	char text[512];
	*ret = (struct provider_result){ .fd = -1 };
	assert_ptr_equal(p, &fake_provider);
	assert_true(c->width > 0 && c->height > 0 && c->bytes > 0);
	if (atomic_load(&fake_provider.limited) || atomic_load(&fake_provider.open))
		return refuse(ret, "not now", e);
	if (atomic_load(c->cancel))
		return err_set(e, ERR_CANCELED, "canceled");
	assert_int_equal(read_text(c->fd, text, e), OK);
	assert_int_equal(c->bytes, strlen(text));
	snprintf(fake_provider.sent, sizeof(fake_provider.sent), "%.60s", text);
	snprintf(fake_provider.media_type, sizeof(fake_provider.media_type), "%s", c->media_type);
	enum err_code code = l->ask(l->ctx, c->task, c->lease, c->est_cost, &ret->intent, e);
	return code == OK && !ret->intent.bought ? answer(l, text, ret, e) : code;
}

/* ---- the ledger ---- */

static enum err_code ask(void *ctx, int64_t task, int64_t lease, int64_t cost,
	struct ledger_answer *ret, struct err *e)
{
	(void)ctx;
	atomic_fetch_add(&fake_ledger.asks, 1);
	assert_true(task > 0 && lease > 0 && cost == fake_site.call_cost);
	if (fake_ledger.says != OK)
		return err_set(e, fake_ledger.says, "the ledger says no");
	*ret = (struct ledger_answer){ .charge = 77, .bought = fake_ledger.has_answer };
	if (!ret->bought)
		return OK;
	ret->cost = fake_ledger.cost;
	snprintf(ret->blob, sizeof(ret->blob), "%s", fake_ledger.blob);
	snprintf(ret->media_type, sizeof(ret->media_type), "%s", fake_ledger.media_type);
	return OK;
}

static enum err_code hear(atomic_int *word, int64_t charge, struct err *e)
{
	assert_int_equal(charge, 77);
	if (atomic_load(&fake_ledger.away) > 0 && atomic_fetch_sub(&fake_ledger.away, 1) > 0)
		return err_set(e, ERR_STORE_UNAVAILABLE, "the disk is full");
	atomic_fetch_add(word, 1);
	return OK;
}

static enum err_code refused(void *ctx, int64_t charge, struct err *e)
{
	(void)ctx;
	return hear(&fake_ledger.refused, charge, e);
}

static enum err_code unknown(void *ctx, int64_t charge, struct err *e)
{
	(void)ctx;
	return hear(&fake_ledger.unknown, charge, e);
}

static enum err_code bought(void *ctx, int64_t charge, const char *blob, const char *media_type,
	int64_t cost, struct err *e)
{
	(void)ctx;
	enum err_code code = hear(&fake_ledger.bought, charge, e);
	if (code != OK)
		return code;
	fake_ledger.has_answer = true;
	fake_ledger.cost = cost;
	snprintf(fake_ledger.blob, sizeof(fake_ledger.blob), "%s", blob);
	snprintf(fake_ledger.media_type, sizeof(fake_ledger.media_type), "%s", media_type);
	return OK;
}

struct ledger fake_ledger_get(void)
{
	return (struct ledger){ .ask = ask,
		.refused = refused,
		.unknown = unknown,
		.bought = bought };
}
