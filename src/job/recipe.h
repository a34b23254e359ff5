/* SPDX-License-Identifier: MIT
 *
 * A recipe is what is made of one original: an ordered list of variants, each with sharp's words.
 * Its JSON form is that of `variants` in a request (docs/http.md); the canonical form (defaults
 * filled in, members sorted, American spelling) is what digests are made of and what travels to the
 * darkroom.
 */
#ifndef BULB_JOB_RECIPE_H
#define BULB_JOB_RECIPE_H

#include "base/digest.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

#define RECIPE_REV         1 /* raise when the same options make other bytes than before */
#define VARIANTS_MAX       20
#define VARIANT_NAME_MAX   64
#define VARIANT_DIGEST_LEN SHA256_LEN
#define VARIANT_SIDE_MAX   16384    /* pixels of width or height; 16,383 for webp */
#define VARIANT_AREA_MAX   50000000 /* pixels of a variant whose width and height are both given */

enum fit { FIT_COVER, FIT_CONTAIN, FIT_FILL, FIT_INSIDE, FIT_OUTSIDE };
enum position {
	POSITION_CENTRE,
	POSITION_NORTH,
	POSITION_NORTHEAST,
	POSITION_EAST,
	POSITION_SOUTHEAST,
	POSITION_SOUTH,
	POSITION_SOUTHWEST,
	POSITION_WEST,
	POSITION_NORTHWEST,
	POSITION_ENTROPY,
	POSITION_ATTENTION
};
enum format {
	FORMAT_NONE,
	FORMAT_JPEG,
	FORMAT_PNG,
	FORMAT_WEBP,
	FORMAT_GIF,
	FORMAT_TIFF,
	FORMAT_AVIF,
	FORMAT_HEIF
};
const char *format_name(enum format f);             /* "jpeg" */
const char *format_extension(enum format f);        /* "jpg", without the dot */
const char *format_media_type(enum format f);       /* "image/jpeg" */
bool format_parse(const char *s, enum format *ret); /* also "jpg" and "tif" */
/* From the first bytes alone (256 are enough): FORMAT_NONE when it is none that bulb reads. */
enum format format_sniff(const void *data, size_t n);

struct rgba {
	uint8_t r, g, b, a;
};

/* One variant, defaults filled in. */
struct variant {
	char name[VARIANT_NAME_MAX + 1]; /* [A-Za-z0-9_-]+, unique in its recipe */
	int width, height;               /* pixels; 0 where not given (not both need be) */
	enum fit fit;                    /* default cover, as sharp's */
	enum position position;          /* default centre */
	bool without_enlargement;
	enum format format;     /* jpeg, png, webp or avif */
	int quality;            /* 1 … 100; the format's own default filled in */
	int effort;             /* webp 0 … 6 (4), avif 0 … 9 (2), png 0 … 10 (7), else -1 */
	bool lossless;          /* webp, avif */
	bool progressive;       /* jpeg, png */
	struct rgba background; /* for contain's bars and for flattening; default black */
};

struct recipe {
	struct variant *variants;
	size_t n;
};
void recipe_done(struct recipe *r);

/* A list of faults in a request, each with a JSON pointer; the `errors` of a problem document. */
struct faults {
	json_t *list; /* array of {"detail", "pointer"}, the first 100; NULL while there is none */
	enum err_code code; /* of the first */
	size_t n;           /* how many there were, also those that are not listed */
};
void faults_add(struct faults *f, enum err_code code, const char *pointer, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
/* One more will only be counted: whoever makes pointers and hints for it may spare them. */
bool faults_full(const struct faults *f);
void faults_done(struct faults *f);
/* Faults in text of our own: ERR_INTERNAL with the first one's place and detail; f is done. */
enum err_code faults_internal(struct faults *f, const char *what, struct err *e) MUST_CHECK;

/* Parse a JSON array of variants found at `pointer`. false: faults were added. */
bool recipe_parse(const json_t *variants, const char *pointer, struct recipe *ret,
	struct faults *f);
/* The same for text of our own: a fault is ERR_INTERNAL with its place and detail. */
enum err_code recipe_from_json(const json_t *variants, struct recipe *ret, struct err *e)
	MUST_CHECK;
/* The canonical JSON of one variant, without its name; the caller frees. */
char *variant_canonical(const struct variant *v);
/* SHA-256 of RECIPE_REV ‖ codec versions ‖ canonical form: two variants that differ in their name
 * only share one result. `codecs` is the text that image_codecs() gives, fixed for a process. */
void variant_digest(const struct variant *v, const char *codecs, uint8_t out[VARIANT_DIGEST_LEN]);
/* {"name": …, every option …}: recipe_parse takes it back. */
json_t *variant_json(const struct variant *v);
json_t *recipe_json(const struct recipe *r);

/* Presets: named recipes. The built-in one is "web", the five copies. */
struct presets;
struct presets *presets_new(void); /* with the built-in ones */
void presets_free(struct presets *p);
/* Add and override from a JSON text {"name": [variant…], …}. */
enum err_code presets_add_json(struct presets *p, const char *text, size_t n, struct err *e)
	MUST_CHECK;
const struct recipe *presets_find(const struct presets *p, const char *name);
/* The name that was perhaps meant, or NULL; lives as long as the presets. */
const char *presets_nearest(const struct presets *p, const char *name);
json_t *presets_json(const struct presets *p); /* {"web": [variant…], …} */

#endif
