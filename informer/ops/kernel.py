"""The C functions of the fast backend, built once per machine by its own compiler.

    B batch   L query length   S key length   H heads   E width per head   K keys sampled

Building them takes half a second, for all shapes and both precisions, and the result is kept in
the user's cache folder.
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

from informer.ops.source import SOURCE

__all__ = ["call_drop", "call_measure", "load_kernel"]

_LOGGER = logging.getLogger(__name__)

# Tried in order; a compiler without OpenMP still builds a function that runs on one thread.
_FLAGS = (
    ("-O3", "-march=native", "-fopenmp", "-fPIC", "-shared"),
    ("-O3", "-fopenmp-simd", "-fPIC", "-shared"),
)


class _Problem(ctypes.Structure):
    """`problem` of the source, field by field."""

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


def call_measure(
    kernel: ctypes.CDLL, queries: Tensor, keys: Tensor, sampled_keys: Tensor
) -> Tensor:
    """Measure each query's sparsity, see `informer.ops.sparsity`.

    Args:
        kernel: From `load_kernel`.
        queries: (B, L, H, E) float32 or bfloat16 on the CPU, dense in E.
        keys: (B, S, H, E), the same.
        sampled_keys: (L, K) positions of keys.

    Returns:
        (B, H, L) float32.

    Raises:
        IndexError: A position is not in [0, S).
    """
    B, L, H, E = queries.shape
    S, K = keys.shape[1], sampled_keys.shape[1]
    if not 0 <= int(sampled_keys.min()) <= int(sampled_keys.max()) < S:
        raise IndexError(f"sampled_keys must lie in [0, {S}), the positions of the keys")
    index = sampled_keys.to(torch.int32).contiguous()
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


class _Dropping(ctypes.Structure):
    """`dropping` of the source, field by field."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "residual", "out")),
        *((name, ctypes.c_int64) for name in ("n", "start")),
        *((name, ctypes.c_uint32) for name in ("multiplier", "offset", "threshold")),
        ("scale", ctypes.c_float),
        ("is_bf16", ctypes.c_int32),
        ("n_threads", ctypes.c_int32),
    )


def call_drop(
    kernel: ctypes.CDLL, x: Tensor, residual: Tensor | None, *settings: float, scale: float
) -> Tensor:
    """Zero some numbers of `x`, scale the others and add `residual`, see `informer.ops.dropout`.

    Args:
        kernel: From `load_kernel`.
        x: Contiguous, float32 or bfloat16 on the CPU.
        residual: The same, or None.
        settings: Fields `start` to `threshold` of the source's `dropping`.
        scale: By which the numbers that stay are multiplied.
    """
    out = torch.empty_like(x)
    kernel.drop(
        ctypes.byref(
            _Dropping(
                x.data_ptr(),
                None if residual is None else residual.data_ptr(),
                out.data_ptr(),
                x.numel(),
                *settings,
                scale,
                int(x.dtype == torch.bfloat16),
                torch.get_num_threads(),
            )
        )
    )
    return out


@functools.cache
def load_kernel() -> ctypes.CDLL | None:
    """The built functions, or None where there is no C compiler that can build it."""
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
    identity = "\0".join((SOURCE, compiler, *flags, platform.machine(), _processor()))
    name = f"informer-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.so"
    folder = _cache_dir()
    target = folder / name
    if target.exists():
        return target
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        source, library = Path(scratch, "informer.c"), Path(scratch, name)
        source.write_text(SOURCE)
        command = [compiler, *flags, str(source), "-o", str(library), "-lm"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            _LOGGER.info("building the C functions failed: %s", error)
            return None
        if done.returncode != 0:
            _LOGGER.info("building the C functions failed: %s", done.stderr.strip())
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
