/* SPDX-License-Identifier: MIT
 *
 * What a bucket's owner must allow, by the requests that we make; the names are those of AWS's
 * "Actions, resources, and condition keys for Amazon S3". A request that is not here asks for a right that
 * no policy of ours gives.
 */
#include "blob/s3.h"

#include <assert.h>
#include <string.h>

static const struct {
	const char *method,
		*query; /* query: the name that tells one request from another; "": none */
	bool of_bucket;
	const char *action;
} requests[] = {
	{ "GET", "", false, "s3:GetObject" },
	{ "HEAD", "", false, "s3:GetObject" },
	{ "PUT", "", false, "s3:PutObject" },
	{ "POST", "uploads", false, "s3:PutObject" },
	{ "PUT", "partNumber", false, "s3:PutObject" },
	{ "POST", "uploadId", false, "s3:PutObject" },
	{ "DELETE", "uploadId", false, "s3:AbortMultipartUpload" },
	{ "DELETE", "", false, "s3:DeleteObject" },
	{ "GET", "list-type", true, "s3:ListBucket" },
	{ "GET", "uploads", true, "s3:ListBucketMultipartUploads" },
};

const char *s3_right(const struct s3_call *c)
{
	const char *query = c->query_n > 0 ? c->query[0].name : "";

	for (size_t i = 0; i < ARRAY_LEN(requests); i++)
		if (strcmp(requests[i].method, c->method) == 0 &&
			strcmp(requests[i].query, query) == 0 &&
			requests[i].of_bucket == (c->key == NULL))
			return requests[i].action;
	return NULL;
}

static bool seen(const char *const *list, size_t n, const char *action)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], action) == 0)
			return true;
	return false;
}

size_t s3_rights(bool of_bucket, const char *ret[BLOB_RIGHTS_MAX])
{
	size_t n = 0;

	static_assert(ARRAY_LEN(requests) <= BLOB_RIGHTS_MAX, "room for all");
	for (size_t i = 0; i < ARRAY_LEN(requests); i++)
		if (requests[i].of_bucket == of_bucket && !seen(ret, n, requests[i].action))
			ret[n++] = requests[i].action;
	return n;
}
