/* SPDX-License-Identifier: MIT
 *
 * Whatever json_parse takes must survive being written and read again, in both forms.
 */
#include "base/json.h"
#include "base/mem.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autojson *first = NULL, *second = NULL;
	struct err e = { 0 };
	if (json_parse((const char *)data, size, &first, &e) != OK) {
		must(e.code == ERR_REQUEST_MALFORMED && *e.text);
		return 0;
	}
	autofree char *text = json_text(first), *sorted = json_text_sorted(first);
	must(json_parse(sorted, strlen(sorted), &second, &e) == OK);
	autofree char *again = json_text_sorted(second);
	must(strcmp(sorted, again) == 0 && strlen(text) == strlen(sorted));
	return 0;
}
