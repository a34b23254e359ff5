/* SPDX-License-Identifier: MIT
 *
 * The way back. Both forms of the header fields are written for payload 1.0: REST APIs read the one
 * with many values, load balancers whichever they were set up for.
 */
#include "lambda/gateway.h"

#include "base/digest.h"

#include <string.h>
#include <strings.h>

void gateway_answer_add(struct gateway_answer *g, const char *name, const char *value)
{
	if (g->n == g->cap) {
		g->cap = g->cap ? g->cap * 2 : 32;
		g->headers = mem_realloc(g->headers, g->cap, sizeof(*g->headers));
	}
	struct gateway_header *h = &g->headers[g->n++];
	*h = (struct gateway_header){ mem_strdup(name), mem_strdup(value) };
	for (char *p = h->name; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 'a' - 'A' : *p);
}

void gateway_answer_done(struct gateway_answer *g)
{
	for (size_t i = 0; i < g->n; i++) {
		free(g->headers[i].name);
		free(g->headers[i].value);
	}
	free(g->headers);
	*g = (struct gateway_answer){ 0 };
}

static void put_headers(const struct gateway_answer *g, int version, json_t *answer)
{
	json_t *one = json_obj(), *many = json_obj(), *cookies = json_arr();
	for (size_t i = 0; i < g->n; i++) {
		const char *name = g->headers[i].name, *value = g->headers[i].value;
		const char *before = json_get_str(one, name, NULL);
		autofree char *joined = before ? mem_printf("%s, %s", before, value) : NULL;
		if (version == 2 && strcmp(name, "set-cookie") == 0) {
			json_push(cookies, json_string(value));
			continue;
		}
		if (!json_object_get(many, name))
			json_put(many, name, json_arr());
		json_push(json_object_get(many, name), json_string(value));
		json_put_str(one, name, joined ? joined : value);
	}
	json_put(answer, "headers", one);
	json_put(answer, version == 2 ? "cookies" : "multiValueHeaders",
		version == 2 ? cookies : many);
	json_decref(version == 2 ? many : cookies);
}

/* JSON strings hold UTF-8 and no NUL. */
static json_t *text_of(const void *body, size_t n)
{
	return memchr(body, 0, n) ? NULL : json_stringn(body, n);
}

json_t *gateway_answer_json(const struct gateway_answer *g, int version, const void *body, size_t n)
{
	json_t *answer = json_obj(), *text = n ? text_of(body, n) : json_string("");
	json_put_int(answer, "statusCode", g->status);
	put_headers(g, version, answer);
	json_put_bool(answer, "isBase64Encoded", text == NULL);
	if (text == NULL) {
		autofree char *coded = mem_array(BASE64_MAX(n), 1);
		base64_format(body, n, coded);
		text = json_string(coded);
	}
	json_put(answer, "body", text);
	return answer;
}

json_t *gateway_problem(const struct gateway_request *r, int status, const struct err *why)
{
	autojson *doc = json_obj();
	struct gateway_answer g = { .status = status };
	autofree char *type = mem_printf("%s/errors/%s", r->prefix ? r->prefix : "",
		err_name(why->code));
	json_put_str(doc, "type", type);
	json_put_str(doc, "title", err_title(why->code));
	json_put_int(doc, "status", status);
	json_put_str(doc, "detail", why->text);
	json_put_str(doc, "code", err_name(why->code));
	autofree char *text = json_text(doc);
	gateway_answer_add(&g, "content-type", "application/problem+json");
	gateway_answer_add(&g, "cache-control", "no-store");
	if (status == 502 || status == 503 || status == 504)
		gateway_answer_add(&g, "retry-after", "2");
	json_t *answer = gateway_answer_json(&g, r->version ? r->version : 2, text, strlen(text));
	gateway_answer_done(&g);
	return answer;
}
