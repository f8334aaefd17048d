"""The one file that names hardware: which device, how many processes, which precision.

Fabric is imported where it is used, here only: it takes two seconds, and a forecast needs none of
it.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import logging
import os
import shutil
import warnings
from typing import TYPE_CHECKING

import torch
from torch import nn

from informer.config import TrainingConfig
from informer.errors import ConfigError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = [
    "compiled",
    "for_processes",
    "generator_devices",
    "has_gpu",
    "join_processes",
    "make_fabric",
    "seed_generators",
    "starts_processes",
]

logger = logging.getLogger(__name__)

# Instruction sets with which torch multiplies bfloat16 matrices one entry at a time.
_WITHOUT_BF16 = ("DEFAULT", "AVX2")


def make_fabric(config: TrainingConfig) -> Fabric:
    """Bring up the device and precision that `config` asks for; starts no process yet.

    Several devices are trained on by one process each, with averaged gradients (DDP). Where
    torchrun started this process its siblings are joined; else `starts_processes` is true.

    Raises:
        ConfigError: The machine lacks the accelerator, or as many devices as asked for.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.plugins import MixedPrecision, Precision

    accelerator = _accelerator(config)
    joined = _started_by_torchrun() and config.devices != 1
    chosen = int(os.environ["LOCAL_WORLD_SIZE"]) if joined else _devices(config, accelerator)
    n_devices = chosen if isinstance(chosen, int) else len(chosen)
    n_nodes = int(os.environ["WORLD_SIZE"]) // n_devices if joined else 1
    several = "ddp" if joined else "ddp_spawn"
    bf16 = config.precision == "bf16"
    if bf16 and accelerator == "cpu" and torch.backends.cpu.get_cpu_capability() in _WITHOUT_BF16:
        logger.warning(
            "precision=bf16 on this CPU (%s) is slower than fp32, about four times in a "
            "measurement. It is faster on a GPU, or on a CPU with AVX-512 BF16 or AMX.",
            torch.backends.cpu.get_cpu_capability(),
        )
    return Fabric(
        accelerator=accelerator,
        devices=chosen,
        num_nodes=n_nodes,
        strategy=several if n_devices * n_nodes > 1 else "auto",
        plugins=[MixedPrecision("bf16-mixed", device=accelerator) if bf16 else Precision()],
    )


def join_processes(fabric: Fabric) -> None:
    """Bring `fabric` up in this process, beside siblings that torchrun started.

    Their group is left before the interpreter ends: torch may abort a process that still has the
    group's threads by then.
    """
    fabric.launch()
    if fabric.world_size > 1:
        _leave_group_at_exit()


@functools.cache
def _leave_group_at_exit() -> None:
    atexit.register(_leave_group)


def _leave_group() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def starts_processes(fabric: Fabric) -> bool:
    """Whether `fabric` has to start the processes that it trains in."""
    return fabric.world_size > 1 and not _started_by_torchrun()


def for_processes(model: nn.Module, fabric: Fabric) -> nn.Module:
    """`model` as one of several processes runs it; on GPUs with batch norms over all of them."""
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        synchronised: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return synchronised
    return model


def compiled(model: nn.Module, device: torch.device) -> nn.Module:
    """`model` under torch.compile, or as it is, with a warning, where no compiler is found."""
    names = [os.environ.get("CXX", ""), "c++", "g++", "clang++", "cl"]
    found = any(shutil.which(name) for name in names if name)
    if device.type == "cuda":
        found = found and importlib.util.find_spec("triton") is not None
    if found:
        return torch.compile(model)  # type: ignore[return-value]
    warnings.warn(
        "compile=True needs a C++ compiler, and on a GPU Triton too. They were not found, so "
        "training is not compiled. Install g++, or set compile to false.",
        stacklevel=2,
    )
    return model


def generator_devices(device: torch.device) -> list[int]:
    """The CUDA devices from whose global generator dropout on `device` draws."""
    return [device.index or 0] if device.type == "cuda" else []


def seed_generators(device: torch.device, seed: int) -> None:
    """Seed the global generators from which dropout on `device` draws."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def _started_by_torchrun() -> bool:
    """Whether this process has siblings that its starter knows of."""
    return {"RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"} <= os.environ.keys()


def has_gpu() -> bool:
    """Whether torch finds a GPU on this machine."""
    return torch.cuda.is_available()


def _accelerator(config: TrainingConfig) -> str:
    found = has_gpu()
    if config.accelerator == "cuda" and not found:
        raise ConfigError(
            "accelerator is 'cuda', but torch finds no CUDA device; use auto or cpu, or install a "
            "CUDA build of torch and its driver."
        )
    return "cuda" if found and config.accelerator != "cpu" else "cpu"


def _devices(config: TrainingConfig, accelerator: str) -> int | list[int]:
    """How many devices, or the numbers of the GPUs."""
    n_found = torch.cuda.device_count() if accelerator == "cuda" else None
    if config.devices == "auto":
        return n_found or 1
    if isinstance(config.devices, tuple):
        return _numbered(config.devices, n_found)
    if n_found is not None and config.devices > n_found:
        raise ConfigError(
            f"devices is {config.devices}, but this machine has {n_found} CUDA devices; use at "
            "most that many, or 'auto'."
        )
    return config.devices


def _numbered(numbers: tuple[int, ...], n_found: int | None) -> int | list[int]:
    if n_found is None:
        logger.warning(
            "devices=%s are GPU numbers, but no GPU is used. Training runs on the CPU.",
            list(numbers),
        )
        return 1
    if max(numbers) >= n_found:
        raise ConfigError(
            f"devices is {list(numbers)}, but this machine has {n_found} CUDA devices, numbered "
            "from 0; use these numbers."
        )
    return list(numbers)
