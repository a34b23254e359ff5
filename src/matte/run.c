/* SPDX-License-Identifier: MIT
 *
 * A session of a model, and one run of it.
 *
 * A model is a stranger's file too, so its inputs and outputs are held against the manifest when the
 * session is made, and again after each run, before a number of the output is read. The runtime gets
 * its threads when the session is made; they sleep between runs, as other processes want the cores.
 */
#include "matte/matte.h"

#include "base/mem.h"
#include "matte/confidence.h"
#include "matte/ort.h"

#include <math.h>
#include <string.h>

#define RANK_MAX 8

struct matte {
	struct matte_model model;
	struct ort_env *env;
	struct ort_session *session;
	struct ort_memory_info *memory;
	char *input, *output; /* names; owned */
	float *tensor;        /* 3 × h × w */
};

enum err_code matte_load_runtime(const char *path, const char **ret_version, struct err *e)
{
	return ort_load(path, ret_version, e);
}

void matte_free(struct matte *m)
{
	if (!m)
		return;
	const struct ort *o = ort_get();
	if (m->session)
		o->release_session(m->session);
	if (m->memory)
		o->release_memory_info(m->memory);
	if (m->env)
		o->release_env(m->env);
	free(m->input);
	free(m->output);
	free(m->tensor);
	free(m);
}

void matte_mask_done(struct matte_mask *m)
{
	free(m->v);
	*m = (struct matte_mask){ 0 };
}

static struct ort_status *set_options(const struct ort *o, struct ort_session_options *so,
	const struct matte_model *model, int threads)
{
	struct ort_status *s = o->set_log_severity(so, ORT_LOG_FATAL);
	if (!s)
		s = o->set_graph_level(so, model->graph_level);
	if (!s)
		s = o->set_intra_threads(so, threads);
	if (!s)
		s = o->set_inter_threads(so, 1);
	if (!s)
		s = model->mem_pattern ? o->enable_mem_pattern(so) : o->disable_mem_pattern(so);
	if (!s)
		s = model->arena ? o->enable_arena(so) : o->disable_arena(so);
	if (!s)
		s = o->set_config(so, "session.intra_op.allow_spinning", "0");
	if (!s)
		s = o->set_config(so, "session.inter_op.allow_spinning", "0");
	return s;
}

static enum err_code open_session(const struct ort *o, struct matte *m, const void *bytes, size_t n,
	int threads, struct err *e)
{
	struct ort_session_options *so = NULL;
	enum err_code code = ort_check(o->create_env(ORT_LOG_FATAL, "bulb", &m->env),
		ERR_MATTE_UNAVAILABLE, "runtime", e);
	if (code == OK)
		code = ort_check(o->cpu_memory_info(ORT_DEVICE_ALLOCATOR, ORT_MEMORY_DEFAULT,
					 &m->memory),
			ERR_MATTE_UNAVAILABLE, "runtime", e);
	if (code == OK)
		code = ort_check(o->create_session_options(&so), ERR_MATTE_UNAVAILABLE, "runtime",
			e);
	if (code == OK)
		code = ort_check(set_options(o, so, &m->model, threads), ERR_MATTE_UNAVAILABLE,
			"runtime", e);
	if (code == OK)
		code = ort_check(o->create_session_from_array(m->env, bytes, n, so, &m->session),
			ERR_MATTE_UNAVAILABLE, "the runtime refuses the model", e);
	if (so)
		o->release_session_options(so);
	return code;
}

/* Either end of the model: what to ask, and what must be found. */
struct end {
	const char *what, *name; /* name: what the manifest says, "" for the first */
	struct ort_status *(*count)(const struct ort_session *, size_t *);
	struct ort_status *(
		*get_name)(const struct ort_session *, size_t, struct ort_allocator *, char **);
	struct ort_status *(*get_type)(const struct ort_session *, size_t, struct ort_type_info **);
	int channels;
};

