/* What the functions share. Every integer comes from Python as int64_t, every number as float. */
#ifndef INFORMER_SHARED_H
#define INFORMER_SHARED_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#else
static inline int omp_get_thread_num(void) { return 0; }
static inline int omp_get_num_threads(void) { return 1; }
#endif

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

/* Which numbers are dropped is a function of a seed and the position, so that nothing needs to be
   stored for the way back: a multiplication spreads the position, three rounds of a hash mix it. */
typedef struct {
  uint32_t multiplier, offset, threshold;
  float scale;
} mask;

static inline float keep(mask m, int64_t position) {
  uint32_t h = (uint32_t)position * m.multiplier + m.offset;
  h = (h ^ (h >> 16)) * 0x7feb352du;
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  h ^= h >> 16;
  return h >= m.threshold ? m.scale : 0.0f;
}

#endif
