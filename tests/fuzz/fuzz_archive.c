/* SPDX-License-Identifier: MIT
 *
 * Archives: whatever the bytes are, members come within their limits or there is an error, and after
 * an error nothing is left.
 */
#include "base/archive.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct archive_member members[] = { { "color.jpg", BUF_INIT(1000), false },
		{ "alpha.png", BUF_INIT(100000), false } };
	struct err e = { 0 };
	enum err_code code = archive_members_of_memory(data, size, members, 2, &e);
	for (size_t i = 0; i < 2; i++) {
		if (members[i].data.len > members[i].data.max)
			abort();
		if (code != OK && (members[i].found || members[i].data.data))
			abort();
	}
	if (code != OK && code != ERR_DECODE_CORRUPT && code != ERR_LIMIT_OUTPUT &&
		code != ERR_LIMIT_MEMORY)
		abort();
	archive_members_done(members, 2);
	return 0;
}
