/* SPDX-License-Identifier: MIT
 *
 * How a subject is cut out: the member `background` of a job or an item (docs/http.md), checked.
 * What was made is remembered by bytes × what really made it × how it was finished: a cut-out that
 * `auto` had from the local model is the one that `local` asks for.
 */
#ifndef BULB_JOB_CUT_H
#define BULB_JOB_CUT_H

#include "job/recipe.h"

#define CUT_REV        2 /* raise when the same options make other bytes than before */
#define CUT_MODEL_MAX  32
#define CUT_IDENT_MAX  96
#define CUT_MARGIN_MAX 500  /* pixels; 50 in per cent */
#define CREDIT         1000 /* costs are kept in thousandths of the provider's credit */
json_t *cut_credits_json(int64_t thousandths); /* as people count: 1, or 0.25 */

/* The numbers are stored: never change one. */
enum cut_engine { CUT_LOCAL = 0, CUT_AUTO = 1, CUT_REMOTE = 2, CUT_FLAT = 3 };
enum cut_apply { CUT_APPLY_CUTOUT = 0, CUT_APPLY_VARIANTS = 1, CUT_APPLY_BOTH = 2 };
enum cut_state { CUT_OFF = 0, CUT_WANTED = 1, CUT_SUCCEEDED = 2, CUT_FAILED = 3, CUT_NONE = 4 };
/* Why this engine's result stands; the public `reason` of a cut-out. */
enum cut_reason {
	CUT_REASON_ASKED = 0,     /* "requested": the request named the engine */
	CUT_REASON_FLAT = 1,      /* "flat_background" */
	CUT_REASON_CONFIDENT = 2, /* "confident": local, at or over the threshold */
	CUT_REASON_UNSURE = 3,    /* "low_confidence": remote, as local was under the threshold */
	CUT_REASON_UNPAID = 4,    /* "no_budget": local under the threshold, nothing may be paid */
	CUT_REASON_NO_PROVIDER = 5,     /* "no_provider": …, none is configured */
	CUT_REASON_PROVIDER_FAILED = 6, /* "provider_failed": …, it refused or is away */
	CUT_REASON_CHARGE_UNKNOWN = 7, /* "charge_unknown": …, an earlier call may have been paid */
	CUT_REASON_NO_MODEL = 8        /* "no_model": remote, as there is no local model */
};
const char *cut_engine_name(enum cut_engine e); /* "local" */
const char *cut_apply_name(enum cut_apply a);   /* "cutout" */
const char *cut_state_name(enum cut_state s);   /* "succeeded", "failed", "none"; "pending" */
const char *cut_reason_name(enum cut_reason r);

/* Defaults filled in. */
struct cut {
	bool remove; /* false: no cut-out, and the rest does not count */
	enum cut_engine engine;
	char model[CUT_MODEL_MAX + 1]; /* "fast" */
	enum cut_apply apply;
	enum format format; /* png (lossless) or webp (quality 90, alpha lossless) */
	bool has_fill;
	struct rgba fill;    /* opaque: flattened on it, without alpha */
	bool crop;           /* to the subject's bounding box, */
	int margin;          /* this much larger on each side, never outside the picture: pixels, */
	bool margin_percent; /* or per cent of the box's longer side */
	int64_t max_cost;    /* thousandths of a credit; 0: nothing is paid for */
	bool confirm_charge; /* buy again where an earlier call may have been charged */
};
/* Parse the JSON object found at `pointer`. Unknown members, wrong types, a fill that is not
 * opaque, a margin without crop: faults. */
bool cut_parse(const json_t *background, const char *pointer, struct cut *ret, struct faults *f);
/* Canonical JSON (every member, sorted), which cut_parse takes back. */
json_t *cut_json(const struct cut *c);
/* The same for text of our own: a fault is ERR_INTERNAL. */
enum err_code cut_from_json(const json_t *doc, struct cut *ret, struct err *e) MUST_CHECK;

/* What stands behind the engines of this process. Strings are borrowed. */
struct cut_site {
	const char *codecs; /* image_codecs() */
	struct cut_model {
		char name[CUT_MODEL_MAX + 1]; /* "fast" */
		char ident[CUT_IDENT_MAX +
			1]; /* "u2netp@309c8469258d…": id and digest of the file */
	} models[8];
	size_t models_n;
	const char *provider; /* "api.remove.bg": host of its URL; NULL: none is configured */
	int64_t call_cost;    /* what one paid call is taken to cost, thousandths */
	double threshold;     /* auto: local results under this confidence go to the provider */
};
/* NULL: not installed. */
const char *cut_model_ident(const struct cut_site *s, const char *name);
/* Digest of a cut-out that `engine` (LOCAL, REMOTE or FLAT) makes: CUT_REV ‖ codecs ‖ engine and
 * its ident (model, provider) ‖ format, fill, crop, margin. false: this site has no such engine. */
bool cut_digest(const struct cut *c, enum cut_engine engine, const struct cut_site *s,
	uint8_t out[SHA256_LEN]);
/* The key of a task: everything that decides what it does (engine and, for auto, whether it may
 * pay), so that two that would do the same are one. */
void cut_task_digest(const struct cut *c, const struct cut_site *s, uint8_t out[SHA256_LEN]);
/* Which paid answer serves: provider's host. Finishing options do not count, as the provider's raw
 * answer is kept and finished anew. */
void cut_charge_digest(const struct cut_site *s, uint8_t out[SHA256_LEN]);

/* A finished cut-out: what its result row keeps beside the blob. */
struct cut_product {
	uint8_t digest[SHA256_LEN]; /* cut_digest of the engine that made it */
	char key[256];              /* blob */
	uint8_t sha256[SHA256_LEN];
	int64_t bytes;
	enum format format;
	int width, height;
	int left, top;          /* of its upper left corner in the original; 0, 0 without crop */
	enum cut_engine engine; /* LOCAL, REMOTE or FLAT */
	char ident[CUT_IDENT_MAX + 1]; /* public engine name, after the colon: "u2netp" */
	double confidence;             /* 0 … 1; < 0: unknown (remote) */
	int64_t cost;                  /* what the call cost, thousandths; 0 */
};
json_t *cut_product_json(const struct cut_product *p); /* without digest */
enum err_code cut_product_parse(const char *text, struct cut_product *ret, struct err *e)
	MUST_CHECK;

#endif
