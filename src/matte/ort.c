/* SPDX-License-Identifier: MIT
 *
 * ONNX Runtime, opened at run time: bulb runs without it, and any library that has the functions
 * serves, whoever built it. A process opens one and keeps it (its threads could not be taken down
 * safely), which is why the table is the one variable here that outlives its callers.
 */
#include "matte/ort.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct ort_api_base {
	const void *const *(*get_api)(uint32_t version);
	const char *(*get_version)(void);
};

static struct ort table;
static const char *loaded_version;

static void fill_table(const void *const *functions)
{
#define ORT_TAKE(index, type, name, params)                                                        \
	table.name = (__typeof__(table.name))(uintptr_t)functions[index];
	ORT_FUNCTIONS(ORT_TAKE)
#undef ORT_TAKE
}

enum err_code ort_load(const char *path, const char **ret_version, struct err *e)
{
	if (loaded_version) {
		*ret_version = loaded_version;
		return OK;
	}
	/* Since 1.30 the runtime reports to its makers over the network, unless told not to. */
	if (setenv("ORT_DISABLE_TELEMETRY", "1", 1) != 0)
		return err_set(e, ERR_MATTE_UNAVAILABLE,
			"runtime: its telemetry cannot be switched off");
	void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		const char *why = dlerror();
		return err_set(e, ERR_MATTE_UNAVAILABLE, "runtime: %s", why ? why : path);
	}
	const struct ort_api_base *(*get_base)(
		void) = (__typeof__(get_base))(uintptr_t)dlsym(lib, "OrtGetApiBase");
	const struct ort_api_base *base = get_base ? get_base() : NULL;
	const void *const *functions = base ? base->get_api(ORT_API_VERSION) : NULL;
	if (!functions) {
		dlclose(lib);
		return err_set(e, ERR_MATTE_UNAVAILABLE,
			base ? "runtime: %s: this version of ONNX Runtime is too old"
			     : "runtime: %s: this library is not ONNX Runtime",
			path);
	}
	fill_table(functions);
	*ret_version = loaded_version = base->get_version();
	return OK;
}

const struct ort *ort_get(void)
{
	return loaded_version ? &table : NULL;
}

static bool tells_of_memory(const char *text)
{
	return strstr(text, "bad_alloc") || strstr(text, "ailed to allocate") ||
		strstr(text, "ut of memory");
}

enum err_code ort_check(struct ort_status *s, enum err_code code, const char *what, struct err *e)
{
	if (!s)
		return OK;
	const char *text = table.get_error_message(s);
	if (tells_of_memory(text))
		code = ERR_LIMIT_MEMORY;
	err_set(e, code, "%s: %.*s", what, (int)strcspn(text, "\r\n"), text);
	table.release_status(s);
	return code;
}