static enum err_code find_end(const struct ort *o, const struct matte *m, const struct end *end,
	size_t *ret_index, char **ret_name, struct err *e)
{
	struct ort_allocator *a;
	size_t n = 0;
	enum err_code code = ort_check(o->default_allocator(&a), ERR_MATTE_UNAVAILABLE, "runtime",
		e);
	if (code == OK)
		code = ort_check(end->count(m->session, &n), ERR_MATTE_UNAVAILABLE, end->what, e);
	for (size_t i = 0; code == OK && i < n; i++) {
		char *name = NULL;
		code = ort_check(end->get_name(m->session, i, a, &name), ERR_MATTE_UNAVAILABLE,
			end->what, e);
		if (code != OK)
			break;
		bool same = !end->name[0] || !strcmp(end->name, name);
		if (same) {
			*ret_name = mem_strdup(name);
			*ret_index = i;
		}
		code = ort_check(o->allocator_free(a, name), ERR_MATTE_UNAVAILABLE, "runtime", e);
		if (same)
			return code;
	}
	return code != OK ? code
			  : err_set(e, ERR_MATTE_UNAVAILABLE, "the model has no %s '%s'", end->what,
				    end->name);
}

/* Height and width are the last two, channels before them, and all before that 1. A dimension that
 * the model leaves open (negative) fits. */
static bool fits(const int64_t *dims, size_t rank, int channels, int h, int w)
{
	if (rank < 2 || rank > 4 || (channels > 1 && rank < 3))
		return false;
	const int64_t want[4] = { 1, channels, h, w };
	for (size_t i = 0; i < rank; i++) {
		int64_t d = dims[i];
		if (d >= 0 && d != want[4 - rank + i])
			return false;
	}
	return true;
}

static enum err_code check_tensor(const struct ort *o, const struct ort_tensor_info *info,
	const struct matte *m, const char *what, int channels, enum err_code blame, struct err *e)
{
	int type = 0;
	size_t rank = 0;
	int64_t dims[RANK_MAX] = { 0 };
	enum err_code code = ort_check(o->element_type(info, &type), blame, what, e);
	if (code == OK)
		code = ort_check(o->rank(info, &rank), blame, what, e);
	if (code == OK && rank <= RANK_MAX)
		code = ort_check(o->dims(info, dims, rank), blame, what, e);
	if (code != OK)
		return code;
	if (type != ORT_FLOAT)
		return err_set(e, blame, "the model's %s is not of 32-bit floats (type %d)", what,
			type);
	if (fits(dims, rank, channels, m->model.h, m->model.w))
		return OK;
	char text[RANK_MAX * 21 + 1] = "";
	for (size_t i = 0, at = 0; i < rank && i < RANK_MAX; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%lld", i ? "×" : "",
			(long long)dims[i]);
	return err_set(e, blame, "the model's %s is %s, where the manifest wants 1×%d×%d×%d", what,
		rank ? text : "a scalar", channels, m->model.h, m->model.w);
}

static enum err_code check_end(const struct ort *o, const struct matte *m, const struct end *end,
	char **ret_name, struct err *e)
{
	size_t index = 0;
	enum err_code code = find_end(o, m, end, &index, ret_name, e);
	if (code != OK)
		return code;
	struct ort_type_info *type = NULL;
	const struct ort_tensor_info *info = NULL;
	code = ort_check(end->get_type(m->session, index, &type), ERR_MATTE_UNAVAILABLE, end->what,
		e);
	if (code == OK)
		code = ort_check(o->as_tensor_info(type, &info), ERR_MATTE_UNAVAILABLE, end->what,
			e);
	if (code == OK && !info)
		code = err_set(e, ERR_MATTE_UNAVAILABLE, "the model's %s is not a tensor",
			end->what);
	if (code == OK)
		code = check_tensor(o, info, m, end->what, end->channels, ERR_MATTE_UNAVAILABLE, e);
	if (type)
		o->release_type_info(type);
	return code;
}

static enum err_code check_ends(const struct ort *o, struct matte *m, struct err *e)
{
	struct end in = { "input", m->model.input, o->input_count, o->input_name, o->input_type,
		3 };
	struct end out = { "output", m->model.output, o->output_count, o->output_name,
		o->output_type, 1 };
	enum err_code code = check_end(o, m, &in, &m->input, e);
	return code == OK ? check_end(o, m, &out, &m->output, e) : code;
}

