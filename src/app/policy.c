/* SPDX-License-Identifier: MIT
 *
 * A policy is written for the bucket, the prefix, the key and the function that the settings name, and
 * gives nothing else: no action has a wildcard.
 */
#include "app/policy.h"

#include "app/say.h"
#include "base/buf.h"
#include "base/environment.h"
#include "base/json.h"
#include "blob/blob.h"
#include "net/net.h"

#include <stdio.h>
#include <string.h>

/* AWS is three clouds that share nothing; a region's name tells which. */
static const char *partition(const char *region)
{
	if (strncmp(region, "cn-", 3) == 0)
		return "aws-cn";
	return strncmp(region, "us-gov-", 7) == 0 ? "aws-us-gov" : "aws";
}

static void allow(json_t *statements, const char *const *actions, size_t n, const char *resource)
{
	json_t *s = json_obj(), *list = json_arr();

	for (size_t i = 0; i < n; i++)
		json_push(list, json_string(actions[i]));
	json_put_str(s, "Effect", "Allow");
	json_put(s, "Action", list);
	json_put_str(s, "Resource", resource);
	json_push(statements, s);
}

/* Only a key of one's own needs leave: that of S3 itself is S3's to use. An alias is no resource, so it is
 * a condition. */
static void allow_key(json_t *statements, const struct conf *c, const char *region)
{
	static const char *const actions[] = { "kms:GenerateDataKey", "kms:Decrypt" };
	const char *key = c->s3_kms_key;

	if (!key)
		return;
	bool arn = strncmp(key, "arn:", 4) == 0, alias = strncmp(key, "alias/", 6) == 0;
	autofree char *resource = arn ? mem_strdup(key)
				      : mem_printf("arn:%s:kms:%s:*:key/%s", partition(region),
						region, alias ? "*" : key);
	allow(statements, actions, ARRAY_LEN(actions), resource);
	if (!alias)
		return;
	json_t *is = json_obj(), *when = json_obj();
	json_put_str(is, "kms:ResourceAliases", key);
	json_put(when, "ForAnyValue:StringEquals", is);
	json_put(json_array_get(statements, json_array_size(statements) - 1), "Condition", when);
}

static enum err_code allow_bucket(json_t *statements, const struct conf *c, struct err *e)
{
	struct blob_opts o = { .environment = c->environment, .s3_style = c->s3_style };
	CLEANUP(blob_freep) struct blob *b = NULL;
	const char *actions[BLOB_RIGHTS_MAX];

	if (!c->blob || strncmp(c->blob, "s3:", 3) != 0)
		return OK;
	if (net_init(e) != OK || blob_open_with(c->blob, &o, &b, e) != OK)
		return e->code;
	struct blob_place p = blob_place(b);
	autofree char *bucket = mem_printf("arn:%s:s3:::%s", partition(p.region), p.bucket);
	autofree char *objects = mem_printf("%s/%s*", bucket, p.prefix);
	allow(statements, actions, blob_rights(b, false, actions), objects);
	allow(statements, actions, blob_rights(b, true, actions), bucket);
	allow_key(statements, c, p.region);
	return OK;
}

/* A name, name:version or ARN. */
static void allow_function(json_t *statements, const struct conf *c)
{
	static const char *const actions[] = { "lambda:InvokeFunction" };
	const char *region = environment_get(c->environment, "AWS_REGION");

	if (!c->dispatch || strncmp(c->dispatch, "lambda:", 7) != 0)
		return;
	if (!region)
		region = environment_get(c->environment, "AWS_DEFAULT_REGION");
	const char *name = c->dispatch + 7;
	autofree char *resource = strncmp(name, "arn:", 4) == 0
		? mem_strdup(name)
		: mem_printf("arn:%s:lambda:%s:*:function:%s", partition(region ? region : ""),
			  region ? region : "*", name);
	allow(statements, actions, ARRAY_LEN(actions), resource);
}

static enum err_code policy_text(const struct conf *c, struct buf *ret, struct err *e)
{
	autojson *doc = json_obj();
	json_t *statements = json_arr();

	json_put_str(doc, "Version", "2012-10-17");
	json_put(doc, "Statement", statements);
	if (allow_bucket(statements, c, e) != OK)
		return e->code;
	allow_function(statements, c);
	if (json_array_size(statements) == 0)
		return err_set(e, ERR_USAGE,
			"--policy: with these settings nothing is asked of AWS (--blob s3://… or "
			"--dispatch lambda:… does)");
	autofree char *text = json_dumps(doc, JSON_INDENT(2));
	buf_puts(ret, text ? text : "");
	buf_putc(ret, '\n');
	return OK;
}

int policy_print(const struct conf *c)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT(1 << 20);
	struct err e = { 0 };

	if (policy_text(c, &text, &e) != OK)
		return say_error(&e);
	fputs(buf_str(&text), stdout);
	return 0;
}
