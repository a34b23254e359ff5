/* SPDX-License-Identifier: MIT
 *
 * A response head, cut into lines as libcurl does.
 */
#include "net/head.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct head h;
	head_start(&h);
	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t n = end != NULL ? (size_t)(end - data) + 1 : size;
		enum head_event event = head_line(&h, (const char *)data, n);
		if (event == HEAD_STATUS)
			assert(h.status >= 200 && h.status <= 999);
		if (event == HEAD_FIELD)
			assert(h.name[0] != '\0' &&
				strlen(h.name) + strlen(h.value) <= HEAD_LINE_MAX);
		if (event == HEAD_TOO_LARGE)
			break;
		data += n;
		size -= n;
	}
	assert(h.lines <= HEAD_LINES_MAX + 1);
	return 0;
}
