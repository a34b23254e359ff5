/* SPDX-License-Identifier: MIT
 *
 * The list of URLs as a set. Each entry gets an identity, a digest of what makes it another piece
 * of work: normalised URL (or cache_key), headers, and options where they are not the job's. A
 * hash table finds the entry that was there first; the digests are their own hashes.
 */
#include "job/request_impl.h"

#include "base/url.h"

#include <string.h>

#define SCRATCH_ENTRIES 256 /* entries that share one scratch arena */

/* One entry as given. */
struct entry {
	struct request_context *c;
	const char *url, *ref, *cache_key;
	const json_t *preset, *variants;
	json_t *headers, *metadata;
	uint8_t headers_digest[SHA256_LEN];
	const struct recipe *recipe;
	const struct cut *cut;
};

struct set {
	struct request_context *c;
	uint8_t (*identities)[SHA256_LEN]; /* of c->r->items, by index */
	uint32_t *slots;                   /* index + 1 into them, 0: free */
	size_t slots_n;                    /* a power of two, at most half full */
	struct arena *scratch;
	uint8_t job_recipe[SHA256_LEN], job_cut[SHA256_LEN];
	const struct recipe *last; /* entries often name the same preset in a row */
	uint8_t last_digest[SHA256_LEN];
};

/* ---- one entry ---- */

static void read_url(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct entry *en = dst;
	(void)read_str(v, en->c->lim->url_bytes, at, f, &en->url);
}

static void read_ref(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct entry *en = dst;
	(void)read_str(v, en->c->lim->ref_bytes, at, f, &en->ref);
}

static void read_cache_key(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct entry *en = dst;
	(void)read_str(v, en->c->lim->url_bytes, at, f, &en->cache_key);
}

static void read_headers(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct entry *en = dst;
	en->headers = request_headers(en->c, v, at, en->headers_digest, f);
}

static void read_preset(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)at, (void)f;
	((struct entry *)dst)->preset = v;
}

static void read_variants(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	(void)at, (void)f;
	((struct entry *)dst)->variants = v;
}

static void read_metadata(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct entry *en = dst;
	en->metadata = request_metadata(en->c, v, at, f);
}

static void read_background(void *dst, const json_t *v, const struct at *at, struct faults *f)
{
	struct entry *en = dst;
	en->cut = request_cut(en->c, v, at, f);
}

static const struct member members[] = {
	{ "url", read_url },
	{ "ref", read_ref },
	{ "cache_key", read_cache_key },
	{ "headers", read_headers },
	{ "preset", read_preset },
	{ "variants", read_variants },
	{ "metadata", read_metadata },
	{ "background", read_background },
};

static void entry_done(struct entry *en)
{
	json_decref(en->headers);
	json_decref(en->metadata);
}

static bool read_entry(struct entry *en, const json_t *v, const struct at *at, struct faults *f)
{
	size_t before = f->n;
	if (json_is_string(v))
		return read_str(v, en->c->lim->url_bytes, at, f, &en->url);
	if (!json_is_object(v)) {
		at_fault(f, at, ERR_REQUEST_INVALID, "must be a URL or an object with a url");
		return false;
	}
	members_read(v, members, ARRAY_LEN(members), at, en, f);
	en->recipe = request_recipe(en->c, en->preset, en->variants, at, f);
	struct at url = { .up = at, .name = "url" };
	if (!en->url && f->n == before)
		at_fault(f, &url, ERR_REQUEST_INVALID, "each entry needs a url");
	return f->n == before;
}

/* The spelling that URLs are compared in, in the scratch arena; NULL after a fault. */
static char *identity_of(const struct entry *en, struct arena *scratch, bool is_object,
	const struct at *at, struct faults *f)
{
	struct err e = { 0 };
	struct url u;
	struct at member = { .up = at, .name = "url" };
	const struct at *place = is_object ? &member : at;
	if (url_parse(en->url, scratch, &u, &e) != OK) {
		at_fault(f, place, ERR_REQUEST_INVALID, "%s", e.text);
		return NULL;
	}
	if (strcmp(u.scheme, "file") == 0 && !en->c->lim->allow_files) {
		at_fault(f, place, ERR_REQUEST_INVALID,
			"a URL must start with http:// or https://");
		return NULL;
	}
	if (u.has_userinfo) {
		at_fault(f, place, ERR_REQUEST_INVALID,
			"a URL must not hold a user or password: give an Authorization header");
		return NULL;
	}
	return url_identity(&u, scratch);
}

