/* SPDX-License-Identifier: MIT
 *
 * HEIF and AVIF (ISO/IEC 23008-12, AVIF 1.1): boxes in boxes. The size is a property (ispe) of the
 * primary item; the largest size of any item is what limits are held against, because the decoder
 * works through all tiles of a grid.
 */
#include "image/probe.h"

#include <math.h>

enum { PROPERTIES_MAX = 1024 };
enum { LINE_BYTES = 2 }; /* most of the planes are gone when the lines are there */

struct box {
	char type[5];
	struct span body;
	size_t bytes; /* with its header */
};

/* The box at `at`; false at the end or when it is damaged. */
static bool box_at(struct span s, size_t at, struct box *ret)
{
	if (at + 8 > s.n)
		return false;
	uint64_t size = span_be32(s, at);
	size_t head = 8;
	if (size == 1) {
		size = span_be64(s, at + 8);
		head = 16;
	} else if (size == 0) {
		size = s.n - at;
	}
	if (size < head)
		return false;
	memcpy(ret->type, s.p + at + 4, 4);
	ret->type[4] = 0;
	ret->body = span_part(s, at + head, size - head);
	ret->bytes = size > s.n - at ? s.n - at : (size_t)size;
	return true;
}

static bool find_box(struct span s, const char *type, struct span *ret)
{
	struct box b;
	for (size_t at = 0; box_at(s, at, &b); at += b.bytes)
		if (strcmp(b.type, type) == 0) {
			*ret = b.body;
			return true;
		}
	return false;
}

static uint32_t primary_item(struct span meta)
{
	struct span pitm;
	if (!find_box(meta, "pitm", &pitm))
		return 0;
	return span_u8(pitm, 0) == 0 ? span_be16(pitm, 4) : span_be32(pitm, 4);
}

struct size {
	int w, h;
};

static double area(struct size s)
{
	return (double)s.w * s.h;
}

/* A property of items, as far as it tells of size, direction or what a pixel takes. */
struct property {
	struct size size;
	double sample; /* bytes of one sample, of a codec's configuration; 0: it is none */
	double pixel;  /* bytes of a decoded pixel in the codec's planes */
	bool turns, is_alpha;
};
struct properties {
	struct property all[PROPERTIES_MAX];
	uint32_t n;
};

static struct size size_of(struct span ispe)
{
	uint32_t w = span_be32(ispe, 4), h = span_be32(ispe, 8);
	if (w > INT32_MAX || h > INT32_MAX) /* none that anybody could hold */
		return (struct size){ 0 };
	return (struct size){ (int)w, (int)h };
}

