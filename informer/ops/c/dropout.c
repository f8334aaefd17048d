/* Dropout of n numbers, see informer/ops/dropout.py; `residual` may be null. */
#include "shared.h"

#define FEW (1 << 15) /* numbers that are not worth a second thread */

void drop(const void *x, const void *residual, void *out, int64_t n, int64_t start,
          int64_t multiplier, int64_t offset, int64_t threshold, float scale, int64_t is_bf16,
          int64_t n_threads) {
  const mask m = {(uint32_t)multiplier, (uint32_t)offset, (uint32_t)threshold, scale};
  if (is_bf16) {
    const uint16_t *from = x, *added = residual;
    uint16_t *to = out;
    if (added) {
#pragma omp parallel for simd schedule(static) num_threads(n_threads) if (n > FEW)
      for (int64_t i = 0; i < n; ++i)
        to[i] = round_bf16(read_bf16(added[i]) + read_bf16(from[i]) * keep(m, start + i));
    } else {
#pragma omp parallel for simd schedule(static) num_threads(n_threads) if (n > FEW)
      for (int64_t i = 0; i < n; ++i) to[i] = round_bf16(read_bf16(from[i]) * keep(m, start + i));
    }
  } else {
    const float *from = x, *added = residual;
    float *to = out;
    if (added) {
#pragma omp parallel for simd schedule(static) num_threads(n_threads) if (n > FEW)
      for (int64_t i = 0; i < n; ++i) to[i] = added[i] + from[i] * keep(m, start + i);
    } else {
#pragma omp parallel for simd schedule(static) num_threads(n_threads) if (n > FEW)
      for (int64_t i = 0; i < n; ++i) to[i] = from[i] * keep(m, start + i);
    }
  }
}
