"""The C functions of the fast backend, built once per machine by its own compiler.

Their sources lie in the folder `c`. Building them takes half a second, for all shapes and
precisions, and the result is kept in the user's cache folder.
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

__all__ = ["call", "load_kernel", "suits_kernel"]

_LOGGER = logging.getLogger(__name__)

_SOURCES = Path(__file__).parent / "c"

# Tried in order; a compiler without OpenMP still builds functions that run on one thread.
_FLAGS = (
    ("-O3", "-march=native", "-fopenmp", "-fPIC", "-shared"),
    ("-O3", "-fopenmp-simd", "-fPIC", "-shared"),
)


def suits_kernel(*tensors: Tensor) -> bool:
    """Whether C functions can work on tensors: in float32 on the CPU, run as they are written.

    Under autocast they may be of its precision too; a caller then widens them to float32.
    """
    known = {torch.float32}
    if torch.is_autocast_enabled("cpu"):
        known.add(torch.get_autocast_dtype("cpu"))
    plain = all(x.device.type == "cpu" and x.dtype in known for x in tensors)
    return plain and not torch.compiler.is_compiling() and load_kernel() is not None


def call(name: str, *arguments: Tensor | float | None) -> int:
    """Call a C function; it gets the number of threads as its last argument.

    Args:
        name: Of the function; its signature stands in the folder `c`.
        arguments: A tensor is passed as the address of its first number, None as a null pointer,
            an int as int64_t, a float as float.

    Returns:
        What the function returns, if it does.
    """
    kernel = load_kernel()
    assert kernel is not None
    passed = (*arguments, torch.get_num_threads())
    returned: int = getattr(kernel, name)(*map(_as_c, passed))
    return returned


def _as_c(argument: Tensor | float | None) -> ctypes.c_void_p | ctypes.c_int64 | ctypes.c_float:
    if isinstance(argument, Tensor):
        return ctypes.c_void_p(argument.data_ptr())
    if isinstance(argument, float):
        return ctypes.c_float(argument)
    return ctypes.c_void_p(None) if argument is None else ctypes.c_int64(argument)


@functools.cache
def load_kernel() -> ctypes.CDLL | None:
    """The built functions, or None where there is no C compiler that can build them."""
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
    sources = sorted(_SOURCES.glob("*.c"))
    texts = [path.read_text() for path in (*sources, _SOURCES / "shared.h")]
    identity = "\0".join((*texts, compiler, *flags, platform.machine(), _processor()))
    name = f"informer-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.so"
    folder = _cache_dir()
    target = folder / name
    if target.exists():
        return target
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        library = Path(scratch, name)
        command = [compiler, *flags, *map(str, sources), "-o", str(library), "-lm"]
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
