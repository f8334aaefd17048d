/* Dropout, residual and layer normalisation of rows in one pass, see informer/ops/add_norm.py. */
#include "shared.h"

/* sum = residual + dropped x, out = normalised sum; stats (n, 2) are mean and 1 / deviation. */
void add_norm(const float *x, const float *residual, float *sum, float *out, float *stats,
              const float *weight, const float *bias, int64_t n, int64_t width, float epsilon,
              int64_t multiplier, int64_t offset, int64_t threshold, float scale,
              int64_t n_threads) {
  const mask m = {(uint32_t)multiplier, (uint32_t)offset, (uint32_t)threshold, scale};
#pragma omp parallel for schedule(static) num_threads(n_threads)
  for (int64_t r = 0; r < n; ++r) {
    const int64_t start = r * width;
    float total = 0, squares = 0;
#pragma omp simd reduction(+ : total)
    for (int64_t i = 0; i < width; ++i) {
      const float s = residual[start + i] + x[start + i] * keep(m, start + i);
      sum[start + i] = s;
      total += s;
    }
    const float mean = total / width;
#pragma omp simd reduction(+ : squares)
    for (int64_t i = 0; i < width; ++i) {
      const float centred = sum[start + i] - mean;
      squares += centred * centred;
    }
    const float inverse = 1 / sqrtf(squares / width + epsilon);
#pragma omp simd
    for (int64_t i = 0; i < width; ++i)
      out[start + i] = (sum[start + i] - mean) * inverse * weight[i] + bias[i];
    stats[2 * r] = mean;
    stats[2 * r + 1] = inverse;
  }
}

/* The way back; `partial` (n_threads, 2, width) is zeros, and ends as each thread's part of the
   gradients of weight and bias. */
void add_norm_backward(const float *grad, const float *sum, const float *stats,
                       const float *weight, float *grad_x, float *grad_residual, float *partial,
                       int64_t n, int64_t width, int64_t multiplier, int64_t offset,
                       int64_t threshold, float scale, int64_t n_threads) {
  const mask m = {(uint32_t)multiplier, (uint32_t)offset, (uint32_t)threshold, scale};
#pragma omp parallel num_threads(n_threads)
  {
    float *of_weight = partial + 2 * width * omp_get_thread_num(), *of_bias = of_weight + width;
#pragma omp for schedule(static)
    for (int64_t r = 0; r < n; ++r) {
      const int64_t start = r * width;
      const float mean = stats[2 * r], inverse = stats[2 * r + 1];
      float total = 0, along = 0;
#pragma omp simd reduction(+ : total, along)
      for (int64_t i = 0; i < width; ++i) {
        const float g = grad[start + i], normal = (sum[start + i] - mean) * inverse;
        of_weight[i] += g * normal;
        of_bias[i] += g;
        total += g * weight[i];
        along += g * weight[i] * normal;
      }
      total /= width;
      along /= width;
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) {
        const float normal = (sum[start + i] - mean) * inverse;
        const float g = inverse * (grad[start + i] * weight[i] - total - normal * along);
        grad_residual[start + i] = g;
        grad_x[start + i] = g * keep(m, start + i);
      }
    }
  }
}