/* Depth maps and gain maps are auxiliary too, and are not decoded. */
static bool names_alpha(struct span aux)
{
	static const char *const names[] = { "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
		"urn:mpeg:hevc:2015:auxid:1", "urn:mpeg:avc:2015:auxid:1" };
	struct span name = span_part(aux, 4, aux.n);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (name.n >= strlen(names[i]) && memcmp(name.p, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* Samples a pixel of 4:0:0, 4:2:0, 4:2:2 and 4:4:4. */
static const double samples[] = { 1, 1.5, 2, 3 };

static void read_hevc(struct span config, struct property *ret)
{
	ret->sample = (span_u8(config, 17) & 7) || (span_u8(config, 18) & 7) ? 2 : 1;
	ret->pixel = ret->sample * samples[span_u8(config, 16) & 3];
}

static void read_av1(struct span config, struct property *ret)
{
	enum { DEEP = 0x40, GREY = 0x10, HALF_X = 8, HALF_Y = 4 };
	int bits = span_u8(config, 2);
	int kind = bits & GREY ? 0 : bits & HALF_X ? (bits & HALF_Y ? 1 : 2) : 3;
	ret->sample = bits & DEEP ? 2 : 1;
	ret->pixel = ret->sample * samples[kind];
}

static void read_properties(struct span ipco, struct properties *ret)
{
	struct box b;
	for (size_t at = 0; ret->n < PROPERTIES_MAX && box_at(ipco, at, &b); at += b.bytes) {
		struct property *p = &ret->all[ret->n++];
		if (strcmp(b.type, "ispe") == 0)
			p->size = size_of(b.body);
		else if (strcmp(b.type, "irot") == 0)
			p->turns = span_u8(b.body, 0) & 1;
		else if (strcmp(b.type, "auxC") == 0)
			p->is_alpha = names_alpha(b.body);
		else if (strcmp(b.type, "hvcC") == 0)
			read_hevc(b.body, p);
		else if (strcmp(b.type, "av1C") == 0)
			read_av1(b.body, p);
	}
}

/* What the items are, through the association box: the size of the primary one, turned as its
 * rotation says, and the most pixels that are coded in one piece. */
static void read_items(struct span ipma, const struct properties *all, uint32_t primary,
	struct size *ret_own, double *ret_coded)
{
	bool wide_id = span_u8(ipma, 0) >= 1, wide_index = span_u8(ipma, 3) & 1;
	uint32_t entries = span_be32(ipma, 4);
	size_t at = 8;
	for (uint32_t i = 0; i < entries && at < ipma.n; i++) {
		uint32_t id = wide_id ? span_be32(ipma, at) : span_be16(ipma, at);
		at += wide_id ? 4 : 2;
		uint32_t n = span_u8(ipma, at++);
		struct property item = { 0 };
		for (uint32_t k = 0; k < n; k++, at += wide_index ? 2 : 1) {
			uint32_t index = wide_index ? span_be16(ipma, at) & 0x7fff
						    : span_u8(ipma, at) & 0x7f;
			if (index == 0 || index > all->n)
				continue;
			const struct property *p = &all->all[index - 1];
			if (area(p->size) > 0)
				item.size = p->size;
			item.turns |= p->turns;
			item.sample += p->sample;
		}
		if (item.sample > 0 && area(item.size) > *ret_coded)
			*ret_coded = area(item.size);
		if (id == primary && area(item.size) > 0)
			*ret_own = item.turns ? (struct size){ item.size.h, item.size.w }
					      : item.size;
	}
}

/* What libheif and the codec hold at most. Of the whole picture: it in the colours of its file, widened
 * to 4:4:4, and in RGB. Of what is coded in one piece: the codec's own planes, which of full AV1 are
 * two more. As measured, and a little beside; the rest is threads and tables. */
static double weigh(const struct properties *all, double pixels, double coded, bool alpha, bool av1)
{
	enum { HEVC_BYTES = 12 << 20, AV1_BYTES = 28 << 20 };
	const double beside = 1.05;
	double sample = 1, pixel = 1.5;
	for (uint32_t i = 0; i < all->n; i++) {
		sample = fmax(sample, all->all[i].sample);
		pixel = fmax(pixel, all->all[i].pixel);
	}
	double rgb = sample * (alpha ? 4 : 3);
	double codec = av1 ? 3 * pixel - 3 * sample : pixel;
	codec = fmax(codec, sample) + (alpha ? 3 * sample : 0);
	return beside * (2 * rgb * pixels + codec * coded) + (av1 ? AV1_BYTES : HEVC_BYTES);
}

enum err_code heif_probe(struct span s, struct probe *p, struct err *e)
{
	struct span meta, iprp, ipco, ipma;
	if (!find_box(s, "meta", &meta))
		return err_set(e, ERR_DECODE_CORRUPT, "heif: no meta box");
	meta = span_part(meta, 4, meta.n);
	if (!find_box(meta, "iprp", &iprp) || !find_box(iprp, "ipco", &ipco) ||
		!find_box(iprp, "ipma", &ipma))
		return err_set(e, ERR_DECODE_CORRUPT, "heif: no item properties");
	struct properties all = { 0 };
	struct size own = { 0 };
	double coded = 0;
	read_properties(ipco, &all);
	read_items(ipma, &all, primary_item(meta), &own, &coded);
	for (uint32_t i = 0; i < all.n; i++) {
		if (area(all.all[i].size) > area(own))
			own = all.all[i].size;
		p->h.has_alpha |= all.all[i].is_alpha;
	}
	p->h.width = own.w;
	p->h.height = own.h;
	p->line_bytes = LINE_BYTES;
	p->buffer_bytes = 2.0 * (double)s.n +
		weigh(&all, area(own), coded > 0 ? coded : area(own), p->h.has_alpha,
			p->h.format == FORMAT_AVIF);
	return OK;
}
