/* SPDX-License-Identifier: MIT
 *
 * The manifest of a model: what is taken has a JSON form that is taken too, and says the same.
 */
#include "base/mem.h"
#include "matte/model.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { 0 };
	struct matte_model m, again;
	if (matte_model_parse((const char *)data, size, &m, &e) != OK) {
		assert(e.code == ERR_MATTE_UNAVAILABLE && e.text[0]);
		return 0;
	}
	assert(m.w >= 16 && m.h >= 16 && m.gf_radius <= 40 && !strchr(m.file, '/'));
	autojson *doc = matte_model_json(&m);
	autofree char *text = json_text(doc);
	assert(matte_model_parse(text, strlen(text), &again, &e) == OK);
	autojson *doc_again = matte_model_json(&again);
	autofree char *text_again = json_text(doc_again);
	assert(strcmp(text, text_again) == 0);
	return 0;
}
