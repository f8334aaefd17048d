/* Batch normalisation and maximum over three rows, every second one, see informer/ops/distil.py.
   Rows are (B, L, width), halved ones (B, (L + 1) / 2, width). */
#include "shared.h"

/* partial (n_threads, 2, width) is zeros, and ends as sums of the n rows and of their squares. */
void sum_rows(const float *x, double *partial, int64_t n, int64_t width, int64_t n_threads) {
#pragma omp parallel num_threads(n_threads)
  {
    double *total = partial + 2 * width * omp_get_thread_num(), *squares = total + width;
#pragma omp for schedule(static)
    for (int64_t r = 0; r < n; ++r)
#pragma omp simd
      for (int64_t d = 0; d < width; ++d) {
        const double value = x[r * width + d];
        total[d] += value;
        squares[d] += value * value;
      }
  }
}

/* Row j of the halved ones is the maximum of rows 2 j - 1 to 2 j + 1 of slope * x + shift, and
   `chosen` says which of the three it was. */
void halve_rows(const float *x, const float *slope, const float *shift, float *out,
                uint8_t *chosen, int64_t B, int64_t L, int64_t width, int64_t n_threads) {
  const int64_t half = (L + 1) / 2;
#pragma omp parallel for schedule(static) num_threads(n_threads)
  for (int64_t row = 0; row < B * half; ++row) {
    const int64_t j = row % half, first = j ? 0 : 1, last = 2 * j + 1 < L ? 2 : 1;
    const float *rows = x + (row / half * L + 2 * j - 1) * width;
    float *best = out + row * width;
    uint8_t *from = chosen + row * width;
    for (int64_t i = first; i <= last; ++i) {
      const float *candidate = rows + i * width;
#pragma omp simd
      for (int64_t d = 0; d < width; ++d) {
        const float value = candidate[d] * slope[d] + shift[d];
        const int better = i == first || value > best[d] || value != value;
        best[d] = better ? value : best[d];
        from[d] = better ? (uint8_t)i : from[d];
      }
    }
  }
}

/* What the gradients of the normalised rows sum to: partial (n_threads, 2, width), zeros at
   first, becomes the sums of `grad` and of `grad` times the normalised value it belongs to. */
void sum_halved(const float *grad, const float *x, const float *mean, const float *inverse,
                const uint8_t *chosen, double *partial, int64_t B, int64_t L, int64_t width,
                int64_t n_threads) {
  const int64_t half = (L + 1) / 2;
#pragma omp parallel num_threads(n_threads)
  {
    double *total = partial + 2 * width * omp_get_thread_num(), *along = total + width;
#pragma omp for schedule(static)
    for (int64_t row = 0; row < B * half; ++row) {
      const int64_t j = row % half, start = (row / half * L + 2 * j) * width;
      const float *middle = x + start, *before = j ? middle - width : middle;
      const float *after = 2 * j + 1 < L ? middle + width : middle;
      const uint8_t *from = chosen + row * width;
#pragma omp simd
      for (int64_t d = 0; d < width; ++d) {
        const float value = from[d] == 0 ? before[d] : from[d] == 1 ? middle[d] : after[d];
        const float g = grad[row * width + d];
        total[d] += g;
        along[d] += g * ((value - mean[d]) * inverse[d]);
      }
    }
  }
}

/* Gradient of the rows: slope * (g - total - normal * along), where g is what the one or two
   halved rows that may have chosen a row hand back. */
void halve_rows_backward(const float *grad, const float *x, const float *mean,
                         const float *inverse, const float *slope, const float *total,
                         const float *along, const uint8_t *chosen, float *grad_x, int64_t B,
                         int64_t L, int64_t width, int64_t n_threads) {
  const int64_t half = (L + 1) / 2;
#pragma omp parallel for schedule(static) num_threads(n_threads)
  for (int64_t row = 0; row < B * L; ++row) {
    const int64_t l = row % L, j = l / 2, at = (row / L * half + j) * width;
    const float *value = x + row * width, *g = grad + at, *next = g + width;
    const uint8_t *from = chosen + at, *from_next = from + width;
    const int is_odd = l % 2, has_next = is_odd && j + 1 < half;
    float *out = grad_x + row * width;
#pragma omp simd
    for (int64_t d = 0; d < width; ++d) {
      const float normal = (value[d] - mean[d]) * inverse[d];
      float back = from[d] == 1 + is_odd ? g[d] : 0;
      if (has_next) back += from_next[d] == 0 ? next[d] : 0;
      out[d] = slope[d] * (back - total[d] - normal * along[d]);
    }
  }
}
