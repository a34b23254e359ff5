/* SPDX-License-Identifier: MIT
 *
 * S3's answers as elements. expat does the reading, for only a whole parser tells an answer that was
 * cut off from one that ended; the documents themselves are flat, so that a name, a depth and a text
 * are all that anybody needs. A document type is refused: S3 sends none, and entities are what
 * parsers are attacked with.
 */
#include "blob/s3.h"

#include <expat.h>
#include <string.h>

enum { DEPTH_MAX = 8, ELEMENT_TEXT_MAX = 16 << 10 };

struct reader {
	XML_Parser parser;
	s3_xml_fn *fn;
	void *ctx;
	int depth; /* of open elements */
	struct buf text;
};

static void on_start(void *ctx, const char *name, const char **attributes)
{
	struct reader *r = ctx;
	(void)name, (void)attributes;
	if (++r->depth > DEPTH_MAX)
		XML_StopParser(r->parser, XML_FALSE);
	buf_reset(&r->text);
}

static void on_end(void *ctx, const char *name)
{
	struct reader *r = ctx;
	r->fn(r->ctx, --r->depth, name, buf_str(&r->text));
	buf_reset(&r->text);
}

static void on_text(void *ctx, const char *s, int n)
{
	struct reader *r = ctx;
	if (!buf_add(&r->text, s, (size_t)n))
		XML_StopParser(r->parser, XML_FALSE);
}

static void on_doctype(void *ctx, const char *name, const char *system, const char *public,
	int internal)
{
	struct reader *r = ctx;
	(void)name, (void)system, (void)public, (void)internal;
	XML_StopParser(r->parser, XML_FALSE);
}

bool s3_xml_read(const char *text, size_t n, s3_xml_fn *fn, void *ctx)
{
	struct reader r = { .fn = fn, .ctx = ctx, .text = BUF_INIT(ELEMENT_TEXT_MAX) };
	if (n > S3_TEXT_MAX)
		return false;
	r.parser = XML_ParserCreate("UTF-8");
	if (r.parser == NULL)
		return false;
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, on_start, on_end);
	XML_SetCharacterDataHandler(r.parser, on_text);
	XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
	bool good = XML_Parse(r.parser, text, (int)n, XML_TRUE) == XML_STATUS_OK;
	XML_ParserFree(r.parser);
	buf_done(&r.text);
	return good;
}
