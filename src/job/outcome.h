/* SPDX-License-Identifier: MIT
 *
 * What the work found out and made: plain values with a JSON form for the store's text columns.
 */
#ifndef BULB_JOB_OUTCOME_H
#define BULB_JOB_OUTCOME_H

#include "base/digest.h"
#include "base/err.h"
#include "base/json.h"
#include "job/recipe.h"

#define BLOB_KEY_MAX 255

/* An original: what the origin sent. The last block is known once it was decoded. */
struct original {
	char key[BLOB_KEY_MAX + 1]; /* blob; "" when dropped */
	uint8_t sha256[SHA256_LEN];
	int64_t bytes;
	enum format format; /* FORMAT_NONE until sniffed */
	int width, height;  /* pixels, upright; 0 until decoded */
	char thumbhash[64]; /* base64; "" until decoded */
	char color[8];      /* "#8a7b6c"; "" until decoded */
};
json_t *original_json(const struct original *o);
enum err_code original_parse(const char *text, struct original *ret, struct err *e) MUST_CHECK;
/* Take what was not known yet; true if there was any of it. What is known stays as it was told: another
 * recipe decodes to another size, and sees slightly other colours. */
bool original_learn(struct original *o, const struct original *seen);
/* How much is known: each step has those before it, too. */
enum original_detail { DETAIL_BYTES, DETAIL_FORMAT, DETAIL_SIZE, DETAIL_LOOK };
enum original_detail original_detail(const struct original *o);
/* Back to when no more than this was known. */
void original_unlearn(struct original *o, enum original_detail detail);

/* One variant's bytes. */
struct product {
	uint8_t recipe[VARIANT_DIGEST_LEN]; /* digest of the variant it answers */
	char key[BLOB_KEY_MAX + 1];
	enum format format;
	int width, height;
	int64_t bytes;
	uint8_t sha256[SHA256_LEN];
};
json_t *product_json(const struct product *p); /* without recipe */
enum err_code product_parse(const char *text, struct product *ret, struct err *e) MUST_CHECK;

/* How the last attempt of a task ended, and what it took: {"error": {"code","detail","stage",
 * "retryable","source_status","final_url"}, "timing_ms": {"download","process","store"}} */
struct outcome {
	enum err_code code; /* OK: succeeded */
	char detail[400];
	const char *stage;   /* "download", "process", "cut", "store"; static */
	int source_status;   /* 0: none */
	char final_url[512]; /* where redirects led, no query; "" when the same */
	int64_t download_ms, process_ms, store_ms; /* -1: did not happen */
	int64_t cpu_ms; /* of processors in darkrooms; for the usage, not in its text */
};
json_t *outcome_json(const struct outcome *o);
enum err_code outcome_parse(const char *text, struct outcome *ret, struct err *e) MUST_CHECK;

#endif
