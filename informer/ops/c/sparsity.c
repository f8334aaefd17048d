/* The sparsity measurement of ProbSparse attention, see informer/ops/sparsity.py.

   A query reads K of S keys, chosen at random: as tensor operations that is a copy of L x K x E
   numbers, each read once. The functions read them where they lie, except that rows of one head
   are packed side by side as float32: rows 2 KiB apart fall into few sets of the cache. All heads
   share the sampled keys, so the order of reading is made once: block of keys by block, each of
   which fits a cache, and in groups of four, so that no branch depends on how many keys a query
   has in a block. */
#include "shared.h"

#define LOG_BLOCK_BYTES 20
#define AHEAD 2 /* groups whose keys are on their way into the first cache */

typedef struct {
  const void *q, *k;
  int64_t q_b, q_l, q_h, k_b, k_s, k_h; /* strides in elements */
  const int32_t *index;                 /* (L, K) */
  float *out;                           /* (B, H, L) */
  int64_t B, L, S, H, E, K;
  float scale;
  int64_t is_bf16, n_threads;
} problem;

typedef struct {
  int32_t query, n, key[4]; /* past n, the first key once more */
} group;

typedef struct {
  int64_t first, last; /* queries */
  int64_t n_groups;
  group *groups;
  float *rows;       /* (last - first, E) packed queries of one head */
  float *top, *sum;  /* (last - first) */
} share;

static void widen(const void *x, int64_t start, int64_t n, int is_bf16, float *y) {
  if (!is_bf16) {
    memcpy(y, (const float *)x + start, n * sizeof(float));
    return;
  }
  const uint16_t *half = (const uint16_t *)x + start;
  for (int64_t i = 0; i < n; ++i) y[i] = read_bf16(half[i]);
}

static inline float larger(float a, float b) { return a > b ? a : b; }

static inline __attribute__((always_inline)) void measure_groups(
    const share *mine, const float *keys, const int64_t E) {
  for (const group *g = mine->groups, *end = g + mine->n_groups; g < end; ++g) {
    const float *q = mine->rows + g->query * E;
    const float *k0 = keys + g->key[0] * E, *k1 = keys + g->key[1] * E;
    const float *k2 = keys + g->key[2] * E, *k3 = keys + g->key[3] * E;
    float d0 = 0, d1 = 0, d2 = 0, d3 = 0;
    for (int u = 0; u < 4; ++u)
      for (int64_t e = 0; e < E; e += 16) __builtin_prefetch(keys + g[AHEAD].key[u] * E + e);
#pragma omp simd reduction(+ : d0, d1, d2, d3)
    for (int64_t e = 0; e < E; ++e) {
      d0 += q[e] * k0[e];
      d1 += q[e] * k1[e];
      d2 += q[e] * k2[e];
      d3 += q[e] * k3[e];
    }
    float *top = mine->top + g->query, *sum = mine->sum + g->query;
    *top = larger(*top, larger(larger(d0, d1), larger(d2, d3)));
    *sum += (d0 + (g->n > 1 ? d1 : 0)) + ((g->n > 2 ? d2 : 0) + (g->n > 3 ? d3 : 0));
  }
}

static void measure_head(const problem *p, const share *mine, int64_t b, int64_t h,
                         const float *keys) {
  const int64_t n = mine->last - mine->first, start = b * p->q_b + h * p->q_h;
  for (int64_t l = 0; l < n; ++l) {
    widen(p->q, start + (mine->first + l) * p->q_l, p->E, p->is_bf16, mine->rows + l * p->E);
    mine->top[l] = -INFINITY;
    mine->sum[l] = 0;
  }
  switch (p->E) { /* a width known in advance unrolls */
    case 16: measure_groups(mine, keys, 16); break;
    case 32: measure_groups(mine, keys, 32); break;
    case 64: measure_groups(mine, keys, 64); break;
    default: measure_groups(mine, keys, p->E);
  }
  float *out = p->out + (b * p->H + h) * p->L + mine->first;
  for (int64_t l = 0; l < n; ++l) out[l] = mine->top[l] - mine->sum[l] * p->scale;
}

