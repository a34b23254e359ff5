/* SPDX-License-Identifier: MIT
 *
 * The few functions of ONNX Runtime's C interface that are used, without its header.
 *
 * The interface is a table of function pointers that is only ever appended to, so a function is its
 * index. Indices and signatures: onnxruntime_c_api.h (MIT, https://github.com/microsoft/onnxruntime,
 * include/onnxruntime/core/session). All that is used here was there in version 5 of the interface
 * (ONNX Runtime 1.5), so that version is asked for: every later library has it too.
 */
#ifndef BULB_MATTE_ORT_H
#define BULB_MATTE_ORT_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define ORT_API_VERSION 5

enum {
	ORT_LOG_FATAL = 4,
	ORT_FLOAT = 1, /* element type */
	ORT_DEVICE_ALLOCATOR = 0,
	ORT_MEMORY_DEFAULT = 0
};

struct ort_status;
struct ort_env;
struct ort_session;
struct ort_value;
struct ort_run_options;
struct ort_type_info;
struct ort_tensor_info;
struct ort_session_options;
struct ort_allocator;
struct ort_memory_info;

/* F(index in the table, what it returns, name here, parameters) */
#define ORT_FUNCTIONS(F)                                                                           \
	F(2, const char *, get_error_message, (const struct ort_status *))                         \
	F(3, struct ort_status *, create_env, (int severity, const char *id, struct ort_env **))   \
	F(8, struct ort_status *, create_session_from_array,                                       \
		(struct ort_env *, const void *, size_t, const struct ort_session_options *,       \
			struct ort_session **))                                                    \
	F(9, struct ort_status *, run,                                                             \
		(struct ort_session *, const struct ort_run_options *, const char *const *in,      \
			const struct ort_value *const *, size_t, const char *const *out, size_t,   \
			struct ort_value **))                                                      \
	F(10, struct ort_status *, create_session_options, (struct ort_session_options **))        \
	F(16, struct ort_status *, enable_mem_pattern, (struct ort_session_options *))             \
	F(17, struct ort_status *, disable_mem_pattern, (struct ort_session_options *))            \
	F(18, struct ort_status *, enable_arena, (struct ort_session_options *))                   \
	F(19, struct ort_status *, disable_arena, (struct ort_session_options *))                  \
	F(22, struct ort_status *, set_log_severity, (struct ort_session_options *, int))          \
	F(23, struct ort_status *, set_graph_level, (struct ort_session_options *, int))           \
	F(24, struct ort_status *, set_intra_threads, (struct ort_session_options *, int))         \
	F(25, struct ort_status *, set_inter_threads, (struct ort_session_options *, int))         \
	F(30, struct ort_status *, input_count, (const struct ort_session *, size_t *))            \
	F(31, struct ort_status *, output_count, (const struct ort_session *, size_t *))           \
	F(33, struct ort_status *, input_type,                                                     \
		(const struct ort_session *, size_t, struct ort_type_info **))                     \
	F(34, struct ort_status *, output_type,                                                    \
		(const struct ort_session *, size_t, struct ort_type_info **))                     \
	F(36, struct ort_status *, input_name,                                                     \
		(const struct ort_session *, size_t, struct ort_allocator *, char **))             \
	F(37, struct ort_status *, output_name,                                                    \
		(const struct ort_session *, size_t, struct ort_allocator *, char **))             \
	F(49, struct ort_status *, create_tensor,                                                  \
		(const struct ort_memory_info *, void *, size_t bytes, const int64_t *dims,        \
			size_t rank, int type, struct ort_value **))                               \
	F(51, struct ort_status *, tensor_data, (struct ort_value *, void **))                     \
	F(55, struct ort_status *, as_tensor_info,                                                 \
		(const struct ort_type_info *, const struct ort_tensor_info **))                   \
	F(60, struct ort_status *, element_type, (const struct ort_tensor_info *, int *))          \
	F(61, struct ort_status *, rank, (const struct ort_tensor_info *, size_t *))               \
	F(62, struct ort_status *, dims, (const struct ort_tensor_info *, int64_t *, size_t))      \
	F(65, struct ort_status *, value_info,                                                     \
		(const struct ort_value *, struct ort_tensor_info **))                             \
	F(69, struct ort_status *, cpu_memory_info,                                                \
		(int allocator, int type, struct ort_memory_info **))                              \
	F(76, struct ort_status *, allocator_free, (struct ort_allocator *, void *))               \
	F(78, struct ort_status *, default_allocator, (struct ort_allocator **))                   \
	F(92, void, release_env, (struct ort_env *))                                               \
	F(93, void, release_status, (struct ort_status *))                                         \
	F(94, void, release_memory_info, (struct ort_memory_info *))                               \
	F(95, void, release_session, (struct ort_session *))                                       \
	F(96, void, release_value, (struct ort_value *))                                           \
	F(98, void, release_type_info, (struct ort_type_info *))                                   \
	F(99, void, release_tensor_info, (struct ort_tensor_info *))                               \
	F(100, void, release_session_options, (struct ort_session_options *))                      \
	F(130, struct ort_status *, set_config,                                                    \
		(struct ort_session_options *, const char *name, const char *value))

struct ort {
#define ORT_MEMBER(index, type, name, params) __typeof__(type params) *(name);
	ORT_FUNCTIONS(ORT_MEMBER)
#undef ORT_MEMBER
};

/* Loads the library; the process keeps it. ERR_MATTE_UNAVAILABLE. */
enum err_code ort_load(const char *path, const char **ret_version, struct err *e) MUST_CHECK;
/* NULL before ort_load. */
const struct ort *ort_get(void);
/* OK for NULL; else "what: the runtime's own words" with this code, or ERR_LIMIT_MEMORY where the
 * runtime ran out of memory. Releases s. */
enum err_code ort_check(struct ort_status *s, enum err_code code, const char *what, struct err *e)
	MUST_CHECK;

#endif