/* The runtime would find many kinds of damage, but not a changed weight. */
static enum err_code check_bytes(const struct matte_model *model, const void *bytes, size_t n,
	struct err *e)
{
	static const uint8_t unknown[SHA256_LEN];
	if (model->bytes && (uint64_t)model->bytes != n)
		return err_set(e, ERR_MATTE_UNAVAILABLE,
			"%s: the file has %zu bytes instead of %lld", model->file, n,
			(long long)model->bytes);
	uint8_t digest[SHA256_LEN];
	if (!memcmp(model->sha256, unknown, SHA256_LEN))
		return OK;
	sha256_of(bytes, n, digest);
	if (memcmp(model->sha256, digest, SHA256_LEN) != 0)
		return err_set(e, ERR_MATTE_UNAVAILABLE,
			"%s: the file is damaged, or another than the manifest's (SHA-256 differs)",
			model->file);
	return OK;
}

enum err_code matte_new(const struct matte_model *model, const void *bytes, size_t n, int threads,
	struct matte **ret, struct err *e)
{
	const struct ort *o = ort_get();
	if (!o)
		return err_set(e, ERR_MATTE_UNAVAILABLE, "no runtime has been loaded");
	enum err_code code = check_bytes(model, bytes, n, e);
	if (code != OK)
		return code;
	struct matte *m = mem_new(struct matte);
	m->model = *model;
	m->tensor = mem_try_alloc(3 * sizeof(float) * (size_t)model->w * (size_t)model->h);
	code = m->tensor ? open_session(o, m, bytes, n, threads, e)
			 : err_set(e, ERR_LIMIT_MEMORY, "no memory for the model's input");
	if (code == OK)
		code = check_ends(o, m, e);
	if (code != OK) {
		matte_free(m);
		return err_wrap(e, "model '%s'", model->id);
	}
	*ret = m;
	return OK;
}

void matte_input_size(const struct matte_model *m, int w, int h, int *ret_w, int *ret_h)
{
	*ret_w = m->w;
	*ret_h = m->h;
	if (!m->letterbox || w < 1 || h < 1)
		return;
	double scale = fmin((double)m->w / w, (double)m->h / h);
	*ret_w = (int)fmin(m->w, fmax(1, round(w * scale)));
	*ret_h = (int)fmin(m->h, fmax(1, round(h * scale)));
}

/* The picture's largest value; a black one is divided by 1. */
static float divisor(const struct matte_model *model, const uint8_t *rgb, size_t n)
{
	if (!model->divide_by_max)
		return 255;
	uint8_t max = 1;
	for (size_t i = 0; i < n; i++)
		max = rgb[i] > max ? rgb[i] : max;
	return max;
}

/* Planes of floats. Around a letterbox is the mean colour, which is 0 here. */
static void fill_tensor(struct matte *m, const uint8_t *rgb, int w, int h, int x0, int y0)
{
	const struct matte_model *model = &m->model;
	size_t plane = (size_t)model->w * (size_t)model->h;
	float by = divisor(model, rgb, (size_t)w * (size_t)h * 3);
	if (w < model->w || h < model->h)
		memset(m->tensor, 0, 3 * plane * sizeof(float));
	for (size_t c = 0; c < 3; c++) {
		float scale = 1 / (by * model->std[c]), shift = -model->mean[c] / model->std[c];
		for (int y = 0; y < h; y++) {
			const uint8_t *in = rgb + (size_t)y * (size_t)w * 3 + c;
			float *out = m->tensor + c * plane + (size_t)(y + y0) * (size_t)model->w +
				(size_t)x0;
			for (size_t x = 0; x < (size_t)w; x++)
				out[x] = (float)in[3 * x] * scale + shift;
		}
	}
}

/* raw: w × h, rows `stride` apart. ret->v is allocated. Not a number anywhere: refused, as nothing
 * after this would notice. */
