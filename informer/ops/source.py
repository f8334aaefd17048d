"""The C source of the functions that `kernel` builds: plain C, without any header of torch.

B batch   L query length   S key length   H heads   E width per head   K keys sampled
"""

__all__ = ["SOURCE"]

# A query reads K of S keys, chosen at random: as tensor operations that is a copy of L x K x E
# numbers, each read once. The function reads them where they lie, except that the keys of one head
# are packed side by side as float32: rows 2 KiB apart fall into few sets of the cache. Heads that
# fit a cache go to a thread each; of longer ones all threads share one, as they share that cache.
_SPARSITY = r"""
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PACKED_BYTES_PER_THREAD (1 << 21)
#define AHEAD 4

typedef struct {
  const char *q, *k;
  int64_t q_b, q_l, q_h, k_b, k_s, k_h; /* strides in elements */
  const int32_t *index;                 /* (L, K), then AHEAD more that may be read, not used */
  float *out;                           /* (B, H, L) */
  int64_t B, L, S, H, E, K;
  float scale;
  int32_t is_bf16, n_threads;
} problem;

static inline void widen(const char *x, int64_t start, int64_t n, int is_bf16, float *y) {
  if (!is_bf16) {
    memcpy(y, (const float *)x + start, n * sizeof(float));
    return;
  }
  const uint16_t *half = (const uint16_t *)x + start;
  for (int64_t i = 0; i < n; ++i) {
    uint32_t bits = (uint32_t)half[i] << 16;
    memcpy(y + i, &bits, sizeof bits);
  }
}

static inline float larger(float a, float b) { return a > b ? a : b; }

static inline __attribute__((always_inline)) float measure_row(
    const float *q, const float *k, const int32_t *index, int64_t K, const int64_t E,
    float scale) {
  float top = -INFINITY, sum = 0;
  int64_t j = 0;
  for (; j + 4 <= K; j += 4) {
    const float *k0 = k + index[j] * E, *k1 = k + index[j + 1] * E;
    const float *k2 = k + index[j + 2] * E, *k3 = k + index[j + 3] * E;
    float d0 = 0, d1 = 0, d2 = 0, d3 = 0;
    for (int u = 0; u < AHEAD; ++u) {
      const float *next = k + index[j + 4 + u] * E;
      for (int64_t e = 0; e < E; e += 16) __builtin_prefetch(next + e);
    }
#pragma omp simd reduction(+ : d0, d1, d2, d3)
    for (int64_t e = 0; e < E; ++e) {
      d0 += q[e] * k0[e];
      d1 += q[e] * k1[e];
      d2 += q[e] * k2[e];
      d3 += q[e] * k3[e];
    }
    top = larger(top, larger(larger(d0, d1), larger(d2, d3)));
    sum += (d0 + d1) + (d2 + d3);
  }
  for (; j < K; ++j) {
    const float *key = k + index[j] * E;
    float d = 0;
#pragma omp simd reduction(+ : d)
    for (int64_t e = 0; e < E; ++e) d += q[e] * key[e];
    top = larger(top, d);
    sum += d;
  }
  return top - sum * scale;
}

static void pack(const problem *p, int64_t b, int64_t h, int64_t s, float *keys) {
  widen(p->k, b * p->k_b + h * p->k_h + s * p->k_s, p->E, p->is_bf16, keys + s * p->E);
}

static void measure(const problem *p, int64_t b, int64_t h, int64_t l, const float *keys,
                    float *row) {
  const int64_t at = b * p->q_b + h * p->q_h + l * p->q_l, K = p->K;
  const int32_t *index = p->index + l * K;
  const float *q = row;
  if (p->is_bf16) widen(p->q, at, p->E, 1, row);
  else q = (const float *)p->q + at;
  float *out = p->out + (b * p->H + h) * p->L + l;
  switch (p->E) { /* a width known in advance unrolls */
    case 16: *out = measure_row(q, keys, index, K, 16, p->scale); break;
    case 32: *out = measure_row(q, keys, index, K, 32, p->scale); break;
    case 64: *out = measure_row(q, keys, index, K, 64, p->scale); break;
    default: *out = measure_row(q, keys, index, K, p->E, p->scale);
  }
}

int measure_sparsity(const problem *p) {
  const int64_t size = p->S * p->E;
  const int shared = size * (int64_t)sizeof(float) > PACKED_BYTES_PER_THREAD;
  const int n_buffers = shared ? 1 : p->n_threads;
  float *keys = malloc(sizeof(float) * n_buffers * size);
  float *rows = malloc(sizeof(float) * p->n_threads * p->E);
  if (!keys || !rows) {
    free(keys);
    free(rows);
    return 1;
  }
#pragma omp parallel num_threads(p->n_threads)
  {
    int thread = 0;
#ifdef _OPENMP
    extern int omp_get_thread_num(void);
    thread = omp_get_thread_num();
#endif
    float *row = rows + thread * p->E;
    if (shared) {
      for (int64_t bh = 0; bh < p->B * p->H; ++bh) {
#pragma omp for schedule(static)
        for (int64_t s = 0; s < p->S; ++s) pack(p, bh / p->H, bh % p->H, s, keys);
#pragma omp for schedule(static)
        for (int64_t l = 0; l < p->L; ++l) measure(p, bh / p->H, bh % p->H, l, keys, row);
      }
    } else {
      float *mine = keys + thread * size;
#pragma omp for schedule(dynamic)
      for (int64_t bh = 0; bh < p->B * p->H; ++bh) {
        for (int64_t s = 0; s < p->S; ++s) pack(p, bh / p->H, bh % p->H, s, mine);
        for (int64_t l = 0; l < p->L; ++l) measure(p, bh / p->H, bh % p->H, l, mine, row);
      }
    }
  }
  free(keys);
  free(rows);
  return 0;
}
"""