/* ---- identities ---- */

static void recipe_digest(const struct recipe *r, uint8_t out[SHA256_LEN])
{
	autojson *list = recipe_json(r);
	autofree char *text = json_text(list);
	sha256_of(text, strlen(text), out);
}

/* Options of its own that are the job's are none. */
static void settle_recipe(struct set *s, struct entry *en)
{
	if (!en->recipe)
		return;
	if (en->recipe != s->last) {
		recipe_digest(en->recipe, s->last_digest);
		s->last = en->recipe;
	}
	if (memcmp(s->last_digest, s->job_recipe, SHA256_LEN) == 0)
		en->recipe = NULL;
}

static void digest_cut(const struct cut *c, uint8_t out[SHA256_LEN])
{
	autojson *o = cut_json(c);
	autofree char *text = json_text_sorted(o);
	sha256_of(text, strlen(text), out);
}

/* The digest of the cut-out it gets; one of its own that is the job's is none. */
static void settle_cut(struct set *s, struct entry *en, uint8_t out[SHA256_LEN])
{
	memcpy(out, s->job_cut, SHA256_LEN);
	if (!en->cut)
		return;
	digest_cut(en->cut, out);
	if (memcmp(out, s->job_cut, SHA256_LEN) == 0)
		en->cut = NULL;
}

static void source_key(struct arena *scratch, const struct entry *en, const char *identity,
	uint8_t out[SHA256_LEN])
{
	char *text = arena_printf(scratch, "%s %s", en->cache_key ? "key" : "url",
		en->cache_key ? en->cache_key : identity);
	size_t n = strlen(text);
	char *all = arena_alloc(scratch, n + 1 + SHA256_LEN);
	memcpy(all, text, n + 1); /* the NUL stands between the two */
	memcpy(all + n + 1, en->headers_digest, SHA256_LEN);
	sha256_of(all, n + 1 + SHA256_LEN, out);
}

static void item_identity(struct set *s, struct entry *en, const uint8_t key[SHA256_LEN],
	uint8_t out[SHA256_LEN])
{
	uint8_t cut[SHA256_LEN];
	settle_cut(s, en, cut);
	memcpy(out, key, SHA256_LEN);
	if (!en->recipe && !en->cut && !en->metadata)
		return;
	autofree char *metadata = en->metadata ? json_text_sorted(en->metadata) : mem_strdup("");
	struct sha256 *h = sha256_new();
	sha256_add(h, key, SHA256_LEN);
	sha256_add(h, en->recipe ? s->last_digest : s->job_recipe, SHA256_LEN);
	sha256_add(h, cut, SHA256_LEN);
	sha256_add(h, metadata, strlen(metadata));
	sha256_end(h, out);
}

/* ---- the set ---- */

static uint32_t *slot_of(struct set *s, const uint8_t identity[SHA256_LEN])
{
	uint64_t hash;
	memcpy(&hash, identity, sizeof(hash));
	for (size_t i = hash & (s->slots_n - 1);; i = (i + 1) & (s->slots_n - 1)) {
		uint32_t *slot = &s->slots[i];
		if (!*slot || memcmp(s->identities[*slot - 1], identity, SHA256_LEN) == 0)
			return slot;
	}
}

static void add_ref(struct request_context *c, struct request_item *it, const char *ref,
	const struct at *at, struct faults *f)
{
	for (size_t i = 0; i < it->refs_n; i++) {
		if (strcmp(it->refs[i], ref) == 0)
			return;
	}
	if (it->refs_n == c->lim->refs) {
		struct at member = { .up = at, .name = "ref" };
		at_fault(f, &member, ERR_REQUEST_LIMIT, "%zu refs for one URL: the limit is %zu",
			it->refs_n + 1, c->lim->refs);
		return;
	}
	if ((it->refs_n & (it->refs_n - 1)) == 0) { /* full: capacities are powers of two */
		const char **more = arena_alloc(c->r->arena,
			(it->refs_n ? it->refs_n * 2 : 1) * sizeof(*more));
		if (it->refs_n)
			memcpy(more, it->refs, it->refs_n * sizeof(*more));
		it->refs = more;
	}
	it->refs[it->refs_n++] = arena_strdup(c->r->arena, ref);
}

