"""The sparsity measurement of ProbSparse attention, three ways, none of size L x K x E.

    B batch   L query length   S key length   H heads   E width per head   K keys sampled

No way is best everywhere, so the size decides (never what ran before: one input, one result):

    few scores          all S scores of a query at once, then the K sampled are picked
    CPU, C compiler     a C function that reads the sampled keys where they lie, see `kernel`
    CUDA                gather, product, sum and maximum fused by torch.compile
    else                tile by tile, each as large as a cache; on the CPU with one warning
"""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from informer.ops.kernel import call, find_compiler, load_kernel

__all__ = ["measure_sparsity"]

_LOGGER = logging.getLogger(__name__)

_FEW_SCORES = 2**14  # B x H x L x S up to which the C function is not worth building: 0.3 ms
_MANY_SCORES = 2**20  # above which its lack is worth a warning: 4 ms against 1
_TILE_NUMBERS = 2**20  # largest intermediate of the tiled way: 4 MiB of float32
_DENSE_KEYS = 1024  # S up to which the tiled way computes all scores instead of gathering keys


@torch.no_grad()
def measure_sparsity(queries: Tensor, keys: Tensor, sampled_keys: Tensor) -> Tensor:
    """How far each query's scores are from uniform (equation 4, on the sampled keys).

    The measurement chooses queries and has no gradient.

    Args:
        queries: (B, L, H, E).
        keys: (B, S, H, E).
        sampled_keys: (L, K) positions of keys, on the CPU.

    Returns:
        (B, H, L), a query's largest sampled score minus the sum of its sampled scores over S;
        float32, or float64 for float64 inputs.
    """
    if queries.device.type == "cuda":
        return _compiled_measure()(queries, keys, sampled_keys.to(queries.device))
    if queries.device.type != "cpu":
        return measure_tiled(queries, keys, sampled_keys.to(queries.device))
    if torch.compiler.is_compiling():
        measured: Tensor = _opaque_measure(queries, keys, sampled_keys)
        return measured
    return _measure_on_cpu(queries, keys, sampled_keys)


def _measure_on_cpu(queries: Tensor, keys: Tensor, sampled_keys: Tensor) -> Tensor:
    B, L, H, _ = queries.shape
    n_scores = B * H * L * keys.shape[1]
    if n_scores <= _FEW_SCORES or queries.dtype == torch.float64:
        return measure_tiled(queries, keys, sampled_keys)
    if load_kernel() is None:
        if n_scores > _MANY_SCORES and find_compiler() is None:  # else `load_kernel` says why
            _warn_once()
        return measure_tiled(queries, keys, sampled_keys)
    if queries.dtype != torch.bfloat16:
        queries, keys = queries.float(), keys.float()
    if queries.stride(-1) != 1 or keys.stride(-1) != 1:
        queries, keys = queries.contiguous(), keys.contiguous()
    return _measure_in_c(queries, keys, sampled_keys)


def _measure_in_c(queries: Tensor, keys: Tensor, sampled_keys: Tensor) -> Tensor:
    B, L, H, E = queries.shape
    S, K = keys.shape[1], sampled_keys.shape[1]
    if not 0 <= int(sampled_keys.min()) <= int(sampled_keys.max()) < S:
        raise IndexError(f"sampled_keys must lie in [0, {S}), the positions of the keys")
    sparsity = torch.empty(B, H, L)
    failed = call(
        "measure_sparsity", queries, keys, *queries.stride()[:3], *keys.stride()[:3],
        sampled_keys.to(torch.int32).contiguous(), sparsity, *(B, L, S, H, E, K), 1 / S,
        int(queries.dtype == torch.bfloat16),
    )  # fmt: skip
    if failed:
        raise MemoryError(f"no memory for the packed keys of one head, {S} x {E} numbers")
    return sparsity


# torch.compile takes it as it is, without looking inside.
_opaque_measure = torch.library.custom_op(
    "informer::measure_sparsity", _measure_on_cpu, mutates_args=(), device_types="cpu"
)


@_opaque_measure.register_fake
def _(queries: Tensor, keys: Tensor, sampled_keys: Tensor) -> Tensor:
    B, L, H, _ = queries.shape
    wide = torch.float64 if queries.dtype == torch.float64 else torch.float32
    return queries.new_empty((B, H, L), dtype=wide)


@functools.cache
def _warn_once() -> None:
    warnings.warn(
        "no C compiler was found, so ProbSparse attention is several times slower. Install gcc or "
        "clang, or set CC. Training works without it too.",
        stacklevel=2,
    )


def measure_tiled(queries: Tensor, keys: Tensor, sampled_keys: Tensor) -> Tensor:
    """`measure_sparsity` by tensor operations on tiles of queries."""
    if queries.dtype != torch.float64:
        queries, keys = queries.float(), keys.float()
    B, L, H, E = queries.shape
    S, K = keys.shape[1], sampled_keys.shape[1]
    dense = S <= _DENSE_KEYS
    per_query = B * H * (S if dense else K * E)
    step = max(1, _TILE_NUMBERS // per_query)
    k_transposed = keys.permute(0, 2, 3, 1)  # (B, H, E, S)
    sparsity = queries.new_empty((B, H, L))
    for start in range(0, L, step):
        q, sample = queries[:, start : start + step], sampled_keys[start : start + step]
        if dense:
            scores = q.transpose(1, 2) @ k_transposed  # (B, H, l, S)
            scores = scores.gather(-1, sample.expand(B, H, -1, -1))  # (B, H, l, K)
        else:
            scores = torch.einsum("blhe,blkhe->bhlk", q, keys[:, sample])  # (B, H, l, K)
        sparsity[..., start : start + step] = scores.amax(-1) - scores.sum(-1) / S
    return sparsity


def measure_gathered(queries: Tensor, keys: Tensor, sampled_keys: Tensor) -> Tensor:
    """`measure_sparsity` as one expression, for a compiler to fuse."""
    q, k = queries.transpose(1, 2).float(), keys.transpose(1, 2).float()  # (B, H, L or S, E)
    scores = (q.unsqueeze(3) * k[:, :, sampled_keys]).sum(-1)  # (B, H, L, K)
    return scores.amax(-1) - scores.sum(-1) / keys.shape[1]


@functools.cache
def _compiled_measure() -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    return torch.compile(measure_gathered, dynamic=True)