# Which numbers are dropped is a function of a seed and the position, so that nothing needs to be
# stored for the way back: a multiplication spreads the position, three rounds of a hash mix it.
_DROPOUT = r"""
typedef struct {
  const char *x, *residual; /* residual may be null */
  char *out;
  int64_t n, start;
  uint32_t multiplier, offset, threshold;
  float scale;
  int32_t is_bf16, n_threads;
} dropping;

static inline float keep(const dropping *p, int64_t i) {
  uint32_t h = (uint32_t)(p->start + i) * p->multiplier + p->offset;
  h = (h ^ (h >> 16)) * 0x7feb352du;
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  h ^= h >> 16;
  return h >= p->threshold ? p->scale : 0.0f;
}

static inline float read_bf16(uint16_t x) {
  uint32_t bits = (uint32_t)x << 16;
  float y;
  memcpy(&y, &bits, sizeof y);
  return y;
}

static inline uint16_t round_bf16(float x) { /* to the nearest, ties to even; no special NaN */
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

void drop(const dropping *q) {
  const dropping p = *q; /* a copy that no write below can change, so that loops vectorize */
  const int many = p.n > (1 << 15);
  if (p.is_bf16) {
    const uint16_t *x = (const uint16_t *)p.x, *r = (const uint16_t *)p.residual;
    uint16_t *out = (uint16_t *)p.out;
    if (r) {
#pragma omp parallel for simd schedule(static) num_threads(p.n_threads) if (many)
      for (int64_t i = 0; i < p.n; ++i)
        out[i] = round_bf16(read_bf16(r[i]) + read_bf16(x[i]) * keep(&p, i));
    } else {
#pragma omp parallel for simd schedule(static) num_threads(p.n_threads) if (many)
      for (int64_t i = 0; i < p.n; ++i) out[i] = round_bf16(read_bf16(x[i]) * keep(&p, i));
    }
  } else {
    const float *x = (const float *)p.x, *r = (const float *)p.residual;
    float *out = (float *)p.out;
    if (r) {
#pragma omp parallel for simd schedule(static) num_threads(p.n_threads) if (many)
      for (int64_t i = 0; i < p.n; ++i) out[i] = r[i] + x[i] * keep(&p, i);
    } else {
#pragma omp parallel for simd schedule(static) num_threads(p.n_threads) if (many)
      for (int64_t i = 0; i < p.n; ++i) out[i] = x[i] * keep(&p, i);
    }
  }
}
"""

SOURCE = _SPARSITY + _DROPOUT
