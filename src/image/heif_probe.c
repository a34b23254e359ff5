/* SPDX-License-Identifier: MIT
 *
 * HEIF and AVIF (ISO/IEC 23008-12, AVIF 1.1): boxes in boxes. The size is a property (ispe) of the
 * primary item; the largest size of any item is what limits are held against, because the decoder
 * works through all tiles of a grid.
 */
#include "image/probe.h"

enum { PROPERTIES_MAX = 1024 };

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

/* Property number `want` (from 1) of ipco. */
static bool property(struct span ipco, uint32_t want, struct box *ret)
{
	uint32_t i = 1;
	for (size_t at = 0; i <= PROPERTIES_MAX && box_at(ipco, at, ret); at += ret->bytes, i++)
		if (i == want)
			return true;
	return false;
}

struct size {
	int w, h;
};

/* false: it is no size, or none that anybody could hold. */
static bool box_size(const struct box *b, struct size *ret)
{
	uint32_t w = span_be32(b->body, 4), h = span_be32(b->body, 8);
	if (strcmp(b->type, "ispe") != 0 || w > INT32_MAX || h > INT32_MAX)
		return false;
	*ret = (struct size){ (int)w, (int)h };
	return true;
}

/* The size of one item, turned as its rotation says, through the association box. */
static void read_item(struct span ipma, struct span ipco, uint32_t item, struct size *ret)
{
	bool wide_id = span_u8(ipma, 0) >= 1, wide_index = span_u8(ipma, 3) & 1;
	uint32_t entries = span_be32(ipma, 4);
	size_t at = 8;
	bool turned = false;
	for (uint32_t i = 0; i < entries && at < ipma.n; i++) {
		uint32_t id = wide_id ? span_be32(ipma, at) : span_be16(ipma, at);
		at += wide_id ? 4 : 2;
		uint32_t n = span_u8(ipma, at++);
		for (uint32_t k = 0; k < n; k++, at += wide_index ? 2 : 1) {
			uint32_t index = wide_index ? span_be16(ipma, at) & 0x7fff
						    : span_u8(ipma, at) & 0x7f;
			struct box b;
			if (id != item || !property(ipco, index, &b))
				continue;
			(void)box_size(&b, ret);
			if (strcmp(b.type, "irot") == 0)
				turned = span_u8(b.body, 0) & 1;
		}
	}
	if (turned)
		*ret = (struct size){ ret->h, ret->w };
}

static double area(struct size s)
{
	return (double)s.w * s.h;
}

/* The largest size that any item claims, and whether one of them is an alpha plane. */
static struct size read_all(struct span ipco, bool *ret_alpha)
{
	struct box b;
	struct size most = { 0 }, size;
	int count = 0;
	for (size_t at = 0; count++ < PROPERTIES_MAX && box_at(ipco, at, &b); at += b.bytes) {
		if (box_size(&b, &size) && area(size) > area(most))
			most = size;
		if (strcmp(b.type, "auxC") == 0)
			*ret_alpha = true;
	}
	return most;
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
	struct size own = { 0 }, most = read_all(ipco, &p->h.has_alpha);
	read_item(ipma, ipco, primary_item(meta), &own);
	if (area(most) > area(own))
		own = most;
	p->h.width = own.w;
	p->h.height = own.h;
	p->bytes_per_pixel = 16; /* planes of the codec, its references, their RGB copy */
	return OK;
}