/* Put the samples of a share's queries in the order of reading; 0 where memory is short. */
static int prepare(const problem *p, share *mine) {
  int log_rows = 0;
  while ((p->E * (int64_t)sizeof(float)) << (log_rows + 1) <= 1 << LOG_BLOCK_BYTES) ++log_rows;
  const int64_t n = mine->last - mine->first, n_blocks = ((p->S - 1) >> log_rows) + 1;
  int64_t *next = calloc(2 * n_blocks + 1, sizeof *next), *count = next + n_blocks + 1;
  mine->rows = malloc(sizeof(float) * (n * (p->E + 2) + 1));
  mine->groups = NULL;
  if (next && mine->rows) {
    for (int64_t l = mine->first; l < mine->last; ++l) {
      const int32_t *index = p->index + l * p->K;
      for (int64_t j = 0; j < p->K; ++j) ++count[index[j] >> log_rows];
      for (int64_t c = 0; c < n_blocks; ++c) {
        next[c + 1] += (count[c] + 3) / 4;
        count[c] = 0;
      }
    }
    for (int64_t c = 0; c < n_blocks; ++c) next[c + 1] += next[c];
    mine->n_groups = next[n_blocks];
    mine->groups = calloc(mine->n_groups + AHEAD, sizeof *mine->groups);
  }
  if (mine->groups) {
    mine->top = mine->rows + n * p->E;
    mine->sum = mine->top + n;
    for (int64_t l = 0; l < n; ++l) {
      const int32_t *index = p->index + (mine->first + l) * p->K;
      for (int64_t j = 0; j < p->K; ++j) {
        const int64_t c = index[j] >> log_rows, at = count[c]++ & 3;
        if (at == 0) mine->groups[next[c]++] = (group){l, 0, {index[j], index[j], index[j], index[j]}};
        group *g = mine->groups + next[c] - 1;
        g->key[at] = index[j];
        g->n = at + 1;
      }
      memset(count, 0, n_blocks * sizeof *count);
    }
  }
  free(next);
  return mine->groups != NULL;
}

int measure_sparsity(const void *q, const void *k, int64_t q_b, int64_t q_l, int64_t q_h,
                     int64_t k_b, int64_t k_s, int64_t k_h, const int32_t *index, float *out,
                     int64_t B, int64_t L, int64_t S, int64_t H, int64_t E, int64_t K, float scale,
                     int64_t is_bf16, int64_t n_threads) {
  const problem all = {q, k, q_b, q_l, q_h, k_b, k_s, k_h, index, out,
                       B, L, S, H, E, K, scale, is_bf16, n_threads};
  const problem *p = &all;
  const int64_t size = p->S * p->E;
  /* Heads that fit a cache go to a thread each; longer ones are shared, each thread its queries. */
  const int shared = size * (int64_t)sizeof(float) > 1 << LOG_BLOCK_BYTES;
  float *buffer = malloc(sizeof(float) * size * (shared ? 1 : p->n_threads));
  int failed = buffer == NULL;
#pragma omp parallel num_threads(p->n_threads)
  {
    const int64_t thread = omp_get_thread_num(), n = shared ? omp_get_num_threads() : 1;
    const int64_t i = shared ? thread : 0;
    share mine = {.first = p->L * i / n, .last = p->L * (i + 1) / n};
    float *keys = buffer + (shared ? 0 : thread * size);
    if (!prepare(p, &mine)) {
#pragma omp atomic write
      failed = 1;
    }
#pragma omp barrier
    if (!failed && shared) {
      for (int64_t bh = 0; bh < p->B * p->H; ++bh) {
        const int64_t b = bh / p->H, h = bh % p->H, start = b * p->k_b + h * p->k_h;
#pragma omp for schedule(static)
        for (int64_t s = 0; s < p->S; ++s)
          widen(p->k, start + s * p->k_s, p->E, p->is_bf16, keys + s * p->E);
        measure_head(p, &mine, b, h, keys);
#pragma omp barrier
      }
    } else if (!failed) {
#pragma omp for schedule(dynamic)
      for (int64_t bh = 0; bh < p->B * p->H; ++bh) {
        const int64_t b = bh / p->H, h = bh % p->H, start = b * p->k_b + h * p->k_h;
        for (int64_t s = 0; s < p->S; ++s)
          widen(p->k, start + s * p->k_s, p->E, p->is_bf16, keys + s * p->E);
        measure_head(p, &mine, b, h, keys);
      }
    }
    free(mine.rows);
    free(mine.groups);
  }
  free(buffer);
  return failed;
}
