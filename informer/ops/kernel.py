"""The sparsity measurement as a C function, built once per machine by its own compiler.

    B batch   L query length   S key length   H heads   E width per head   K keys sampled

A query reads K of S keys, chosen at random: as tensor operations that is a copy of L x K x E
numbers, each read once. The function below reads them where they lie. It is plain C without any
header of torch, so that building it takes half a second, for all shapes and both precisions.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["call_kernel", "load_kernel"]

_LOGGER = logging.getLogger(__name__)

# The keys of one head are packed side by side as float32: rows that lie 2 KiB apart fall into few
# sets of the cache. Heads that fit a cache go to a thread each; of longer ones all
# threads share one, so that it stays in the cache that they share.
_SOURCE = r"""
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
_AHEAD = 4

# Tried in order; a compiler without OpenMP still builds a function that runs on one thread.
_FLAGS = (
    ("-O3", "-march=native", "-fopenmp", "-fPIC", "-shared"),
    ("-O3", "-fopenmp-simd", "-fPIC", "-shared"),
)


class _Problem(ctypes.Structure):
    _fields_ = (
        ("q", ctypes.c_void_p),
        ("k", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("q_b", "q_l", "q_h", "k_b", "k_s", "k_h")),
        ("index", ctypes.c_void_p),
        ("out", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("B", "L", "S", "H", "E", "K")),
        ("scale", ctypes.c_float),
        ("is_bf16", ctypes.c_int32),
        ("n_threads", ctypes.c_int32),
    )


def call_kernel(kernel: ctypes.CDLL, queries: Tensor, keys: Tensor, sampled_keys: Tensor) -> Tensor:
    """Measure with the built function.

    Args:
        kernel: From `load_kernel`.
        queries: (B, L, H, E) float32 or bfloat16 on the CPU, dense in E.
        keys: (B, S, H, E), the same.
        sampled_keys: (L, K) positions in [0, S).

    Returns:
        (B, H, L) float32.
    """
    B, L, H, E = queries.shape
    S, K = keys.shape[1], sampled_keys.shape[1]
    index = torch.zeros(L * K + _AHEAD, dtype=torch.int32)
    index[: L * K] = sampled_keys.flatten()
    sparsity = torch.empty(B, H, L)
    failed = kernel.measure_sparsity(
        ctypes.byref(
            _Problem(
                queries.data_ptr(),
                keys.data_ptr(),
                *queries.stride()[:3],
                *keys.stride()[:3],
                index.data_ptr(),
                sparsity.data_ptr(),
                *(B, L, S, H, E, K),
                1 / S,
                int(queries.dtype == torch.bfloat16),
                torch.get_num_threads(),
            )
        )
    )
    if failed:
        raise MemoryError(f"no memory for the packed keys of one head, {S} x {E} numbers")
    return sparsity


@functools.cache
def load_kernel() -> ctypes.CDLL | None:
    """The built function, or None where there is no C compiler that can build it."""
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    if compiler is None:
        return None
    for flags in _FLAGS:
        built = _build(compiler, flags)
        if built is not None:
            return ctypes.CDLL(str(built))
    return None


def _build(compiler: str, flags: tuple[str, ...]) -> Path | None:
    """The shared library's path, from the cache if this machine has built it before."""
    identity = "\0".join((_SOURCE, compiler, *flags, platform.machine(), _processor()))
    name = f"sparsity-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.so"
    folder = _cache_dir()
    target = folder / name
    if target.exists():
        return target
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        source, library = Path(scratch, "sparsity.c"), Path(scratch, name)
        source.write_text(_SOURCE)
        command = [compiler, *flags, str(source), "-o", str(library), "-lm"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            _LOGGER.info("building the sparsity kernel failed: %s", error)
            return None
        if done.returncode != 0:
            _LOGGER.info("building the sparsity kernel failed: %s", done.stderr.strip())
            return None
        library.replace(target)  # whole or not at all, also with several processes at it
    return target


def _cache_dir() -> Path:
    """A folder of the user's for built code, or one of this process where there is none."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base, "informer-pipeline")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="informer-"))


def _processor() -> str:
    """What `-march=native` depends on, as a home folder may be shared by unlike machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("flags", "model name"))}))
