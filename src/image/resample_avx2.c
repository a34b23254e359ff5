/* SPDX-License-Identifier: MIT
 *
 * The inner loops for x86-64 with AVX2 and FMA, about six times as fast as the plain ones: what
 * compilers make of bytes that become floats is not to be relied on.
 */
#include "image/resample_rows.h"

#ifdef __x86_64__
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))

enum { VECTORS = RESAMPLE_BLOCK / 8 };

AVX2 static inline __m256 load_bytes(const uint8_t *p)
{
	return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

AVX2 static void block(const uint8_t *p, size_t stride, const float *weights, int taps, float *acc)
{
	__m256 sum[VECTORS];
	for (int i = 0; i < VECTORS; i++)
		sum[i] = _mm256_setzero_ps();
	for (int t = 0; t < taps; t++, p += stride) {
		__m256 weight = _mm256_broadcast_ss(weights + t);
		for (int i = 0; i < VECTORS; i++)
			sum[i] = _mm256_fmadd_ps(weight, load_bytes(p + 8 * i), sum[i]);
	}
	for (int i = 0; i < VECTORS; i++)
		_mm256_storeu_ps(acc + 8 * i, sum[i]);
}

AVX2 static void block_alpha(const uint8_t *p, const uint8_t *q, size_t stride,
	const float *weights, int taps, float *acc)
{
	for (int i = 0; i < VECTORS; i++) {
		__m256 sum = _mm256_setzero_ps();
		for (int t = 0; t < taps; t++) {
			size_t at = (size_t)t * stride + 8 * (size_t)i;
			__m256 v = _mm256_mul_ps(load_bytes(p + at), load_bytes(q + at));
			sum = _mm256_fmadd_ps(_mm256_broadcast_ss(weights + t), v, sum);
		}
		_mm256_storeu_ps(acc + 8 * i, sum);
	}
}

AVX2 static void columns(const struct plane *src, const struct plane *alpha, const struct filter *f,
	int y, int x0, int n, float *acc)
{
	const float *weights = f->weights + (size_t)y * (size_t)f->taps;
	size_t stride = (size_t)src->w, at = (size_t)f->start[y] * stride + (size_t)x0;
	for (int x = 0; x < n; x += RESAMPLE_BLOCK)
		if (alpha)
			block_alpha(src->px + at + x, alpha->px + at + x, stride, weights,
				f->count[y], acc + x);
		else
			block(src->px + at + x, stride, weights, f->count[y], acc + x);
}

AVX2 static inline __m256 dot(const float *acc, int x0, const struct filter *f, int x)
{
	const float *p = acc + (f->start[x] - x0);
	const float *weights = f->weights + (size_t)x * (size_t)f->taps;
	__m256 sum = _mm256_mul_ps(_mm256_loadu_ps(weights), _mm256_loadu_ps(p));
	for (int t = 8; t < f->count[x]; t += 8)
		sum = _mm256_fmadd_ps(_mm256_loadu_ps(weights + t), _mm256_loadu_ps(p + t), sum);
	return sum;
}

/* Eight results: the sums of the lanes of eight vectors. */
AVX2 static inline __m256 eight(const float *acc, int x0, const struct filter *f, int x)
{
	__m256 a = _mm256_hadd_ps(dot(acc, x0, f, x), dot(acc, x0, f, x + 1));
	__m256 b = _mm256_hadd_ps(dot(acc, x0, f, x + 2), dot(acc, x0, f, x + 3));
	__m256 c = _mm256_hadd_ps(dot(acc, x0, f, x + 4), dot(acc, x0, f, x + 5));
	__m256 d = _mm256_hadd_ps(dot(acc, x0, f, x + 6), dot(acc, x0, f, x + 7));
	__m256 low = _mm256_hadd_ps(a, b), high = _mm256_hadd_ps(c, d);
	return _mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20),
		_mm256_permute2f128_ps(low, high, 0x31));
}

AVX2 static void row(const float *acc, int x0, const struct filter *f, const uint8_t *alpha,
	uint8_t *out)
{
	for (int x = 0; x < f->n; x += RESAMPLE_GROUP) {
		__m256 v = eight(acc, x0, f, x);
		if (alpha) {
			__m256 a = load_bytes(alpha + x);
			__m256 some = _mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_GT_OQ);
			v = _mm256_and_ps(some, _mm256_div_ps(v, a));
		}
		__m256i words = _mm256_cvtps_epi32(v);
		__m128i packed = _mm_packs_epi32(_mm256_castsi256_si128(words),
			_mm256_extracti128_si256(words, 1));
		_mm_storel_epi64((__m128i *)(out + x), _mm_packus_epi16(packed, packed));
	}
}

const struct resample_rows resample_rows_avx2 = { columns, row };
#endif
