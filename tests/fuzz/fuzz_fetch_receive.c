/* SPDX-License-Identifier: MIT
 *
 * What an origin says about its answer: a status, then fields, "Name: value" a line.
 */
#include "fetch/receive.h"
#include "net/net.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct receive r;
	struct sink sink = SINK_INIT(1000, NULL);
	char *text = mem_strndup((const char *)data, size), *rest = text;
	receive_start(&r, &sink, size % 2 == 0, NULL);
	const char *status = strsep(&rest, "\n");
	receive_status(&r, (int)strtol(status, NULL, 10));
	bool more = true;
	for (char *name; more && (name = strsep(&rest, "\n")) != NULL;) {
		char *value = name;
		strsep(&value, ":");
		more = receive_header(&r, name, value != NULL ? value : "");
	}
	assert(more || r.odd_encoding || r.rc == ERR_FETCH_TOO_LARGE);
	assert(r.retry_after_ms >= 0 && r.retry_after_ms <= NET_RETRY_AFTER_MAX_MS);
	assert(strlen(r.etag) < sizeof(r.etag) && strlen(r.location) <= URL_MAX + 1);
	if (more && receive_is_body(&r) && size > 0)
		assert(receive_body(&r, data, size) == (size <= 1000));
	sink_done(&sink);
	free(text);
	return 0;
}