static struct request_item *add_item(struct set *s, struct entry *en, const uint8_t key[SHA256_LEN])
{
	struct request *r = s->c->r;
	struct request_item *it = &r->items[r->items_n++];
	it->url = arena_strdup(r->arena, en->url);
	it->headers = TAKE(&en->headers);
	it->metadata = TAKE(&en->metadata);
	it->recipe = en->recipe;
	it->cut = en->cut;
	memcpy(it->source_key, key, SHA256_LEN);
	return it;
}

static struct request_item *find_or_add(struct set *s, struct entry *en,
	const uint8_t key[SHA256_LEN])
{
	struct request *r = s->c->r;
	uint8_t *id = s->identities[r->items_n];
	item_identity(s, en, key, id);
	uint32_t *slot = slot_of(s, id);
	if (*slot) {
		r->duplicates++;
		return &r->items[*slot - 1];
	}
	*slot = (uint32_t)r->items_n + 1;
	return add_item(s, en, key);
}

static void take_entry(struct set *s, struct entry *en, const char *identity, const struct at *at,
	struct faults *f)
{
	uint8_t key[SHA256_LEN];
	source_key(s->scratch, en, identity, key);
	settle_recipe(s, en);
	struct request_item *it = find_or_add(s, en, key);
	if (en->ref)
		add_ref(s->c, it, en->ref, at, f);
}

static void read_list(struct set *s, const json_t *urls, const struct at *list, struct faults *f)
{
	for (size_t i = 0; i < json_array_size(urls); i++) {
		if (i % SCRATCH_ENTRIES == 0) {
			arena_free(s->scratch);
			s->scratch = arena_new();
		}
		const json_t *v = json_array_get(urls, i);
		struct at at = { .up = list, .index = i };
		struct entry en = { .c = s->c };
		char *identity = NULL;
		if (read_entry(&en, v, &at, f))
			identity = identity_of(&en, s->scratch, json_is_object(v), &at, f);
		if (identity)
			take_entry(s, &en, identity, &at, f);
		entry_done(&en);
	}
}

static void set_init(struct set *s, struct request_context *c, size_t n)
{
	*s = (struct set){ .c = c, .slots_n = 16 };
	while (s->slots_n < 2 * n)
		s->slots_n *= 2;
	s->slots = mem_array(s->slots_n, sizeof(*s->slots));
	s->identities = mem_array(n, sizeof(*s->identities));
	c->r->items = arena_alloc(c->r->arena, n * sizeof(*c->r->items));
	recipe_digest(&c->r->recipe, s->job_recipe);
	digest_cut(&c->r->cut, s->job_cut);
}

static void set_done(struct set *s)
{
	arena_free(s->scratch);
	free(s->slots);
	free(s->identities);
}

void request_items(struct request_context *c, const json_t *urls, const struct at *at,
	struct faults *f)
{
	size_t n = json_array_size(urls);
	if (!json_is_array(urls) || n == 0) {
		at_fault(f, at, ERR_REQUEST_INVALID, "must be a list of at least one URL");
		return;
	}
	if (n > c->lim->urls) {
		at_fault(f, at, ERR_REQUEST_LIMIT, "%zu URLs: the limit is %zu", n, c->lim->urls);
		return;
	}
	struct set s;
	set_init(&s, c, n);
	read_list(&s, urls, at, f);
	set_done(&s);
}

bool request_take_items(struct request *r, struct request_item *items, size_t n,
	const struct request_limits *lim, struct faults *f)
{
	struct request_context c = { .r = r, .lim = lim };
	struct at root = { .name = "" }, at = { .up = &root, .name = "from" };
	size_t before = f->n;
	struct set s;
	if (n > lim->urls) {
		at_fault(f, &at, ERR_REQUEST_LIMIT, "%zu URLs: the limit is %zu", n, lim->urls);
		return false;
	}
	set_init(&s, &c, n);
	for (size_t i = 0; i < n; i++) {
		struct entry en = { .c = &c,
			.url = items[i].url,
			.headers = TAKE(&items[i].headers),
			.metadata = TAKE(&items[i].metadata) };
		struct request_item *it = find_or_add(&s, &en, items[i].source_key);
		for (size_t k = 0; k < items[i].refs_n; k++)
			add_ref(&c, it, items[i].refs[k], &at, f);
		entry_done(&en);
	}
	set_done(&s);
	return f->n == before;
}