static enum err_code take_mask(const struct matte_model *model, const float *raw, int stride,
	struct matte_mask *ret, struct err *e)
{
	bool sane = true;
	float min = INFINITY, max = -INFINITY;
	for (int y = 0; y < ret->h; y++)
		for (int x = 0; x < ret->w; x++) {
			float v = raw[(size_t)y * (size_t)stride + (size_t)x];
			if (model->activation == MATTE_SIGMOID)
				v = 1 / (1 + expf(-v));
			ret->v[(size_t)y * (size_t)ret->w + (size_t)x] = v;
			sane &= isfinite(v);
			min = v < min ? v : min;
			max = v > max ? v : max;
		}
	if (!sane)
		return err_set(e, ERR_MATTE_FAILED, "the model's output is not a number");
	ret->raw_max = max;
	float shift = model->normalise == MATTE_MINMAX ? min : 0;
	float range = model->normalise == MATTE_MINMAX && max > min ? max - min : 1;
	for (size_t i = 0, n = (size_t)ret->w * (size_t)ret->h; i < n; i++) {
		float v = (ret->v[i] - shift) / range;
		ret->v[i] = v < 0 ? 0 : v > 1 ? 1 : v;
	}
	return OK;
}

static enum err_code check_output(const struct ort *o, const struct matte *m,
	const struct ort_value *v, struct err *e)
{
	struct ort_tensor_info *info = NULL;
	enum err_code code = ort_check(o->value_info(v, &info), ERR_MATTE_FAILED, "output", e);
	if (code == OK)
		code = check_tensor(o, info, m, "output", 1, ERR_MATTE_FAILED, e);
	if (info)
		o->release_tensor_info(info);
	return code;
}

/* m->tensor through the model. *ret_out is released by the caller. */
static enum err_code run_session(struct matte *m, struct ort_value **ret_out, const float **ret_raw,
	struct err *e)
{
	const struct ort *o = ort_get();
	const struct matte_model *model = &m->model;
	const int64_t dims[4] = { 1, 3, model->h, model->w };
	size_t bytes = 3 * sizeof(float) * (size_t)model->w * (size_t)model->h;
	struct ort_value *in = NULL;
	enum err_code code = ort_check(o->create_tensor(m->memory, m->tensor, bytes, dims, 4,
					       ORT_FLOAT, &in),
		ERR_MATTE_FAILED, "input", e);
	if (code != OK)
		return code;
	const struct ort_value *ins[1] = { in };
	const char *in_names[1] = { m->input }, *out_names[1] = { m->output };
	code = ort_check(o->run(m->session, NULL, in_names, ins, 1, out_names, 1, ret_out),
		ERR_MATTE_FAILED, "the model's run", e);
	o->release_value(in);
	if (code == OK)
		code = check_output(o, m, *ret_out, e);
	void *data = NULL;
	if (code == OK)
		code = ort_check(o->tensor_data(*ret_out, &data), ERR_MATTE_FAILED, "output", e);
	if (code == OK)
		*ret_raw = data;
	return code;
}

enum err_code matte_run(struct matte *m, const uint8_t *rgb, int w, int h, struct matte_mask *ret,
	struct err *e)
{
	int x0 = (m->model.w - w) / 2, y0 = (m->model.h - h) / 2;
	if (w < 1 || h < 1 || w > m->model.w || h > m->model.h)
		return err_set(e, ERR_MATTE_FAILED, "a picture of %d×%d for a model of %d×%d", w, h,
			m->model.w, m->model.h);
	struct matte_mask mask = { .w = w, .h = h };
	mask.v = mem_try_alloc(sizeof(float) * (size_t)w * (size_t)h);
	if (!mask.v)
		return err_set(e, ERR_LIMIT_MEMORY, "no memory for the mask");
	if (matte_is_blank(rgb, w, h)) {
		memset(mask.v, 0, sizeof(float) * (size_t)w * (size_t)h);
		mask.no_subject = true;
		*ret = mask;
		return OK;
	}
	fill_tensor(m, rgb, w, h, x0, y0);
	struct ort_value *out = NULL;
	const float *raw = NULL;
	enum err_code code = run_session(m, &out, &raw, e);
	if (code == OK)
		code = take_mask(&m->model, raw + (size_t)y0 * (size_t)m->model.w + x0, m->model.w,
			&mask, e);
	if (out)
		ort_get()->release_value(out);
	if (code != OK) {
		matte_mask_done(&mask);
		return code;
	}
	matte_judge(&m->model, &mask);
	*ret = mask;
	return OK;
}
