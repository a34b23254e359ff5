/* SPDX-License-Identifier: MIT
 *
 * The darkroom's wire: any bytes are refused or are a message that is written back as the same bytes.
 */
#include "darkroom/wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[WIRE_MAX];
	static struct wire_msg m;
	struct err e;
	if (wire_parse(data, size, &m, &e) != OK)
		return 0;
	if (wire_format(&m, again) != size || memcmp(again, data, size) != 0)
		abort();
	return 0;
}
