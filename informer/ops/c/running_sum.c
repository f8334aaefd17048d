/* Sums of all rows up to each (from each on, where `backwards`), see informer/ops/context.py. */
#include "shared.h"

#define COLUMNS 16 /* summed side by side, in double */

void running_sum(const float *x, float *out, int64_t B, int64_t L, int64_t width,
                 int64_t backwards, int64_t n_threads) {
  const int64_t n_parts = (width + COLUMNS - 1) / COLUMNS;
#pragma omp parallel for schedule(static) num_threads(n_threads)
  for (int64_t part = 0; part < B * n_parts; ++part) {
    const int64_t first = part % n_parts * COLUMNS, left = width - first;
    const int64_t n = left < COLUMNS ? left : COLUMNS, start = part / n_parts * L * width + first;
    double total[COLUMNS] = {0};
    for (int64_t i = 0; i < L; ++i) {
      const int64_t row = start + (backwards ? L - 1 - i : i) * width;
#pragma omp simd
      for (int64_t d = 0; d < n; ++d) {
        total[d] += x[row + d];
        out[row + d] = (float)total[d];
      }
    }
  }
}
